/* What this machine can do at most, measured now by the threads that do the work: reading memory and caches,
 * products of small integers, products of floats.
 *
 * A probe checks itself. A chain of dependent additions gives the clock; clock times what the ports can start
 * in a cycle is what the arithmetic should reach. A probe below half of that, or a fifth above it, is marked
 * as doubtful: the machine was busy, or the probe is wrong, and fractions of it mean nothing. */
#ifndef GLIA_CLI_PROBE_H
#define GLIA_CLI_PROBE_H

#include "run/team.h"

#include <stdint.h>

enum { CLI_READ_MEMORY, CLI_READ_L3, CLI_READ_L2, CLI_READ_LEVELS };
enum { CLI_UNIT_INT8, CLI_UNIT_INT8_TILES, CLI_UNIT_FP32, CLI_UNITS };

typedef struct cli_limits {
    int32_t threads;
    double clock_hz;                     /* of one thread; 0: not known on this processor */
    double read[CLI_READ_LEVELS];        /* bytes a second, all threads; 0: not measured */
    int64_t read_bytes[CLI_READ_LEVELS]; /* of the array */
    double unit[CLI_UNITS];           /* operations a second, all threads; a multiply-add is two; 0: none */
    const char *unit_name[CLI_UNITS]; /* the instruction, null: none */
    double unit_expected[CLI_UNITS];  /* clock times ports, for the threads that have a processor */
} cli_limits;

typedef struct cli_probe {
    glia_team *team; /* its threads measure; null: the caller alone */
    int32_t threads, processors;
    uint32_t features;
    uint8_t *array;
    int64_t bytes;
    uint64_t (*times)[2]; /* [threads] begin, end of one measurement */
    int64_t rounds;       /* and what it does */
    void (*run)(int64_t rounds);
    int64_t level_bytes, passes; /* of each thread's part; and how often it is read */
    int streams;
    cli_limits best;
} cli_probe;

/* Takes an array of `bytes`, cut down to a gibibyte, and fills it by the threads that will read it. False
 * without memory. */
bool cli_probe_open(cli_probe *p, glia_team *team, uint32_t features, int64_t bytes);
/* Measures everything once, which takes about 0.15 s, and keeps what is better than before in p->best. */
void cli_probe_round(cli_probe *p);
void cli_probe_close(cli_probe *p);
/* Reads p->array [0, bytes) with one thread, now in a cache if it fits; bytes a second, the best of some. */
double cli_probe_read(cli_probe *p, int64_t bytes);
/* True when a measured rate is far from what clock and ports allow. */
bool cli_limits_doubtful(const cli_limits *l, int unit);

/* ---- probe_loops.c: what is measured, without any measuring */
typedef struct cli_unit {
    const char *name;
    uint32_t needs; /* GLIA_CPU_* */
    int unit;
    double ops_round, ops_cycle; /* operations of one round; and of one cycle at most */
    void (*run)(int64_t rounds);
} cli_unit;
extern const cli_unit cli_units[]; /* slow to fast within a unit; ends with a null name */
/* Additions that wait for each other, ADDS_ROUND a round, one a cycle; 0 where there is no such loop. */
enum { CLI_ADDS_ROUND = 64 };
bool cli_adds_known(void);
void cli_adds(int64_t rounds);
/* Reads all of it in `streams` streams (1 or 4), side by side, as vectors. */
void cli_read_all(const uint8_t *p, int64_t bytes, int streams, uint32_t features);

#endif
