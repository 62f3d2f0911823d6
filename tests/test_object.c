/* Objects: what goes into networks and comes out. What is put in comes out again, references and memory are
 * accounted for to the last byte, and every allocation may fail. */
#include "net/object.h"
#include "check.h"
#include "fault_os.h"

#include <pthread.h>

static void tensors(void)
{
    struct fault_os f;
    fault_os_init(&f, NULL);
    const float x[6] = {1, 2, 3, 4, 5, 6};
    const int64_t dims[2] = {2, 3}, none[2] = {0, INT64_MAX}, wraps[2] = {INT64_MAX, 2}, below[1] = {-1};
    glia_object *o = glia_object_tensor(&f.os, GLIA_F32, 2, dims, x);
    CHECK(o && glia_object_kind_of(o) == GLIA_OBJECT_TENSOR && glia_object_dtype(o) == GLIA_F32);
    CHECK_I64(glia_object_rank(o), 2);
    CHECK_I64(glia_object_dims(o)[1], 3);
    CHECK_I64(glia_object_count(o), 6);
    CHECK_I64(glia_object_bytes(o), 24);
    CHECK(!memcmp(glia_object_data(o), x, sizeof x) && (uintptr_t)glia_object_data(o) % 64 == 0);
    CHECK(!glia_object_string(o, 0, NULL) && !glia_object_item(o, 0) && !glia_object_keys(o));
    glia_object *z = glia_object_tensor(&f.os, GLIA_I64, 0, NULL, NULL);
    CHECK(z && glia_object_count(z) == 1 && *(const int64_t *)glia_object_data(z) == 0);
    glia_object *empty = glia_object_tensor(&f.os, GLIA_F64, 2, none, NULL);
    CHECK(empty && glia_object_count(empty) == 0 && glia_object_bytes(empty) == 0);
    CHECK(!glia_object_tensor(&f.os, GLIA_U8, 2, wraps, NULL));
    CHECK(!glia_object_tensor(&f.os, GLIA_U8, 1, below, NULL));
    CHECK(!glia_object_tensor(&f.os, GLIA_U8, 9, dims, NULL) &&
          !glia_object_tensor(&f.os, GLIA_U8, -1, dims, NULL));
    CHECK(!glia_object_tensor(&f.os, GLIA_Q8_0, 2, dims, NULL) &&
          !glia_object_tensor(&f.os, 0, 2, dims, NULL));
    CHECK(!glia_object_tensor(&f.os, GLIA_U8, 1, NULL, NULL));
    glia_object_release(o);
    glia_object_release(z);
    glia_object_release(empty);
    glia_object_release(NULL);
    CHECK(!glia_object_retain(NULL));
    CHECK(fault_os_clean(&f));
}

static void count_release(void *ctx) { ++*(int *)ctx; }

static void borrowed_and_views(void)
{
    struct fault_os f;
    fault_os_init(&f, NULL);
    int32_t x[6] = {1, 2, 3, 4, 5, 6};
    const int64_t dims[2] = {3, 2}, row[1] = {2};
    int released = 0;
    glia_object *o = glia_object_borrow(&f.os, GLIA_I32, 2, dims, x, count_release, &released);
    CHECK(o && glia_object_data(o) == x);
    glia_object *v = glia_object_view(NULL, o, 1, row, 4);
    CHECK(v && ((const int32_t *)glia_object_data(v))[1] == 6);
    CHECK(!glia_object_view(NULL, o, 1, row, 5) && !glia_object_view(NULL, o, 1, row, -1));
    glia_object_release(o);
    CHECK_I64(released, 0);
    glia_object_release(v);
    CHECK_I64(released, 1);
    CHECK(!glia_object_borrow(&f.os, GLIA_I32, 2, dims, NULL, count_release, &released));
    CHECK_I64(released, 1);
    CHECK(fault_os_clean(&f));
}

static void strings(void)
{
    struct fault_os f;
    fault_os_init(&f, NULL);
    const char *const texts[3] = {"alpha", "", "g\0mma"};
    const int64_t sizes[3] = {5, 0, 5}, n[1] = {3}, m[1] = {4};
    glia_object *o = glia_object_strings(&f.os, 1, n, texts, sizes);
    int64_t size = -1;
    CHECK(o && glia_object_kind_of(o) == GLIA_OBJECT_STRINGS && glia_object_dtype(o) == GLIA_DTYPE_NONE);
    CHECK_STR(glia_object_string(o, 0, &size), "alpha");
    CHECK_STR(glia_object_string(o, 1, &size), "");
    CHECK_I64(size, 0);
    CHECK(!memcmp(glia_object_string(o, 2, &size), "g\0mma", 6) && size == 5);
    CHECK(!glia_object_string(o, 3, &size) && !glia_object_string(o, -1, &size));
    /* Elements are moved as numbers; 0 is the empty string. */
    const uint64_t *h = glia_object_handles(o);
    const uint64_t moved[4] = {h[2], h[0], 0, h[0]};
    glia_object *p = glia_object_from_handles(&f.os, NULL, 1, m, moved);
    glia_object_release(o);
    CHECK_STR(glia_object_string(p, 1, NULL), "alpha");
    CHECK_STR(glia_object_string(p, 2, NULL), "");
    CHECK_STR(glia_object_string(p, 3, NULL), "alpha");
    CHECK(glia_object_put_string(p, 3, "beta", 4));
    CHECK_STR(glia_object_string(p, 3, NULL), "beta");
    CHECK_STR(glia_object_string(p, 1, NULL), "alpha");
    glia_object_release(p);
    o = glia_object_strings(&f.os, 1, n, (const char *const[]){"a", "b", "c"}, NULL);
    CHECK_STR(glia_object_string(o, 2, NULL), "c");
    glia_object_release(o);
    CHECK(fault_os_clean(&f));
}

static void holders(void)
{
    struct fault_os f;
    fault_os_init(&f, NULL);
    const int64_t two[1] = {2}, keys_of[2] = {7, 9};
    glia_object *a = glia_object_tensor(&f.os, GLIA_I64, 1, two, keys_of);
    glia_object *s = glia_object_strings(&f.os, 1, two, (const char *const[]){"x", "y"}, NULL);
    glia_object *seq = glia_object_sequence(&f.os, (glia_object *const[]){a, a}, 2);
    CHECK(seq && glia_object_count(seq) == 2 && glia_object_item(seq, 1) == a && !glia_object_item(seq, 2));
    CHECK(seq->dtype == GLIA_I64 && glia_object_dtype(seq) == GLIA_DTYPE_NONE);
    CHECK(!glia_object_sequence(&f.os, (glia_object *const[]){a, s}, 2));
    CHECK(!glia_object_sequence(&f.os, (glia_object *const[]){a, NULL}, 2) &&
          !glia_object_sequence(&f.os, NULL, -1));
    glia_object *nothing = glia_object_sequence(&f.os, NULL, 0);
    CHECK(nothing && glia_object_count(nothing) == 0);
    glia_object *some = glia_object_optional(&f.os, seq), *none = glia_object_optional(&f.os, NULL);
    CHECK(glia_object_item(some, 0) == seq && glia_object_count(some) == 1 && some->of_sequence);
    CHECK(glia_object_count(none) == 0 && !glia_object_item(none, 0));
    glia_object *map = glia_object_map(&f.os, a, s), *byname = glia_object_map(&f.os, s, seq);
    CHECK(glia_object_keys(map) == a && glia_object_values(map) == s && glia_object_count(map) == 2);
    CHECK(glia_object_values(byname) == seq && !glia_object_item(byname, 0));
    CHECK(!glia_object_map(&f.os, seq, a) && !glia_object_map(&f.os, a, nothing) &&
          !glia_object_map(&f.os, a, NULL));
    glia_object *const all[] = {a, s, seq, nothing, some, none, map, byname};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) glia_object_release(all[i]);
    CHECK(fault_os_clean(&f));
}

/* A million sequences inside each other are freed without a deep stack. */
static void deep(void)
{
    glia_object *o = glia_object_tensor(NULL, GLIA_F32, 0, NULL, NULL);
    for (int i = 0; i < 1000000 && o; i++) {
        glia_object *outer = glia_object_sequence(NULL, &o, 1);
        glia_object_release(o);
        o = outer;
    }
    CHECK(o);
    glia_object_release(o);
}

static void accounts(void)
{
    struct fault_os f;
    fault_os_init(&f, NULL);
    const int64_t n[1] = {1000};
    glia_account *a = glia_account_create(&f.os, 4000);
    glia_object *x = glia_object_tensor_in(&f.os, a, GLIA_U8, 1, n, NULL);
    glia_object *y = glia_object_tensor_in(&f.os, a, GLIA_U8, 1, n, NULL);
    const int64_t held = glia_account_used(a);
    CHECK(x && y && held >= 2000 && held < 4000);
    CHECK(!glia_account_refused(a));
    const char *texts[1000];
    for (int i = 0; i < 1000; i++) texts[i] = "text";
    CHECK(!glia_object_strings_in(&f.os, a, 1, n, texts, NULL));
    CHECK(glia_account_refused(a) && !glia_account_refused(a));
    CHECK_I64(glia_account_used(a), held);
    glia_object_release(y);
    glia_object *view = glia_object_view(a, x, 1, n, 0);
    CHECK(view);
    glia_object_release(x);
    glia_account_release(a); /* the view keeps it, and its base */
    CHECK(glia_account_used(a) >= 1000);
    glia_object_release(view);
    CHECK(fault_os_clean(&f));
    CHECK(glia_account_take(NULL, INT64_MAX) && glia_account_used(NULL) == 0);
}

/* Every allocation fails once: null, and nothing is lost. */
static void no_memory(void)
{
    const int64_t two[1] = {2};
    for (int64_t n = 1; n < 100; n++) {
        struct fault_os f;
        fault_os_init(&f, NULL);
        fault_os_fail(&f, FAULT_MEMORY, n, false);
        glia_account *a = glia_account_create(&f.os, 0);
        glia_object *t = glia_object_tensor_in(&f.os, a, GLIA_I32, 1, two, NULL);
        glia_object *s = glia_object_strings_in(&f.os, a, 1, two, (const char *const[]){"one", "two"}, NULL);
        glia_object *q = glia_object_sequence_in(&f.os, a, &t, t != NULL);
        glia_object *o = glia_object_optional_in(&f.os, a, s);
        glia_object *m = glia_object_map_in(&f.os, a, s, q);
        glia_object *v = glia_object_view(a, t, 0, NULL, 1);
        const bool whole = f.failed == 0;
        glia_object *const all[] = {t, s, q, o, m, v};
        for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) glia_object_release(all[i]);
        if (a) CHECK_I64(glia_account_used(a), 0);
        glia_account_release(a);
        CHECK(fault_os_clean(&f));
        if (whole) return;
    }
    CHECK(false);
}

static void *take_and_release(void *arg)
{
    for (int i = 0; i < 20000; i++) glia_object_release(glia_object_retain(arg));
    return NULL;
}

static void threads(void)
{
    struct fault_os f;
    fault_os_init(&f, NULL);
    glia_object *o = glia_object_tensor(&f.os, GLIA_F32, 0, NULL, NULL);
    pthread_t t[4];
    for (int i = 0; i < 4; i++) CHECK(!pthread_create(&t[i], NULL, take_and_release, o));
    for (int i = 0; i < 4; i++) pthread_join(t[i], NULL);
    CHECK(!fault_os_clean(&f));
    glia_object_release(o);
    CHECK(fault_os_clean(&f));
}

int main(void)
{
    RUN(tensors);
    RUN(borrowed_and_views);
    RUN(strings);
    RUN(holders);
    RUN(deep);
    RUN(accounts);
    RUN(no_memory);
    RUN(threads);
    return CHECK_EXIT();
}
