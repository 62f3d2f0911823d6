/* Support vector machines, on objects, in f64.
 *
 *     kernel(x, v): x.v,  (gamma x.v + coef0)^degree,  exp(-gamma |x - v|^2),  tanh(gamma x.v + coef0)
 *
 * A classifier of c classes has c (c - 1) / 2 decisions, of class i against class j > i, from the support vectors of
 * both, which vote; with prob_a and prob_b their sigmoids are coupled to probabilities (Wu, Lin and Weng 2004).
 * Without vectors_per_class it is linear: a row of coefficients for each class. */
#include "base/check.h"
#include "base/fmath.h"
#include "net/host_util.h"
#include "net/ml.h"

#include <math.h>
#include <string.h>

typedef struct machine {
    int kernel; /* 0 linear, 1 polynomial, 2 radial, 3 sigmoid */
    double gamma, shift, degree;
    const float *vectors, *coefficients, *rho, *prob_a, *prob_b;
    const int64_t *per_class;
    int64_t vector_count, coefficient_count, rho_count, features, classes, decisions;
    glia_ml_post post;
    glia_arena arena;
} machine;

static const float *floats(glia_host *h, const char *name, int64_t *count)
{
    const glia_onnx_attr *a = glia_host_attr_of(h, name, GLIA_ONNX_ATTR_FLOATS);
    *count = a ? a->count : 0;
    return a ? a->floats : NULL;
}

/* X as rows; what all machines have. */
static glia_status machine_read(glia_host *h, machine *s, const glia_object *x, int64_t *rows)
{
    static const char *const kernels[] = {"LINEAR", "POLY", "RBF", "SIGMOID"};
    const char *kernel = glia_host_string(h, "kernel_type", "LINEAR");
    const int post = glia_ml_post_named(glia_host_string(h, "post_transform", "NONE"));
    int64_t params;
    const float *p = floats(h, "kernel_params", &params);
    s->kernel = -1;
    for (int i = 0; i < GLIA_COUNT(kernels); i++)
        if (!strcmp(kernel, kernels[i])) s->kernel = i;
    if (s->kernel < 0 || post < 0) return glia_host_fail(h, "kernel_type `%.40s` or post_transform", kernel);
    if (x->rank != 1 && x->rank != 2) return glia_host_refuse(h, "rows of a tensor of rank %d", x->rank);
    s->post = (glia_ml_post)post;
    s->gamma = params > 0 ? (double)p[0] : 0;
    s->shift = params > 1 ? (double)p[1] : 0;
    s->degree = params > 2 ? (double)p[2] : 0;
    s->coefficients = floats(h, "coefficients", &s->coefficient_count);
    s->rho = floats(h, "rho", &s->rho_count);
    s->features = x->dims[x->rank - 1];
    *rows = x->rank == 2 ? x->dims[0] : 1;
    if (!s->coefficients || !s->rho || !s->rho_count)
        return glia_host_wrong(h, "G1046", "coefficients or rho are missing");
    return GLIA_OK;
}

static glia_status vectors_read(glia_host *h, machine *s)
{
    int64_t count, need;
    s->vectors = floats(h, "support_vectors", &count);
    if (glia_mul(s->vector_count, s->features, &need) && need == count) return GLIA_OK;
    return glia_host_wrong(h, "G1046", "support_vectors holds %lld numbers for %lld vectors of %lld features",
                           (long long)count, (long long)s->vector_count, (long long)s->features);
}

static double kernel_of(const machine *s, const double *x, const float *v)
{
    double dot = 0;
    for (int64_t i = 0; i < s->features; i++) {
        const double d = s->kernel == 2 ? x[i] - (double)v[i] : x[i] * (double)v[i];
        dot = s->kernel == 2 ? fma(d, d, dot) : dot + d;
    }
    if (s->kernel == 1) return glia_pow(s->gamma * dot + s->shift, s->degree);
    if (s->kernel == 2) return glia_exp(-s->gamma * dot);
    return s->kernel == 3 ? glia_tanh(s->gamma * dot + s->shift) : dot;
}

static void read_row(const machine *s, const glia_object *x, int64_t row, double *out)
{
    for (int64_t i = 0; i < s->features; i++) out[i] = glia_object_number(x, row * s->features + i);
}

/* ---- regression */

static double regress(const machine *s, const double *x, bool one_class)
{
    machine linear = *s;
    double sum = 0;
    linear.kernel = 0;
    if (!s->vector_count) sum = kernel_of(&linear, x, s->coefficients);
    for (int64_t i = 0; i < s->vector_count; i++)
        sum += (double)s->coefficients[i] * kernel_of(s, x, s->vectors + i * s->features);
    sum += (double)s->rho[0];
    return one_class ? sum > 0 ? 1 : -1 : sum;
}

glia_status glia_host_svm_regressor(glia_host *h)
{
    const glia_object *x = glia_host_need_numbers(h, 0);
    machine s = {.vector_count = glia_host_int(h, "n_supports", 0)};
    int64_t rows;
    void *data;
    if (!x) return glia_host_error(h)->status;
    glia_status status = machine_read(h, &s, x, &rows);
    if (!status && s.vector_count > 0) status = vectors_read(h, &s);
    if (status) return status;
    if (s.vector_count < 0 || s.coefficient_count != (s.vector_count ? s.vector_count : s.features))
        return glia_host_wrong(h, "G1046",
                               "coefficients has another length than support vectors or features");
    const int64_t dims[2] = {rows, 1};
    glia_object *y = glia_host_tensor(h, GLIA_F32, 2, dims, &data);
    glia_arena_init(&s.arena, glia_host_os(h), 0);
    double *row = y ? GLIA_NEW_ARRAY(&s.arena, double, s.features) : NULL;
    for (int64_t r = 0; row && r < rows; r++) {
        read_row(&s, x, r, row);
        double v = regress(&s, row, glia_host_int(h, "one_class", 0) != 0);
        glia_ml_transform_row(&v, 1, s.post == GLIA_ML_SOFTMAX ? GLIA_ML_NONE : s.post);
        ((float *)data)[r] = (float)v;
    }
    glia_arena_free(&s.arena);
    if (!row) {
        glia_object_release(y);
        return y ? glia_host_no_object(h) : glia_host_error(h)->status;
    }
    glia_host_set(h, 0, y);
    return GLIA_OK;
}

/* ---- classes */

typedef struct work {
    double *row, *kernels, *scores, *votes, *p, *q, *qp; /* p [c], q [c, c] */
    double *out;                                         /* [max(classes, decisions, 2)] */
} work;

/* Decisions of all pairs; positive ones are votes for the first class of the pair. */
static void decide(const machine *s, work *w)
{
    int64_t pair = 0, begin_i = 0;
    for (int64_t i = 0; i < s->vector_count; i++)
        w->kernels[i] = kernel_of(s, w->row, s->vectors + i * s->features);
    for (int64_t i = 0; i < s->classes; i++) w->votes[i] = 0;
    for (int64_t i = 0; i < s->classes; begin_i += s->per_class[i++]) {
        int64_t begin_j = begin_i + s->per_class[i];
        for (int64_t j = i + 1; j < s->classes; begin_j += s->per_class[j++], pair++) {
            double sum = 0;
            for (int64_t v = begin_i; v < begin_i + s->per_class[i]; v++)
                sum += (double)s->coefficients[(j - 1) * s->vector_count + v] * w->kernels[v];
            for (int64_t v = begin_j; v < begin_j + s->per_class[j]; v++)
                sum += (double)s->coefficients[i * s->vector_count + v] * w->kernels[v];
            w->scores[pair] = sum + (double)s->rho[pair];
            w->votes[w->scores[pair] > 0 ? i : j] += 1;
        }
    }
}

/* Pairwise probabilities r to one for each class: minimises sum over i, j of (r_ji p_i - r_ij p_j)^2. */
static void couple(int64_t k, const double *r, work *w)
{
    double *p = w->p, *q = w->q, *qp = w->qp;
    for (int64_t t = 0; t < k; t++) {
        p[t] = 1 / (double)k;
        q[t * k + t] = 0;
        for (int64_t j = 0; j < k; j++) {
            if (j == t) continue;
            q[t * k + t] += r[j * k + t] * r[j * k + t];
            q[t * k + j] = -r[j * k + t] * r[t * k + j];
        }
    }
    for (int64_t round = 0; round < glia_max(100, k); round++) {
        double all = 0, worst = 0;
        for (int64_t t = 0; t < k; t++) {
            qp[t] = 0;
            for (int64_t j = 0; j < k; j++) qp[t] += q[t * k + j] * p[j];
            all += p[t] * qp[t];
        }
        for (int64_t t = 0; t < k; t++) worst = fmax(worst, fabs(qp[t] - all));
        if (worst < 0.005 / (double)k) break;
        for (int64_t t = 0; t < k; t++) {
            const double step = (all - qp[t]) / q[t * k + t];
            p[t] += step;
            all = (all + step * (step * q[t * k + t] + 2 * qp[t])) / (1 + step) / (1 + step);
            for (int64_t j = 0; j < k; j++) {
                qp[j] = (qp[j] + step * q[t * k + j]) / (1 + step);
                p[j] /= 1 + step;
            }
        }
    }
}

/* Probabilities into w->out, by way of q's room behind the matrix. */
static void probabilities(const machine *s, work *w)
{
    const int64_t k = s->classes;
    double *r = w->q + k * k;
    for (int64_t i = 0, pair = 0; i < k; i++)
        for (int64_t j = i + 1; j < k; j++, pair++) {
            const double v = w->scores[pair] * (double)s->prob_a[pair] + (double)s->prob_b[pair];
            const double p = fmin(fmax(1 / (1 + glia_exp(v)), 1e-7), 1 - 1e-7);
            r[i * k + j] = p;
            r[j * k + i] = 1 - p;
        }
    couple(k, r, w);
    memcpy(w->out, w->p, (size_t)k * sizeof(double));
}

static int64_t largest(const double *v, int64_t count)
{
    int64_t best = 0;
    for (int64_t i = 1; i < count; i++)
        if (v[i] > v[best]) best = i;
    return best;
}

/* One row: its scores into w->out, transformed; returns the class. Two classes decided by one score get two. */
static int64_t classify_row(const machine *s, work *w, int64_t *count)
{
    int64_t best, scores = s->vector_count ? s->decisions : s->classes;
    glia_ml_post post = s->post;
    if (s->vector_count) {
        decide(s, w);
        memcpy(w->out, w->scores, (size_t)scores * sizeof(double));
        best = largest(w->votes, s->classes);
    } else {
        machine linear = *s;
        linear.kernel = 0;
        for (int64_t c = 0; c < s->classes; c++)
            w->out[c] = kernel_of(&linear, w->row, s->coefficients + c * s->features) + (double)s->rho[0];
        best = largest(w->out, s->classes);
    }
    const bool likely = s->prob_a && s->vector_count;
    if (likely) {
        probabilities(s, w);
        scores = s->classes;
    } else if (s->vector_count && s->classes == 2 && scores == 1) {
        const double v = w->out[0];
        w->out[1] = v;
        w->out[0] = post == GLIA_ML_NONE || post == GLIA_ML_LOGISTIC ? -v : 1 - v;
        scores = 2;
        if (post != GLIA_ML_LOGISTIC) post = GLIA_ML_NONE;
    }
    glia_ml_transform_row(w->out, scores, post);
    *count = scores;
    return best;
}

static bool work_new(machine *s, work *w)
{
    int64_t square, most = glia_max(glia_max(s->classes, s->decisions), 2);
    if (!glia_mul(s->classes, s->classes, &square) || !glia_mul(square, 2, &square)) return false;
    w->row = GLIA_NEW_ARRAY(&s->arena, double, s->features);
    w->kernels = GLIA_NEW_ARRAY(&s->arena, double, s->vector_count);
    w->scores = GLIA_NEW_ARRAY(&s->arena, double, most);
    w->votes = GLIA_NEW_ARRAY(&s->arena, double, s->classes);
    w->p = GLIA_NEW_ARRAY(&s->arena, double, s->classes);
    w->q = GLIA_NEW_ARRAY(&s->arena, double, square);
    w->qp = GLIA_NEW_ARRAY(&s->arena, double, s->classes);
    w->out = GLIA_NEW_ARRAY(&s->arena, double, most);
    return w->row && w->kernels && w->scores && w->votes && w->p && w->q && w->qp && w->out;
}

static glia_status classes_read(glia_host *h, machine *s, int64_t labels)
{
    const glia_onnx_attr *per = glia_host_attr_of(h, "vectors_per_class", GLIA_ONNX_ATTR_INTS);
    int64_t a, b;
    s->classes = glia_max(labels, 1);
    if (s->classes > 1 << 15) return glia_host_refuse(h, "more than 32768 classes");
    s->decisions = s->classes * (s->classes - 1) / 2;
    for (int64_t i = 0; per && i < per->count; i++)
        if (!glia_add(s->vector_count, per->ints[i], &s->vector_count))
            return glia_host_wrong(h, "G1046", "vectors_per_class");
    s->prob_a = floats(h, "prob_a", &a);
    s->prob_b = floats(h, "prob_b", &b);
    if (!a) s->prob_a = NULL;
    if (!s->vector_count) {
        if (s->coefficient_count != s->classes * s->features)
            return glia_host_wrong(h, "G1046", "coefficients has another length than classes times features");
        return GLIA_OK;
    }
    s->per_class = per->ints;
    if (per->count != s->classes || s->coefficient_count / s->vector_count != s->classes - 1 ||
        s->coefficient_count % s->vector_count || s->rho_count < s->decisions || !s->decisions ||
        (s->prob_a && (a < s->decisions || b < s->decisions)))
        return glia_host_wrong(h, "G1046", "tables of a machine of %lld classes differ in length",
                               (long long)s->classes);
    return vectors_read(h, s);
}

/* Labels are numbers or strings; without any, classes are numbered. */
static bool put_label(glia_object *o, int64_t row, int64_t class, const glia_onnx_attr *ints,
                      const glia_onnx_attr *texts)
{
    if (texts) return glia_object_put_string(o, row, texts->strings[class].text, texts->strings[class].size);
    ((int64_t *)o->data)[row] = ints ? ints->ints[class] : class;
    return true;
}

static glia_status svm_rows(glia_host *h, machine *s, const glia_object *x, int64_t rows)
{
    const glia_onnx_attr *ints = glia_host_attr_of(h, "classlabels_ints", GLIA_ONNX_ATTR_INTS);
    const glia_onnx_attr *texts = glia_host_attr_of(h, "classlabels_strings", GLIA_ONNX_ATTR_STRINGS);
    if (texts && !texts->count) texts = NULL;
    if (ints && !ints->count) ints = NULL;
    glia_status status = classes_read(h, s, texts ? texts->count : ints ? ints->count : 0);
    const bool pairs = s->vector_count && !(s->prob_a) && s->classes != 2;
    const int64_t width = pairs ? s->decisions : s->classes, dims[2] = {rows, width};
    work w;
    void *scores;
    if (status) return status;
    glia_object *z = glia_host_tensor(h, GLIA_F32, 2, dims, &scores), *y = NULL;
    if (z)
        y = texts ? glia_host_strings(h, 1, dims) : glia_host_tensor(h, GLIA_I64, 1, dims, &(void *){NULL});
    bool good = y && work_new(s, &w);
    for (int64_t r = 0; good && r < rows; r++) {
        int64_t count;
        read_row(s, x, r, w.row);
        good = put_label(y, r, classify_row(s, &w, &count), ints, texts);
        for (int64_t i = 0; i < width && i < count; i++) ((float *)scores)[r * width + i] = (float)w.out[i];
    }
    if (good) {
        glia_host_set(h, 0, y);
        glia_host_set(h, 1, z);
        return GLIA_OK;
    }
    glia_object_release(y);
    glia_object_release(z);
    return glia_host_no_object(h);
}

glia_status glia_host_svm_classifier(glia_host *h)
{
    const glia_object *x = glia_host_need_numbers(h, 0);
    machine s = {0};
    int64_t rows;
    if (!x) return glia_host_error(h)->status;
    glia_status status = machine_read(h, &s, x, &rows);
    if (status) return status;
    glia_arena_init(&s.arena, glia_host_os(h), 0);
    status = svm_rows(h, &s, x, rows);
    glia_arena_free(&s.arena);
    return status;
}
