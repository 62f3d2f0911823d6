/* Operators of ai.onnx.ml on labels, categories and maps, on objects.
 *
 * What is looked up lies in one table by hash: integers, floats by their bits (all NaNs alike, -0 as 0), or texts. A
 * key that is there twice counts as its last. */
#include "base/check.h"
#include "net/host_util.h"
#include "net/ml.h"
#include "tensor/dtype.h"

#include <math.h>
#include <string.h>

/* A list of keys or values: one of the pointers, or an object. */
typedef struct list {
    const int64_t *ints;
    const float *floats;
    const glia_onnx_text *texts;
    const glia_object *object;
    int64_t count;
} list;

typedef struct table {
    glia_arena arena;
    list keys;
    int64_t *slots; /* index + 1; 0: free */
    int64_t slot_count;
} table;

/* One element of a list or of a tensor: a text, or 8 bytes. */
typedef struct element {
    const char *text; /* null: a number */
    int64_t size, bits;
} element;

static int64_t bits_of(double v)
{
    int64_t bits;
    if (v != v) return INT64_MIN + 1;
    v += 0.0;
    memcpy(&bits, &v, sizeof bits);
    return bits;
}

static element element_of_object(const glia_object *o, int64_t i, bool floats)
{
    element e = {0};
    if (glia_is_strings(o)) e.text = glia_object_string(o, i, &e.size);
    else e.bits = floats ? bits_of(glia_object_number(o, i)) : glia_object_integer(o, i);
    return e;
}

static element element_at(const list *l, int64_t i)
{
    if (l->object)
        return element_of_object(l->object, i, !(glia_dtype_get(l->object->dtype)->classes & GLIA_CLASS_INT));
    if (l->texts) return (element){l->texts[i].text, l->texts[i].size, 0};
    return (element){NULL, 0, l->ints ? l->ints[i] : bits_of((double)l->floats[i])};
}

static uint64_t hash_of(element e)
{
    uint64_t h = 0xCBF29CE484222325ull ^ (uint64_t)e.bits;
    for (int64_t i = 0; i < e.size; i++) h = (h ^ (uint8_t)e.text[i]) * 0x100000001B3ull;
    h ^= h >> 32;
    h *= 0xD6E8FEB86659FD93ull;
    return h ^ h >> 32;
}

static int64_t *slot_of(const table *t, element e)
{
    for (uint64_t h = hash_of(e);; h++) {
        int64_t *s = &t->slots[h & (uint64_t)(t->slot_count - 1)];
        if (!*s) return s;
        const element k = element_at(&t->keys, *s - 1);
        if (!k.text == !e.text && k.size == e.size && k.bits == e.bits &&
            (!k.size || !memcmp(k.text, e.text, (size_t)k.size)))
            return s;
    }
}

static glia_status table_new(glia_host *h, table *t, list keys)
{
    glia_arena_init(&t->arena, glia_host_os(h), 0);
    t->keys = keys;
    for (t->slot_count = 16; t->slot_count / 2 < keys.count; t->slot_count *= 2) {
    }
    t->slots = GLIA_NEW_ARRAY(&t->arena, int64_t, t->slot_count);
    if (!t->slots) return glia_host_no_object(h);
    for (int64_t i = 0; i < keys.count; i++) *slot_of(t, element_at(&keys, i)) = i + 1;
    return GLIA_OK;
}

static int64_t find(const table *t, element e) { return *slot_of(t, e) - 1; }

/* The attribute prefix_strings, prefix_int64s or prefix_floats; count 0 without any. */
static list list_of(const glia_host *h, const char *strings, const char *ints, const char *floats)
{
    const glia_onnx_attr *s = glia_host_attr_of(h, strings, GLIA_ONNX_ATTR_STRINGS);
    const glia_onnx_attr *i = glia_host_attr_of(h, ints, GLIA_ONNX_ATTR_INTS);
    const glia_onnx_attr *f = floats ? glia_host_attr_of(h, floats, GLIA_ONNX_ATTR_FLOATS) : NULL;
    if (s && s->count) return (list){.texts = s->strings, .count = s->count};
    if (i && i->count) return (list){.ints = i->ints, .count = i->count};
    return f && f->count ? (list){.floats = f->floats, .count = f->count} : (list){0};
}

/* Whether a tensor's elements can be looked up in keys of that kind. */
static bool keys_fit(const list *keys, const glia_object *x)
{
    const bool strings = keys->object ? glia_is_strings(keys->object) : keys->texts != NULL;
    return x && x->kind <= GLIA_OBJECT_STRINGS && strings == glia_is_strings(x);
}

static bool keys_are_floats(const list *k)
{
    return k->floats ||
           (glia_is_tensor(k->object) && !(glia_dtype_get(k->object->dtype)->classes & GLIA_CLASS_INT));
}

/* ---- LabelEncoder */

/* A tensor attribute as an object; null with no error: there is none. */
static glia_object *tensor_attr(glia_host *h, const char *name)
{
    const glia_onnx_attr *a = glia_host_attr_of(h, name, GLIA_ONNX_ATTR_TENSOR);
    const glia_onnx_tensor *t = a ? a->t : NULL;
    void *data;
    if (!t) return NULL;
    if (t->is_string) {
        glia_object *o = glia_host_strings(h, t->rank, t->dims);
        for (int64_t i = 0; o && i < t->count; i++)
            if (!glia_object_put_string(o, i, t->strings[i].text, t->strings[i].size)) glia_host_no_object(h);
        return o;
    }
    if (t->bytes && !t->data) {
        glia_host_refuse(h, "%s in an external file", name);
        return NULL;
    }
    glia_object *o = glia_host_tensor(h, t->dtype, t->rank, t->dims, &data);
    if (o && t->bytes) memcpy(data, t->data, (size_t)t->bytes);
    return o;
}

typedef struct encoder {
    list keys, values;
    glia_object *owned[3]; /* tensors of attributes: keys, values, default */
    glia_dtype to;         /* of values; NONE: strings */
} encoder;

/* Version 1 lists classes; later ones keys and values of three kinds, or tensors. */
static glia_status encoder_read(glia_host *h, encoder *c, const glia_object *x)
{
    static const char *const names[3] = {"keys_tensor", "values_tensor", "default_tensor"};
    const glia_onnx_attr *classes = glia_host_attr_of(h, "classes_strings", GLIA_ONNX_ATTR_STRINGS);
    if (classes) {
        const list numbered = {.count = classes->count},
                   texts = {.texts = classes->strings, .count = classes->count};
        c->keys = glia_is_strings(x) ? texts : numbered;
        c->values = glia_is_strings(x) ? numbered : texts;
        c->to = glia_is_strings(x) ? GLIA_I64 : GLIA_DTYPE_NONE;
        return GLIA_OK;
    }
    for (int i = 0; i < 3; i++) c->owned[i] = tensor_attr(h, names[i]);
    if (glia_host_error(h)->status) return glia_host_error(h)->status;
    c->keys = list_of(h, "keys_strings", "keys_int64s", "keys_floats");
    c->values = list_of(h, "values_strings", "values_int64s", "values_floats");
    if (c->owned[0]) c->keys = (list){.object = c->owned[0], .count = c->owned[0]->count};
    if (c->owned[1]) c->values = (list){.object = c->owned[1], .count = c->owned[1]->count};
    c->to = c->values.ints ? GLIA_I64 : c->values.floats ? GLIA_F32 : GLIA_DTYPE_NONE;
    if (glia_is_tensor(c->owned[1])) c->to = c->owned[1]->dtype;
    if (!c->keys.count || c->keys.count != c->values.count)
        return glia_host_wrong(h, "G1046", "keys and values differ in length, or are missing");
    if (!keys_fit(&c->keys, x))
        return glia_host_wrong(h, "G1041", "the input and the keys are not of one kind");
    return GLIA_OK;
}

/* The default of the values' kind. */
static bool put_default(glia_host *h, const encoder *c, glia_object *y, int64_t i)
{
    const glia_object *d = c->owned[2];
    if (glia_is_strings(y)) {
        int64_t size = 0;
        const glia_onnx_attr *a = glia_host_attr_of(h, "default_string", GLIA_ONNX_ATTR_STRING);
        const char *text = glia_is_strings(d) && d->count ? glia_object_string(d, 0, &size)
                           : a                            ? a->s.text
                                                          : "_Unused";
        if (!glia_is_strings(d) || !d->count) size = a ? a->s.size : 7;
        return glia_object_put_string(y, i, text, size);
    }
    const int64_t each = glia_dtype_get(y->dtype)->block_bytes;
    char *to = (char *)y->data + i * each;
    if (glia_is_tensor(d) && d->count && d->dtype == y->dtype) memcpy(to, d->data, (size_t)each);
    else if (y->dtype == GLIA_F32) *(float *)to = (float)glia_host_float(h, "default_float", -0.0);
    else if (y->dtype == GLIA_I64) *(int64_t *)to = glia_host_int(h, "default_int64", -1);
    else if (y->dtype == GLIA_F64) *(double *)to = -0.0;
    else memset(to, y->dtype == GLIA_BOOL ? 0 : 0xFF, (size_t)each);
    return true;
}

static bool put_value(const list *values, int64_t at, glia_object *y, int64_t i)
{
    if (glia_is_strings(y)) {
        const element e = element_at(values, at);
        return glia_object_put_string(y, i, e.text, e.size);
    }
    const int64_t each = glia_dtype_get(y->dtype)->block_bytes;
    char *to = (char *)y->data + i * each;
    if (values->object) memcpy(to, (const char *)values->object->data + at * each, (size_t)each);
    else if (values->floats) memcpy(to, &values->floats[at], sizeof(float));
    else if (values->ints) memcpy(to, &values->ints[at], sizeof(int64_t));
    else memcpy(to, &at, sizeof(int64_t)); /* numbered */
    return true;
}

static glia_status encode(glia_host *h, const encoder *c, const table *t, const glia_object *x)
{
    const bool floats = keys_are_floats(&c->keys), numbered = !t;
    glia_object *y = c->to ? glia_host_tensor(h, c->to, x->rank, x->dims, &(void *){NULL})
                           : glia_host_strings(h, x->rank, x->dims);
    bool good = true;
    for (int64_t i = 0; y && good && i < x->count; i++) {
        const element e = element_of_object(x, i, floats);
        const int64_t at = numbered ? (e.bits >= 0 && e.bits < c->keys.count ? e.bits : -1) : find(t, e);
        good = at < 0 ? put_default(h, c, y, i) : put_value(&c->values, at, y, i);
    }
    if (y && good) {
        glia_host_set(h, 0, y);
        return GLIA_OK;
    }
    glia_object_release(y);
    return glia_host_no_object(h);
}

glia_status glia_host_label_encoder(glia_host *h)
{
    const glia_object *x = glia_host_in(h, 0);
    encoder c = {0};
    table t = {0};
    if (!x || x->kind > GLIA_OBJECT_STRINGS) return glia_host_wrong(h, "G1041", "LabelEncoder of no tensor");
    glia_status status = encoder_read(h, &c, x);
    const bool numbered = !c.keys.texts && !c.keys.ints && !c.keys.floats && !c.keys.object;
    if (!status && !numbered) status = table_new(h, &t, c.keys);
    if (!status) status = encode(h, &c, numbered ? NULL : &t, x);
    if (!numbered) glia_arena_free(&t.arena);
    for (int i = 0; i < 3; i++) glia_object_release(c.owned[i]);
    return status;
}

glia_status glia_host_category_mapper(glia_host *h)
{
    const glia_object *x = glia_host_in(h, 0);
    const glia_onnx_attr *ints = glia_host_attr_of(h, "cats_int64s", GLIA_ONNX_ATTR_INTS);
    const glia_onnx_attr *texts = glia_host_attr_of(h, "cats_strings", GLIA_ONNX_ATTR_STRINGS);
    table t = {0};
    if (!x || x->kind > GLIA_OBJECT_STRINGS)
        return glia_host_wrong(h, "G1041", "CategoryMapper of no tensor");
    if (!ints || !texts || ints->count != texts->count)
        return glia_host_wrong(h, "G1046", "cats_int64s and cats_strings differ in length, or are missing");
    const list numbers = {.ints = ints->ints, .count = ints->count},
               names = {.texts = texts->strings, .count = texts->count};
    encoder c = {.keys = glia_is_strings(x) ? names : numbers,
                 .values = glia_is_strings(x) ? numbers : names};
    c.to = glia_is_strings(x) ? GLIA_I64 : GLIA_DTYPE_NONE;
    glia_status status = table_new(h, &t, c.keys);
    if (!status) status = encode(h, &c, &t, x);
    glia_arena_free(&t.arena);
    return status;
}

/* ---- OneHotEncoder */

glia_status glia_host_one_hot_encoder(glia_host *h)
{
    const glia_object *x = glia_host_in(h, 0);
    const list categories = list_of(h, "cats_strings", "cats_int64s", NULL);
    const bool zeros = glia_host_int(h, "zeros", 1) != 0;
    table t = {0};
    void *data;
    if (!keys_fit(&categories, x))
        return glia_host_wrong(h, "G1041", "the input and the categories are not of one kind");
    if (x->rank >= GLIA_RANK_MAX) return glia_host_refuse(h, "categories of a tensor of rank %d", x->rank);
    int64_t dims[GLIA_RANK_MAX];
    memcpy(dims, x->dims, sizeof dims);
    dims[x->rank] = categories.count;
    glia_object *y = glia_host_tensor(h, GLIA_F32, x->rank + 1, dims, &data);
    glia_status status = y ? table_new(h, &t, categories) : glia_host_error(h)->status;
    for (int64_t i = 0; !status && i < x->count; i++) {
        const int64_t at = find(&t, element_of_object(x, i, false));
        if (at >= 0) ((float *)data)[i * categories.count + at] = 1;
        else if (!zeros)
            status = glia_host_wrong(h, "G1047", "element %lld is in none of the categories", (long long)i);
    }
    if (y) glia_arena_free(&t.arena);
    if (!status) glia_host_set(h, 0, y);
    else glia_object_release(y);
    return status;
}

/* ---- maps */

/* Values of a map as one tensor [n] of numbers or strings; a reference. */
static glia_object *map_values(glia_host *h, const glia_object *map)
{
    glia_object *v = glia_object_values(map);
    if (v->kind != GLIA_OBJECT_SEQUENCE) return glia_object_retain(v);
    const int64_t none[1] = {0}, flat[1] = {v->count};
    if (!v->count)
        return v->of_strings ? glia_host_strings(h, 1, none)
                             : glia_host_tensor(h, v->dtype ? v->dtype : GLIA_F32, 1, none, &(void *){NULL});
    glia_object *all = glia_host_join(h, glia_object_items(v), v->count, 0, true);
    if (all && all->count == v->count) all->rank = 1, all->dims[0] = flat[0];
    return all;
}

/* Element i of `from` into element j of `to`, as the dtype of `to`: strings are read as numbers and written so. */
static bool convert(glia_host *h, const glia_object *from, int64_t i, glia_object *to, int64_t j)
{
    if (glia_is_strings(to) && glia_is_strings(from)) {
        glia_object_put_handle(to, j, glia_object_handles(from)[i]);
        return true;
    }
    if (glia_is_strings(to) || glia_is_strings(from)) {
        glia_host_refuse(h, "numbers and strings in one map");
        return false;
    }
    if (to->dtype == GLIA_F32) ((float *)to->data)[j] = (float)glia_object_number(from, i);
    else if (to->dtype == GLIA_F64) ((double *)to->data)[j] = glia_object_number(from, i);
    else ((int64_t *)to->data)[j] = glia_object_integer(from, i);
    return true;
}

/* Keys ascending; a map has few, and they are mostly in order: insertion. */
static void order_keys(const glia_object *keys, int64_t *order)
{
    for (int64_t i = 0; i < keys->count; i++) {
        int64_t j = i;
        for (; j > 0 && glia_object_integer(keys, order[j - 1]) > glia_object_integer(keys, i); j--)
            order[j] = order[j - 1];
        order[j] = i;
    }
}

/* Values of a map cast to strings or from them go through Cast. */
static glia_object *cast_to(glia_host *h, glia_object *values, int32_t type)
{
    const glia_onnx_attr attr = {.name = "to", .kind = GLIA_ONNX_ATTR_INT, .i = type};
    glia_object *out = NULL;
    const glia_status status = glia_host_call(h, "", "Cast", &attr, 1, &values, 1, &out, 1);
    return status ? NULL : out;
}

static glia_status cast_map_values(glia_host *h, const glia_object *map, const glia_object *values,
                                   int64_t *order)
{
    const bool sparse = !strcmp(glia_host_string(h, "map_form", "DENSE"), "SPARSE");
    const int64_t most = glia_host_int(h, "max_map", 1), dims[2] = {1, sparse ? most : map->count};
    const glia_object *keys = glia_object_keys(map);
    if (most < 0) return glia_host_fail(h, "max_map is negative");
    glia_object *y = glia_host_like(h, values, 2, dims, NULL);
    if (!y) return glia_host_error(h)->status;
    order_keys(keys, order);
    glia_status status = GLIA_OK;
    for (int64_t i = 0; !status && i < map->count; i++) {
        const int64_t key = glia_object_integer(keys, order[i]);
        if (sparse && (key < 0 || key >= most))
            status = glia_host_wrong(h, "G1047", "the key %lld is not below max_map", (long long)key);
        else if (!convert(h, values, order[i], y, sparse ? key : i)) status = glia_host_error(h)->status;
    }
    if (!status) glia_host_set(h, 0, y);
    else glia_object_release(y);
    return status;
}

glia_status glia_host_cast_map(glia_host *h)
{
    const glia_object *map = glia_host_need(h, 0, GLIA_OBJECT_MAP);
    const char *to = glia_host_string(h, "cast_to", "TO_FLOAT");
    const int32_t type = !strcmp(to, "TO_FLOAT")    ? 1
                         : !strcmp(to, "TO_INT64")  ? 7
                         : !strcmp(to, "TO_STRING") ? 8
                                                    : 0;
    if (!map) return glia_host_error(h)->status;
    if (!type) return glia_host_fail(h, "cast_to `%.40s`", to);
    if (!glia_is_tensor(glia_object_keys(map)))
        return glia_host_wrong(h, "G1041", "a map with keys that are no integers");
    if (map->count > 1 << 16) return glia_host_refuse(h, "a map of more than 65536 keys");
    glia_arena a;
    glia_arena_init(&a, glia_host_os(h), 0);
    int64_t *order = GLIA_NEW_ARRAY(&a, int64_t, map->count);
    glia_object *values = order ? map_values(h, map) : NULL, *cast = values ? cast_to(h, values, type) : NULL;
    glia_status status = !order  ? glia_host_no_object(h)
                         : !cast ? glia_host_error(h)->status
                                 : cast_map_values(h, map, cast, order);
    glia_object_release(values);
    glia_object_release(cast);
    glia_arena_free(&a);
    return status;
}

glia_status glia_host_dict_vectorizer(glia_host *h)
{
    const glia_object *map = glia_host_need(h, 0, GLIA_OBJECT_MAP);
    const list words = list_of(h, "string_vocabulary", "int64_vocabulary", NULL);
    if (!map) return glia_host_error(h)->status;
    const glia_object *keys = glia_object_keys(map);
    if (!keys_fit(&words, keys))
        return glia_host_wrong(h, "G1041", "the keys and the vocabulary are not of one kind");
    table t = {0};
    const int64_t dims[2] = {1, words.count};
    glia_object *values = map_values(h, map), *y = values ? glia_host_like(h, values, 2, dims, NULL) : NULL;
    glia_status status = y ? table_new(h, &t, words) : glia_host_error(h)->status;
    for (int64_t i = 0; !status && i < map->count; i++) {
        const int64_t at = find(&t, element_of_object(keys, i, false));
        if (at >= 0 && !convert(h, values, i, y, at)) status = glia_host_error(h)->status;
    }
    if (y) glia_arena_free(&t.arena);
    glia_object_release(values);
    if (!status) glia_host_set(h, 0, y);
    else glia_object_release(y);
    return status;
}

static glia_object *zip_row(glia_host *h, const glia_object *x, int64_t row, glia_object *keys)
{
    glia_object *values = glia_host_tensor(h, GLIA_F32, 1, keys->dims, &(void *){NULL}), *map = NULL;
    for (int64_t i = 0; values && i < keys->count; i++)
        ((float *)values->data)[i] = (float)glia_object_number(x, row * keys->count + i);
    if (values && !(map = glia_object_map_in(glia_host_os(h), glia_host_account(h), keys, values)))
        glia_host_no_object(h);
    glia_object_release(values);
    return map;
}

glia_status glia_host_zip_map(glia_host *h)
{
    const glia_object *x = glia_host_need_numbers(h, 0);
    const list labels = list_of(h, "classlabels_strings", "classlabels_int64s", NULL);
    if (!x) return glia_host_error(h)->status;
    if (x->rank < 1 || x->rank > 2 || x->dims[x->rank - 1] != labels.count)
        return glia_host_wrong(h, "G1046", "ZipMap needs as many columns as labels");
    const int64_t rows = x->rank == 2 ? x->dims[0] : 1, dims[1] = {labels.count};
    glia_object *keys = labels.texts ? glia_host_strings(h, 1, dims)
                                     : glia_host_tensor(h, GLIA_I64, 1, dims, &(void *){NULL});
    glia_object *out = keys ? glia_host_sequence(h, NULL, rows) : NULL;
    bool good = out != NULL;
    for (int64_t i = 0; good && i < labels.count; i++) good = put_value(&labels, i, keys, i);
    for (int64_t r = 0; good && r < rows; r++)
        good = (glia_object_items(out)[r] = zip_row(h, x, r, keys)) != NULL;
    glia_object_release(keys);
    if (good) {
        glia_host_set(h, 0, out);
        return GLIA_OK;
    }
    glia_object_release(out);
    return glia_host_no_object(h);
}
