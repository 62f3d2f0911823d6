/* Nodes that run on objects: what their functions see, the operators that they call, and their bodies. */
#include "net/internal.h"

#include "base/check.h"
#include "net/object.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

struct glia_host {
    glia_net *net;
    const glia_net_node *node;
    glia_error *error;
    glia_status status;
    glia_object **in, **out; /* borrowed; references */
};

const glia_os *glia_host_os(const glia_host *h) { return h->net->options.os; }
glia_account *glia_host_account(const glia_host *h) { return h->net->account; }
glia_error *glia_host_error(glia_host *h) { return h->error; }
int64_t glia_host_version(const glia_host *h) { return h->node->version; }
const char *glia_host_op(const glia_host *h) { return h->node->op_name; }
int glia_host_in_count(const glia_host *h) { return h->node->in_count; }
int glia_host_out_count(const glia_host *h) { return h->node->out_count; }

glia_object *glia_host_in(const glia_host *h, int i)
{
    return i >= 0 && i < h->node->in_count ? h->in[i] : NULL;
}

bool glia_host_wants(const glia_host *h, int i)
{
    return i >= 0 && i < h->node->out_count && h->node->out[i] >= 0;
}

void glia_host_set(glia_host *h, int i, glia_object *o)
{
    if (!glia_host_wants(h, i)) {
        glia_object_release(o);
        return;
    }
    glia_object_release(h->out[i]);
    h->out[i] = o;
}

const glia_onnx_attr *glia_host_attr(const glia_host *h, const char *name)
{
    return glia_net_node_attr(h->node, name);
}

static const glia_onnx_attr *attr_of_kind(const glia_host *h, const char *name, int kind)
{
    const glia_onnx_attr *a = glia_host_attr(h, name);
    return a && a->kind == kind ? a : NULL;
}

int64_t glia_host_int(const glia_host *h, const char *name, int64_t otherwise)
{
    const glia_onnx_attr *a = attr_of_kind(h, name, GLIA_ONNX_ATTR_INT);
    return a ? a->i : otherwise;
}

double glia_host_float(const glia_host *h, const char *name, double otherwise)
{
    const glia_onnx_attr *a = attr_of_kind(h, name, GLIA_ONNX_ATTR_FLOAT);
    return a ? (double)a->f : otherwise;
}

const char *glia_host_string(const glia_host *h, const char *name, const char *otherwise)
{
    const glia_onnx_attr *a = attr_of_kind(h, name, GLIA_ONNX_ATTR_STRING);
    return a ? a->s.text : otherwise;
}

static glia_status stop(glia_host *h, glia_status s, const char *code, const char *format, va_list ap)
{
    char text[1024];
    vsnprintf(text, sizeof text, format, ap);
    if (!h->status)
        h->status = glia_fail(h->error, s, code, "node `%.200s` (%s, version %lld): %s", h->node->name,
                              h->node->op_name, (long long)h->node->version, text);
    return h->status;
}

glia_status glia_host_fail(glia_host *h, const char *format, ...)
{
    va_list ap;
    va_start(ap, format);
    stop(h, GLIA_E_FORMAT, "G1031", format, ap);
    va_end(ap);
    return h->status;
}

glia_status glia_host_refuse(glia_host *h, const char *format, ...)
{
    va_list ap;
    va_start(ap, format);
    stop(h, GLIA_E_UNSUPPORTED, "G1030", format, ap);
    va_end(ap);
    return h->status;
}

glia_status glia_host_wrong(glia_host *h, const char *code, const char *format, ...)
{
    va_list ap;
    va_start(ap, format);
    stop(h, GLIA_E_GUARD, code, format, ap);
    va_end(ap);
    return h->status;
}

/* Why an object could not be made. */
glia_status glia_net_no_object(glia_net *net, glia_error *e)
{
    if (glia_account_refused(net->account))
        return glia_fail(e, GLIA_E_LIMIT, "G0804",
                         "a value of the run would pass the memory limit of %lld bytes",
                         (long long)glia_account_limit(net->account));
    return glia_fail(e, GLIA_E_NOMEM, "G0801", "no memory for a value of the run");
}

glia_status glia_host_no_object(glia_host *h)
{
    if (!h->status) h->status = glia_net_no_object(h->net, h->error);
    return h->status;
}

glia_object *glia_host_tensor(glia_host *h, glia_dtype t, int rank, const int64_t *dims, void **data)
{
    glia_object *o = glia_object_tensor_in(glia_host_os(h), h->net->account, t, rank, dims, NULL);
    if (!o) glia_host_no_object(h);
    *data = o ? glia_object_fill(o) : NULL;
    return o;
}

glia_status glia_host_tick(glia_host *h)
{
    if (!h->status) h->status = glia_net_tick(h->net, h->error);
    return h->status;
}

/* ---- calls ------------------------------------------------------------------------------------------------ */

static glia_status collect(glia_net *net, const glia_net_node *n, glia_object **out, glia_error *e)
{
    for (int32_t i = 0; i < n->out_count; i++) {
        if (n->out[i] < 0) continue;
        out[i] = glia_object_retain(net->slots[n->out[i]].value);
        if (!out[i]) return glia_fail(e, GLIA_E_INTERNAL, "G1036", "%s gave no output %d", n->op_name, i);
    }
    return GLIA_OK;
}

/* One node by a plan of its own where it has an emit function that will do, else by its host function. */
static glia_status run_alone(glia_net *net, glia_net_node *n, glia_error *e)
{
    glia_net_part *part = NULL, *none[1] = {NULL};
    glia_net_block b = {.nodes = n, .node_count = 1, .parts = none};
    for (int32_t i = 0; i < n->out_count; i++)
        if (n->out[i] >= 0) net->slots[n->out[i]].owner = &b;
    glia_status s = n->op->emit ? glia_net_emit(net, &b, 0, false, &part, e) : GLIA_OK;
    if (!s && part && part->end > 0) s = glia_net_part_run(net, part, e);
    else if (!s) s = glia_net_host_node(net, n, e);
    glia_net_part_free(net, part);
    return s;
}

glia_status glia_net_call(glia_net *net, glia_net_node *n, glia_object *const *in, glia_object **out,
                          glia_error *e)
{
    int32_t slots[GLIA_NET_CALL_SLOTS], first = (int32_t)net->slot_count + net->call_top, used = 0;
    if (net->call_top + n->in_count + n->out_count > GLIA_NET_CALL_SLOTS)
        return glia_fail(e, GLIA_E_LIMIT, "G1026", "a call of %s has too many inputs and outputs",
                         n->op_name);
    for (int32_t i = 0; i < n->in_count; i++) {
        slots[used] = in[i] ? first + used : -1;
        if (in[i]) glia_net_slot_set(net, first + used, glia_object_retain(in[i]));
        used++;
    }
    for (int32_t i = 0; i < n->out_count; i++, used++) slots[used] = first + used;
    n->in = slots;
    n->out = slots + n->in_count;
    net->call_top += used;
    glia_status s = run_alone(net, n, e);
    if (!s) s = collect(net, n, out, e);
    net->call_top -= used;
    for (int32_t i = 0; i < used; i++) glia_net_slot_set(net, first + i, NULL);
    n->in = n->out = NULL;
    return s;
}

glia_status glia_host_call(glia_host *h, const char *domain, const char *op, const glia_onnx_attr *attrs,
                           int attr_count, glia_object *const *in, int in_count, glia_object **out,
                           int out_count)
{
    const glia_onnx_attr *list[32];
    glia_net_node n = {.name = h->node->name,
                       .op_name = op,
                       .domain = domain,
                       .attrs = list,
                       .op = glia_net_op_find(domain, op),
                       .in_count = in_count,
                       .out_count = out_count};
    if (!n.op || attr_count > GLIA_COUNT(list))
        return glia_host_refuse(h, "it needs the operator `%.60s`, which is not built", op);
    for (n.attr_count = 0; n.attr_count < attr_count; n.attr_count++)
        list[n.attr_count] = &attrs[n.attr_count];
    n.version = strcmp(domain, h->node->domain) ? 21 : h->node->version;
    for (int i = 0; i < out_count; i++) out[i] = NULL;
    glia_status s = glia_net_call(h->net, &n, in, out, h->error);
    if (s && !h->status) h->status = s;
    return s;
}

/* ---- strings through operators that only move ------------------------------------------------------------------ */

static glia_object *as_handles(glia_net *net, glia_object *o)
{
    return glia_object_borrow(net->options.os, GLIA_I64, glia_object_rank(o), glia_object_dims(o),
                              (void *)(uintptr_t)glia_object_handles(o), NULL, NULL);
}

static bool is_strings(const glia_object *o) { return o && glia_object_kind_of(o) == GLIA_OBJECT_STRINGS; }

/* Handles in ascending order, in a heap's memory. */
static void sort_handles(uint64_t *v, int64_t n)
{
    for (int64_t end = n, root = n / 2 - 1; end > 1; root--) {
        int64_t i = root;
        uint64_t x;
        if (root < 0) { /* the heap stands: its greatest goes behind it */
            i = 0;
            x = v[--end];
            v[end] = v[0];
        } else {
            x = v[root];
        }
        for (int64_t child; (child = 2 * i + 1) < end; i = child) {
            if (child + 1 < end && v[child + 1] > v[child]) child++;
            if (v[child] <= x) break;
            v[i] = v[child];
        }
        v[i] = x;
    }
}

/* Was every element that came out one of those that went in, or 0? What was computed instead of moved (a sum, a
 * pad's number) is no handle, and must not be followed. */
static glia_status only_moved(glia_host *h, glia_object *const *out)
{
    glia_arena a;
    int64_t count = 0, at = 0;
    for (int i = 0; i < h->node->in_count; i++)
        count += is_strings(h->in[i]) ? glia_object_count(h->in[i]) : 0;
    glia_arena_init(&a, glia_host_os(h), 0);
    uint64_t *known = GLIA_NEW_ARRAY(&a, uint64_t, count + 1);
    for (int i = 0; known && i < h->node->in_count; i++) {
        if (!is_strings(h->in[i])) continue;
        const int64_t n = glia_object_count(h->in[i]);
        if (n) memcpy(known + at, glia_object_handles(h->in[i]), (size_t)n * sizeof *known);
        at += n;
    }
    if (known) sort_handles(known, count);
    glia_status s = known ? GLIA_OK : glia_host_no_object(h);
    for (int i = 0; i < h->node->out_count && !s; i++) {
        const uint64_t *v = out[i] && glia_object_dtype(out[i]) == GLIA_I64 ? glia_object_data(out[i]) : NULL;
        for (int64_t j = 0; v && j < glia_object_count(out[i]) && !s; j++) {
            int64_t low = 0, high = count;
            while (low < high) {
                const int64_t mid = low + (high - low) / 2;
                if (known[mid] < v[j]) low = mid + 1;
                else high = mid;
            }
            if (v[j] && (low == count || known[low] != v[j]))
                s = glia_host_refuse(h, "it would compute with strings");
        }
    }
    glia_arena_free(&a);
    return s;
}

/* Strings go in as handles; whatever comes out as i64 holds handles again. */
static glia_status move_strings(glia_host *h)
{
    glia_object *in[GLIA_NET_CALL_SLOTS] = {NULL}, *out[GLIA_NET_CALL_SLOTS] = {NULL};
    const glia_net_node *node = h->node;
    glia_net_node n = *node;
    if (node->in_count + node->out_count > GLIA_NET_CALL_SLOTS)
        return glia_host_refuse(h, "it has too many inputs for tensors of strings");
    for (int i = 0; i < node->in_count; i++) {
        in[i] = is_strings(h->in[i]) ? as_handles(h->net, h->in[i]) : glia_object_retain(h->in[i]);
        if (h->in[i] && !in[i]) glia_host_no_object(h);
    }
    glia_status s = h->status ? h->status : glia_net_call(h->net, &n, in, out, h->error);
    if (!s) s = only_moved(h, out);
    for (int i = 0; i < node->out_count; i++) {
        if (!s && out[i] && glia_object_dtype(out[i]) == GLIA_I64) {
            glia_object *o =
                glia_object_from_handles(h->net->options.os, h->net->account, glia_object_rank(out[i]),
                                         glia_object_dims(out[i]), glia_object_data(out[i]));
            if (!o) s = glia_host_no_object(h);
            glia_host_set(h, i, o);
        } else if (!s && out[i]) {
            glia_host_set(h, i, glia_object_retain(out[i]));
        }
        glia_object_release(out[i]);
    }
    for (int i = 0; i < node->in_count; i++) glia_object_release(in[i]);
    return s;
}

/* ---- nodes ------------------------------------------------------------------------------------------------------ */

static glia_status fetch_inputs(glia_host *h, bool *strings)
{
    *strings = false;
    for (int32_t i = 0; i < h->node->in_count; i++) {
        int32_t slot = h->node->in[i];
        if (slot < 0) continue;
        const glia_net_slot *s = &h->net->slots[slot];
        if (s->value) h->in[i] = glia_object_retain(s->value);
        else if (s->initializer) h->in[i] = glia_net_initializer(h->net, s->initializer, h->error);
        if (!h->in[i] && s->initializer) return h->error->status ? h->error->status : GLIA_E_NOMEM;
        *strings |= is_strings(h->in[i]);
    }
    return GLIA_OK;
}

static glia_status call_function(glia_host *h, bool strings)
{
    const glia_net_op *op = h->node->op;
    if (op->host) {
        glia_status s = op->host(h);
        return h->status ? h->status : s;
    }
    if (strings && (op->flags & GLIA_NET_MOVES)) return move_strings(h);
    for (int32_t i = 0; i < h->node->in_count; i++) {
        char have[160];
        if (h->in[i] && glia_object_kind_of(h->in[i]) != GLIA_OBJECT_TENSOR)
            return glia_host_refuse(h, "input %d is %s; it takes tensors of numbers", i,
                                    glia_net_object_text(h->in[i], have, sizeof have));
    }
    return glia_host_refuse(h, "it needs numbers that its plan cannot know");
}

glia_status glia_net_host_node(glia_net *net, const glia_net_node *n, glia_error *e)
{
    glia_arena a;
    bool strings;
    glia_host h = {.net = net, .node = n, .error = e};
    glia_arena_init(&a, net->options.os, 0);
    h.in = GLIA_NEW_ARRAY(&a, glia_object *, n->in_count + 1);
    h.out = GLIA_NEW_ARRAY(&a, glia_object *, n->out_count + 1);
    if (!h.in || !h.out) {
        glia_arena_free(&a);
        return glia_fail(e, GLIA_E_NOMEM, "G0801", "no memory for a node");
    }
    glia_status s = fetch_inputs(&h, &strings);
    if (!s) s = call_function(&h, strings);
    for (int32_t i = 0; i < n->out_count; i++) {
        if (!s && n->out[i] >= 0 && h.out[i]) glia_net_slot_set(net, n->out[i], h.out[i]);
        else glia_object_release(h.out[i]);
    }
    for (int32_t i = 0; i < n->in_count; i++) glia_object_release(h.in[i]);
    glia_arena_free(&a);
    return s;
}

/* ---- bodies ------------------------------------------------------------------------------------------------------ */

static glia_net_block *body(const glia_host *h, int b)
{
    return b >= 0 && b < h->node->body_count ? &h->node->bodies[b] : NULL;
}

int glia_host_body_inputs(const glia_host *h, int b) { return body(h, b) ? body(h, b)->in_count : 0; }
int glia_host_body_outputs(const glia_host *h, int b) { return body(h, b) ? body(h, b)->out_count : 0; }
const glia_onnx_graph *glia_host_body_graph(const glia_host *h, int b)
{
    return body(h, b) ? body(h, b)->graph : NULL;
}

int glia_host_body_of(const glia_host *h, const char *attr)
{
    for (int i = 0; i < h->node->body_count; i++)
        if (!strcmp(h->node->body_attrs[i], attr)) return i;
    return -1;
}

glia_status glia_host_body_run(glia_host *h, int b, glia_object *const *in, glia_object **out)
{
    glia_net_block *block = body(h, b);
    if (!block) return glia_host_fail(h, "its body is missing");
    for (int32_t i = 0; i < block->in_count; i++)
        glia_net_slot_set(h->net, block->in[i], glia_object_retain(in[i]));
    glia_status s = glia_net_run_block(h->net, block, h->error);
    for (int32_t i = 0; i < block->out_count; i++) {
        out[i] = s ? NULL : glia_net_slot_object(h->net, block->out[i], h->error);
        if (!s && !out[i]) s = h->error->status ? h->error->status : GLIA_E_NOMEM;
    }
    for (int32_t i = 0; s && i < block->out_count; i++) {
        glia_object_release(out[i]);
        out[i] = NULL;
    }
    if (s && !h->status) h->status = s;
    return s;
}
