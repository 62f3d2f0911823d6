/* The tangent, the inverse and the hyperbolic functions. Outside their domains they give NaN. */
#include "base/fmath.h"
#include "ops/activation.h"
#include "ops/build.h"
#include "ops/ops.h"

static void trig_cost(const glia_kargs *k, glia_cost *out) { glia_elementwise_cost(k, 40, out); }

static void sample_between(glia_sample *s, double lo, double hi)
{
    s->in_count = 1;
    s->in[0] = (glia_type){GLIA_F32, 2, 0, {s->pick(s->ctx, 1, 5), s->pick(s->ctx, 1, 40)}};
    s->lo[0] = lo, s->hi[0] = hi;
}
static void near_sample(glia_sample *s) { sample_between(s, -0.9, 0.9); }
static void far_sample(glia_sample *s) { sample_between(s, -2, 2); }
static void above_sample(glia_sample *s) { sample_between(s, 1.25, 4); }

static void tan_reference(const glia_kargs *k)
{
    glia_unary_run(k, &(const glia_unary){NULL, NULL, NULL, glia_tan});
}
static void asin_reference(const glia_kargs *k)
{
    glia_unary_run(k, &(const glia_unary){NULL, NULL, NULL, glia_asin});
}
static void acos_reference(const glia_kargs *k)
{
    glia_unary_run(k, &(const glia_unary){NULL, NULL, NULL, glia_acos});
}
static void atan_reference(const glia_kargs *k)
{
    glia_unary_run(k, &(const glia_unary){NULL, NULL, NULL, glia_atan});
}
static void sinh_reference(const glia_kargs *k)
{
    glia_unary_run(k, &(const glia_unary){NULL, NULL, NULL, glia_sinh});
}
static void cosh_reference(const glia_kargs *k)
{
    glia_unary_run(k, &(const glia_unary){NULL, NULL, NULL, glia_cosh});
}
static void asinh_reference(const glia_kargs *k)
{
    glia_unary_run(k, &(const glia_unary){NULL, NULL, NULL, glia_asinh});
}
static void acosh_reference(const glia_kargs *k)
{
    glia_unary_run(k, &(const glia_unary){NULL, NULL, NULL, glia_acosh});
}
static void atanh_reference(const glia_kargs *k)
{
    glia_unary_run(k, &(const glia_unary){NULL, NULL, NULL, glia_atanh});
}

/* sign * x^2 + number */
static glia_value square_plus(glia_graph *g, glia_value x, double sign, double number)
{
    glia_value square = glia_build_scale(g, glia_build_call(g, "mul", 2, x, x), sign);
    return glia_build_call(g, "add", 2, square, glia_build_scalar(g, x, number));
}

/* dy * (1 + y^2) */
static void tan_grad(glia_graph *g, const glia_node *n, const glia_value *dout, glia_value *din)
{
    din[0] = glia_build_call(g, "mul", 2, dout[0], square_plus(g, n->out[0], 1, 1));
}
static void sinh_grad(glia_graph *g, const glia_node *n, const glia_value *dout, glia_value *din)
{
    din[0] = glia_build_call(g, "mul", 2, dout[0], glia_build_call(g, "cosh", 1, n->in[0]));
}
static void cosh_grad(glia_graph *g, const glia_node *n, const glia_value *dout, glia_value *din)
{
    din[0] = glia_build_call(g, "mul", 2, dout[0], glia_build_call(g, "sinh", 1, n->in[0]));
}
/* The inverse ones divide by a quadratic, or by its root. */
static void atan_grad(glia_graph *g, const glia_node *n, const glia_value *dout, glia_value *din)
{
    din[0] = glia_build_call(g, "div", 2, dout[0], square_plus(g, n->in[0], 1, 1));
}
static void atanh_grad(glia_graph *g, const glia_node *n, const glia_value *dout, glia_value *din)
{
    din[0] = glia_build_call(g, "div", 2, dout[0], square_plus(g, n->in[0], -1, 1));
}
static glia_value over_root(glia_graph *g, glia_value dy, glia_value square)
{
    return glia_build_call(g, "div", 2, dy, glia_build_call(g, "sqrt", 1, square));
}
static void asin_grad(glia_graph *g, const glia_node *n, const glia_value *dout, glia_value *din)
{
    din[0] = over_root(g, dout[0], square_plus(g, n->in[0], -1, 1));
}
static void acos_grad(glia_graph *g, const glia_node *n, const glia_value *dout, glia_value *din)
{
    din[0] = glia_build_call(g, "neg", 1, over_root(g, dout[0], square_plus(g, n->in[0], -1, 1)));
}
static void asinh_grad(glia_graph *g, const glia_node *n, const glia_value *dout, glia_value *din)
{
    din[0] = over_root(g, dout[0], square_plus(g, n->in[0], 1, 1));
}
static void acosh_grad(glia_graph *g, const glia_node *n, const glia_value *dout, glia_value *din)
{
    din[0] = over_root(g, dout[0], square_plus(g, n->in[0], 1, -1));
}

#define TRIG(op, sampler)                                                                                    \
    const glia_op glia_op_##op = {.name = #op,                                                               \
                                  .signature = "x: F[..] -> y: like(x)",                                     \
                                  .traits = GLIA_INPLACE_0 | GLIA_ELEMENTWISE,                               \
                                  .infer = glia_infer_plain,                                                 \
                                  .grad = op##_grad,                                                         \
                                  .cost = trig_cost,                                                         \
                                  .reference = op##_reference,                                               \
                                  .sample = sampler}
TRIG(tan, near_sample);
TRIG(asin, near_sample);
TRIG(acos, near_sample);
TRIG(atan, far_sample);
TRIG(sinh, far_sample);
TRIG(cosh, far_sample);
TRIG(asinh, far_sample);
TRIG(acosh, above_sample);
TRIG(atanh, near_sample);
