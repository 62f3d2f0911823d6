/* glia inspect for ONNX files: opsets, inputs and outputs, tensors, and how often each operator occurs. */
#include "cli/cli_net.h"

#include "base/check.h"
#include "format/onnx.h"

#include <stdlib.h>
#include <string.h>

enum { DISTINCT_MOST = 4096 };

typedef struct op_count {
    const char *domain, *op;
    int64_t count;
} op_count;

typedef struct counts {
    cli *c;
    op_count *ops;
    int64_t count, capacity;
    int64_t nodes, subgraphs;
    bool failed;
} counts;

static void put_type(glia_writer *w, const glia_onnx_type *t)
{
    static const char *const kinds[] = {"unknown", "", "sequence of ", "optional ", "map of "};
    for (; t; t = t->of) {
        glia_write_text(w, "%s", kinds[t->kind]);
        if (t->kind == GLIA_ONNX_MAP) glia_write_text(w, "%s to ", glia_onnx_type_name(t->onnx_type));
        if (t->kind != GLIA_ONNX_TENSOR) continue;
        glia_write_text(w, "%s%s", glia_onnx_type_name(t->onnx_type), t->rank < 0 ? " of any rank" : "[");
        for (int i = 0; i < t->rank; i++) {
            if (i) glia_write_text(w, ", ");
            if (t->dims[i] >= 0) glia_write_text(w, "%lld", (long long)t->dims[i]);
            else if (t->dim_names[i])
                cli_write_safe(w, t->dim_names[i], (int64_t)strlen(t->dim_names[i]), 60);
            else glia_write_text(w, "?");
        }
        if (t->rank >= 0) glia_write_text(w, "]");
    }
}

static void count_node(counts *k, const glia_onnx_node *n)
{
    k->nodes++;
    for (int64_t i = 0; i < k->count; i++) {
        if (strcmp(k->ops[i].op, n->op) || strcmp(k->ops[i].domain, n->domain)) continue;
        k->ops[i].count++;
        return;
    }
    if (k->count == DISTINCT_MOST) return; /* counted among the nodes alone */
    op_count *ops = glia_arena_grow(&k->c->arena, k->ops, k->count, &k->capacity, sizeof *ops);
    if (!ops) {
        k->failed = true;
        return;
    }
    k->ops = ops;
    ops[k->count++] = (op_count){n->domain, n->op, 1};
}

/* Subgraphs wait in a list. */
static void count_ops(counts *k, const glia_onnx *m)
{
    struct {
        const glia_onnx_node *nodes;
        int64_t count;
    } *todo = NULL;
    int64_t n = 0, capacity = 0;
    for (int64_t i = -1; i < m->function_count; i++) {
        todo = glia_arena_grow(&k->c->arena, todo, n, &capacity, sizeof *todo);
        if (!todo) break;
        todo[n].nodes = i < 0 ? m->graph.nodes : m->functions[i].nodes;
        todo[n++].count = i < 0 ? m->graph.node_count : m->functions[i].node_count;
    }
    while (todo && n) {
        const glia_onnx_node *nodes = todo[--n].nodes;
        const int64_t count = todo[n].count;
        for (int64_t i = 0; i < count; i++) {
            count_node(k, &nodes[i]);
            for (int32_t a = 0; a < nodes[i].attr_count && todo; a++) {
                const glia_onnx_attr *at = &nodes[i].attrs[a];
                const int64_t graphs = !at->g ? 0 : at->kind == GLIA_ONNX_ATTR_GRAPH ? 1 : at->count;
                for (int64_t g = 0; g < graphs && todo; g++) {
                    k->subgraphs++;
                    todo = glia_arena_grow(&k->c->arena, todo, n, &capacity, sizeof *todo);
                    if (!todo) break;
                    todo[n].nodes = at->g[g].nodes;
                    todo[n++].count = at->g[g].node_count;
                }
            }
        }
    }
    k->failed = k->failed || !todo;
}

static int more_first(const void *a, const void *b)
{
    const op_count *x = a, *y = b;
    if (x->count != y->count) return x->count < y->count ? 1 : -1;
    return strcmp(x->op, y->op);
}

static void text_values(glia_writer *w, const char *title, const glia_onnx_value *v, int64_t count)
{
    glia_write_text(w, "\n%s: %lld\n", title, (long long)count);
    for (int64_t i = 0; i < count; i++) {
        glia_write_text(w, "  ");
        cli_write_safe(w, v[i].name, (int64_t)strlen(v[i].name), 100);
        glia_write_text(w, ": ");
        put_type(w, &v[i].type);
        glia_write_text(w, "\n");
    }
}

static void text_tensors(glia_writer *w, const glia_onnx_graph *g)
{
    char human[32];
    int64_t bytes = 0;
    glia_write_text(w, "\ninitializers: %lld\n", (long long)g->initializer_count);
    for (int64_t i = 0; i < g->initializer_count; i++) {
        const glia_onnx_tensor *t = &g->initializers[i];
        glia_write_text(w, "  ");
        cli_write_safe(w, t->name.text, t->name.size, 100);
        glia_write_text(w, ": %s[", glia_onnx_type_name(t->onnx_type));
        for (int a = 0; a < t->rank; a++) glia_write_text(w, a ? ", %lld" : "%lld", (long long)t->dims[a]);
        glia_write_text(w, "], %lld bytes", (long long)t->bytes);
        if (t->location) {
            glia_write_text(w, " in ");
            cli_write_safe(w, t->location, (int64_t)strlen(t->location), 100);
        }
        glia_write_text(w, "\n");
        bytes += t->bytes;
    }
    if (g->initializer_count)
        glia_write_text(w, "  together %lld bytes (%s)\n", (long long)bytes, cli_bytes_text(bytes, human));
}

static void put_text(cli *c, const glia_onnx *m, const counts *k)
{
    glia_writer *w = &c->out;
    char human[32];
    glia_write_text(w, "ONNX, IR version %lld, %lld bytes (%s)", (long long)m->ir_version,
                    (long long)m->file_bytes, cli_bytes_text(m->file_bytes, human));
    if (*m->producer) {
        glia_write_text(w, ", made by ");
        cli_write_safe(w, m->producer, (int64_t)strlen(m->producer), 60);
        glia_write_text(w, " ");
        cli_write_safe(w, m->producer_version, (int64_t)strlen(m->producer_version), 40);
    }
    glia_write_text(w, "\noperator sets:");
    for (int64_t i = 0; i < m->opset_count; i++)
        glia_write_text(w, " %s %lld", *m->opsets[i].domain ? m->opsets[i].domain : "ai.onnx",
                        (long long)m->opsets[i].version);
    glia_write_text(w, "\n");
    text_values(w, "inputs", m->graph.inputs, m->graph.input_count);
    text_values(w, "outputs", m->graph.outputs, m->graph.output_count);
    text_tensors(w, &m->graph);
    glia_write_text(w, "\nnodes: %lld, with those of %lld subgraphs and %lld functions\n",
                    (long long)k->nodes, (long long)k->subgraphs, (long long)m->function_count);
    for (int64_t i = 0; i < k->count; i++) {
        glia_write_text(w, "  %7lld ", (long long)k->ops[i].count);
        if (*k->ops[i].domain) glia_write_text(w, "%s.", k->ops[i].domain);
        cli_write_safe(w, k->ops[i].op, (int64_t)strlen(k->ops[i].op), 100);
        glia_write_text(w, "\n");
    }
    if (m->property_count) glia_write_text(w, "\nmetadata: %lld\n", (long long)m->property_count);
    for (int64_t i = 0; i < m->property_count; i++) {
        glia_write_text(w, "  ");
        cli_write_safe(w, m->properties[i].key, (int64_t)strlen(m->properties[i].key), 100);
        glia_write_text(w, " = ");
        cli_write_safe(w, m->properties[i].value, (int64_t)strlen(m->properties[i].value), 120);
        glia_write_text(w, "\n");
    }
}

static void json_values(cli *c, const char *key, const glia_onnx_value *v, int64_t count)
{
    glia_json_open(&c->json, key, '[');
    for (int64_t i = 0; i < count; i++) {
        glia_writer w = {.arena = &c->arena};
        put_type(&w, &v[i].type);
        glia_json_open(&c->json, NULL, '{');
        glia_json_put_string(&c->json, "name", v[i].name, -1);
        glia_json_put_string(&c->json, "type", (const char *)w.data, w.size);
        glia_json_close(&c->json, '}');
    }
    glia_json_close(&c->json, ']');
}

static void put_json(cli *c, const glia_onnx *m, const counts *k)
{
    glia_json_writer *j = &c->json;
    glia_json_open(j, NULL, '{');
    glia_json_put_i64(j, "ir_version", m->ir_version);
    glia_json_put_i64(j, "file_bytes", m->file_bytes);
    glia_json_put_string(j, "producer", m->producer, -1);
    glia_json_open(j, "operator_sets", '{');
    for (int64_t i = 0; i < m->opset_count; i++)
        glia_json_put_i64(j, *m->opsets[i].domain ? m->opsets[i].domain : "ai.onnx", m->opsets[i].version);
    glia_json_close(j, '}');
    json_values(c, "inputs", m->graph.inputs, m->graph.input_count);
    json_values(c, "outputs", m->graph.outputs, m->graph.output_count);
    glia_json_open(j, "initializers", '[');
    for (int64_t i = 0; i < m->graph.initializer_count; i++) {
        const glia_onnx_tensor *t = &m->graph.initializers[i];
        glia_json_open(j, NULL, '{');
        glia_json_put_string(j, "name", t->name.text, t->name.size);
        glia_json_put_string(j, "type", glia_onnx_type_name(t->onnx_type), -1);
        glia_json_open(j, "dims", '[');
        for (int a = 0; a < t->rank; a++) glia_json_put_i64(j, NULL, t->dims[a]);
        glia_json_close(j, ']');
        glia_json_put_i64(j, "bytes", t->bytes);
        if (t->location) glia_json_put_string(j, "file", t->location, -1);
        glia_json_close(j, '}');
    }
    glia_json_close(j, ']');
    glia_json_put_i64(j, "nodes", k->nodes);
    glia_json_put_i64(j, "subgraphs", k->subgraphs);
    glia_json_put_i64(j, "functions", m->function_count);
    glia_json_open(j, "operators", '[');
    for (int64_t i = 0; i < k->count; i++) {
        glia_json_open(j, NULL, '{');
        glia_json_put_string(j, "domain", k->ops[i].domain, -1);
        glia_json_put_string(j, "name", k->ops[i].op, -1);
        glia_json_put_i64(j, "count", k->ops[i].count);
        glia_json_close(j, '}');
    }
    glia_json_close(j, ']');
    glia_json_close(j, '}');
    glia_write_text(&c->out, "\n");
}

int cli_net_inspect(cli *c)
{
    glia_onnx *m;
    counts k = {.c = c};
    if (glia_onnx_open(NULL, c->args[0], NULL, &m, &c->error)) return cli_refused(c);
    count_ops(&k, m);
    if (k.ops) qsort(k.ops, (size_t)k.count, sizeof *k.ops, more_first);
    if (c->set.json) put_json(c, m, &k);
    else put_text(c, m, &k);
    glia_onnx_close(m);
    return k.failed ? cli_no_memory(c) : CLI_OK;
}
