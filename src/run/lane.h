/* A lane: a thread team with one activation arena, which runs one step of a plan at a time.
 *
 *     glia_lane_begin(lane, symbols)     picks the variant, evaluates dims        (caller's thread)
 *     glia_lane_input(lane, value)       where to write an input for this step
 *     glia_lane_run(lane, &run)          runs the plan over the given bases
 *     glia_lane_output(lane, value)      where an output lies until the next begin
 *
 * After creation a lane neither allocates nor makes blocking system calls other than the futex of its team.
 * Not thread-safe; sessions take turns above. Lanes may borrow one team and one arena, when they take turns. Refuses
 * nothing but memory that is too small: what could fail was settled by compile. */
#ifndef GLIA_RUN_LANE_H
#define GLIA_RUN_LANE_H

#include "compile/plan.h"
#include "run/team.h"

#include <stdatomic.h>

typedef struct glia_lane glia_lane;

typedef struct glia_lane_options {
    const glia_os *os;
    int32_t workers;        /* threads, at least 1; they share the plan's slots */
    int64_t profile_events; /* room for so many trace events a worker; 0: no profile */
    glia_team *team;        /* borrowed, its workers are taken; null: a team of its own */
    /* Borrowed memory for activations and scratch, aligned to 64, of at least glia_lane_arena_bytes (G0231); lanes
     * that share one take turns. Null: memory of its own. */
    void *arena;
    int64_t arena_bytes;
} glia_lane_options;

typedef struct glia_run {
    const void *weights, *packed;
    void *state;
    const _Atomic uint32_t *cancel; /* non-zero stops the run; null: never */
    uint64_t deadline_ns;           /* by the os clock; 0: none */
} glia_run;

/* What a lane of this plan takes for activations and scratch; at least 64. */
int64_t glia_lane_arena_bytes(const glia_plan *p);
glia_status glia_lane_create(const glia_plan *p, const glia_lane_options *o, glia_lane **out, glia_error *e);
void glia_lane_destroy(glia_lane *l);

/* symbols[plan->graph->symbol_count], within their bounds (checked: GLIA_E_ARG). Also checks the graph's
 * entry guards. */
glia_status glia_lane_begin(glia_lane *l, const int64_t *symbols, glia_error *e);
void *glia_lane_input(glia_lane *l, uint32_t value);
const void *glia_lane_output(const glia_lane *l, uint32_t value);
/* GLIA_OK, GLIA_E_CANCELLED, GLIA_E_DEADLINE, GLIA_E_GUARD (the node is named). */
glia_status glia_lane_run(glia_lane *l, const glia_run *run, glia_error *e);

/* The lane's team, for work between runs (loading weights). */
glia_team *glia_lane_team(glia_lane *l);
/* Meetings of the last run, and the variant it used. */
int64_t glia_lane_meetings(const glia_lane *l);
const glia_variant *glia_lane_variant(const glia_lane *l);

/* ---- profile (profile.c) --------------------------------------------------------------------- */
typedef struct glia_event { /* one item, or one wait (item < 0: -1 - phase), of one worker */
    int32_t item;
    uint16_t variant, worker;
    uint32_t run;
    uint64_t begin_ns, end_ns;
} glia_event;
/* Events of worker w; *dropped counts those that found no room. */
const glia_event *glia_lane_events(const glia_lane *l, int worker, int64_t *count, int64_t *dropped);
void glia_lane_profile_clear(glia_lane *l);
/* Off: runs record nothing and read no clock, until it is on again, as at first. Between runs. */
void glia_lane_profile_record(glia_lane *l, bool on);
const glia_plan *glia_lane_plan(const glia_lane *l);
int glia_lane_workers(const glia_lane *l);
/* A table by operation and by wait, as text; and the events as Chrome trace JSON (chrome://tracing,
 * Perfetto). */
struct glia_writer;
void glia_profile_table(const glia_lane *l, struct glia_writer *w);
void glia_profile_trace(const glia_lane *l, struct glia_writer *w);

#endif
