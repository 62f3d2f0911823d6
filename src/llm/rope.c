/* Rotary tables as model files describe them.
 *
 * Angles of pair i are (position * scale) * base^(-2i/dims) / f[i], cosines and sines are multiplied by the
 * magnitude. The kinds of `rope.scaling.type`, with s the factor, C the original context:
 *
 *     none      f = 1
 *     linear    scale = 1 / s; so also without a type but with a factor
 *     dynamic   base * (s L / C - (s - 1))^(dims / (dims - 2)) with L the session's context, if that is above
 * C yarn      1 / f[i] = ramp / s + (1 - ramp): low pairs keep their rate, high ones are slowed down by s,
 *               between pairs that turn beta_fast and beta_slow times in C the ramp rises from 0 to 1;
 *               magnitude = attn_factor (1 + ln(s) / 10)
 *     longrope  f of rope_factors_long.weight if the context is above C, else of rope_factors_short.weight;
 *               magnitude = attn_factor
 *
 * and rope_freqs.weight holds f itself (LLaMA 3.1).
 *
 * Traps: a table serves the whole session, so that what other programs switch by the running length
 * (longrope, dynamic) is decided here by the session's context. Divisors that are computed stay in f64: a
 * relative error of 2^-24 in a rate is seen after a thousand positions.
 *
 * Refused: any other type, a yarn_log_multiplier, two sources of divisors. */
#include "llm/arch.h"

#include "base/check.h"
#include "base/fmath.h"

#include <math.h>
#include <string.h>

typedef struct table {
    double base, scale, magnitude;
    glia_value divisors; /* null: ones */
} table;

static const double pi = 3.14159265358979323846;

static glia_value table_node(glia_lm_builder *b, const char *name, const table *t)
{
    glia_value in[2] = {b->pos, t->divisors};
    glia_attr_arg attrs[] = {GLIA_INT("dims", b->rope_dims),
                             GLIA_FLOAT("base", t->base),
                             GLIA_FLOAT("scale", t->scale),
                             GLIA_FLOAT("magnitude", t->magnitude),
                             {0}};
    return b->status ? (glia_value){0} : glia_graph_node(b->g, "rope_table", name, in, 2, attrs);
}

static void read_dims(glia_lm_builder *b)
{
    b->rope_dims = glia_lm_int(b, "rope.dimension_count", b->head_dim, 4096);
    if (!b->status && (b->rope_dims % 2 || b->rope_dims > b->head_dim))
        glia_lm_fail(
            b, GLIA_E_FORMAT, "G0504",
            "`%s.rope.dimension_count` is %lld; it must be even and at most the head's %lld elements",
            b->arch, (long long)b->rope_dims, (long long)b->head_dim);
}

static double factor_of(glia_lm_builder *b)
{
    double s = glia_lm_float(b, "rope.scaling.factor", 1, true);
    if (!b->status && !(s <= 1e6))
        glia_lm_fail(b, GLIA_E_FORMAT, "G0503", "`%s.rope.scaling.factor` is %g; it must be at most 1e6",
                     b->arch, s);
    return s;
}

static double original_context(glia_lm_builder *b)
{
    return (double)glia_lm_int(b, "rope.scaling.original_context_length", b->context_train, INT32_MAX);
}

static void scale_linear(glia_lm_builder *b, table *t) { t->scale = 1 / factor_of(b); }

static void scale_dynamic(glia_lm_builder *b, table *t)
{
    double s = factor_of(b), ratio = (double)b->options.context / original_context(b);
    if (b->rope_dims < 4 || s < 1) {
        glia_lm_fail(b, GLIA_E_FORMAT, "G0511",
                     "a dynamic rope scaling needs a factor of 1 or more and 4 rotated elements or more");
        return;
    }
    if (ratio > 1)
        t->base *= glia_pow(s * ratio - (s - 1), (double)b->rope_dims / (double)(b->rope_dims - 2));
}

/* The pair, as a fraction, that turns `times` times in a context of `length`. */
static double pair_of(double times, double length, double base, int64_t dims)
{
    return (double)dims * glia_log(length / (times * 2 * pi)) / (2 * glia_log(base));
}

static void scale_yarn_by(glia_lm_builder *b, table *t, bool exact_ramp)
{
    double f[2048], s = factor_of(b), length = original_context(b);
    double fast = glia_lm_float(b, "rope.scaling.yarn_beta_fast", 32, false),
           slow = glia_lm_float(b, "rope.scaling.yarn_beta_slow", 1, false);
    double given = glia_lm_float(b, "rope.scaling.attn_factor", 1, false) *
                   glia_lm_float(b, "rope.scaling.yarn_attn_factor", 1, false);
    int64_t pairs = b->rope_dims / 2;
    if (b->status) return;
    if (!(t->base > 1) || s < 1 || fast < slow) {
        glia_lm_fail(
            b, GLIA_E_FORMAT, "G0511",
            "a yarn rope scaling needs a base above 1, a factor of 1 or more, and a beta_fast that is "
            "not below beta_slow; here they are %g, %g, and %g and %g",
            t->base, s, fast, slow);
        return;
    }
    double low = pair_of(fast, length, t->base, b->rope_dims),
           high = pair_of(slow, length, t->base, b->rope_dims);
    if (!exact_ramp) low = floor(low), high = ceil(high);
    low = fmax(low, 0), high = fmin(high, (double)(b->rope_dims - 1));
    if (low == high) high += 0.001;
    for (int64_t i = 0; i < pairs; i++) {
        double ramp = fmin(fmax(((double)i - low) / (high - low), 0), 1);
        f[i] = 1 / (ramp / s + (1 - ramp));
    }
    glia_type type = {GLIA_F64, 1, 0, {pairs}};
    t->divisors = glia_graph_constant(b->g, "rope_yarn", &type, f);
    t->magnitude = given * (1 + 0.1 * glia_log(s));
}

static void scale_yarn(glia_lm_builder *b, table *t) { scale_yarn_by(b, t, false); }

static void scale_longrope(glia_lm_builder *b, table *t)
{
    bool is_long = (double)b->options.context > original_context(b);
    const char *name[2] = {"rope_factors_short.weight", "rope_factors_long.weight"};
    glia_value both[2] = {glia_lm_weight(b, name[0]), glia_lm_weight(b, name[1])};
    t->divisors = both[is_long];
    t->magnitude = glia_lm_float(b, "rope.scaling.attn_factor", 1, false);
}

static void scale_none(glia_lm_builder *b, table *t) { (void)b, (void)t; }

/* The scaling whose name the metadata has; without a name, what the file's other parts imply. */
static void scale(glia_lm_builder *b, table *t)
{
    static const struct {
        const char *name;
        void (*apply)(glia_lm_builder *b, table *t);
    } kinds[] = {{"none", scale_none},
                 {"linear", scale_linear},
                 {"dynamic", scale_dynamic},
                 {"yarn", scale_yarn},
                 {"longrope", scale_longrope}};
    bool factors = glia_gguf_tensor_find(b->file, "rope_factors_long.weight") != NULL;
    if (factors) {
        scale_longrope(b, t);
        return;
    }
    if (!glia_lm_has(b, "rope.scaling.type")) {
        if (glia_lm_has(b, "rope.scaling.factor")) scale_linear(b, t);
        return;
    }
    for (int i = 0; i < GLIA_COUNT(kinds) && !b->status; i++)
        if (glia_lm_says(b, "rope.scaling.type", kinds[i].name)) {
            kinds[i].apply(b, t);
            return;
        }
    glia_lm_fail(
        b, GLIA_E_UNSUPPORTED, "G0505",
        "the rope scaling that `%s.rope.scaling.type` names is not built here; known are none, linear, "
        "dynamic, yarn and longrope",
        b->arch);
}

static void rope_table(glia_lm_builder *b, bool exact_ramp)
{
    table t = {.base = glia_lm_float(b, "rope.freq_base", 10000, false), .scale = 1, .magnitude = 1};
    read_dims(b);
    if (exact_ramp && glia_lm_says(b, "rope.scaling.type", "yarn")) scale_yarn_by(b, &t, true);
    else scale(b, &t);
    glia_value freqs = glia_lm_weight_if(b, "rope_freqs.weight");
    if (!glia_is_null(freqs) && !glia_is_null(t.divisors))
        glia_lm_fail(b, GLIA_E_UNSUPPORTED, "G0511",
                     "the file has `rope_freqs.weight` and a rope scaling with divisors of its own");
    if (!glia_is_null(freqs)) t.divisors = freqs;
    b->rope = table_node(b, "rope_table", &t);
}

void glia_lm_rope_table(glia_lm_builder *b) { rope_table(b, false); }
void glia_lm_rope_table_exact_ramp(glia_lm_builder *b) { rope_table(b, true); }

glia_value glia_lm_rope_plain(glia_lm_builder *b, const char *name, double base)
{
    table t = {.base = base, .scale = 1, .magnitude = 1};
    read_dims(b);
    return table_node(b, name, &t);
}

glia_value glia_lm_rope(glia_lm_builder *b, glia_value x, bool neox, const char *name)
{
    glia_value in[2] = {x, b->rope};
    glia_attr_arg attrs[] = {GLIA_INT("neox", neox), {0}};
    return b->status ? (glia_value){0} : glia_graph_node(b->g, "rope", name, in, 2, attrs);
}
