/* The test harness: a test is one program tests/test_*.c; each case prints one line "ok NAME" or "FAIL NAME",
 * or "skip NAME: why". The runner adds the lines up. */
#ifndef GLIA_TESTS_CHECK_H
#define GLIA_TESTS_CHECK_H

#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int check_case_failures, check_failures;

#define CHECK(c)                                                                                             \
    do {                                                                                                     \
        if (!(c)) {                                                                                          \
            fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #c);                                          \
            check_case_failures++;                                                                           \
        }                                                                                                    \
    } while (0)
#define CHECK_I64(a, b)                                                                                      \
    do {                                                                                                     \
        long long check_a = (long long)(a), check_b = (long long)(b);                                        \
        if (check_a != check_b) {                                                                            \
            fprintf(stderr, "%s:%d: %s is %lld, want %lld\n", __FILE__, __LINE__, #a, check_a, check_b);     \
            check_case_failures++;                                                                           \
        }                                                                                                    \
    } while (0)
#define CHECK_STR(a, b)                                                                                      \
    do {                                                                                                     \
        const char *check_a = (a), *check_b = (b);                                                           \
        if (!check_a || strcmp(check_a, check_b)) {                                                          \
            fprintf(stderr, "%s:%d: %s is\n%s\nwant\n%s\n", __FILE__, __LINE__, #a,                          \
                    check_a ? check_a : "(null)", check_b);                                                  \
            check_case_failures++;                                                                           \
        }                                                                                                    \
    } while (0)

/* RUN(f) runs void f(void) as a case of that name. */
#define RUN(f)                                                                                               \
    do {                                                                                                     \
        check_case_failures = 0;                                                                             \
        f();                                                                                                 \
        printf("%s %s\n", check_case_failures ? "FAIL" : "ok", #f);                                          \
        fflush(stdout);                                                                                      \
        check_failures += check_case_failures != 0;                                                          \
    } while (0)
#define SKIP(name, why) printf("skip %s: %s\n", name, why)
#define CHECK_EXIT() (check_failures ? 1 : 0)

/* The folder of outside data, or null: tests that need it are skipped then. */
static inline const char *check_data_dir(void)
{
    const char *dir = getenv("GLIA_TEST_DATA");
    return dir && *dir ? dir : NULL;
}

#endif
