/* Who may run a lane next: one holder, waiters served by deadline, then by arrival.
 *
 * Joining, leaving and handing over are a few instructions under a spin lock; waiting sleeps on a futex of
 * one's own. Nothing allocates. At most GLIA_QUEUE_MAX wait at once; one more is told GLIA_E_LIMIT. */
#ifndef GLIA_SESSION_QUEUE_H
#define GLIA_SESSION_QUEUE_H

#include "base/error.h"

#include <glia/os.h>
#include <stdatomic.h>
#include <stdbool.h>

enum { GLIA_QUEUE_MAX = 256 };

typedef struct glia_queue_place {
    _Atomic uint32_t turn;
    uint64_t deadline_ns, arrival; /* deadline 0: none */
} glia_queue_place;

typedef struct glia_queue {
    const glia_os *os;
    _Atomic uint32_t lock;
    bool held;
    uint64_t arrivals;
    int32_t count;
    glia_queue_place *waiting[GLIA_QUEUE_MAX];
} glia_queue;

/* Waits for the turn. GLIA_E_CANCELLED when *cancel becomes non-zero, GLIA_E_DEADLINE, GLIA_E_LIMIT. */
glia_status glia_queue_enter(glia_queue *q, uint64_t deadline_ns, const _Atomic uint32_t *cancel,
                             glia_error *e);
/* Takes the turn if nobody has it. */
bool glia_queue_try(glia_queue *q);
void glia_queue_leave(glia_queue *q);

#endif
