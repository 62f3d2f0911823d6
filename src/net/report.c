/* What a network became: as text, and as JSON. */
#include "net/internal.h"

#include "base/json.h"
#include "base/reader.h"

#include <string.h>

typedef struct report {
    glia_writer w;
    glia_json_writer j;
    bool json;
} report;

enum { MISSES_SHOWN = 20 };

static int32_t kernel_uses(const glia_plan *p, uint32_t kernel)
{
    const glia_variant *v = &p->variants[0];
    int32_t n = 0;
    for (int32_t i = 0; i < v->item_count; i++) n += v->items[i].kernel == kernel;
    return n;
}

static void text_part(report *r, const glia_net_part *p, int depth)
{
    glia_writer *w = &r->w;
    glia_write_text(w, "%*spart of nodes %d to %d", 2 * depth, "", p->begin, p->end);
    if (!p->plan) {
        glia_write_text(w, p->end > p->begin ? ": nothing is left to compute\n" : ": on objects\n");
    } else {
        const glia_variant *v = &p->plan->variants[0];
        glia_write_text(w, ": %lld nodes, %d items in %d phases\n", (long long)p->plan->graph->node_count,
                        v->item_count, v->phase_count);
        glia_write_text(w,
                        "%*s  memory: weights %lld, packed %lld, arena %lld (lower bound %lld), scratch "
                        "%lld, tables %lld\n",
                        2 * depth, "", (long long)p->plan->bytes.weights, (long long)p->plan->bytes.packed,
                        (long long)p->plan->bytes.arena, (long long)p->plan->arena_lower_bound,
                        (long long)p->plan->bytes.scratch, (long long)p->plan->bytes.tables);
        glia_write_text(w, "%*s  passes:", 2 * depth, "");
        for (int32_t i = 0; i < p->plan->pass_count; i++)
            glia_write_text(w, " %s %d", p->plan->passes[i].name, p->plan->passes[i].changes);
        glia_write_text(w, "\n%*s  rules:", 2 * depth, "");
        for (int32_t i = 0; i < p->plan->trace.rule_count; i++)
            if (p->plan->trace.rules[i].fired)
                glia_write_text(w, " %s %d", p->plan->trace.rules[i].name, p->plan->trace.rules[i].fired);
        glia_write_text(w, "\n");
        for (int32_t i = 0; i < p->plan->trace.miss_count && i < MISSES_SHOWN; i++) {
            const glia_rule_miss *m = &p->plan->trace.misses[i];
            glia_write_text(w, "%*s  %s nearly fired at %s: %s\n", 2 * depth, "", m->rule, m->node,
                            m->condition);
        }
        glia_write_text(w, "%*s  kernels:", 2 * depth, "");
        for (int32_t i = 0; i < p->plan->kernel_count; i++)
            glia_write_text(w, " %s/%s x %d", p->plan->kernels[i].name, p->plan->kernels[i].isa,
                            kernel_uses(p->plan, (uint32_t)i));
        glia_write_text(w, "\n");
    }
    if (p->why) glia_write_text(w, "%*s  it ends because %s\n", 2 * depth, "", p->why);
}

static void json_part(report *r, const glia_net_part *p)
{
    glia_json_writer *j = &r->j;
    glia_json_open(j, NULL, '{');
    glia_json_put_i64(j, "begin", p->begin);
    glia_json_put_i64(j, "end", p->end);
    glia_json_put_string(j, "mode", p->end > p->begin ? "plan" : "objects", -1);
    if (p->why) glia_json_put_string(j, "why", p->why, -1);
    if (p->plan) {
        const glia_bytes *b = &p->plan->bytes;
        glia_json_put_i64(j, "nodes", p->plan->graph->node_count);
        glia_json_put_i64(j, "items", p->plan->variants[0].item_count);
        glia_json_put_i64(j, "phases", p->plan->variants[0].phase_count);
        glia_json_put_i64(j, "weight_bytes", b->weights);
        glia_json_put_i64(j, "packed_bytes", b->packed);
        glia_json_put_i64(j, "arena_bytes", b->arena);
        glia_json_put_i64(j, "arena_lower_bound", p->plan->arena_lower_bound);
        glia_json_put_i64(j, "scratch_bytes", b->scratch);
        glia_json_put_i64(j, "table_bytes", b->tables);
        glia_json_open(j, "rules", '{');
        for (int32_t i = 0; i < p->plan->trace.rule_count; i++)
            if (p->plan->trace.rules[i].fired)
                glia_json_put_i64(j, p->plan->trace.rules[i].name, p->plan->trace.rules[i].fired);
        glia_json_close(j, '}');
        glia_json_open(j, "near_misses", '[');
        for (int32_t i = 0; i < p->plan->trace.miss_count; i++) {
            const glia_rule_miss *m = &p->plan->trace.misses[i];
            glia_json_open(j, NULL, '{');
            glia_json_put_string(j, "rule", m->rule, -1);
            glia_json_put_string(j, "node", m->node, -1);
            glia_json_put_string(j, "condition", m->condition, -1);
            glia_json_close(j, '}');
        }
        glia_json_close(j, ']');
        glia_json_open(j, "kernels", '{');
        for (int32_t i = 0; i < p->plan->kernel_count; i++)
            glia_json_put_i64(j, p->plan->kernels[i].name, kernel_uses(p->plan, (uint32_t)i));
        glia_json_close(j, '}');
    }
    glia_json_close(j, '}');
}

/* Recurses over bodies, whose nesting is bounded. */
static void put_block(report *r, const glia_net_block *b, int depth)
{
    for (int64_t i = 0; b->parts && i < b->node_count; i++) {
        for (const glia_net_part *p = b->parts[i]; p; p = p->next) {
            if (r->json) json_part(r, p);
            else text_part(r, p, depth);
        }
        for (int32_t k = 0; k < b->nodes[i].body_count; k++) put_block(r, &b->nodes[i].bodies[k], depth + 1);
    }
}

glia_status glia_net_report(glia_net *net, int json, char **text, int64_t *size, glia_error *e)
{
    glia_arena a;
    if (!net || !text || !size) return glia_fail(e, GLIA_E_ARG, "G0714", "the network, text or size is null");
    glia_arena_init(&a, net->options.os, 0);
    report r = {.json = json != 0};
    r.w.arena = &a;
    r.j.w = &r.w;
    if (json) {
        glia_json_open(&r.j, NULL, '{');
        glia_json_put_i64(&r.j, "nodes", net->main.node_count);
        glia_json_put_bool(&r.j, "one_plan", net->whole != NULL);
        glia_json_open(&r.j, "parts", '[');
    } else {
        glia_write_text(&r.w, "%lld nodes; %s\n", (long long)net->main.node_count,
                        net->whole ? "one plan" : "planned in parts, as shapes and data come");
    }
    if (net->graph) {
        if (json) json_part(&r, net->whole);
        else text_part(&r, net->whole, 0);
    } else {
        put_block(&r, &net->main, 0);
    }
    if (json) {
        glia_json_close(&r.j, ']');
        glia_json_close(&r.j, '}');
    }
    char *out = r.w.failed ? NULL : net->options.os->mem_alloc(net->options.os->ctx, (size_t)r.w.size + 1, 1);
    if (out) {
        memcpy(out, r.w.data, (size_t)r.w.size);
        out[r.w.size] = 0;
        *text = out;
        *size = r.w.size;
    }
    glia_arena_free(&a);
    return out ? GLIA_OK : glia_fail(e, GLIA_E_NOMEM, "G0801", "no memory for the report");
}
