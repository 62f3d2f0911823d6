/* ai.onnx.ml: the operators on numbers are nodes of a plan; those with strings and maps run on objects (ml_label.c). */
#include "net/ml.h"

#include "base/check.h"
#include "net/emitter.h"
#include "net/ops_words.h"

#include <math.h>
#include <string.h>

static bool set(glia_emit *m, glia_value v)
{
    glia_emit_set(m, 0, v);
    return true;
}

static bool emit_binarizer(glia_emit *m)
{
    glia_value x = glia_emit_in(m, 0);
    const double threshold = glia_emit_float(m, "threshold", 0);
    glia_value wide = glia_word_is_int(glia_emit_dtype(m, x)) ? glia_emit_cast(m, x, GLIA_F64) : x;
    return set(m, glia_emit_cast(m, glia_emit_with(m, "gt", wide, threshold), glia_emit_dtype(m, x)));
}

/* FLOATS or INTS as a constant along the last axis: one for each feature, or one for all. Null: failed. */
static glia_value per_feature(glia_emit *m, const char *name, glia_value x, glia_dtype t)
{
    const int64_t features = glia_emit_dim(m, x, -1);
    int64_t count;
    const double *v = glia_ml_doubles(m, name, &count);
    const glia_onnx_attr *ints = glia_ml_attr(m, name, GLIA_ONNX_ATTR_INTS);
    if (ints && ints->count && (ints->count == 1 || ints->count == features))
        return glia_emit_cast(m, glia_emit_int_vector(m, ints->ints, (int)ints->count), t);
    const int64_t dims[1] = {count};
    if (v && (count == 1 || count == features)) return glia_ml_constant(m, t, 1, dims, v);
    if (!m->status)
        glia_emit_fail(m, "%s has neither one entry nor one for each of the %lld features", name,
                       (long long)features);
    return (glia_value){0};
}

static bool emit_imputer(glia_emit *m)
{
    glia_value x = glia_emit_in(m, 0);
    const glia_dtype t = glia_emit_dtype(m, x);
    const bool whole = glia_word_is_int(t);
    const double replaced = glia_emit_float(m, "replaced_value_float", 0);
    glia_value is = !whole && replaced != replaced ? glia_emit_binary(m, "ne", x, x) : (glia_value){0};
    glia_value v = per_feature(m, whole ? "imputed_value_int64s" : "imputed_value_floats", x, t);
    if (!v.id) return false;
    const int64_t number = glia_emit_int(m, "replaced_value_int64", 0);
    const glia_value gone = whole ? glia_emit_cast(m, glia_emit_constant(m, GLIA_I64, 0, NULL, &number), t)
                                  : glia_emit_scalar(m, t, replaced);
    if (!is.id) is = glia_emit_binary(m, "eq", x, gone);
    return set(m, glia_word_where(m, is, v, x));
}

static bool emit_scaler(glia_emit *m)
{
    glia_value x = glia_emit_in(m, 0);
    if (glia_emit_dtype(m, x) != GLIA_F64) x = glia_emit_cast(m, x, GLIA_F32);
    const glia_dtype t = glia_emit_dtype(m, x);
    const bool moves = glia_emit_has_attr(m, "offset"), scales = glia_emit_has_attr(m, "scale");
    if (moves) x = glia_emit_binary(m, "sub", x, per_feature(m, "offset", x, t));
    if (scales && x.id) x = glia_emit_binary(m, "mul", x, per_feature(m, "scale", x, t));
    return x.id && set(m, glia_emit_cast(m, x, GLIA_F32));
}

/* Rows over their largest size, sum of sizes, or length; rows of zeros stay. */
static bool emit_normalizer(glia_emit *m)
{
    const char *norm = glia_emit_string(m, "norm", "MAX");
    glia_value x = glia_emit_in(m, 0), by;
    const int rank = glia_emit_rank(m, x);
    const int64_t axes[1] = {rank - 1};
    if (rank < 1) return glia_emit_fail(m, "a scalar has no rows");
    if (glia_emit_dtype(m, x) != GLIA_F64) x = glia_emit_cast(m, x, GLIA_F32);
    glia_value size = glia_word_1(m, "abs", x);
    if (!strcmp(norm, "MAX")) by = glia_word_reduce(m, "reduce_max", size, axes, 1, true);
    else if (!strcmp(norm, "L1")) by = glia_word_reduce(m, "sum", size, axes, 1, true);
    else if (!strcmp(norm, "L2"))
        by = glia_word_1(m, "sqrt", glia_word_reduce(m, "sum_squares", x, axes, 1, true));
    else return glia_emit_fail(m, "norm `%.40s`", norm);
    glia_value none = glia_emit_with(m, "eq", by, 0), one = glia_emit_scalar(m, glia_emit_dtype(m, x), 1);
    x = glia_emit_binary(m, "div", x, glia_word_where(m, none, one, by));
    return set(m, glia_emit_cast(m, x, GLIA_F32));
}

/* Inputs side by side as f32, the first inputdimensions[i] columns of each. */
static bool emit_feature_vectorizer(glia_emit *m)
{
    const glia_onnx_attr *widths = glia_ml_attr(m, "inputdimensions", GLIA_ONNX_ATTR_INTS);
    const int count = glia_emit_in_count(m);
    glia_value *in = glia_ml_room(m, count, (int64_t)sizeof *in);
    for (int i = 0; in && i < count; i++) {
        glia_value x = glia_emit_in(m, i);
        const int rank = glia_emit_rank(m, x);
        if (!x.id) return false;
        if (rank < 1) return glia_emit_fail(m, "input %d is a scalar", i);
        const int64_t rows = rank == 1 ? 1 : glia_emit_dim(m, x, 0);
        const int64_t dims[2] = {rows, rows ? glia_emit_elements(m, x) / rows : 0};
        const int64_t width = widths && i < widths->count ? widths->ints[i] : dims[1];
        if (width < 0 || width > dims[1])
            return glia_emit_refuse(m, "input %d has fewer columns than inputdimensions says", i);
        x = glia_emit_reshape(m, glia_emit_cast(m, x, GLIA_F32), 2, dims);
        in[i] = glia_emit_slice(m, x, 1, 0, width);
    }
    return in && set(m, glia_emit_concat(m, 1, count, in));
}

/* Columns of the last axis, by their numbers; a vector is one row. */
static bool emit_array_feature_extractor(glia_emit *m)
{
    glia_value x = glia_emit_in(m, 0), at = glia_emit_in(m, 1);
    const int rank = glia_emit_rank(m, x);
    const int64_t flat[1] = {glia_emit_elements(m, at)};
    if (!x.id || !at.id) return false;
    if (rank < 1) return glia_emit_fail(m, "features of a scalar");
    const glia_attr_arg range[] = {GLIA_INT("max", glia_emit_dim(m, x, -1)), {0}},
                        axis[] = {GLIA_INT("axis", rank - 1), {0}};
    at = glia_emit_reshape(m, glia_emit_cast(m, at, GLIA_I64), 1, flat);
    x = glia_emit_node(m, "gather", axis, 2, x, glia_emit_node(m, "guard_range", range, 1, at));
    const int64_t row[2] = {1, flat[0]};
    return set(m, rank == 1 ? glia_emit_reshape(m, x, 2, row) : x);
}

/* X times coefficients [targets, f], plus intercepts. */
static glia_value linear(glia_emit *m, glia_value x, int64_t targets)
{
    int64_t count, offsets;
    const double *w = glia_ml_doubles(m, "coefficients", &count),
                 *b = glia_ml_doubles(m, "intercepts", &offsets);
    const int64_t features = glia_emit_dim(m, x, 1), dims[2] = {targets, features}, row[1] = {offsets};
    const glia_dtype t = glia_emit_dtype(m, x);
    if (!x.id || m->status) return (glia_value){0};
    if (!w || targets < 1 || features < 1 || count / targets != features || count % targets) {
        glia_emit_fail(m, "%lld coefficients for %lld targets and %lld features", (long long)count,
                       (long long)targets, (long long)features);
        return (glia_value){0};
    }
    glia_value y = glia_emit_node(m, "linear", NULL, 2, x, glia_ml_constant(m, t, 2, dims, w));
    if (!b) return y;
    if (offsets == targets || offsets == 1)
        return glia_emit_binary(m, "add", y, glia_ml_constant(m, t, 1, row, b));
    glia_emit_fail(m, "%lld intercepts for %lld targets", (long long)offsets, (long long)targets);
    return (glia_value){0};
}

static int post_of(glia_emit *m)
{
    const int post = glia_ml_post_named(glia_emit_string(m, "post_transform", "NONE"));
    if (post < 0) glia_emit_fail(m, "post_transform `%.40s`", glia_emit_string(m, "post_transform", ""));
    return post;
}

static bool emit_linear_regressor(glia_emit *m)
{
    const int post = post_of(m);
    glia_value y = post < 0 ? (glia_value){0} : linear(m, glia_ml_matrix(m), glia_emit_int(m, "targets", 1));
    return y.id && set(m, glia_ml_transform(m, glia_emit_cast(m, y, GLIA_F32), (glia_ml_post)post));
}

static bool emit_linear_classifier(glia_emit *m)
{
    const glia_onnx_attr *labels = glia_ml_attr(m, "classlabels_ints", GLIA_ONNX_ATTR_INTS);
    if (!labels || !labels->count) {
        const glia_onnx_attr *texts = glia_ml_attr(m, "classlabels_strings", GLIA_ONNX_ATTR_STRINGS);
        if (texts && texts->count) return glia_emit_host(m, "its labels are strings");
    }
    glia_value x = glia_ml_matrix(m);
    const int post = post_of(m);
    int64_t count;
    if (!x.id || post < 0 || !glia_ml_doubles(m, "coefficients", &count)) return false;
    const int64_t features = glia_emit_dim(m, x, 1), targets = features ? count / features : 0;
    glia_value y = linear(m, x, targets);
    if (!y.id) return false;
    y = glia_emit_cast(m, y, GLIA_F32);
    /* Without labels, classes are numbered. */
    const int64_t given = labels ? labels->count : 0, classes = given ? given : targets;
    int64_t *numbers = glia_ml_room(m, glia_max(classes, 2), (int64_t)sizeof *numbers);
    if (!numbers) return false;
    for (int64_t i = 0; i < classes; i++) numbers[i] = given ? labels->ints[i] : i;
    glia_ml_classes c = {
        .labels = numbers, .count = classes, .post = (glia_ml_post)post, .binary = targets == 1};
    if (classes == 1) numbers[1] = given ? labels->ints[0] : 1, numbers[0] = 0;
    if (!c.binary && classes < targets) return glia_emit_fail(m, "fewer labels than rows of coefficients");
    return glia_ml_classify(m, y, &c);
}

static glia_status host_linear_classifier(glia_host *h)
{
    return glia_ml_host_strings(h, "classlabels_strings", "classlabels_ints");
}

const glia_net_op glia_net_ops_ml[] = {
    {"ai.onnx.ml", "ArrayFeatureExtractor", emit_array_feature_extractor, NULL, GLIA_NET_MOVES},
    {"ai.onnx.ml", "Binarizer", emit_binarizer, NULL, 0},
    {"ai.onnx.ml", "CastMap", NULL, glia_host_cast_map, 0},
    {"ai.onnx.ml", "CategoryMapper", NULL, glia_host_category_mapper, 0},
    {"ai.onnx.ml", "DictVectorizer", NULL, glia_host_dict_vectorizer, 0},
    {"ai.onnx.ml", "FeatureVectorizer", emit_feature_vectorizer, NULL, 0},
    {"ai.onnx.ml", "Imputer", emit_imputer, NULL, 0},
    {"ai.onnx.ml", "LabelEncoder", NULL, glia_host_label_encoder, 0},
    {"ai.onnx.ml", "LinearClassifier", emit_linear_classifier, host_linear_classifier, 0},
    {"ai.onnx.ml", "LinearRegressor", emit_linear_regressor, NULL, 0},
    {"ai.onnx.ml", "Normalizer", emit_normalizer, NULL, 0},
    {"ai.onnx.ml", "OneHotEncoder", NULL, glia_host_one_hot_encoder, 0},
    {"ai.onnx.ml", "SVMClassifier", NULL, glia_host_svm_classifier, 0},
    {"ai.onnx.ml", "SVMRegressor", NULL, glia_host_svm_regressor, 0},
    {"ai.onnx.ml", "Scaler", emit_scaler, NULL, 0},
    {"ai.onnx.ml", "TreeEnsemble", glia_emit_tree_ensemble, NULL, 0},
    {"ai.onnx.ml", "TreeEnsembleClassifier", glia_emit_tree_classifier, glia_host_tree_classifier, 0},
    {"ai.onnx.ml", "TreeEnsembleRegressor", glia_emit_tree_regressor, NULL, 0},
    {"ai.onnx.ml", "ZipMap", NULL, glia_host_zip_map, 0},
    {0},
};
