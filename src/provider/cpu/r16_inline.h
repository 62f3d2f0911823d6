/* What the templates over R16 panels ask of a compiler. */
#ifndef GLIA_PROVIDER_CPU_R16_INLINE_H
#define GLIA_PROVIDER_CPU_R16_INLINE_H

#define R16_INLINE static inline __attribute__((always_inline))

/* In front of loops whose arrays have to become registers. With a sanitizer nothing becomes one, and gcc does
 * not know the loops' lengths yet when it reads this. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define R16_UNROLL
#elif defined(__clang__)
#define R16_UNROLL _Pragma("clang loop unroll(full)")
#else
#define R16_UNROLL _Pragma("GCC unroll 64")
#endif

/* A steps header whose steps are many instructions defines R16_SMALL as 1: the chunks of a super-block stay a loop,
 * tiles are compiled for one row and for even heights alone, and base-three digits are taken by a call. */
#ifndef R16_SMALL
#define R16_SMALL 0
#endif
#if R16_SMALL
#define R16_UNROLL_CHUNKS
#else
#define R16_UNROLL_CHUNKS R16_UNROLL
#endif

#endif
