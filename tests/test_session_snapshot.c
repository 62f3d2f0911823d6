/* Snapshots: what is restored goes on with the same bits, in other sessions, contexts, threads and
 * instruction sets; everything else is refused and changes nothing: cut or changed at every byte, every field
 * wrong with the checksum made good, other models, other caches. */
#include "fault_os.h"
#include "subjects.h"

#include "base/sha256.h"

enum { TOKENS = SUBJECT_TOKENS, HEADER = 120 };

typedef struct opened {
    glia_model *m;
    glia_session *s;
} opened;

static opened open_both(const char *path, const glia_model_options *o)
{
    opened x = {spine_open(path, o), NULL};
    glia_error e = GLIA_ERROR_INIT;
    if (!x.m || glia_session_create(x.m, &x.s, &e)) exit(2);
    return x;
}

static void close_both(opened x)
{
    glia_session_destroy(x.s);
    glia_model_close(x.m);
}

typedef struct bytes {
    uint8_t *data;
    int64_t size;
} bytes;

static bytes save(glia_session *s, int32_t sequence)
{
    glia_error e = GLIA_ERROR_INIT;
    bytes b = {NULL, glia_session_save_size(s, sequence)};
    b.data = malloc((size_t)b.size);
    CHECK_I64(glia_session_save(s, sequence, b.data, b.size, &e), GLIA_OK);
    return b;
}

static void sign(uint8_t *data, int64_t size)
{
    glia_sha256 h;
    glia_sha256_init(&h);
    glia_sha256_add(&h, data, size - 32);
    glia_sha256_done(&h, data + size - 32);
}

/* ---- the same bits ------------------------------------------------------------------------------------ */

static void round_trips(void)
{
    static const int64_t cuts[] = {0, 1, 32, 37};
    for (int i = 0; i < subject_count; i++) {
        const subject *t = &subjects[i];
        glia_error e = GLIA_ERROR_INIT;
        glia_model_options o = subject_options(), other = o;
        opened x = open_both(t->path, &o);
        other.threads = other.slots = 2;
        other.sequences = 1;
        other.context = 41;
        other.batch = 9;
        other.logit_rows = 9;
        if (i % 2) other.isa = "portable";
        opened y = open_both(t->path, &other);
        spine_force_team(y.m);
        for (int k = 0; k < 4; k++) {
            CHECK_I64(glia_session_trim(x.s, 1, 0, &e), GLIA_OK);
            subject_feed(t, x.s, 1, 0, 0, cuts[k]);
            bytes b = save(x.s, 1);
            CHECK_I64(glia_session_restore(x.s, 2, b.data, b.size, &e), GLIA_OK);
            CHECK_I64(glia_session_restore(y.s, 0, b.data, b.size, &e), GLIA_OK);
            CHECK_I64(glia_session_length(y.s, 0), cuts[k]);
            bytes again = save(y.s, 0); /* bytes and all */
            CHECK(again.size == b.size && !memcmp(again.data, b.data, (size_t)b.size));
            subject_feed(t, x.s, 2, 0, cuts[k], TOKENS);
            subject_feed(t, y.s, 0, 0, cuts[k], TOKENS);
            subject_feed(t, x.s, 1, 0, cuts[k], TOKENS);
            free(b.data);
            free(again.data);
        }
        close_both(x);
        close_both(y);
    }
}

/* ---- refused ------------------------------------------------------------------------------------------ */

/* Refused with this status, and the session goes on as if nothing had happened. */
static void refuse(glia_session *s, const uint8_t *data, int64_t size, glia_status want, const char *code)
{
    glia_error e = GLIA_ERROR_INIT;
    uint8_t *exact = malloc((size_t)(size ? size : 1)); /* ASan sees a read behind the end */
    if (size) memcpy(exact, data, (size_t)size);
    glia_status st = glia_session_restore(s, 0, exact, size, &e);
    CHECK(st != GLIA_OK);
    if (want) CHECK_I64(st, want);
    if (code) CHECK_STR(e.code, code);
    CHECK_I64(glia_session_length(s, 0), 12);
    CHECK(e.text[0]);
    free(exact);
}

/* Still the twelve tokens, and what follows them has the right bits. */
static void still_works(const subject *t, glia_session *s)
{
    glia_error e = GLIA_ERROR_INIT;
    CHECK_I64(glia_session_length(s, 0), 12);
    subject_feed(t, s, 0, 1, 12, TOKENS);
    CHECK_I64(glia_session_trim(s, 0, 12, &e), GLIA_OK);
}

static void damage(void)
{
    const subject *t = &subjects[2];
    glia_model_options o = subject_options();
    opened x = open_both(t->path, &o);
    subject_feed(t, x.s, 1, 0, 0, 5);
    subject_feed(t, x.s, 0, 1, 0, 12);
    bytes b = save(x.s, 1);
    const int stride = SPINE_SLOW ? 7 : 1;
    for (int64_t n = 0; n < b.size; n += n < HEADER + 64 ? 1 : 13 * stride)
        refuse(x.s, b.data, n, GLIA_E_FORMAT, "G0722");
    uint8_t *more = malloc((size_t)b.size + 8);
    memcpy(more, b.data, (size_t)b.size);
    memset(more + b.size, 0, 8);
    for (int n = 1; n <= 8; n++) refuse(x.s, more, b.size + n, GLIA_E_FORMAT, "G0722");
    free(more);
    for (int64_t i = 0; i < b.size; i += stride) { /* every byte, one of its bits */
        b.data[i] ^= (uint8_t)(1 << i % 8);
        refuse(x.s, b.data, b.size, i >= 8 && i < 16 ? GLIA_E_UNSUPPORTED : GLIA_E_FORMAT, NULL);
        b.data[i] ^= (uint8_t)(1 << i % 8);
    }
    still_works(t, x.s);
    free(b.data);
    close_both(x);
}

/* Every field as what it must not be, with the checksum made good: refused all the same. */
static void signed_fields(void)
{
    static const struct {
        int at, size;
        glia_status want;
    } fields[] = {{0, 8, GLIA_E_FORMAT},  {8, 4, GLIA_E_UNSUPPORTED}, {12, 4, GLIA_E_UNSUPPORTED},
                  {16, 8, GLIA_E_FORMAT}, {24, 8, GLIA_E_FORMAT},     {32, 8, GLIA_E_STATE},
                  {56, 8, GLIA_E_STATE},  {64, 8, GLIA_E_FORMAT},     {88, 8, GLIA_E_FORMAT},
                  {96, 4, GLIA_E_STATE},  {100, 4, GLIA_E_FORMAT},    {104, 8, GLIA_E_FORMAT},
                  {112, 8, GLIA_E_FORMAT}};
    const subject *t = &subjects[2];
    glia_model_options o = subject_options();
    glia_error e = GLIA_ERROR_INIT;
    opened x = open_both(t->path, &o);
    subject_feed(t, x.s, 1, 0, 0, 33);
    subject_feed(t, x.s, 0, 1, 0, 12);
    bytes b = save(x.s, 1);
    uint8_t *copy = malloc((size_t)b.size);
    for (size_t f = 0; f < sizeof fields / sizeof fields[0]; f++) {
        uint64_t old = 0;
        memcpy(&old, b.data + fields[f].at, (size_t)fields[f].size);
        const uint64_t values[] = {0,
                                   1,
                                   old - 1,
                                   old + 1,
                                   2 * old,
                                   UINT64_MAX,
                                   INT64_MAX,
                                   (uint64_t)1 << 63,
                                   (uint64_t)1 << 31,
                                   (uint64_t)1 << 61,
                                   UINT32_MAX,
                                   31,
                                   65,
                                   1000};
        for (size_t v = 0; v < sizeof values / sizeof values[0]; v++) {
            memcpy(copy, b.data, (size_t)b.size);
            memcpy(copy + fields[f].at, &values[v], (size_t)fields[f].size);
            sign(copy, b.size);
            if (memcmp(copy, b.data, (size_t)b.size)) refuse(x.s, copy, b.size, fields[f].want, NULL);
        }
    }
    static const int32_t ids[] = {-1, INT32_MIN, INT32_MAX, 0};
    for (int i = 0; i < 4; i++)
        for (int at = 0; at < 33; at += 16) {
            int32_t id = ids[i] ? ids[i] : (int32_t)t->vocab;
            memcpy(copy, b.data, (size_t)b.size);
            memcpy(copy + HEADER + 4 * at, &id, 4);
            sign(copy, b.size);
            refuse(x.s, copy, b.size, GLIA_E_FORMAT, "G0722");
        }
    still_works(t, x.s);
    /* Forged keys and values are taken for what they say, and stay where they are: nobody else finds them. */
    memcpy(copy, b.data, (size_t)b.size);
    for (int64_t i = HEADER + 33 * 4; i < b.size - 32; i++) copy[i] = (uint8_t)(0x33 + i % 7);
    sign(copy, b.size);
    CHECK_I64(glia_session_trim(x.s, 1, 0, &e), GLIA_OK);
    for (int round = 0; round < 2; round++) {
        const float *logits;
        float *forged = malloc((size_t)(7 * t->vocab) * 4);
        CHECK_I64(glia_session_restore(x.s, 0, copy, b.size, &e), GLIA_OK);
        if (round) CHECK_I64(glia_session_trim(x.s, 0, 20, &e), GLIA_OK);
        spine_feed(x.s, t->vocab, t->ids[0] + (round ? 20 : 33), 7, 0, 7, forged);
        CHECK(memcmp(forged, t->want[0] + (round ? 20 : 33) * t->vocab, (size_t)t->vocab * 4) != 0);
        spine_feed(x.s, t->vocab, t->ids[0] + (round ? 27 : 40), round ? 13 : 0, 0, 7, NULL);
        CHECK_I64(glia_session_fill(x.s, 2, t->ids[0], TOKENS, &logits, &e), GLIA_OK);
        CHECK(spine_same_bits(logits, t->want[0] + (TOKENS - 1) * t->vocab, t->vocab));
        CHECK_I64(glia_session_trim(x.s, 2, 0, &e), GLIA_OK);
        free(forged);
    }
    free(copy);
    free(b.data);
    close_both(x);
}

static void others(void)
{
    const subject *t = &subjects[2], *other = &subjects[0];
    glia_model_options o = subject_options();
    glia_error e = GLIA_ERROR_INIT;
    opened x = open_both(t->path, &o), y = open_both(other->path, &o);
    subject_feed(t, x.s, 0, 1, 0, 12);
    subject_feed(other, y.s, 0, 0, 0, 12);
    bytes b = save(y.s, 0);
    refuse(x.s, b.data, b.size, GLIA_E_STATE, "G0724"); /* the same shape, weights of another type */
    free(b.data);
    close_both(y);
    o.kv_dtype = GLIA_F32;
    y = open_both(t->path, &o);
    subject_feed(t, x.s, 1, 0, 0, 44 > TOKENS ? TOKENS : 44);
    spine_feed(y.s, t->vocab, t->ids[0], 12, 0, 12, NULL);
    b = save(y.s, 0);
    refuse(x.s, b.data, b.size, GLIA_E_STATE, "G0725");
    free(b.data);
    close_both(y);
    o.kv_dtype = GLIA_DTYPE_NONE;
    o.context = 39;
    y = open_both(t->path, &o);
    subject_feed(t, y.s, 0, 1, 0, 12);
    b = save(x.s, 1);
    refuse(y.s, b.data, b.size, GLIA_E_CONTEXT, "G0718");
    close_both(y);
    o.context = 45;
    o.cache_tokens = 96;
    y = open_both(t->path, &o);
    subject_feed(t, y.s, 0, 1, 0, 12);
    subject_feed(t, y.s, 1, 2, 0, TOKENS);
    CHECK_I64(glia_session_fork(y.s, 2, 0, 12, &e), GLIA_OK); /* so that nothing of sequence 0 becomes free */
    refuse(y.s, b.data, b.size, GLIA_E_LIMIT, "G0719");
    CHECK_I64(glia_session_trim(y.s, 1, 0, &e), GLIA_OK);
    CHECK_I64(glia_session_restore(y.s, 0, b.data, b.size, &e), GLIA_OK);
    CHECK_I64(glia_session_length(y.s, 0), TOKENS);
    close_both(y);
    still_works(t, x.s);
    free(b.data);
    close_both(x);
}

static void bad_calls(void)
{
    const subject *t = &subjects[2];
    struct fault_os f;
    glia_model_options o = subject_options();
    glia_error e = GLIA_ERROR_INIT;
    fault_os_init(&f, NULL);
    o.os = &f.os;
    opened x = open_both(t->path, &o);
    subject_feed(t, x.s, 0, 1, 0, 12);
    bytes b = save(x.s, 0);
    CHECK_I64(glia_session_save_size(NULL, 0), -1);
    CHECK_I64(glia_session_save_size(x.s, 3), -1);
    CHECK_I64(glia_session_save_size(x.s, -1), -1);
    CHECK_I64(glia_session_save(NULL, 0, b.data, b.size, &e), GLIA_E_ARG);
    CHECK_I64(glia_session_save(x.s, 0, NULL, b.size, &e), GLIA_E_ARG);
    CHECK_I64(glia_session_save(x.s, 3, b.data, b.size, &e), GLIA_E_ARG);
    CHECK_I64(glia_session_save(x.s, 0, b.data, b.size - 1, &e), GLIA_E_ARG);
    CHECK_STR(e.code, "G0721");
    CHECK_I64(glia_session_save(x.s, 0, b.data, b.size + 1, &e), GLIA_E_ARG);
    CHECK_I64(glia_session_restore(NULL, 0, b.data, b.size, &e), GLIA_E_ARG);
    CHECK_I64(glia_session_restore(x.s, 0, NULL, b.size, &e), GLIA_E_ARG);
    CHECK_I64(glia_session_restore(x.s, 0, b.data, -1, &e), GLIA_E_ARG);
    CHECK_I64(glia_session_restore(x.s, 3, b.data, b.size, &e), GLIA_E_ARG);
    still_works(t, x.s);
    free(b.data);
    close_both(x);
    CHECK(fault_os_clean(&f));
}

/* Reads of the model's file that fail: both ways refused, nothing changed. */
static void unreadable(void)
{
    struct fault_os f;
    glia_model_options o = subject_options();
    glia_error e = GLIA_ERROR_INIT;
    int32_t ids[12];
    if (!spine_there(SPINE_DEMO)) {
        SKIP("unreadable", "no demo model");
        return;
    }
    fault_os_init(&f, NULL);
    o.os = &f.os;
    opened x = open_both(SPINE_DEMO, &o);
    spine_ids(ids, 12, glia_model_vocab_size(x.m), 1);
    CHECK_I64(glia_session_fill(x.s, 0, ids, 12, NULL, &e), GLIA_OK);
    int64_t reads = f.calls[FAULT_READ];
    bytes b = save(x.s, 0);
    reads = f.calls[FAULT_READ] - reads;
    CHECK(reads > 0);
    for (int64_t n = 1; n <= reads; n += 1 + n / 3) {
        fault_os_fail(&f, FAULT_READ, n, false);
        CHECK_I64(glia_session_save(x.s, 0, b.data, b.size, &e), GLIA_E_IO);
        fault_os_fail(&f, FAULT_READ, n, true);
        refuse(x.s, b.data, b.size, GLIA_E_IO, NULL);
        fault_os_heal(&f);
    }
    CHECK_I64(glia_session_restore(x.s, 0, b.data, b.size, &e), GLIA_OK);
    free(b.data);
    close_both(x);
    CHECK(fault_os_clean(&f));
}

int main(void)
{
    subjects_open();
    RUN(round_trips);
    RUN(damage);
    RUN(signed_fields);
    RUN(others);
    RUN(bad_calls);
    RUN(unreadable);
    subjects_close();
    return CHECK_EXIT();
}
