/* What the fuzz targets share. Each tests/fuzz_*.c is a target for libFuzzer:
 *
 *     clang -fsanitize=fuzzer,address,undefined -Iinclude -Isrc -Itests tests/fuzz_gguf.c libglia.a -lm
 * -pthread
 *
 * and, built with -DGLIA_FUZZ_MAIN by any compiler, a program of its own:
 *
 *     fuzz_gguf FILE..           runs these files, such as past crashes
 *     fuzz_gguf -n 100000 -s 7   runs so many random changes of the built-in examples, from this seed
 *
 * A target checks what must be true of everything that is accepted, by FUZZ_CHECK. */
#ifndef GLIA_TESTS_FUZZ_H
#define GLIA_TESTS_FUZZ_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define FUZZ_CHECK(c)                                                                                        \
    do {                                                                                                     \
        if (!(c)) {                                                                                          \
            fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #c);                                          \
            abort();                                                                                         \
        }                                                                                                    \
    } while (0)

#ifdef GLIA_FUZZ_MAIN

#define FUZZ_BYTES_MAX 65536

/* Writes example i into out[FUZZ_BYTES_MAX] and returns its size, or -1 past the last. Each target has its
 * own. */
static int64_t fuzz_example(int i, uint8_t *out);

static uint64_t fuzz_state;

static uint64_t fuzz_random(uint64_t below) /* splitmix64 */
{
    uint64_t z = fuzz_state += 0x9e3779b97f4a7c15u;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return (z ^ z >> 31) % below;
}

/* One change at a random place: a bit, a byte, a number, a part doubled, removed or moved, the end cut off.
 */
static int64_t fuzz_change(uint8_t *d, int64_t n)
{
    static const uint64_t numbers[] = {0,
                                       1,
                                       2,
                                       3,
                                       7,
                                       9,
                                       31,
                                       32,
                                       33,
                                       255,
                                       256,
                                       65535,
                                       65536,
                                       0x7fffffff,
                                       0x80000000u,
                                       0xffffffffu,
                                       (uint64_t)1 << 32,
                                       ((uint64_t)1 << 59) + 1,
                                       ((uint64_t)1 << 61) + 1,
                                       INT64_MAX,
                                       (uint64_t)1 << 63,
                                       UINT64_MAX,
                                       UINT64_MAX - 31};
    if (n == 0) return 0;
    int64_t at = (int64_t)fuzz_random((uint64_t)n), left = n - at;
    uint64_t v = numbers[fuzz_random(sizeof numbers / sizeof numbers[0])];
    int64_t part = 1 + (int64_t)fuzz_random(left < 64 ? (uint64_t)left : 64), to;
    switch (fuzz_random(9)) {
    case 0:
    case 1: d[at] ^= (uint8_t)(1 << fuzz_random(8)); break;
    case 2: d[at] = (uint8_t)fuzz_random(256); break;
    case 3: memcpy(d + at, &v, left < 4 ? (size_t)left : 4); break;
    case 4: memcpy(d + at, &v, left < 8 ? (size_t)left : 8); break;
    case 5: d[at] = (uint8_t)(d[at] + (fuzz_random(2) ? 1 : -1)); break;
    case 6:
        if (n + part > FUZZ_BYTES_MAX) break;
        memmove(d + at + part, d + at, (size_t)left);
        return n + part;
    case 7: memmove(d + at, d + at + part, (size_t)(left - part)); return n - part;
    case 8:
        if (fuzz_random(4) == 0) return at;
        to = (int64_t)fuzz_random((uint64_t)(n - part + 1));
        memmove(d + to, d + at, (size_t)part);
        break;
    }
    return n;
}

/* In exactly as many bytes as there are, so that a read behind the end is seen by ASan. */
static void fuzz_run(const uint8_t *data, int64_t n)
{
    uint8_t *copy = malloc(n ? (size_t)n : 1);
    if (!copy) exit(2);
    if (n) memcpy(copy, data, (size_t)n);
    LLVMFuzzerTestOneInput(copy, (size_t)n);
    free(copy);
}

static int fuzz_file(const char *path)
{
    FILE *f = fopen(path, "rb");
    if (!f || fseek(f, 0, SEEK_END)) return fprintf(stderr, "%s: cannot be read\n", path), 1;
    long n = ftell(f);
    uint8_t *data = n < 0 ? NULL : malloc((size_t)n + 1);
    rewind(f);
    if (!data || fread(data, 1, (size_t)n, f) != (size_t)n)
        return fprintf(stderr, "%s: cannot be read\n", path), 1;
    fclose(f);
    fuzz_run(data, n);
    free(data);
    return 0;
}

int main(int argc, char **argv)
{
    static uint8_t data[FUZZ_BYTES_MAX + 64];
    long long runs = 0, seed = 1;
    int examples = 0;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "-n") == 0 && i + 1 < argc) runs = atoll(argv[++i]);
        else if (strcmp(argv[i], "-s") == 0 && i + 1 < argc) seed = atoll(argv[++i]);
        else if (fuzz_file(argv[i])) return 1;
    }
    for (int64_t n; (n = fuzz_example(examples, data)) >= 0; examples++) fuzz_run(data, n);
    for (long long i = 0; i < runs; i++) {
        fuzz_state = (uint64_t)seed << 32 ^ (uint64_t)i; /* any one run can be repeated */
        int64_t n = fuzz_example((int)fuzz_random((uint64_t)examples), data);
        for (int64_t changes = 1 + (int64_t)fuzz_random(6); changes > 0; changes--) n = fuzz_change(data, n);
        fuzz_run(data, n);
    }
    printf("ok %s: %lld runs from seed %lld\n", argv[0], runs, seed);
    return 0;
}

#endif
#endif
