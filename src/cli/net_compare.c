/* Whether two values of networks are equal, within a tolerance. */
#include "cli/cli_net.h"

#include "base/check.h"
#include "tensor/dtype.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* Elements of any dtype as doubles: exact but for integers above 2^53. */
static double number_at(const void *data, glia_dtype t, int64_t i)
{
    float f;
    const glia_dtype_info *info = glia_dtype_get(t);
    if (t == GLIA_F64) return ((const double *)data)[i];
    if (t == GLIA_I32) return ((const int32_t *)data)[i];
    if (t == GLIA_U32) return ((const uint32_t *)data)[i];
    if (t == GLIA_I64) return (double)((const int64_t *)data)[i];
    if (t == GLIA_U64) return (double)((const uint64_t *)data)[i];
    info->decode((const uint8_t *)data + i * info->block_bytes, &f, 1);
    return (double)f;
}

static void compare_numbers(const glia_object *got, const glia_object *want, double rtol, double atol,
                            cli_net_difference *d)
{
    const glia_dtype t = glia_object_dtype(want);
    const uint8_t *a = glia_object_data(got), *b = glia_object_data(want);
    const int width = glia_dtype_get(t)->block_bytes;
    d->count += glia_object_count(want);
    for (int64_t i = 0; i < glia_object_count(want); i++) {
        if (!memcmp(a + i * width, b + i * width, (size_t)width)) continue;
        const double x = number_at(a, t, i), y = number_at(b, t, i);
        if (x == y || (x != x && y != y)) continue;
        const double off = fabs(x - y), relative = y != 0 ? off / fabs(y) : INFINITY;
        const bool bad = isinf(y) || !(off <= atol + rtol * fabs(y));
        if (!(off <= d->absolute)) d->absolute = off;
        if (!(relative <= d->relative)) d->relative = relative;
        if (bad && !d->wrong++)
            snprintf(d->why, sizeof d->why, "element %lld is %.9g, want %.9g", (long long)i, x, y);
    }
}

static void compare_strings(const glia_object *got, const glia_object *want, cli_net_difference *d)
{
    d->count += glia_object_count(want);
    for (int64_t i = 0; i < glia_object_count(want); i++) {
        int64_t n, m;
        const char *a = glia_object_string(got, i, &n), *b = glia_object_string(want, i, &m);
        if (n == m && !memcmp(a, b, (size_t)n)) continue;
        if (!d->wrong++)
            snprintf(d->why, sizeof d->why, "string %lld is `%.80s`, want `%.80s`", (long long)i, a, b);
    }
}

/* What an optional holds; null: nothing. Models say optional where data sets hold the value itself. */
static const glia_object *inside(const glia_object *o)
{
    while (o && glia_object_kind_of(o) == GLIA_OBJECT_OPTIONAL)
        o = glia_object_count(o) ? glia_object_item(o, 0) : NULL;
    return o;
}

static bool same_form(const glia_object *got, const glia_object *want, cli_net_difference *d)
{
    char a[160], b[160];
    bool same = (got != NULL) == (want != NULL);
    if (same && got) {
        const glia_object_kind kind = glia_object_kind_of(want);
        same = glia_object_kind_of(got) == kind && glia_object_count(got) == glia_object_count(want);
        if (same && kind <= GLIA_OBJECT_STRINGS) {
            const int rank = glia_object_rank(want);
            same = glia_object_dtype(got) == glia_object_dtype(want) && glia_object_rank(got) == rank &&
                   (!rank ||
                    !memcmp(glia_object_dims(got), glia_object_dims(want), (size_t)rank * sizeof(int64_t)));
        }
    }
    if (!same)
        snprintf(d->why, sizeof d->why, "it is %s, want %s", cli_net_text(got, a, sizeof a),
                 cli_net_text(want, b, sizeof b));
    return same;
}

/* Recurses as deep as readers let values nest. */
static bool compare(const glia_object *got, const glia_object *want, double rtol, double atol,
                    cli_net_difference *d)
{
    got = inside(got);
    want = inside(want);
    if (!same_form(got, want, d)) return false;
    if (!want) return true;
    const glia_object_kind kind = glia_object_kind_of(want);
    if (kind == GLIA_OBJECT_TENSOR) compare_numbers(got, want, rtol, atol, d);
    if (kind == GLIA_OBJECT_STRINGS) compare_strings(got, want, d);
    if (kind == GLIA_OBJECT_MAP)
        return compare(glia_object_keys(got), glia_object_keys(want), rtol, atol, d) &&
               compare(glia_object_values(got), glia_object_values(want), rtol, atol, d);
    for (int64_t i = 0; kind == GLIA_OBJECT_SEQUENCE && i < glia_object_count(want); i++) {
        if (!compare(glia_object_item(got, i), glia_object_item(want, i), rtol, atol, d)) return false;
    }
    return !d->wrong;
}

bool cli_net_equal(const glia_object *got, const glia_object *want, double rtol, double atol,
                   cli_net_difference *d)
{
    *d = (cli_net_difference){0};
    return compare(got, want, rtol, atol, d);
}
