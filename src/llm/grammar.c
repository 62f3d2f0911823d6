/* The grammar as an object, and what must hold of its rules. Each question is answered by one walk over the
 * instructions with a list of work, so that the time is linear in them:
 *
 *     reached before a byte     which rules a rule may enter at its own beginning: cycles are left recursion,
 *                               and their order is the rank that grammar_match.c needs
 *     reached with bytes        whether RETURN is reached: a rule that never gets there has no finite text
 */
#include "llm/grammar.h"

#include "base/check.h"
#include "base/error.h"

#include <string.h>

typedef struct walk { /* which instructions are reached from the beginning of their rule */
    const glia_grammar *g;
    bool bytes;       /* does a walk pass over bytes? */
    uint8_t *reached; /* [steps] */
    int32_t *work;    /* [steps] */
    int64_t work_count;
    int32_t *rule_of; /* [steps] */
    uint8_t *passes;  /* [rules] the rule's RETURN is reached */
    int32_t *waiting; /* [rules] a CALL of the rule that waits for it to pass, -1: none */
    int32_t *next;    /* [steps] the next CALL that waits for the same rule */
} walk;

static bool walk_open(walk *w, const glia_grammar *g, glia_arena *a, bool bytes)
{
    const int64_t n = g->step_count, rules = g->rule_count;
    *w = (walk){.g = g, .bytes = bytes};
    w->reached = GLIA_NEW_ARRAY(a, uint8_t, n);
    w->work = GLIA_NEW_ARRAY(a, int32_t, n);
    w->rule_of = GLIA_NEW_ARRAY(a, int32_t, n);
    w->next = GLIA_NEW_ARRAY(a, int32_t, n);
    w->passes = GLIA_NEW_ARRAY(a, uint8_t, rules);
    w->waiting = GLIA_NEW_ARRAY(a, int32_t, rules);
    if (a->failed) return false;
    for (int64_t r = 0; r < rules; r++) {
        w->waiting[r] = -1;
        for (int32_t i = g->rules[r].begin; i < g->rules[r].end; i++) w->rule_of[i] = (int32_t)r;
    }
    return true;
}

static void reach(walk *w, int64_t at)
{
    if (w->reached[at]) return;
    w->reached[at] = 1;
    w->work[w->work_count++] = (int32_t)at;
}

static void pass(walk *w, int32_t rule)
{
    if (w->passes[rule]) return;
    w->passes[rule] = 1;
    for (int32_t at = w->waiting[rule]; at >= 0; at = w->next[at]) reach(w, at + 1);
}

static void walk_step(walk *w, int32_t at)
{
    const grammar_step *s = &w->g->steps[at];
    switch (s->kind) {
    case GRAMMAR_BYTE:
    case GRAMMAR_TOKEN:
        if (w->bytes) reach(w, at + 1);
        break;
    case GRAMMAR_SPLIT: reach(w, at + s->b); /* fall through */
    case GRAMMAR_JUMP: reach(w, at + s->a); break;
    case GRAMMAR_CALL:
        if (w->passes[s->a]) reach(w, at + 1);
        else {
            w->next[at] = w->waiting[s->a];
            w->waiting[s->a] = at;
        }
        break;
    default: pass(w, w->rule_of[at]); break;
    }
}

static void walk_rules(walk *w)
{
    for (int64_t r = 0; r < w->g->rule_count; r++) reach(w, w->g->rules[r].begin);
    while (w->work_count > 0) walk_step(w, w->work[--w->work_count]);
}

/* ---- left recursion and ranks */

/* The CALLs that a walk without bytes has reached, as edges; ranks by taking away rules that nobody enters.
 */
static glia_status rank_rules(glia_grammar *g, const walk *w, glia_arena *a, const char *text, glia_error *e)
{
    int32_t *entered = GLIA_NEW_ARRAY(a, int32_t, g->rule_count),
            *queue = GLIA_NEW_ARRAY(a, int32_t, g->rule_count);
    int32_t count = 0;
    if (a->failed) return glia_fail(e, GLIA_E_NOMEM, "G0801", "no memory for a grammar");
    for (int64_t i = 0; i < g->step_count; i++)
        if (w->reached[i] && g->steps[i].kind == GRAMMAR_CALL) entered[g->steps[i].a]++;
    for (int32_t r = 0; r < g->rule_count; r++)
        if (!entered[r]) queue[count++] = r;
    for (int32_t q = 0; q < count; q++) {
        grammar_rule *rule = &g->rules[queue[q]];
        rule->rank = q;
        for (int32_t i = rule->begin; i < rule->end; i++)
            if (w->reached[i] && g->steps[i].kind == GRAMMAR_CALL && !--entered[g->steps[i].a])
                queue[count++] = g->steps[i].a;
    }
    if (count == g->rule_count) return GLIA_OK;
    /* What is left is entered by something that is left: going back often enough ends in a cycle. */
    int32_t *before = queue, r = 0;
    for (int64_t i = 0; i < g->step_count; i++)
        if (w->reached[i] && g->steps[i].kind == GRAMMAR_CALL && entered[w->rule_of[i]])
            before[g->steps[i].a] = w->rule_of[i];
    while (!entered[r]) r++;
    for (int64_t i = 0; i < g->rule_count; i++) r = before[r];
    return glia_grammar_fail(e, GLIA_E_FORMAT, "G0652", text, g->rules[r].at,
                             "rule `%.60s` is left-recursive: it enters itself before any character",
                             g->rules[r].name);
}

static glia_status analyse(glia_grammar *g, const char *text, glia_error *e)
{
    glia_arena a;
    walk w;
    glia_arena_init(&a, g->os, 0);
    glia_status st = GLIA_OK;
    if (!walk_open(&w, g, &a, false)) st = glia_fail(e, GLIA_E_NOMEM, "G0801", "no memory for a grammar");
    if (!st) {
        walk_rules(&w);
        st = rank_rules(g, &w, &a, text, e);
    }
    if (!st && !walk_open(&w, g, &a, true))
        st = glia_fail(e, GLIA_E_NOMEM, "G0801", "no memory for a grammar");
    if (!st) {
        walk_rules(&w);
        for (int64_t r = 0; r < g->rule_count && !st; r++)
            if (!w.passes[r])
                st = glia_grammar_fail(e, GLIA_E_FORMAT, "G0653", text, g->rules[r].at,
                                       "rule `%.60s` never comes to an end: it has no finite text",
                                       g->rules[r].name);
    }
    glia_arena_free(&a);
    return st;
}

static glia_status check_names(glia_grammar *g, const char *text, glia_error *e)
{
    g->root = -1;
    for (int32_t r = 0; r < g->rule_count; r++) {
        const grammar_rule *rule = &g->rules[r];
        if (rule->begin < 0)
            return glia_grammar_fail(e, GLIA_E_FORMAT, "G0651", text, rule->at, "rule `%.60s` is not defined",
                                     rule->name);
        if (rule->name_size == 4 && !memcmp(rule->name, "root", 4)) g->root = r;
    }
    if (g->root < 0)
        return glia_fail(e, GLIA_E_FORMAT, "G0655", "the grammar has no rule `root`, where texts begin");
    return GLIA_OK;
}

/* A CALL with nothing but RETURN behind it: b is 1 then, and the rule returns to the caller's caller. */
static void mark_tails(glia_grammar *g)
{
    for (int64_t i = 0; i < g->step_count; i++) {
        int64_t at = i + 1;
        if (g->steps[i].kind != GRAMMAR_CALL) continue;
        for (int hops = 0; hops < 64 && g->steps[at].kind == GRAMMAR_JUMP; hops++) at += g->steps[at].a;
        g->steps[i].b = g->steps[at].kind == GRAMMAR_RETURN;
    }
}

/* Two bytes are of one class if no range of an instruction ends between them. */
static void classify(glia_grammar *g)
{
    bool cut[257] = {false};
    for (int64_t i = 0; i < g->step_count; i++) {
        if (g->steps[i].kind != GRAMMAR_BYTE) continue;
        cut[g->steps[i].low] = true;
        cut[g->steps[i].high + 1] = true;
    }
    int32_t class = 0;
    for (int i = 0; i < 256; i++) {
        class += i && cut[i];
        g->class_of[i] = (uint8_t) class;
    }
    g->class_count = class + 1;
}

glia_status glia_grammar_create(const glia_vocab_tree *v, const char *text, int64_t size, glia_grammar **out,
                                glia_error *e)
{
    glia_error_clear(e);
    if (out) *out = NULL;
    if (!v || !out || size < 0 || (size && !text))
        return glia_fail(e, GLIA_E_ARG, "G0666", "a null or negative argument to a grammar");
    if (size > GRAMMAR_TEXT_MAX)
        return glia_fail(e, GLIA_E_LIMIT, "G0654", "the grammar has %lld bytes; the limit is %lld",
                         (long long)size, (long long)GRAMMAR_TEXT_MAX);
    glia_grammar *g = v->os->mem_alloc(v->os->ctx, sizeof *g, _Alignof(glia_grammar));
    if (!g) return glia_fail(e, GLIA_E_NOMEM, "G0801", "no memory for a grammar");
    g->os = v->os;
    g->vocab = v;
    glia_arena_init(&g->arena, v->os, 0);
    glia_status st = glia_grammar_parse(g, text, size, e);
    if (!st) st = check_names(g, text, e);
    if (!st) st = analyse(g, text, e);
    if (st) {
        glia_grammar_destroy(g);
        return st;
    }
    mark_tails(g);
    classify(g);
    *out = g;
    return GLIA_OK;
}

void glia_grammar_destroy(glia_grammar *g)
{
    if (!g) return;
    const glia_os *os = g->os;
    glia_arena_free(&g->arena);
    os->mem_free(os->ctx, g, sizeof *g);
}

int64_t glia_grammar_vocab(const glia_grammar *g) { return g->vocab->count; }
