/* What the operators of ai.onnx.ml share: attributes as arrays, the transforms of scores, and the second half of a
 * classifier: from scores to labels. */
#ifndef GLIA_NET_ML_H
#define GLIA_NET_ML_H

#include "net/emit.h"
#include "net/host.h"

/* In the order of TreeEnsemble's numbers. */
typedef enum {
    GLIA_ML_NONE,
    GLIA_ML_SOFTMAX,
    GLIA_ML_LOGISTIC,
    GLIA_ML_SOFTMAX_ZERO,
    GLIA_ML_PROBIT,
    GLIA_ML_POSTS
} glia_ml_post;
/* By name, -1: unknown. */
int glia_ml_post_named(const char *name);
/* Scores [n, c] in f32, transformed row by row. Softmax over one score would be 1: it stays as it is. */
glia_value glia_ml_transform(glia_emit *m, glia_value scores, glia_ml_post post);
/* The same of one row, in place. */
void glia_ml_transform_row(double *scores, int64_t count, glia_ml_post post);

/* FLOATS, or the tensor of f32 or f64 in NAME_as_tensor; widened into the emission's memory. Null where there is none
 * (*count 0), or where memory is missing (the emission has failed). */
const double *glia_ml_doubles(glia_emit *m, const char *name, int64_t *count);
const glia_onnx_attr *glia_ml_attr(glia_emit *m, const char *name, int32_t kind); /* of that kind, or null */
/* Numbers as a constant of a dtype. */
glia_value glia_ml_constant(glia_emit *m, glia_dtype t, int rank, const int64_t *dims, const double *v);
/* X as a matrix [n, f] of f32, or f64 where it was that; a vector is one row. Null: refused. */
glia_value glia_ml_matrix(glia_emit *m);
/* Memory of the emission, which fails when there is none. */
void *glia_ml_room(glia_emit *m, int64_t count, int64_t size);

/* Classes of scores [n, c]: outputs 0 (labels, i64) and 1 (scores in f32). The node has integer labels. How two
 * labels are told by one score is the classifier's: binary 0: by the largest score; 1: labels[1] where the score is
 * above `threshold`; of two labels scores become (1 - s, s) where `complement`, else (-s, s). LOGISTIC alone transforms
 * these, always from (-s, s), as implementations agree. */
typedef struct glia_ml_classes {
    const int64_t *labels;
    int64_t count;
    glia_ml_post post;
    bool binary, complement;
    double threshold;
} glia_ml_classes;
bool glia_ml_classify(glia_emit *m, glia_value scores, const glia_ml_classes *c);
/* Host form of a classifier whose labels are strings: runs the operator again with integers for labels, and puts the
 * strings in their places. */
glia_status glia_ml_host_strings(glia_host *h, const char *strings, const char *integers);

/* ml_tree.c, ml_svm.c, ml_label.c */
bool glia_emit_tree_ensemble(glia_emit *m);
bool glia_emit_tree_regressor(glia_emit *m);
bool glia_emit_tree_classifier(glia_emit *m);
glia_status glia_host_tree_classifier(glia_host *h);
glia_status glia_host_svm_classifier(glia_host *h);
glia_status glia_host_svm_regressor(glia_host *h);
glia_status glia_host_label_encoder(glia_host *h);
glia_status glia_host_category_mapper(glia_host *h);
glia_status glia_host_one_hot_encoder(glia_host *h);
glia_status glia_host_cast_map(glia_host *h);
glia_status glia_host_dict_vectorizer(glia_host *h);
glia_status glia_host_zip_map(glia_host *h);

#endif
