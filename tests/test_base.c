/* The lowest floor: errors, arena, reader and writer, os table, UTF-8, JSON, numbers, SHA-256, Philox,
 * processor. Values come from published vectors (FIPS 180-4, Random123, RFC 8259, Unicode) or, for
 * numbers, from libc's strtod and printf in the C locale. */
#include "base/arena.h"
#include "base/check.h"
#include "base/cpu.h"
#include "base/error.h"
#include "base/json.h"
#include "base/number.h"
#include "base/reader.h"
#include "base/rng.h"
#include "base/sha256.h"
#include "base/utf8.h"
#include "check.h"
#include "fault_os.h"

#include <locale.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- errors */

static void error_fill(void)
{
    glia_error e = GLIA_ERROR_INIT;
    CHECK(glia_fail(NULL, GLIA_E_ARG, "G0401", "nobody listens") == GLIA_E_ARG);
    CHECK(glia_fail_at(&e, GLIA_E_FORMAT, "G0401", 17, "bad %s", "thing") == GLIA_E_FORMAT);
    CHECK_STR(e.text, "bad thing");
    CHECK_STR(e.code, "G0401");
    CHECK_I64(e.offset, 17);
    CHECK_I64(e.status, GLIA_E_FORMAT);
    CHECK(glia_fail(&e, GLIA_E_IO, "G0802", "second") == GLIA_E_IO);
    CHECK_STR(e.text, "bad thing"); /* the first error is kept */
    glia_error_more(&e, "more %d", 5);
    glia_error_context(&e, "file %s", "a.gguf");
    CHECK_STR(e.text, "file a.gguf: bad thing\nmore 5");
    glia_error_clear(&e);
    CHECK(e.status == GLIA_OK && !e.text[0] && e.offset == -1 && !e.code[0]);
    glia_error_clear(NULL);
    glia_error_more(NULL, "x");
    glia_error_context(NULL, "x");
}

static void error_text_is_bounded_and_printable(void)
{
    static char big[8000];
    glia_error e = GLIA_ERROR_INIT;
    for (size_t i = 0; i + 2 < sizeof big; i += 2) memcpy(big + i, "\xC3\xA9", 2);
    glia_fail(&e, GLIA_E_FORMAT, "G0401", "x%s", big); /* one byte off: the cut falls into a character */
    CHECK(strlen(e.text) < sizeof e.text && strlen(e.text) > sizeof e.text - 8);
    CHECK(glia_utf8_valid(e.text, (int64_t)strlen(e.text)));
    glia_error_more(&e, "%s", big);
    glia_error_context(&e, "%s", big);
    CHECK(strlen(e.text) < sizeof e.text && glia_utf8_valid(e.text, (int64_t)strlen(e.text)));
    glia_error_clear(&e);
    glia_fail(&e, GLIA_E_FORMAT, "G0401", "%s", "a\x1b[2Jb\xff\xC3\nc\x7f");
    CHECK_STR(e.text, "a?[2Jb??\nc?");

    /* A record of an older library, cut short: nothing beyond its size is touched. */
    struct {
        glia_error e;
        char guard[64];
    } old;
    memset(&old, 0x5A, sizeof old);
    old.e.size = (uint32_t)offsetof(glia_error, text) + 8;
    old.e.status = GLIA_OK;
    glia_fail(&old.e, GLIA_E_ARG, "G0401", "a text of more than eight bytes");
    CHECK_STR(old.e.text, "a text ");
    CHECK(old.e.text[8] == 0x5A && old.guard[0] == 0x5A);
    old.e.size = 0;
    old.e.status = GLIA_OK;
    CHECK(glia_fail(&old.e, GLIA_E_ARG, "G0401", "no") == GLIA_E_ARG && old.e.status == GLIA_OK);
}

static void error_explanations(void)
{
    int n = 0;
    for (const char *code; (code = glia_explain_code(n)); n++) {
        const char *text = glia_explain(code);
        CHECK(strlen(code) == 5 && code[0] == 'G' && strspn(code + 1, "0123456789") == 4);
        CHECK(text && !strncmp(text, code, 5) && text[5] == ':' && strstr(text, "\n\n"));
        for (int i = 0; i < n; i++) {
            if (!strcmp(glia_explain_code(i), code)) fprintf(stderr, "%s is there twice\n", code);
            CHECK(strcmp(glia_explain_code(i), code));
        }
    }
    CHECK(n > 3);
    CHECK(!glia_explain("G9999") && !glia_explain(NULL) && !glia_explain_code(-1));
    CHECK_STR(glia_version(), "0.1.0");
    for (int s = 0; s < GLIA_STATUS_COUNT; s++)
        CHECK(strcmp(glia_status_name((glia_status)s), "unknown status"));
    CHECK_STR(glia_status_name((glia_status)999), "unknown status");
    CHECK_STR(glia_status_name((glia_status)-1), "unknown status");
}

/* ---- arena */

static void arena_allocates(void)
{
    struct fault_os f;
    glia_arena a;
    fault_os_init(&f, NULL);
    glia_arena_init(&a, &f.os, 0);
    uint8_t *last = NULL;
    for (int64_t n = 0; n < 3000; n = n < 40 ? n + 1 : n * 2)
        for (int64_t align = 1; align <= 64; align *= 2) {
            uint8_t *p = glia_arena_alloc(&a, n, align);
            CHECK(p && (uintptr_t)p % (uintptr_t)align == 0 && p != last);
            for (int64_t i = 0; p && i < n; i++) CHECK(p[i] == 0);
            if (p && n) memset(p, 0xFF, (size_t)n);
            last = p;
        }
    CHECK(glia_arena_alloc(&a, 5 << 20, 64) != NULL);
    CHECK(glia_arena_check(&a) && !a.failed);
    CHECK_I64(a.used, f.live_bytes);
    CHECK(!glia_arena_alloc(&a, -1, 1) && a.failed);
    CHECK(!glia_arena_alloc(&a, 1, 128) && !glia_arena_alloc(&a, 1, 3) && !glia_arena_alloc(&a, 1, 0));
    CHECK(!glia_arena_alloc(&a, INT64_MAX, 64) && !glia_arena_array(&a, INT64_MAX / 2, 3, 1));
    CHECK(!glia_arena_array(&a, -1, -1, 1) && !glia_arena_strndup(&a, "x", -5));
    CHECK_STR(glia_arena_strdup(&a, "abc"), "abc");
    CHECK_STR(glia_arena_strndup(&a, "abc", 2), "ab");
    CHECK_STR(glia_arena_printf(&a, "%d %s", 7, "x"), "7 x");
    glia_arena_free(&a);
    CHECK(a.used == 0 && !a.failed && fault_os_clean(&f));
    CHECK(glia_arena_alloc(&a, 10, 8) != NULL); /* usable again */
    glia_arena_free(&a);
    glia_arena_free(&a);
    CHECK(fault_os_clean(&f));
}

static void arena_limit(void)
{
    struct fault_os f;
    glia_arena a;
    fault_os_init(&f, NULL);
    glia_arena_init(&a, &f.os, 10000);
    int n = 0;
    while (n < 100000 && glia_arena_alloc(&a, 50, 8)) n++;
    CHECK(a.failed && a.used <= 10000 && f.live_bytes <= 10000);
#ifndef GLIA_DEBUG
    CHECK(n > 150); /* the blocks are filled before the limit refuses */
#endif
    glia_arena_free(&a);
    CHECK(fault_os_clean(&f));
}

static void arena_grows_arrays(void)
{
    glia_arena a;
    glia_arena_init(&a, NULL, 0);
    int *v = NULL;
    int64_t capacity = 0;
    for (int i = 0; i < 10000; i++) {
        v = glia_arena_grow(&a, v, i, &capacity, sizeof *v);
        CHECK(v && capacity > i);
        if (!v) break;
        v[i] = i;
    }
    for (int i = 0; v && i < 10000; i++) CHECK(v[i] == i);
    int64_t huge = INT64_MAX / 4;
    CHECK(!glia_arena_grow(&a, v, huge, &huge, 16));
    glia_arena_free(&a);
}

static void arena_survives_refusals(void)
{
    struct fault_os f;
    glia_arena a;
    bool done = false;
    for (int n = 1; !done && n < 1000; n++) {
        fault_os_init(&f, NULL);
        fault_os_fail(&f, FAULT_MEMORY, n, n % 2);
        glia_arena_init(&a, &f.os, 0);
        bool all = true;
        for (int64_t bytes = 1; bytes < 100000; bytes *= 2)
            all = glia_arena_alloc(&a, bytes, 16) != NULL && all;
        CHECK(all == !f.failed && a.failed == (f.failed != 0));
        CHECK(glia_arena_check(&a));
        glia_arena_free(&a);
        CHECK(fault_os_clean(&f));
        done = !f.failed;
    }
    CHECK(done);
}

#if defined(GLIA_DEBUG)
/* As a wild pointer would: past ASan's eyes, so that the redzone itself is tested. */
__attribute__((no_sanitize("address"))) static uint8_t swap_unchecked(volatile uint8_t *p, uint8_t v)
{
    uint8_t old = *p;
    *p = v;
    return old;
}

static void arena_finds_overruns(void)
{
    glia_arena a;
    glia_arena_init(&a, NULL, 0);
    uint8_t *p = glia_arena_alloc(&a, 13, 1);
    CHECK(glia_arena_alloc(&a, 40, 8) && glia_arena_check(&a));
    uint8_t old = swap_unchecked(p + 13, 1);
    CHECK(!glia_arena_check(&a));
    swap_unchecked(p + 13, old); /* mended, else freeing would stop the program */
    CHECK(glia_arena_check(&a));
    glia_arena_free(&a);
}
#endif

/* ---- reader and writer */

static void reader_bounds(void)
{
    uint8_t bytes[16];
    for (int i = 0; i < 16; i++) bytes[i] = (uint8_t)(i + 1);
    glia_reader r = glia_reader_make(bytes, 16);
    CHECK(glia_read_u8(&r) == 1 && glia_read_u16(&r) == 0x0302 && glia_read_u32(&r) == 0x07060504);
    CHECK(glia_read_u64(&r) == 0x0F0E0D0C0B0A0908u && glia_reader_left(&r) == 1 && !r.failed);
    CHECK(glia_read_u16(&r) == 0 && r.failed && r.at == 15);
    CHECK(glia_read_u8(&r) == 0 && r.failed); /* stays failed although a byte is left */
    r = glia_reader_make(bytes, 16);
    CHECK(!glia_read_bytes(&r, -1) && r.failed);
    r = glia_reader_make(bytes, 16);
    CHECK(!glia_read_bytes(&r, INT64_MAX) && r.failed);
    r = glia_reader_make(bytes, -5);
    CHECK(r.size == 0 && glia_read_u8(&r) == 0 && r.failed);
    r = glia_reader_make(NULL, 0);
    CHECK(glia_read_bytes(&r, 0) && !r.failed);
    r = glia_reader_make("\x00\x00\xc0\x3f\x00\x00\x00\x00\x00\x00\x04\xc0", 12);
    CHECK(glia_read_f32(&r) == 1.5f && glia_read_f64(&r) == -2.5 && !r.failed);
}

static void writer_round_trip(void)
{
    glia_arena a;
    glia_arena_init(&a, NULL, 0);
    glia_writer w = {.arena = &a};
    for (int i = 0; i < 200; i++) {
        glia_write_u8(&w, (uint8_t)i);
        glia_write_u16(&w, (uint16_t)(i * 257));
        glia_write_u32(&w, (uint32_t)i * 0x01010101u);
        glia_write_u64(&w, (uint64_t)i << 50);
        glia_write_f32(&w, (float)i / 3);
        glia_write_f64(&w, (double)i / 3);
        glia_write_text(&w, "<%d>", i);
        glia_write_bytes(&w, "", 0);
    }
    CHECK(!w.failed);
    glia_reader r = glia_reader_make(w.data, w.size);
    for (int i = 0; i < 200; i++) {
        char text[8], want[8];
        CHECK(glia_read_u8(&r) == i && glia_read_u16(&r) == i * 257 &&
              glia_read_u32(&r) == (uint32_t)i * 0x01010101u);
        CHECK(glia_read_u64(&r) == (uint64_t)i << 50 && glia_read_f32(&r) == (float)i / 3 &&
              glia_read_f64(&r) == (double)i / 3);
        int n = snprintf(want, sizeof want, "<%d>", i);
        const uint8_t *p = glia_read_bytes(&r, n);
        snprintf(text, sizeof text, "%.*s", n, p ? (const char *)p : "");
        CHECK_STR(text, want);
    }
    CHECK(glia_reader_left(&r) == 0 && !r.failed);
    glia_arena_free(&a);

    struct fault_os f;
    fault_os_init(&f, NULL);
    fault_os_fail(&f, FAULT_MEMORY, 2, false);
    glia_arena_init(&a, &f.os, 0);
    w = (glia_writer){.arena = &a};
    for (int i = 0; i < 4000; i++) glia_write_u32(&w, 1);
    CHECK(w.failed); /* one refusal sticks, so that no bytes are missing in the middle */
    glia_arena_free(&a);
    CHECK(fault_os_clean(&f));
}

/* ---- os */

static char test_dir[128];

static const char *test_path(const char *name)
{
    static char path[256];
    snprintf(path, sizeof path, "%s/%s", test_dir, name);
    return path;
}

static void os_memory(void)
{
    const glia_os *os = glia_os_default();
    static const size_t sizes[] = {1, 7, 4096, 100000, (2u << 20) - 1, 2u << 20, (5u << 20) + 13};
    CHECK(os->size == sizeof *os);
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++)
        for (size_t align = 1; align <= 4096; align *= 8) {
            uint8_t *p = os->mem_alloc(os->ctx, sizes[i], align);
            CHECK(p && (uintptr_t)p % align == 0);
            if (!p) continue;
            size_t set = 0;
            for (size_t k = 0; k < sizes[i]; k++) set += p[k] != 0;
            CHECK(set == 0);
            memset(p, 0xEE, sizes[i]);
            os->mem_free(os->ctx, p, sizes[i]);
        }
    CHECK(!os->mem_alloc(os->ctx, 0, 8) && !os->mem_alloc(os->ctx, 8, 3) && !os->mem_alloc(os->ctx, 8, 0));
    CHECK(!os->mem_alloc(os->ctx, SIZE_MAX, 64) && !os->mem_alloc(os->ctx, SIZE_MAX / 2, 64));
    CHECK(!os->mem_alloc(os->ctx, 8, 8192) && !os->mem_reserve(os->ctx, SIZE_MAX));
    os->mem_free(os->ctx, NULL, 100);
    uint8_t *r = os->mem_reserve(os->ctx, (size_t)64 << 20);
    CHECK(r != NULL);
    CHECK_I64(os->mem_commit(os->ctx, r, 3 << 20), 0);
    r[0] = r[(3 << 20) - 1] = 5;
    CHECK(r[1] == 0);
    CHECK_I64(os->mem_commit(os->ctx, r, 4096), 0); /* again: the contents stay */
    CHECK(r[0] == 5);
    CHECK(os->mem_commit(os->ctx, r + 1, 4096) == EINVAL);
    os->mem_release(os->ctx, r, (size_t)64 << 20);
}

static void os_files(void)
{
    const glia_os *os = glia_os_default();
    glia_file f;
    int64_t size;
    char back[6] = {0};
    char first[256];
    snprintf(first, sizeof first, "%s", test_path("a"));
    CHECK_I64(os->file_open(os->ctx, first, GLIA_FILE_READ, &f), ENOENT);
    CHECK_I64(os->file_open(os->ctx, first, 0, &f), EINVAL);
    CHECK_I64(os->file_open(os->ctx, NULL, GLIA_FILE_READ, &f), EINVAL);
    CHECK_I64(os->file_open(os->ctx, first, GLIA_FILE_READ | GLIA_FILE_WRITE, &f), 0);
    CHECK_I64(os->file_write(os->ctx, f, 3, "hello", 5), 0);
    CHECK_I64(os->file_size(os->ctx, f, &size), 0);
    CHECK_I64(size, 8);
    CHECK_I64(os->file_read(os->ctx, f, 3, back, 5), 0);
    CHECK_STR(back, "hello");
    CHECK_I64(os->file_read(os->ctx, f, 4, back, 5), EIO);
    CHECK_I64(os->file_read(os->ctx, f, 8, back, 0), 0);
    CHECK_I64(os->file_read(os->ctx, f, -1, back, 1), EINVAL);
    CHECK_I64(os->file_read(os->ctx, f, INT64_MAX, back, 1), EINVAL);
    CHECK_I64(os->file_write(os->ctx, f, -1, back, 1), EINVAL);
    CHECK_I64(os->file_sync(os->ctx, f), 0);
    const char *map = os->map(os->ctx, f, 8);
    CHECK(map && !memcmp(map + 3, "hello", 5));
    CHECK(!os->map(os->ctx, f, 0));
    os->unmap(os->ctx, (void *)(uintptr_t)map, 8);
    os->unmap(os->ctx, NULL, 8);
    os->file_close(os->ctx, f);
    struct stat s;
    CHECK(!stat(first, &s) && (s.st_mode & 0777) == 0600);
    CHECK_I64(os->file_rename(os->ctx, first, test_path("b")), 0);
    CHECK_I64(os->file_open(os->ctx, test_path("b"), GLIA_FILE_READ, &f), 0);
    CHECK_I64(os->file_write(os->ctx, f, 0, "x", 1), EBADF);
    os->file_close(os->ctx, f);
    CHECK_I64(os->file_remove(os->ctx, test_path("b")), 0);
    CHECK_I64(os->file_remove(os->ctx, test_path("b")), ENOENT);
    CHECK_I64(os->file_rename(os->ctx, first, test_path("c")), ENOENT);
}

/* Neither hangs nor has a size: fifo, folder, device. */
static void os_refuses_what_is_no_file(void)
{
    const glia_os *os = glia_os_default();
    glia_file f;
    int64_t size;
    CHECK(!mkfifo(test_path("fifo"), 0600));
    CHECK_I64(os->file_open(os->ctx, test_path("fifo"), GLIA_FILE_READ, &f), 0);
    CHECK_I64(os->file_size(os->ctx, f, &size), EINVAL);
    os->file_close(os->ctx, f);
    CHECK_I64(os->file_open(os->ctx, test_path("fifo"), GLIA_FILE_WRITE, &f), ENXIO);
    CHECK_I64(os->file_open(os->ctx, test_dir, GLIA_FILE_READ, &f), 0);
    CHECK_I64(os->file_size(os->ctx, f, &size), EINVAL);
    os->file_close(os->ctx, f);
    CHECK_I64(os->file_open(os->ctx, "/dev/zero", GLIA_FILE_READ, &f), 0);
    CHECK_I64(os->file_size(os->ctx, f, &size), EINVAL);
    os->file_close(os->ctx, f);
    unlink(test_path("fifo"));
}

struct meeting {
    uint32_t word;
    int cpu;
    bool blocked;
};

static void meet(void *p)
{
    struct meeting *m = p;
    sigset_t set;
    pthread_sigmask(SIG_SETMASK, NULL, &set);
    m->blocked = sigismember(&set, SIGINT) && sigismember(&set, SIGTERM) && !sigismember(&set, SIGSEGV);
    m->cpu = sched_getcpu();
    __atomic_store_n(&m->word, 1, __ATOMIC_RELEASE);
    glia_os_default()->futex_wake(NULL, &m->word, 1);
}

static void os_threads(void)
{
    const glia_os *os = glia_os_default();
    cpu_set_t set;
    glia_thread t;
    sched_getaffinity(0, sizeof set, &set);
    for (int cpu = -1; cpu < CPU_SETSIZE; cpu++) {
        if (cpu >= 0 && !CPU_ISSET(cpu, &set)) continue;
        struct meeting m = {0, -1, false};
        CHECK_I64(os->thread_start(os->ctx, meet, &m, cpu, &t), 0);
        while (!__atomic_load_n(&m.word, __ATOMIC_ACQUIRE)) os->futex_wait(os->ctx, &m.word, 0, -1);
        os->thread_join(os->ctx, t);
        CHECK(m.blocked && (cpu < 0 || m.cpu == cpu));
    }
    struct meeting m = {0, -1, false};
    CHECK_I64(os->thread_start(os->ctx, meet, &m, CPU_SETSIZE - 1, &t), EINVAL); /* no such processor here */
    CHECK_I64(os->thread_start(os->ctx, meet, &m, INT32_MAX, &t), EINVAL);
    os->thread_join(os->ctx, 0);
    uint64_t before = os->clock_ns(os->ctx);
    os->futex_wait(os->ctx, &m.word, 0, 3000000);
    os->futex_wait(os->ctx, &m.word, 1, -1); /* differs: returns at once */
    CHECK(os->clock_ns(os->ctx) - before >= 2000000);
    CHECK(os->cpu_count(os->ctx) >= 1 && os->cpu_count(os->ctx) <= CPU_COUNT(&set));
}

static void fault_os_refuses(void)
{
    struct fault_os f;
    glia_file file;
    fault_os_init(&f, NULL);
    fault_os_fail(&f, FAULT_MEMORY, 2, false);
    void *p = f.os.mem_alloc(f.os.ctx, 10, 8);
    CHECK(p && !f.os.mem_alloc(f.os.ctx, 10, 8));
    void *q = f.os.mem_alloc(f.os.ctx, 10, 8);
    CHECK(q && f.calls[FAULT_MEMORY] == 3 && f.failed == 1 && f.live_bytes == 20 && f.peak_bytes == 20);
    CHECK(!fault_os_clean(&f));
    f.os.mem_free(f.os.ctx, p, 10);
    f.os.mem_free(f.os.ctx, q, 10);
    CHECK(fault_os_clean(&f));
    fault_os_fail(&f, FAULT_ANY, 1, true);
    CHECK(f.os.file_open(f.os.ctx, test_path("z"), GLIA_FILE_WRITE, &file) &&
          !f.os.mem_alloc(f.os.ctx, 1, 1));
    fault_os_heal(&f);
    CHECK_I64(f.os.file_open(f.os.ctx, test_path("z"), GLIA_FILE_WRITE, &file), 0);
    CHECK(f.live_files == 1);
    fault_os_fail(&f, FAULT_WRITE, 1, false);
    CHECK_I64(f.os.file_write(f.os.ctx, file, 0, "abcd", 4), ENOSPC);
    int64_t size = 0;
    CHECK(!f.os.file_size(f.os.ctx, file, &size) && size == 2);
    f.os.file_close(f.os.ctx, file);
    CHECK(!f.os.file_remove(f.os.ctx, test_path("z")) && fault_os_clean(&f));
}

/* ---- UTF-8 */

static void utf8_cases(void)
{
    static const struct {
        const char *bytes;
        uint32_t cp;
        int len;
        bool ok;
    } cases[] = {
        {"A", 'A', 1, true},
        {"\xC3\xA9", 0xE9, 2, true},
        {"\xE2\x82\xAC", 0x20AC, 3, true},
        {"\xF0\x9F\x98\x80", 0x1F600, 4, true},
        {"\xF4\x8F\xBF\xBF", 0x10FFFF, 4, true},
        {"\xEF\xBF\xBD", 0xFFFD, 3, true},
        {"\xC0\x80", 0xFFFD, 1, false}, /* overlong */
        {"\xC1\xBF", 0xFFFD, 1, false},
        {"\xE0\x9F\xBF", 0xFFFD, 1, false},
        {"\xF0\x8F\xBF\xBF", 0xFFFD, 1, false},
        {"\xED\xA0\x80", 0xFFFD, 1, false},     /* surrogate */
        {"\xF4\x90\x80\x80", 0xFFFD, 1, false}, /* beyond U+10FFFF */
        {"\xF5\x80\x80\x80", 0xFFFD, 1, false},
        {"\x80", 0xFFFD, 1, false},
        {"\xFF", 0xFFFD, 1, false},
        {"\xE2\x82", 0xFFFD, 1, false},
        {"\xE2\x28\xA1", 0xFFFD, 1, false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        int len = 0;
        bool ok = false;
        int64_t size = (int64_t)strlen(cases[i].bytes);
        CHECK(glia_utf8_decode(cases[i].bytes, size, &len, &ok) == cases[i].cp && len == cases[i].len &&
              ok == cases[i].ok);
        CHECK(glia_utf8_valid(cases[i].bytes, size) == cases[i].ok);
    }
    CHECK(glia_utf8_valid("", 0));
}

static void utf8_round_trip(void)
{
    char b[4];
    for (uint32_t cp = 0; cp < 0x110000; cp++) {
        int n = glia_utf8_encode(cp, b), len = 0;
        bool ok = false;
        if (cp >= 0xD800 && cp < 0xE000) {
            CHECK(n == 0);
            continue;
        }
        CHECK(n && glia_utf8_decode(b, n, &len, &ok) == cp && ok && len == n);
        for (int cut = 1; cut < n; cut++) {
            CHECK(!glia_utf8_valid(b, cut) && glia_utf8_complete(b, cut) == 0);
        }
        CHECK(glia_utf8_complete(b, n) == n);
    }
    CHECK(glia_utf8_encode(0x110000, b) == 0 && glia_utf8_encode(UINT32_MAX, b) == 0);
    /* What can not be completed any more is not held back. */
    CHECK_I64(glia_utf8_complete("ab\xE2\x82", 4), 2);
    CHECK_I64(glia_utf8_complete("ab\xE0\x80", 4), 4);
    CHECK_I64(glia_utf8_complete("ab\x80\x80", 4), 4);
    CHECK_I64(glia_utf8_complete("\xFF", 1), 1);
    CHECK_I64(glia_utf8_complete("", 0), 0);
}

/* ---- numbers */

static void check_number(const char *text)
{
    double got = 12345, want = strtod(text, NULL);
    bool ok = glia_number_parse(text, (int64_t)strlen(text), &got);
    if (!ok || memcmp(&got, &want, sizeof got)) fprintf(stderr, "%.60s is %a, want %a\n", text, got, want);
    CHECK(ok && !memcmp(&got, &want, sizeof got));
}

static void number_parse_exactly(void)
{
    static const char *const hard[] = {"0",
                                       "-0",
                                       "1",
                                       "0.1",
                                       "1e22",
                                       "1e23",
                                       "9007199254740993",
                                       "9007199254740992.5",
                                       "123456789012345678901234567890",
                                       "2.2250738585072011e-308",
                                       "2.2250738585072012e-308",
                                       "2.2250738585072014e-308",
                                       "4.9e-324",
                                       "2.4703282292062327e-324",
                                       "2.4703282292062328e-324",
                                       "1e-323",
                                       "1.7976931348623157e308",
                                       "1.7976931348623158e308",
                                       "1.7976931348623159e308",
                                       "1e400",
                                       "-1e400",
                                       "1e-400",
                                       "0e999999999999999999999",
                                       "1e999999999999999999999",
                                       "1e-999999999999999999999",
                                       "6929495644600919.5",
                                       "3.5844466002796428e+298",
                                       "1090544144181609348835077142190",
                                       "0.000000000000000000000000001",
                                       "5e-324",
                                       "7.2057594037927933e16",
                                       "100000000000000000000000000000000000000000000000000e-50",
                                       "1E+2",
                                       "1E-2"};
    static char text[3000];
    for (size_t i = 0; i < sizeof hard / sizeof hard[0]; i++) check_number(hard[i]);
    glia_rng rng = {7, 0, 0};
    for (int i = 0; i < 20000; i++) {
        uint64_t bits = glia_rng_u64(&rng);
        double v;
        memcpy(&v, &bits, sizeof v);
        if (v - v != 0) continue;
        snprintf(text, sizeof text, "%.*e", (int)glia_rng_below(&rng, 25), v);
        check_number(text);
    }
    /* The middle of two doubles in all its digits, and a last digit more or less. */
    for (int i = 0; i < 300; i++) {
        uint64_t bits = glia_rng_u64(&rng) >> 1;
        double v, next;
        if (i % 3 == 0) bits &= ((uint64_t)1 << 52) - 1;
        memcpy(&v, &bits, sizeof v);
        bits++;
        memcpy(&next, &bits, sizeof next);
        if (next - next != 0) continue;
        snprintf(text, sizeof text - 10, "%.1100Lf", ((long double)v + (long double)next) / 2);
        check_number(text);
        strcat(text, "1");
        check_number(text);
        memset(text + strlen(text) - 1, '0', 1);
        check_number(text);
    }
    static const char *const bad[] = {"",     "-",   "+1", "01", "-01", ".5",  "1.",    "1e", "1e+",
                                      "1.e3", "0x1", "1 ", " 1", "inf", "nan", "1e5.5", "--1"};
    double v;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        CHECK(!glia_number_parse(bad[i], (int64_t)strlen(bad[i]), &v));
}

static void number_format_shortest(void)
{
    static const struct {
        double v;
        const char *text;
    } cases[] = {{0, "0"},
                 {-0.0, "-0"},
                 {1, "1"},
                 {-1.5, "-1.5"},
                 {0.1, "0.1"},
                 {100, "100"},
                 {1e16, "10000000000000000"},
                 {1e17, "1e17"},
                 {1.0 / 3, "0.3333333333333333"},
                 {1e-5, "0.00001"},
                 {1e-6, "1e-6"},
                 {123.456, "123.456"},
                 {5e-324, "5e-324"},
                 {1.7976931348623157e308, "1.7976931348623157e308"},
                 {9007199254740993.0, "9007199254740992"},
                 {INFINITY, "inf"},
                 {-INFINITY, "-inf"},
                 {NAN, "nan"},
                 {0.30000000000000004, "0.30000000000000004"},
                 {2.5e-7, "2.5e-7"}};
    char text[GLIA_NUMBER_TEXT];
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        CHECK_I64(glia_number_format(cases[i].v, text), strlen(cases[i].text));
        CHECK_STR(text, cases[i].text);
    }
    glia_rng rng = {8, 0, 0};
    for (int i = 0; i < 5000; i++) {
        uint64_t bits = glia_rng_u64(&rng);
        double v, back;
        memcpy(&v, &bits, sizeof v);
        if (v - v != 0) continue;
        int n = glia_number_format(v, text);
        CHECK(n < GLIA_NUMBER_TEXT && (int)strlen(text) == n && glia_number_parse(text, n, &back) &&
              back == v);
    }
}

/* A host that set a locale with a comma must not change what is read or written. */
static void number_ignores_locale(void)
{
    static const char *const names[] = {"de_DE.UTF-8", "de_DE.utf8", "fr_FR.UTF-8", "de_DE"};
    const char *set = NULL;
    for (size_t i = 0; i < sizeof names / sizeof names[0] && !set; i++) set = setlocale(LC_NUMERIC, names[i]);
    char text[GLIA_NUMBER_TEXT];
    double v;
    glia_number_format(1.25, text);
    CHECK_STR(text, "1.25");
    CHECK(glia_number_parse("1.25", 4, &v) && v == 1.25);
    setlocale(LC_NUMERIC, "C");
    if (!set) SKIP("number_ignores_locale_with_comma", "no such locale is installed");
}

/* ---- JSON */

static const glia_json *parse(glia_arena *a, const char *text, int depth, int flags, glia_error *e)
{
    const glia_json *j = NULL;
    glia_error_clear(e);
    return glia_json_parse(a, text, (int64_t)strlen(text), depth, flags, &j, e) ? NULL : j;
}

static void json_reads(void)
{
    glia_arena a;
    glia_error e = GLIA_ERROR_INIT;
    int64_t i;
    double d;
    glia_arena_init(&a, NULL, 0);
    const glia_json *j = parse(&a,
                               " {\"a\": [1, -2.5e1, true, null, \"x\\u00e9\\ud83d\\ude00\\n\\\"\"], \"\": "
                               "{}, \"b\":9223372036854775807}\r\n",
                               64, 1, &e);
    CHECK(j && j->kind == GLIA_JSON_OBJECT && j->count == 3);
    const glia_json *list = glia_json_get(j, "a");
    CHECK(list && list->kind == GLIA_JSON_ARRAY && list->count == 5);
    const glia_json *c = list ? list->child : NULL;
    CHECK(c && glia_json_i64(c, &i) && i == 1 && glia_json_f64(c, &d) && d == 1 && !c->key);
    c = c ? c->next : NULL;
    CHECK(c && !glia_json_i64(c, &i) && glia_json_f64(c, &d) && d == -25);
    CHECK_STR(c ? c->text : NULL, "-2.5e1");
    c = c ? c->next : NULL;
    CHECK(c && c->kind == GLIA_JSON_BOOL && c->boolean);
    c = c ? c->next : NULL;
    CHECK(c && c->kind == GLIA_JSON_NULL);
    c = c ? c->next : NULL;
    CHECK(c && c->kind == GLIA_JSON_STRING && !c->next);
    CHECK_STR(c ? c->text : NULL, "x\xC3\xA9\xF0\x9F\x98\x80\n\"");
    CHECK(glia_json_get(j, "") && glia_json_get(j, "")->count == 0 && !glia_json_get(j, "c") &&
          !glia_json_get(NULL, "a"));
    CHECK(glia_json_i64(glia_json_get(j, "b"), &i) && i == INT64_MAX && !glia_json_get(list, "a"));
    j = parse(&a, "[-9223372036854775808, 9223372036854775808, 1e400, 1.0, \"5\"]", 64, 0, &e);
    c = j ? j->child : NULL;
    CHECK(c && glia_json_i64(c, &i) && i == INT64_MIN);
    CHECK(c && !glia_json_i64(c->next, &i) && glia_json_f64(c->next, &d) && d == 0x1p63);
    CHECK(c && !glia_json_f64(c->next->next, &d) && !glia_json_i64(c->next->next->next, &i));
    CHECK(c && !glia_json_i64(c->next->next->next->next, &i) &&
          !glia_json_f64(c->next->next->next->next, &d));
    j = parse(&a, "\"a\\u0000b\"", 1, 0, &e);
    CHECK(j && j->text_size == 3 && !memcmp(j->text, "a\0b", 4));
    glia_arena_free(&a);
}

static void json_refuses(void)
{
    static const char *const bad[] = {"",
                                      " ",
                                      "{",
                                      "[",
                                      "}",
                                      "]",
                                      "[1",
                                      "[1,",
                                      "[1,]",
                                      "{\"a\"}",
                                      "{\"a\":}",
                                      "{\"a\":1,}",
                                      "{a:1}",
                                      "{1:2}",
                                      "[1 2]",
                                      "[,1]",
                                      "nul",
                                      "True",
                                      "NaN",
                                      "Infinity",
                                      "-Infinity",
                                      "-",
                                      "01",
                                      "1.",
                                      ".5",
                                      "+1",
                                      "1e",
                                      "0x10",
                                      "1 2",
                                      "[]]",
                                      "\"",
                                      "\"a",
                                      "\"\\",
                                      "\"\\x\"",
                                      "\"\\u12\"",
                                      "\"\\u123g\"",
                                      "\"\\ud800\"",
                                      "\"\\ud800x\"",
                                      "\"\\ud800\\u0041\"",
                                      "\"\\udc00\"",
                                      "\"a\nb\"",
                                      "\"\x01\"",
                                      "\"\xff\"",
                                      "\"\xC0\x80\"",
                                      "\"\xED\xA0\x80\"",
                                      "\"\xE2\x82\"",
                                      "\xEF\xBB\xBF{}",
                                      "[1]x",
                                      "{\"a\":1 \"b\":2}",
                                      "{\"a\" 1}",
                                      "// x",
                                      "'a'",
                                      "\"\\ud800\\\"",
                                      "[1}",
                                      "{\"a\":1]",
                                      "tru",
                                      "truex",
                                      "\"\\u\"",
                                      "-a",
                                      "1e+",
                                      "[\"a]"};
    glia_arena a;
    glia_error e = GLIA_ERROR_INIT;
    glia_arena_init(&a, NULL, 0);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        const glia_json *j = parse(&a, bad[i], 64, 0, &e);
        if (j) fprintf(stderr, "was accepted: %s\n", bad[i]);
        CHECK(!j && e.status == GLIA_E_FORMAT && e.offset >= 0 && e.offset <= (int64_t)strlen(bad[i]));
        CHECK_STR(e.code, "G0401");
    }
    CHECK(parse(&a, "{\"a\":1,\"a\":2}", 4, 0, &e) != NULL);
    CHECK(!parse(&a, "{\"a\":1,\"b\":0,\"a\":2}", 4, GLIA_JSON_UNIQUE_KEYS, &e));
    CHECK_STR(e.code, "G0403");
    CHECK(!parse(&a, "{\"a\":1,\"\\u0061\":2}", 4, GLIA_JSON_UNIQUE_KEYS, &e)); /* equal once unescaped */
    CHECK(parse(&a, "{\"a\":1,\"a\\u0000\":2}", 4, GLIA_JSON_UNIQUE_KEYS, &e) != NULL);
    CHECK(parse(&a, "[[[]]]", 3, 0, &e) != NULL && !parse(&a, "[[[]]]", 2, 0, &e));
    CHECK(e.status == GLIA_E_LIMIT);
    CHECK(!parse(&a, "[]", 0, 0, &e) && parse(&a, "1", 0, 0, &e));
    glia_arena_free(&a);
}

/* A text nested 10^6 deep costs neither stack nor more memory than the limit lets it. */
static void json_depth(void)
{
    enum { DEEP = 1000000 };
    char *text = malloc(2 * DEEP + 1);
    glia_arena a;
    glia_error e = GLIA_ERROR_INIT;
    const glia_json *j;
    glia_arena_init(&a, NULL, 0);
    memset(text, '[', DEEP);
    memset(text + DEEP, ']', DEEP);
    CHECK(glia_json_parse(&a, text, 2 * DEEP, 1000, 0, &j, &e) == GLIA_E_LIMIT && !j);
    CHECK(a.used < 4 << 20);
#ifndef GLIA_HOSTILE
    glia_error_clear(&e);
    CHECK(glia_json_parse(&a, text, 2 * DEEP, DEEP, 0, &j, &e) == GLIA_OK && j);
#endif
    glia_arena_free(&a);
    free(text);
}

static const char sample[] =
    "{\"a\":[1,2.5,\"x\\ty\",true,null,{\"k\":[]}],\"b\":{\"c\":-3,\"d\":\"\\ud83d\\ude00\"}}";

/* Every cut and every changed byte of a text gives a status or a value; ASan watches. */
static void json_survives_damage(void)
{
    glia_error e = GLIA_ERROR_INIT;
    for (size_t n = 0; n < sizeof sample - 1; n++) {
        char *cut = malloc(n + 1); /* exactly as long as it is, so that a read beyond is seen */
        char *exact = malloc(n ? n : 1);
        memcpy(cut, sample, n);
        memcpy(exact, sample, n);
        glia_arena a;
        const glia_json *j;
        glia_arena_init(&a, NULL, 0);
        glia_error_clear(&e);
        CHECK(glia_json_parse(&a, exact, (int64_t)n, 8, 1, &j, &e) == GLIA_E_FORMAT);
        for (int b = 0; b < 256; b++) {
            memcpy(exact, sample, n);
            if (n) exact[n - 1] = (char)b;
            glia_error_clear(&e);
            glia_json_parse(&a, exact, (int64_t)n, 8, 1, &j, &e);
        }
        glia_arena_free(&a);
        free(cut);
        free(exact);
    }
}

static void json_survives_refusals(void)
{
    bool done = false;
    for (int n = 1; !done && n < 200; n++) {
        struct fault_os f;
        glia_arena a;
        glia_error e = GLIA_ERROR_INIT;
        const glia_json *j;
        fault_os_init(&f, NULL);
        fault_os_fail(&f, FAULT_MEMORY, n, true);
        glia_arena_init(&a, &f.os, 0);
        glia_status s = glia_json_parse(&a, sample, (int64_t)strlen(sample), 8, 1, &j, &e);
        CHECK(s == (f.failed ? GLIA_E_NOMEM : GLIA_OK) && (s || j));
        done = !f.failed;
        glia_arena_free(&a);
        CHECK(fault_os_clean(&f));
    }
    CHECK(done);
}

static void json_unique_keys_are_linear(void)
{
    glia_arena a;
    glia_error e = GLIA_ERROR_INIT;
    const glia_json *j;
    glia_arena_init(&a, NULL, 0);
    glia_writer w = {.arena = &a};
    glia_json_writer out = {.w = &w};
    glia_json_open(&out, NULL, '{');
    for (int i = 0; i < 20000; i++) {
        char key[16];
        snprintf(key, sizeof key, "key%d", i);
        glia_json_put_i64(&out, key, i);
    }
    glia_json_close(&out, '}');
    CHECK(glia_json_parse(&a, (const char *)w.data, w.size, 4, GLIA_JSON_UNIQUE_KEYS, &j, &e) == GLIA_OK &&
          j && j->count == 20000);
    glia_arena_free(&a);
}

static void json_writes(void)
{
    glia_arena a;
    glia_arena_init(&a, NULL, 0);
    glia_writer w = {.arena = &a};
    glia_json_writer out = {.w = &w};
    glia_json_open(&out, NULL, '{');
    glia_json_put_string(&out, "s", "q\" \\ \b\f\n\r\t \x01 \x7f \xC3\xA9 \xFF", -1);
    glia_json_put_string(&out, "n", "a\0b", 3);
    glia_json_open(&out, "l", '[');
    glia_json_put_i64(&out, NULL, INT64_MIN);
    glia_json_put_f64(&out, NULL, 0.1);
    glia_json_put_f64(&out, NULL, NAN);
    glia_json_open(&out, NULL, '{');
    glia_json_close(&out, '}');
    glia_json_open(&out, NULL, '[');
    glia_json_put_bool(&out, NULL, true);
    glia_json_put_bool(&out, NULL, false);
    glia_json_close(&out, ']');
    glia_json_close(&out, ']');
    glia_json_put_null(&out, "z\"");
    glia_json_close(&out, '}');
    glia_write_u8(&w, 0);
    CHECK(!w.failed);
    CHECK_STR(
        (const char *)w.data,
        "{\"s\":\"q\\\" \\\\ \\b\\f\\n\\r\\t \\u0001 \\u007f \xC3\xA9 \xEF\xBF\xBD\",\"n\":\"a\\u0000b\","
        "\"l\":[-9223372036854775808,0.1,null,{},[true,false]],\"z\\\"\":null}");
    glia_error e = GLIA_ERROR_INIT;
    CHECK(parse(&a, (const char *)w.data, 8, 1, &e) != NULL);
    for (int i = 0; i < 100; i++) glia_json_open(&out, NULL, '[');
    CHECK(w.failed); /* deeper than it can look after: said, not written wrong */
    glia_arena_free(&a);
}

/* ---- SHA-256 and Philox */

static void sha256_vectors(void)
{
    static const struct {
        const char *text;
        int64_t times;
        const char *hex;
    } cases[] = {
        {"", 1, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},
        {"abc", 1, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},
        {"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq", 1,
         "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"},
        {"a", 1000000, "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        glia_sha256 h;
        uint8_t digest[32];
        char hex[65];
        glia_sha256_init(&h);
        for (int64_t k = 0; k < cases[i].times; k++)
            glia_sha256_add(&h, cases[i].text, (int64_t)strlen(cases[i].text));
        glia_sha256_done(&h, digest);
        glia_sha256_hex(digest, hex);
        CHECK_STR(hex, cases[i].hex);
    }
    /* Any cut of the input gives the same digest, at all lengths around the block's bound. */
    uint8_t data[300], want[32], got[32];
    for (int i = 0; i < 300; i++) data[i] = (uint8_t)(i * 7);
    for (int n = 0; n < 300; n++) {
        glia_sha256 h;
        glia_sha256_init(&h);
        for (int i = 0; i < n; i++) glia_sha256_add(&h, data + i, 1);
        glia_sha256_done(&h, want);
        glia_sha256_init(&h);
        glia_sha256_add(&h, data, n / 3);
        glia_sha256_add(&h, data + n / 3, n - n / 3);
        glia_sha256_done(&h, got);
        CHECK(!memcmp(want, got, 32));
    }
}

/* Known answers published with Random123 (kat_vectors, philox4x32 10). */
static void philox_vectors(void)
{
    static const struct {
        uint32_t counter[4], key[2], want[4];
    } cases[] = {
        {{0, 0, 0, 0}, {0, 0}, {0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}},
        {{~0u, ~0u, ~0u, ~0u}, {~0u, ~0u}, {0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}},
        {{0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344},
         {0xa4093822, 0x299f31d0},
         {0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}},
    };
    for (size_t i = 0; i < 3; i++) {
        uint32_t out[4];
        glia_philox((uint64_t)cases[i].key[1] << 32 | cases[i].key[0],
                    (uint64_t)cases[i].counter[3] << 32 | cases[i].counter[2],
                    (uint64_t)cases[i].counter[1] << 32 | cases[i].counter[0], out);
        CHECK(!memcmp(out, cases[i].want, sizeof out));
    }
}

static void rng_distributions(void)
{
    glia_rng r = {1, 2, 0};
    double sum = 0, squares = 0, uniform = 0;
    int counts[7] = {0}, n = 100000;
    for (int i = 0; i < n; i++) {
        float u = glia_rng_f32(&r);
        CHECK(u >= 0 && u < 1);
        uniform += (double)u;
        double z = (double)glia_rng_normal(&r);
        sum += z;
        squares += z * z;
        uint64_t k = glia_rng_below(&r, 7);
        CHECK(k < 7);
        counts[k % 7]++;
    }
    CHECK(fabs(uniform / n - 0.5) < 0.005 && fabs(sum / n) < 0.015 && fabs(squares / n - 1) < 0.02);
    for (int i = 0; i < 7; i++) CHECK(abs(counts[i] - n / 7) < 500); /* 4.5 sigma */
    CHECK(glia_rng_below(&r, 1) == 0);
    for (int i = 0; i < 100; i++) CHECK(glia_rng_below(&r, ((uint64_t)1 << 63) + 1) <= (uint64_t)1 << 63);
    /* The n-th number does not depend on how the ones before were drawn. */
    glia_rng a = {5, 6, 0}, b = {5, 6, 0}, c = {5, 6, 4};
    uint64_t first = glia_rng_u64(&a), low = glia_rng_u32(&b), high = glia_rng_u32(&b);
    CHECK(first == (high << 32 | low) && a.counter == b.counter);
    glia_rng_u64(&a);
    CHECK(glia_rng_u32(&a) == glia_rng_u32(&c));
}

/* ---- processor */

static void put_file(const char *name, const char *text)
{
    FILE *f = fopen(test_path(name), "w");
    CHECK(f != NULL);
    if (!f) return;
    fputs(text, f);
    fclose(f);
}

static int quota_of(const char *groups)
{
    char file[256];
    put_file("groups", groups);
    snprintf(file, sizeof file, "%s", test_path("groups"));
    return glia_cpu_quota(file, test_dir);
}

static void cpu_quota(void)
{
    static const char *const dirs[] = {"g", "g/h", "cpu,cpuacct", "cpu,cpuacct/d"};
    for (int i = 0; i < 4; i++) CHECK(!mkdir(test_path(dirs[i]), 0700));
    CHECK_I64(quota_of("0::/g/h\n"), 0);
    put_file("g/h/cpu.max", "max 100000\n");
    CHECK_I64(quota_of("0::/g/h\n"), 0);
    put_file("g/cpu.max", "250000 100000\n"); /* the parent's holds as well */
    CHECK_I64(quota_of("0::/g/h\n"), 3);
    put_file("g/h/cpu.max", "50000 100000\n");
    CHECK_I64(quota_of("0::/g/h\n"), 1);
    CHECK_I64(quota_of("0::/g\n"), 3);
    CHECK_I64(quota_of("0::/not/mounted/here\n"), 0);
    put_file("cpu.max", "400000 100000\n");
    CHECK_I64(quota_of("0::/not/mounted/here\n"), 4);
    CHECK_I64(quota_of("0::/\n"), 4);
    put_file("cpu,cpuacct/d/cpu.cfs_quota_us", "-1\n");
    put_file("cpu,cpuacct/d/cpu.cfs_period_us", "100000\n");
    CHECK_I64(quota_of("5:memory:/d\n4:cpu,cpuacct:/d\n"), 0);
    put_file("cpu,cpuacct/d/cpu.cfs_quota_us", "150000\n");
    CHECK_I64(quota_of("5:memory:/d\n4:cpu,cpuacct:/d\n"), 2);
    CHECK_I64(quota_of("5:cpuset:/g\n"), 0);
    CHECK_I64(quota_of("junk\n:\n::\n\n0:\n"), 4);
    put_file("cpu.max", "9223372036854775807 1\n");
    CHECK_I64(quota_of("0::/\n"), INT32_MAX);
    put_file("cpu.max", "5 0\n");
    CHECK_I64(quota_of("0::/\n"), 0);
    CHECK_I64(glia_cpu_quota("/nonexistent", test_dir), 0);
    static const char *const files[] = {"g/h/cpu.max",
                                        "g/cpu.max",
                                        "cpu.max",
                                        "cpu,cpuacct/d/cpu.cfs_quota_us",
                                        "cpu,cpuacct/d/cpu.cfs_period_us",
                                        "groups"};
    for (int i = 0; i < 6; i++) unlink(test_path(files[i]));
    for (int i = 3; i >= 0; i--) rmdir(test_path(dirs[i]));
    CHECK(glia_cpu_usable() >= 1);
}

static void cpu_features_and_mode(void)
{
    uint32_t f = glia_cpu_features();
#if defined(__x86_64__)
    bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
    CHECK(!!(f & GLIA_CPU_AVX2) == avx2);
    CHECK(!!(f & GLIA_CPU_AVX512) == !!__builtin_cpu_supports("avx512bw"));
    CHECK(!!(f & GLIA_CPU_AVX512_VNNI) == !!__builtin_cpu_supports("avx512vnni"));
    CHECK(!(f & (GLIA_CPU_NEON | GLIA_CPU_DOTPROD | GLIA_CPU_I8MM)));
    uint32_t mine = glia_cpu_mode_set();
    volatile float tiny = 0x1p-126f;
    CHECK(tiny / 4 != 0);
    glia_cpu_mode_restore(0x1F80 | 0x8040); /* flush to zero, denormals as zero: a host that likes it fast */
    CHECK(tiny / 4 == 0);
    uint32_t host = glia_cpu_mode_set();
    CHECK(tiny / 4 != 0 && (host & 0x8040) == 0x8040);
    glia_cpu_mode_restore(host);
    CHECK(tiny / 4 == 0);
    glia_cpu_mode_restore(mine);
    CHECK(tiny / 4 != 0);
#else
    (void)f;
    glia_cpu_mode_restore(glia_cpu_mode_set());
#endif
}

static void checked_arithmetic(void)
{
    int64_t v;
    CHECK(glia_add(1, 2, &v) && v == 3 && !glia_add(INT64_MAX, 1, &v) && !glia_add(-1, 5, &v));
    CHECK(glia_mul(3, 4, &v) && v == 12 && !glia_mul(INT64_MAX, 2, &v) && !glia_mul(-1, -1, &v) &&
          glia_mul(0, INT64_MAX, &v) && v == 0);
    CHECK(glia_round_up(5, 4, &v) && v == 8 && glia_round_up(8, 4, &v) && v == 8 &&
          !glia_round_up(INT64_MAX, 2, &v));
    CHECK(!glia_round_up(-1, 4, &v) && !glia_round_up(1, 0, &v) && glia_ceil_div(7, 3) == 3);
}

int main(void)
{
    snprintf(test_dir, sizeof test_dir, "/tmp/glia_test_base_XXXXXX");
    if (!mkdtemp(test_dir)) {
        printf("FAIL no folder for tests\n");
        return 1;
    }
    RUN(error_fill);
    RUN(error_text_is_bounded_and_printable);
    RUN(error_explanations);
    RUN(checked_arithmetic);
    RUN(arena_allocates);
    RUN(arena_limit);
    RUN(arena_grows_arrays);
    RUN(arena_survives_refusals);
#if defined(GLIA_DEBUG)
    RUN(arena_finds_overruns);
#endif
    RUN(reader_bounds);
    RUN(writer_round_trip);
    RUN(os_memory);
    RUN(os_files);
    RUN(os_refuses_what_is_no_file);
    RUN(os_threads);
    RUN(fault_os_refuses);
    RUN(utf8_cases);
    RUN(utf8_round_trip);
    RUN(number_parse_exactly);
    RUN(number_format_shortest);
    RUN(number_ignores_locale);
    RUN(json_reads);
    RUN(json_refuses);
    RUN(json_depth);
    RUN(json_survives_damage);
    RUN(json_survives_refusals);
    RUN(json_unique_keys_are_linear);
    RUN(json_writes);
    RUN(sha256_vectors);
    RUN(philox_vectors);
    RUN(rng_distributions);
    RUN(cpu_quota);
    RUN(cpu_features_and_mode);
    rmdir(test_dir);
    return CHECK_EXIT();
}
