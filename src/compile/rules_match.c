/* Matches a rule at a node. Where the pattern leaves a choice (the order of a commutative op's inputs, one of several
 * forms), choices are numbered as they are met; after a failure the last one that has another side is turned and the
 * match starts over, so that all are tried, depth first, without a stack of states. It goes down with the nesting of
 * the pattern, which is the rule's text, not the graph. */
#include "compile/rules.h"

#include "base/check.h"
#include "ops/box.h"

#include <math.h>
#include <string.h>

static const double NEAR = 1e-5, NEAR_HALF = 1e-3; /* numbers of f32 and f64; of f16 and bf16 */
enum { SCALAR_ELEMENTS = 65536, TRIES_MAX = 4096 };

bool glia_rule_scalar(const glia_graph *g, glia_value v, double *out)
{
    const glia_value_info *i = glia_graph_value(g, v);
    int64_t n = 1;
    if (!i->data || (i->kind != GLIA_VALUE_CONSTANT && i->kind != GLIA_VALUE_WEIGHT) || i->type.layout ||
        glia_dtype_get(i->type.dtype)->block_elements != 1)
        return false;
    for (int a = 0; a < i->type.rank; a++)
        if (i->type.dims[a] < 1 || (n *= i->type.dims[a]) > SCALAR_ELEMENTS) return false;
    const glia_tensor t = {(void *)(uintptr_t)i->data, i->type.dims, i->type.rank, 0, i->type.dtype};
    const bool floats = glia_is_float(i->type.dtype);
    *out = floats ? glia_get_f64(&t, 0) : (double)glia_get_i64(&t, 0);
    for (int64_t e = 1; e < n; e++) {
        const double each = floats ? glia_get_f64(&t, e) : (double)glia_get_i64(&t, e);
        if (each != *out) return false;
    }
    return true;
}

static int choose(glia_match *m, int count)
{
    if (m->choice_at >= GLIA_COUNT(m->choice)) return 0;
    const int at = m->choice_at++;
    if (at >= m->choice_count) {
        m->choice_count = at + 1;
        m->choice[at] = 0;
    }
    m->choices[at] = (uint8_t)count;
    return m->choice[at];
}

/* The next set of choices; false when all were tried. */
static bool turn(glia_match *m)
{
    m->choice_count = m->choice_at;
    while (m->choice_count) {
        uint8_t *last = &m->choice[m->choice_count - 1];
        if (++*last < m->choices[m->choice_count - 1]) return true;
        m->choice_count--;
    }
    return false;
}

static bool bind_value(glia_match *m, uint8_t name, glia_value v)
{
    glia_binding *b = &m->bound[name];
    if (b->kind == GLIA_BOUND_VALUE) return b->value.id == v.id;
    if (b->kind) return false;
    *b = (glia_binding){.kind = GLIA_BOUND_VALUE, .value = v};
    return true;
}

static bool match_scalar(glia_match *m, const glia_term *t, glia_value v)
{
    glia_binding *b = &m->bound[t->name];
    double number;
    if (!glia_rule_scalar(m->g, v, &number)) return false;
    if (b->kind) return b->kind == GLIA_BOUND_SCALAR && b->number == number;
    *b = (glia_binding){.kind = GLIA_BOUND_SCALAR, .value = v, .number = number};
    return true;
}

static bool match_number(const glia_match *m, const glia_term *t, glia_value v)
{
    double number, room = NEAR;
    const glia_dtype type = glia_graph_value(m->g, v)->type.dtype;
    if (!glia_rule_scalar(m->g, v, &number)) return false;
    if (type == GLIA_F16 || type == GLIA_BF16) room = NEAR_HALF;
    if (m->code->rule->kind == GLIA_RULE_EXACT) room = 0;
    return fabs(number - t->number) <= room * fabs(t->number);
}

static bool same_attr(int kind, const glia_attr *a, const glia_attr *b)
{
    if (kind == GLIA_ATTR_FLOAT) return a->f == b->f;
    return a->i == b->i &&
           (kind != GLIA_ATTR_INTS || !a->i || !memcmp(a->ints, b->ints, (size_t)a->i * sizeof *a->ints));
}

static bool match_attr(glia_match *m, const glia_node *n, const glia_term *t, int at)
{
    const int index = t->attr[at].index, kind = n->op->attrs[index].kind;
    const glia_attr *a = &n->attr[index];
    const int rank = glia_graph_value(m->g, n->in[0])->type.rank;
    switch ((glia_term_attr_kind)t->attr[at].kind) {
    case GLIA_ATTR_IS_ANY: return true;
    case GLIA_ATTR_IS_LAST: {
        const int64_t axis = kind == GLIA_ATTR_INTS ? (a->i == 1 ? a->ints[0] : INT64_MIN) : a->i;
        return rank > 0 && (axis == -1 || axis == rank - 1);
    }
    case GLIA_ATTR_IS_NAME: {
        glia_binding *b = &m->bound[t->attr[at].value];
        if (b->kind) return b->kind == GLIA_BOUND_ATTR && b->attr_kind == kind && same_attr(kind, a, b->attr);
        *b = (glia_binding){.kind = GLIA_BOUND_ATTR, .attr_kind = (uint8_t)kind, .attr = a};
        b->number = kind == GLIA_ATTR_FLOAT ? a->f : (double)a->i;
        return true;
    }
    default: {
        const double want = m->code->term[t->attr[at].value].number;
        return kind == GLIA_ATTR_FLOAT ? a->f == want : kind != GLIA_ATTR_INTS && (double)a->i == want;
    }
    }
}

/* Attributes that the pattern does not write have their defaults. */
static bool match_attrs(glia_match *m, const glia_node *n, const glia_term *t)
{
    uint32_t written = 0;
    for (int i = 0; i < t->attr_count; i++) {
        written |= 1u << t->attr[i].index;
        if (!match_attr(m, n, t, i)) return false;
    }
    for (int i = 0; !t->op_class && n->op->attrs && n->op->attrs[i].name; i++) {
        const glia_attr_spec *s = &n->op->attrs[i];
        if (written >> i & 1) continue;
        if (s->kind == GLIA_ATTR_FLOAT ? n->attr[i].f != s->number
                                       : n->attr[i].i != (s->kind == GLIA_ATTR_INTS ? 0 : (int64_t)s->number))
            return false;
    }
    return true;
}

static bool match_term(glia_match *m, uint8_t term, glia_value v);

static bool class_fits(char op_class, const glia_node *n)
{
    return (n->op->traits & GLIA_ELEMENTWISE) && n->in_count == (op_class == 'u' ? 1 : 2);
}

static bool match_node(glia_match *m, const glia_term *t, const glia_node *n)
{
    const int32_t index = (int32_t)(n - m->g->nodes);
    int count = n->in_count;
    while (count > 0 && glia_is_null(n->in[count - 1])) count--;
    int least = t->arg_count;
    while (least > 0 && m->code->term[t->arg[least - 1]].sign == '?') least--;
    if (count < least || count > t->arg_count || (t->op_class ? !class_fits(t->op_class, n) : n->op != t->op))
        return false;
    if (t->op_class && m->any && m->any->op != n->op) return false;
    if (!match_attrs(m, n, t)) return false;
    if (t->op_class) m->any = n;
    for (int i = 0; i < m->node_count; i++)
        if (m->node[i] == index) goto known;
    if (m->node_count >= GLIA_RULE_NODES) return false;
    m->node[m->node_count++] = index;
known:;
    const bool swap =
        (n->op->traits & GLIA_COMMUTATIVE) && count >= 2 && n->in[0].id != n->in[1].id && choose(m, 2);
    for (int i = 0; i < t->arg_count; i++) {
        const glia_value v = i < count ? n->in[swap && i < 2 ? 1 - i : i] : (glia_value){0};
        if (!match_term(m, t->arg[i], v)) return false;
    }
    return true;
}

static bool match_term(glia_match *m, uint8_t term, glia_value v)
{
    const glia_term *t = &m->code->term[term];
    if (glia_is_null(v)) return t->kind == GLIA_TERM_NAME && t->sign == '?' && bind_value(m, t->name, v);
    const glia_value_info *info = glia_graph_value(m->g, v);
    switch ((glia_term_kind)t->kind) {
    case GLIA_TERM_NAME: return bind_value(m, t->name, v);
    case GLIA_TERM_SCALAR: return match_scalar(m, t, v);
    case GLIA_TERM_NUMBER: return match_number(m, t, v);
    case GLIA_TERM_EITHER: return match_term(m, t->arg[choose(m, t->arg_count)], v);
    case GLIA_TERM_LABEL: return match_term(m, t->arg[0], v) && bind_value(m, t->name, v);
    case GLIA_TERM_MAYBE: {
        const glia_term *op = &m->code->term[t->arg[0]];
        const bool could = info->producer >= 0 && m->g->nodes[info->producer].op == op->op;
        return match_term(m, could && !choose(m, 2) ? t->arg[0] : op->arg[0], v);
    }
    case GLIA_TERM_OP:
        return info->producer >= 0 && info->output == 0 && match_node(m, t, &m->g->nodes[info->producer]);
    default: return false;
    }
}

/* Values inside the pattern are read inside it alone. */
static bool inner_values_are_ours(const glia_match *m)
{
    for (int i = 1; i < m->node_count; i++) {
        const glia_node *n = &m->g->nodes[m->node[i]];
        int32_t ours = 0;
        for (int j = 0; j < m->node_count; j++) {
            const glia_node *reader = &m->g->nodes[m->node[j]];
            for (int k = 0; k < reader->in_count; k++) ours += reader->in[k].id == n->out[0].id;
        }
        if (m->uses[n->out[0].id] != ours) return false;
    }
    return true;
}

static bool conditions_hold(glia_match *m)
{
    static const char readers[] = "a value inside has other readers";
    const glia_rule_code *c = m->code;
    for (int i = 0; i < c->condition_count; i++) {
        const double holds = glia_rule_number(m, c->condition[i]);
        if (holds != 0 && holds == holds) continue;
        m->missed = c->condition_text[i];
        m->missed_size = c->condition_size[i];
        return false;
    }
    if ((c->rule->flags & GLIA_RULE_SHARED) || inner_values_are_ours(m)) return true;
    m->missed = readers;
    m->missed_size = (int32_t)sizeof readers - 1;
    return false;
}

bool glia_rule_match(glia_match *m, const glia_rule_code *code, const glia_graph *g, const int32_t *uses,
                     const glia_node *n)
{
    m->g = g;
    m->code = code;
    m->uses = uses;
    m->missed = NULL;
    m->choice_count = 0;
    for (int tries = 0; tries < TRIES_MAX; tries++) {
        memset(m->bound, 0, (size_t)code->name_count * sizeof m->bound[0]);
        m->bound[0] = (glia_binding){.kind = GLIA_BOUND_VALUE, .value = n->out[0]};
        m->node_count = m->choice_at = 0;
        m->any = NULL;
        if (match_term(m, code->pattern, n->out[0]) && conditions_hold(m)) return true;
        if (!turn(m)) return false;
    }
    return false;
}

double glia_rule_number(const glia_match *m, uint8_t term)
{
    const glia_term *t = &m->code->term[term];
    switch ((glia_term_kind)t->kind) {
    case GLIA_TERM_NUMBER: return t->number;
    case GLIA_TERM_SCALAR:
    case GLIA_TERM_NAME: {
        const glia_binding *b = &m->bound[t->name];
        return b->kind == GLIA_BOUND_SCALAR || b->kind == GLIA_BOUND_ATTR ? b->number : (double)NAN;
    }
    case GLIA_TERM_WORD: return t->word->number ? t->word->number(m, t) : (double)NAN;
    case GLIA_TERM_SUM: break;
    default: return (double)NAN;
    }
    const double a = glia_rule_number(m, t->arg[0]), b = glia_rule_number(m, t->arg[1]);
    switch (t->sign) {
    case '+': return a + b;
    case '-': return a - b;
    case '*': return a * b;
    case '/': return a / b;
    case '=': return a == b;
    case '!': return a != b;
    case '<': return a < b;
    case '>': return a > b;
    case '(': return a <= b;
    default: return a >= b;
    }
}
