/* The text form of graphs, written. parse.c reads it back; the grammar is in docs/types.md.
 *
 * Values come in the order of their numbers, so that a parsed text has the same numbers. Types are printed
 * for people and checked when read; weights are named, not contained. Subgraphs are refused by name. */
#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "base/number.h"
#include "base/reader.h"
#include "base/utf8.h"
#include "graph/build.h"
#include "graph/text.h"

static bool bare(const char *name)
{
    int n = 0;
    for (; name[n]; n++) {
        char c = name[n];
        bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
        if (!letter && (n == 0 || !((c >= '0' && c <= '9') || c == '.'))) return false;
    }
    return n > 0 && strcmp(name, "_");
}

static void put_name(glia_writer *w, const char *name)
{
    if (bare(name)) {
        glia_write_text(w, "%s", name);
        return;
    }
    bool text = glia_utf8_valid(name, (int64_t)strlen(name));
    glia_write_u8(w, '"');
    for (; *name; name++) {
        uint8_t c = (uint8_t)*name;
        if (c == '"' || c == '\\') glia_write_text(w, "\\%c", c);
        else if (c < 0x20 || c == 0x7f || (c >= 0x80 && !text)) glia_write_text(w, "\\x%02x", c);
        else glia_write_u8(w, c);
    }
    glia_write_u8(w, '"');
}

static void put_dim(glia_writer *w, const glia_graph *g, glia_dim d)
{
    /* The longest: 512 atoms of 64 letters and their coefficients. */
    char buf[GLIA_TEXT_DIM_MAX];
    glia_write_text(w, "%s", glia_dim_text(g, d, buf, sizeof buf));
}

static void put_type(glia_writer *w, const glia_graph *g, const glia_type *t)
{
    glia_write_text(w, "%s%s%s[", glia_dtype_name(t->dtype), t->layout ? ":" : "",
                    t->layout ? glia_layout_name(t->layout) : "");
    for (int a = 0; a < t->rank; a++) {
        if (a) glia_write_text(w, ", ");
        put_dim(w, g, t->dims[a]);
    }
    glia_write_u8(w, ']');
}

static void put_leaf(glia_writer *w, const glia_graph *g, const glia_value_info *v)
{
    static const char *const word[] = {"", "input ", "weight ", "constant ", "state ", ""};
    glia_write_text(w, "%s", word[v->kind]);
    put_name(w, v->name);
    glia_write_text(w, ": ");
    put_type(w, g, &v->type);
    if (v->kind == GLIA_VALUE_WEIGHT && v->origin) {
        glia_write_text(w, " from ");
        /* Quoted even where a bare word would do: origins are free text. */
        if (bare(v->origin)) glia_write_text(w, "\"%s\"", v->origin);
        else put_name(w, v->origin);
    }
    int64_t bytes = 0;
    if (v->kind == GLIA_VALUE_CONSTANT &&
        glia_dtype_tensor_bytes(v->type.dtype, v->type.rank, v->type.dims, &bytes)) {
        glia_write_text(w, " = 0x");
        for (int64_t i = 0; i < bytes; i++) glia_write_text(w, "%02x", ((const uint8_t *)v->data)[i]);
    }
    glia_write_u8(w, '\n');
}

static void put_ints(glia_writer *w, const glia_graph *g, const glia_attr *a, bool dims)
{
    glia_write_u8(w, '[');
    for (int64_t i = 0; i < a->i; i++) {
        if (i) glia_write_text(w, ", ");
        if (dims && a->ints[i] == INT64_MIN) glia_write_u8(w, '?');
        else if (dims && glia_dim_valid(g, a->ints[i])) put_dim(w, g, a->ints[i]);
        else glia_write_text(w, "%lld", (long long)a->ints[i]);
    }
    glia_write_u8(w, ']');
}

bool glia_attr_holds_dims(const glia_attr_spec *s)
{
    return s->kind == GLIA_ATTR_INTS && !strcmp(s->name, "dims");
}

static void put_attrs(glia_writer *w, const glia_graph *g, const glia_node *n)
{
    char number[GLIA_NUMBER_TEXT];
    const glia_attr_spec *s = n->op->attrs;
    if (!s || !s->name) return;
    glia_write_text(w, " {");
    for (int i = 0; s[i].name; i++) {
        glia_write_text(w, "%s%s=", i ? ", " : "", s[i].name);
        if (s[i].kind == GLIA_ATTR_INTS) put_ints(w, g, &n->attr[i], glia_attr_holds_dims(&s[i]));
        else if (s[i].kind == GLIA_ATTR_DTYPE)
            glia_write_text(w, "%s", glia_dtype_name((glia_dtype)n->attr[i].i));
        else if (s[i].kind == GLIA_ATTR_INT) glia_write_text(w, "%lld", (long long)n->attr[i].i);
        else {
            glia_number_format(n->attr[i].f, number);
            glia_write_text(w, "%s", number);
        }
    }
    glia_write_u8(w, '}');
}

static void put_node(glia_writer *w, const glia_graph *g, const glia_node *n)
{
    glia_write_text(w, "node ");
    for (int i = 0; i < n->out_count; i++) {
        const glia_value_info *v = glia_graph_value(g, n->out[i]);
        if (i) glia_write_text(w, ", ");
        put_name(w, v->name);
        glia_write_text(w, ": ");
        put_type(w, g, &v->type);
    }
    glia_write_text(w, " = %s(", n->op->name);
    for (int i = 0; i < n->in_count; i++) {
        if (i) glia_write_text(w, ", ");
        if (glia_is_null(n->in[i])) glia_write_u8(w, '_');
        else put_name(w, glia_graph_value(g, n->in[i])->name);
    }
    glia_write_u8(w, ')');
    put_attrs(w, g, n);
    glia_write_u8(w, '\n');
}

static void put_graph(glia_writer *w, const glia_graph *g)
{
    glia_write_text(w, "glia graph 1\n");
    for (int64_t i = 0; i < g->symbol_count; i++) {
        const glia_symbol *s = &g->symbols[i];
        glia_write_text(w, "symbol %s %lld..", s->name, (long long)s->min);
        if (s->max == INT64_MAX) glia_write_text(w, "inf");
        else glia_write_text(w, "%lld", (long long)s->max);
        if (s->multiple != 1) glia_write_text(w, " multiple %lld", (long long)s->multiple);
        glia_write_u8(w, '\n');
    }
    for (int64_t i = 1; i < g->value_count; i++) {
        const glia_value_info *v = &g->values[i];
        if (v->producer < 0) put_leaf(w, g, v);
        else if (v->output == 0) put_node(w, g, &g->nodes[v->producer]);
    }
    for (int64_t i = 0; i < g->output_count; i++) {
        glia_write_text(w, "output ");
        put_name(w, g->outputs[i].name);
        glia_write_text(w, " = ");
        put_name(w, glia_graph_value(g, g->outputs[i].value)->name);
        glia_write_u8(w, '\n');
    }
}

glia_status glia_graph_print(const glia_graph *g, char **text, int64_t *size, glia_error *e)
{
    if (!g || !text || !size)
        return glia_fail(e, GLIA_E_ARG, "G0112", "glia_graph_print: an argument is null");
    *text = 0;
    *size = 0;
    if (g->error.status != GLIA_OK) return glia_fail(e, g->error.status, g->error.code, "%s", g->error.text);
    for (int64_t i = 0; i < g->node_count; i++) {
        if (g->nodes[i].body_count)
            return glia_fail(e, GLIA_E_UNSUPPORTED, "G0147",
                             "`%.200s` owns subgraphs, which the text form does not hold yet",
                             g->nodes[i].name);
    }
    glia_arena scratch;
    glia_arena_init(&scratch, g->arena.os, 0);
    glia_writer w = {.arena = &scratch};
    put_graph(&w, g);
    char *copy = w.failed ? 0 : scratch.os->mem_alloc(scratch.os->ctx, (size_t)w.size + 1, 16);
    if (copy) {
        memcpy(copy, w.data, (size_t)w.size);
        copy[w.size] = 0;
        *text = copy;
        *size = w.size;
    }
    glia_arena_free(&scratch);
    return copy ? GLIA_OK : glia_fail(e, GLIA_E_NOMEM, "G0109", "no memory for the text of the graph");
}

void glia_text_free(const glia_os *os, char *text, int64_t size)
{
    if (!os) os = glia_os_default();
    if (text) os->mem_free(os->ctx, text, (size_t)size + 1);
}
