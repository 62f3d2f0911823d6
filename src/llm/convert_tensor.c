/* The converter's tensors: each name of the checkpoint finds its row in the architecture's table, and the
 * rows of each tensor are made as they are written, from as little of the source as they need.
 *
 * A vector is a matrix of one column here, so that what is done to rows (interleaving, halves) is done to its
 * elements. */
#include "llm/convert.h"

#include "base/check.h"
#include "format/file.h"
#include "tensor/dtype.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { NAME_MAX_BYTES = 256, TRANSPOSED_ELEMENTS = 1 << 18 };

/* ---- names ------------------------------------------------------------------------------------------ */

static bool number_at(const char **text, int64_t *out)
{
    const char *c = *text;
    int64_t n = 0;
    for (; *c >= '0' && *c <= '9' && c - *text < 6; c++) n = n * 10 + (*c - '0');
    if (c == *text || (c[0] >= '0' && c[0] <= '9') || (**text == '0' && c - *text > 1)) return false;
    *text = c;
    *out = n;
    return true;
}

/* Whether `name` is of the pattern; *part is 1 where '*' stands for `bias`. */
static bool matches(const char *pattern, const char *name, int64_t *layer, int64_t *expert, int *part)
{
    *layer = -1;
    *expert = 0;
    *part = 0;
    for (; *pattern; pattern++) {
        if (*pattern == '#' || *pattern == '@') {
            if (!number_at(&name, *pattern == '#' ? layer : expert)) return false;
        } else if (*pattern == '*') {
            *part = !strcmp(name, "bias");
            return *part || !strcmp(name, "weight");
        } else if (*pattern != *name++) {
            return false;
        }
    }
    return !*name;
}

/* The goal's name: '#' and '*' filled in. */
static const char *goal_name(glia_converter *c, const glia_convert_row *row, int64_t layer, int part)
{
    char name[NAME_MAX_BYTES];
    size_t n = 0;
    for (const char *p = row->to; *p && n + 24 < sizeof name; p++) {
        if (*p == '#') n += (size_t)snprintf(name + n, 24, "%lld", (long long)layer);
        else if (*p == '*') n += (size_t)snprintf(name + n, 24, "%s", part ? "bias" : "weight");
        else name[n++] = *p;
    }
    name[n] = 0;
    const char *kept = glia_arena_strndup(&c->arena, name, (int64_t)n);
    if (!kept) glia_convert_fail(c, GLIA_E_NOMEM, "G0801", "no memory for a tensor's name");
    return kept;
}

static const char *without_prefix(const glia_converter *c, const char *name)
{
    for (const char *at = c->arch->prefixes; *at;) {
        size_t n = strcspn(at, "|");
        if (n && !strncmp(name, at, n)) return name + n;
        at += n + (at[n] == '|');
    }
    return name;
}

/* ---- finding ---------------------------------------------------------------------------------------- */

static glia_convert_tensor **slot_of(glia_converter *c, int64_t layer, int64_t row, int part)
{
    return &c->slots[((layer + 1) * c->row_count + row) * 2 + part];
}

static void wrong_shape(glia_converter *c, const glia_safetensors_tensor *t)
{
    glia_convert_fail(c, GLIA_E_SHAPE, "G0533",
                      "tensor `%.160s` has a shape or a type that its place does not take", t->name);
}

static bool is_float(glia_dtype t) { return (glia_dtype_get(t)->classes & GLIA_CLASS_FLOAT) != 0; }

/* blocks u8 [E, n, k / 32, 16] and scales u8 [E, n, k / 32] */
static void take_mxfp4(glia_converter *c, glia_convert_tensor *t, const glia_safetensors_tensor *blocks)
{
    size_t n = strlen(blocks->name);
    char *name = glia_arena_printf(&c->arena, "%.*sscales", (int)(n - 6), blocks->name);
    const glia_safetensors_tensor *scales = name ? glia_safetensors_find(c->weights, name) : NULL;
    t->sources = GLIA_NEW_ARRAY(&c->arena, const glia_safetensors_tensor *, 2);
    if (!scales) {
        glia_convert_fail(c, GLIA_E_NOT_FOUND, "G0532", "tensor `%.160s` has no `_scales` beside it",
                          blocks->name);
        return;
    }
    bool fits = blocks->dtype == GLIA_U8 && scales->dtype == GLIA_U8 && blocks->rank == 4 &&
                scales->rank == 3 && blocks->dims[3] == 16 &&
                !memcmp(blocks->dims, scales->dims, 3 * sizeof blocks->dims[0]);
    if (!fits || !t->sources) {
        wrong_shape(c, blocks);
        return;
    }
    t->sources[0] = blocks;
    t->sources[1] = scales;
    t->source_count = 2;
    t->matrices = blocks->dims[0];
    t->rows = blocks->dims[1];
    t->k = 32 * blocks->dims[2];
    t->rank = 3;
    t->dtype = GLIA_MXFP4;
}

/* The source's own matrices, before rows are chosen. */
static void take_shape(glia_converter *c, glia_convert_tensor *t, const glia_safetensors_tensor *s, int part)
{
    bool stacked = t->row->how & GLIA_CONVERT_STACK;
    int rank = s->rank;
    bool vector = part == 1 || rank == 1 || strstr(t->name, ".bias") != NULL;
    if (!is_float(s->dtype) || rank < 1 || rank > 3 || (vector && rank > 2) || (stacked && rank != 2)) {
        wrong_shape(c, s);
        return;
    }
    t->k = vector ? 1 : s->dims[rank - 1];
    t->rows = vector ? s->dims[rank - 1] : s->dims[rank - 2];
    t->matrices = stacked ? c->experts : vector ? (rank == 2 ? s->dims[0] : 1) : rank == 3 ? s->dims[0] : 1;
    t->rank = stacked ? 3 : rank;
    if ((t->row->how & GLIA_CONVERT_TRANSPOSE) && !vector) {
        int64_t rows = t->rows;
        t->rows = t->k;
        t->k = rows;
    }
}

static void choose_rows(glia_converter *c, glia_convert_tensor *t, const glia_safetensors_tensor *s)
{
    int how = t->row->how;
    if (t->rows < 1 || t->k < 1 || t->matrices < 1) wrong_shape(c, s);
    if (how & (GLIA_CONVERT_FIRST | GLIA_CONVERT_LAST | GLIA_CONVERT_EVEN | GLIA_CONVERT_ODD)) {
        if (t->rows % 2) wrong_shape(c, s);
        t->rows /= 2;
    }
    if (how & (GLIA_CONVERT_PAIRS_Q | GLIA_CONVERT_PAIRS_K)) {
        t->heads = how & GLIA_CONVERT_PAIRS_Q ? c->heads : c->groups;
        if (t->rows % (2 * t->heads)) wrong_shape(c, s);
    }
}

static void set_type(glia_converter *c, glia_convert_tensor *t)
{
    bool fallback, vector = t->k == 1;
    const int64_t dims[3] = {t->matrices, vector ? 1 : t->rows, vector ? t->rows : t->k};
    int rank = vector ? t->rank : glia_max(t->rank, 2) == 3 ? 3 : 2;
    if (vector && rank == 2) memcpy(t->dims, (int64_t[2]){t->matrices, t->rows}, 2 * sizeof(int64_t));
    else memcpy(t->dims, dims + 3 - rank, (size_t)rank * sizeof dims[0]);
    t->rank = rank;
    if (t->row->how & GLIA_CONVERT_MXFP4) {
        if (!glia_dtype_row_bytes(t->dtype, t->k, &t->unit_bytes))
            glia_convert_fail(c, GLIA_E_SHAPE, "G0533", "tensor `%.160s` is too large", t->name);
        return;
    }
    t->dtype = GLIA_F32;
    if (!vector && glia_mix_changes(t->name, rank, t->dims)) {
        const glia_mix_model plain = {.layers = c->layers, .output = true, .pure = true};
        t->dtype = glia_mix_choose(c->mix, &plain, t->name, rank, t->dims, 0, &fallback);
    }
    if (!glia_dtype_row_bytes(t->dtype, vector ? t->rows : t->k, &t->unit_bytes))
        glia_convert_fail(c, GLIA_E_SHAPE, "G0533", "tensor `%.160s` is too large", t->name);
}

static void place(glia_converter *c, const glia_safetensors_tensor *s, int64_t row, int64_t layer,
                  int64_t expert, int part)
{
    const glia_convert_row *r = &c->arch->rows[row];
    glia_convert_tensor **slot = slot_of(c, layer, row, part);
    if (expert >= glia_max(c->experts, 1)) {
        glia_convert_fail(c, GLIA_E_FORMAT, "G0531", "tensor `%.160s`: config.json has %lld experts", s->name,
                          (long long)c->experts);
        return;
    }
    bool first = !*slot;
    if (first) {
        *slot = GLIA_NEW(&c->arena, glia_convert_tensor);
        const char *name = goal_name(c, r, layer, part);
        if (!*slot || !name) {
            glia_convert_fail(c, GLIA_E_NOMEM, "G0801", "no memory for the list of tensors");
            return;
        }
        **slot = (glia_convert_tensor){.name = name, .row = r};
    }
    glia_convert_tensor *t = *slot;
    if (!first && !(r->how & GLIA_CONVERT_STACK)) {
        glia_convert_fail(c, GLIA_E_FORMAT, "G0531",
                          "tensor `%.160s` would be `%s`, which another is already", s->name, t->name);
        return;
    }
    if (r->how & GLIA_CONVERT_MXFP4) {
        take_mxfp4(c, t, s);
    } else if (first) {
        take_shape(c, t, s, part);
        t->source_count = r->how & GLIA_CONVERT_STACK ? c->experts : 1;
        t->sources = GLIA_NEW_ARRAY(&c->arena, const glia_safetensors_tensor *, t->source_count);
        if (!t->sources) glia_convert_fail(c, GLIA_E_NOMEM, "G0801", "no memory for the list of tensors");
    } else if (!is_float(s->dtype) || s->rank != 2 || s->dims[0] != t->rows || s->dims[1] != t->k ||
               t->sources[expert]) {
        wrong_shape(c, s);
    }
    if (c->status) return;
    if (!(r->how & GLIA_CONVERT_MXFP4)) t->sources[expert] = s;
    if (first) choose_rows(c, t, s);
    if (first && !c->status) set_type(c, t);
}

static void find_rows(glia_converter *c, const glia_safetensors_tensor *s)
{
    const char *name = without_prefix(c, s->name);
    int64_t layer = -1, expert = 0;
    int part = 0;
    bool found = false;
    for (int64_t i = 0; i < c->row_count && !c->status; i++) {
        const glia_convert_row *r = &c->arch->rows[i];
        bool branch = r->to == NULL && strchr(r->from, '*') && !strncmp(name, r->from, strcspn(r->from, "*"));
        if (!branch && !matches(r->from, name, &layer, &expert, &part)) continue;
        found = true;
        if ((r->how & GLIA_CONVERT_SKIP) || ((r->how & GLIA_CONVERT_UNTIED) && c->tied)) continue;
        if (layer >= c->layers)
            glia_convert_fail(c, GLIA_E_FORMAT, "G0531", "tensor `%.160s`: config.json has %lld layers",
                              s->name, (long long)c->layers);
        else place(c, s, i, layer, expert, part);
    }
    if (!found)
        glia_convert_fail(c, GLIA_E_UNSUPPORTED, "G0531",
                          "tensor `%.160s` has no place in architecture `%s` here", s->name, c->arch->name);
}

/* ---- completeness ----------------------------------------------------------------------------------- */

static bool by_layer(const glia_convert_row *r) { return strchr(r->to, '#') != NULL; }

/* The tensor of that goal, by whichever row. */
static glia_convert_tensor *reached(glia_converter *c, int64_t layer, const char *to, int part, int *times)
{
    glia_convert_tensor *t = NULL;
    *times = 0;
    for (int64_t i = 0; i < c->row_count; i++) {
        const glia_convert_row *r = &c->arch->rows[i];
        if (!r->to || strcmp(r->to, to) || !*slot_of(c, layer, i, part)) continue;
        t = *slot_of(c, layer, i, part);
        ++*times;
    }
    return t;
}

static void append(glia_converter *c, const glia_convert_tensor *t)
{
    glia_convert_tensor *grown = glia_arena_grow(&c->arena, c->tensors, c->count, &c->capacity, sizeof *t);
    if (!grown) {
        glia_convert_fail(c, GLIA_E_NOMEM, "G0801", "no memory for the list of tensors");
        return;
    }
    c->tensors = grown;
    c->tensors[c->count++] = *t;
}

static void check_stack(glia_converter *c, const glia_convert_tensor *t)
{
    for (int64_t i = 0; i < t->source_count && !c->status; i++)
        if (!t->sources[i])
            glia_convert_fail(c, GLIA_E_NOT_FOUND, "G0532", "expert %lld of `%s` is missing", (long long)i,
                              t->name);
}

static void gather(glia_converter *c, int64_t layer, const glia_convert_row *r, int part)
{
    int times, in_first;
    glia_convert_tensor *t = reached(c, layer, r->to, part, &times);
    bool has_first = reached(c, glia_min(layer, 0), r->to, part, &in_first) != NULL;
    if (times > 1) glia_convert_fail(c, GLIA_E_FORMAT, "G0531", "two tensors would be `%s`", t->name);
    else if (!t && (part == 0 || has_first) && !((r->how & GLIA_CONVERT_UNTIED) && c->tied))
        glia_convert_fail(c, GLIA_E_NOT_FOUND, "G0532", "no tensor becomes `%s`, which `%s` needs (`%s`)",
                          goal_name(c, r, layer, part), c->arch->name, r->from);
    else if (t && part && !has_first)
        glia_convert_fail(c, GLIA_E_FORMAT, "G0532", "`%s` is there, the first layer has no such bias",
                          t->name);
    if (!t || c->status) return;
    check_stack(c, t);
    if (!c->status) append(c, t);
}

void glia_convert_plan(glia_converter *c)
{
    const glia_convert_row *rows = c->arch->rows;
    while (rows[c->row_count].from) c->row_count++;
    c->slot_count = (c->layers + 1) * c->row_count * 2;
    c->slots = GLIA_NEW_ARRAY(&c->arena, glia_convert_tensor *, c->slot_count);
    if (!c->slots) glia_convert_fail(c, GLIA_E_NOMEM, "G0801", "no memory for the list of tensors");
    for (int64_t i = 0; i < glia_safetensors_count(c->weights) && !c->status; i++)
        find_rows(c, glia_safetensors_at(c->weights, i));
    for (int64_t layer = -1; layer < c->layers; layer++) {
        for (int64_t i = 0; i < c->row_count && !c->status; i++) {
            bool seen = !rows[i].to || by_layer(&rows[i]) != (layer >= 0);
            for (int64_t k = 0; k < i && !seen; k++) seen = rows[k].to && !strcmp(rows[k].to, rows[i].to);
            if (seen) continue;
            gather(c, layer, &rows[i], 0);
            if (!c->status && strchr(rows[i].to, '*')) gather(c, layer, &rows[i], 1);
        }
    }
}

void glia_convert_add_values(glia_converter *c, const char *name, const float *values, int64_t count)
{
    glia_convert_tensor t = {.name = name,
                             .values = values,
                             .dtype = GLIA_F32,
                             .rank = 1,
                             .dims = {count},
                             .matrices = 1,
                             .rows = count,
                             .k = 1,
                             .unit_bytes = 4 * count};
    append(c, &t);
}

/* ---- rows ------------------------------------------------------------------------------------------- */

/* Row i of a matrix that is written, as a row of the source's matrix. */
static int64_t source_row(const glia_convert_tensor *t, int64_t i)
{
    int how = t->row->how;
    if (how & GLIA_CONVERT_LAST) return t->rows + i;
    if (how & GLIA_CONVERT_EVEN) return 2 * i;
    if (how & GLIA_CONVERT_ODD) return 2 * i + 1;
    if (!t->heads) return i;
    int64_t head = t->rows / t->heads, at = i % head;
    return i - at + at % 2 * (head / 2) + at / 2;
}

/* Rows that the source's matrices have. */
static int64_t source_rows(const glia_convert_tensor *t)
{
    const int half = GLIA_CONVERT_FIRST | GLIA_CONVERT_LAST | GLIA_CONVERT_EVEN | GLIA_CONVERT_ODD;
    return t->row->how & half ? 2 * t->rows : t->rows;
}

static bool room(glia_converter *c, int64_t raw_bytes, int64_t elements)
{
    if (raw_bytes > c->raw_bytes) {
        c->raw = glia_arena_alloc(&c->arena, raw_bytes, 64);
        c->raw_bytes = c->raw ? raw_bytes : 0;
    }
    if (elements > c->row_elements) {
        c->row = glia_arena_array(&c->arena, elements, sizeof(float), 64);
        c->row_elements = c->row ? elements : 0;
    }
    return c->raw_bytes >= raw_bytes && c->row_elements >= elements;
}

static glia_status no_memory(glia_error *e)
{
    return glia_fail(e, GLIA_E_NOMEM, "G0801", "no memory for rows");
}

/* `count` elements of a source from element `from`, as f32. */
static glia_status read_elements(glia_converter *c, const glia_safetensors_tensor *s, int64_t from,
                                 int64_t count, float *to, glia_error *e)
{
    int64_t each = glia_dtype_get(s->dtype)->block_bytes;
    glia_status st = glia_safetensors_read(c->weights, s, from * each, count * each, c->raw, e);
    if (!st) glia_dtype_get(s->dtype)->decode(c->raw, to, count);
    return st;
}

static glia_status encode_rows(glia_converter *c, const glia_convert_tensor *t, const float *rows,
                               int64_t count, int64_t k, uint8_t *to, glia_error *e)
{
    float most = t->dtype == GLIA_F32 || t->dtype == GLIA_BF16 ? 3.4028235e38f : 65504.0f;
    (void)c;
    for (int64_t i = 0; i < count * k; i++)
        if (!(fabsf(rows[i]) <= most))
            return glia_fail(e, GLIA_E_FORMAT, "G0522",
                             "tensor `%.160s` has the weight %g, which %s cannot hold", t->name,
                             (double)rows[i], glia_dtype_name(t->dtype));
    for (int64_t i = 0; i < count; i++)
        glia_dtype_get(t->dtype)->encode(rows + i * k, to + i * t->unit_bytes, k, NULL);
    return GLIA_OK;
}

/* The whole vector, or one of several: element i of matrix m. */
static glia_status make_vector(glia_converter *c, const glia_convert_tensor *t, int64_t m, uint8_t *to,
                               glia_error *e)
{
    int64_t n = source_rows(t);
    const glia_safetensors_tensor *s = t->sources[0];
    if (!room(c, n * glia_dtype_get(s->dtype)->block_bytes, n + t->rows)) return no_memory(e);
    glia_status st = read_elements(c, s, m * n, n, c->row, e);
    if (st) return st;
    for (int64_t i = 0; i < t->rows; i++)
        c->row[n + i] = c->row[source_row(t, i)] + (t->row->how & GLIA_CONVERT_PLUS_ONE ? 1.0f : 0.0f);
    return encode_rows(c, t, c->row + n, 1, t->rows, to, e);
}

/* Rows [begin, end) of matrix m are columns of the source's: they are read as slices of its rows. */
static glia_status make_transposed(glia_converter *c, const glia_convert_tensor *t, int64_t m, int64_t begin,
                                   int64_t end, uint8_t *to, glia_error *e)
{
    const glia_safetensors_tensor *s = t->sources[0];
    int64_t width = source_rows(t), first = source_row(t, begin), span = source_row(t, end - 1) - first + 1;
    int64_t count = end - begin;
    if (!room(c, span * glia_dtype_get(s->dtype)->block_bytes, count * t->k + span)) return no_memory(e);
    float *slice = c->row + count * t->k;
    for (int64_t r = 0; r < t->k; r++) {
        glia_status st = read_elements(c, s, (m * t->k + r) * width + first, span, slice, e);
        if (st) return st;
        for (int64_t i = 0; i < count; i++) c->row[i * t->k + r] = slice[source_row(t, begin + i) - first];
    }
    return encode_rows(c, t, c->row, count, t->k, to, e);
}

static glia_status make_mxfp4(glia_converter *c, const glia_convert_tensor *t, int64_t m, int64_t i,
                              uint8_t *to, glia_error *e)
{
    int64_t blocks = t->k / 32, at = (m * source_rows(t) + source_row(t, i)) * blocks;
    if (!room(c, 17 * blocks, 0)) return no_memory(e);
    uint8_t *scales = c->raw + 16 * blocks;
    glia_status st = glia_safetensors_read(c->weights, t->sources[0], 16 * at, 16 * blocks, c->raw, e);
    if (!st) st = glia_safetensors_read(c->weights, t->sources[1], at, blocks, scales, e);
    if (st) return st;
    for (int64_t b = 0; b < blocks;
         b++, to += 17) { /* there neighbours share a byte, here elements i and i + 16 */
        const uint8_t *in = c->raw + 16 * b;
        to[0] = scales[b];
        for (int j = 0; j < 16; j++) {
            uint8_t low = j % 2 ? in[j / 2] >> 4 : in[j / 2] & 15;
            uint8_t high = j % 2 ? in[8 + j / 2] >> 4 : in[8 + j / 2] & 15;
            to[1 + j] = (uint8_t)(low | high << 4);
        }
    }
    return GLIA_OK;
}

/* The mean magnitude of the whole matrix, in double. */
static glia_status find_scale(glia_converter *c, glia_convert_tensor *t, glia_error *e)
{
    double sum = 0;
    for (int64_t r = 0; r < t->rows; r++) {
        glia_status st = read_elements(c, t->sources[0], r * t->k, t->k, c->row, e);
        if (st) return st;
        for (int64_t i = 0; i < t->k; i++) sum += fabs((double)c->row[i]);
    }
    float mean = (float)(sum / ((double)t->rows * (double)t->k));
    t->scale = mean > 1e-5f ? mean : 1e-5f;
    return GLIA_OK;
}

static void round_row(const glia_convert_tensor *t, float *row)
{
    for (int64_t i = 0; i < t->k; i++) {
        float q = nearbyintf(row[i] / t->scale);
        row[i] = (q > 1 ? 1.0f : q < -1 ? -1.0f : q) * t->scale;
    }
}

static glia_status make_row(glia_converter *c, glia_convert_tensor *t, int64_t m, int64_t i, uint8_t *to,
                            glia_error *e)
{
    bool stacked = t->row->how & GLIA_CONVERT_STACK, ternary = t->row->how & GLIA_CONVERT_TERNARY;
    const glia_safetensors_tensor *s = t->sources[stacked ? m : 0];
    glia_status st = GLIA_OK;
    if (!room(c, t->k * glia_dtype_get(s->dtype)->block_bytes, t->k)) return no_memory(e);
    if (ternary && t->scale == 0.0f) st = find_scale(c, t, e);
    if (!st)
        st = read_elements(c, s, ((stacked ? 0 : m) * source_rows(t) + source_row(t, i)) * t->k, t->k, c->row,
                           e);
    if (st) return st;
    if (ternary) round_row(t, c->row);
    if (t->row->how & GLIA_CONVERT_PLUS_ONE)
        for (int64_t j = 0; j < t->k; j++) c->row[j] += 1.0f;
    return encode_rows(c, t, c->row, 1, t->k, to, e);
}

glia_status glia_convert_produce(void *ctx, int64_t tensor, int64_t byte_begin, int64_t bytes, void *to,
                                 glia_error *e)
{
    glia_converter *c = ctx;
    glia_convert_tensor *t = &c->tensors[tensor];
    int64_t at = byte_begin / t->unit_bytes, end = at + bytes / t->unit_bytes;
    uint8_t *out = to;
    glia_status st = GLIA_OK;
    if (t->values) {
        memcpy(to, (const uint8_t *)t->values + byte_begin, (size_t)bytes);
        return GLIA_OK;
    }
    while (at < end && !st) {
        int64_t m = t->k == 1 ? at : at / t->rows, i = t->k == 1 ? 0 : at % t->rows, count = 1;
        if (t->k == 1) {
            st = make_vector(c, t, m, out, e);
        } else if (t->row->how & GLIA_CONVERT_MXFP4) {
            st = make_mxfp4(c, t, m, i, out, e);
        } else if (t->row->how & GLIA_CONVERT_TRANSPOSE) {
            count = glia_min(glia_min(end - at, t->rows - i), glia_max(1, TRANSPOSED_ELEMENTS / t->k));
            st = make_transposed(c, t, m, i, i + count, out, e);
        } else {
            st = make_row(c, t, m, i, out, e);
        }
        at += count;
        out += count * t->unit_bytes;
    }
    return st;
}
