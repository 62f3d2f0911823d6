/* The feed-forward part of mixtures of experts: a router chooses `expert_used_count` of `expert_count`
 * experts for each token, and their outputs are added by the router's weights. Beside them there may be one
 * shared expert that every token passes, weighed by a gate of its own.
 *
 * Tensors of a layer: ffn_gate_inp [experts, width] (and bias), ffn_gate_exps and ffn_up_exps [experts,
 * hidden, width], ffn_down_exps [experts, width, hidden] (and biases [experts, rows]); of a shared expert
 * ffn_gate_inp_shexp [width], ffn_gate_shexp, ffn_up_shexp, ffn_down_shexp.
 *
 * Refused by name: files with one tensor an expert, other gating functions than softmax, groups of experts.
 */
#include "llm/arch.h"

/* Settings of mixtures that a file may state, though none of these architectures has to. */
static void read_settings(glia_lm_builder *b, glia_lm_mixture *m)
{
    const glia_gguf_value *v = glia_gguf_find(b->file, glia_lm_name(b, "%s.expert_weights_norm", b->arch));
    int64_t integer = 0;
    if (v && glia_gguf_element_i64(v, 0, &integer)) m->normalise = integer != 0;
    m->scale = glia_lm_float(b, "expert_weights_scale", 1, false);
    if (glia_lm_int(b, "expert_gating_func", 1, INT32_MAX) != 1)
        glia_lm_fail(b, GLIA_E_UNSUPPORTED, "G0541",
                     "`%s.expert_gating_func` is not 1 (softmax); other gates are not built here", b->arch);
    if (glia_lm_int(b, "expert_group_count", 1, INT32_MAX) != 1)
        glia_lm_fail(b, GLIA_E_UNSUPPORTED, "G0541",
                     "`%s.expert_group_count` is not 1; a choice by groups of experts is not built here",
                     b->arch);
}

void glia_lm_experts(glia_lm_builder *b)
{
    glia_lm_mixture *m = &b->mixture;
    m->experts = glia_lm_int(b, "expert_count", 0, 4096);
    if (b->status || !m->experts) return;
    m->used = glia_lm_int(b, "expert_used_count", -1, m->experts);
    m->hidden = glia_lm_int(b, "expert_feed_forward_length", b->hidden, 1 << 22);
    m->shared_hidden = glia_lm_int(b, "expert_shared_feed_forward_length", 0, 1 << 22);
    read_settings(b, m);
}

/* What the metadata promise of a stack: how many matrices, and how many rows each. */
static void expect_stack(glia_lm_builder *b, const char *name, int64_t rows)
{
    const glia_gguf_tensor *t = glia_gguf_tensor_find(b->file, name);
    if (b->status || !t || (t->rank == 3 && t->dims[0] == b->mixture.experts && t->dims[1] == rows)) return;
    glia_lm_fail(b, GLIA_E_FORMAT, "G0504",
                 "tensor `%s` has rank %d and sizes [%lld, %lld, ..]; by `%s.expert_count` and the sizes of "
                 "experts it must be [%lld, %lld, ..]",
                 name, t->rank, (long long)t->dims[0], (long long)(t->rank > 1 ? t->dims[1] : 0), b->arch,
                 (long long)b->mixture.experts, (long long)rows);
}

/* The stack of matrices called prefix.weight, with prefix.bias if the file has it, by the experts chosen. */
static glia_value product(glia_lm_builder *b, glia_value x, glia_value ids, int64_t rows, const char *prefix)
{
    const char *weight = glia_lm_name(b, "%s.weight", prefix);
    expect_stack(b, weight, rows);
    glia_value in[4] = {x, glia_lm_weight(b, weight), ids,
                        glia_lm_weight_if(b, glia_lm_name(b, "%s.bias", prefix))};
    return b->status ? (glia_value){0} : glia_graph_node(b->g, "expert_linear", prefix, in, 4, NULL);
}

static glia_value activation(glia_lm_builder *b, glia_value gate, glia_value up, const char *name)
{
    const glia_lm_mixture *m = &b->mixture;
    const bool limited = m->limit > 0;
    glia_attr_arg attrs[] = {GLIA_FLOAT("alpha", m->alpha), GLIA_FLOAT("limit", m->limit), {0}};
    if (b->status) return (glia_value){0};
    return glia_graph_node(b->g, limited ? "swiglu_limited" : "swiglu", name, (glia_value[]){gate, up}, 2,
                           limited ? attrs : NULL);
}

/* sigmoid(x . gate) * down(silu(gate x) * up x) */
static glia_value shared_expert(glia_lm_builder *b, int64_t layer, glia_value x)
{
    long long l = layer;
    glia_lm_expect_rows(b, glia_lm_name(b, "blk.%lld.ffn_gate_shexp.weight", l), b->mixture.shared_hidden,
                        "expert_shared_feed_forward_length");
    glia_value gate = glia_lm_linear(b, x, glia_lm_name(b, "blk.%lld.ffn_gate_shexp", l));
    glia_value up = glia_lm_linear(b, x, glia_lm_name(b, "blk.%lld.ffn_up_shexp", l));
    if (b->status) return gate;
    glia_value h = glia_graph_node(b->g, "swiglu", glia_lm_name(b, "blk.%lld.swiglu_shexp", l),
                                   (glia_value[]){gate, up}, 2, NULL);
    h = glia_lm_linear(b, h, glia_lm_name(b, "blk.%lld.ffn_down_shexp", l));
    glia_value w = glia_lm_weight(b, glia_lm_name(b, "blk.%lld.ffn_gate_inp_shexp.weight", l));
    int64_t dims[2] = {1, b->width};
    glia_attr_arg row[] = {GLIA_INTS("dims", dims, 2), {0}};
    if (b->status) return h;
    w = glia_graph_node(b->g, "reshape", glia_lm_name(b, "blk.%lld.gate_shexp_row", l), &w, 1, row);
    glia_value share = glia_graph_node(b->g, "linear", glia_lm_name(b, "blk.%lld.gate_shexp", l),
                                       (glia_value[]){x, w}, 2, NULL);
    share = glia_graph_node(b->g, "sigmoid", glia_lm_name(b, "blk.%lld.share_shexp", l), &share, 1, NULL);
    return glia_graph_node(b->g, "mul", glia_lm_name(b, "blk.%lld.shexp", l), (glia_value[]){h, share}, 2,
                           NULL);
}

static glia_value mixture_of(glia_lm_builder *b, int64_t layer, glia_value x)
{
    const glia_lm_mixture *m = &b->mixture;
    long long l = layer;
    glia_attr_arg attrs[] = {GLIA_INT("k", m->used),
                             GLIA_INT("softmax", !m->softmax_of_chosen),
                             GLIA_INT("normalise", m->normalise),
                             GLIA_FLOAT("scale", m->scale),
                             {0}};
    glia_lm_expect_rows(b, glia_lm_name(b, "blk.%lld.ffn_gate_inp.weight", l), m->experts, "expert_count");
    glia_lm_expect_rows(b, glia_lm_name(b, "blk.%lld.ffn_gate_inp.bias", l), m->experts, "expert_count");
    glia_value router = glia_lm_linear(b, x, glia_lm_name(b, "blk.%lld.ffn_gate_inp", l));
    if (b->status) return router;
    glia_value ids =
        glia_graph_node(b->g, "expert_route", glia_lm_name(b, "blk.%lld.route", l), &router, 1, attrs);
    glia_value weights = glia_graph_output_of(b->g, ids, 1);
    glia_value gate = product(b, x, ids, m->hidden, glia_lm_name(b, "blk.%lld.ffn_gate_exps", l));
    glia_value up = product(b, x, ids, m->hidden, glia_lm_name(b, "blk.%lld.ffn_up_exps", l));
    glia_value h = activation(b, gate, up, glia_lm_name(b, "blk.%lld.swiglu", l));
    h = product(b, h, ids, b->width, glia_lm_name(b, "blk.%lld.ffn_down_exps", l));
    if (b->status) return h;
    h = glia_graph_node(b->g, "expert_sum", glia_lm_name(b, "blk.%lld.expert_sum", l),
                        (glia_value[]){h, weights}, 2, NULL);
    if (!m->shared_hidden) return h;
    return glia_lm_add(b, h, shared_expert(b, layer, x), glia_lm_name(b, "blk.%lld.shexp_sum", l));
}

glia_lm_ffn *glia_lm_mixture_if(const glia_lm_builder *b) { return b->mixture.experts ? mixture_of : NULL; }
