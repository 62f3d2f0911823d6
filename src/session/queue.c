/* Who waits for a lane: a spin lock around a short list, a futex word for each waiter. */
#include "session/queue.h"

static void lock(glia_queue *q)
{
    uint32_t free_word = 0;
    /* Held for tens of instructions; a holder that lost its processor is waited for with sleeps. */
    for (int i = 0; !atomic_compare_exchange_weak_explicit(&q->lock, &free_word, 1, memory_order_acquire,
                                                           memory_order_relaxed);
         i++) {
        free_word = 0;
        if (i > 100) q->os->futex_wait(q->os->ctx, (const uint32_t *)(const void *)&q->lock, 1, 20000);
    }
}

static void unlock(glia_queue *q) { atomic_store_explicit(&q->lock, 0, memory_order_release); }

static bool before(const glia_queue_place *a, const glia_queue_place *b)
{
    uint64_t x = a->deadline_ns ? a->deadline_ns : UINT64_MAX,
             y = b->deadline_ns ? b->deadline_ns : UINT64_MAX;
    return x != y ? x < y : a->arrival < b->arrival;
}

/* Takes a place out of the list; false if its turn has come already. */
static bool withdraw(glia_queue *q, const glia_queue_place *p)
{
    for (int32_t i = 0; i < q->count; i++) {
        if (q->waiting[i] != p) continue;
        q->waiting[i] = q->waiting[--q->count];
        return true;
    }
    return false;
}

glia_status glia_queue_enter(glia_queue *q, uint64_t deadline_ns, const _Atomic uint32_t *cancel,
                             glia_error *e)
{
    const int64_t look_ns = 2000000; /* how often cancellation is looked at while waiting */
    glia_queue_place me = {0, deadline_ns, 0};
    lock(q);
    if (!q->held) {
        q->held = true;
        unlock(q);
        return GLIA_OK;
    }
    if (q->count == GLIA_QUEUE_MAX) {
        unlock(q);
        return glia_fail(e, GLIA_E_LIMIT, "G0708", "%d steps wait for this model already", GLIA_QUEUE_MAX);
    }
    me.arrival = q->arrivals++;
    q->waiting[q->count++] = &me;
    unlock(q);
    while (!atomic_load_explicit(&me.turn, memory_order_acquire)) {
        glia_status why = GLIA_OK;
        if (cancel && atomic_load(cancel)) why = GLIA_E_CANCELLED;
        else if (deadline_ns && q->os->clock_ns(q->os->ctx) >= deadline_ns) why = GLIA_E_DEADLINE;
        if (why) {
            lock(q);
            bool out = withdraw(q, &me);
            unlock(q);
            if (!out) glia_queue_leave(q); /* the turn came meanwhile: pass it on */
            return glia_fail(e, why, why == GLIA_E_CANCELLED ? "G0706" : "G0707",
                             why == GLIA_E_CANCELLED ? "cancelled while waiting for the model"
                                                     : "the deadline passed while waiting for the model");
        }
        q->os->futex_wait(q->os->ctx, (const uint32_t *)(const void *)&me.turn, 0, look_ns);
    }
    return GLIA_OK;
}

bool glia_queue_try(glia_queue *q)
{
    lock(q);
    bool got = !q->held;
    q->held = true;
    unlock(q);
    return got;
}

void glia_queue_leave(glia_queue *q)
{
    lock(q);
    if (q->count == 0) {
        q->held = false;
        unlock(q);
        return;
    }
    int32_t best = 0;
    for (int32_t i = 1; i < q->count; i++)
        if (before(q->waiting[i], q->waiting[best])) best = i;
    glia_queue_place *next = q->waiting[best];
    q->waiting[best] = q->waiting[--q->count];
    /* Waking before the lock is given back: afterwards `next` may be gone from its stack. */
    atomic_store_explicit(&next->turn, 1, memory_order_release);
    q->os->futex_wake(q->os->ctx, (const uint32_t *)(const void *)&next->turn, 1);
    unlock(q);
}
