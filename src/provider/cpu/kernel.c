/* Dispatch: which row of which table runs an op on given types. Nothing is cached; binding happens when a
 * plan is made. */
#include "provider/cpu/kernel.h"

#include "base/check.h"
#include "base/cpu.h"
#include "ops/ops.h"
#include "tensor/layout.h"

#include <string.h>

/* The references serve where no other set is allowed. */
static const glia_cpu_isa portable = {"portable", 0, 0, 0};

#define X(name) extern const glia_cpu_isa glia_cpu_##name;
#define MORE(name) extern const glia_cpu_isa glia_cpu_##name##_quant;
#define CONV(name) extern const glia_cpu_isa glia_cpu_##name##_conv;
#include "provider/cpu/isas.def"
#undef X

const glia_cpu_isa *const glia_cpu_isas[] = {
    &portable,
#define X(name) &glia_cpu_##name,
#define MORE(name) &glia_cpu_##name##_quant,
#define CONV(name) &glia_cpu_##name##_conv,
#include "provider/cpu/isas.def"
#undef X
    0,
};

const glia_cpu_isa *glia_cpu_isa_find(const char *name)
{
    for (int i = 0; name && glia_cpu_isas[i]; i++)
        if (!strcmp(glia_cpu_isas[i]->name, name)) return glia_cpu_isas[i];
    return 0;
}

/* The last set that may be used: the named one, or all; a name that is not here allows only the first. */
static int last_allowed(const char *isa_max)
{
    int last = 0;
    for (int i = 0; glia_cpu_isas[i]; i++)
        if (!isa_max || !strcmp(glia_cpu_isas[i]->name, isa_max)) last = i;
    return last;
}

/* One "dtype", "dtype:layout" or "*" of `size` bytes; type null or dtype NONE: an absent input. */
static bool token_matches(const char *token, size_t size, const glia_type *type)
{
    const bool optional = size && token[size - 1] == '?';
    if (optional) size--;
    if (!type || type->dtype == GLIA_DTYPE_NONE) return optional;
    if (size == 1 && *token == '*') return true;
    const char *colon = memchr(token, ':', size), *name = glia_dtype_name(type->dtype);
    const char *layout = glia_layout_name(type->layout);
    const size_t name_size = colon ? (size_t)(colon - token) : size;
    if (strlen(name) != name_size || memcmp(name, token, name_size)) return false;
    if (!colon) return type->layout == GLIA_LAYOUT_PLAIN;
    return strlen(layout) == size - name_size - 1 && !memcmp(layout, colon + 1, size - name_size - 1);
}

/* Matches a comma-separated list up to "->" or the end; *at moves behind it. */
static bool list_matches(const char **at, const glia_type *types, int count)
{
    int i = 0;
    bool ok = true;
    while (ok && **at && strncmp(*at, "->", 2)) {
        const size_t size = strcspn(*at, ",-");
        ok = token_matches(*at, size, i < count ? &types[i] : 0);
        *at += size + ((*at)[size] == ',');
        i++;
    }
    for (; ok && i < count; i++) ok = types[i].dtype == GLIA_DTYPE_NONE; /* more inputs than the row knows */
    return ok;
}

static bool row_matches(const char *types, const glia_type *in, int in_count, const glia_type *out,
                        int out_count)
{
    if (!list_matches(&types, in, in_count) || strncmp(types, "->", 2)) return false;
    types += 2;
    return list_matches(&types, out, out_count);
}

static int isa_number(const char *name)
{
    int i = 0;
    while (name && glia_cpu_isas[i] && strcmp(glia_cpu_isas[i]->name, name)) i++;
    return i;
}

/* The last row of an operation from outside that fits the types and the machine; null: its reference. */
static const glia_op_kernel *own_row(const glia_op *op, const glia_type *in, int in_count,
                                     const glia_type *out, int out_count, uint32_t features, int last)
{
    for (int32_t r = op->kernel_count - 1; r >= 0; r--) {
        const glia_op_kernel *row = &op->kernels[r];
        const int i = isa_number(row->isa);
        if (!glia_cpu_isas[i] || i > last || glia_cpu_isas[i]->needs & ~features) continue;
        if (row_matches(row->types, in, in_count, out, out_count)) return row;
    }
    return NULL;
}

glia_bound_kernel glia_cpu_bind(const glia_op *op, const glia_type *in, int in_count, const glia_type *out,
                                int out_count, uint32_t features, const char *isa_max)
{
    const int last = last_allowed(isa_max);
    const glia_op_kernel *own = own_row(op, in, in_count, out, out_count, features, last);
    if (own) return (glia_bound_kernel){own->run, op->name, own->isa ? own->isa : "portable"};
    for (int i = last; i >= 0; i--) {
        const glia_cpu_isa *isa = glia_cpu_isas[i];
        if (isa->needs & ~features) continue;
        for (int r = isa->count - 1; r >= 0; r--) {
            const glia_cpu_kernel *row = &isa->rows[r];
            if (row->op == op && row_matches(row->types, in, in_count, out, out_count))
                return (glia_bound_kernel){row->run, row->name, isa->name};
        }
    }
    return (glia_bound_kernel){op->reference, "reference", "portable"};
}

/* R16 is worth its packing where the bound set has a row of `linear` for it. Stacks take the same: every row
 * of `linear` has its row of `expert_linear`. */
int glia_cpu_layout(glia_dtype t, int64_t n, int64_t k, uint32_t features, const char *isa_max)
{
    int64_t bytes;
    if (n < 16 || !glia_layout_bytes(GLIA_LAYOUT_R16, t, n, k, &bytes)) return GLIA_LAYOUT_PLAIN;
    const glia_type in[2] = {{glia_dtype_get(t)->activation, 2, 0, {1, k}}, {t, 2, GLIA_LAYOUT_R16, {n, k}}};
    const glia_type out = {GLIA_F32, 2, 0, {1, n}};
    const glia_bound_kernel bound = glia_cpu_bind(&glia_op_linear, in, 2, &out, 1, features, isa_max);
    return bound.run == glia_op_linear.reference ? GLIA_LAYOUT_PLAIN : GLIA_LAYOUT_R16;
}

bool glia_cpu_takes_taps(const glia_op *op, const glia_type *w, uint32_t features, const char *isa_max)
{
    const glia_type in[2] = {{w->dtype, w->rank, 0, {1}}, *w}, out = {w->dtype, w->rank, 0, {1}};
    return glia_cpu_bind(op, in, 2, &out, 1, features, isa_max).run != op->reference;
}
