/* The loops of probe.h. Each instruction has chains enough to fill its pipes: 12 independent accumulators
 * (four cycles of latency, two ports, and some), which have to stay in registers; written out, since an array
 * of them would end up in memory and reach a third. Those that need more than the build's instruction set say
 * so by attribute, and are called only where the processor has it. */
#include "cli/probe.h"

#include "base/cpu.h"

#include <stddef.h>

static volatile uint64_t sink; /* so that no loop is found to be useless */

/* ---- reading -------------------------------------------------------------------------------------- */

typedef uint64_t vec __attribute__((vector_size(64), aligned(64)));

/* Eight lines apart within a stream, 2 KiB ahead of it a prefetch: what products do when they decode. */
static inline __attribute__((always_inline)) uint64_t read_streams(const uint8_t *p, int64_t bytes,
                                                                   int streams)
{
    const int64_t part = bytes / streams / 256 * 256;
    const uint8_t *q[4] = {p, p + part, p + 2 * part, p + 3 * part};
    vec a = {0}, b = a, c = a, d = a;
    for (int64_t i = 0; i < part; i += 256) {
        for (int s = 0; s < streams; s++) {
            const vec *v = (const vec *)(const void *)(q[s] + i);
            for (int j = 0; j < 256; j += 64) __builtin_prefetch(q[s] + i + 2048 + j);
            a ^= v[0], b ^= v[1], c ^= v[2], d ^= v[3];
        }
    }
    a ^= b ^ c ^ d;
    uint64_t sum = 0;
    for (int j = 0; j < 8; j++) sum ^= a[j];
    return sum;
}

static uint64_t read_plain(const uint8_t *p, int64_t bytes, int streams)
{
    return streams == 1 ? read_streams(p, bytes, 1) : read_streams(p, bytes, 4);
}

#if defined(__x86_64__)
#include <immintrin.h>

__attribute__((target("avx2"))) static uint64_t read_avx2(const uint8_t *p, int64_t bytes, int streams)
{
    return streams == 1 ? read_streams(p, bytes, 1) : read_streams(p, bytes, 4);
}

__attribute__((target("avx512f"))) static uint64_t read_avx512(const uint8_t *p, int64_t bytes, int streams)
{
    return streams == 1 ? read_streams(p, bytes, 1) : read_streams(p, bytes, 4);
}
#endif

void cli_read_all(const uint8_t *p, int64_t bytes, int streams, uint32_t features)
{
#if defined(__x86_64__)
    if (features & GLIA_CPU_AVX512) sink = read_avx512(p, bytes, streams);
    else if (features & GLIA_CPU_AVX2) sink = read_avx2(p, bytes, streams);
    else sink = read_plain(p, bytes, streams);
#else
    (void)features;
    sink = read_plain(p, bytes, streams);
#endif
}

/* ---- the clock ------------------------------------------------------------------------------------ */

#if defined(__x86_64__) || defined(__aarch64__)
#if defined(__x86_64__)
#define ADD "add %1, %0\n\t"
#else
#define ADD "add %0, %0, %1\n\t"
#endif
#define ADD8 ADD ADD ADD ADD ADD ADD ADD ADD
bool cli_adds_known(void) { return true; }
void cli_adds(int64_t rounds)
{
    uint64_t x = 1, y = sink;
    for (int64_t i = 0; i < rounds; i++)
        __asm__ volatile(ADD8 ADD8 ADD8 ADD8 ADD8 ADD8 ADD8 ADD8 : "+r"(x) : "r"(y) : "cc");
    sink = x;
}
#else
bool cli_adds_known(void) { return false; }
void cli_adds(int64_t rounds) { (void)rounds; }
#endif

/* ---- arithmetic ----------------------------------------------------------------------------------- */

/* Chains of equal numbers would be found to be one chain: their values are hidden from the compiler. */
#if defined(__aarch64__)
#define REGISTER "+w"
#else
#define REGISTER "+v"
#endif
#define HIDE4(a, b, c, d) __asm__ volatile("" : REGISTER(a), REGISTER(b), REGISTER(c), REGISTER(d))

#if defined(__x86_64__)
#define TARGET(x) __attribute__((noinline, target(x)))

TARGET("avx512f,avx512vnni") static void dot_zmm(int64_t rounds)
{
    const __m512i a = _mm512_set1_epi8((char)(sink | 1)), b = _mm512_set1_epi8((char)(sink >> 8 | 3));
    __m512i s0 = a, s1 = a, s2 = a, s3 = a, s4 = a, s5 = a, s6 = a, s7 = a, s8 = a, s9 = a, s10 = a, s11 = a;
    HIDE4(s0, s1, s2, s3);
    HIDE4(s4, s5, s6, s7);
    HIDE4(s8, s9, s10, s11);
    for (int64_t i = 0; i < rounds; i++) {
        s0 = _mm512_dpbusd_epi32(s0, a, b), s1 = _mm512_dpbusd_epi32(s1, a, b);
        s2 = _mm512_dpbusd_epi32(s2, a, b), s3 = _mm512_dpbusd_epi32(s3, a, b);
        s4 = _mm512_dpbusd_epi32(s4, a, b), s5 = _mm512_dpbusd_epi32(s5, a, b);
        s6 = _mm512_dpbusd_epi32(s6, a, b), s7 = _mm512_dpbusd_epi32(s7, a, b);
        s8 = _mm512_dpbusd_epi32(s8, a, b), s9 = _mm512_dpbusd_epi32(s9, a, b);
        s10 = _mm512_dpbusd_epi32(s10, a, b), s11 = _mm512_dpbusd_epi32(s11, a, b);
    }
    s0 = _mm512_xor_si512(_mm512_xor_si512(_mm512_xor_si512(s0, s1), _mm512_xor_si512(s2, s3)),
                          _mm512_xor_si512(_mm512_xor_si512(s4, s5), _mm512_xor_si512(s6, s7)));
    s0 = _mm512_xor_si512(s0, _mm512_xor_si512(_mm512_xor_si512(s8, s9), _mm512_xor_si512(s10, s11)));
    sink = (uint64_t)_mm512_reduce_add_epi32(s0);
}

TARGET("avx512f") static void fma_zmm(int64_t rounds)
{
    const __m512 a = _mm512_set1_ps((float)(sink & 1)), b = _mm512_set1_ps(0.5f);
    __m512 s0 = a, s1 = a, s2 = a, s3 = a, s4 = a, s5 = a, s6 = a, s7 = a, s8 = a, s9 = a, s10 = a, s11 = a;
    HIDE4(s0, s1, s2, s3);
    HIDE4(s4, s5, s6, s7);
    HIDE4(s8, s9, s10, s11);
    for (int64_t i = 0; i < rounds; i++) {
        s0 = _mm512_fmadd_ps(s0, b, a), s1 = _mm512_fmadd_ps(s1, b, a), s2 = _mm512_fmadd_ps(s2, b, a);
        s3 = _mm512_fmadd_ps(s3, b, a), s4 = _mm512_fmadd_ps(s4, b, a), s5 = _mm512_fmadd_ps(s5, b, a);
        s6 = _mm512_fmadd_ps(s6, b, a), s7 = _mm512_fmadd_ps(s7, b, a), s8 = _mm512_fmadd_ps(s8, b, a);
        s9 = _mm512_fmadd_ps(s9, b, a), s10 = _mm512_fmadd_ps(s10, b, a), s11 = _mm512_fmadd_ps(s11, b, a);
    }
    s0 = _mm512_add_ps(_mm512_add_ps(_mm512_add_ps(s0, s1), _mm512_add_ps(s2, s3)),
                       _mm512_add_ps(_mm512_add_ps(s4, s5), _mm512_add_ps(s6, s7)));
    s0 = _mm512_add_ps(s0, _mm512_add_ps(_mm512_add_ps(s8, s9), _mm512_add_ps(s10, s11)));
    sink = (uint64_t)(int64_t)_mm512_reduce_add_ps(s0);
}

TARGET("avx2,fma") static void fma_ymm(int64_t rounds)
{
    const __m256 a = _mm256_set1_ps((float)(sink & 1)), b = _mm256_set1_ps(0.5f);
    __m256 s0 = a, s1 = a, s2 = a, s3 = a, s4 = a, s5 = a, s6 = a, s7 = a, s8 = a, s9 = a, s10 = a, s11 = a;
    HIDE4(s0, s1, s2, s3);
    HIDE4(s4, s5, s6, s7);
    HIDE4(s8, s9, s10, s11);
    for (int64_t i = 0; i < rounds; i++) {
        s0 = _mm256_fmadd_ps(s0, b, a), s1 = _mm256_fmadd_ps(s1, b, a), s2 = _mm256_fmadd_ps(s2, b, a);
        s3 = _mm256_fmadd_ps(s3, b, a), s4 = _mm256_fmadd_ps(s4, b, a), s5 = _mm256_fmadd_ps(s5, b, a);
        s6 = _mm256_fmadd_ps(s6, b, a), s7 = _mm256_fmadd_ps(s7, b, a), s8 = _mm256_fmadd_ps(s8, b, a);
        s9 = _mm256_fmadd_ps(s9, b, a), s10 = _mm256_fmadd_ps(s10, b, a), s11 = _mm256_fmadd_ps(s11, b, a);
    }
    s0 = _mm256_add_ps(_mm256_add_ps(_mm256_add_ps(s0, s1), _mm256_add_ps(s2, s3)),
                       _mm256_add_ps(_mm256_add_ps(s4, s5), _mm256_add_ps(s6, s7)));
    s0 = _mm256_add_ps(s0, _mm256_add_ps(_mm256_add_ps(s8, s9), _mm256_add_ps(s10, s11)));
    sink = (uint64_t)(int64_t)_mm256_cvtss_f32(s0);
}

/* Without a dot product: bytes to words, words to double words, and the addition. */
__attribute__((always_inline, target("avx2"))) static inline __m256i dot_step(__m256i s, __m256i a, __m256i b,
                                                                              __m256i one)
{
    return _mm256_add_epi32(s, _mm256_madd_epi16(_mm256_maddubs_epi16(a, _mm256_xor_si256(b, s)), one));
}

TARGET("avx2") static void madd_ymm(int64_t rounds)
{
    const __m256i a = _mm256_set1_epi8((char)(sink | 1)), b = _mm256_set1_epi8((char)(sink >> 8 | 3)),
                  one = _mm256_set1_epi16(1);
    __m256i s0 = a, s1 = b, s2 = a, s3 = b, s4 = a, s5 = b, s6 = a, s7 = b, s8 = a, s9 = b, s10 = a, s11 = b;
    HIDE4(s0, s1, s2, s3);
    HIDE4(s4, s5, s6, s7);
    HIDE4(s8, s9, s10, s11);
    for (int64_t i = 0; i < rounds; i++) {
        s0 = dot_step(s0, a, b, one), s1 = dot_step(s1, a, b, one), s2 = dot_step(s2, a, b, one);
        s3 = dot_step(s3, a, b, one), s4 = dot_step(s4, a, b, one), s5 = dot_step(s5, a, b, one);
        s6 = dot_step(s6, a, b, one), s7 = dot_step(s7, a, b, one), s8 = dot_step(s8, a, b, one);
        s9 = dot_step(s9, a, b, one), s10 = dot_step(s10, a, b, one), s11 = dot_step(s11, a, b, one);
    }
    s0 = _mm256_xor_si256(_mm256_xor_si256(_mm256_xor_si256(s0, s1), _mm256_xor_si256(s2, s3)),
                          _mm256_xor_si256(_mm256_xor_si256(s4, s5), _mm256_xor_si256(s6, s7)));
    s0 = _mm256_xor_si256(s0, _mm256_xor_si256(_mm256_xor_si256(s8, s9), _mm256_xor_si256(s10, s11)));
    sink = (uint64_t)_mm256_extract_epi64(s0, 0);
}

TARGET("avx2,avxvnni") static void dot_ymm(int64_t rounds)
{
    const __m256i a = _mm256_set1_epi8((char)(sink | 1)), b = _mm256_set1_epi8((char)(sink >> 8 | 3));
    __m256i s0 = a, s1 = b, s2 = a, s3 = b, s4 = a, s5 = b, s6 = a, s7 = b, s8 = a, s9 = b, s10 = a, s11 = b;
    HIDE4(s0, s1, s2, s3);
    HIDE4(s4, s5, s6, s7);
    HIDE4(s8, s9, s10, s11);
    for (int64_t i = 0; i < rounds; i++) {
        s0 = _mm256_dpbusd_avx_epi32(s0, a, b), s1 = _mm256_dpbusd_avx_epi32(s1, a, b);
        s2 = _mm256_dpbusd_avx_epi32(s2, a, b), s3 = _mm256_dpbusd_avx_epi32(s3, a, b);
        s4 = _mm256_dpbusd_avx_epi32(s4, a, b), s5 = _mm256_dpbusd_avx_epi32(s5, a, b);
        s6 = _mm256_dpbusd_avx_epi32(s6, a, b), s7 = _mm256_dpbusd_avx_epi32(s7, a, b);
        s8 = _mm256_dpbusd_avx_epi32(s8, a, b), s9 = _mm256_dpbusd_avx_epi32(s9, a, b);
        s10 = _mm256_dpbusd_avx_epi32(s10, a, b), s11 = _mm256_dpbusd_avx_epi32(s11, a, b);
    }
    s0 = _mm256_xor_si256(_mm256_xor_si256(_mm256_xor_si256(s0, s1), _mm256_xor_si256(s2, s3)),
                          _mm256_xor_si256(_mm256_xor_si256(s4, s5), _mm256_xor_si256(s6, s7)));
    s0 = _mm256_xor_si256(s0, _mm256_xor_si256(_mm256_xor_si256(s8, s9), _mm256_xor_si256(s10, s11)));
    sink = (uint64_t)_mm256_extract_epi64(s0, 0);
}

/* Four tiles of 16 x 16 sums, each product 16 x 16 x 64. The configuration goes in by hand: gcc's own
 * intrinsic says of only eight of its bytes that they are read. */
TARGET("amx-tile,amx-int8") static void dot_tiles(int64_t rounds)
{
    struct {
        uint8_t palette, start, reserved[14];
        uint16_t row_bytes[16];
        uint8_t rows[16];
    } shape = {.palette = 1};
    for (int i = 0; i < 8; i++) shape.row_bytes[i] = 64, shape.rows[i] = 16;
    __asm__ volatile("ldtilecfg %0" : : "m"(shape));
    _tile_zero(0);
    _tile_zero(1);
    _tile_zero(2);
    _tile_zero(3);
    _tile_zero(4);
    _tile_zero(5);
    _tile_zero(6);
    _tile_zero(7);
    for (int64_t i = 0; i < rounds; i++) {
        _tile_dpbssd(0, 4, 6);
        _tile_dpbssd(1, 4, 7);
        _tile_dpbssd(2, 5, 6);
        _tile_dpbssd(3, 5, 7);
    }
    _tile_release();
}

const cli_unit cli_units[] = {
    {"vpmaddubsw and vpmaddwd, 256 bits", GLIA_CPU_AVX2, CLI_UNIT_INT8, 12 * 64, 64, madd_ymm},
    {"vpdpbusd, 256 bits", GLIA_CPU_AVX_VNNI, CLI_UNIT_INT8, 12 * 64, 128, dot_ymm},
    {"vpdpbusd, 512 bits", GLIA_CPU_AVX512_VNNI, CLI_UNIT_INT8, 12 * 128, 256, dot_zmm},
    {"tdpbssd", GLIA_CPU_AMX, CLI_UNIT_INT8_TILES, 4 * 32768, 2048, dot_tiles},
    {"vfmadd, 256 bits", GLIA_CPU_AVX2, CLI_UNIT_FP32, 12 * 16, 32, fma_ymm},
    {"vfmadd, 512 bits", GLIA_CPU_AVX512, CLI_UNIT_FP32, 12 * 32, 64, fma_zmm},
    {0},
};
#elif defined(__aarch64__)
#include <arm_neon.h>

__attribute__((noinline)) static void fma_neon(int64_t rounds)
{
    const float32x4_t a = vdupq_n_f32((float)(sink & 1)), b = vdupq_n_f32(0.5f);
    float32x4_t s0 = a, s1 = a, s2 = a, s3 = a, s4 = a, s5 = a, s6 = a, s7 = a, s8 = a, s9 = a, s10 = a,
                s11 = a;
    HIDE4(s0, s1, s2, s3);
    HIDE4(s4, s5, s6, s7);
    HIDE4(s8, s9, s10, s11);
    for (int64_t i = 0; i < rounds; i++) {
        s0 = vfmaq_f32(s0, a, b), s1 = vfmaq_f32(s1, a, b), s2 = vfmaq_f32(s2, a, b),
        s3 = vfmaq_f32(s3, a, b);
        s4 = vfmaq_f32(s4, a, b), s5 = vfmaq_f32(s5, a, b), s6 = vfmaq_f32(s6, a, b),
        s7 = vfmaq_f32(s7, a, b);
        s8 = vfmaq_f32(s8, a, b), s9 = vfmaq_f32(s9, a, b), s10 = vfmaq_f32(s10, a, b),
        s11 = vfmaq_f32(s11, a, b);
    }
    s0 = vaddq_f32(vaddq_f32(vaddq_f32(s0, s1), vaddq_f32(s2, s3)),
                   vaddq_f32(vaddq_f32(s4, s5), vaddq_f32(s6, s7)));
    s0 = vaddq_f32(s0, vaddq_f32(vaddq_f32(s8, s9), vaddq_f32(s10, s11)));
    sink = (uint64_t)(int64_t)vaddvq_f32(s0);
}

const cli_unit cli_units[] = {
    {"fmla, 128 bits", GLIA_CPU_NEON, CLI_UNIT_FP32, 12 * 8, 16, fma_neon},
    {0},
};
#else
const cli_unit cli_units[] = {{0}};
#endif
