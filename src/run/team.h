/* A thread team and its meeting point.
 *
 * A team has `workers` workers: the caller's own thread is worker 0, the others wait on a futex. One run at a
 * time: team_run hands the same function to every worker and returns when all have come back. Inside, workers
 * meet with team_meet: an epoch counter with acquire and release, a short bounded spin, then sleep. Waiting
 * never spins when workers outnumber the processors that the process may use, and idle workers use no CPU.
 * The team allocates nothing after it was created. */
#ifndef GLIA_RUN_TEAM_H
#define GLIA_RUN_TEAM_H

#include <glia/os.h>
#include <stdbool.h>

#include "base/error.h"

typedef struct glia_team glia_team;
typedef void (*glia_team_fn)(void *arg, int worker);

/* workers >= 1. GLIA_E_NOMEM, GLIA_E_THREAD. */
glia_status glia_team_create(const glia_os *os, int workers, glia_team **out, glia_error *e);
void glia_team_destroy(glia_team *t);
int glia_team_workers(const glia_team *t);
/* Not thread-safe: one caller at a time. */
void glia_team_run(glia_team *t, glia_team_fn fn, void *arg);
/* Only within a run: returns when all workers have called it. The last to arrive runs between(arg), if not
 * null, before the others go on. */
void glia_team_meet(glia_team *t, int worker, void (*between)(void *), void *arg);
/* mem_commit of the page-aligned [p, p + bytes) by all workers, each a part: zeroing is what loading large
 * memory costs first, and a page lies near the worker that met it first. An errno value, 0 for success. */
int glia_team_commit(glia_team *t, void *p, int64_t bytes);
/* Meetings held since creation (each counted once). */
uint64_t glia_team_meetings(const glia_team *t);

#endif
