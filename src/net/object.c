/* Objects: reference-counted tensors, tensors of strings, sequences, optionals and maps (object.h, glia/net.h).
 *
 *     | header, rounded up to 64 | elements or references |       one block of the os table
 *
 * Objects are immutable once shared, so that a reference is as good as a copy. Freeing one that holds others does not
 * recurse: those whose last reference went wait in a list. Refused (null): ranks above GLIA_RANK_MAX, sizes that
 * wrap, block formats, and nulls where an object is needed. */
#include "net/object.h"
#include "base/check.h"
#include "tensor/dtype.h"

#include <string.h>

enum { OBJECT_ALIGN = 64 };

struct glia_account {
    _Atomic uint32_t refs;
    _Atomic int64_t used;
    _Atomic bool refused;
    int64_t limit;
    const glia_os *os;
};

glia_account *glia_account_create(const glia_os *os, int64_t limit)
{
    if (!os) os = glia_os_default();
    glia_account *a = os->mem_alloc(os->ctx, sizeof *a, _Alignof(glia_account));
    if (!a) return NULL;
    atomic_init(&a->refs, 1);
    a->os = os;
    a->limit = limit > 0 ? limit : 0;
    return a;
}

glia_account *glia_account_retain(glia_account *a)
{
    if (a) atomic_fetch_add_explicit(&a->refs, 1, memory_order_relaxed);
    return a;
}

void glia_account_release(glia_account *a)
{
    if (a && atomic_fetch_sub_explicit(&a->refs, 1, memory_order_acq_rel) == 1)
        a->os->mem_free(a->os->ctx, a, sizeof *a);
}

bool glia_account_take(glia_account *a, int64_t bytes)
{
    if (!a) return true;
    int64_t now = atomic_load_explicit(&a->used, memory_order_relaxed), then;
    do {
        if (!glia_add(now, bytes, &then) || (a->limit && then > a->limit)) {
            atomic_store_explicit(&a->refused, true, memory_order_relaxed);
            return false;
        }
    } while (!atomic_compare_exchange_weak_explicit(&a->used, &now, then, memory_order_relaxed,
                                                    memory_order_relaxed));
    return true;
}

void glia_account_give(glia_account *a, int64_t bytes)
{
    if (a) atomic_fetch_sub_explicit(&a->used, bytes, memory_order_relaxed);
}

int64_t glia_account_used(const glia_account *a)
{
    return a ? atomic_load_explicit(&a->used, memory_order_relaxed) : 0;
}

int64_t glia_account_limit(const glia_account *a) { return a ? a->limit : 0; }

bool glia_account_refused(glia_account *a)
{
    return a && atomic_exchange_explicit(&a->refused, false, memory_order_relaxed);
}

/* Zeroed memory charged to an account, and back. */
static void *take(const glia_os *os, glia_account *a, int64_t bytes, size_t align)
{
    if (!glia_account_take(a, bytes)) return NULL;
    void *p = os->mem_alloc(os->ctx, (size_t)bytes, align);
    if (!p) glia_account_give(a, bytes);
    return p;
}

static void give(const glia_os *os, glia_account *a, void *p, int64_t bytes)
{
    os->mem_free(os->ctx, p, (size_t)bytes);
    glia_account_give(a, bytes);
    glia_account_release(a);
}

/* ---- making */

static bool elements(int rank, const int64_t *dims, int64_t *count)
{
    if (rank < 0 || rank > GLIA_RANK_MAX || (rank && !dims)) return false;
    *count = 1;
    bool empty = false;
    for (int i = 0; i < rank; i++) {
        if (dims[i] < 0) return false;
        empty |= dims[i] == 0;
    }
    if (empty) {
        *count = 0;
        return true;
    }
    for (int i = 0; i < rank; i++)
        if (!glia_mul(*count, dims[i], count)) return false;
    return true;
}

/* A header with `payload` bytes behind it. */
static glia_object *object_new(const glia_os *os, glia_account *a, glia_object_kind kind, int64_t payload)
{
    if (!os) os = glia_os_default();
    int64_t head = 0, block = 0;
    if (!glia_round_up((int64_t)sizeof(glia_object), OBJECT_ALIGN, &head) || !glia_add(head, payload, &block))
        return NULL;
    glia_object *o = take(os, a, block, OBJECT_ALIGN);
    if (!o) return NULL;
    atomic_init(&o->refs, 1);
    o->kind = (uint8_t)kind;
    o->block = block;
    o->data = (char *)o + head;
    o->os = os;
    o->account = glia_account_retain(a);
    return o;
}

static void set_shape(glia_object *o, int rank, const int64_t *dims, int64_t count)
{
    o->rank = (int16_t)rank;
    if (rank) memcpy(o->dims, dims, (size_t)rank * sizeof dims[0]);
    o->count = count;
}

/* Element count and bytes of a tensor of a plain dtype. */
static bool tensor_size(glia_dtype dtype, int rank, const int64_t *dims, int64_t *count, int64_t *bytes)
{
    const glia_dtype_info *info = glia_dtype_get(dtype);
    return dtype != GLIA_DTYPE_NONE && info->block_elements == 1 && info->block_bytes > 0 &&
           elements(rank, dims, count) && glia_mul(*count, info->block_bytes, bytes);
}

glia_object *glia_object_tensor_in(const glia_os *os, glia_account *a, glia_dtype dtype, int rank,
                                   const int64_t *dims, const void *data)
{
    int64_t count, bytes;
    if (!tensor_size(dtype, rank, dims, &count, &bytes)) return NULL;
    glia_object *o = object_new(os, a, GLIA_OBJECT_TENSOR, bytes);
    if (!o) return NULL;
    set_shape(o, rank, dims, count);
    o->dtype = dtype;
    o->bytes = bytes;
    if (data && bytes) memcpy(o->data, data, (size_t)bytes);
    return o;
}

glia_object *glia_object_tensor(const glia_os *os, glia_dtype dtype, int rank, const int64_t *dims,
                                const void *data)
{
    return glia_object_tensor_in(os, NULL, dtype, rank, dims, data);
}

glia_object *glia_object_borrow(const glia_os *os, glia_dtype dtype, int rank, const int64_t *dims,
                                void *data, void (*release)(void *ctx), void *ctx)
{
    int64_t count, bytes;
    if (!tensor_size(dtype, rank, dims, &count, &bytes) || (!data && bytes)) return NULL;
    glia_object *o = object_new(os, NULL, GLIA_OBJECT_TENSOR, 0);
    if (!o) return NULL;
    set_shape(o, rank, dims, count);
    o->dtype = dtype;
    o->bytes = bytes;
    if (data) o->data = data;
    o->release = release;
    o->ctx = ctx;
    return o;
}

glia_object *glia_object_view(glia_account *a, glia_object *base, int rank, const int64_t *dims,
                              int64_t first)
{
    int64_t count, bytes, begin, end;
    if (!base || base->kind != GLIA_OBJECT_TENSOR || !tensor_size(base->dtype, rank, dims, &count, &bytes))
        return NULL;
    if (!glia_add(first, count, &end) || end > base->count) return NULL;
    glia_object *o = object_new(base->os, a, GLIA_OBJECT_TENSOR, 0);
    if (!o) return NULL;
    begin = first * glia_dtype_get(base->dtype)->block_bytes;
    set_shape(o, rank, dims, count);
    o->dtype = base->dtype;
    o->bytes = bytes;
    o->data = (char *)base->data + begin;
    o->base = glia_object_retain(base);
    return o;
}

/* ---- strings */

static glia_string *string_new(const glia_os *os, glia_account *a, const char *text, int64_t size)
{
    int64_t bytes;
    if (size < 0 || (size && !text) || !glia_add(size, (int64_t)sizeof(glia_string) + 1, &bytes)) return NULL;
    glia_string *s = take(os, a, bytes, _Alignof(glia_string));
    if (!s) return NULL;
    atomic_init(&s->refs, 1);
    s->size = size;
    s->bytes = bytes;
    s->os = os;
    s->account = glia_account_retain(a);
    memcpy(s->text, text, (size_t)size);
    return s;
}

static glia_string *string_retain(glia_string *s)
{
    if (s) atomic_fetch_add_explicit(&s->refs, 1, memory_order_relaxed);
    return s;
}

static void string_release(glia_string *s)
{
    if (s && atomic_fetch_sub_explicit(&s->refs, 1, memory_order_acq_rel) == 1)
        give(s->os, s->account, s, s->bytes);
}

static glia_object *strings_new(const glia_os *os, glia_account *a, int rank, const int64_t *dims)
{
    int64_t count, bytes;
    if (!elements(rank, dims, &count) || !glia_mul(count, (int64_t)sizeof(glia_string *), &bytes))
        return NULL;
    glia_object *o = object_new(os, a, GLIA_OBJECT_STRINGS, bytes);
    if (o) set_shape(o, rank, dims, count);
    return o;
}

glia_object *glia_object_strings_in(const glia_os *os, glia_account *a, int rank, const int64_t *dims,
                                    const char *const *texts, const int64_t *sizes)
{
    glia_object *o = strings_new(os, a, rank, dims);
    if (!o || !texts) return o;
    for (int64_t i = 0; i < o->count; i++) {
        if (glia_object_put_string(o, i, texts[i],
                                   sizes      ? sizes[i]
                                   : texts[i] ? (int64_t)strlen(texts[i])
                                              : 0))
            continue;
        glia_object_release(o);
        return NULL;
    }
    return o;
}

glia_object *glia_object_strings(const glia_os *os, int rank, const int64_t *dims, const char *const *texts,
                                 const int64_t *sizes)
{
    return glia_object_strings_in(os, NULL, rank, dims, texts, sizes);
}

const uint64_t *glia_object_handles(const glia_object *o)
{
    _Static_assert(sizeof(glia_string *) == sizeof(uint64_t), "handles are 8 bytes");
    return o && o->kind == GLIA_OBJECT_STRINGS ? o->data : NULL;
}

glia_object *glia_object_from_handles(const glia_os *os, glia_account *a, int rank, const int64_t *dims,
                                      const uint64_t *handles)
{
    glia_object *o = strings_new(os, a, rank, dims);
    for (int64_t i = 0; o && i < o->count; i++) glia_object_put_handle(o, i, handles[i]);
    return o;
}

bool glia_object_put_string(glia_object *o, int64_t i, const char *text, int64_t size)
{
    glia_string **at = (glia_string **)o->data + i, *s = NULL;
    if (size && !(s = string_new(o->os, o->account, text, size))) return false;
    string_release(*at);
    *at = s;
    return true;
}

void glia_object_put_handle(glia_object *o, int64_t i, uint64_t handle)
{
    glia_string **at = (glia_string **)o->data + i, *s = string_retain((glia_string *)(uintptr_t)handle);
    string_release(*at);
    *at = s;
}

/* ---- what holds other objects */

static glia_object *holder_new(const glia_os *os, glia_account *a, glia_object_kind kind,
                               glia_object *const *items, int64_t count)
{
    int64_t bytes;
    if (!glia_mul(count, (int64_t)sizeof(glia_object *), &bytes)) return NULL;
    glia_object *o = object_new(os, a, kind, bytes);
    if (!o) return NULL;
    o->count = o->items = count;
    for (int64_t i = 0; items && i < count; i++) glia_object_items(o)[i] = glia_object_retain(items[i]);
    if (items && count) glia_object_holds(o, items[0]);
    return o;
}

glia_object *glia_object_sequence_in(const glia_os *os, glia_account *a, glia_object *const *items,
                                     int64_t count)
{
    for (int64_t i = 0; items && i < count; i++)
        if (!items[i] || items[i]->kind != items[0]->kind) return NULL;
    return holder_new(os, a, GLIA_OBJECT_SEQUENCE, items, count);
}

glia_object *glia_object_sequence(const glia_os *os, glia_object *const *items, int64_t count)
{
    return count && !items ? NULL : glia_object_sequence_in(os, NULL, items, count);
}

glia_object *glia_object_optional_in(const glia_os *os, glia_account *a, glia_object *item)
{
    return holder_new(os, a, GLIA_OBJECT_OPTIONAL, &item, item != NULL);
}

glia_object *glia_object_optional(const glia_os *os, glia_object *item)
{
    return glia_object_optional_in(os, NULL, item);
}

glia_object *glia_object_map_in(const glia_os *os, glia_account *a, glia_object *keys, glia_object *values)
{
    glia_object *both[2] = {keys, values};
    if (!keys || !values || keys->kind > GLIA_OBJECT_STRINGS || keys->rank != 1) return NULL;
    if (keys->kind == GLIA_OBJECT_TENSOR && !(glia_dtype_get(keys->dtype)->classes & GLIA_CLASS_INT))
        return NULL;
    if (values->kind > GLIA_OBJECT_SEQUENCE || values->count != keys->count) return NULL;
    glia_object *o = holder_new(os, a, GLIA_OBJECT_MAP, both, 2);
    if (o) o->count = keys->count;
    return o;
}

glia_object *glia_object_map(const glia_os *os, glia_object *keys, glia_object *values)
{
    return glia_object_map_in(os, NULL, keys, values);
}

void glia_object_holds(glia_object *o, const glia_object *like)
{
    if (o->kind != GLIA_OBJECT_SEQUENCE && o->kind != GLIA_OBJECT_OPTIONAL) return;
    o->of_strings = like->kind == GLIA_OBJECT_STRINGS || like->of_strings;
    o->of_sequence =
        o->kind == GLIA_OBJECT_OPTIONAL && (like->kind == GLIA_OBJECT_SEQUENCE || like->of_sequence);
    o->dtype = like->dtype;
}

/* ---- references */

glia_object *glia_object_retain(glia_object *o)
{
    if (o) atomic_fetch_add_explicit(&o->refs, 1, memory_order_relaxed);
    return o;
}

/* Drops a reference; an object whose last one it was goes on the list. */
static void drop(glia_object *o, glia_object **list)
{
    if (!o || atomic_fetch_sub_explicit(&o->refs, 1, memory_order_acq_rel) != 1) return;
    o->next = *list;
    *list = o;
}

void glia_object_release(glia_object *o)
{
    glia_object *list = NULL;
    drop(o, &list);
    while (list) {
        o = list;
        list = o->next;
        for (int64_t i = 0; i < o->items; i++) drop(glia_object_items(o)[i], &list);
        for (int64_t i = 0; o->kind == GLIA_OBJECT_STRINGS && i < o->count; i++)
            string_release(((glia_string **)o->data)[i]);
        drop(o->base, &list);
        if (o->release) o->release(o->ctx);
        give(o->os, o->account, o, o->block);
    }
}

/* ---- looking */

glia_object_kind glia_object_kind_of(const glia_object *o)
{
    return o ? (glia_object_kind)o->kind : GLIA_OBJECT_OPTIONAL;
}

glia_dtype glia_object_dtype(const glia_object *o)
{
    return o && o->kind == GLIA_OBJECT_TENSOR ? o->dtype : GLIA_DTYPE_NONE;
}

int glia_object_rank(const glia_object *o) { return o ? o->rank : 0; }
const int64_t *glia_object_dims(const glia_object *o) { return o ? o->dims : NULL; }
int64_t glia_object_count(const glia_object *o) { return o ? o->count : 0; }
int64_t glia_object_bytes(const glia_object *o) { return o ? o->bytes : 0; }

int glia_object_shared(const glia_object *o)
{
    return o && (atomic_load_explicit(&o->refs, memory_order_acquire) > 1 || o->base || o->release);
}

const void *glia_object_data(const glia_object *o)
{
    return o && o->kind == GLIA_OBJECT_TENSOR ? o->data : NULL;
}

const char *glia_object_string(const glia_object *o, int64_t i, int64_t *size)
{
    if (size) *size = 0;
    if (!o || o->kind != GLIA_OBJECT_STRINGS || i < 0 || i >= o->count) return NULL;
    const glia_string *s = ((glia_string *const *)o->data)[i];
    if (size && s) *size = s->size;
    return s ? s->text : "";
}

glia_object *glia_object_item(const glia_object *o, int64_t i)
{
    const bool holds = o && (o->kind == GLIA_OBJECT_SEQUENCE || o->kind == GLIA_OBJECT_OPTIONAL);
    return holds && i >= 0 && i < o->count ? glia_object_items(o)[i] : NULL;
}

glia_object *glia_object_keys(const glia_object *o)
{
    return o && o->kind == GLIA_OBJECT_MAP ? glia_object_items(o)[0] : NULL;
}

glia_object *glia_object_values(const glia_object *o)
{
    return o && o->kind == GLIA_OBJECT_MAP ? glia_object_items(o)[1] : NULL;
}
