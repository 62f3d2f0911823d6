/* The weights of a network: each initializer is read once per layout that some plan wants, and kept as long as the
 * network. What emission computed belongs to its part. */
#include "net/store.h"

#include "base/check.h"
#include "net/weights.h"

#include <string.h>

typedef struct binding {
    glia_net *net;
    glia_net_part *part;
    bool *wanted; /* [plan->weight_count] those to be read */
    int64_t bytes;
} binding;

static bool is_initializer(const glia_net *net, const char *name)
{
    int64_t size = (int64_t)strlen(name);
    bool swapped = size > 2 && !strcmp(name + size - 2, "^T");
    int64_t n = size - (swapped ? 2 : 0);
    for (int64_t i = 0; i < net->slot_count; i++) {
        const glia_net_slot *s = &net->slots[i];
        if (s->initializer && !strncmp(s->name, name, (size_t)n) && !s->name[n]) return true;
    }
    return false;
}

static glia_net_weight *find(glia_net_weight *list, const char *name, int layout)
{
    for (; list; list = list->next)
        if (list->layout == layout && !strcmp(list->name, name)) return list;
    return NULL;
}

static glia_net_weight *add(glia_net *net, glia_net_weight **list, const char *name, int layout,
                            int64_t bytes)
{
    const glia_os *os = net->options.os;
    int64_t room = glia_max(bytes, 64) + 64, text = (int64_t)strlen(name) + 1;
    if (!glia_account_take(net->account, room)) return NULL;
    glia_net_weight *w = os->mem_alloc(os->ctx, sizeof *w + (size_t)text, 64);
    if (w) w->data = os->mem_reserve(os->ctx, (size_t)room);
    if (!w || !w->data || os->mem_commit(os->ctx, w->data, (size_t)room)) {
        if (w && w->data) os->mem_release(os->ctx, w->data, (size_t)room);
        if (w) os->mem_free(os->ctx, w, sizeof *w + (size_t)text);
        glia_account_give(net->account, room);
        return NULL;
    }
    w->fresh = true;
    w->room = room;
    w->text = text;
    w->layout = layout;
    memcpy(w->name, name, (size_t)text);
    w->next = *list;
    *list = w;
    return w;
}

static const void *resolve(void *ctx, const glia_plan *p, const glia_weight_record *record)
{
    binding *b = ctx;
    const char *name = glia_graph_value(p->graph, (glia_value){record->value})->name;
    glia_net_weight **list = is_initializer(b->net, name) ? &b->net->weights : &b->part->weights;
    glia_net_weight *w = find(*list, name, record->layout);
    if (w) return w->data;
    w = add(b->net, list, name, record->layout, record->bytes);
    if (!w) return NULL;
    b->wanted[record - p->weights] = true;
    return w->data;
}

static void drop(glia_net *net, glia_net_weight *w)
{
    const glia_os *os = net->options.os;
    glia_account_give(net->account, w->room);
    os->mem_release(os->ctx, w->data, (size_t)w->room);
    os->mem_free(os->ctx, w, sizeof *w + (size_t)w->text);
}

/* What was not read must not be found by the next part. */
static void settle_fresh(glia_net *net, bool keep)
{
    for (glia_net_weight **at = &net->weights; *at;) {
        glia_net_weight *w = *at;
        if (!w->fresh || keep) {
            w->fresh = false;
            at = &w->next;
        } else {
            *at = w->next;
            drop(net, w);
        }
    }
}

glia_status glia_net_store_bind(glia_net *net, glia_net_part *p, glia_error *e)
{
    glia_arena a;
    glia_arena_init(&a, net->options.os, 0);
    binding b = {net, p, GLIA_NEW_ARRAY(&a, bool, p->plan->weight_count + 1), 0};
    glia_net_weights w = {net->file, net->slots, net->slot_count, p->plan->graph};
    glia_source source = glia_net_weights_source(&w);
    glia_status s = b.wanted ? GLIA_OK : glia_fail(e, GLIA_E_NOMEM, "G0801", "no memory for weights");
    if (!s && (s = glia_plan_bind_weights(p->plan, resolve, &b, e)) && glia_account_refused(net->account)) {
        glia_error_clear(e);
        s = glia_fail(e, GLIA_E_LIMIT, "G0804",
                      "the weights of the network pass its memory limit of %lld bytes",
                      (long long)net->options.memory_limit);
    } else if (s) {
        s = GLIA_E_NOMEM;
        glia_error_clear(e);
        glia_fail(e, s, "G0801", "no memory for the weights of the network");
    }
    if (!s) s = glia_load_some(p->plan, &source, 1, net->options.os, net->team, NULL, NULL, b.wanted, e);
    settle_fresh(net, s == GLIA_OK);
    glia_arena_free(&a);
    return s;
}

void glia_net_store_free(glia_net *net, glia_net_weight *w)
{
    while (w) {
        glia_net_weight *next = w->next;
        drop(net, w);
        w = next;
    }
}
