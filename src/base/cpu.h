/* Processor features, read once by the caller and passed on (no cache of our own). */
#ifndef GLIA_BASE_CPU_H
#define GLIA_BASE_CPU_H

#include <stdint.h>

enum {
    GLIA_CPU_AVX2 = 1u << 0,   /* with FMA and F16C */
    GLIA_CPU_AVX512 = 1u << 1, /* F, BW, DQ, VL */
    GLIA_CPU_AVX512_VNNI = 1u << 2,
    GLIA_CPU_AVX_VNNI = 1u << 3,
    GLIA_CPU_NEON = 1u << 4,
    GLIA_CPU_DOTPROD = 1u << 5,
    GLIA_CPU_I8MM = 1u << 6,
    GLIA_CPU_AMX = 1u << 7, /* tiles of int8 and bf16, and the system lets this process use them */
};

/* Features that processor and operating system both support. Linux keeps tile registers only for processes that
 * asked once: the first call does, before threads use them. */
uint32_t glia_cpu_features(void);
/* Affinity set, cut down by the cgroup v1/v2 quota (rounded up); at least 1. */
int glia_cpu_usable(void);
/* The tightest cgroup quota in processors, rounded up; 0 if there is none. groups_file is
 * /proc/self/cgroup and mount /sys/fs/cgroup, except in tests. */
int glia_cpu_quota(const char *groups_file, const char *mount);

/* Round-to-nearest, denormals kept: sets the numeric mode of NUMBERS for this thread and
 * returns the old mode, to be given back to glia_cpu_mode_restore. */
uint32_t glia_cpu_mode_set(void);
void glia_cpu_mode_restore(uint32_t mode);

#endif
