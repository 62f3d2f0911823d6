/* Fuzz target: bytes as a snapshot. Each input is restored as it is, and with its checksum made good. What is
 * refused leaves the session as it was; what is taken can be stepped on, saved and restored. */
#include "fuzz.h"

#include "base/sha256.h"
#include "llm/model.h"
#include "llm/synth.h"

#include <unistd.h>

enum { HELD = 3 };

static glia_model *model;
static glia_session *session;
static const int32_t held[HELD] = {5, 6, 7};

static void open_model(void)
{
    char path[64] = "/tmp/glia-fuzz-snapshot-XXXXXX";
    glia_error e = GLIA_ERROR_INIT;
    glia_model_options o = GLIA_MODEL_OPTIONS_INIT;
    o.threads = o.slots = 1;
    o.sequences = 2;
    o.context = 64;
    o.batch = 8;
    int fd = mkstemp(path);
    if (fd < 0 || glia_synth(NULL, "tiny", GLIA_F16, 7, path, &e) || glia_model_open(path, &o, &model, &e) ||
        glia_session_create(model, &session, &e)) {
        fprintf(stderr, "%s\n", e.text);
        exit(2);
    }
    close(fd);
    unlink(path);
}

static void restore(const uint8_t *data, int64_t size)
{
    glia_error e = GLIA_ERROR_INIT;
    int32_t ids[64];
    FUZZ_CHECK(glia_session_fill(session, 0, held, HELD, NULL, &e) == GLIA_OK);
    glia_status st = glia_session_restore(session, 0, data, size, &e);
    int64_t n = glia_session_tokens(session, 0, ids, 64);
    if (st) {
        FUZZ_CHECK(e.status == st && e.text[0]);
        FUZZ_CHECK(n == HELD && !memcmp(ids, held, sizeof held));
        return;
    }
    FUZZ_CHECK(n >= 0 && n <= 64 && glia_session_save_size(session, 0) == size);
    for (int64_t i = 0; i < n; i++) FUZZ_CHECK(ids[i] >= 0 && ids[i] < glia_model_vocab_size(model));
    uint8_t *again = malloc((size_t)size);
    FUZZ_CHECK(glia_session_save(session, 0, again, size, &e) == GLIA_OK &&
               !memcmp(again, data, (size_t)size));
    free(again);
    glia_batch b = GLIA_BATCH_INIT;
    b.count = 1;
    b.ids = held;
    st = glia_session_step(session, &b, NULL, &e);
    FUZZ_CHECK(st == (n == 64 ? GLIA_E_CONTEXT : GLIA_OK));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (!model) open_model();
    restore(data, (int64_t)size);
    if (size < 32) return 0;
    glia_sha256 h;
    uint8_t *copy = malloc(size);
    if (!copy) return 0;
    memcpy(copy, data, size);
    glia_sha256_init(&h);
    glia_sha256_add(&h, copy, (int64_t)size - 32);
    glia_sha256_done(&h, copy + size - 32);
    restore(copy, (int64_t)size);
    free(copy);
    return 0;
}

#ifdef GLIA_FUZZ_MAIN
static int64_t fuzz_example(int i, uint8_t *out)
{
    static const int64_t lengths[] = {0, 1, 33, 64};
    glia_error e = GLIA_ERROR_INIT;
    int32_t ids[64];
    if (!model) open_model();
    if (i >= 4) return -1;
    for (int j = 0; j < 64; j++) ids[j] = (j * 7 + i) % 300;
    if (glia_session_trim(session, 1, 0, &e) ||
        (lengths[i] && glia_session_fill(session, 1, ids, lengths[i], NULL, &e)))
        exit(2);
    int64_t size = glia_session_save_size(session, 1);
    if (size > FUZZ_BYTES_MAX || glia_session_save(session, 1, out, size, &e)) exit(2);
    return size;
}
#endif
