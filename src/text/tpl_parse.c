/* Tags: statements to instructions. Blocks that are open lie on an explicit stack.
 *
 *     if      test; jump_false ELSE; ..; jump END; ELSE: ..; END:
 *     for     iterable; [filter loop;] for_begin; NEXT: for_next END; targets; body; for_done; jump NEXT;
 *             END: for_end ELSE; else body
 *     macro   macro; jump BEHIND; defaults; body; macro_return; BEHIND: store
 *     call    the call with one argument more, the macro of the body
 *     set, filter, generation, with: scopes around captures */
#include "text/tpl.h"

#include <stdarg.h>

typedef enum {
    IN_IF,
    IN_IF_ELSE,
    IN_FOR,
    IN_FOR_ELSE,
    IN_MACRO,
    IN_CALLER,
    IN_SET,
    IN_FILTER,
    IN_WITH,
    IN_GENERATION
} block_kind;

typedef struct target { /* where an assignment goes */
    int32_t name;
    const char *attribute; /* of a namespace; null: the variable itself */
    int32_t attribute_id;
    const tpl_token *at;
} target;

typedef struct tpl_block {
    block_kind kind;
    const tpl_token *at;
    int64_t patch;     /* the jump to the next branch, or behind the block; -1: none */
    int64_t ends;      /* jumps to the end, linked through their targets; -1: none */
    int64_t again;     /* of a loop: its for_next */
    int64_t filter_at; /* of a filter block: its first token */
    target to;
    tpl_proto *proto;
} tpl_block;

#define EMIT(c, name, at, a, b, p) (glia_tpl_emit(c, glia_tpl_run_##name, at, a, b, p) >= 0)

int64_t glia_tpl_emit(tpl_compiler *c, bool (*run)(tpl_vm *, const tpl_inst *), const tpl_token *at,
                      int32_t a, int32_t b, const void *p)
{
    glia_template *t = c->t;
    tpl_inst *grown = glia_arena_grow(&t->arena, t->code, t->code_count, &c->code_room, sizeof *grown);
    if (!grown) {
        glia_tpl_compile_nomem(c);
        return -1;
    }
    t->code = grown;
    grown[t->code_count] = (tpl_inst){run, p, a, b, at->line, at->column};
    return t->code_count++;
}

bool glia_tpl_literal(tpl_compiler *c, const char *text)
{
    glia_template *t = c->t;
    const char **grown =
        glia_arena_grow(&t->arena, (void *)t->literal, t->literal_count, &c->literal_room, sizeof *grown);
    if (!grown) return glia_tpl_compile_nomem(c);
    t->literal = grown;
    grown[t->literal_count++] = text;
    return true;
}

static uint32_t name_hash(const char *s)
{
    uint32_t h = 2166136261u; /* FNV-1a */
    for (; *s; s++) h = (h ^ (uint8_t)*s) * 16777619u;
    return h ^ h >> 15;
}

/* Doubles the table of names when it is half full. */
static bool name_table_grow(tpl_compiler *c)
{
    int64_t slots = c->name_slots ? 2 * c->name_slots : 64;
    int32_t *slot = GLIA_NEW_ARRAY(&c->scratch, int32_t, slots);
    if (!slot) return false;
    for (int64_t i = 0; i < slots; i++) slot[i] = -1;
    for (int32_t n = 0; n < c->t->name_count; n++) {
        int64_t at = name_hash(c->t->name[n]) & (slots - 1);
        while (slot[at] >= 0) at = (at + 1) & (slots - 1);
        slot[at] = n;
    }
    c->name_slot = slot;
    c->name_slots = slots;
    return true;
}

int32_t glia_tpl_intern(tpl_compiler *c, const char *name)
{
    glia_template *t = c->t;
    if (2 * t->name_count >= c->name_slots && !name_table_grow(c)) return glia_tpl_compile_nomem(c), -1;
    int64_t at = name_hash(name) & (c->name_slots - 1);
    for (; c->name_slot[at] >= 0; at = (at + 1) & (c->name_slots - 1))
        if (!strcmp(t->name[c->name_slot[at]], name)) return c->name_slot[at];
    const char **grown =
        glia_arena_grow(&t->arena, (void *)t->name, t->name_count, &c->name_room, sizeof *grown);
    const char *copy = glia_arena_strdup(&t->arena, name);
    if (!grown || !copy) return glia_tpl_compile_nomem(c), -1;
    t->name = grown;
    grown[t->name_count] = copy;
    c->name_slot[at] = (int32_t)t->name_count;
    return (int32_t)t->name_count++;
}

static tpl_block *block(tpl_compiler *c) { return c->blocks ? &c->block[c->blocks - 1] : NULL; }

static tpl_block *open_block(tpl_compiler *c, block_kind kind, const tpl_token *at)
{
    if (c->blocks == GLIA_TEMPLATE_NESTING) {
        if (!c->status)
            c->status = glia_fail(c->e, GLIA_E_LIMIT, "G0674",
                                  "template line %d, column %d: blocks nested deeper than %d", at->line,
                                  at->column, GLIA_TEMPLATE_NESTING);
        return NULL;
    }
    tpl_block *grown = glia_arena_grow(&c->scratch, c->block, c->blocks, &c->blocks_room, sizeof *grown);
    if (!grown) {
        glia_tpl_compile_nomem(c);
        return NULL;
    }
    c->block = grown;
    grown[c->blocks] = (tpl_block){.kind = kind, .at = at, .patch = -1, .ends = -1, .again = -1};
    return &grown[c->blocks++];
}

static void patch_here(tpl_compiler *c, int64_t at)
{
    if (at >= 0) c->t->code[at].a = (int32_t)c->t->code_count;
}

static bool end_tag(tpl_compiler *c)
{
    const tpl_token *t = tpl_peek(c);
    if (t->kind != TOK_END)
        return glia_tpl_syntax(c, t, "the end of the tag is missing before `%.40s`", t->text);
    c->at++;
    return true;
}

static bool expect_sign(tpl_compiler *c, char sign)
{
    const tpl_token *t = tpl_peek(c);
    if (!tpl_is_sign(t, (uint8_t)sign))
        return glia_tpl_syntax(c, t, "`%c` is missing before `%.40s`", sign, t->text);
    c->at++;
    return true;
}

static bool expect_name(tpl_compiler *c, const tpl_token **out)
{
    static const char *const reserved[] = {"true", "false", "none", "True", "False", "None"};
    const tpl_token *t = *out = tpl_peek(c);
    if (t->kind != TOK_NAME) return glia_tpl_syntax(c, t, "a name is missing before `%.40s`", t->text);
    for (int i = 0; i < GLIA_COUNT(reserved); i++)
        if (!strcmp(t->text, reserved[i]))
            return glia_tpl_syntax(c, t, "`%s` cannot be assigned to", t->text);
    c->at++;
    return true;
}

/* ---- assignments ---------------------------------------------------------------------------------- */

enum { TARGETS_MAX = 16 };

typedef struct targets {
    target to[TARGETS_MAX];
    int count;
    bool tuple;
} targets;

static bool read_target(tpl_compiler *c, bool attributes, target *out)
{
    const tpl_token *t, *a;
    if (tpl_is_sign(tpl_peek(c), '(') || tpl_is_sign(tpl_peek(c), '['))
        return glia_tpl_unknown(c, tpl_peek(c), "nested targets of an assignment are not built");
    if (!expect_name(c, &t)) return false;
    *out = (target){.name = glia_tpl_intern(c, t->text), .at = t};
    if (out->name < 0) return false;
    if (!attributes || !tpl_is_sign(tpl_peek(c), '.')) {
        if (out->name == c->t->loop_name) return glia_tpl_syntax(c, t, "`loop` cannot be assigned to");
        return true;
    }
    c->at++;
    a = tpl_peek(c);
    if (a->kind != TOK_NAME) return glia_tpl_syntax(c, a, "a name is missing behind the point");
    c->at++;
    out->attribute = a->text;
    out->attribute_id = glia_tpl_intern(c, a->text);
    return out->attribute_id >= 0;
}

static bool read_targets(tpl_compiler *c, bool attributes, targets *out)
{
    bool paren = tpl_is_sign(tpl_peek(c), '(');
    c->at += paren;
    *out = (targets){.count = 0};
    do {
        if (out->count == TARGETS_MAX)
            return glia_tpl_unknown(c, tpl_peek(c), "more than %d targets", TARGETS_MAX);
        if (!read_target(c, attributes, &out->to[out->count++])) return false;
        if (!tpl_is_sign(tpl_peek(c), ',')) break;
        out->tuple = true;
        c->at++;
    } while (tpl_peek(c)->kind == TOK_NAME && !tpl_is_word(tpl_peek(c), "in"));
    return !paren || expect_sign(c, ')');
}

static bool store(tpl_compiler *c, const target *to)
{
    return to->attribute ? EMIT(c, store_attribute, to->at, to->name, to->attribute_id, to->attribute)
                         : EMIT(c, store, to->at, to->name, 0, NULL);
}

static bool store_all(tpl_compiler *c, const targets *s)
{
    if (s->tuple && !EMIT(c, unpack, s->to[0].at, s->count, 0, NULL)) return false;
    for (int i = 0; i < s->count; i++)
        if (!store(c, &s->to[i])) return false;
    return true;
}

static bool tag_set(tpl_compiler *c, const tpl_token *t)
{
    targets to;
    if (!read_targets(c, true, &to)) return false;
    if (tpl_is_sign(tpl_peek(c), '=')) {
        c->at++;
        return glia_tpl_expression(c, TPL_EXPR_COND | TPL_EXPR_TUPLE) && end_tag(c) && store_all(c, &to);
    }
    if (to.tuple) return glia_tpl_syntax(c, t, "a set block has one target");
    tpl_block *b = open_block(c, IN_SET, t);
    if (!b) return false;
    b->to = to.to[0];
    b->filter_at = c->at;
    /* The filters stand before the text that they take: they are read again at the end. */
    while (tpl_peek(c)->kind != TOK_END) c->at++;
    return end_tag(c) && EMIT(c, capture_begin, t, 0, 0, NULL);
}

static bool filters_from(tpl_compiler *c, int64_t at, bool first)
{
    int64_t back = c->at;
    c->at = at;
    bool ok = glia_tpl_filter_tail(c, first);
    if (ok && tpl_peek(c)->kind != TOK_END)
        ok = glia_tpl_syntax(c, tpl_peek(c), "unexpected `%.40s`", tpl_peek(c)->text);
    c->at = back;
    return ok;
}

static bool tag_endset(tpl_compiler *c, const tpl_token *t)
{
    tpl_block b = c->block[--c->blocks];
    return end_tag(c) && EMIT(c, capture_end, t, 0, 0, NULL) && filters_from(c, b.filter_at, false) &&
           store(c, &b.to);
}

static bool tag_filter(tpl_compiler *c, const tpl_token *t)
{
    tpl_block *b = open_block(c, IN_FILTER, t);
    if (!b) return false;
    b->filter_at = c->at;
    while (tpl_peek(c)->kind != TOK_END) c->at++;
    return end_tag(c) && EMIT(c, capture_begin, t, 0, 0, NULL);
}

static bool tag_endfilter(tpl_compiler *c, const tpl_token *t)
{
    tpl_block b = c->block[--c->blocks];
    return end_tag(c) && EMIT(c, capture_end, t, 0, 0, NULL) && filters_from(c, b.filter_at, true) &&
           EMIT(c, emit, t, 0, 0, NULL);
}

static bool tag_with(tpl_compiler *c, const tpl_token *t)
{
    target to[TARGETS_MAX];
    int count = 0;
    while (tpl_peek(c)->kind != TOK_END) {
        if (count == TARGETS_MAX)
            return glia_tpl_unknown(c, tpl_peek(c), "more than %d targets", TARGETS_MAX);
        if (count && !expect_sign(c, ',')) return false;
        if (!read_target(c, false, &to[count++]) || !expect_sign(c, '=') ||
            !glia_tpl_expression(c, TPL_EXPR_COND))
            return false;
    }
    if (!open_block(c, IN_WITH, t) || !end_tag(c) || !EMIT(c, scope_begin, t, 0, 0, NULL)) return false;
    while (count)
        if (!store(c, &to[--count])) return false;
    return true;
}

static bool tag_generation(tpl_compiler *c, const tpl_token *t)
{
    return open_block(c, IN_GENERATION, t) && end_tag(c) && EMIT(c, scope_begin, t, 0, 0, NULL);
}

static bool tag_end_scope(tpl_compiler *c, const tpl_token *t)
{
    c->blocks--;
    return end_tag(c) && EMIT(c, scope_end, t, 0, 0, NULL);
}

static bool tag_print(tpl_compiler *c, const tpl_token *t)
{
    return glia_tpl_expression(c, TPL_EXPR_COND | TPL_EXPR_TUPLE) && end_tag(c) &&
           EMIT(c, emit, t, 0, 0, NULL);
}

/* {% print a, b %}: one after another. */
static bool tag_print_all(tpl_compiler *c, const tpl_token *t)
{
    while (tpl_peek(c)->kind != TOK_END) {
        if (!glia_tpl_expression(c, TPL_EXPR_COND) || !EMIT(c, emit, t, 0, 0, NULL)) return false;
        if (tpl_peek(c)->kind != TOK_END && !expect_sign(c, ',')) return false;
    }
    return end_tag(c);
}

/* ---- if ------------------------------------------------------------------------------------------- */

static bool condition(tpl_compiler *c, const tpl_token *t)
{
    if (!glia_tpl_expression(c, TPL_EXPR_TUPLE) || !end_tag(c)) return false;
    block(c)->patch = glia_tpl_emit(c, glia_tpl_run_jump_false, t, 0, 0, NULL);
    return block(c)->patch >= 0;
}

/* The end of a branch: a jump to the end of the block, and the place where the next branch begins. */
static bool next_branch(tpl_compiler *c, const tpl_token *t)
{
    tpl_block *b = block(c);
    int64_t out = glia_tpl_emit(c, glia_tpl_run_jump, t, (int32_t)b->ends, 0, NULL);
    if (out < 0) return false;
    b->ends = out;
    patch_here(c, b->patch);
    b->patch = -1;
    return true;
}

static bool tag_if(tpl_compiler *c, const tpl_token *t) { return open_block(c, IN_IF, t) && condition(c, t); }

static bool tag_elif(tpl_compiler *c, const tpl_token *t) { return next_branch(c, t) && condition(c, t); }

static bool tag_else(tpl_compiler *c, const tpl_token *t)
{
    tpl_block *b = block(c);
    if (!end_tag(c)) return false;
    if (b->kind == IN_IF) {
        b->kind = IN_IF_ELSE;
        return next_branch(c, t);
    }
    b->kind = IN_FOR_ELSE;
    if (!EMIT(c, for_done, t, 0, 0, NULL) || !EMIT(c, jump, t, (int32_t)b->again, 0, NULL)) return false;
    patch_here(c, b->again);
    b->patch = glia_tpl_emit(c, glia_tpl_run_for_end, t, 0, 1, NULL);
    return b->patch >= 0 && EMIT(c, scope_begin, t, 0, 0, NULL);
}

static bool tag_endif(tpl_compiler *c, const tpl_token *t)
{
    tpl_block b = c->block[--c->blocks];
    (void)t;
    patch_here(c, b.patch);
    while (b.ends >= 0) {
        int64_t next = c->t->code[b.ends].a;
        patch_here(c, b.ends);
        b.ends = next;
    }
    return end_tag(c);
}

/* ---- for ------------------------------------------------------------------------------------------ */

static bool tag_for(tpl_compiler *c, const tpl_token *t)
{
    targets to;
    if (!read_targets(c, false, &to)) return false;
    if (!tpl_is_word(tpl_peek(c), "in"))
        return glia_tpl_syntax(c, tpl_peek(c), "`in` is missing before `%.40s`", tpl_peek(c)->text);
    c->at++;
    if (!glia_tpl_expression(c, TPL_EXPR_TUPLE)) return false;
    if (tpl_is_word(tpl_peek(c), "if")) {
        c->at++;
        if (!EMIT(c, keep_begin, t, 0, 0, NULL)) return false;
        int64_t next = glia_tpl_emit(c, glia_tpl_run_keep_next, t, 0, 0, NULL);
        if (next < 0 || !store_all(c, &to) || !glia_tpl_expression(c, TPL_EXPR_COND) ||
            !EMIT(c, keep_item, t, (int32_t)next, 0, NULL))
            return false;
        patch_here(c, next);
    }
    if (tpl_is_word(tpl_peek(c), "recursive"))
        return glia_tpl_unknown(c, tpl_peek(c), "recursive loops are not built");
    if (!end_tag(c) || !EMIT(c, for_begin, t, 0, 0, NULL)) return false;
    tpl_block *b = open_block(c, IN_FOR, t);
    if (!b) return false;
    b->again = glia_tpl_emit(c, glia_tpl_run_for_next, t, 0, 0, NULL);
    return b->again >= 0 && store_all(c, &to);
}

static bool tag_endfor(tpl_compiler *c, const tpl_token *t)
{
    tpl_block b = c->block[--c->blocks];
    if (!end_tag(c)) return false;
    if (b.kind == IN_FOR) {
        if (!EMIT(c, for_done, t, 0, 0, NULL) || !EMIT(c, jump, t, (int32_t)b.again, 0, NULL)) return false;
        patch_here(c, b.again);
        return EMIT(c, for_end, t, 0, 0, NULL);
    }
    if (!EMIT(c, scope_end, t, 0, 0, NULL)) return false;
    patch_here(c, b.patch);
    return true;
}

/* The loop that break and continue belong to. */
static tpl_block *loop_of(tpl_compiler *c, const tpl_token *t)
{
    for (int64_t i = c->blocks - 1; i >= 0; i--) {
        block_kind k = c->block[i].kind;
        if (k == IN_FOR) return &c->block[i];
        if (k == IN_SET || k == IN_FILTER) {
            glia_tpl_unknown(c, t, "`%s` out of a set or filter block is not built", t->text);
            return NULL;
        }
        if (k == IN_MACRO || k == IN_CALLER || k == IN_GENERATION) break;
    }
    glia_tpl_syntax(c, t, "`%s` outside of a loop", t->text);
    return NULL;
}

/* for_next goes on when it has another item; break ends the items first. */
static bool tag_break(tpl_compiler *c, const tpl_token *t)
{
    tpl_block *b = loop_of(c, t);
    return b && end_tag(c) && EMIT(c, for_done, t, 0, 1, NULL) &&
           EMIT(c, jump, t, (int32_t)b->again, 0, NULL);
}

static bool tag_continue(tpl_compiler *c, const tpl_token *t)
{
    tpl_block *b = loop_of(c, t);
    return b && end_tag(c) && EMIT(c, jump, t, (int32_t)b->again, 0, NULL);
}

/* ---- macros --------------------------------------------------------------------------------------- */

enum { PARAMS_MAX = 64 };

/* "(a, b=1)". The macro instruction has been emitted; defaults are code at the beginning of the body. */
static bool parameters(tpl_compiler *c, tpl_proto *p)
{
    tpl_param *params = GLIA_NEW_ARRAY(&c->t->arena, tpl_param, PARAMS_MAX);
    if (!params) return glia_tpl_compile_nomem(c);
    p->param = params;
    for (c->at++; !tpl_is_sign(tpl_peek(c), ')');) {
        const tpl_token *t;
        if (p->param_count && !expect_sign(c, ',')) return false;
        if (p->param_count == PARAMS_MAX)
            return glia_tpl_unknown(c, tpl_peek(c), "more than %d parameters", PARAMS_MAX);
        if (!expect_name(c, &t)) return false;
        int32_t name = glia_tpl_intern(c, t->text);
        if (name < 0) return false;
        tpl_param *q = &params[p->param_count++];
        *q = (tpl_param){name, tpl_is_sign(tpl_peek(c), '=')};
        if (!q->has_default) {
            if (p->param_count > 1 && q[-1].has_default)
                return glia_tpl_syntax(c, t, "a parameter without default behind one with");
            continue;
        }
        c->at++;
        int64_t skip = glia_tpl_emit(c, glia_tpl_run_macro_default, t, 0, name, NULL);
        if (skip < 0 || !glia_tpl_expression(c, TPL_EXPR_COND) || !EMIT(c, store, t, name, 0, NULL))
            return false;
        patch_here(c, skip);
    }
    c->at++;
    return true;
}

static tpl_proto *new_proto(tpl_compiler *c, const char *name)
{
    tpl_proto *p = GLIA_NEW(&c->t->arena, tpl_proto);
    if (!p) glia_tpl_compile_nomem(c);
    else p->name = name;
    return p;
}

static bool tag_macro(tpl_compiler *c, const tpl_token *t)
{
    const tpl_token *name;
    if (!expect_name(c, &name)) return false;
    tpl_proto *p = new_proto(c, name->text);
    if (!p || (p->name_id = glia_tpl_intern(c, name->text)) < 0) return false;
    tpl_block *b = open_block(c, IN_MACRO, t);
    if (!b) return false;
    b->proto = p;
    if (!EMIT(c, macro, t, 0, 0, p)) return false;
    b->patch = glia_tpl_emit(c, glia_tpl_run_jump, t, 0, 0, NULL);
    p->begin = (int32_t)c->t->code_count;
    if (b->patch < 0) return false;
    if (!tpl_is_sign(tpl_peek(c), '('))
        return glia_tpl_syntax(c, tpl_peek(c), "`(` is missing behind a macro's name");
    return parameters(c, p) && end_tag(c);
}

static bool tag_endmacro(tpl_compiler *c, const tpl_token *t)
{
    tpl_block b = c->block[--c->blocks];
    if (tpl_peek(c)->kind == TOK_NAME) c->at++;
    if (!end_tag(c) || !EMIT(c, macro_return, t, 0, 0, NULL)) return false;
    patch_here(c, b.patch);
    return EMIT(c, store, b.at, b.proto->name_id, 0, NULL);
}

/* {% call(params) f(args) %}: the parameters' code belongs to the body, behind the call. */
static bool tag_call(tpl_compiler *c, const tpl_token *t)
{
    int64_t params = c->at;
    tpl_proto *p = new_proto(c, "caller");
    if (!p) return false;
    if (tpl_is_sign(tpl_peek(c), '('))
        for (int depth = 0; tpl_peek(c)->kind != TOK_END;) {
            const tpl_token *skipped = &c->token[c->at++];
            depth += tpl_is_sign(skipped, '(') - tpl_is_sign(skipped, ')');
            if (!depth) break;
        }
    if (!glia_tpl_expression(c, TPL_EXPR_COND)) return false;
    tpl_inst last = c->t->code[c->t->code_count - 1];
    if (last.run != glia_tpl_run_call) return glia_tpl_syntax(c, t, "a call is missing");
    const tpl_call *call = last.p;
    tpl_call *more = GLIA_NEW(&c->t->arena, tpl_call);
    const char **names = GLIA_NEW_ARRAY(&c->t->arena, const char *, call->named + 1);
    if (!more || !names) return glia_tpl_compile_nomem(c);
    for (int32_t i = 0; i < call->named; i++) names[i] = call->names[i];
    names[call->named] = "caller";
    *more = (tpl_call){call->count, call->named + 1, names};
    c->t->code_count--;
    tpl_block *b = open_block(c, IN_CALLER, t);
    if (!b || !EMIT(c, macro, t, 0, 0, p) || !EMIT(c, call, t, 0, 0, more) || !EMIT(c, emit, t, 0, 0, NULL))
        return false;
    b->patch = glia_tpl_emit(c, glia_tpl_run_jump, t, 0, 0, NULL);
    p->begin = (int32_t)c->t->code_count;
    int64_t behind = c->at;
    c->at = params;
    if (tpl_is_sign(tpl_peek(c), '(') && !parameters(c, p)) return false;
    c->at = behind;
    return b->patch >= 0 && end_tag(c);
}

static bool tag_endcall(tpl_compiler *c, const tpl_token *t)
{
    tpl_block b = c->block[--c->blocks];
    if (!end_tag(c) || !EMIT(c, macro_return, t, 0, 0, NULL)) return false;
    patch_here(c, b.patch);
    return true;
}

/* ---- the tags ------------------------------------------------------------------------------------- */

#define BIT(k) (1u << (k))
static const struct tag {
    const char *name;
    unsigned closes; /* the blocks one of which must be innermost; 0: anywhere */
    bool (*run)(tpl_compiler *c, const tpl_token *t);
} tags[] = {
    {"if", 0, tag_if},
    {"elif", BIT(IN_IF), tag_elif},
    {"else", BIT(IN_IF) | BIT(IN_FOR), tag_else},
    {"endif", BIT(IN_IF) | BIT(IN_IF_ELSE), tag_endif},
    {"for", 0, tag_for},
    {"endfor", BIT(IN_FOR) | BIT(IN_FOR_ELSE), tag_endfor},
    {"break", 0, tag_break},
    {"continue", 0, tag_continue},
    {"set", 0, tag_set},
    {"endset", BIT(IN_SET), tag_endset},
    {"macro", 0, tag_macro},
    {"endmacro", BIT(IN_MACRO), tag_endmacro},
    {"call", 0, tag_call},
    {"endcall", BIT(IN_CALLER), tag_endcall},
    {"filter", 0, tag_filter},
    {"endfilter", BIT(IN_FILTER), tag_endfilter},
    {"with", 0, tag_with},
    {"endwith", BIT(IN_WITH), tag_end_scope},
    {"generation", 0, tag_generation},
    {"endgeneration", BIT(IN_GENERATION), tag_end_scope},
    {"print", 0, tag_print_all},
};

static bool statement(tpl_compiler *c)
{
    const tpl_token *t = tpl_peek(c);
    if (t->kind != TOK_NAME) return glia_tpl_syntax(c, t, "the name of a tag is missing");
    for (int i = 0; i < GLIA_COUNT(tags); i++) {
        if (strcmp(tags[i].name, t->text)) continue;
        const tpl_block *b = block(c);
        if (tags[i].closes && (!b || !(tags[i].closes & BIT(b->kind)))) {
            if (!b) return glia_tpl_syntax(c, t, "`%s` without a block that it belongs to", t->text);
            return glia_tpl_syntax(c, t, "`%s` inside the block that `%s` began in line %d", t->text,
                                   b->at->text, b->at->line);
        }
        c->at++;
        return tags[i].run(c, t);
    }
    return glia_tpl_unknown(c, t, "there is no tag `%.60s`", t->text);
}

static bool parse_data(tpl_compiler *c, const tpl_token *t)
{
    tpl_string *s = GLIA_NEW(&c->t->arena, tpl_string);
    if (!s) return glia_tpl_compile_nomem(c);
    s->text = t->text;
    s->size = t->size;
    return glia_tpl_literal(c, t->text) && EMIT(c, text, t, 0, 0, s);
}

static bool parse(tpl_compiler *c)
{
    for (;;) {
        const tpl_token *t = &c->token[c->at++];
        bool ok = true;
        if (t->kind == TOK_EOF) {
            const tpl_block *b = block(c);
            c->at--;
            if (b)
                return glia_tpl_syntax(c, t, "the end of `%s` from line %d is missing", b->at->text,
                                       b->at->line);
            return true;
        }
        if (t->kind == TOK_DATA) ok = parse_data(c, t);
        if (t->kind == TOK_VAR) ok = tag_print(c, t);
        if (t->kind == TOK_BLOCK) ok = statement(c);
        if (!ok) return false;
    }
}

glia_status glia_template_compile(const glia_os *os, const char *text, int64_t size, glia_template **out,
                                  glia_error *e)
{
    glia_error_clear(e);
    if (out) *out = NULL;
    if (!out || !text || size < 0)
        return glia_fail(e, GLIA_E_ARG, "G0676", "compile: null or negative argument");
    if (size > GLIA_TEMPLATE_SOURCE_MAX)
        return glia_fail(e, GLIA_E_LIMIT, "G0674", "a template of %lld bytes; the limit is %lld",
                         (long long)size, (long long)GLIA_TEMPLATE_SOURCE_MAX);
    if (!os) os = glia_os_default();
    glia_template *t = os->mem_alloc(os->ctx, sizeof *t, _Alignof(glia_template));
    if (!t) return glia_fail(e, GLIA_E_NOMEM, "G0801", "no memory for a template");
    t->os = os;
    glia_arena_init(&t->arena, os, 0);
    tpl_compiler c = {.t = t, .e = e};
    glia_arena_init(&c.scratch, os, 0);
    t->loop_name = glia_tpl_intern(&c, "loop");
    t->caller_name = glia_tpl_intern(&c, "caller");
    if (t->loop_name >= 0 && t->caller_name >= 0 && glia_tpl_lex(&c, text, size)) parse(&c);
    glia_arena_free(&c.scratch);
    if (c.status) {
        glia_template_destroy(t);
        return c.status;
    }
    *out = t;
    return GLIA_OK;
}

void glia_template_destroy(glia_template *t)
{
    if (!t) return;
    glia_arena_free(&t->arena);
    t->os->mem_free(t->os->ctx, t, sizeof *t);
}

bool glia_template_uses(const glia_template *t, const char *name)
{
    for (int64_t i = 0; i < t->name_count; i++)
        if (!strcmp(t->name[i], name)) return true;
    return false;
}

bool glia_template_says(const glia_template *t, const char *text)
{
    for (int64_t i = 0; i < t->literal_count; i++)
        if (strstr(t->literal[i], text)) return true;
    return false;
}
