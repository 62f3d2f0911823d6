/* Control flow on objects: If, Loop, Scan, SequenceMap. Emission may inline or unroll them; these are the general
 * forms, whose bodies run part by part.
 *
 * Loop (n carried values, k outputs that are stacked):
 *     body(i, condition, carried[n]) -> condition, carried[n], stacked[k]
 * Scan:
 *     body(state[n], slice of each scanned input) -> state[n], slice of each scanned output
 *
 * What a body returns lies in a sequence object, so that whatever went wrong, one release lets all of it go. Stacked
 * outputs grow by doubling, and are charged to the run like every object: a loop without an end meets the limit of
 * nodes, of memory, the deadline, or cancellation. */
#include "base/check.h"
#include "net/emitter.h"
#include "net/host_util.h"

#include <string.h>

/* ---- bodies */

/* Runs body b on in[], and keeps what it returns in a sequence object of `outs`, emptied before. */
static glia_status body_run(glia_host *h, int b, glia_object *const *in, glia_object *outs)
{
    for (int64_t i = 0; i < outs->items; i++) {
        glia_object_release(glia_object_items(outs)[i]);
        glia_object_items(outs)[i] = NULL;
    }
    glia_status status = glia_host_tick(h);
    return status ? status : glia_host_body_run(h, b, in, glia_object_items(outs));
}

/* Hands item i of a holder over to item j of another. */
static void hand_over(glia_object *from, int64_t i, glia_object *to, int64_t j)
{
    glia_object_release(glia_object_items(to)[j]);
    glia_object_items(to)[j] = glia_object_items(from)[i];
    glia_object_items(from)[i] = NULL;
}

static bool is_true(glia_host *h, const glia_object *o, bool *out)
{
    if (!glia_is_tensor(o) || o->count != 1 || (o->dtype != GLIA_BOOL && o->dtype != GLIA_U8)) {
        glia_host_wrong(h, "G1041", "a condition has to be one bool");
        return false;
    }
    *out = *(const uint8_t *)o->data != 0;
    return true;
}

/* ---- If */

static glia_status host_if(glia_host *h)
{
    bool yes;
    glia_object *condition = glia_host_need_numbers(h, 0);
    if (!condition || !is_true(h, condition, &yes)) return glia_host_error(h)->status;
    const int b = glia_host_body_of(h, yes ? "then_branch" : "else_branch"), count = glia_host_out_count(h);
    if (b < 0) return glia_host_fail(h, "If without the branch that is taken");
    if (glia_host_body_inputs(h, b) || glia_host_body_outputs(h, b) != count)
        return glia_host_fail(h, "a branch of If has %d outputs, the node %d", glia_host_body_outputs(h, b),
                              count);
    glia_object *outs = glia_host_sequence(h, NULL, count);
    glia_status status = outs ? body_run(h, b, NULL, outs) : glia_host_error(h)->status;
    for (int i = 0; !status && i < count; i++) {
        glia_host_set(h, i, glia_object_items(outs)[i]);
        glia_object_items(outs)[i] = NULL;
    }
    glia_object_release(outs);
    return status;
}

/* ---- outputs of loops that are stacked, along axis 0, with room to grow */

typedef struct stack {
    glia_object *rows; /* [capacity, ..] */
    int64_t count, capacity;
} stack;

static bool row_fits(const glia_object *rows, const glia_object *row)
{
    return rows->kind == row->kind && rows->rank == row->rank + 1 && rows->dtype == row->dtype &&
           !memcmp(rows->dims + 1, row->dims, (size_t)row->rank * sizeof row->dims[0]);
}

static bool stack_resize(glia_host *h, stack *s, const glia_object *row, int64_t capacity)
{
    int64_t dims[GLIA_RANK_MAX];
    dims[0] = capacity;
    memcpy(dims + 1, row->dims, (size_t)row->rank * sizeof dims[0]);
    glia_object *rows = glia_host_like(h, row, row->rank + 1, dims, NULL);
    if (!rows) return false;
    if (s->rows) glia_object_copy_axis(rows, 0, s->rows, 0, s->count, 1, capacity, s->capacity, row->count);
    glia_object_release(s->rows);
    s->rows = rows;
    s->capacity = capacity;
    return true;
}

/* expected: rows that there will be, if that is known, else 0. */
static bool stack_add(glia_host *h, stack *s, const glia_object *row, int64_t expected)
{
    if (!glia_is_tensor(row) && !glia_is_strings(row)) {
        glia_host_wrong(h, "G1043", "a stacked output of a body is no tensor");
        return false;
    }
    if (row->rank >= GLIA_RANK_MAX) {
        glia_host_refuse(h, "a stacked output of rank %d", row->rank + 1);
        return false;
    }
    if (s->rows && !row_fits(s->rows, row)) {
        glia_host_wrong(h, "G1043",
                        "iteration %lld gives a stacked output of another shape or dtype than those before",
                        (long long)s->count);
        return false;
    }
    if (s->count == s->capacity) {
        /* All rows at once where they are few and their number is known. */
        const bool all = expected > 0 && expected <= 4096 && expected * row->block <= 1 << 24;
        const int64_t more = s->capacity ? 2 * s->capacity : all ? expected : 8;
        if (!stack_resize(h, s, row, more)) return false;
    }
    glia_object_copy_axis(s->rows, s->count++, row, 0, 1, 1, s->capacity, 1, row->count);
    return true;
}

/* The rows as one object, whose reference is the caller's; without rows as the body declares them. */
static glia_object *stack_end(glia_host *h, stack *s, const glia_onnx_graph *g, int64_t output)
{
    const int64_t none[1] = {0};
    if (!s->rows) {
        if (g && output < g->output_count && g->outputs[output].type.kind == GLIA_ONNX_TENSOR)
            return glia_host_empty(h, &g->outputs[output].type, 1, none);
        glia_host_refuse(
            h, "a loop that did not run, with a stacked output whose type the body does not declare");
        return NULL;
    }
    glia_object *rows = s->rows;
    if (s->count < s->capacity) rows = glia_host_part(h, rows, 0, 0, s->count, false);
    else s->rows = NULL;
    return rows;
}

static void stacks_free(stack *s, int64_t count)
{
    for (int64_t i = 0; i < count; i++) glia_object_release(s[i].rows);
}

/* ---- Loop */

typedef struct loop {
    int body;
    int64_t trips; /* -1: no bound */
    bool going;
    int64_t carried, stacked;
    glia_object *in;     /* what the body is given: i, condition, carried */
    glia_object *out;    /* and returns */
    glia_object *memory; /* of stacks */
    stack *stacks;
} loop;

static glia_status loop_begin(glia_host *h, loop *l)
{
    glia_object *trips = glia_host_in(h, 0), *condition = glia_host_in(h, 1);
    l->body = glia_host_body_of(h, "body");
    l->trips = -1;
    l->going = true;
    l->carried = glia_host_in_count(h) > 2 ? glia_host_in_count(h) - 2 : 0;
    if (l->body < 0) return glia_host_fail(h, "Loop without a body");
    const int outs = glia_host_body_outputs(h, l->body);
    if (glia_host_body_inputs(h, l->body) != l->carried + 2 || outs < l->carried + 1)
        return glia_host_fail(h, "a body of Loop takes %d values and returns %d, with %lld carried",
                              glia_host_body_inputs(h, l->body), outs, (long long)l->carried);
    l->stacked = outs - 1 - l->carried;
    if (glia_host_out_count(h) > l->carried + l->stacked)
        return glia_host_fail(h, "Loop with more outputs than its body");
    if (trips) {
        if (!glia_is_tensor(trips) || trips->count != 1)
            return glia_host_wrong(h, "G1041", "a trip count is one number");
        l->trips = glia_max(glia_object_integer(trips, 0), 0);
    }
    if (condition && !is_true(h, condition, &l->going)) return glia_host_error(h)->status;
    const int64_t size[1] = {l->stacked * (int64_t)sizeof(stack)};
    void *memory;
    l->in = glia_host_sequence(h, NULL, l->carried + 2);
    l->out = l->in ? glia_host_sequence(h, NULL, outs) : NULL;
    l->memory = l->out ? glia_host_tensor(h, GLIA_U8, 1, size, &memory) : NULL;
    if (!l->memory) return glia_host_error(h)->status;
    l->stacks = memory;
    for (int64_t i = 0; i < l->carried; i++) {
        glia_object *o = glia_host_in(h, (int)i + 2);
        if (!o) return glia_host_fail(h, "Loop without the first value of carried value %lld", (long long)i);
        glia_object_items(l->in)[i + 2] = glia_object_retain(o);
    }
    return GLIA_OK;
}

static glia_status loop_step(glia_host *h, loop *l, int64_t i)
{
    glia_object **in = glia_object_items(l->in), **out = glia_object_items(l->out);
    glia_object_release(in[0]);
    if (!(in[0] = glia_host_scalar(h, GLIA_I64, i))) return glia_host_error(h)->status;
    if (!in[1] && !(in[1] = glia_host_scalar(h, GLIA_BOOL, 1))) return glia_host_error(h)->status;
    const glia_status status = body_run(h, l->body, in, l->out);
    if (status) return status;
    if (!is_true(h, out[0], &l->going)) return glia_host_error(h)->status;
    for (int64_t s = 0; s < l->stacked; s++)
        if (!stack_add(h, &l->stacks[s], out[1 + l->carried + s], l->trips))
            return glia_host_error(h)->status;
    hand_over(l->out, 0, l->in, 1);
    for (int64_t c = 0; c < l->carried; c++) hand_over(l->out, 1 + c, l->in, 2 + c);
    return GLIA_OK;
}

static glia_status loop_end(glia_host *h, loop *l)
{
    const glia_onnx_graph *g = glia_host_body_graph(h, glia_host_body_of(h, "body"));
    for (int i = 0; i < glia_host_out_count(h); i++) {
        glia_object *o;
        if (i < l->carried) {
            o = glia_object_retain(glia_object_items(l->in)[2 + i]);
        } else if (!glia_host_wants(h, i)) {
            continue;
        } else if (!(o = stack_end(h, &l->stacks[i - l->carried], g, 1 + i))) {
            return glia_host_error(h)->status;
        }
        glia_host_set(h, i, o);
    }
    return GLIA_OK;
}

static glia_status host_loop(glia_host *h)
{
    loop l = {0};
    glia_status status = loop_begin(h, &l);
    for (int64_t i = 0; !status && l.going && (l.trips < 0 || i < l.trips); i++) status = loop_step(h, &l, i);
    if (!status) status = loop_end(h, &l);
    if (l.stacks) stacks_free(l.stacks, l.stacked);
    glia_object_release(l.memory);
    glia_object_release(l.in);
    glia_object_release(l.out);
    return status;
}

/* ---- Scan: outputs have a known number of slices, and are written where they belong */

typedef struct scan {
    int body;
    int64_t states, inputs, outputs; /* scanned ones */
    int64_t length, batch;           /* batch: of version 8, else -1 */
    int32_t axis_in[64], back_in[64], axis_out[64], back_out[64];
    glia_object *in, *out; /* as in a loop */
    glia_object *result;   /* states (last versions), then scanned outputs */
    glia_object *finals;   /* version 8: states of every batch */
} scan;

enum { SCANNED_MAX = 64 };

static glia_status scan_directions(glia_host *h, const char *name, int64_t count, int32_t *out)
{
    const glia_onnx_attr *a = glia_host_attr(h, name);
    if (!a) return GLIA_OK;
    if (a->kind != GLIA_ONNX_ATTR_INTS || a->count != count)
        return glia_host_fail(h, "%s of Scan has %lld entries, not %lld", name, (long long)a->count,
                              (long long)count);
    for (int64_t i = 0; i < count; i++) {
        if (a->ints[i] != 0 && a->ints[i] != 1)
            return glia_host_fail(h, "%s of Scan is neither 0 nor 1", name);
        out[i] = (int32_t)a->ints[i];
    }
    return GLIA_OK;
}

/* Axes may count from the end; of outputs that is settled when the first slice is there. */
static glia_status scan_axes(glia_host *h, const char *name, int64_t count, int32_t *out)
{
    const glia_onnx_attr *a = glia_host_attr(h, name);
    if (!a) return GLIA_OK;
    if (a->kind != GLIA_ONNX_ATTR_INTS || a->count != count)
        return glia_host_fail(h, "%s of Scan has %lld entries, not %lld", name, (long long)a->count,
                              (long long)count);
    for (int64_t i = 0; i < count; i++) {
        if (a->ints[i] < -GLIA_RANK_MAX || a->ints[i] >= GLIA_RANK_MAX)
            return glia_host_fail(h, "%s of Scan holds %lld", name, (long long)a->ints[i]);
        out[i] = (int32_t)a->ints[i];
    }
    return GLIA_OK;
}

/* Reads the node: counts, axes and directions. first: the node's input that is the first state. */
static glia_status scan_read(glia_host *h, scan *s, int first)
{
    const bool old = first == 1;
    s->body = glia_host_body_of(h, "body");
    s->inputs = glia_host_int(h, "num_scan_inputs", 0);
    if (s->body < 0) return glia_host_fail(h, "Scan without a body");
    s->states = glia_host_in_count(h) - first - s->inputs;
    const int outs = glia_host_body_outputs(h, s->body);
    s->outputs = outs - s->states;
    if (s->inputs < 1 || s->states < 0 || s->outputs < 0 || s->inputs > SCANNED_MAX ||
        s->outputs > SCANNED_MAX || glia_host_body_inputs(h, s->body) != s->states + s->inputs ||
        glia_host_out_count(h) > outs)
        return glia_host_fail(h, "Scan with %lld states and %lld scanned inputs does not fit to its body",
                              (long long)s->states, (long long)s->inputs);
    glia_status status =
        scan_directions(h, old ? "directions" : "scan_input_directions", s->inputs, s->back_in);
    if (!status && !old) status = scan_directions(h, "scan_output_directions", s->outputs, s->back_out);
    if (!status && !old) status = scan_axes(h, "scan_input_axes", s->inputs, s->axis_in);
    if (!status && !old) status = scan_axes(h, "scan_output_axes", s->outputs, s->axis_out);
    return status;
}

/* The inputs' common length; axes are counted from the front afterwards. */
static glia_status scan_length(glia_host *h, scan *s, int first)
{
    s->length = -1;
    for (int64_t i = 0; i < s->states + s->inputs; i++) {
        const glia_object *o = glia_host_in(h, first + (int)i);
        if (!o) return glia_host_fail(h, "Scan without its input %lld", (long long)i);
        if (i < s->states && s->batch < 0) continue;
        if (!glia_is_tensor(o) && !glia_is_strings(o))
            return glia_host_wrong(h, "G1041", "Scan over what is no tensor");
        if (s->batch >= 0 && (o->rank < 1 || o->dims[0] != s->batch))
            return glia_host_wrong(h, "G1043", "inputs of Scan differ in their first axis, the batch");
        if (i < s->states) continue;
        int axis;
        if (!glia_host_axis(h, s->axis_in[i - s->states] + (s->batch >= 0), o->rank, &axis))
            return glia_host_error(h)->status;
        s->axis_in[i - s->states] = axis;
        if (s->length >= 0 && o->dims[axis] != s->length)
            return glia_host_wrong(h, "G1043", "scanned inputs have lengths %lld and %lld",
                                   (long long)s->length, (long long)o->dims[axis]);
        s->length = o->dims[axis];
    }
    return GLIA_OK;
}

/* Writes one slice of output i at place t of its axis, after making the whole output when it is the first. Version 8
 * puts the batch in front. */
static glia_status scan_write(glia_host *h, scan *s, int64_t i, int64_t t, int64_t b,
                              const glia_object *slice)
{
    glia_object **to = &glia_object_items(s->result)[s->states + i];
    const int front = s->batch >= 0;
    int64_t dims[GLIA_RANK_MAX + 2];
    int axis, rank = 0;
    if (!glia_is_tensor(slice) && !glia_is_strings(slice))
        return glia_host_wrong(h, "G1043", "a slice that is no tensor");
    if (slice->rank + 1 + front > GLIA_RANK_MAX)
        return glia_host_refuse(h, "a scanned output of rank %d", slice->rank + 1 + front);
    if (!glia_host_axis(h, s->axis_out[i], slice->rank + 1, &axis)) return glia_host_error(h)->status;
    if (front) dims[rank++] = s->batch;
    for (int a = 0; a < slice->rank; a++) {
        if (a == axis) dims[rank++] = s->length;
        dims[rank++] = slice->dims[a];
    }
    if (axis == slice->rank) dims[rank++] = s->length;
    if (!*to && !(*to = glia_host_like(h, slice, rank, dims, NULL))) return glia_host_error(h)->status;
    const bool same = (*to)->kind == slice->kind && (*to)->rank == rank && (*to)->dtype == slice->dtype;
    if (!same || memcmp((*to)->dims, dims, (size_t)rank * sizeof dims[0]))
        return glia_host_wrong(
            h, "G1043", "step %lld gives a slice of another shape or dtype than those before", (long long)t);
    if (!slice->count) return GLIA_OK;
    int64_t before = 1, after = 1;
    for (int a = 0; a < slice->rank; a++) *(a < axis ? &before : &after) *= slice->dims[a];
    const int64_t place = s->back_out[i] ? s->length - 1 - t : t;
    if (front)
        glia_object_copy_axis(*to, b * s->length + place, slice, 0, 1, 1, s->batch * s->length, 1, after);
    else glia_object_copy_axis(*to, place, slice, 0, 1, before, s->length, 1, after);
    return GLIA_OK;
}

/* Steps [0, length) of one batch (or of the only one); states lie in s->in. */
static glia_status scan_steps(glia_host *h, scan *s, int first, int64_t b, int64_t length)
{
    glia_object **in = glia_object_items(s->in), **out = glia_object_items(s->out);
    for (int64_t t = 0; t < length; t++) {
        for (int64_t i = 0; i < s->inputs; i++) {
            glia_object *whole = glia_host_in(h, first + (int)(s->states + i)), *slice, *row = NULL;
            const int64_t place = s->back_in[i] ? length - 1 - t : t;
            int axis = s->axis_in[i];
            if (s->batch >= 0) {
                if (!(row = glia_host_part(h, whole, 0, b, b + 1, true))) return glia_host_error(h)->status;
                whole = row;
                axis--;
            }
            slice = glia_host_part(h, whole, axis, place, place + 1, true);
            glia_object_release(row);
            glia_object_release(in[s->states + i]);
            if (!(in[s->states + i] = slice)) return glia_host_error(h)->status;
        }
        glia_status status = body_run(h, s->body, in, s->out);
        for (int64_t i = 0; !status && i < s->outputs; i++)
            status = scan_write(h, s, i, t, b, out[s->states + i]);
        if (status) return status;
        for (int64_t i = 0; i < s->states; i++) hand_over(s->out, i, s->in, i);
    }
    return GLIA_OK;
}

static glia_status scan_holders(glia_host *h, scan *s)
{
    s->in = glia_host_sequence(h, NULL, s->states + s->inputs);
    s->out = s->in ? glia_host_sequence(h, NULL, s->states + s->outputs) : NULL;
    s->result = s->out ? glia_host_sequence(h, NULL, s->states + s->outputs) : NULL;
    return s->result ? GLIA_OK : glia_host_error(h)->status;
}

/* Hands the results out; outputs without a slice are empty as the body declares them. */
static glia_status scan_end(glia_host *h, scan *s)
{
    const glia_onnx_graph *g = glia_host_body_graph(h, glia_host_body_of(h, "body"));
    for (int i = 0; i < glia_host_out_count(h); i++) {
        glia_object **o = &glia_object_items(s->result)[i];
        if (!*o) {
            const int64_t front[2] = {s->batch >= 0 ? s->batch : 0, 0};
            if (!g || i >= g->output_count || g->outputs[i].type.kind != GLIA_ONNX_TENSOR)
                return glia_host_refuse(
                    h, "a scan that did not run, with an output whose type the body does not declare");
            *o = glia_host_empty(h, &g->outputs[i].type, s->batch >= 0 ? 2 : 1, front);
            if (!*o) return glia_host_error(h)->status;
        }
        glia_host_set(h, i, *o);
        *o = NULL;
    }
    return GLIA_OK;
}

static void scan_free(scan *s)
{
    glia_object_release(s->in);
    glia_object_release(s->out);
    glia_object_release(s->result);
    glia_object_release(s->finals);
}

static glia_status host_scan_9(glia_host *h)
{
    scan s = {.batch = -1};
    glia_status status = scan_read(h, &s, 0);
    if (!status) status = scan_length(h, &s, 0);
    if (!status) status = scan_holders(h, &s);
    for (int64_t i = 0; !status && i < s.states; i++)
        glia_object_items(s.in)[i] = glia_object_retain(glia_host_in(h, (int)i));
    if (!status) status = scan_steps(h, &s, 0, 0, s.length);
    for (int64_t i = 0; !status && i < s.states; i++) hand_over(s.in, i, s.result, i);
    if (!status) status = scan_end(h, &s);
    scan_free(&s);
    return status;
}

/* Version 8 has a batch in front of everything, and may have a length for each. */
static glia_status scan_8_batch(glia_host *h, scan *s, int64_t b)
{
    const glia_object *lengths = glia_host_in(h, 0);
    int64_t length = s->length;
    if (lengths) {
        if (!glia_is_tensor(lengths) || lengths->count != s->batch)
            return glia_host_wrong(h, "G1043", "sequence_lens of Scan has %lld entries for a batch of %lld",
                                   (long long)lengths->count, (long long)s->batch);
        length = glia_object_integer(lengths, b);
        if (length < 0 || length > s->length)
            return glia_host_wrong(h, "G1043", "a sequence of length %lld in a tensor of length %lld",
                                   (long long)length, (long long)s->length);
    }
    for (int64_t i = 0; i < s->states; i++) {
        glia_object_release(glia_object_items(s->in)[i]);
        glia_object_items(s->in)[i] = glia_host_part(h, glia_host_in(h, 1 + (int)i), 0, b, b + 1, true);
        if (!glia_object_items(s->in)[i]) return glia_host_error(h)->status;
    }
    glia_status status = scan_steps(h, s, 1, b, length);
    for (int64_t i = 0; !status && i < s->states; i++) hand_over(s->in, i, s->finals, i * s->batch + b);
    return status;
}

static glia_status host_scan_8(glia_host *h)
{
    scan s = {.batch = 0};
    int64_t all = 0;
    glia_status status = scan_read(h, &s, 1);
    const glia_object *lead = status ? NULL : glia_host_in(h, glia_host_in_count(h) - 1);
    if (!status && (!lead || lead->rank < 2))
        status = glia_host_wrong(h, "G1043", "Scan over a tensor without batch and sequence");
    if (!status) s.batch = lead->dims[0];
    if (!status) status = scan_length(h, &s, 1);
    if (!status) status = scan_holders(h, &s);
    if (!status && (!glia_mul(s.states, s.batch, &all) || !(s.finals = glia_host_sequence(h, NULL, all))))
        status = glia_host_no_object(h);
    for (int64_t b = 0; !status && b < s.batch; b++) status = scan_8_batch(h, &s, b);
    for (int64_t i = 0; !status && s.batch && i < s.states; i++) {
        glia_object_items(s.result)[i] =
            glia_host_join(h, glia_object_items(s.finals) + i * s.batch, s.batch, 0, true);
        if (!glia_object_items(s.result)[i]) status = glia_host_error(h)->status;
    }
    for (int64_t i = 0; !status && !s.batch && i < s.states; i++)
        glia_object_items(s.result)[i] = glia_object_retain(glia_host_in(h, 1 + (int)i));
    if (!status) status = scan_end(h, &s);
    scan_free(&s);
    return status;
}

static glia_status host_scan(glia_host *h)
{
    return glia_host_version(h) < 9 ? host_scan_8(h) : host_scan_9(h);
}

/* ---- SequenceMap */

static glia_status map_step(glia_host *h, int b, int64_t i, glia_object *in, glia_object *out,
                            glia_object *results)
{
    for (int j = 0; j < glia_host_in_count(h); j++) {
        glia_object *o = glia_host_in(h, j);
        glia_object_items(in)[j] = o->kind == GLIA_OBJECT_SEQUENCE ? glia_object_item(o, i) : o;
    }
    const glia_status status = body_run(h, b, glia_object_items(in), out);
    for (int j = 0; !status && j < glia_host_out_count(h); j++)
        hand_over(out, j, glia_object_items(results)[j], i);
    return status;
}

static glia_status map_begin(glia_host *h, int b, int64_t *length)
{
    const glia_object *first = glia_host_need(h, 0, GLIA_OBJECT_SEQUENCE);
    if (b < 0) return glia_host_fail(h, "SequenceMap without a body");
    if (!first) return glia_host_error(h)->status;
    *length = first->count;
    if (glia_host_body_inputs(h, b) != glia_host_in_count(h) ||
        glia_host_body_outputs(h, b) < glia_host_out_count(h))
        return glia_host_fail(h, "SequenceMap does not fit to its body");
    for (int j = 1; j < glia_host_in_count(h); j++) {
        const glia_object *o = glia_host_in(h, j);
        if (!o) return glia_host_fail(h, "SequenceMap without its input %d", j);
        if (o->kind == GLIA_OBJECT_SEQUENCE && o->count != *length)
            return glia_host_wrong(h, "G1043", "sequences of %lld and %lld items", (long long)*length,
                                   (long long)o->count);
    }
    return GLIA_OK;
}

/* What an output of SequenceMap holds when it is empty. */
static void map_declare(glia_host *h, glia_object *o, int output)
{
    const glia_onnx_graph *g = glia_host_body_graph(h, glia_host_body_of(h, "body"));
    if (o->count) {
        glia_object_holds(o, glia_object_items(o)[0]);
    } else if (g && output < g->output_count) {
        o->dtype = glia_onnx_dtype(g->outputs[output].type.onnx_type);
        o->of_strings = g->outputs[output].type.onnx_type == 8;
    }
}

static glia_status host_sequence_map(glia_host *h)
{
    const int b = glia_host_body_of(h, "body"), outs = glia_host_out_count(h);
    int64_t length = 0;
    glia_status status = map_begin(h, b, &length);
    if (status) return status;
    glia_object *in = glia_host_sequence(h, NULL, glia_host_in_count(h));
    glia_object *out = in ? glia_host_sequence(h, NULL, glia_host_body_outputs(h, b)) : NULL;
    glia_object *results = out ? glia_host_sequence(h, NULL, outs) : NULL;
    if (!results) status = glia_host_error(h)->status;
    for (int j = 0; !status && j < outs; j++)
        if (!(glia_object_items(results)[j] = glia_host_sequence(h, NULL, length)))
            status = glia_host_error(h)->status;
    for (int64_t i = 0; !status && i < length; i++) status = map_step(h, b, i, in, out, results);
    for (int j = 0; !status && j < outs; j++) {
        map_declare(h, glia_object_items(results)[j], j);
        glia_host_set(h, j, glia_object_items(results)[j]);
        glia_object_items(results)[j] = NULL;
    }
    if (in) in->items = 0; /* what it holds was borrowed */
    glia_object_release(in);
    glia_object_release(out);
    glia_object_release(results);
    return status;
}

const glia_net_op glia_net_ops_control[] = {
    {"", "If", glia_emit_if, host_if, 0},
    {"", "Loop", NULL, host_loop, 0},
    {"", "Scan", NULL, host_scan, 0},
    {"", "SequenceMap", NULL, host_sequence_map, 0},
    {0},
};
