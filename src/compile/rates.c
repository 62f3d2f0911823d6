/* How fast the machine is taken to be: constants per instruction set, of one core, rounded from measurements
 * on server processors. Plans must be the same everywhere, so nothing is measured when one is made; only
 * ratios decide (which node is worth a meeting, which step is worth waking a team), and no bit of a result.
 */
#include "compile/plan.h"

#include "base/check.h"

#include <string.h>

typedef struct row {
    const char *isa; /* a set whose name contains this */
    double flops, integer_ops;
} row;

static const row rows[] = {
    {"portable", 1e9, 1e9}, {"amx", 7e10, 1.2e12},  {"512vnni", 7e10, 4e11}, {"512", 7e10, 2e11},
    {"vnni", 4e10, 2e11},   {"avx2", 4e10, 1.2e11}, {"", 2e10, 5e10}, /* all others */
};

/* Weights are read once a step, from where a set of that size stays. */
static double stream_rate(int64_t weight_bytes)
{
    if (weight_bytes <= 1 << 20) return 4e10;
    return weight_bytes <= GLIA_CACHED_BYTES ? 1.5e10 : 1e10;
}

glia_rates glia_rates_of(uint32_t features, const char *isa_max, int64_t weight_bytes)
{
    const char *isa = glia_cpu_isas[0]->name;
    glia_rates r = {.stream = stream_rate(weight_bytes),
                    .unpack = weight_bytes <= GLIA_CACHED_BYTES ? 8e10 : 1e10,
                    .cache = 4e10,
                    .node = 1e-7,
                    .meeting = 1e-6};
    const glia_cpu_isa *last = glia_cpu_isa_find(isa_max);
    for (int i = 0; glia_cpu_isas[i]; i++) {
        if (!(glia_cpu_isas[i]->needs & ~features)) isa = glia_cpu_isas[i]->name;
        if (glia_cpu_isas[i] == last || (isa_max && !last)) break;
    }
    for (int i = GLIA_COUNT(rows) - 1; i >= 0; i--) {
        if (!strstr(isa, rows[i].isa)) continue;
        r.flops = rows[i].flops;
        r.integer_ops = rows[i].integer_ops;
    }
    return r;
}
