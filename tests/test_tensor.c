/* Formats against vectors made by the gguf package, conversions against all 65536 halves, layouts against
 * plain rows, products against sums in double precision. */
#include "check.h"

#include "base/check.h"
#include "tensor/dot.h"
#include "tensor/dtype.h"
#include "tensor/layout.h"

static uint64_t state = 1;
static uint32_t random_u32(void)
{
    state = state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(state >> 33);
}
static float random_f32(void) { return (float)(int32_t)(random_u32() << 1) * 0x1p-31f; }
static float random_normal(void)
{
    float s = 0;
    for (int i = 0; i < 12; i++) s += random_f32();
    return s * 0.5f;
}

/* ---- vectors: GVEC files, see tests/oracles/gvec.py */
typedef struct vec_file {
    uint8_t *bytes;
    size_t size;
} vec_file;

static vec_file vec_open(const char *name)
{
    char path[256];
    vec_file v = {0};
    snprintf(path, sizeof path, "tests/vectors/quants/%s.vec", name);
    FILE *f = fopen(path, "rb");
    if (!f) return v;
    v.bytes = malloc(1 << 20);
    v.size = fread(v.bytes, 1, 1 << 20, f);
    fclose(f);
    return v;
}

/* The data of a section and its dims, or null. */
static const uint8_t *vec_section(const vec_file *v, const char *name, int64_t dims[2])
{
    uint32_t count, at = 12;
    memcpy(&count, v->bytes + 8, 4);
    for (uint32_t s = 0; s < count; s++) {
        uint32_t len, type, rank;
        memcpy(&len, v->bytes + at, 4);
        const char *text = (const char *)v->bytes + at + 4;
        memcpy(&type, v->bytes + at + 4 + len, 4);
        memcpy(&rank, v->bytes + at + 8 + len, 4);
        memcpy(dims, v->bytes + at + 12 + len, 16);
        const bool hit = len == strlen(name) && !memcmp(text, name, len);
        at += 12 + len + 8 * rank;
        if (hit) return v->bytes + at;
        at += (uint32_t)(dims[0] * dims[1] * (type == 0 ? 1 : 4));
    }
    return 0;
}

/* Equal bits; any NaN for any other. */
static bool same_f32(const float *a, const float *b, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        if (memcmp(a + i, b + i, 4) && !(isnan(a[i]) && isnan(b[i]))) return false;
    return true;
}

static bool same_u16(const uint8_t *a, const uint8_t *b, int64_t n, uint16_t inf)
{
    for (int64_t i = 0; i < n; i++) {
        uint16_t x, y;
        memcpy(&x, a + 2 * i, 2);
        memcpy(&y, b + 2 * i, 2);
        const bool x_nan = (x & 0x7fff) > inf, y_nan = (y & 0x7fff) > inf;
        if (x != y && !(x_nan && y_nan)) return false;
    }
    return true;
}

static void check_format(const char *file, glia_dtype t)
{
    vec_file v = vec_open(file);
    if (!v.bytes) {
        SKIP(file, "no vector file");
        return;
    }
    const glia_dtype_info *info = glia_dtype_get(t);
    int64_t d[2], e[2];
    const uint8_t *blocks = vec_section(&v, "blocks", d), *want = vec_section(&v, "decoded", e);
    float *out = malloc((size_t)e[1] * 4), *copy = malloc((size_t)e[1] * 4);
    uint8_t *row = malloc((size_t)d[1]);
    for (int64_t r = 0; r < e[0]; r++) {
        info->decode(blocks + r * d[1], out, e[1]);
        memcpy(copy, want + r * e[1] * 4, (size_t)e[1] * 4);
        CHECK(same_f32(out, copy, e[1]));
    }
    const uint8_t *input = vec_section(&v, "input", e), *encoded = vec_section(&v, "encoded", d);
    for (int64_t r = 0; input && r < e[0]; r++) {
        memcpy(copy, input + r * e[1] * 4, (size_t)e[1] * 4);
        info->encode(copy, row, e[1], 0);
        const bool half = t == GLIA_F16 || t == GLIA_BF16;
        const bool equal = half ? same_u16(row, encoded + r * d[1], e[1], t == GLIA_F16 ? 0x7c00 : 0x7f80)
                                : !memcmp(row, encoded + r * d[1], (size_t)d[1]);
        if (!equal) fprintf(stderr, "%s row %d\n", file, (int)r);
        CHECK(equal);
    }
    free(out), free(copy), free(row), free(v.bytes);
}

static void vectors_of_gguf(void)
{
    static const struct {
        const char *file;
        glia_dtype t;
    } all[] = {
        {"Q8_0", GLIA_Q8_0},       {"Q4_0", GLIA_Q4_0},   {"Q4_1", GLIA_Q4_1},     {"Q5_0", GLIA_Q5_0},
        {"Q5_1", GLIA_Q5_1},       {"Q2_K", GLIA_Q2_K},   {"Q3_K", GLIA_Q3_K},     {"Q4_K", GLIA_Q4_K},
        {"Q5_K", GLIA_Q5_K},       {"Q6_K", GLIA_Q6_K},   {"IQ4_NL", GLIA_IQ4_NL}, {"TQ1_0", GLIA_TQ1_0},
        {"TQ2_0", GLIA_TQ2_0},     {"MXFP4", GLIA_MXFP4}, {"IQ4_XS", GLIA_IQ4_XS}, {"IQ3_S", GLIA_IQ3_S},
        {"IQ3_XXS", GLIA_IQ3_XXS}, {"IQ2_S", GLIA_IQ2_S}, {"IQ2_XS", GLIA_IQ2_XS}, {"IQ2_XXS", GLIA_IQ2_XXS},
        {"IQ1_S", GLIA_IQ1_S},     {"IQ1_M", GLIA_IQ1_M}, {"NVFP4", GLIA_NVFP4},   {"Q1_0", GLIA_Q1_0},
        {"Q2_0", GLIA_Q2_0},       {"BF16", GLIA_BF16},   {"F16", GLIA_F16}};
    for (int i = 0; i < GLIA_COUNT(all); i++) {
        check_format(all[i].file, all[i].t);
        CHECK(glia_dtype_parse(all[i].file) == all[i].t);
    }
}

static void table_agrees_with_itself(void)
{
    int64_t bytes;
    for (int t = 0; t < GLIA_DTYPE_COUNT; t++) {
        const glia_dtype_info *info = glia_dtype_get((glia_dtype)t);
        CHECK(info->name && info->arithmetic && info->block_elements > 0);
        if (t) CHECK(glia_dtype_parse(info->name) == (glia_dtype)t);
        if (info->gguf_type >= 0) CHECK(glia_dtype_from_gguf(info->gguf_type) == (glia_dtype)t);
        if (info->classes & (GLIA_CLASS_FLOAT | GLIA_CLASS_QUANT | GLIA_CLASS_ACTIVATION))
            CHECK(info->decode);
    }
    CHECK_STR(glia_dtype_name((glia_dtype)-1), "none");
    CHECK_STR(glia_dtype_name((glia_dtype)1000), "none");
    CHECK(glia_dtype_parse("q4_") == GLIA_DTYPE_NONE && glia_dtype_parse("") == GLIA_DTYPE_NONE &&
          glia_dtype_parse(0) == GLIA_DTYPE_NONE);
    static const int64_t unknown[] = {-1, 4, 5, 9, 31, 33, 36, 43, 1000, INT64_MAX, INT64_MIN};
    for (int i = 0; i < GLIA_COUNT(unknown); i++) CHECK(glia_dtype_from_gguf(unknown[i]) == GLIA_DTYPE_NONE);
    CHECK(glia_dtype_row_bytes(GLIA_Q4_0, 64, &bytes) && bytes == 36);
    CHECK(!glia_dtype_row_bytes(GLIA_Q4_0, 48, &bytes));
    CHECK(!glia_dtype_row_bytes(GLIA_F32, -1, &bytes));
    CHECK(!glia_dtype_row_bytes(GLIA_F64, INT64_MAX / 4, &bytes));
    CHECK(glia_dtype_tensor_bytes(GLIA_F32, 0, 0, &bytes) && bytes == 4);
    CHECK(glia_dtype_tensor_bytes(GLIA_Q6_K, 3, (int64_t[]){2, 3, 512}, &bytes) && bytes == 2 * 3 * 420);
    CHECK(!glia_dtype_tensor_bytes(GLIA_F32, 3, (int64_t[]){1LL << 31, 1LL << 31, 4}, &bytes));
    CHECK(!glia_dtype_tensor_bytes(GLIA_F32, 9, (int64_t[9]){0}, &bytes));
    CHECK(!glia_dtype_tensor_bytes(GLIA_F32, 2, (int64_t[]){-1, 4}, &bytes));
}

/* IEEE 754 by arithmetic: every half against ldexp, and rounding at every boundary between neighbours. */
static void halves(void)
{
    for (uint32_t h = 0; h < 65536; h++) {
        const int e = h >> 10 & 31, m = h & 1023;
        double want = e ? ldexp(1024 + m, e - 25) : ldexp(m, -24);
        if (e == 31) want = m ? NAN : INFINITY;
        if (h & 0x8000) want = -want;
        const float f = glia_f16_to_f32((uint16_t)h);
        CHECK(isnan(want) ? isnan(f) : f == (float)want && !signbit(f) == !(h & 0x8000));
        if (isnan(f)) {
            CHECK((glia_f32_to_f16(f) & 0x7fff) > 0x7c00);
            continue;
        }
        CHECK(glia_f32_to_f16(f) == h);
        if ((h & 0x7fff) >= 0x7bff) continue;
        const float next = glia_f16_to_f32((uint16_t)(h + 1)), middle = f + (next - f) * 0.5f;
        CHECK(glia_f32_to_f16(middle) == h + (h & 1));
        CHECK(glia_f32_to_f16(nextafterf(middle, f)) == h);
        CHECK(glia_f32_to_f16(nextafterf(middle, next)) == h + 1);
    }
    CHECK(glia_f32_to_f16(65519.996f) == 0x7bff && glia_f32_to_f16(65520.0f) == 0x7c00 &&
          glia_f32_to_f16(-1e30f) == 0xfc00);
    CHECK(glia_f32_to_f16(1e-30f) == 0 && glia_f32_to_f16(-1e-30f) == 0x8000);
}

/* Formats that we write: what comes back is near, and a search does not lose to plain rounding by much. */
static void encoders_round_trip(void)
{
    static const struct {
        glia_dtype t;
        double nmse_max; /* of normal values; about the square of a step over 12 */
    } all[] = {{GLIA_Q8_0, 4e-5},   {GLIA_Q5_1, 2.5e-3}, {GLIA_Q5_0, 3e-3}, {GLIA_Q4_1, 8e-3},
               {GLIA_Q4_0, 1e-2},   {GLIA_IQ4_NL, 8e-3}, {GLIA_Q2_K, 9e-2}, {GLIA_Q3_K, 3e-2},
               {GLIA_Q4_K, 6.5e-3}, {GLIA_Q5_K, 1.7e-3}, {GLIA_Q6_K, 5e-4}, {GLIA_Q8_K, 1e-4},
               {GLIA_MXFP4, 2e-2}};
    enum { K = 4096 };
    static float x[K], y[K], weight[K];
    static uint8_t row[K * 4];
    for (int f = 0; f < GLIA_COUNT(all); f++) {
        const glia_dtype_info *info = glia_dtype_get(all[f].t);
        CHECK(info->encode);
        for (int pass = 0; pass < 2; pass++) {
            double error = 0, power = 0;
            for (int i = 0; i < K; i++) {
                x[i] = random_normal() * 0.02f;
                weight[i] = 1.0f;
            }
            info->encode(x, row, K, pass ? weight : 0);
            info->decode(row, y, K);
            for (int i = 0; i < K; i++) {
                error += (double)(x[i] - y[i]) * (x[i] - y[i]);
                power += (double)x[i] * x[i];
            }
            if (!(error < all[f].nmse_max * power))
                fprintf(stderr, "%s nmse %g\n", info->name, error / power);
            CHECK(error < all[f].nmse_max * power);
        }
    }
}

/* No float input is undefined behaviour in an encoder: run under UBSan. */
static void encoders_survive_anything(void)
{
    static const float odd[] = {0.0f,     -0.0f,    1e-45f,    -1e-45f, 1e-38f, 3.4e38f,
                                -3.4e38f, INFINITY, -INFINITY, NAN,     1.0f,   65536.0f};
    enum { K = 512 };
    float x[K], y[K], weight[K];
    uint8_t row[K * 4];
    for (int t = 1; t < GLIA_DTYPE_COUNT; t++) {
        const glia_dtype_info *info = glia_dtype_get((glia_dtype)t);
        if (!info->encode || t == GLIA_F64) continue;
        const bool no_zero = t == GLIA_F8E8M0;
        for (int pass = 0; pass < 60; pass++) {
            for (int i = 0; i < K; i++)
                x[i] = pass < 12 ? odd[pass] : odd[random_u32() % (pass < 36 ? 7 : 12)];
            for (int i = 0; i < K; i++) weight[i] = pass % 3 == 1 ? 0.0f : fabsf(odd[random_u32() % 12]);
            info->encode(x, row, K, pass % 3 ? weight : 0);
            info->decode(row, y, K);
            if (pass < 2 && !no_zero)
                for (int i = 0; i < K; i++) CHECK(y[i] == 0.0f);
        }
    }
}

static void activations(void)
{
    enum { K = 512 };
    float x[K];
    static union {
        float align;
        uint8_t bytes[K * 2];
    } u;
    for (int wide = 0; wide < 2; wide++) {
        const int block = wide ? 256 : 32, group = wide ? 16 : 32;
        for (int i = 0; i < K; i++) x[i] = i < 256 ? random_normal() : i == 300 ? -2.0f : 0.0f;
        (wide ? glia_dtype_get(GLIA_A8X256) : glia_dtype_get(GLIA_A8X32))->encode(x, u.bytes, K, 0);
        const int8_t *q = (const int8_t *)u.bytes;
        const float *d = (const float *)(u.bytes + K);
        const int32_t *sum = (const int32_t *)(u.bytes + K + K / block * 4);
        for (int b = 0; b < K / block; b++) {
            float most = 0;
            for (int i = 0; i < block; i++) most = fmaxf(most, fabsf(x[b * block + i]));
            CHECK(d[b] == most / 127.0f);
            for (int i = 0; i < block; i++) {
                const float want = most > 0 ? nearbyintf(x[b * block + i] * (127.0f / most)) : 0;
                CHECK(q[b * block + i] == want);
            }
        }
        for (int g = 0; g < K / group; g++) {
            int32_t want = 0;
            for (int i = 0; i < group; i++) want += q[g * group + i];
            CHECK(sum[g] == want);
        }
        x[17] = NAN;
        (wide ? glia_dtype_get(GLIA_A8X256) : glia_dtype_get(GLIA_A8X32))->encode(x, u.bytes, K, 0);
        CHECK(isnan(d[0]) && q[17] == 0 && sum[0] == 0);
    }
}

static void layouts(void)
{
    static const glia_dtype types[] = {GLIA_F32,    GLIA_F16,   GLIA_BF16, GLIA_Q8_0,   GLIA_Q4_0,
                                       GLIA_Q4_1,   GLIA_Q5_0,  GLIA_Q5_1, GLIA_IQ4_NL, GLIA_MXFP4,
                                       GLIA_Q2_K,   GLIA_Q3_K,  GLIA_Q4_K, GLIA_Q5_K,   GLIA_Q6_K,
                                       GLIA_IQ4_XS, GLIA_TQ1_0, GLIA_TQ2_0};
    static const int64_t sizes[][2] = {{1, 1}, {16, 2}, {17, 3}, {40, 1}, {33, 5}, {16, 0}, {48, 9}};
    for (int f = 0; f < GLIA_COUNT(types); f++)
        for (int s = 0; s < GLIA_COUNT(sizes); s++) {
            const glia_dtype_info *d = glia_dtype_get(types[f]);
            const int64_t n = sizes[s][0], k = sizes[s][1] * glia_max(32, d->block_elements);
            int64_t row, packed;
            CHECK(glia_dtype_row_bytes(types[f], k, &row));
            CHECK(glia_layout_bytes(GLIA_LAYOUT_R16, types[f], n, k, &packed));
            uint8_t *plain = malloc((size_t)(n * row + 1)), *to = malloc((size_t)packed + 1),
                    *whole = malloc((size_t)packed + 1);
            uint8_t *back = malloc((size_t)row + 1);
            float *a = malloc((size_t)k * 4 + 4), *b = malloc((size_t)k * 4 + 4);
            for (int64_t i = 0; i < n * row; i++) plain[i] = (uint8_t)random_u32();
            to[packed] = whole[packed] = 77;
            memset(whole, 1, (size_t)packed);
            glia_layout_pack(GLIA_LAYOUT_R16, types[f], n, k, plain, 0, n, whole);
            for (int64_t r = 0; r < n; r += 16)
                glia_layout_pack(GLIA_LAYOUT_R16, types[f], n, k, plain + r * row, r, glia_min(n, r + 16),
                                 to);
            CHECK(!memcmp(to, whole, (size_t)packed + 1));
            for (int64_t r = 0; r < n; r++) {
                glia_layout_unpack_row(GLIA_LAYOUT_R16, types[f], n, k, to, r, back);
                CHECK(!memcmp(back, plain + r * row, (size_t)row));
                glia_layout_row(GLIA_LAYOUT_R16, types[f], n, k, to, r, a);
                glia_layout_row(GLIA_LAYOUT_PLAIN, types[f], n, k, plain, r, b);
                CHECK(same_f32(a, b, k));
            }
            free(plain), free(to), free(whole), free(back), free(a), free(b);
        }
    int64_t bytes;
    CHECK(glia_layout_bytes(GLIA_LAYOUT_R16, GLIA_Q8_0, 16, 64, &bytes) && bytes == 1088);
    CHECK(glia_layout_bytes(GLIA_LAYOUT_R16, GLIA_Q4_0, 17, 96, &bytes) && bytes == 2 * 2 * 576);
    CHECK(glia_layout_bytes(GLIA_LAYOUT_PLAIN, GLIA_Q4_K, 3, 512, &bytes) && bytes == 3 * 288);
    CHECK(glia_layout_bytes(GLIA_LAYOUT_R16, GLIA_Q4_K, 16, 256, &bytes) && bytes == 2304);
    CHECK(glia_layout_bytes(GLIA_LAYOUT_R16, GLIA_Q6_K, 17, 256, &bytes) && bytes == 2 * 6720);
    CHECK(glia_layout_bytes(GLIA_LAYOUT_R16, GLIA_MXFP4, 16, 160, &bytes) && bytes == 2 * 1088);
    CHECK(!glia_layout_bytes(GLIA_LAYOUT_R16, GLIA_IQ3_S, 16, 256, &bytes));
    CHECK(!glia_layout_bytes(GLIA_LAYOUT_R16, GLIA_A8X32, 16, 32, &bytes));
    CHECK(!glia_layout_bytes(GLIA_LAYOUT_R16, (glia_dtype)-1, 16, 32, &bytes));
    CHECK(!glia_layout_bytes(GLIA_LAYOUT_R16, GLIA_F32, INT64_MAX, 16, &bytes));
    CHECK(!glia_layout_bytes(GLIA_LAYOUT_R16, GLIA_Q8_0, 16, 48, &bytes));
    CHECK(!glia_layout_bytes(GLIA_LAYOUT_R16, GLIA_F32, 16, -1, &bytes));
    CHECK(!glia_layout_bytes(7, GLIA_F32, 16, 16, &bytes));
}

/* Products of one segment each with 1, so that the streamed tree meets the one by levels. */
static void trees(void)
{
    enum { MOST = 70 * 256 };
    static float w[MOST], x[MOST];
    for (int i = 0; i < MOST; i++) x[i] = 1.0f;
    for (int n = 0; n < 70; n++) {
        float v[70];
        for (int i = 0; i < n * 256; i++) w[i] = 0.0f;
        for (int i = 0; i < n; i++) w[i * 256 + 5] = v[i] = random_f32();
        const float a = glia_dot_f32(w, x, n * 256), b = glia_tree_sum_f32(v, n);
        CHECK(!memcmp(&a, &b, 4));
    }
    float five[] = {1e8f, 1, -1e8f, 1, 3}; /* ((1e8 + 1) + (-1e8 + 1)) + 3, in float */
    CHECK(glia_tree_sum_f32(five, 5) == ((1e8f + 1.0f) + (-1e8f + 1.0f)) + 3.0f);
    double three[] = {1e17, 1, -1e17};
    CHECK(glia_tree_sum_f64(three, 3) == (1e17 + 1.0) - 1e17);
}

/* A row of any block format: encoded normal values, or random bytes where there is no encoder, redrawn until
 * they decode to numbers. Leaves the decoded row in w. */
static void random_row(glia_dtype t, uint8_t *row, float *w, int64_t k)
{
    const glia_dtype_info *info = glia_dtype_get(t);
    if (info->encode) {
        for (int64_t i = 0; i < k; i++) w[i] = random_normal();
        info->encode(w, row, k, 0);
        info->decode(row, w, k);
        return;
    }
    for (int64_t b = 0; b < k / info->block_elements; b++) {
        uint8_t *block = row + b * info->block_bytes;
        float *out = w + b * info->block_elements;
        bool finite = false;
        while (!finite) {
            for (int i = 0; i < info->block_bytes; i++) block[i] = (uint8_t)random_u32();
            info->decode(block, out, info->block_elements);
            finite = true;
            for (int i = 0; i < info->block_elements; i++) finite = finite && isfinite(out[i]);
        }
    }
}

/* The quantised products against sums over the decoded rows in double precision: the integers are exact, so
 * only the rounding of the chain remains. */
static void quant_products(void)
{
    enum { K = 2304 }; /* two segments and a piece */
    static float x[K], xa[K], w[K];
    static union {
        float align;
        uint8_t bytes[K * 2];
    } a;
    static uint8_t row[K * 4];
    for (int t = 1; t < GLIA_DTYPE_COUNT; t++) {
        const glia_dtype_info *info = glia_dtype_get((glia_dtype)t);
        if (!(info->classes & GLIA_CLASS_QUANT)) continue;
        for (int pass = 0; pass < 20; pass++) {
            const int64_t k = pass < 3 ? (pass + 1) * 256 : K;
            for (int64_t i = 0; i < k; i++) x[i] = random_normal();
            random_row((glia_dtype)t, row, w, k);
            glia_dtype_get(info->activation)->encode(x, a.bytes, k, 0);
            glia_dtype_get(info->activation)->decode(a.bytes, xa, k);
            double want = 0, size = 0;
            for (int64_t i = 0; i < k; i++) {
                want += (double)w[i] * xa[i];
                size += fabs((double)w[i] * xa[i]);
            }
            CHECK(fabs(glia_dot_quant((glia_dtype)t, row, a.bytes, k) - want) <= 2e-6 * size);
        }
    }
    CHECK(isnan(glia_dot_quant(GLIA_F32, row, a.bytes, 32)));
}

static void float_products(void)
{
    enum { K = 1000 };
    float w[K], x[K];
    for (int64_t k = 0; k < K; k += 37) {
        double want = 0, size = 1e-30;
        for (int64_t i = 0; i < k; i++) {
            w[i] = random_normal(), x[i] = random_normal();
            want += (double)w[i] * x[i];
            size += fabs((double)w[i] * x[i]);
        }
        CHECK(fabs(glia_dot_f32(w, x, k) - want) <= 1e-6 * size);
    }
    CHECK(glia_dot_f64((double[]){1, 2, 3}, (double[]){4, 5, 6}, 3) == 32);
}

int main(void)
{
    RUN(table_agrees_with_itself);
    RUN(halves);
    RUN(vectors_of_gguf);
    RUN(encoders_round_trip);
    RUN(encoders_survive_anything);
    RUN(activations);
    RUN(layouts);
    RUN(trees);
    RUN(float_products);
    RUN(quant_products);
    return CHECK_EXIT();
}
