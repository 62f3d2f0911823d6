/* Tests: `x is NAME ARG`. */
#include "text/tpl.h"

#define TEST(name) static bool name(tpl_vm *v, const tv *self, const tv *arg, int count, tv *out)
#define IS(name, condition)                                                                                  \
    TEST(name) { return (void)v, (void)arg, (void)count, *out = tpl_bool(condition), true; }

static bool whole(const tv *x) { return x->kind == TPL_INT || x->kind == TPL_BOOL; }

IS(is_boolean, self->kind == TPL_BOOL)
IS(is_callable, self->kind == TPL_MACRO || self->kind == TPL_FUNCTION || self->kind == TPL_METHOD)
IS(is_defined, self->kind != TPL_UNDEFINED)
IS(is_undefined, self->kind == TPL_UNDEFINED)
IS(is_false, self->kind == TPL_BOOL && !self->b)
IS(is_true, self->kind == TPL_BOOL && self->b)
IS(is_float, self->kind == TPL_FLOAT)
IS(is_integer, self->kind == TPL_INT)
IS(is_number, whole(self) || self->kind == TPL_FLOAT)
IS(is_iterable, self->kind == TPL_UNDEFINED || self->kind == TPL_GENERATOR || self->kind == TPL_LOOP ||
                    glia_tpl_length(self) >= 0)
IS(is_sequence, self->kind == TPL_UNDEFINED || self->kind == TPL_STRING || self->kind == TPL_LIST ||
                    self->kind == TPL_TUPLE || self->kind == TPL_DICT ||
                    (self->kind == TPL_VIEW && !self->view->name))
IS(is_mapping, self->kind == TPL_DICT)
IS(is_none, self->kind == TPL_NONE)
IS(is_string, self->kind == TPL_STRING)

static bool remainder_of(tpl_vm *v, const tv *self, int64_t by, int64_t *out)
{
    tv divisor = tpl_int(by), rest;
    if (!glia_tpl_binary(v, '%', self, &divisor, &rest)) return false;
    if (rest.kind != TPL_INT)
        *out = rest.kind == TPL_FLOAT && rest.d == 0 ? 0 : rest.kind == TPL_FLOAT && rest.d == 1 ? 1 : 2;
    else *out = rest.i;
    return true;
}

TEST(is_even)
{
    int64_t rest;
    (void)arg, (void)count;
    if (!remainder_of(v, self, 2, &rest)) return false;
    *out = tpl_bool(rest == 0);
    return true;
}

TEST(is_odd)
{
    int64_t rest;
    (void)arg, (void)count;
    if (!remainder_of(v, self, 2, &rest)) return false;
    *out = tpl_bool(rest == 1);
    return true;
}

TEST(is_divisibleby)
{
    tv rest;
    (void)count;
    if (!glia_tpl_binary(v, '%', self, &arg[0], &rest)) return false;
    *out = tpl_bool(!glia_tpl_truth(&rest));
    return true;
}

TEST(is_equal)
{
    bool same;
    (void)count;
    if (!glia_tpl_equal(v, self, &arg[0], &same)) return false;
    *out = tpl_bool(same);
    return true;
}

TEST(is_unequal)
{
    if (!is_equal(v, self, arg, count, out)) return false;
    out->b = !out->b;
    return true;
}

TEST(is_in)
{
    bool found;
    (void)count;
    if (!glia_tpl_contains(v, &arg[0], self, &found)) return false;
    *out = tpl_bool(found);
    return true;
}

static bool ordered(tpl_vm *v, const tv *self, const tv *arg, const char *how, bool low, bool same, bool high,
                    tv *out)
{
    int order;
    if (!glia_tpl_compare(v, self, arg, how, &order)) return false;
    *out = tpl_bool((order == -1 && low) || (order == 0 && same) || (order == 1 && high));
    return true;
}

TEST(is_less) { return (void)count, ordered(v, self, arg, "<", true, false, false, out); }
TEST(is_less_equal) { return (void)count, ordered(v, self, arg, "<=", true, true, false, out); }
TEST(is_more) { return (void)count, ordered(v, self, arg, ">", false, false, true, out); }
TEST(is_more_equal) { return (void)count, ordered(v, self, arg, ">=", false, true, true, out); }

TEST(is_same)
{
    bool same = false;
    (void)count;
    if (self->kind == arg[0].kind && !glia_tpl_equal(v, self, &arg[0], &same)) return false;
    bool object = self->kind == TPL_LIST || self->kind == TPL_TUPLE || self->kind == TPL_DICT;
    *out = tpl_bool(object ? self->kind == arg[0].kind && self->l == arg[0].l : same);
    return true;
}

static bool case_is(tpl_vm *v, const tv *self, bool up, tv *out)
{
    tv text;
    const tv none = {0};
    if (!glia_tpl_str(v, self, &text)) return false;
    return glia_tpl_find(glia_tpl_str_methods, up ? "isupper" : "islower", 7)->run(v, &text, &none, 0, out);
}

TEST(is_upper) { return (void)arg, (void)count, case_is(v, self, true, out); }
TEST(is_lower) { return (void)arg, (void)count, case_is(v, self, false, out); }

TEST(is_filter)
{
    (void)v, (void)arg, (void)count;
    *out =
        tpl_bool(self->kind == TPL_STRING && glia_tpl_find(glia_tpl_filters, self->s->text, self->s->size));
    return true;
}

TEST(is_test)
{
    (void)v, (void)arg, (void)count;
    *out = tpl_bool(self->kind == TPL_STRING && glia_tpl_find(glia_tpl_tests, self->s->text, self->s->size));
    return true;
}

const tpl_function glia_tpl_tests[] = {{"!=", "other", 1, is_unequal},
                                       {"<", "other", 1, is_less},
                                       {"<=", "other", 1, is_less_equal},
                                       {"==", "other", 1, is_equal},
                                       {">", "other", 1, is_more},
                                       {">=", "other", 1, is_more_equal},
                                       {"boolean", "", 0, is_boolean},
                                       {"callable", "", 0, is_callable},
                                       {"defined", "", 0, is_defined},
                                       {"divisibleby", "num", 1, is_divisibleby},
                                       {"eq", "other", 1, is_equal},
                                       {"equalto", "other", 1, is_equal},
                                       {"even", "", 0, is_even},
                                       {"false", "", 0, is_false},
                                       {"filter", "", 0, is_filter},
                                       {"float", "", 0, is_float},
                                       {"ge", "other", 1, is_more_equal},
                                       {"greaterthan", "other", 1, is_more},
                                       {"gt", "other", 1, is_more},
                                       {"in", "seq", 1, is_in},
                                       {"integer", "", 0, is_integer},
                                       {"iterable", "", 0, is_iterable},
                                       {"le", "other", 1, is_less_equal},
                                       {"lessthan", "other", 1, is_less},
                                       {"lower", "", 0, is_lower},
                                       {"lt", "other", 1, is_less},
                                       {"mapping", "", 0, is_mapping},
                                       {"ne", "other", 1, is_unequal},
                                       {"none", "", 0, is_none},
                                       {"number", "", 0, is_number},
                                       {"odd", "", 0, is_odd},
                                       {"sameas", "other", 1, is_same},
                                       {"sequence", "", 0, is_sequence},
                                       {"string", "", 0, is_string},
                                       {"test", "", 0, is_test},
                                       {"true", "", 0, is_true},
                                       {"undefined", "", 0, is_undefined},
                                       {"upper", "", 0, is_upper},
                                       {0}};

bool glia_tpl_test_run(tpl_vm *v, const char *name, int64_t size, const tv *x, const tv *arg, int count,
                       bool *out)
{
    tv result;
    const tpl_function *f = glia_tpl_find(glia_tpl_tests, name, size);
    if (!f)
        return glia_tpl_fail(v, GLIA_E_UNSUPPORTED, "G0675", "there is no test `%.*s`",
                             (int)glia_min(size, 60), name);
    tpl_args args = {arg, count, 0, NULL};
    if (!glia_tpl_invoke(v, f, "test", x, &args, &result)) return false;
    *out = glia_tpl_truth(&result);
    return true;
}
