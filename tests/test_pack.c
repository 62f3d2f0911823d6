/* Cached packed files: the same bits as without one, and every damaged, stale or foreign file refused by name
 * and made anew. */
#include "fault_os.h"
#include "spine.h"

#include "base/sum64.h"
#include "llm/pack_file.h"

#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <sys/stat.h>
#include <sys/wait.h>

enum { TOKENS = 6 };
static char folder[160];

static int no_sync(void *ctx, glia_file f)
{
    (void)ctx;
    (void)f;
    return 0;
}

/* The default table, but files are not waited for: thousands are made here. */
static glia_os hasty;

static glia_model_options options_of(void)
{
    glia_model_options o = GLIA_MODEL_OPTIONS_INIT;
    o.os = &hasty;
    o.threads = o.slots = 2;
    o.batch = o.logit_rows = 8;
    o.context = 32;
    o.pack_cache = folder;
    return o;
}

static const char *model_path(glia_dtype t, uint64_t seed)
{
    glia_error e = GLIA_ERROR_INIT;
    char name[64];
    snprintf(name, sizeof name, "%s-%d.gguf", glia_dtype_name(t), (int)seed);
    const char *path = spine_temp(name);
    if (!spine_there(path) && glia_synth(NULL, "tiny", t, seed, path, &e)) fprintf(stderr, "%s\n", e.text);
    return path;
}

/* ---- the folder --------------------------------------------------------------------------------------- */

/* Counts the files whose name has this part; the last one's path goes to `path`. */
static int files_with(const char *part, char path[512])
{
    int n = 0;
    DIR *d = opendir(folder);
    for (struct dirent *f; d && (f = readdir(d));) {
        if (f->d_name[0] == '.' || !strstr(f->d_name, part)) continue;
        if (path) snprintf(path, 512, "%s/%s", folder, f->d_name);
        n++;
    }
    if (d) closedir(d);
    return n;
}

static void empty_folder(void)
{
    char path[512];
    while (files_with("", path)) unlink(path);
}

/* ---- a model's logits, and what became of the file --------------------------------------------------------
 */

typedef struct outcome {
    glia_pack_use use;
    char code[8];
    int64_t mapped;
    float logits[TOKENS * 512];
    int64_t vocab;
} outcome;

static outcome run_of(const char *path, const glia_model_options *o)
{
    static const int32_t ids[TOKENS] = {3, 17, 4, 99, 250, 8};
    glia_error e = GLIA_ERROR_INIT, why = GLIA_ERROR_INIT;
    glia_memory mem = GLIA_MEMORY_INIT;
    outcome r = {0};
    glia_session *s = NULL;
    glia_model *m = spine_open(path, o);
    if (!m) return r;
    r.use = glia_model_pack_cache(m, &why);
    memcpy(r.code, why.code, sizeof r.code);
    glia_model_memory(m, &mem);
    r.mapped = mem.mapped;
    CHECK_I64(mem.mapped,
              r.use == GLIA_PACK_USED && !(o->pack_flags & GLIA_PACK_COPY) ? mem.weights + mem.packed : 0);
    r.vocab = glia_model_vocab_size(m);
    CHECK(r.vocab <= 512);
    CHECK_I64(glia_session_create(m, &s, &e), GLIA_OK);
    if (s && r.vocab <= 512) CHECK_I64(spine_feed(s, r.vocab, ids, TOKENS, 0, 4, r.logits), GLIA_OK);
    glia_session_destroy(s);
    glia_model_close(m);
    return r;
}

static bool same(const outcome *a, const outcome *b)
{
    return a->vocab == b->vocab && spine_same_bits(a->logits, b->logits, TOKENS * a->vocab);
}

/* Refused with this code and made anew, then used; always the same bits. */
static void check_refused(const char *path, const outcome *want, const char *code)
{
    glia_model_options o = options_of();
    outcome r = run_of(path, &o);
    CHECK_I64(r.use, GLIA_PACK_MADE);
    CHECK_STR(r.code, code);
    CHECK(same(&r, want));
    r = run_of(path, &o);
    CHECK_I64(r.use, GLIA_PACK_USED);
    CHECK(same(&r, want));
}

/* ---- cases ------------------------------------------------------------------------------------------------
 */

static void sums(void)
{
    uint8_t data[400];
    for (int i = 0; i < 400; i++) data[i] = (uint8_t)(i * 37 + i / 7);
    for (int n = 0; n < 300; n++) {
        const uint64_t sum = glia_sum64(data, n);
        CHECK(n == 0 || sum != glia_sum64(data, n - 1));
        CHECK(sum == glia_sum64(data, n));
        for (int i = 0; i < n; i++) {
            const uint8_t kept = data[i];
            for (int bit = 0; bit < 8; bit += 3) {
                data[i] = (uint8_t)(kept ^ 1 << bit);
                CHECK(sum != glia_sum64(data, n));
            }
            data[i] = kept;
        }
    }
    /* the highest bits of neighbours in one chain do not cancel */
    const uint64_t sum = glia_sum64(data, 384);
    data[7] ^= 0x80, data[71] ^= 0x80;
    CHECK(sum != glia_sum64(data, 384));
}

static void bits(void)
{
    static const glia_dtype types[] = {GLIA_F32, GLIA_F16, GLIA_Q8_0, GLIA_Q4_0};
    for (int i = 0; i < 4; i++)
        for (int way = 0; way < 3; way++) {
            glia_model_options o = options_of();
            o.threads = o.slots = 1 + way;
            if (way == 2) o.isa = "portable";
            const char *path = model_path(types[i], 5);
            o.pack_cache = NULL;
            const outcome want = run_of(path, &o);
            CHECK_I64(want.use, GLIA_PACK_OFF);
            o.pack_cache = folder;
            outcome r = run_of(path, &o);
            /* one and two threads have the same layouts; a portable one is told apart by its name */
            CHECK_I64(r.use, way == 1 ? GLIA_PACK_USED : GLIA_PACK_MADE);
            CHECK(same(&r, &want) && !r.code[0]);
            for (int flags = 0; flags < 4; flags++) {
                o.pack_flags = flags;
                r = run_of(path, &o);
                CHECK_I64(r.use, GLIA_PACK_USED);
                CHECK(same(&r, &want) && !r.code[0]);
            }
            struct stat st;
            char file[512];
            CHECK(files_with("gliapack", file) > 0 && !stat(file, &st) && (st.st_mode & 0777) == 0600);
        }
    CHECK_I64(files_with(".tmp", NULL), 0);
    empty_folder();
}

static void query(void)
{
    glia_model_options o = options_of();
    glia_memory m = GLIA_MEMORY_INIT;
    glia_error e = GLIA_ERROR_INIT;
    const char *path = model_path(GLIA_Q8_0, 5);
    CHECK_I64(glia_model_query(path, &o, &m, &e), GLIA_OK);
    CHECK_I64(m.mapped, 0);
    CHECK_I64(files_with("", NULL), 0); /* asking makes nothing */
    run_of(path, &o);
    CHECK_I64(glia_model_query(path, &o, &m, &e), GLIA_OK);
    CHECK(m.mapped > 0 && m.mapped == m.weights + m.packed && m.total > m.mapped);
    o.pack_flags = GLIA_PACK_COPY;
    CHECK_I64(glia_model_query(path, &o, &m, &e), GLIA_OK);
    CHECK_I64(m.mapped, 0);
    o.pack_flags = 4;
    CHECK_I64(glia_model_query(path, &o, &m, &e), GLIA_E_ARG);
    CHECK_STR(e.code, "G0709");
    CHECK_I64(glia_model_pack_cache(NULL, NULL), GLIA_PACK_OFF);
    empty_folder();
}

static void no_folder(void)
{
    glia_model_options o = options_of();
    const char *path = model_path(GLIA_Q8_0, 5);
    o.pack_cache = NULL;
    const outcome want = run_of(path, &o);
    o.pack_cache = "/nonexistent/folder";
    outcome r = run_of(path, &o);
    CHECK_I64(r.use, GLIA_PACK_FAILED);
    CHECK_STR(r.code, "G0565");
    CHECK(same(&r, &want));
    o.pack_cache = path; /* a file */
    r = run_of(path, &o);
    CHECK_I64(r.use, GLIA_PACK_FAILED);
    CHECK(same(&r, &want));
}

static void cut(void)
{
    glia_model_options o = options_of();
    const char *path = model_path(GLIA_Q4_0, 5);
    const outcome want = run_of(path, &o);
    char file[512];
    struct stat st;
    CHECK(files_with("gliapack", file) == 1 && !stat(file, &st));
    const int64_t size = st.st_size;
    for (int64_t n = 0; n < size; n += n < 256 ? SPINE_SLOW ? 41 : 13 : size / 5) {
        CHECK(!truncate(file, n));
        check_refused(path, &want, "G0560");
    }
    CHECK(!truncate(file, size - 1));
    check_refused(path, &want, "G0560");
    CHECK(!truncate(file, size + 1));
    check_refused(path, &want, "G0560");
    CHECK_I64(files_with("", NULL), 1);
    empty_folder();
}

static void flip(const char *file, int64_t at, int bit)
{
    uint8_t c;
    const int fd = open(file, O_RDWR);
    CHECK(fd >= 0 && pread(fd, &c, 1, at) == 1);
    c = (uint8_t)(c ^ 1 << bit);
    CHECK(pwrite(fd, &c, 1, at) == 1);
    close(fd);
}

static void flipped(void)
{
    glia_model_options o = options_of();
    const char *path = model_path(GLIA_Q4_0, 5);
    const outcome want = run_of(path, &o);
    char file[512];
    int64_t size = 0, header = 0;
    CHECK(files_with("gliapack", file) == 1);
    uint8_t *data = (uint8_t *)spine_read(file, &size);
    glia_error e = GLIA_ERROR_INIT;
    glia_pack_header h = {0};
    CHECK_I64(glia_pack_header_size(data, size, size, &header, &e), GLIA_OK);
    CHECK_I64(glia_pack_header_read(data, header, size, &h, &e), GLIA_OK);
    for (int64_t i = 0; i < header; i += SPINE_SLOW ? 29 : 7) {
        flip(file, i, (int)(i % 8));
        check_refused(path, &want, i >= 8 && i < 16 ? "G0561" : "G0560");
    }
    for (int section = 0; section < 2; section++)
        for (int k = 0; k < 3; k++) {
            if (!h.bytes[section]) continue;
            flip(file, h.offset[section] + (h.bytes[section] - 1) * k / 2, k);
            check_refused(path, &want, "G0564");
        }
    CHECK(h.bytes[0] > 0 && h.bytes[1] > 0);
    o.pack_flags = GLIA_PACK_COPY;
    flip(file, h.offset[1], 0);
    outcome r = run_of(path, &o);
    CHECK_I64(r.use, GLIA_PACK_MADE);
    CHECK_STR(r.code, "G0564");
    CHECK(same(&r, &want));
    free(data);
    empty_folder();
}

static void foreign(void)
{
    glia_model_options o = options_of();
    char a[512], b[512];
    const char *path = model_path(GLIA_Q8_0, 5), *other = model_path(GLIA_Q8_0, 6);
    const outcome want = run_of(path, &o);
    CHECK(files_with("q8_0-5", a) == 1 || files_with("Q8_0-5", a) == 1);
    run_of(other, &o);
    CHECK_I64(files_with("gliapack", NULL), 2);
    CHECK(files_with("q8_0-6", b) == 1 || files_with("Q8_0-6", b) == 1);
    CHECK(!rename(b, a)); /* of another model of the same shape */
    check_refused(path, &want, "G0562");
    o.isa = "portable";
    run_of(path, &o);
    CHECK_I64(files_with("gliapack", NULL), 2);
    char kept[512];
    strcpy(kept, a);
    DIR *d = opendir(folder);
    for (struct dirent *f; d && (f = readdir(d));) {
        if (f->d_name[0] == '.') continue;
        snprintf(b, sizeof b, "%s/%s", folder, f->d_name);
        if (strcmp(b, kept)) break;
    }
    closedir(d);
    CHECK(!rename(b, kept)); /* for another instruction set */
    check_refused(path, &want, "G0563");
    empty_folder();
}

static void stale(void)
{
    glia_model_options o = options_of();
    const char *path = model_path(GLIA_F32, 7);
    struct stat st;
    CHECK(!stat(path, &st) && !truncate(path, st.st_size + (1 << 20))); /* room between the samples */
    outcome want = run_of(path, &o);
    const struct timespec times[2] = {{1000, 0}, {1000, 0}};
    CHECK(!utimensat(AT_FDCWD, path, times, 0));
    check_refused(path, &want, "G0562");
    /* a byte between the samples, and the old time: only the whole content tells */
    CHECK(!stat(path, &st));
    const int64_t step = (st.st_size - 4096) / 63;
    CHECK(step > 4200);
    if (step <= 4200) return;
    flip(path, step * 40 + 4096 + 50, 6);
    CHECK(!utimensat(AT_FDCWD, path, times, 0));
    outcome r = run_of(path, &o);
    CHECK_I64(r.use, GLIA_PACK_USED);
    CHECK(same(&r, &want));
    o.pack_flags = GLIA_PACK_VERIFY;
    r = run_of(path, &o);
    CHECK_I64(r.use, GLIA_PACK_MADE);
    CHECK_STR(r.code, "G0562");
    o.pack_flags = 0;
    outcome changed = run_of(path, &o);
    CHECK_I64(changed.use, GLIA_PACK_USED);
    CHECK(same(&changed, &r));
    empty_folder();
}

static void together(void)
{
    glia_model_options o = options_of();
    const char *path = model_path(GLIA_Q8_0, 5);
    o.pack_cache = NULL;
    const outcome want = run_of(path, &o);
    o.pack_cache = folder;
    for (int round = 0; round < (SPINE_SLOW ? 2 : 8); round++) {
        pid_t child[4];
        char file[512];
        if (round % 2 && files_with("gliapack", file)) flip(file, 5000, 1);
        else empty_folder();
        fflush(NULL);
        for (int i = 0; i < 4; i++) {
            child[i] = fork();
            if (child[i]) continue;
            check_case_failures = 0;
            const outcome r = run_of(path, &o);
            _exit(check_case_failures || !same(&r, &want) || r.use == GLIA_PACK_FAILED);
        }
        for (int i = 0; i < 4; i++) {
            int status = -1;
            CHECK(waitpid(child[i], &status, 0) == child[i] && status == 0);
        }
        CHECK_I64(files_with("", NULL), 1);
        const outcome r = run_of(path, &o);
        CHECK_I64(r.use, GLIA_PACK_USED);
        CHECK(same(&r, &want));
    }
    empty_folder();
}

/* Whatever call is refused: a status or a notice, never a crash, a leak, or a file that is not whole. */
static void refused_calls(void)
{
    glia_model_options o = options_of();
    const char *path = model_path(GLIA_Q8_0, 5);
    o.pack_cache = NULL;
    o.threads = o.slots = 1;
    const outcome want = run_of(path, &o);
    o.pack_cache = folder;
    for (int there = 0; there < 2; there++)
        for (int class = 0; class < FAULT_CLASSES; class ++)
            for (int64_t n = 1; n < 200; n += SPINE_SLOW && n > 8 ? 7 : 1) {
                struct fault_os f;
                glia_error e = GLIA_ERROR_INIT;
                glia_model *m = NULL;
                if (!there) empty_folder();
                fault_os_init(&f, &hasty);
                o.os = &f.os;
                fault_os_fail(&f, class, n, false);
                const glia_status st = glia_model_open(path, &o, &m, &e);
                CHECK((st == GLIA_OK) == (m != NULL));
                CHECK(!st || (e.code[0] && e.text[0]));
                const bool hit = f.failed > 0;
                glia_model_close(m);
                CHECK(fault_os_clean(&f));
                CHECK(files_with(".tmp", NULL) == 0 || class == FAULT_REMOVE);
                if (!hit) break;
                o.os = &hasty;
                if (n > 3) continue;
                const outcome r = run_of(path, &o);
                CHECK(same(&r, &want) && r.use != GLIA_PACK_FAILED && strcmp(r.code, "G0560") &&
                      strcmp(r.code, "G0564"));
            }
    empty_folder();
}

int main(void)
{
    hasty = *glia_os_default();
    hasty.file_sync = no_sync;
    snprintf(folder, sizeof folder, "%s", spine_temp("packs"));
    if (mkdir(folder, 0700)) return 2;
    RUN(sums);
    RUN(bits);
    RUN(query);
    RUN(no_folder);
    RUN(cut);
    RUN(flipped);
    RUN(foreign);
    RUN(stale);
    RUN(together);
    RUN(refused_calls);
    rmdir(folder);
    spine_clean((const char *const[]){"F32-5.gguf", "F16-5.gguf", "Q8_0-5.gguf", "Q4_0-5.gguf", "Q8_0-6.gguf",
                                      "F32-7.gguf", "f32-5.gguf", "f16-5.gguf", "q8_0-5.gguf", "q4_0-5.gguf",
                                      "q8_0-6.gguf", "f32-7.gguf", NULL});
    return CHECK_EXIT();
}
