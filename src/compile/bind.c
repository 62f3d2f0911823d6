/* Weights that live elsewhere: a plan's records are given absolute addresses, so that several plans of one network
 * (for different shapes) share one copy. Refused: a weight without an address. */
#include "compile/plan.h"

#include "base/check.h"

static void bind_variant(const glia_plan *p, const glia_variant *v, const int32_t *record_of)
{
    /* The records are the plan's own; only their readers see them as constant. */
    glia_arg_record *args = (glia_arg_record *)(uintptr_t)v->args;
    glia_placed *placed = (glia_placed *)(uintptr_t)v->placed;
    for (int64_t i = 1; i < p->graph->value_count; i++) { /* views of a weight have it as their root */
        int32_t w = placed[i].root > 0 ? record_of[placed[i].root] : record_of[i];
        if (!w) continue;
        placed[i].offset = p->weights[w - 1].offset;
        placed[i].base = GLIA_BASE_ABSOLUTE;
    }
    for (int32_t i = 0; i < v->item_count; i++) {
        const glia_item *it = &v->items[i];
        const glia_value *in = p->graph->nodes[it->node].in;
        for (uint32_t j = 0; j < it->in_count; j++) {
            if (!in[j].id || placed[in[j].id].base != GLIA_BASE_ABSOLUTE) continue;
            args[it->args + j].offset = placed[in[j].id].offset;
            args[it->args + j].base = GLIA_BASE_ABSOLUTE;
        }
    }
}

glia_status glia_plan_bind_weights(glia_plan *p, glia_weight_resolve resolve, void *ctx, glia_error *e)
{
    glia_arena scratch;
    glia_arena_init(&scratch, p->arena.os, 0);
    glia_status s = GLIA_OK;
    int32_t *record_of = GLIA_NEW_ARRAY(&scratch, int32_t, p->graph->value_count + 1); /* by value, 0: none */
    int64_t *address = GLIA_NEW_ARRAY(&scratch, int64_t, p->weight_count + 1);
    if (!record_of || !address) {
        s = glia_fail(e, GLIA_E_NOMEM, "G0801", "out of memory while binding weights");
        goto done;
    }
    for (int32_t i = 0; i < p->weight_count; i++) {
        const glia_weight_record *w = &p->weights[i];
        address[i] = (int64_t)(uintptr_t)resolve(ctx, p, w);
        record_of[w->packed] = i + 1;
        if (address[i] > 0) continue;
        s = glia_fail(e, GLIA_E_ARG, "G0230", "weight `%s` has no memory", p->graph->values[w->value].name);
        goto done;
    }
    for (int32_t i = 0; i < p->weight_count; i++) {
        p->weights[i].base = GLIA_BASE_ABSOLUTE;
        p->weights[i].offset = address[i];
    }
    for (int i = 0; i < p->variant_count; i++) bind_variant(p, &p->variants[i], record_of);
done:
    glia_arena_free(&scratch);
    return s;
}
