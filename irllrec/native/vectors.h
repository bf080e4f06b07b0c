/* Vectors of floats as wide as the processor's registers. */

#ifndef IRLLREC_VECTORS_H
#define IRLLREC_VECTORS_H

#include <stdint.h>

#if defined(__AVX512F__)
#define LANES 16
#define ROWS 8 /* rows whose sums fit into registers together */
#else
#define LANES 8
#define ROWS 4
#endif

typedef float vec __attribute__((vector_size(4 * LANES), aligned(4), may_alias));
typedef int32_t ivec __attribute__((vector_size(4 * LANES), aligned(4)));

/* One move. memcpy() became two halves by way of the stack, whose reading in one piece waits for both. */
static inline vec load(const float *from) { return *(const vec *)from; }

static inline void store(float *to, vec value) { *(vec *)to = value; }

#endif
