/* The decoder that most architectures share, with what each changes of it (glia_lm_decoder in arch.h). */
#include "llm/arch.h"

#include "base/check.h"

#include <string.h>

/* What is settled once for all layers. */
typedef struct decoder {
    const glia_lm_decoder *d;
    const char *activation; /* an op of one input, or "swiglu" of two */
    glia_value rope, local_rope;
} decoder;

static glia_value norm(glia_lm_builder *b, const decoder *c, glia_value x, const char *name)
{
    return c->d->layer_norms ? glia_lm_layer_norm(b, x, name) : glia_lm_rms_norm(b, x, name);
}

static glia_value node1(glia_lm_builder *b, const char *op, const char *name, glia_value x)
{
    return b->status ? (glia_value){0} : glia_graph_node(b->g, op, name, &x, 1, NULL);
}

static glia_value node2(glia_lm_builder *b, const char *op, const char *name, glia_value x, glia_value y)
{
    return b->status ? (glia_value){0} : glia_graph_node(b->g, op, name, (glia_value[]){x, y}, 2, NULL);
}

glia_value glia_lm_scale(glia_lm_builder *b, glia_value x, double factor, const char *name)
{
    glia_type scalar = {GLIA_F32, 0, 0, {0}};
    float number = (float)factor;
    if (b->status || factor == 1) return x;
    glia_value f = glia_graph_constant(b->g, glia_lm_name(b, "%s.factor", name), &scalar, &number);
    return node2(b, "mul", name, x, f);
}

/* cap * tanh(x / cap) */
static glia_value capped(glia_lm_builder *b, glia_value x, double cap, const char *name)
{
    glia_type scalar = {GLIA_F32, 0, 0, {0}};
    float number = (float)cap;
    if (b->status || cap == 0) return x;
    glia_value c = glia_graph_constant(b->g, glia_lm_name(b, "%s.cap", name), &scalar, &number);
    x = node1(b, "tanh", glia_lm_name(b, "%s.tanh", name),
              node2(b, "div", glia_lm_name(b, "%s.div", name), x, c));
    return node2(b, "mul", name, x, c);
}

/* ---- attention ---------------------------------------------------------------------------------- */

/* The product of one of q, k and v, normalised over all its heads if the model wants that. */
static glia_value product_of(glia_lm_builder *b, const decoder *c, int64_t layer, glia_value x, char which)
{
    long long l = layer;
    const char *name = glia_lm_name(b, "blk.%lld.attn_%c", l, which);
    if (c->d->fused) {
        int64_t before = which == 'q' ? 0 : b->heads + (which == 'k' ? 0 : b->groups);
        x = glia_lm_linear_rows(b, x, glia_lm_name(b, "blk.%lld.attn_qkv", l), before * b->head_dim,
                                (which == 'q' ? b->heads : b->groups) * b->head_dim, name);
    } else x = glia_lm_linear(b, x, name);
    bool normed = which != 'v' && c->d->head_norms == GLIA_LM_WIDTH_NORMED;
    return normed ? glia_lm_rms_norm(b, x, glia_lm_name(b, "%s_norm", name)) : x;
}

/* The same as [T, heads, head_dim], normalised head by head if the model wants that. */
static glia_value heads_of(glia_lm_builder *b, const decoder *c, int64_t layer, glia_value x, char which)
{
    long long l = layer;
    x = glia_lm_heads(b, x, which == 'q' ? b->heads : b->groups, b->head_dim,
                      glia_lm_name(b, "blk.%lld.%c_heads", l, which));
    bool normed = which != 'v' && c->d->head_norms == GLIA_LM_HEADS_NORMED;
    return normed ? glia_lm_rms_norm(b, x, glia_lm_name(b, "blk.%lld.attn_%c_norm", l, which)) : x;
}

static bool every(int64_t layer, int64_t period) { return period > 0 && (layer + 1) % period == 0; }

static glia_value attention(glia_lm_builder *b, const decoder *c, int64_t layer, glia_value x)
{
    long long l = layer;
    const glia_lm_decoder *d = c->d;
    const bool local = d->window && !every(layer, d->global_every);
    glia_lm_attention how = {d->attention_scale, local ? d->window : 0, d->softcap, {0}};
    if (d->fused)
        glia_lm_expect_rows(b, glia_lm_name(b, "blk.%lld.attn_qkv.weight", l),
                            (b->heads + 2 * b->groups) * b->head_dim, "attention.head_count");
    glia_value q = product_of(b, c, layer, x, 'q');
    glia_value k = product_of(b, c, layer, x, 'k');
    glia_value v = product_of(b, c, layer, x, 'v');
    q = heads_of(b, c, layer, q, 'q');
    k = heads_of(b, c, layer, k, 'k');
    v = heads_of(b, c, layer, v, 'v');
    b->rope = local && d->local_base > 0 ? c->local_rope : c->rope;
    if (!every(layer, d->unrotated_every)) {
        q = glia_lm_rope(b, q, d->neox, glia_lm_name(b, "blk.%lld.q_rope", l));
        k = glia_lm_rope(b, k, d->neox, glia_lm_name(b, "blk.%lld.k_rope", l));
    }
    if (d->sinks) how.sinks = glia_lm_weight(b, glia_lm_name(b, "blk.%lld.attn_sinks.weight", l));
    x = glia_lm_attend(b, layer, q, k, v, &how);
    if (d->sub_norms) x = norm(b, c, x, glia_lm_name(b, "blk.%lld.attn_sub_norm", l));
    x = glia_lm_linear(b, x, glia_lm_name(b, "blk.%lld.attn_output", l));
    return d->post_norms ? norm(b, c, x, glia_lm_name(b, "blk.%lld.post_attention_norm", l)) : x;
}

/* ---- feed-forward -------------------------------------------------------------------------------- */

/* act(gate) * up */
static glia_value gated(glia_lm_builder *b, const decoder *c, long long l, glia_value gate, glia_value up)
{
    if (!strcmp(c->activation, "swiglu"))
        return node2(b, "swiglu", glia_lm_name(b, "blk.%lld.swiglu", l), gate, up);
    const char *name = glia_lm_name(b, "blk.%lld.%s", l, c->activation);
    if (strcmp(c->activation, "relu2")) gate = node1(b, c->activation, name, gate);
    else {
        gate = node1(b, "relu", glia_lm_name(b, "blk.%lld.relu", l), gate);
        gate = node2(b, "mul", name, gate, gate);
    }
    return node2(b, "mul", glia_lm_name(b, "blk.%lld.gated", l), gate, up);
}

static glia_value feed_forward(glia_lm_builder *b, const decoder *c, int64_t layer, glia_value x)
{
    long long l = layer;
    const char *up_name = glia_lm_name(b, "blk.%lld.ffn_up", l),
               *gate_name = glia_lm_name(b, "blk.%lld.ffn_gate", l);
    glia_lm_expect_rows(b, glia_lm_name(b, "%s.weight", c->d->fused || c->d->gateless ? up_name : gate_name),
                        c->d->fused ? 2 * b->hidden : b->hidden, "feed_forward_length");
    if (c->d->gateless) {
        x = node1(b, c->activation, glia_lm_name(b, "blk.%lld.%s", l, c->activation),
                  glia_lm_linear(b, x, up_name));
    } else {
        glia_value gate = c->d->fused ? glia_lm_linear_rows(b, x, up_name, 0, b->hidden, gate_name)
                                      : glia_lm_linear(b, x, gate_name);
        glia_value up = c->d->fused ? glia_lm_linear_rows(b, x, up_name, b->hidden, b->hidden, up_name)
                                    : glia_lm_linear(b, x, up_name);
        x = gated(b, c, l, gate, up);
    }
    if (c->d->sub_norms) x = norm(b, c, x, glia_lm_name(b, "blk.%lld.ffn_sub_norm", l));
    return glia_lm_linear(b, x, glia_lm_name(b, "blk.%lld.ffn_down", l));
}

glia_value glia_lm_swiglu(glia_lm_builder *b, int64_t layer, glia_value x)
{
    static const glia_lm_decoder plain = {0};
    return feed_forward(b, &(decoder){.d = &plain, .activation = "swiglu"}, layer, x);
}

/* ---- the whole ----------------------------------------------------------------------------------- */

/* The names that files and architectures use, and the op that stands for each. */
static const char *activation_of(glia_lm_builder *b, const glia_lm_decoder *d)
{
    static const char *const known[][2] = {
        {"silu", "swiglu"}, {"gelu_pytorch_tanh", "gelu"}, {"relu2", "relu2"}};
    for (int i = 0; i < GLIA_COUNT(known); i++) {
        bool own = glia_lm_has(b, "hidden_activation");
        if (own ? glia_lm_says(b, "hidden_activation", known[i][0])
                : !strcmp(d->activation ? d->activation : "silu", known[i][0]))
            return d->gateless && i == 0 ? "silu" : known[i][1];
    }
    glia_lm_fail(b, GLIA_E_UNSUPPORTED, "G0505",
                 "the activation that `%s.hidden_activation` names is not built "
                 "here; known are silu, gelu_pytorch_tanh and relu2",
                 b->arch);
    return "swiglu";
}

int64_t glia_lm_window(glia_lm_builder *b)
{
    return glia_lm_has(b, "attention.sliding_window")
               ? glia_lm_int(b, "attention.sliding_window", 0, INT32_MAX)
               : 0;
}

static double or_one(double x) { return x > 0 ? x : 1; }

void glia_lm_decode(glia_lm_builder *b, const glia_lm_decoder *d)
{
    decoder c = {.d = d, .activation = activation_of(b, d)};
    const double residual = or_one(d->residual_scale);
    glia_value x = glia_lm_begin(b);
    if (d->exact_ramp) glia_lm_rope_table_exact_ramp(b);
    else glia_lm_rope_table(b);
    c.rope = b->rope;
    if (d->local_base > 0) c.local_rope = glia_lm_rope_plain(b, "rope_table.local", d->local_base);
    x = glia_lm_scale(b, x, or_one(d->embed_scale), "embed.scaled");
    for (int64_t i = 0; i < b->layers && !b->status; i++) {
        long long l = i;
        glia_value h = d->no_pre_norms ? x : norm(b, &c, x, glia_lm_name(b, "blk.%lld.attn_norm", l));
        h = glia_lm_scale(b, attention(b, &c, i, h), residual, glia_lm_name(b, "blk.%lld.attn_scaled", l));
        x = glia_lm_add(b, x, h, glia_lm_name(b, "blk.%lld.attn_residual", l));
        h = d->no_pre_norms
                ? x
                : norm(b, &c, x, glia_lm_name(b, "blk.%lld.%s", l, d->ffn_norm ? d->ffn_norm : "ffn_norm"));
        h = d->ffn ? d->ffn(b, i, h) : feed_forward(b, &c, i, h);
        if (d->post_norms) h = norm(b, &c, h, glia_lm_name(b, "blk.%lld.post_ffw_norm", l));
        h = glia_lm_scale(b, h, residual, glia_lm_name(b, "blk.%lld.ffn_scaled", l));
        x = glia_lm_add(b, x, h, glia_lm_name(b, "blk.%lld.ffn_residual", l));
    }
    x = norm(b, &c, x, "output_norm");
    if (b->options.embeddings) {
        glia_lm_embeddings(b, x);
        return;
    }
    x = glia_lm_logits(b, x);
    x = glia_lm_scale(b, x, 1 / or_one(d->logit_divisor), "logits.scaled");
    x = capped(b, x, d->final_softcap, "logits.capped");
    if (!b->status) glia_graph_output(b->g, "logits", x);
}
