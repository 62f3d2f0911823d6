/* The machine. An instruction is called with the machine and its operands; it takes values from the top of
 * the stack and puts its result there. Jumps set `pc`.
 *
 * Scopes form a chain: a name is looked for from the innermost one outwards, then among the globals;
 * assignments go to the innermost. Each turn of a loop, each macro and each capture has a scope of its own,
 * so what is assigned there does not outlive it; a namespace does. */
#include "text/tpl.h"

#include <stdarg.h>
#include <stdio.h>

/* ---- failing and spending ------------------------------------------------------------------------- */

bool glia_tpl_fail(tpl_vm *v, glia_status s, const char *code, const char *format, ...)
{
    char text[1024];
    va_list args;
    if (v->status) return false;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    v->status = s;
    if (v->at) glia_fail(v->e, s, code, "template line %d, column %d: %s", v->at->line, v->at->column, text);
    else glia_fail(v->e, s, code, "%s", text);
    return false;
}

bool glia_tpl_type_error(tpl_vm *v, const char *format, ...)
{
    char text[512];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    return glia_tpl_fail(v, GLIA_E_FORMAT, "G0673", "%s", text);
}

bool glia_tpl_nomem(tpl_vm *v)
{
    if (v->arena.failed && v->arena.used > v->arena.limit / 2)
        return glia_tpl_fail(v, GLIA_E_LIMIT, "G0674", "the render needs more than %lld bytes",
                             (long long)v->arena.limit);
    return glia_tpl_fail(v, GLIA_E_NOMEM, "G0801", "no memory to render a template");
}

bool glia_tpl_spend(tpl_vm *v, int64_t units)
{
    v->work += units;
    if (v->work <= v->work_max) return !v->status;
    return glia_tpl_fail(v, GLIA_E_LIMIT, "G0674", "the render takes more than %lld units of work",
                         (long long)v->work_max);
}

void *glia_tpl_alloc(tpl_vm *v, int64_t count, int64_t size)
{
    int64_t bytes;
    void *p = glia_mul(count, size, &bytes) ? glia_arena_alloc(&v->arena, bytes, size >= 8 ? 8 : 4) : NULL;
    if (!p) glia_tpl_nomem(v);
    return p;
}

/* ---- stack, scopes -------------------------------------------------------------------------------- */

bool glia_tpl_push(tpl_vm *v, tv x)
{
    tv *grown = glia_arena_grow(&v->arena, v->stack, v->top, &v->stack_room, sizeof *grown);
    if (!grown) return glia_tpl_nomem(v);
    v->stack = grown;
    grown[v->top++] = x;
    return true;
}

static tv *peek(tpl_vm *v, int64_t n) { return &v->stack[v->top - 1 - n]; }
static tv pop(tpl_vm *v) { return v->stack[--v->top]; }

static tpl_scope *new_scope(tpl_vm *v, tpl_scope *up)
{
    tpl_scope *s = TPL_NEW(v, tpl_scope, 1);
    if (s) s->up = up;
    return s;
}

tpl_var *glia_tpl_scope_find(tpl_scope *s, int32_t name)
{
    for (int64_t i = 0; i < s->count; i++)
        if (s->var[i].name == name) return &s->var[i];
    return NULL;
}

bool glia_tpl_scope_set(tpl_vm *v, tpl_scope *s, int32_t name, tv x)
{
    if (!glia_tpl_spend(v, s->count / 4)) return false;
    tpl_var *var = glia_tpl_scope_find(s, name);
    if (!var) {
        tpl_var *grown = glia_arena_grow(&v->arena, s->var, s->count, &s->capacity, sizeof *grown);
        if (!grown) return glia_tpl_nomem(v);
        s->var = grown;
        var = &grown[s->count++];
        var->name = name;
    }
    var->value = x;
    return true;
}

static bool scope_push(tpl_vm *v)
{
    tpl_scope *s = new_scope(v, v->scope);
    if (!s) return false;
    v->scope = s;
    return true;
}

/* ---- simple instructions -------------------------------------------------------------------------- */

bool glia_tpl_run_nop(tpl_vm *v, const tpl_inst *i)
{
    (void)v;
    (void)i;
    return true;
}

static bool output(tpl_vm *v, const tv *x)
{
    tpl_buffer *b = v->capture[v->captures - 1];
    if (!glia_tpl_put_value(v, b, x)) return false;
    if (b->used <= v->output_max) return true;
    return glia_tpl_fail(v, GLIA_E_LIMIT, "G0674", "the text has more than %lld bytes",
                         (long long)v->output_max);
}

/* Plain text of the template. */
bool glia_tpl_run_text(tpl_vm *v, const tpl_inst *i)
{
    return output(v, &(tv){.kind = TPL_STRING, .s = i->p});
}

/* x -> */
bool glia_tpl_run_emit(tpl_vm *v, const tpl_inst *i)
{
    (void)i;
    tv x = pop(v);
    return output(v, &x);
}

bool glia_tpl_run_constant(tpl_vm *v, const tpl_inst *i) { return glia_tpl_push(v, *(const tv *)i->p); }

bool glia_tpl_run_name(tpl_vm *v, const tpl_inst *i)
{
    for (tpl_scope *s = v->scope; s; s = s->up) {
        if (!glia_tpl_spend(v, 1 + s->count / 4)) return false;
        tpl_var *var = glia_tpl_scope_find(s, i->a);
        if (var) return glia_tpl_push(v, var->value);
    }
    if (i->p) return glia_tpl_push(v, (tv){.kind = TPL_FUNCTION, .fn = i->p});
    return glia_tpl_push(v, tpl_undefined(v->t->name[i->a]));
}

/* x -> x.name */
bool glia_tpl_run_attribute(tpl_vm *v, const tpl_inst *i)
{
    tv x = pop(v), out;
    return glia_tpl_attribute(v, &x, i->p, &out) && glia_tpl_push(v, out);
}

/* x key -> x[key] */
bool glia_tpl_run_item(tpl_vm *v, const tpl_inst *i)
{
    (void)i;
    tv key = pop(v), x = pop(v), out;
    return glia_tpl_item(v, &x, &key, &out) && glia_tpl_push(v, out);
}

/* x begin end step -> x[begin:end:step] */
bool glia_tpl_run_slice(tpl_vm *v, const tpl_inst *i)
{
    (void)i;
    v->top -= 3;
    tv bound[3] = {v->stack[v->top], v->stack[v->top + 1], v->stack[v->top + 2]};
    tv x = pop(v), out;
    return glia_tpl_slice(v, &x, bound, &out) && glia_tpl_push(v, out);
}

static bool make_list(tpl_vm *v, int64_t count, int kind)
{
    tv out;
    v->top -= count;
    return glia_tpl_list_make(v, v->stack + v->top, count, kind, &out) && glia_tpl_push(v, out);
}

bool glia_tpl_run_list(tpl_vm *v, const tpl_inst *i) { return make_list(v, i->a, TPL_LIST); }
bool glia_tpl_run_tuple(tpl_vm *v, const tpl_inst *i) { return make_list(v, i->a, TPL_TUPLE); }

/* key value .. -> dict */
bool glia_tpl_run_dict(tpl_vm *v, const tpl_inst *i)
{
    tv out;
    if (!glia_tpl_dict_make(v, i->a, &out)) return false;
    v->top -= 2 * (int64_t)i->a;
    for (int64_t k = 0; k < i->a; k++) {
        const tv *pair = &v->stack[v->top + 2 * k];
        if (!glia_tpl_spend(v, 1) || !glia_tpl_dict_put(v, out.m, pair[0], pair[1])) return false;
    }
    return glia_tpl_push(v, out);
}

bool glia_tpl_run_not(tpl_vm *v, const tpl_inst *i)
{
    (void)i;
    *peek(v, 0) = tpl_bool(!glia_tpl_truth(peek(v, 0)));
    return true;
}

static bool unary(tpl_vm *v, int sign)
{
    tv *x = peek(v, 0), minus = tpl_int(sign);
    if (x->kind == TPL_UNDEFINED || !(x->kind == TPL_BOOL || x->kind == TPL_INT || x->kind == TPL_FLOAT))
        return glia_tpl_type_error(v, "a sign before a value of type %s", glia_tpl_kind_name(x));
    tv out;
    if (!glia_tpl_binary(v, '*', x, &minus, &out)) return false;
    *peek(v, 0) = out;
    return true;
}

bool glia_tpl_run_negate(tpl_vm *v, const tpl_inst *i) { return (void)i, unary(v, -1); }
bool glia_tpl_run_plus(tpl_vm *v, const tpl_inst *i) { return (void)i, unary(v, 1); }

bool glia_tpl_run_binary(tpl_vm *v, const tpl_inst *i)
{
    tv b = pop(v), a = pop(v), out;
    return glia_tpl_binary(v, (char)i->a, &a, &b, &out) && glia_tpl_push(v, out);
}

static bool compare(tpl_vm *v, int how, const tv *a, const tv *b, bool *out)
{
    static const struct {
        char how;
        const char *sign;
        bool less, equal, more;
    } orders[] = {{'<', "<", true, false, false},
                  {'>', ">", false, false, true},
                  {'l', "<=", true, true, false},
                  {'g', ">=", false, true, true}};
    if (how == 'i' || how == 'n') {
        if (!glia_tpl_contains(v, b, a, out)) return false;
        *out = *out != (how == 'n');
        return true;
    }
    if (how == '=' || how == '!') {
        if (!glia_tpl_equal(v, a, b, out)) return false;
        *out = *out != (how == '!');
        return true;
    }
    for (int k = 0; k < GLIA_COUNT(orders); k++) {
        int order;
        if (orders[k].how != how) continue;
        if (!glia_tpl_compare(v, a, b, orders[k].sign, &order)) return false;
        *out = order == -1 ? orders[k].less : order == 0 ? orders[k].equal : order == 1 && orders[k].more;
    }
    return true;
}

bool glia_tpl_run_compare(tpl_vm *v, const tpl_inst *i)
{
    bool out = false;
    tv b = pop(v), a = pop(v);
    return compare(v, i->a, &a, &b, &out) && glia_tpl_push(v, tpl_bool(out));
}

/* a b -> b when it holds; else -> false, and a jump */
bool glia_tpl_run_compare_chain(tpl_vm *v, const tpl_inst *i)
{
    bool out = false;
    tv b = pop(v), a = pop(v);
    if (!compare(v, i->b, &a, &b, &out)) return false;
    if (out) return glia_tpl_push(v, b);
    v->pc = i->a;
    return glia_tpl_push(v, tpl_bool(false));
}

/* ---- jumps ---------------------------------------------------------------------------------------- */

bool glia_tpl_run_jump(tpl_vm *v, const tpl_inst *i)
{
    v->pc = i->a;
    return true;
}

bool glia_tpl_run_jump_true(tpl_vm *v, const tpl_inst *i)
{
    tv x = pop(v);
    if (glia_tpl_truth(&x)) v->pc = i->a;
    return true;
}

bool glia_tpl_run_jump_false(tpl_vm *v, const tpl_inst *i)
{
    tv x = pop(v);
    if (!glia_tpl_truth(&x)) v->pc = i->a;
    return true;
}

/* x -> x and a jump when it is false; else -> */
bool glia_tpl_run_jump_false_keep(tpl_vm *v, const tpl_inst *i)
{
    if (glia_tpl_truth(peek(v, 0))) v->top--;
    else v->pc = i->a;
    return true;
}

bool glia_tpl_run_jump_true_keep(tpl_vm *v, const tpl_inst *i)
{
    if (!glia_tpl_truth(peek(v, 0))) v->top--;
    else v->pc = i->a;
    return true;
}

/* ---- assignments, scopes, captures ----------------------------------------------------------------- */

bool glia_tpl_run_store(tpl_vm *v, const tpl_inst *i)
{
    tv x = pop(v);
    return glia_tpl_scope_set(v, v->scope, i->a, x);
}

int32_t glia_tpl_name_of(const tpl_vm *v, const char *name)
{
    for (int64_t i = 0; i < v->t->name_count; i++)
        if (!strcmp(v->t->name[i], name)) return (int32_t)i;
    return -1;
}

/* x -> ; ns.attribute = x */
bool glia_tpl_run_store_attribute(tpl_vm *v, const tpl_inst *i)
{
    tv x = pop(v), ns;
    if (!glia_tpl_run_name(v, i)) return false;
    ns = pop(v);
    if (ns.kind != TPL_NAMESPACE)
        return glia_tpl_type_error(v, "an attribute of `%.60s`, which is no namespace, is assigned to",
                                   v->t->name[i->a]);
    return glia_tpl_scope_set(v, ns.ns, i->b, x);
}

/* x -> its elements, the first on top */
bool glia_tpl_run_unpack(tpl_vm *v, const tpl_inst *i)
{
    tpl_list l;
    tv x = pop(v);
    if (!glia_tpl_iterate(v, &x, &l)) return false;
    if (l.count != i->a)
        return glia_tpl_type_error(v, "%lld values for %d targets", (long long)l.count, i->a);
    for (int64_t k = l.count - 1; k >= 0; k--)
        if (!glia_tpl_push(v, l.v[k])) return false;
    return true;
}

bool glia_tpl_run_scope_begin(tpl_vm *v, const tpl_inst *i) { return (void)i, scope_push(v); }

bool glia_tpl_run_scope_end(tpl_vm *v, const tpl_inst *i)
{
    (void)i;
    v->scope = v->scope->up;
    return true;
}

static bool capture_push(tpl_vm *v)
{
    tpl_buffer **grown =
        glia_arena_grow(&v->arena, (void *)v->capture, v->captures, &v->captures_room, sizeof *grown);
    tpl_buffer *b = TPL_NEW(v, tpl_buffer, 1);
    if (!grown || !b) return glia_tpl_nomem(v);
    v->capture = grown;
    grown[v->captures++] = b;
    return true;
}

bool glia_tpl_run_capture_begin(tpl_vm *v, const tpl_inst *i)
{
    return (void)i, capture_push(v) && scope_push(v);
}

/* -> text */
bool glia_tpl_run_capture_end(tpl_vm *v, const tpl_inst *i)
{
    tv out;
    (void)i;
    v->scope = v->scope->up;
    return glia_tpl_take(v, v->capture[--v->captures], &out) && glia_tpl_push(v, out);
}

/* ---- loops ---------------------------------------------------------------------------------------- */

static tpl_loop *innermost(tpl_vm *v) { return v->loop[v->loops - 1]; }

/* iterable -> */
bool glia_tpl_run_for_begin(tpl_vm *v, const tpl_inst *i)
{
    (void)i;
    tv x = pop(v);
    tpl_loop **grown = glia_arena_grow(&v->arena, (void *)v->loop, v->loops, &v->loops_room, sizeof *grown);
    tpl_loop *l = TPL_NEW(v, tpl_loop, 1);
    if (!grown || !l) return glia_tpl_nomem(v);
    if (!glia_tpl_iterate(v, &x, &l->list)) return false;
    l->index = -1;
    l->outer = v->scope;
    v->loop = grown;
    grown[v->loops++] = l;
    return true;
}

/* The next item's scope, and -> item; without one a jump. */
bool glia_tpl_run_for_next(tpl_vm *v, const tpl_inst *i)
{
    tpl_loop *l = innermost(v);
    v->scope = l->outer;
    if (l->index + 1 >= l->list.count) {
        v->pc = i->a;
        return true;
    }
    l->index++;
    tv loop = {.kind = TPL_LOOP, .loop = l};
    return scope_push(v) && (l->kept || glia_tpl_scope_set(v, v->scope, v->t->loop_name, loop)) &&
           glia_tpl_push(v, l->list.v[l->index]);
}

/* The end of a turn; b: of the loop. An `else` belongs to loops no turn of which came to its end. */
bool glia_tpl_run_for_done(tpl_vm *v, const tpl_inst *i)
{
    tpl_loop *l = innermost(v);
    if (i->b) l->index = l->list.count;
    else l->ran = true;
    return true;
}

bool glia_tpl_run_for_end(tpl_vm *v, const tpl_inst *i)
{
    tpl_loop *l = innermost(v);
    v->scope = l->outer;
    v->loops--;
    if (i->b && l->ran) v->pc = i->a;
    return true;
}

/* The loop that keeps the items that pass its test: `keep_begin; NEXT: keep_next END; targets; test;
 * keep_item NEXT; END:`, which leaves the list. */
bool glia_tpl_run_keep_begin(tpl_vm *v, const tpl_inst *i)
{
    if (!glia_tpl_run_for_begin(v, i)) return false;
    innermost(v)->kept = TPL_NEW(v, tpl_list, 1);
    return innermost(v)->kept != NULL;
}

bool glia_tpl_run_keep_next(tpl_vm *v, const tpl_inst *i)
{
    tpl_loop *l = innermost(v);
    if (l->index + 1 < l->list.count) return glia_tpl_run_for_next(v, i);
    v->scope = l->outer;
    v->loops--;
    v->pc = i->a;
    return glia_tpl_push(v, (tv){.kind = TPL_LIST, .l = l->kept});
}

bool glia_tpl_run_keep_item(tpl_vm *v, const tpl_inst *i)
{
    tpl_loop *l = innermost(v);
    tv x = pop(v);
    v->pc = i->a;
    return !glia_tpl_truth(&x) || glia_tpl_list_push(v, l->kept, l->list.v[l->index]);
}

/* ---- calls ---------------------------------------------------------------------------------------- */

const tpl_function *glia_tpl_find(const tpl_function *table, const char *name, int64_t size)
{
    for (const tpl_function *f = table; f->name; f++)
        if ((int64_t)strlen(f->name) == size && !memcmp(f->name, name, (size_t)size)) return f;
    return NULL;
}

/* The index of a parameter in "a b c", or -1. */
static int param_index(const char *params, const char *name)
{
    size_t size = strlen(name);
    int n = 0;
    for (const char *p = params; *p; n++) {
        size_t len = strcspn(p, " ");
        if (len == size && !memcmp(p, name, size)) return n;
        p += len;
        while (*p == ' ') p++;
    }
    return -1;
}

static int param_count(const char *params)
{
    int n = 0;
    for (const char *p = params; *p; n++) {
        p += strcspn(p, " ");
        while (*p == ' ') p++;
    }
    return n;
}

bool glia_tpl_invoke(tpl_vm *v, const tpl_function *f, const char *what, const tv *self, const tpl_args *args,
                     tv *out)
{
    tv slot[TPL_PARAMS_MAX] = {{0}};
    int most = param_count(f->params);
    bool any = most && f->params[strlen(f->params) - 1] == '*';
    if (any) { /* all positional ones as they are; those with names go behind them, in the order of params */
        if (args->count < f->required)
            return glia_tpl_type_error(v, "%s `%s` needs %d arguments", what, f->name, f->required);
        if (most == 1) {
            if (args->named)
                return glia_tpl_type_error(v, "%s `%s` takes no argument `%.40s`", what, f->name,
                                           args->names[0]);
            return f->run(v, self, args->v, args->count, out);
        }
    }
    if (args->count > most)
        return glia_tpl_type_error(v, "%s `%s` takes at most %d arguments", what, f->name, most);
    for (int i = 0; i < args->count; i++) slot[i] = args->v[i];
    for (int i = 0; i < args->named; i++) {
        int n = param_index(f->params, args->names[i]);
        if (n < 0)
            return glia_tpl_type_error(v, "%s `%s` takes no argument `%.40s`", what, f->name, args->names[i]);
        if (slot[n].kind != TPL_MISSING)
            return glia_tpl_type_error(v, "%s `%s`: the argument `%.40s` is given twice", what, f->name,
                                       args->names[i]);
        slot[n] = args->v[args->count + i];
    }
    for (int i = 0; i < f->required; i++)
        if (slot[i].kind == TPL_MISSING)
            return glia_tpl_type_error(v, "%s `%s` needs %d arguments", what, f->name, f->required);
    return f->run(v, self, slot, most, out);
}

/* Binds arguments to a macro's parameters in a new scope. */
static bool bind(tpl_vm *v, const tpl_macro *m, const tpl_args *args, tpl_scope *s)
{
    const tpl_proto *p = m->proto;
    if (args->count > p->param_count)
        return glia_tpl_type_error(v, "macro `%.60s` takes at most %d arguments", p->name, p->param_count);
    for (int32_t i = 0; i < p->param_count; i++) {
        tv x = i < args->count           ? args->v[i]
               : p->param[i].has_default ? (tv){0}
                                         : tpl_undefined(v->t->name[p->param[i].name]);
        if (!glia_tpl_scope_set(v, s, p->param[i].name, x)) return false;
    }
    for (int32_t k = 0; k < args->named; k++) {
        int32_t i = 0;
        while (i < p->param_count && strcmp(v->t->name[p->param[i].name], args->names[k])) i++;
        bool caller = i == p->param_count && !strcmp(args->names[k], "caller");
        if (i == p->param_count && !caller)
            return glia_tpl_type_error(v, "macro `%.60s` takes no argument `%.40s`", p->name, args->names[k]);
        if (i < args->count && !caller)
            return glia_tpl_type_error(v, "macro `%.60s`: the argument `%.40s` is given twice", p->name,
                                       args->names[k]);
        if (!glia_tpl_scope_set(v, s, caller ? v->t->caller_name : p->param[i].name,
                                args->v[args->count + k]))
            return false;
    }
    return true;
}

static bool enter(tpl_vm *v, const tpl_macro *m, const tpl_args *args)
{
    tpl_scope *s = new_scope(v, m->scope);
    if (!s || !bind(v, m, args, s) || !glia_tpl_spend(v, 4)) return false;
    if (v->frames == GLIA_TEMPLATE_NESTING)
        return glia_tpl_fail(v, GLIA_E_LIMIT, "G0674", "macros call each other deeper than %d",
                             GLIA_TEMPLATE_NESTING);
    v->frame[v->frames++] = (tpl_frame){v->pc, v->scope, v->loops, v->captures, v->at};
    v->scope = s;
    v->pc = m->proto->begin;
    return capture_push(v);
}

/* -> a macro that sees the scope at hand */
bool glia_tpl_run_macro(tpl_vm *v, const tpl_inst *i)
{
    tpl_macro *m = TPL_NEW(v, tpl_macro, 1);
    if (!m) return false;
    m->proto = i->p;
    m->scope = v->scope;
    return glia_tpl_push(v, (tv){.kind = TPL_MACRO, .macro = m});
}

/* Jumps over a default when its parameter was given. */
bool glia_tpl_run_macro_default(tpl_vm *v, const tpl_inst *i)
{
    const tpl_var *var = glia_tpl_scope_find(v->scope, i->b);
    if (!var || var->value.kind != TPL_MISSING) v->pc = i->a;
    return true;
}

/* Back to the caller, with -> the text that was written */
bool glia_tpl_run_macro_return(tpl_vm *v, const tpl_inst *i)
{
    tv out;
    (void)i;
    tpl_frame *f = &v->frame[--v->frames];
    bool ok = glia_tpl_take(v, v->capture[v->captures - 1], &out);
    v->pc = f->pc;
    v->scope = f->scope;
    v->loops = f->loops;
    v->captures = f->captures;
    return ok && glia_tpl_push(v, out);
}

static bool call_object(tpl_vm *v, const tv *f, const tpl_args *args, tv *out)
{
    if (f->kind == TPL_FUNCTION && !strcmp(f->fn->name, "dict")) return glia_tpl_make_dict(v, args, out);
    if (f->kind == TPL_FUNCTION && !strcmp(f->fn->name, "namespace"))
        return glia_tpl_make_namespace(v, args, out);
    if (f->kind == TPL_FUNCTION) return glia_tpl_invoke(v, f->fn, "function", NULL, args, out);
    if (f->kind == TPL_METHOD)
        return glia_tpl_invoke(v, f->method->fn, "method", &f->method->self, args, out);
    if (f->kind == TPL_OBJECT && !f->object->items.count)
        return glia_tpl_invoke(v, glia_tpl_joiner_call, "object", f, args, out);
    if (f->kind == TPL_UNDEFINED)
        return glia_tpl_type_error(v, "`%.60s` is undefined and cannot be called",
                                   f->hint ? f->hint : "a value");
    return glia_tpl_type_error(v, "a value of type %s cannot be called", glia_tpl_kind_name(f));
}

/* f args .. -> result */
bool glia_tpl_run_call(tpl_vm *v, const tpl_inst *i)
{
    const tpl_call *call = i->p;
    tv out;
    v->top -= call->count + call->named;
    tpl_args args = {v->stack + v->top, call->count, call->named, call->names};
    tv f = pop(v);
    if (f.kind == TPL_MACRO) return enter(v, f.macro, &args);
    /* The arguments lie above the top now; what runs does not push. */
    if (!glia_tpl_spend(v, 1) || !call_object(v, &f, &args, &out)) return false;
    return glia_tpl_push(v, out);
}

/* x args .. -> filtered x */
bool glia_tpl_run_filter(tpl_vm *v, const tpl_inst *i)
{
    const void *const *pair = i->p;
    const tpl_call *call = pair[1];
    tv out;
    v->top -= call->count + call->named;
    tpl_args args = {v->stack + v->top, call->count, call->named, call->names};
    tv x = pop(v);
    const tpl_function *f = pair[0];
    if (args.named && !args.count && !strcmp(f->name, "map")) f = &glia_tpl_map_attribute;
    return glia_tpl_spend(v, 1) && glia_tpl_invoke(v, f, "filter", &x, &args, &out) && glia_tpl_push(v, out);
}

bool glia_tpl_run_test(tpl_vm *v, const tpl_inst *i)
{
    const void *const *pair = i->p;
    const tpl_call *call = pair[1];
    tv out;
    v->top -= call->count + call->named;
    tpl_args args = {v->stack + v->top, call->count, call->named, call->names};
    tv x = pop(v);
    return glia_tpl_spend(v, 1) && glia_tpl_invoke(v, pair[0], "test", &x, &args, &out) &&
           glia_tpl_push(v, out);
}

/* ---- rendering ------------------------------------------------------------------------------------ */

static bool bind_variables(tpl_vm *v)
{
    for (int64_t i = 0; i < v->in->variable_count; i++) {
        const glia_template_variable *var = &v->in->variables[i];
        int32_t name = glia_tpl_name_of(v, var->name);
        tv x;
        if (name < 0) continue;
        if (!glia_tpl_from_json(v, var->value, !var->trusted, &x) ||
            !glia_tpl_scope_set(v, v->scope, name, x))
            return false;
    }
    return true;
}

static bool run(tpl_vm *v)
{
    v->scope = new_scope(v, NULL);
    if (!v->scope || !capture_push(v) || !bind_variables(v)) return false;
    while (v->pc < v->t->code_count) {
        const tpl_inst *i = &v->t->code[v->pc++];
        v->at = i;
        if (!glia_tpl_spend(v, 1) || !i->run(v, i)) return false;
    }
    return true;
}

static glia_status take_output(tpl_vm *v, glia_arena *arena, glia_template_output *out)
{
    const tpl_buffer *b = v->capture[0];
    char *text = glia_arena_strndup(arena, b->used ? b->text : "", b->used);
    uint8_t *marks = glia_arena_alloc(arena, b->used + 1, 1);
    if (!text || !marks) return glia_fail(v->e, GLIA_E_NOMEM, "G0801", "no memory for a rendered text");
    if (b->mark) memcpy(marks, b->mark, (size_t)b->used);
    else memset(marks, b->data, (size_t)b->used);
    *out = (glia_template_output){text, b->used, marks};
    return GLIA_OK;
}

glia_status glia_template_render(const glia_template *t, const glia_template_input *input, glia_arena *arena,
                                 glia_template_output *out, glia_error *e)
{
    glia_error_clear(e);
    if (!t || !input || !arena || !out || input->variable_count < 0 || input->work_max < 0 ||
        input->memory_max < 0 || input->output_max < 0)
        return glia_fail(e, GLIA_E_ARG, "G0676", "render: null or negative argument");
    tpl_vm *v = t->os->mem_alloc(t->os->ctx, sizeof *v, _Alignof(tpl_vm));
    if (!v) return glia_fail(e, GLIA_E_NOMEM, "G0801", "no memory to render a template");
    v->t = t;
    v->in = input;
    v->e = e;
    v->work_max = input->work_max ? input->work_max : 100000000;
    v->output_max = input->output_max ? input->output_max : (int64_t)16 << 20;
    glia_arena_init(&v->arena, t->os, input->memory_max ? input->memory_max : (int64_t)256 << 20);
    if (run(v)) v->status = take_output(v, arena, out);
    const glia_status s = v->status;
    glia_arena_free(&v->arena);
    t->os->mem_free(t->os->ctx, v, sizeof *v);
    return s;
}
