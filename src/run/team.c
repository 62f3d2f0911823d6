/* The thread team on the os table: start and join, the run word that workers sleep on, the meeting point. */
#include "run/team.h"

#include "base/check.h"
#include "base/cpu.h"

#include <stdatomic.h>

#if defined(__x86_64__)
#include <immintrin.h>
static void relax(void) { _mm_pause(); }
#elif defined(__aarch64__)
static void relax(void) { __asm__ __volatile__("yield"); }
#else
static void relax(void) {}
#endif

enum {
    CACHE_LINE = 64,
    SPINS = 1000, /* 10 to 70 us of pauses: longer than a balanced wait, short enough to leave a busy machine
                     alone */
    COMMIT_PART = 16 << 20, /* bytes of memory that are worth waking a worker for, whole huge pages */
    IDLE_SPINS = 2000,      /* between runs: a token's sampling is shorter than this */
    FIRST_SPINS = 32        /* before a look at who shares the processor: most waits are shorter */
};

/* A word that workers wait on, alone on its cache line. */
typedef struct word {
    _Alignas(CACHE_LINE) _Atomic uint32_t value;
    _Atomic uint32_t sleepers;
} word;

typedef struct member {
    _Alignas(CACHE_LINE) _Atomic int32_t cpu; /* where it ran last; -1: the system does not say */
    glia_team *team;
    int index;
    bool started;
    glia_thread thread;
} member;

struct glia_team {
    word run;   /* counts runs; odd steps do not exist */
    word epoch; /* counts meetings */
    _Alignas(CACHE_LINE) _Atomic uint32_t arrived;
    _Alignas(CACHE_LINE) const glia_os *os;
    glia_team_fn fn;
    void *arg;
    _Atomic bool stop;
    int workers, spins, idle_spins;
    int64_t bytes;
    uint64_t meetings;
    member members[];
};

/* Notes where the worker is; written only when that changes, since others read it. */
static void note_cpu(glia_team *t, int worker)
{
    if (!t->os->cpu_now) return;
    int32_t now = t->os->cpu_now(t->os->ctx);
    if (now != atomic_load_explicit(&t->members[worker].cpu, memory_order_relaxed))
        atomic_store_explicit(&t->members[worker].cpu, now, memory_order_relaxed);
}

/* Is another worker on this worker's processor? Then it cannot run while this one spins: on a busy machine a
 * scheduler may leave two workers on one processor, and every meeting would last as long as a spin. */
static bool shares_cpu(const glia_team *t, int worker)
{
    int32_t here = atomic_load_explicit(&t->members[worker].cpu, memory_order_relaxed);
    for (int i = 0; here >= 0 && i < t->workers; i++)
        if (i != worker && atomic_load_explicit(&t->members[i].cpu, memory_order_relaxed) == here)
            return true;
    return false;
}

/* Waits until w differs from `old`. */
static uint32_t await(glia_team *t, word *w, uint32_t old, int spins, int worker)
{
    for (;;) {
        for (int i = 0; i <= spins; i++) {
            uint32_t now = atomic_load_explicit(&w->value, memory_order_acquire);
            if (now != old) return now;
            if (i == FIRST_SPINS && shares_cpu(t, worker)) break;
            relax();
        }
        atomic_fetch_add_explicit(&w->sleepers, 1, memory_order_seq_cst);
        if (atomic_load_explicit(&w->value, memory_order_seq_cst) == old)
            t->os->futex_wait(t->os->ctx, (const uint32_t *)(const void *)&w->value, old, -1);
        atomic_fetch_sub_explicit(&w->sleepers, 1, memory_order_relaxed);
        note_cpu(t, worker);
    }
}

/* Steps w on and wakes who sleeps on it. */
static void advance(glia_team *t, word *w)
{
    atomic_fetch_add_explicit(&w->value, 1, memory_order_seq_cst);
    if (atomic_load_explicit(&w->sleepers, memory_order_seq_cst))
        t->os->futex_wake(t->os->ctx, (const uint32_t *)(const void *)&w->value, t->workers);
}

void glia_team_meet(glia_team *t, int worker, void (*between)(void *), void *arg)
{
    note_cpu(t, worker);
    uint32_t epoch = atomic_load_explicit(&t->epoch.value, memory_order_relaxed);
    if (atomic_fetch_add_explicit(&t->arrived, 1, memory_order_acq_rel) + 1 == (uint32_t)t->workers) {
        atomic_store_explicit(&t->arrived, 0, memory_order_relaxed);
        t->meetings++;
        if (between) between(arg);
        advance(t, &t->epoch);
        return;
    }
    await(t, &t->epoch, epoch, t->spins, worker);
}

static void member_main(void *arg)
{
    member *m = arg;
    glia_team *t = m->team;
    uint32_t seen = 0;
    for (;;) {
        seen = await(t, &t->run, seen, t->idle_spins, m->index);
        if (atomic_load_explicit(&t->stop, memory_order_acquire)) return;
        t->fn(t->arg, m->index);
        glia_team_meet(t, m->index, NULL, NULL);
    }
}

void glia_team_run(glia_team *t, glia_team_fn fn, void *arg)
{
    t->fn = fn;
    t->arg = arg;
    if (t->workers > 1) advance(t, &t->run);
    fn(arg, 0);
    glia_team_meet(t, 0, NULL, NULL);
}

typedef struct commitment {
    glia_team *team;
    uint8_t *p;
    int64_t bytes, part;
    _Atomic int error;
} commitment;

static void commit_part(void *arg, int worker)
{
    commitment *c = arg;
    int64_t begin = worker * c->part, bytes = glia_min(c->part, c->bytes - begin);
    if (bytes <= 0) return;
    int error = c->team->os->mem_commit(c->team->os->ctx, c->p + begin, (size_t)bytes);
    if (error) atomic_store(&c->error, error);
}

int glia_team_commit(glia_team *t, void *p, int64_t bytes)
{
    commitment c = {t, p, bytes, 0, 0};
    c.part = glia_ceil_div(glia_ceil_div(bytes, t->workers), COMMIT_PART) * COMMIT_PART;
    if (c.part >= bytes) return t->os->mem_commit(t->os->ctx, p, (size_t)bytes);
    glia_team_run(t, commit_part, &c);
    return atomic_load(&c.error);
}

uint64_t glia_team_meetings(const glia_team *t) { return t->meetings; }
int glia_team_workers(const glia_team *t) { return t->workers; }

void glia_team_destroy(glia_team *t)
{
    if (!t) return;
    atomic_store_explicit(&t->stop, true, memory_order_release);
    advance(t, &t->run);
    for (int i = 1; i < t->workers; i++)
        if (t->members[i].started) t->os->thread_join(t->os->ctx, t->members[i].thread);
    t->os->mem_free(t->os->ctx, t, (size_t)t->bytes);
}

glia_status glia_team_create(const glia_os *os, int workers, glia_team **out, glia_error *e)
{
    *out = NULL;
    if (!os) os = glia_os_default();
    if (workers < 1 || workers > 1024)
        return glia_fail(e, GLIA_E_ARG, "G0701", "a team of %d threads; it must be 1 to 1024", workers);
    int64_t bytes = (int64_t)sizeof(glia_team) + workers * (int64_t)sizeof(member);
    glia_team *t = os->mem_alloc(os->ctx, (size_t)bytes, CACHE_LINE);
    if (!t) return glia_fail(e, GLIA_E_NOMEM, "G0801", "no memory for a team of %d threads", workers);
    t->os = os;
    t->bytes = bytes;
    t->workers = workers;
    bool room = workers <= os->cpu_count(os->ctx);
    t->spins = room ? SPINS : 0;
    t->idle_spins = room ? IDLE_SPINS : 0;
    for (int i = 0; i < workers; i++) t->members[i] = (member){-1, t, i, false, 0};
    for (int i = 1; i < workers; i++) {
        int err = os->thread_start(os->ctx, member_main, &t->members[i], -1, &t->members[i].thread);
        if (err) {
            glia_status s = glia_fail(e, GLIA_E_THREAD, "G0803",
                                      "thread %d of %d could not be started (error %d)", i + 1, workers, err);
            glia_team_destroy(t);
            return s;
        }
        t->members[i].started = true;
    }
    *out = t;
    return GLIA_OK;
}
