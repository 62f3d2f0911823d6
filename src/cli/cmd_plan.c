/* glia plan: the compiled plan of a model, without its weights. */
#include "cli/cli_net.h"

#include "base/check.h"
#include "base/error.h"
#include "format/gguf.h"

#include <string.h>

typedef struct report {
    cli *c;
    const glia_model *m;
    const glia_plan *p;
    const glia_variant *decode; /* the variant of one token with the most slots */
    int64_t meetings_token, meetings_layer;
    glia_memory memory;
} report;

static const char *part_name(int kind)
{
    return kind == GLIA_PART_WHOLE ? "whole" : kind == GLIA_PART_REPLICATED ? "replicated" : "split";
}

static const glia_node *node_of(const report *r, const glia_item *it)
{
    return &r->p->graph->nodes[it->node];
}

static bool of_layer(const glia_node *n, int layer)
{
    return !strncmp(n->name, layer ? "blk.1." : "blk.0.", 6);
}

static const glia_variant *decode_variant(const glia_plan *p)
{
    const glia_variant *best = &p->variants[0];
    for (int i = 1; i < p->variant_count; i++) {
        const glia_variant *v = &p->variants[i];
        if (v->symbol_min <= 1 && v->symbol_max >= 1 && v->slots > best->slots) best = v;
    }
    return best;
}

/* Phases that begin with an item of an interior layer: the second, or the first where there is one only. */
static int64_t layer_phases(const report *r)
{
    int64_t counts[2] = {0, 0};
    for (int32_t i = 0; i < r->decode->phase_count; i++) {
        const glia_phase *ph = &r->decode->phases[i];
        if (!ph->count) continue;
        const glia_node *n = node_of(r, &r->decode->items[ph->first]);
        counts[0] += of_layer(n, 0);
        counts[1] += of_layer(n, 1);
    }
    return counts[1] ? counts[1] : counts[0];
}

/* ---- JSON ----------------------------------------------------------------------------------------- */

static void json_bytes(report *r)
{
    glia_json_writer *j = &r->c->json;
    glia_json_open(j, "bytes", '{');
    glia_json_put_i64(j, "weights", r->memory.weights);
    glia_json_put_i64(j, "packed", r->memory.packed);
    glia_json_put_i64(j, "streamed", r->memory.streamed);
    glia_json_put_i64(j, "state", r->memory.state);
    glia_json_put_i64(j, "arena", r->memory.arena);
    glia_json_put_i64(j, "scratch", r->memory.scratch);
    glia_json_put_i64(j, "tables", r->memory.tables);
    glia_json_put_i64(j, "total", r->memory.total);
    glia_json_put_i64(j, "mapped", r->memory.mapped);
    glia_json_close(j, '}');
    glia_json_put_i64(j, "arena_lower_bound", r->memory.arena_lower_bound);
}

static void json_variants(report *r)
{
    glia_json_writer *j = &r->c->json;
    glia_json_open(j, "variants", '[');
    for (int i = 0; i < r->p->variant_count; i++) {
        const glia_variant *v = &r->p->variants[i];
        glia_json_open(j, NULL, '{');
        glia_json_put_i64(j, "tokens_min", v->symbol_min);
        glia_json_put_i64(j, "tokens_max", v->symbol_max);
        glia_json_put_i64(j, "slots", v->slots);
        glia_json_put_i64(j, "phases", v->phase_count);
        glia_json_put_i64(j, "meetings", v->slots > 1 ? v->phase_count : 0);
        glia_json_put_i64(j, "items", v->item_count);
        glia_json_put_i64(j, "arena", v->arena_bytes);
        glia_json_put_i64(j, "arena_lower_bound", v->arena_lower_bound);
        glia_json_put_i64(j, "scratch", v->scratch_bytes);
        glia_json_put_i64(j, "record_bytes", v->record_bytes);
        glia_json_put_f64(j, "cost_seconds", v->cost_seconds);
        glia_json_put_bool(j, "decode", v == r->decode);
        glia_json_close(j, '}');
    }
    glia_json_close(j, ']');
}

static void json_items(report *r)
{
    glia_json_writer *j = &r->c->json;
    const glia_variant *v = r->decode;
    glia_json_open(j, "items", '[');
    for (int32_t ph = 0; ph < v->phase_count; ph++) {
        for (uint32_t i = v->phases[ph].first; i < v->phases[ph].first + v->phases[ph].count; i++) {
            const glia_item *it = &v->items[i];
            const glia_kernel_entry *k = &r->p->kernels[it->kernel];
            glia_json_open(j, NULL, '{');
            glia_json_put_string(j, "node", node_of(r, it)->name, -1);
            glia_json_put_string(j, "op", node_of(r, it)->op->name, -1);
            glia_json_put_string(j, "kernel", k->name, -1);
            glia_json_put_string(j, "isa", k->isa, -1);
            glia_json_put_string(j, "partition", part_name(it->kind), -1);
            glia_json_put_i64(j, "phase", ph);
            if (it->kind == GLIA_PART_SPLIT) {
                glia_json_put_i64(j, "axis", it->axis);
                glia_json_put_i64(j, "granule", it->granule);
            }
            if (it->kind == GLIA_PART_WHOLE) glia_json_put_i64(j, "slot", it->slot);
            glia_json_put_i64(j, "pieces", it->pieces);
            glia_json_close(j, '}');
        }
    }
    glia_json_close(j, ']');
}

static void put_json(report *r)
{
    glia_json_writer *j = &r->c->json;
    const glia_model_options *o = glia_model_settings(r->m);
    glia_json_open(j, NULL, '{');
    glia_json_put_string(j, "model", glia_gguf_file_name(glia_model_file(r->m)), -1);
    glia_json_put_string(j, "architecture", glia_model_architecture(r->m), -1);
    glia_json_put_i64(j, "context", o->context);
    glia_json_put_i64(j, "batch", o->batch);
    glia_json_put_string(j, "kv", glia_dtype_name(o->kv_dtype), -1);
    glia_json_put_i64(j, "threads", o->threads);
    glia_json_put_i64(j, "slots", r->p->slots);
    json_bytes(r);
    glia_json_put_i64(j, "phases", r->decode->phase_count);
    glia_json_put_i64(j, "meetings_per_token", r->meetings_token);
    glia_json_put_i64(j, "meetings_per_layer", r->meetings_layer);
    glia_json_open(j, "passes", '[');
    for (int i = 0; i < r->p->pass_count; i++) {
        glia_json_open(j, NULL, '{');
        glia_json_put_string(j, "name", r->p->passes[i].name, -1);
        glia_json_put_i64(j, "runs", r->p->passes[i].runs);
        glia_json_put_i64(j, "changes", r->p->passes[i].changes);
        glia_json_close(j, '}');
    }
    glia_json_close(j, ']');
    json_variants(r);
    json_items(r);
    glia_json_close(j, '}');
    glia_write_text(&r->c->out, "\n");
}

/* ---- text ----------------------------------------------------------------------------------------- */

static void text_head(report *r)
{
    glia_writer *w = &r->c->out;
    const glia_model_options *o = glia_model_settings(r->m);
    glia_write_text(w, "model      %s (%s), context %lld, batch %lld, kv %s\n",
                    glia_gguf_file_name(glia_model_file(r->m)), glia_model_architecture(r->m),
                    (long long)o->context, (long long)o->batch, glia_dtype_name(o->kv_dtype));
    glia_write_text(w, "threads    %d, slots %d\n", o->threads, r->p->slots);
    glia_write_text(w, "graph      %lld nodes, %lld values\n", (long long)r->p->graph->node_count,
                    (long long)r->p->graph->value_count - 1);
    glia_write_text(w, "\npass                      runs  changes\n");
    for (int i = 0; i < r->p->pass_count; i++)
        glia_write_text(w, "%-24s %5d %8d\n", r->p->passes[i].name, r->p->passes[i].runs,
                        r->p->passes[i].changes);
}

static void text_memory(report *r)
{
    const glia_memory *b = &r->memory;
    const struct {
        const char *name;
        int64_t bytes;
    } rows[] = {{"weights", b->weights}, {"packed", b->packed}, {"streamed", b->streamed},
                {"state", b->state},     {"arena", b->arena},   {"scratch", b->scratch},
                {"tables", b->tables},   {"total", b->total},   {"mapped", b->mapped}};
    glia_writer *w = &r->c->out;
    char human[32];
    glia_write_text(w, "\nmemory            bytes\n");
    for (int i = 0; i < GLIA_COUNT(rows) - !b->mapped; i++) {
        glia_write_text(w, "%-9s %13lld  %10s", rows[i].name, (long long)rows[i].bytes,
                        cli_bytes_text(rows[i].bytes, human));
        if (!strcmp(rows[i].name, "arena"))
            glia_write_text(w, "  (lower bound %lld)", (long long)b->arena_lower_bound);
        glia_write_text(w, "\n");
    }
}

static void text_variants(report *r)
{
    glia_writer *w = &r->c->out;
    glia_write_text(w, "\nvariant  tokens      slots  phases  meetings  items       arena  lower bound\n");
    for (int i = 0; i < r->p->variant_count; i++) {
        const glia_variant *v = &r->p->variants[i];
        glia_write_text(w, "%-7d %4lld..%-7lld %3d %7d %9d %6d %11lld %12lld%s\n", i,
                        (long long)v->symbol_min, (long long)v->symbol_max, v->slots, v->phase_count,
                        v->slots > 1 ? v->phase_count : 0, v->item_count, (long long)v->arena_bytes,
                        (long long)v->arena_lower_bound, v == r->decode ? "  decode" : "");
    }
    glia_write_text(w, "\ndecode: %lld meetings a token, %lld a layer\n", (long long)r->meetings_token,
                    (long long)r->meetings_layer);
}

static void text_phases(report *r)
{
    glia_writer *w = &r->c->out;
    const glia_variant *v = r->decode;
    glia_write_text(w, "\nphases of layer 0 (s split, r replicated, w whole)\n");
    for (int32_t ph = 0; ph < v->phase_count; ph++) {
        const glia_phase *phase = &v->phases[ph];
        bool ours = false;
        for (uint32_t i = phase->first; i < phase->first + phase->count; i++)
            ours = ours || of_layer(node_of(r, &v->items[i]), 0);
        if (!ours) continue;
        glia_write_text(w, "%5d  ", ph);
        for (uint32_t i = phase->first; i < phase->first + phase->count; i++) {
            const glia_item *it = &v->items[i];
            glia_write_text(w, "%s%s:%c", i == phase->first ? "" : " > ", node_of(r, it)->op->name,
                            part_name(it->kind)[0]);
        }
        if (phase->tiles) glia_write_text(w, "  (%u tiles)", phase->tiles);
        glia_write_text(w, "\n");
    }
}

/* Rows of equal op and kernel. There are a few dozen kinds among the items of one model. */
static void text_kernels(report *r)
{
    enum { KINDS_MAX = 256 };
    struct {
        const char *op;
        const glia_kernel_entry *kernel;
        int64_t count;
    } kinds[KINDS_MAX];
    int count = 0;
    glia_writer *w = &r->c->out;
    for (int32_t i = 0; i < r->decode->item_count; i++) {
        const glia_item *it = &r->decode->items[i];
        const glia_kernel_entry *k = &r->p->kernels[it->kernel];
        const char *op = node_of(r, it)->op->name;
        int at = 0;
        while (at < count && (kinds[at].kernel != k || kinds[at].op != op)) at++;
        if (at == KINDS_MAX) continue;
        if (at == count) {
            kinds[count].op = op;
            kinds[count].kernel = k;
            kinds[count++].count = 0;
        }
        kinds[at].count++;
    }
    glia_write_text(w, "\nop                       kernel                           isa         items\n");
    for (int i = 0; i < count; i++)
        glia_write_text(w, "%-24s %-32s %-10s %6lld\n", kinds[i].op, kinds[i].kernel->name,
                        kinds[i].kernel->isa, (long long)kinds[i].count);
}

static int put_graph(cli *c, const glia_plan *p)
{
    char *text;
    int64_t size;
    if (glia_graph_print(p->graph, &text, &size, &c->error)) return cli_failed(c);
    if (c->set.json) {
        glia_json_open(&c->json, NULL, '{');
        glia_json_put_string(&c->json, "graph", text, size);
        glia_json_close(&c->json, '}');
        glia_write_text(&c->out, "\n");
    } else {
        glia_write_bytes(&c->out, text, size);
    }
    glia_text_free(p->graph->arena.os, text, size);
    return CLI_OK;
}

int cli_cmd_plan(cli *c)
{
    glia_model *m;
    if (cli_is_net(c->args[0])) return cli_net_plan(c);
    if (c->set.html) return cli_usage(c, "--html is for ONNX networks (MODEL.onnx)");
    glia_model_options o = cli_model_options(c);
    int code = cli_open(c, &o, false, &m);
    if (code) return code;
    report r = {.c = c, .m = m, .p = glia_model_plan(m), .memory = GLIA_MEMORY_INIT};
    if (c->set.graph) {
        code = put_graph(c, r.p);
        glia_model_close(m);
        return code;
    }
    r.decode = decode_variant(r.p);
    glia_model_memory(m, &r.memory);
    if (r.decode->slots > 1) {
        r.meetings_token = r.decode->phase_count;
        r.meetings_layer = layer_phases(&r);
    }
    if (c->set.json) {
        put_json(&r);
    } else {
        text_head(&r);
        text_memory(&r);
        text_variants(&r);
        text_phases(&r);
        text_kernels(&r);
    }
    glia_model_close(m);
    return CLI_OK;
}
