/* Reports over a lane's events: a table by operation and kernel, with waiting apart from working, and a trace
 * in the JSON form of Chrome's trace viewer and Perfetto. Both only read; what fails for want of memory is
 * said by the writer's `failed`. */
#include "run/lane.h"

#include "base/check.h"
#include "base/json.h"
#include "base/reader.h"

typedef struct row { /* of the table: an operation with its kernel */
    const char *op, *kernel, *isa;
    int64_t count;
    uint64_t ns;
} row;

typedef struct totals {
    uint64_t work_ns, wait_ns;
    int64_t items, waits, dropped;
} totals;

static const glia_item *item_of(const glia_plan *p, const glia_event *e)
{
    return &p->variants[e->variant].items[e->item];
}

/* A row for each pair of op and kernel that occurs, in the order of their first events; *count is -1 without
 * memory. */
static row *collect_rows(const glia_lane *l, glia_arena *a, int64_t *count)
{
    const glia_plan *p = glia_lane_plan(l);
    int64_t capacity = 0;
    row *rows = NULL;
    *count = 0;
    for (int w = 0; w < glia_lane_workers(l); w++) {
        int64_t events, dropped;
        const glia_event *e = glia_lane_events(l, w, &events, &dropped);
        for (int64_t i = 0; i < events; i++) {
            if (e[i].item < 0) continue;
            const glia_item *it = item_of(p, &e[i]);
            const glia_kernel_entry *k = &p->kernels[it->kernel];
            const char *op = p->graph->nodes[it->node].op->name;
            int64_t at = 0;
            while (at < *count && (rows[at].op != op || rows[at].kernel != k->name)) at++;
            if (at == *count) {
                rows = glia_arena_grow(a, rows, *count, &capacity, sizeof *rows);
                if (!rows) {
                    *count = -1;
                    return NULL;
                }
                rows[(*count)++] = (row){op, k->name, k->isa, 0, 0};
            }
            rows[at].count++;
            rows[at].ns += e[i].end_ns - e[i].begin_ns;
        }
    }
    return rows;
}

static void sort_rows(row *rows, int64_t count)
{
    for (int64_t i = 1; i < count; i++) { /* a few dozen rows */
        row r = rows[i];
        int64_t at = i;
        for (; at > 0 && rows[at - 1].ns < r.ns; at--) rows[at] = rows[at - 1];
        rows[at] = r;
    }
}

static totals total_of(const glia_lane *l, int worker)
{
    totals t = {0};
    int64_t events;
    const glia_event *e = glia_lane_events(l, worker, &events, &t.dropped);
    for (int64_t i = 0; i < events; i++) {
        uint64_t ns = e[i].end_ns - e[i].begin_ns;
        if (e[i].item < 0) {
            t.waits++;
            t.wait_ns += ns;
        } else {
            t.items++;
            t.work_ns += ns;
        }
    }
    return t;
}

/* Runs that worker 0 has events of; its events are in order. */
static int64_t count_runs(const glia_lane *l)
{
    int64_t events, dropped, runs = 0;
    const glia_event *e = glia_lane_events(l, 0, &events, &dropped);
    for (int64_t i = 0; i < events; i++) runs += i == 0 || e[i].run != e[i - 1].run;
    return runs;
}

static double ms(uint64_t ns) { return (double)ns / 1e6; }
static double percent(uint64_t part, uint64_t whole)
{
    return whole ? 100.0 * (double)part / (double)whole : 0;
}

static void put_workers(const glia_lane *l, glia_writer *w, int64_t runs)
{
    int64_t dropped = 0;
    glia_write_text(w, "\nworker     working ms     waiting ms  waiting  items  meetings/run\n");
    for (int i = 0; i < glia_lane_workers(l); i++) {
        totals t = total_of(l, i);
        /* The end of a run is a meeting too, but nobody's wait for it is measured. */
        double meetings = runs && t.waits ? (double)t.waits / (double)runs + 1 : 0;
        glia_write_text(w, "%-6d %14.3f %14.3f %7.1f%% %6lld %13.1f\n", i, ms(t.work_ns), ms(t.wait_ns),
                        percent(t.wait_ns, t.work_ns + t.wait_ns), (long long)t.items, meetings);
        dropped += t.dropped;
    }
    glia_write_text(w, "runs: %lld\n", (long long)runs);
    if (dropped)
        glia_write_text(w, "%lld later events found no room and are not counted\n", (long long)dropped);
}

void glia_profile_table(const glia_lane *l, struct glia_writer *w)
{
    int64_t count;
    uint64_t all = 0;
    row *rows = collect_rows(l, w->arena, &count);
    if (count < 0) {
        w->failed = true;
        return;
    }
    sort_rows(rows, count);
    for (int64_t i = 0; i < count; i++) all += rows[i].ns;
    glia_write_text(w, "op                   kernel                           isa            count          "
                       "ms   share   us/item\n");
    for (int64_t i = 0; i < count; i++)
        glia_write_text(w, "%-20s %-32s %-11s %8lld %11.3f %6.1f%% %9.2f\n", rows[i].op, rows[i].kernel,
                        rows[i].isa, (long long)rows[i].count, ms(rows[i].ns), percent(rows[i].ns, all),
                        (double)rows[i].ns / 1e3 / (double)rows[i].count);
    put_workers(l, w, count_runs(l));
}

/* ---- the trace ------------------------------------------------------------------------------------ */

static uint64_t first_begin(const glia_lane *l)
{
    uint64_t first = UINT64_MAX;
    for (int w = 0; w < glia_lane_workers(l); w++) {
        int64_t events, dropped;
        const glia_event *e = glia_lane_events(l, w, &events, &dropped);
        if (events && e[0].begin_ns < first) first = e[0].begin_ns;
    }
    return first;
}

/* Times are microseconds with three decimals: no nanosecond is lost, and none is invented. */
static void put_time(glia_writer *w, const char *key, uint64_t ns)
{
    glia_write_text(w, ",\"%s\":%llu.%03u", key, (unsigned long long)(ns / 1000), (unsigned)(ns % 1000));
}

static void put_event(const glia_plan *p, glia_writer *w, const glia_event *e, uint64_t origin)
{
    glia_json_writer j = {.w = w};
    glia_json_open(&j, NULL, '{');
    if (e->item < 0) {
        glia_json_put_string(&j, "name", "wait", -1);
        glia_json_put_string(&j, "cat", "wait", -1);
    } else {
        const glia_item *it = item_of(p, e);
        const glia_node *n = &p->graph->nodes[it->node];
        glia_json_put_string(&j, "name", n->op->name, -1);
        glia_json_put_string(&j, "cat", "work", -1);
        glia_json_open(&j, "args", '{');
        glia_json_put_string(&j, "node", n->name, -1);
        glia_json_put_string(&j, "kernel", p->kernels[it->kernel].name, -1);
        glia_json_put_i64(&j, "run", e->run);
        glia_json_close(&j, '}');
    }
    glia_json_put_string(&j, "ph", "X", -1);
    glia_json_put_i64(&j, "pid", 1);
    glia_json_put_i64(&j, "tid", e->worker);
    put_time(w, "ts", e->begin_ns - origin);
    put_time(w, "dur", e->end_ns - e->begin_ns);
    glia_json_close(&j, '}');
}

void glia_profile_trace(const glia_lane *l, struct glia_writer *w)
{
    const glia_plan *p = glia_lane_plan(l);
    uint64_t origin = first_begin(l);
    bool comma = false;
    int64_t all_dropped = 0;
    glia_write_text(w, "{\"displayTimeUnit\":\"ns\",\"traceEvents\":[");
    for (int worker = 0; worker < glia_lane_workers(l); worker++) {
        int64_t events, dropped;
        const glia_event *e = glia_lane_events(l, worker, &events, &dropped);
        all_dropped += dropped;
        for (int64_t i = 0; i < events && !w->failed; i++) {
            glia_write_text(w, comma ? ",\n" : "\n");
            comma = true;
            put_event(p, w, &e[i], origin);
        }
    }
    glia_write_text(w, "\n],\"droppedEvents\":%lld}\n", (long long)all_dropped);
}
