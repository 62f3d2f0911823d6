/* Sequences and optionals. Objects are immutable, so that a sequence shares its items with the one it was made of.
 * Positions count from the end where they are negative; one out of range is an error of the data (G1040). */
#include "base/check.h"
#include "net/host_util.h"

#include <string.h>

/* The position that input i names, among `most` + 1 of them (0 to most), the default where it is left out. */
static bool position(glia_host *h, int i, int64_t count, int64_t most, int64_t otherwise, int64_t *at)
{
    const glia_object *o = glia_host_in(h, i);
    *at = otherwise;
    if (o) {
        if (!glia_is_tensor(o) || o->count != 1) {
            glia_host_wrong(h, "G1041", "a position in a sequence has to be one number");
            return false;
        }
        *at = glia_object_integer(o, 0);
    }
    const int64_t given = *at;
    if (*at < 0) *at += count;
    if (*at >= 0 && *at <= most) return true;
    glia_host_wrong(h, "G1040", "position %lld of a sequence of %lld", (long long)given, (long long)count);
    return false;
}

/* Whether an object may be an item of the sequence. */
static bool item_fits(glia_host *h, const glia_object *sequence, const glia_object *item)
{
    const glia_object *first = sequence->count ? glia_object_item(sequence, 0) : NULL;
    const bool strings = first ? glia_is_strings(first) : sequence->of_strings;
    const bool typed = first || sequence->dtype || sequence->of_strings;
    if (item && (!first || first->kind == item->kind)) {
        if (!typed || item->kind > GLIA_OBJECT_STRINGS) return true;
        if (strings == glia_is_strings(item) &&
            (strings || (first ? first->dtype : sequence->dtype) == item->dtype))
            return true;
    }
    glia_host_wrong(h, "G1041", "an item of another kind or dtype than the sequence holds");
    return false;
}

static glia_status give(glia_host *h, glia_object *o)
{
    if (!o) return glia_host_error(h)->status;
    glia_host_set(h, 0, o);
    return GLIA_OK;
}

static glia_status sequence_empty(glia_host *h)
{
    const int32_t type = (int32_t)glia_host_int(h, "dtype", 1);
    glia_object *o = glia_host_sequence(h, NULL, 0);
    if (!o) return glia_host_error(h)->status;
    o->of_strings = type == 8;
    o->dtype = glia_onnx_dtype(type);
    return give(h, o);
}

static glia_status sequence_construct(glia_host *h)
{
    const int count = glia_host_in_count(h);
    glia_object *o = glia_host_sequence(h, NULL, count);
    for (int i = 0; o && i < count; i++) {
        glia_object *item = glia_host_in(h, i), *first = glia_host_in(h, 0);
        if (item && first && item->kind == first->kind && item->dtype == first->dtype) {
            glia_object_items(o)[i] = glia_object_retain(item);
            continue;
        }
        glia_object_release(o);
        return glia_host_wrong(h, "G1041", "item %d of a sequence is of another kind or dtype than the first",
                               i);
    }
    if (o && count) glia_object_holds(o, glia_object_items(o)[0]);
    return give(h, o);
}

/* `from` with `item` put before its item `at`, or (item null) with that one left out. */
static glia_object *changed(glia_host *h, const glia_object *from, int64_t at, glia_object *item)
{
    glia_object *o = glia_host_sequence(h, NULL, from->count + (item ? 1 : -1));
    if (!o) return NULL;
    glia_object **to = glia_object_items(o), **items = glia_object_items(from);
    for (int64_t i = 0; i < from->count; i++) {
        if (i == at && item) *to++ = glia_object_retain(item);
        if (i != at || item) *to++ = glia_object_retain(items[i]);
    }
    if (at == from->count && item) *to = glia_object_retain(item);
    glia_object_holds(o, o->count ? glia_object_items(o)[0] : from);
    return o;
}

static glia_status sequence_insert(glia_host *h)
{
    glia_object *s = glia_host_need(h, 0, GLIA_OBJECT_SEQUENCE), *item = glia_host_in(h, 1);
    int64_t at;
    if (!s || !item_fits(h, s, item) || !position(h, 2, s->count, s->count, s->count, &at))
        return glia_host_error(h)->status;
    return give(h, changed(h, s, at, item));
}

static glia_status sequence_erase(glia_host *h)
{
    glia_object *s = glia_host_need(h, 0, GLIA_OBJECT_SEQUENCE);
    int64_t at;
    if (!s || !position(h, 1, s->count, s->count - 1, s->count - 1, &at)) return glia_host_error(h)->status;
    return give(h, changed(h, s, at, NULL));
}

static glia_status sequence_at(glia_host *h)
{
    glia_object *s = glia_host_need(h, 0, GLIA_OBJECT_SEQUENCE);
    int64_t at;
    if (!s || !position(h, 1, s->count, s->count - 1, 0, &at)) return glia_host_error(h)->status;
    return give(h, glia_object_retain(glia_object_item(s, at)));
}

static glia_status sequence_length(glia_host *h)
{
    glia_object *s = glia_host_need(h, 0, GLIA_OBJECT_SEQUENCE);
    return s ? give(h, glia_host_scalar(h, GLIA_I64, s->count)) : glia_host_error(h)->status;
}

static glia_status concat_from_sequence(glia_host *h)
{
    glia_object *s = glia_host_need(h, 0, GLIA_OBJECT_SEQUENCE);
    const bool stack = glia_host_int(h, "new_axis", 0) != 0;
    int axis;
    if (!s) return glia_host_error(h)->status;
    if (!s->count) return glia_host_wrong(h, "G1040", "an empty sequence cannot be joined to a tensor");
    const int rank = glia_object_item(s, 0)->rank + stack;
    if (!glia_host_axis(h, glia_host_int(h, "axis", 0), rank, &axis)) return glia_host_error(h)->status;
    return give(h, glia_host_join(h, glia_object_items(s), s->count, axis, stack));
}

/* ---- SplitToSequence */

/* How many parts, and whether the sizes that were given fill the axis. */
static bool split_count(glia_host *h, const glia_object *split, int64_t dim, int64_t *count)
{
    int64_t sum = 0;
    *count = dim;
    if (!split) return true;
    if (!glia_is_tensor(split) || split->rank > 1) {
        glia_host_wrong(h, "G1041", "split has to be a number or a vector");
        return false;
    }
    if (split->rank == 0) {
        const int64_t each = glia_object_integer(split, 0);
        if (each > 0) *count = dim ? (dim - 1) / each + 1 : 0;
        if (each > 0) return true;
    } else {
        *count = split->count;
        bool good = true;
        for (int64_t i = 0; i < split->count; i++) good &= glia_add(sum, glia_object_integer(split, i), &sum);
        if (good && sum == dim) return true;
    }
    glia_host_wrong(h, "G1043", "an axis of %lld cannot be split so", (long long)dim);
    return false;
}

static glia_status split_to_sequence(glia_host *h)
{
    glia_object *x = glia_host_in(h, 0), *split = glia_host_in(h, 1);
    int axis;
    int64_t count;
    if (!glia_is_tensor(x) && !glia_is_strings(x))
        return glia_host_wrong(h, "G1041", "SplitToSequence of no tensor");
    if (!glia_host_axis(h, glia_host_int(h, "axis", 0), x->rank, &axis)) return glia_host_error(h)->status;
    const int64_t dim = x->dims[axis], each = split && split->rank == 0 ? glia_object_integer(split, 0) : 1;
    const bool drop = !split && !glia_host_int(h, "keepdims", 1);
    if (!split_count(h, split, dim, &count)) return glia_host_error(h)->status;
    glia_object *o = glia_host_sequence(h, NULL, count);
    if (!o) return glia_host_error(h)->status;
    for (int64_t i = 0, at = 0; i < count; i++) {
        const int64_t left = dim - at,
                      n = split && split->rank ? glia_object_integer(split, i) : glia_min(each, left);
        glia_object *part = glia_host_part(h, x, axis, at, at + n, drop);
        if (!part) {
            glia_object_release(o);
            return glia_host_error(h)->status;
        }
        glia_object_items(o)[i] = part;
        at += n;
    }
    glia_object_holds(o, count ? glia_object_items(o)[0] : x);
    return give(h, o);
}

/* ---- optionals */

static glia_status optional(glia_host *h)
{
    glia_object *item = glia_host_in(h, 0);
    const glia_onnx_attr *type = glia_host_attr(h, "type");
    glia_object *o = glia_object_optional_in(glia_host_os(h), glia_host_account(h), item);
    if (!o) return glia_host_no_object(h);
    if (!item && type && type->type) {
        const glia_onnx_type *t = type->type;
        if (t->kind == GLIA_ONNX_OPTIONAL && t->of) t = t->of;
        o->of_sequence = t->kind == GLIA_ONNX_SEQUENCE;
        if (o->of_sequence && t->of) t = t->of;
        o->of_strings = t->onnx_type == 8;
        o->dtype = glia_onnx_dtype(t->onnx_type);
    }
    return give(h, o);
}

static glia_status optional_has_element(glia_host *h)
{
    const glia_object *o = glia_host_in(h, 0);
    return give(h, glia_host_scalar(h, GLIA_BOOL, o && (o->kind != GLIA_OBJECT_OPTIONAL || o->count)));
}

static glia_status optional_get_element(glia_host *h)
{
    glia_object *o = glia_host_in(h, 0);
    if (o && o->kind == GLIA_OBJECT_OPTIONAL) o = glia_object_item(o, 0);
    if (!o) return glia_host_wrong(h, "G1042", "the optional holds nothing");
    return give(h, glia_object_retain(o));
}

const glia_net_op glia_net_ops_sequence[] = {
    {"", "SequenceEmpty", NULL, sequence_empty, 0},
    {"", "SequenceConstruct", NULL, sequence_construct, 0},
    {"", "SequenceInsert", NULL, sequence_insert, 0},
    {"", "SequenceErase", NULL, sequence_erase, 0},
    {"", "SequenceAt", NULL, sequence_at, 0},
    {"", "SequenceLength", NULL, sequence_length, 0},
    {"", "ConcatFromSequence", NULL, concat_from_sequence, 0},
    {"", "SplitToSequence", NULL, split_to_sequence, 0},
    {"", "Optional", NULL, optional, 0},
    {"", "OptionalHasElement", NULL, optional_has_element, 0},
    {"", "OptionalGetElement", NULL, optional_get_element, 0},
    {0},
};
