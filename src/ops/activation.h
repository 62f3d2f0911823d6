/* The inner loop of elementwise ops with one or two inputs, shared by their families. The functions are
 * chosen by out[0]'s dtype: f64 in f64, every other float in f32, integers and booleans in i64 where given. A
 * form that the op's signature rules out may be null. */
#ifndef GLIA_OPS_ACTIVATION_H
#define GLIA_OPS_ACTIVATION_H

#include "ops/box.h"

typedef struct glia_unary {
    float (*f32)(float x, const glia_attr *a);
    double (*f64)(double x, const glia_attr *a);
    int64_t (*i64)(int64_t x, const glia_attr *a);
    double (*alone)(double x); /* instead of both float forms: narrower floats are its result rounded once */
} glia_unary;

void glia_unary_run(const glia_kargs *k, const glia_unary *f);

typedef struct glia_binary {
    float (*f32)(float x, float y);
    double (*f64)(double x, double y);
    int64_t (*i64)(int64_t x, int64_t y);
    uint64_t (*u64)(uint64_t x, uint64_t y); /* null: i64 serves u64 too (the low bits agree) */
} glia_binary;

/* Inputs broadcast against out[0]. */
void glia_binary_run(const glia_kargs *k, const glia_binary *f);

/* An elementwise op reads and writes every element of its box once; flops per element. */
void glia_elementwise_cost(const glia_kargs *k, double flops, glia_cost *out);

#endif
