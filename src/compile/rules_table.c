/* The rules, by group. rules.h has the language. */
#include "compile/rules.h"

/* Groups: 0 what changes nothing is taken out; 1 idioms become ops; 2 attention; 3 products. */
enum { TIDY, IDIOM, ATTEND, PRODUCT };
enum {
    EXACT = GLIA_RULE_EXACT,
    SUMS = GLIA_RULE_REASSOCIATING,
    NEARLY = GLIA_RULE_APPROXIMATE,
    SHARED = GLIA_RULE_SHARED
};

/* 1 + erf(x / sqrt(2)), 1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3)), and a half of x times either. */
#define ERF "add(erf({div(x, 1.4142135623730951) | mul(x, 0.7071067811865476)}), 1)"
#define CUBE "{pow(x, 3) | mul(mul(x, x), x) | mul(pow(x, 2), x)}"
#define TANH                                                                                                 \
    "add(tanh(mul({add(x, mul(" CUBE                                                                         \
    ", 0.044715)) | mul(x, add(mul({mul(x, x) | pow(x, 2)}, 0.044715), 1))}, "                               \
    "0.7978845608028654)), 1)"
#define HALF_OF(f) "{mul(mul(x, " f "), 0.5) | mul(mul(x, 0.5), " f ") | mul(x, mul(" f ", 0.5))}"

/* 1 / (1 + exp(-x)) */
#define LOGISTIC "add(exp(neg(x)), 1)"

/* sqrt(mean of squares + eps), and y over it. */
#define SQUARE(x) "{mul(" x ", " x ") | pow(" x ", 2)}"
#define VARIANCE(x) "add({mean[axes = last, keepdims = 1](" SQUARE(x) ")}, $eps)"
#define OVER_ROOT(y, x)                                                                                      \
    "{div(" y ", sqrt(" VARIANCE(x) ")) | mul(" y ", {rsqrt(" VARIANCE(x) ") | reciprocal(sqrt(" VARIANCE(   \
        x) ")) | "                                                                                           \
           "div(1, sqrt(" VARIANCE(x) ")) | pow(" VARIANCE(x) ", -0.5)})}"

/* Scores of attention: scaled after the product, masked, in either order of the two masks. */
#define SCALED "{mul(matmul(q, k), $s) | div(matmul(q, k), $d) | matmul(q, k)}"
#define SCALE "given(s, 1) / given(d, 1)"

/* Both forms of fused attention: attributes as they are, and with a scale. */
#define SDPA_ATTRS "[scale = s, causal = c, past = p]"
#define SDPA_TIMES "[scale = s * given($a, 1) / given($d, 1), causal = c, past = p]"
#define TIMES(x) "{mul(" x ", $a) | div(" x ", $d)}"
#define CONV_ATTRS "strides = s, dilations = d, pads = p, group = g"
#define EPILOGUE "activation = activation(root), alpha = alpha(root), beta = beta(root)"
/* A weight whose packed rows linear_act has a kernel for. */
#define PACKS "fixed(w) and dtype(w) == f32 and dtype(x) == f32 and dim(w, 0) >= 16"

const glia_rule glia_rules[] = {
    {"reshape_same", TIDY, EXACT, SHARED, "reshape[dims = *](x) => x when same(x, root)", "x: a b"},
    {"reshape_twice", TIDY, EXACT, SHARED, "reshape[dims = *](reshape[dims = *](x)) => like(x)", "x: a b"},
    {"transpose_twice", TIDY, EXACT, SHARED,
     "transpose[perm = q](transpose[perm = p](x)) => permute(x, p, q)", "x: a b c, p = 2 0 1, q = 0 2 1"},
    {"transpose_stays", TIDY, EXACT, SHARED, "transpose[perm = p](x) => like(x) when stays(p, x)",
     "x: a 1 c, p = 1 0 2"},
    {"expand_same", TIDY, EXACT, SHARED, "expand[dims = *](x) => x when same(x, root)", "x: a b"},
    {"cast_same", TIDY, EXACT, SHARED, "cast[to = *](x) => x when same(x, root)", "x: a b"},
    {"slice_all", TIDY, EXACT, SHARED, "slice[begin = *, dims = *](x) => x when same(x, root)", NULL},
    {"pad_none", TIDY, EXACT, SHARED, "pad[before = *, dims = *, value = *](x) => x when same(x, root)",
     NULL},
    {"concat_one", TIDY, EXACT, SHARED, "concat[axis = *](x) => x", NULL},
    {"expand_operand", TIDY, EXACT, SHARED, "@binary(expand[dims = *](x), y) => @binary(x, y)",
     "x: 1 b, y: a b"},
    {"expand_operand_2", TIDY, EXACT, SHARED, "@binary(y, expand[dims = *](x)) => @binary(y, x)",
     "x: 1 b, y: a b"},
    {"times_one", TIDY, EXACT, SHARED, "{mul(x, 1) | div(x, 1) | pow(x, 1)} => x when same(x, root)", NULL},
    {"less_zero", TIDY, EXACT, SHARED, "sub(x, 0) => x when same(x, root)", NULL},
    {"plus_zero", TIDY, SUMS, SHARED, "add(x, 0) => x when same(x, root)", NULL},
    {"negate_twice", TIDY, EXACT, SHARED, "neg(neg(x)) => x", NULL},
    {"transpose_through", TIDY, EXACT, 0,
     "transpose[perm = q](@unary(transpose[perm = p](x))) => @unary(x) when inverse(p, q)",
     "x: a b c, p = 2 0 1, q = 1 2 0"},
    {"reshape_scaled", TIDY, EXACT, 0, "reshape[dims = *](mul(x, $s)) => mul(like(x), $s) when scalar(s)",
     "x: a b"},
    {"transpose_scaled", TIDY, EXACT, 0,
     "transpose[perm = p](mul(x, $s)) => mul(transpose[perm = p](x), $s) when "
     "scalar(s)",
     "x: a b c, p = 2 0 1"},
    {"scale_twice", TIDY, SUMS, 0, "mul(mul(x, $s), $t) => mul(x, $s * $t) when dtype(x) == f32", NULL},

    {"gelu_erf", IDIOM, SUMS, 0, HALF_OF(ERF) " => gelu_erf(x)", NULL},
    {"gelu_tanh", IDIOM, SUMS, 0, HALF_OF(TANH) " => gelu(x)", NULL},
    {"gelu_quick", IDIOM, NEARLY, 0, "mul(x, sigmoid(mul(x, 1.702))) => gelu(x)", NULL},
    {"sigmoid", IDIOM, EXACT, 0, "{div(1, " LOGISTIC ") | reciprocal(" LOGISTIC ")} => sigmoid(x)", NULL},
    {"silu", IDIOM, SUMS, 0, "{mul(x, sigmoid(x)) | div(x, " LOGISTIC ")} => silu(x)", NULL},
    {"swiglu", IDIOM, EXACT, 0, "mul(silu(x), y) => swiglu(x, y) when same(x, y)", NULL},
    {"softmax", IDIOM, EXACT, 0,
     "div(e: exp(sub(x, reduce_max[axes = last, keepdims = 1](x))), sum[axes = last, keepdims = 1](e)) => "
     "softmax(x)",
     NULL},
    {"softmax_bare", IDIOM, SUMS, 0, "div(e: exp(x), sum[axes = last, keepdims = 1](e)) => softmax(x)", NULL},
    {"layer_norm", IDIOM, SUMS, 0,
     OVER_ROOT("c: sub(x, mean[axes = last, keepdims = 1](x))",
               "c") " => layer_norm[eps = $eps](x, ones(x)) when "
                    "$eps >= 0",
     "eps = 0.01"},
    {"layer_norm_scale", IDIOM, SUMS, 0,
     "mul(layer_norm[eps = e](x, u), w) => layer_norm[eps = e](x, flat(w)) when ones(u) and vector(w, x)",
     "x: a b, w: b, e = 0.01, u: ones b"},
    {"layer_norm_shift", IDIOM, SUMS, 0,
     "add(layer_norm[eps = e](x, w), b) => layer_norm[eps = e](x, w, flat(b)) when vector(b, x)",
     "x: a b, w: b, b: b, e = 0.01"},
    {"rms_norm", IDIOM, SUMS, 0, OVER_ROOT("x", "x") " => rms_norm[eps = $eps](x, ones(x)) when $eps >= 0",
     "eps = 0.01"},
    {"rms_norm_scale", IDIOM, EXACT, 0,
     "mul(rms_norm[eps = e](x, u), w) => rms_norm[eps = e](x, flat(w)) when ones(u) and vector(w, x)",
     "x: a b, w: b, e = 0.01, u: ones b"},

    {"attention", ATTEND, SUMS, 0,
     "matmul(softmax(?add(" SCALED ", m)), y) => attention(q, k, swap(y), m, " SCALE
     ", -1) when attends(q, k, y)",
     "q: a b c d, k: a b e d, y: a b f e, m: a 1 c e, s = 0.25, d = 4"},
    {"attention_where", ATTEND, SUMS, 0,
     "matmul(softmax(?add(where(h, " SCALED ", $n), m)), y) => attention(q, k, swap(y), m, " SCALE
     ", past_of(h)) when "
     "$n <= -10000 and attends(q, k, y) and past_of(h) >= 0",
     "q: a b c d, k: a b c d, y: a b f c, m: a 1 c c, h: causal c c, s = 0.25, d = 4, n = -10000"},
    {"attention_hidden", ATTEND, SUMS, 0,
     "matmul(softmax(?add(where(h, $n, " SCALED
     "), m)), y) => attention(q, k, swap(y), plus(m, mask_of(h)), " SCALE
     ", -1) when $n < -3.5e38 and attends(q, k, y)",
     "q: a b c d, k: a b e d, y: a b f e, m: a 1 c e, h: hidden c e, s = 0.25, d = 4, n = -inf"},
    {"attention_shown", ATTEND, SUMS, 0,
     "matmul(softmax(where(h, " SCALED ", $n)), y) => attention(q, k, swap(y), h, " SCALE
     ", -1) when any($n < -3.5e38, "
     "open(h)) and $n <= -10000 and attends(q, k, y)",
     "q: a b c d, k: a b e d, y: a b f e, h: shown c e, s = 0.25, d = 4, n = -inf"},

    {"sdpa_scaled_q", ATTEND, SUMS, 0,
     "sdpa" SDPA_ATTRS "(" TIMES("q") ", k, v, m?) => sdpa" SDPA_TIMES "(q, k, v, m)",
     "q: a b c d, k: a b e d, v: a b e f, m: a 1 c e, a = 0.5, d = 4, s = 0.25, c = 0, p = 0"},
    {"sdpa_scaled_k", ATTEND, SUMS, 0,
     "sdpa" SDPA_ATTRS "(q, " TIMES("k") ", v, m?) => sdpa" SDPA_TIMES "(q, k, v, m)",
     "q: a b c d, k: a b e d, v: a b e f, m: a 1 c e, a = 0.5, d = 4, s = 0.25, c = 0, p = 0"},
    {"sdpa_tokens_scaled_q", ATTEND, SUMS, 0,
     "sdpa_tokens" SDPA_ATTRS "(" TIMES("q") ", k, v, m?) => sdpa_tokens" SDPA_TIMES "(q, k, v, m)",
     "q: a c b d, k: a e b d, v: a e b f, m: a 1 c e, a = 0.5, d = 4, s = 0.25, c = 0, p = 0"},
    {"sdpa_tokens_scaled_k", ATTEND, SUMS, 0,
     "sdpa_tokens" SDPA_ATTRS "(q, " TIMES("k") ", v, m?) => sdpa_tokens" SDPA_TIMES "(q, k, v, m)",
     "q: a c b d, k: a e b d, v: a e b f, m: a 1 c e, a = 0.5, d = 4, s = 0.25, c = 0, p = 0"},
    {"sdpa_causal", ATTEND, SUMS, 0,
     "sdpa[scale = s](q, k, v, m) => sdpa[scale = s, causal = 1, past = past_of(m)](q, k, v) when past_of(m) "
     ">= 0",
     "q: a b c d, k: a b c d, v: a b c f, m: causal c c, s = 0.25"},
    {"sdpa_tokens_causal", ATTEND, SUMS, 0,
     "sdpa_tokens[scale = s](q, k, v, m) => sdpa_tokens[scale = s, causal = 1, past = past_of(m)](q, k, v) "
     "when "
     "past_of(m) >= 0",
     "q: a c b d, k: a c b d, v: a c b f, m: causal c c, s = 0.25"},
    {"sdpa_shared_heads", ATTEND, EXACT, 0,
     "sdpa" SDPA_ATTRS
     "(q, j: reshape[dims = *](e: expand[dims = *](k)), reshape[dims = *](expand[dims = *](v)), m?) => "
     "sdpa" SDPA_ATTRS "(q, unrepeat(k, 1), unrepeat(v, 1), m) when repeats(k, e, j, 1) and same(k, v)",
     "q: a 6 c d, k: a 2 1 e d, v: a 2 1 e d, m: a 1 c e, s = 0.25, c = 0, p = 0, expand: a 2 3 e d, "
     "reshape: a 6 e d"},
    {"sdpa_tokens_shared_heads", ATTEND, EXACT, 0,
     "sdpa_tokens" SDPA_ATTRS
     "(q, j: reshape[dims = *](e: expand[dims = *](k)), reshape[dims = *](expand[dims = *](v)), "
     "m?) => sdpa_tokens" SDPA_ATTRS
     "(q, unrepeat(k, 2), unrepeat(v, 2), m) when repeats(k, e, j, 2) and same(k, v)",
     "q: a c 6 d, k: a e 2 1 d, v: a e 2 1 d, m: a 1 c e, s = 0.25, c = 0, p = 0, expand: a e 2 3 d, "
     "reshape: a e 6 d"},
    {"sdpa_merged_heads", ATTEND, EXACT, 0,
     "sdpa" SDPA_ATTRS
     "(reshape[dims = *](q), reshape[dims = *](k), reshape[dims = *](v), m?) => like(sdpa" SDPA_ATTRS
     "(q, k, v, m)) when merges(q, k, v, root) and any(bound(m) == 0, dim(m, 0) == 1, rank(m) < 4)",
     "q: 2 3 c d, k: 2 3 c d, v: 2 3 c d, m: c c, reshape: 6 1 c d, s = 0.25, c = 0, p = 0"},
    {"sdpa_heads_inside", ATTEND, EXACT, SHARED,
     "sdpa" SDPA_ATTRS "(transpose[perm = a](q), transpose[perm = a](k), transpose[perm = a](v), m?) => "
     "heads(sdpa_tokens" SDPA_ATTRS "(q, k, v, m)) when perm(a, 0, 2, 1, 3)",
     "q: a c b d, k: a e b d, v: a e b f, m: a 1 c e, a = 0 2 1 3, s = 0.25, c = 0, p = 0"},

    {"linear", PRODUCT, EXACT, 0,
     "matmul(x, w) => linear(x, weight(w)) when fixed(w) and rank(w) == 2 and dim(w, 0) >= 16 and dtype(x) "
     "== f32 and "
     "dtype(w) == f32",
     "x: a b c, w: const 17 c"},
    {"linear_bias", PRODUCT, EXACT, 0, "add(linear(x, w), b) => linear(x, w, flat(b)) when vector(b, root)",
     "x: a c, w: 17 c, b: 17"},
    {"linear_residual", PRODUCT, EXACT, 0,
     "add(linear(x, w, b?), r) => linear_act(x, weight(w), b, r) when same(r, root) and " PACKS,
     "x: a c, w: const 17 c, b: 17, r: a 17"},
    {"linear_activation", PRODUCT, EXACT, 0,
     "@unary(linear(x, w, b?)) => linear_act[" EPILOGUE
     "](x, weight(w), b) when activation(root) > 0 and " PACKS,
     "x: a c, w: const 17 c, b: 17"},
    {"linear_residual_activation", PRODUCT, EXACT, 0,
     "@unary(linear_act(x, w, b?, r)) => linear_act[" EPILOGUE "](x, w, b, r) when activation(root) > 0",
     "x: a c, w: const 17 c, b: 17, r: a 17"},

    {"conv_scale", PRODUCT, SUMS, 0,
     "mul(conv[" CONV_ATTRS "](x, w, b?), k) => conv[" CONV_ATTRS
     "](x, scaled(w, k), times(b, row(k))) when known(w) and "
     "known(k) and channel(k, root)",
     "x: a 2 5, w: const 3 2 2, b: 3, k: const 1 3 1, s = , d = , p = , g = 1"},
    {"conv_shift", PRODUCT, SUMS, 0,
     "add(conv[" CONV_ATTRS "](x, w, b?), k) => conv[" CONV_ATTRS
     "](x, w, plus(b, row(k))) when channel(k, root)",
     "x: a 2 5, w: const 3 2 2, b: 3, k: const 1 3 1, s = , d = , p = , g = 1"},
    {"conv_residual", PRODUCT, EXACT, 0,
     "add(conv[" CONV_ATTRS "](x, w, b?), r) => conv[" CONV_ATTRS "](x, w, b, r) when same(r, root)",
     "x: a 2 5, w: 3 2 2, b: 3, r: a 3 4, s = , d = , p = , g = 1"},
    {"conv_activation", PRODUCT, EXACT, 0,
     "@unary(conv[" CONV_ATTRS "](x, w, b?, r?)) => conv[" CONV_ATTRS ", " EPILOGUE
     "](x, w, b, r) when activation(root) "
     "> 0",
     "x: a 2 5, w: 3 2 2, b: 3, r: a 3 4, s = , d = , p = , g = 1"},
    {0},
};
