/* How fast texts become tokens: encodes a file again and again with one tokenizer, in one thread.
 *
 *     bench_tokenizer vocabulary.gguf|tokenizer.json text.txt [seconds]
 *
 * Prints MB/s (10^6 bytes of text) of the best and the median pass, tokens a second, and bytes a token. */
#include "format/file.h"
#include "format/gguf.h"
#include "llm/tok_json.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static int by_value(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static glia_tokenizer *load(const char *path, glia_error *e)
{
    glia_tokenizer *t = NULL;
    glia_gguf *g = NULL;
    char *json;
    int64_t size;
    if (strlen(path) > 5 && !strcmp(path + strlen(path) - 5, ".json")) {
        if (!glia_file_load(glia_os_default(), path, (int64_t)1 << 28, &json, &size, e))
            glia_tokenizer_from_json(NULL, json, size, &t, e);
        return t;
    }
    if (!glia_gguf_open(NULL, path, NULL, &g, e)) glia_tokenizer_from_gguf(NULL, g, &t, e);
    glia_gguf_close(g);
    return t;
}

int main(int argc, char **argv)
{
    enum { PASSES = 1000 };
    static double seconds[PASSES];
    glia_error e = GLIA_ERROR_INIT;
    char *text;
    int64_t size, count = 0;
    if (argc < 3) return fprintf(stderr, "usage: bench_tokenizer vocabulary text [seconds]\n"), 2;
    glia_tokenizer *t = load(argv[1], &e);
    if (!t || glia_file_load(glia_os_default(), argv[2], (int64_t)1 << 28, &text, &size, &e))
        return fprintf(stderr, "%s\n", e.text), 1;
    const double limit = argc > 3 ? atof(argv[3]) : 2;
    int32_t *ids = malloc((size_t)(size + 16) * 4 * sizeof *ids);
    int passes = 0;
    for (const double start = now(); ids && passes < PASSES && (passes < 3 || now() - start < limit);
         passes++) {
        const double begin = now();
        if (glia_tokenizer_encode(t, text, size, 0, ids, (size + 16) * 4, &count, &e))
            return fprintf(stderr, "%s\n", e.text), 1;
        seconds[passes] = now() - begin;
    }
    if (!passes) return 1;
    qsort(seconds, (size_t)passes, sizeof *seconds, by_value);
    const double mb = (double)size / 1e6, median = seconds[passes / 2];
    printf("%s %s: best %.1f MB/s, median %.1f MB/s, %.2f M tokens/s, %.2f bytes/token, %d passes\n",
           glia_tokenizer_kind(t), glia_tokenizer_pre(t), mb / seconds[0], mb / median,
           (double)count / median / 1e6, (double)size / (double)count, passes);
    return 0;
}
