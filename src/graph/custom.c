/* Descriptors of operations from outside, checked before any node is made of them: a signature that parses, a name
 * that is free, kinds of attributes that exist, a reference kernel. Refused: writing states, and other versions of
 * the structs. */
#include "graph/custom.h"

#include "base/check.h"
#include "graph/graph.h"
#include "graph/signature.h"

#include <string.h>

enum { CUSTOM_MAX = 4096, CUSTOM_ATTRS_MAX = 63, CUSTOM_NAME_MAX = 200, CUSTOM_KERNELS_MAX = 1024 };
enum { CUSTOM_TRAITS = GLIA_OP_INPLACE_0 | GLIA_OP_INPLACE_1 | GLIA_OP_COMMUTATIVE | GLIA_OP_WHOLE };

static bool is_name(const char *s)
{
    size_t n = 0;
    for (; s && s[n] && n <= CUSTOM_NAME_MAX; n++) {
        const char c = s[n];
        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || (n && c >= '0' && c <= '9')))
            return false;
    }
    return n > 0 && n <= CUSTOM_NAME_MAX;
}

static const char *attrs_fault(const glia_attr_spec *s)
{
    for (int i = 0; s && s[i].name; i++) {
        if (i == CUSTOM_ATTRS_MAX) return "has too many attributes";
        if (!is_name(s[i].name)) return "has an attribute without a name of letters, digits and _";
        if (s[i].kind < GLIA_ATTR_INT || s[i].kind > GLIA_ATTR_DTYPE) return "has an attribute of no kind";
    }
    return NULL;
}

static const char *kernels_fault(const glia_op_desc *d)
{
    if (d->kernel_count < 0 || d->kernel_count > CUSTOM_KERNELS_MAX || (d->kernel_count && !d->kernels))
        return "has an impossible number of kernels";
    for (int32_t i = 0; i < d->kernel_count; i++)
        if (!d->kernels[i].run || !d->kernels[i].types || !strstr(d->kernels[i].types, "->"))
            return "has a kernel without a function, or without types such as \"f32,f32->f32\"";
    return NULL;
}

/* What is wrong with the signature, which needs the op's attributes to be read; null: nothing. */
static const char *signature_fault(const glia_op *op)
{
    glia_signature s;
    if (!op->signature) return "has no signature";
    if (!glia_signature_parse(op, &s)) return s.error;
    for (int i = 0; i < s.out_count; i++)
        if (s.out[i].next >= 0) return "writes a state, which only the library's own operations do";
    return NULL;
}

static glia_op op_of(const glia_op_desc *d)
{
    glia_op op = {.name = d->name,
                  .signature = d->signature,
                  .attrs = d->attrs,
                  .no_grad = "operations from outside have no gradient",
                  .reference = d->reference,
                  .scratch = d->scratch,
                  .kernels = d->kernels,
                  .kernel_count = d->kernel_count};
    op.traits = (d->traits & GLIA_OP_INPLACE_0 ? GLIA_INPLACE_0 : 0) |
                (d->traits & GLIA_OP_INPLACE_1 ? GLIA_INPLACE_1 : 0) |
                (d->traits & GLIA_OP_COMMUTATIVE ? GLIA_COMMUTATIVE : 0) |
                (d->traits & GLIA_OP_WHOLE ? GLIA_WHOLE : 0);
    return op;
}

static const char *fault(const glia_op_desc *given, const glia_custom_ops *before, glia_op *op,
                         const char **domain)
{
    glia_op_desc d = GLIA_OP_DESC_INIT;
    if (!given) return "is null";
    if (given->size < offsetof(glia_op_desc, kernels) || given->abi != GLIA_OP_ABI)
        return "was built for another version of glia/op.h";
    memcpy(&d, given, given->size < sizeof d ? given->size : sizeof d);
    if (!is_name(d.name)) return "has no name of letters, digits and _";
    if (glia_op_find(d.name) || glia_custom_find(before, d.name)) return "has a name that is taken";
    if (!d.reference) return "has no reference kernel";
    if (d.traits & ~(uint32_t)CUSTOM_TRAITS) return "has a trait that does not exist";
    const char *what = attrs_fault(d.attrs);
    if (!what) what = kernels_fault(&d);
    *op = op_of(&d);
    *domain = d.domain;
    return what ? what : signature_fault(op);
}

glia_status glia_custom_ops_make(glia_arena *a, const glia_op_desc *const *descs, int64_t count,
                                 const glia_custom_ops **out, glia_error *e)
{
    *out = NULL;
    if (count == 0) return GLIA_OK;
    if (count < 0 || count > CUSTOM_MAX || !descs)
        return glia_fail(e, GLIA_E_ARG, "G1058", "%lld operations from outside; 0 to %d are taken",
                         (long long)count, CUSTOM_MAX);
    glia_custom_ops *c = GLIA_NEW(a, glia_custom_ops);
    glia_op *ops = GLIA_NEW_ARRAY(a, glia_op, count);
    const char **domains = GLIA_NEW_ARRAY(a, const char *, count);
    if (!c || !ops || !domains)
        return glia_fail(e, GLIA_E_NOMEM, "G0801", "no memory for operations from outside");
    c->op = ops;
    c->domain = domains;
    for (; c->count < count; c->count++) {
        const glia_op_desc *d = descs[c->count];
        const char *what = fault(d, c, &ops[c->count], &domains[c->count]);
        if (what)
            return glia_fail(e, GLIA_E_ARG, "G1058", "operation %lld from outside (`%.100s`): %s",
                             (long long)c->count, d && d->name ? d->name : "", what);
    }
    *out = c;
    return GLIA_OK;
}

const glia_op *glia_custom_find(const glia_custom_ops *custom, const char *name)
{
    for (int64_t i = 0; custom && i < custom->count; i++)
        if (!strcmp(custom->op[i].name, name)) return &custom->op[i];
    return NULL;
}
