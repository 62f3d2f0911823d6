/* Any bytes through the SafeTensors reader. What it accepts can be found by name, and tiles the file. */
#include "fuzz.h"

#include "format/safetensors.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    glia_safetensors *st;
    glia_error e = GLIA_ERROR_INIT;
    glia_status s = glia_safetensors_parse(NULL, data, (int64_t)size, (int64_t)size, NULL, &st, &e);
    FUZZ_CHECK((s == GLIA_OK) == (st != NULL));
    if (s) {
        FUZZ_CHECK(s == GLIA_E_FORMAT || s == GLIA_E_LIMIT || s == GLIA_E_UNSUPPORTED || s == GLIA_E_NOMEM);
        FUZZ_CHECK(e.status == s && e.text[0] && glia_explain(e.code));
        return 0;
    }
    int64_t sum = 0, first = (int64_t)size;
    for (int64_t i = 0; i < glia_safetensors_count(st); i++) {
        const glia_safetensors_tensor *t = glia_safetensors_at(st, i);
        uint8_t byte;
        FUZZ_CHECK(glia_safetensors_find(st, t->name) == t && t->rank >= 0 && t->rank <= GLIA_RANK_MAX);
        FUZZ_CHECK(t->bytes >= 0 && t->offset >= 8 && t->bytes <= (int64_t)size - t->offset);
        if (t->dtype && t->bytes)
            FUZZ_CHECK(!glia_safetensors_read(st, t, t->bytes - 1, 1, &byte, NULL) &&
                       byte == data[t->offset + t->bytes - 1]);
        sum += t->bytes;
        if (t->offset < first) first = t->offset;
    }
    FUZZ_CHECK(glia_safetensors_count(st) == 0 || first + sum == (int64_t)size);
    glia_safetensors_close(st);
    return 0;
}

#ifdef GLIA_FUZZ_MAIN
static int64_t fuzz_example(int i, uint8_t *out)
{
    static const char *const headers[] = {
        "{\"__metadata__\":{\"format\":\"pt\"},\"b\":{\"dtype\":\"F16\",\"shape\":[2,3],\"data_offsets\":[8,"
        "20]},"
        "\"a\":{\"dtype\":\"I64\",\"shape\":[],\"data_offsets\":[0,8]},\"\\u00e4\":{\"dtype\":\"U8\","
        "\"shape\":[0,4],\"data_offsets\":[8,8]}}",
        "{\"a\":{\"dtype\":\"F8_E4M3\",\"shape\":[20],\"data_offsets\":[0,20]}}  ",
    };
    if (i > 1) return -1;
    uint64_t n = strlen(headers[i]);
    memcpy(out, &n, 8);
    memcpy(out + 8, headers[i], n);
    memset(out + 8 + n, 0x55, 20);
    return (int64_t)n + 28;
}
#endif
