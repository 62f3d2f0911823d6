/* Runs the rules: a sweep looks for matches in the graph as it is, and the graph is rebuilt once with all of them
 * answered; group by group, each until nothing changes. What fired, and what nearly did, is told to the trace. */
#include "compile/rules.h"

#include "base/check.h"
#include "ops/box.h"
#include "ops/ops.h"

#include <math.h>
#include <string.h>

enum { ROUNDS_MAX = 16, MISSES_MAX = 64 };

/* ---- results ------------------------------------------------------------------------------------------- */

const glia_type *glia_rule_type(const glia_rule_build *b, glia_value v)
{
    return &glia_graph_value(b->r->dst, v)->type;
}

const char *glia_rule_name(glia_rule_build *b, const char *what)
{
    return glia_arena_printf(&b->r->scratch, "rule.%s.%lld", what, (long long)++*b->serial);
}

static glia_value number_value(glia_rule_build *b, double number)
{
    const glia_type root = glia_graph_value(b->r->src, b->root->out[0])->type;
    glia_type type = {root.dtype, 0, 0, {0}};
    uint64_t room = 0;
    if (glia_dtype_get(type.dtype)->block_elements != 1) return (glia_value){0};
    const glia_tensor one = {&room, NULL, 0, 0, type.dtype};
    if (glia_is_float(type.dtype)) glia_set_f64(&one, 0, number);
    else glia_set_i64(&one, 0, (int64_t)number);
    return glia_graph_constant(b->r->dst, glia_rule_name(b, "number"), &type, &room);
}

static bool attr_arg(const glia_rule_build *b, const glia_op *op, int index, uint8_t term, glia_attr_arg *out)
{
    const glia_attr_spec *s = &op->attrs[index];
    const glia_term *t = &b->m->code->term[term];
    const glia_binding *bound = t->kind == GLIA_TERM_NAME ? &b->m->bound[t->name] : NULL;
    *out = (glia_attr_arg){s->name, s->kind, 0, 0, NULL, 0};
    if (bound && bound->kind == GLIA_BOUND_ATTR && bound->attr_kind == s->kind) {
        *out = (glia_attr_arg){s->name, s->kind, bound->attr->i, bound->attr->f, bound->attr->ints, 0};
        if (s->kind == GLIA_ATTR_INTS) out->count = bound->attr->i;
        return true;
    }
    const double number = glia_rule_number(b->m, term);
    if (number != number || s->kind == GLIA_ATTR_INTS) return false;
    out->f = number;
    if (s->kind != GLIA_ATTR_FLOAT) out->i = (int64_t)number;
    return true;
}

static glia_value node_result(glia_rule_build *b, const glia_term *t)
{
    const glia_op *op = t->op_class ? b->m->any->op : t->op;
    glia_attr_arg attrs[GLIA_RULE_ATTRS + 1] = {{0}}, *all = attrs;
    glia_value in[GLIA_RULE_ARGS];
    if (t->op_class) all = glia_rewrite_attrs(b->r, b->m->any);
    for (int i = 0; i < t->attr_count; i++)
        if (!attr_arg(b, op, t->attr[i].index, t->attr[i].value, &attrs[i])) return (glia_value){0};
    for (int i = 0; i < t->arg_count; i++) in[i] = glia_rule_result(b, t->arg[i]);
    return all ? glia_graph_apply(b->r->dst, op, glia_rule_name(b, op->name), in, t->arg_count, all)
               : (glia_value){0};
}

glia_value glia_rule_result(glia_rule_build *b, uint8_t term)
{
    const glia_term *t = &b->m->code->term[term];
    if (b->r->dst->error.status) return (glia_value){0};
    if (t->kind == GLIA_TERM_OP) return node_result(b, t);
    if (t->kind == GLIA_TERM_WORD && t->word->build) return t->word->build(b, t);
    if (t->kind == GLIA_TERM_NAME || t->kind == GLIA_TERM_SCALAR) {
        const glia_binding *bound = &b->m->bound[t->name];
        if (bound->kind == GLIA_BOUND_NOT) return (glia_value){0};
        if (bound->kind != GLIA_BOUND_ATTR) return glia_rewrite_mapped(b->r, bound->value);
    }
    return number_value(b, glia_rule_number(b->m, term));
}

/* ---- a sweep ------------------------------------------------------------------------------------------- */

typedef struct sweep {
    const glia_rule_code *codes;
    int32_t code_count;
    glia_match **found; /* by node: what answers it, or null */
    glia_rule_trace *trace;
    glia_arena *keep;
    int32_t fired;
    int64_t serial;
} sweep;

static char *cut(glia_arena *a, const char *s, int32_t size) { return glia_arena_strndup(a, s, size); }

/* One line for each rule and node. */
static void note_miss(sweep *s, const glia_rule_code *code, const glia_node *n, const char *why, int32_t size)
{
    glia_rule_trace *t = s->trace;
    for (int32_t i = 0; i < t->miss_count; i++)
        if (t->misses[i].rule == code->rule->name && !strcmp(t->misses[i].node, n->name)) return;
    t->rules[code->rule - glia_rules].missed++;
    if (!t->misses) t->misses = GLIA_NEW_ARRAY(s->keep, glia_rule_miss, MISSES_MAX);
    if (!t->misses || t->miss_count >= MISSES_MAX) return;
    glia_rule_miss *m = &t->misses[t->miss_count];
    *m = (glia_rule_miss){code->rule->name, glia_arena_strdup(s->keep, n->name), cut(s->keep, why, size)};
    if (m->node && m->condition) t->miss_count++;
}

static bool same_type(const glia_type *a, const glia_type *b)
{
    return a->dtype == b->dtype && a->rank == b->rank && a->layout == b->layout &&
           !memcmp(a->dims, b->dims, (size_t)a->rank * sizeof a->dims[0]);
}

/* A result of another type, or that cannot be built, leaves the node as it was. */
static bool answer(glia_rewrite *r, const glia_node *n, const glia_value *in)
{
    static const char typed[] = "the answer has the type that was asked for";
    sweep *s = r->own;
    const glia_match *m = s->found[n - r->src->nodes];
    (void)in;
    if (!m) return false;
    glia_graph *g = r->dst;
    const int64_t guards = g->guard_count, values = g->value_count;
    glia_rule_build b = {r, m, n, &s->serial};
    glia_value v = glia_rule_result(&b, m->code->result);
    if (g->error.status == GLIA_OK && !glia_is_null(v) && g->guard_count == guards &&
        same_type(&glia_graph_value(g, v)->type, &glia_graph_value(r->src, n->out[0])->type)) {
        if (v.id >= values && glia_graph_value(g, v)->kind == GLIA_VALUE_NODE)
            glia_graph_set_name(g, v, n->name);
        r->map[n->out[0].id] = v;
        r->changes++;
        s->fired++;
        s->trace->rules[m->code->rule - glia_rules].fired++;
        return true;
    }
    if (g->error.status != GLIA_E_NOMEM) g->error.status = GLIA_OK;
    g->guard_count = guards;
    note_miss(s, m->code, n, typed, (int32_t)sizeof typed - 1);
    return false;
}

static bool begins_with(const glia_rule_code *c, const glia_node *n)
{
    for (int i = 0; i < c->root_count; i++)
        if (c->root[i] == n->op) return true;
    return c->root_class && (n->op->traits & GLIA_ELEMENTWISE) &&
           n->in_count == (c->root_class == 'u' ? 1 : 2);
}

static bool count_uses(const glia_graph *g, const uint8_t *live, int32_t *uses)
{
    for (int64_t i = 0; i < g->node_count; i++)
        for (int j = 0; live[i] && j < g->nodes[i].in_count; j++) uses[g->nodes[i].in[j].id]++;
    for (int64_t i = 0; i < g->output_count; i++) uses[g->outputs[i].value.id]++;
    return true;
}

/* Looks for the first rule that answers each node; false: no memory. *any: there was one. */
static bool look(sweep *s, const glia_graph *g, int group, int kind_max, glia_arena *scratch, bool *any)
{
    uint8_t *live = glia_graph_live(g, scratch);
    int32_t *uses = GLIA_NEW_ARRAY(scratch, int32_t, g->value_count + 1);
    glia_match *m = GLIA_NEW(scratch, glia_match);
    s->found = GLIA_NEW_ARRAY(scratch, glia_match *, g->node_count + 1);
    if (!live || !uses || !m || !s->found) return false;
    count_uses(g, live, uses);
    for (int64_t i = 0; i < g->node_count; i++) {
        const glia_node *n = &g->nodes[i];
        if (!live[i] || n->out_count != 1 || n->body_count || glia_graph_value(g, n->out[0])->state) continue;
        for (int32_t c = 0; c < s->code_count && !s->found[i]; c++) {
            const glia_rule_code *code = &s->codes[c];
            if ((code->rule->group && code->rule->group != group) || code->rule->kind > kind_max ||
                !begins_with(code, n))
                continue;
            if (glia_rule_match(m, code, g, uses, n)) {
                s->found[i] = m;
                *any = true;
                if (!(m = GLIA_NEW(scratch, glia_match))) return false;
            } else if (m->missed && code->rule->group) {
                note_miss(s, code, n, m->missed, m->missed_size);
            }
        }
    }
    return true;
}

static const glia_pass pass_rules = {"rules", NULL, answer};

glia_status glia_rules_run(const glia_graph *source, const glia_compile_options *o, glia_arena *keep,
                           glia_graph **graph, const glia_rule *only, glia_rule_trace *trace, int32_t *fired,
                           glia_error *e)
{
    const int kind_max = o->level < 1 ? GLIA_RULE_EXACT : o->level;
    const glia_graph *now = *graph ? *graph : source;
    glia_arena codes, scratch;
    glia_status s = GLIA_OK;
    sweep w = {.trace = trace, .keep = keep};
    glia_arena_init(&codes, o->os, 0);
    int32_t count = 0;
    while (glia_rules[count].name) count++;
    glia_rule_code *code = GLIA_NEW_ARRAY(&codes, glia_rule_code, count + 1);
    if (!trace->rules) trace->rules = GLIA_NEW_ARRAY(keep, glia_rule_report, count + 1);
    if (!code || !trace->rules) goto nomem;
    trace->rule_count = count;
    for (int32_t i = 0; i < count; i++) {
        trace->rules[i].name = glia_rules[i].name;
        trace->rules[i].kind = glia_rules[i].kind;
        if (glia_rules[i].kind <= kind_max && (!only || only == &glia_rules[i]) &&
            glia_rule_parse(&glia_rules[i], &codes, &code[w.code_count]))
            w.code_count++;
        if (codes.failed) goto nomem;
    }
    w.codes = code;
    for (int group = 0; group < GLIA_RULE_GROUPS; group++) {
        for (int round = 0, again = 1; again && round < ROUNDS_MAX; round++) {
            glia_graph *next = NULL;
            int32_t changes = 0;
            bool any = false;
            glia_arena_init(&scratch, o->os, 0);
            if (!look(&w, now, group, kind_max, &scratch, &any)) s = GLIA_E_NOMEM;
            w.fired = 0;
            if (!s && any) s = glia_passes_rebuild(now, &pass_rules, o, keep, &w, &next, &changes, e);
            glia_arena_free(&scratch);
            if (s == GLIA_E_NOMEM) goto nomem;
            if (s) goto done;
            again = next && w.fired;
            *fired += w.fired;
            if (next) {
                glia_graph_destroy(*graph);
                now = *graph = next;
            }
        }
    }
    goto done;
nomem:
    s = glia_fail(e, GLIA_E_NOMEM, "G0801", "out of memory while rewriting the graph");
done:
    glia_arena_free(&codes);
    return s;
}
