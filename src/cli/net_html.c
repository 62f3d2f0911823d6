/* glia plan --html: a page of its own that shows what a network became: the graph before and after, passes and rules,
 * where buffers lie over time, and what each slot does when. Texts of the file are escaped; nothing is loaded. */
#include "cli/cli_net.h"

#include "base/check.h"
#include "net/internal.h"
#include "tensor/dtype.h"

#include <stdio.h>
#include <string.h>

enum { DRAWN_NODES_MOST = 400, MAP_WIDTH = 1040, MAP_HEIGHT = 300, ROWS_MOST = 2000, PARTS_MOST = 24 };

static const char head[] =
    "<!doctype html><html lang=en><meta charset=utf-8><title>glia plan</title><style>"
    "body{font:14px/1.45 system-ui,sans-serif;margin:2em auto;max-width:1120px;padding:0 1em;color:#1d2530;"
    "background:#fbfbfc}"
    "h1{font-size:1.5em;margin:0 0 .3em}h2{font-size:1.15em;margin:1.8em 0 .4em;border-bottom:1px solid "
    "#d5dae1}"
    "h3{font-size:1em;margin:1.2em 0 .3em}"
    "table{border-collapse:collapse;font-size:13px}td,th{padding:.15em .8em .15em 0;text-align:left;"
    "vertical-align:top}th{color:#5a6675;font-weight:600}td.n{text-align:right;font-variant-numeric:tabular-"
    "nums}"
    ".two{display:flex;gap:1.5em}.two>div{flex:1;min-width:0}"
    ".draw{overflow:auto;max-height:520px;border:1px solid #d5dae1;background:#fff;border-radius:6px}"
    "svg text{font:11px system-ui,sans-serif}.dim{color:#5a6675}.wide{overflow-x:auto}"
    "details{margin:.4em 0}summary{cursor:pointer}"
    "@media(prefers-color-scheme:dark){body{background:#14171c;color:#d9dee6}h2{border-color:#333b47}"
    ".draw{background:#1b2027;border-color:#333b47}svg text{fill:#d9dee6}svg .box text{fill:#10141a}th,.dim{"
    "color:#97a3b3}}"
    "</style>";

static void put_text(glia_writer *w, const char *s)
{
    for (int n = 0; s && *s && n < 120; s++, n++) {
        if (*s == '<') glia_write_text(w, "&lt;");
        else if (*s == '&') glia_write_text(w, "&amp;");
        else if (*s == '"') glia_write_text(w, "&quot;");
        else if ((unsigned char)*s < 0x20) glia_write_text(w, " ");
        else glia_write_bytes(w, s, 1);
    }
}

/* The same operator has the same colour everywhere. */
static int hue_of(const char *s)
{
    uint32_t h = 2166136261u;
    for (; *s; s++) h = (h ^ (unsigned char)*s) * 16777619u;
    return (int)(h % 360);
}

/* ---- graphs as layers */

typedef struct drawn {
    const char *label, *title;
    int layer, column;
    double x, pull; /* pull: sum of the x of what it reads */
    int pulls;
} drawn;

typedef struct picture {
    cli *c;
    drawn *nodes;
    int count;
    int (*edges)[2];
    int edge_count, edge_most;
} picture;

static bool picture_init(picture *p, cli *c, int64_t nodes, int64_t edges)
{
    *p = (picture){.c = c, .count = (int)nodes, .edge_most = (int)edges};
    p->nodes = GLIA_NEW_ARRAY(&c->arena, drawn, nodes + 1);
    p->edges = glia_arena_array(&c->arena, edges + 1, sizeof *p->edges, 16);
    return p->nodes && p->edges;
}

/* Edges come in the order of their ends, which are in topological order. */
static void picture_edge(picture *p, int from, int to)
{
    if (p->edge_count == p->edge_most || from < 0 || from >= to) return;
    p->edges[p->edge_count][0] = from;
    p->edges[p->edge_count++][1] = to;
    if (p->nodes[to].layer <= p->nodes[from].layer) p->nodes[to].layer = p->nodes[from].layer + 1;
}

/* Places the nodes of each layer in the order of where what they read stands. */
static int picture_place(picture *p, int *layers)
{
    int widest = 1;
    *layers = 0;
    for (int i = 0; i < p->count; i++)
        *layers = p->nodes[i].layer >= *layers ? p->nodes[i].layer + 1 : *layers;
    for (int layer = 0; layer < *layers; layer++) {
        int n = 0;
        for (int i = 0; i < p->count; i++) {
            if (p->nodes[i].layer != layer) continue;
            drawn *d = &p->nodes[i];
            d->x = d->pulls ? d->pull / d->pulls : n;
            d->column = n++;
        }
        for (int i = 0; i < p->count; i++) { /* rank by x; layers are narrow */
            if (p->nodes[i].layer != layer) continue;
            int rank = 0;
            for (int k = 0; k < p->count; k++)
                rank += p->nodes[k].layer == layer &&
                        (p->nodes[k].x < p->nodes[i].x || (p->nodes[k].x == p->nodes[i].x && k < i));
            p->nodes[i].column = rank;
        }
        for (int i = 0; i < p->count; i++)
            if (p->nodes[i].layer == layer) p->nodes[i].x = p->nodes[i].column;
        for (int e = 0; e < p->edge_count; e++) {
            if (p->nodes[p->edges[e][0]].layer != layer) continue;
            p->nodes[p->edges[e][1]].pull += p->nodes[p->edges[e][0]].x;
            p->nodes[p->edges[e][1]].pulls++;
        }
        widest = n > widest ? n : widest;
    }
    return widest;
}

static void picture_put(picture *p, glia_writer *w)
{
    enum { STEP_X = 138, STEP_Y = 46, BOX_X = 122, BOX_Y = 26 };
    int layers;
    const int widest = picture_place(p, &layers);
    glia_write_text(w, "<div class=draw><svg width=%d height=%d>", widest * STEP_X + 20,
                    layers * STEP_Y + 20);
    for (int e = 0; e < p->edge_count; e++) {
        const drawn *a = &p->nodes[p->edges[e][0]], *b = &p->nodes[p->edges[e][1]];
        const int x = a->column * STEP_X + 10 + BOX_X / 2, y = a->layer * STEP_Y + 10 + BOX_Y;
        const int u = b->column * STEP_X + 10 + BOX_X / 2, v = b->layer * STEP_Y + 10;
        glia_write_text(w, "<path d='M%d %dC%d %d %d %d %d %d' fill=none stroke='#9aa6b5'/>", x, y, x, y + 14,
                        u, v - 14, u, v);
    }
    for (int i = 0; i < p->count; i++) {
        const drawn *d = &p->nodes[i];
        const int x = d->column * STEP_X + 10, y = d->layer * STEP_Y + 10;
        glia_write_text(w, "<g class=box><title>");
        put_text(w, d->title);
        glia_write_text(w,
                        "</title><rect x=%d y=%d width=%d height=%d rx=5 fill='hsl(%d 60%% 80%%)'/>"
                        "<text x=%d y=%d text-anchor=middle>",
                        x, y, BOX_X, BOX_Y, hue_of(d->label), x + BOX_X / 2, y + 17);
        put_text(w, d->label);
        glia_write_text(w, "</text></g>");
    }
    glia_write_text(w, "</svg></div>");
}

static void too_large(glia_writer *w, int64_t nodes)
{
    glia_write_text(w, "<p class=dim>%lld nodes: too many to be drawn.</p>", (long long)nodes);
}

static void put_before(cli *c, glia_writer *w, const glia_net *net, const glia_net_part *part)
{
    const glia_net_node *nodes = net->main.nodes + part->begin;
    const int count = part->end - part->begin;
    int edges = 0;
    picture p;
    int32_t *maker = GLIA_NEW_ARRAY(&c->arena, int32_t, net->slot_count + 1);
    for (int i = 0; i < count; i++) edges += nodes[i].in_count;
    if (count > DRAWN_NODES_MOST || !maker || !picture_init(&p, c, count, edges)) {
        too_large(w, count);
        return;
    }
    for (int64_t i = 0; i < net->slot_count; i++) maker[i] = -1;
    for (int i = 0; i < count; i++) {
        p.nodes[i].label = nodes[i].op_name;
        p.nodes[i].title = nodes[i].name;
        for (int32_t k = 0; k < nodes[i].in_count; k++)
            if (nodes[i].in[k] >= 0 && nodes[i].in[k] < net->slot_count)
                picture_edge(&p, maker[nodes[i].in[k]], i);
        for (int32_t k = 0; k < nodes[i].out_count; k++)
            if (nodes[i].out[k] >= 0 && nodes[i].out[k] < net->slot_count) maker[nodes[i].out[k]] = i;
    }
    picture_put(&p, w);
}

static void put_after(cli *c, glia_writer *w, const glia_graph *g)
{
    int64_t edges = 0;
    picture p;
    for (int64_t i = 0; i < g->node_count; i++) edges += g->nodes[i].in_count;
    if (g->node_count > DRAWN_NODES_MOST || !picture_init(&p, c, g->node_count, edges)) {
        too_large(w, g->node_count);
        return;
    }
    for (int i = 0; i < g->node_count; i++) {
        const glia_node *n = &g->nodes[i];
        p.nodes[i].label = n->op->name;
        p.nodes[i].title = n->name;
        for (int32_t k = 0; k < n->in_count; k++)
            if (n->in[k].id) picture_edge(&p, g->values[n->in[k].id].producer, i);
    }
    picture_put(&p, w);
}

/* ---- tables */

static void put_passes(glia_writer *w, const glia_plan *plan)
{
    glia_write_text(w, "<table><tr><th>pass<th>runs<th>changes</tr>");
    for (int32_t i = 0; i < plan->pass_count; i++)
        glia_write_text(w, "<tr><td>%s<td class=n>%d<td class=n>%d</tr>", plan->passes[i].name,
                        plan->passes[i].runs, plan->passes[i].changes);
    glia_write_text(w, "</table>");
}

static void put_rules(glia_writer *w, const glia_rule_trace *t)
{
    static const char *const kinds[] = {"", "exact", "reassociating", "approximate"};
    int shown = 0;
    for (int32_t i = 0; i < t->rule_count; i++) {
        const glia_rule_report *r = &t->rules[i];
        if (!r->fired && !r->missed) continue;
        if (!shown++) glia_write_text(w, "<table><tr><th>rule<th>class<th>fired<th>near misses</tr>");
        glia_write_text(w, "<tr><td>");
        put_text(w, r->name);
        glia_write_text(w, "<td>%s<td class=n>%d<td class=n>%d</tr>", kinds[r->kind & 3], r->fired,
                        r->missed);
    }
    glia_write_text(w, shown ? "</table>" : "<p class=dim>No rule fired, and none nearly did.</p>");
    if (!t->miss_count) return;
    glia_write_text(w, "<details><summary>why rules did not fire</summary><table><tr><th>rule<th>node<th>"
                       "the condition that failed</tr>");
    for (int32_t i = 0; i < t->miss_count; i++) {
        glia_write_text(w, "<tr><td>");
        put_text(w, t->misses[i].rule);
        glia_write_text(w, "<td>");
        put_text(w, t->misses[i].node);
        glia_write_text(w, "<td>");
        put_text(w, t->misses[i].condition);
        glia_write_text(w, "</tr>");
    }
    glia_write_text(w, "</table></details>");
}

static const glia_variant *widest(const glia_plan *plan)
{
    const glia_variant *best = &plan->variants[0];
    for (int32_t i = 1; i < plan->variant_count; i++)
        if (plan->variants[i].slots > best->slots) best = &plan->variants[i];
    return best;
}

static const char *partition(const glia_item *it)
{
    return it->kind == GLIA_PART_WHOLE ? "whole" : it->kind == GLIA_PART_REPLICATED ? "replicated" : "split";
}

static void put_items(glia_writer *w, const glia_plan *plan, const glia_variant *v)
{
    char type[120];
    glia_write_text(w,
                    "<details><summary>all %d items</summary><div class=wide><table><tr><th>item<th>phase<th>"
                    "operation<th>node<th>result<th>kernel<th>partition</tr>",
                    v->item_count);
    for (int32_t ph = 0; ph < v->phase_count; ph++) {
        for (uint32_t i = v->phases[ph].first; i < v->phases[ph].first + v->phases[ph].count && i < ROWS_MOST;
             i++) {
            const glia_item *it = &v->items[i];
            const glia_node *n = &plan->graph->nodes[it->node];
            const glia_type *t = &plan->graph->values[n->out[0].id].type;
            glia_write_text(w, "<tr><td class=n>%u<td class=n>%d<td>%s<td>", i, ph, n->op->name);
            put_text(w, n->name);
            glia_write_text(w, "<td>%s<td>%s %s<td>%s</tr>",
                            glia_type_text(plan->graph, t, type, sizeof type), plan->kernels[it->kernel].name,
                            plan->kernels[it->kernel].isa, partition(it));
        }
    }
    glia_write_text(w, "</table></div></details>");
}

/* ---- memory over time, and slots over time */

static void put_memory(glia_writer *w, const glia_plan *plan, const glia_variant *v)
{
    char type[120];
    const double width = (double)MAP_WIDTH / glia_max(v->item_count, 1);
    const double height = (double)MAP_HEIGHT / (double)glia_max(v->arena_bytes, 1);
    glia_write_text(w,
                    "<p>Arena %lld bytes, lower bound %lld (ratio %.3f); scratch %lld. Across: items in "
                    "the order of the run. Down: addresses.</p><div class=wide><svg width=%d height=%d>"
                    "<rect width=%d height=%d fill=none stroke='#9aa6b5'/>",
                    (long long)v->arena_bytes, (long long)v->arena_lower_bound,
                    (double)v->arena_bytes / (double)glia_max(v->arena_lower_bound, 1),
                    (long long)v->scratch_bytes, MAP_WIDTH + 2, MAP_HEIGHT + 2, MAP_WIDTH, MAP_HEIGHT);
    for (int64_t i = 1; i < plan->graph->value_count; i++) {
        const glia_placed *p = &v->placed[i];
        const glia_value_info *info = &plan->graph->values[i];
        if (p->base != GLIA_BASE_ARENA || p->root != i || !p->bytes || p->end < p->begin) continue;
        const char *op = info->producer >= 0 ? plan->graph->nodes[info->producer].op->name : "input";
        glia_write_text(w,
                        "<rect x=%.2f y=%.2f width=%.2f height=%.2f fill='hsl(%d 60%% 70%%)' stroke='#fff' "
                        "stroke-width=.5><title>",
                        p->begin * width, (double)p->offset * height, (p->end - p->begin + 1) * width,
                        (double)p->bytes * height, hue_of(op));
        put_text(w, info->name);
        glia_write_text(w, " (%s), %s, %lld bytes at %lld, items %d to %d</title></rect>", op,
                        glia_type_text(plan->graph, &info->type, type, sizeof type), (long long)p->bytes,
                        (long long)p->offset, p->begin, p->end);
    }
    glia_write_text(w, "</svg></div>");
}

static void put_schedule(glia_writer *w, const glia_plan *plan, const glia_variant *v)
{
    enum { ROW = 22 };
    const int cell = (int)glia_max(3, glia_min(48, MAP_WIDTH / glia_max(v->item_count, 1)));
    glia_write_text(w,
                    "<p>%d slots, %d phases, %d items; threads meet at the lines between phases.</p>"
                    "<div class=wide><svg width=%d height=%d>",
                    v->slots, v->phase_count, v->item_count, v->item_count * cell + 60, v->slots * ROW + 4);
    for (int s = 0; s < v->slots; s++) glia_write_text(w, "<text x=0 y=%d>slot %d</text>", s * ROW + 15, s);
    for (int32_t ph = 0; ph < v->phase_count; ph++) {
        const glia_phase *phase = &v->phases[ph];
        for (uint32_t i = phase->first; i < phase->first + phase->count; i++) {
            const glia_item *it = &v->items[i];
            const glia_node *n = &plan->graph->nodes[it->node];
            const bool whole = it->kind == GLIA_PART_WHOLE;
            glia_write_text(w, "<g fill='hsl(%d 60%% %d%%)'><title>", hue_of(n->op->name),
                            it->kind == GLIA_PART_REPLICATED ? 85 : 70);
            put_text(w, n->name);
            glia_write_text(w, ": %s, %s, %s %s%s</title>", n->op->name, partition(it),
                            plan->kernels[it->kernel].name, plan->kernels[it->kernel].isa,
                            phase->tiles ? ", in tiles" : "");
            for (int s = whole ? it->slot : 0; s < (whole ? it->slot + 1 : v->slots); s++)
                glia_write_text(w, "<rect x=%d y=%d width=%d height=%d />", 50 + (int)i * cell, s * ROW + 2,
                                cell - 1, ROW - 4);
            glia_write_text(w, "</g>");
        }
        const int end = 50 + (int)(phase->first + phase->count) * cell;
        glia_write_text(w, "<line x1=%d x2=%d y1=0 y2=%d stroke='#5a6675'/>", end, end, v->slots * ROW);
    }
    glia_write_text(w, "</svg></div>");
}

static void put_part(cli *c, glia_writer *w, const glia_net *net, const glia_net_part *p)
{
    glia_write_text(w, "<h2>Nodes %d to %d: %s</h2>", p->begin, p->end - (p->end > p->begin),
                    p->plan             ? "a plan"
                    : p->end > p->begin ? "nothing is left to compute"
                                        : "on objects");
    if (p->why) {
        glia_write_text(w, "<p class=dim>The part ends because ");
        put_text(w, p->why);
        glia_write_text(w, ".</p>");
    }
    if (!p->plan) return;
    const glia_variant *v = widest(p->plan);
    glia_write_text(w, "<div class=two><div><h3>Before: %d nodes</h3>", p->end - p->begin);
    if (net->file) put_before(c, w, net, p);
    glia_write_text(w, "</div><div><h3>After: %lld nodes</h3>", (long long)p->plan->graph->node_count);
    put_after(c, w, p->plan->graph);
    glia_write_text(w, "</div></div><div class=two><div><h3>Passes</h3>");
    put_passes(w, p->plan);
    glia_write_text(w, "</div><div><h3>Rules</h3>");
    put_rules(w, &p->plan->trace);
    glia_write_text(w, "</div></div><h3>Memory</h3>");
    put_memory(w, p->plan, v);
    glia_write_text(w, "<h3>Schedule</h3>");
    put_schedule(w, p->plan, v);
    put_items(w, p->plan, v);
}

int cli_net_html(cli *c, const glia_net *net)
{
    glia_arena a;
    glia_arena_init(&a, NULL, 0);
    glia_writer text = {.arena = &a}, *w = &text;
    int parts = 0;
    glia_write_text(w, "%s<h1>", head);
    put_text(w, c->args[0]);
    glia_write_text(w, "</h1><p class=dim>glia %s: %lld nodes, %s.</p>", glia_version(),
                    (long long)net->main.node_count,
                    net->whole ? "one plan with fixed memory" : "planned in parts, as shapes and data come");
    for (int64_t i = 0; net->main.parts && i < net->main.node_count; i++) {
        for (const glia_net_part *p = net->main.parts[i]; p; p = p->next)
            if (parts++ < PARTS_MOST) put_part(c, w, net, p);
    }
    if (parts > PARTS_MOST) glia_write_text(w, "<p class=dim>and %d parts more</p>", parts - PARTS_MOST);
    glia_write_text(w, "</html>\n");
    FILE *f = text.failed ? NULL : fopen(c->set.html, "wb");
    bool ok = f && fwrite(text.data, 1, (size_t)text.size, f) == (size_t)text.size;
    if (f) ok = !fclose(f) && ok;
    glia_arena_free(&a);
    return ok ? CLI_OK : cli_refuse(c, GLIA_E_IO, "G0802", "%.300s cannot be written", c->set.html);
}
