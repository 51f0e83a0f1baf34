/* Numbers side by side, for loops that a compiler would make one number at a time. */
#ifndef ALANET_VECTORS_H
#define ALANET_VECTORS_H

#include "targets.h"

typedef float Four __attribute__((vector_size(16)));
typedef float Eight __attribute__((vector_size(32)));
typedef float Loose __attribute__((vector_size(32), aligned(4), may_alias)); /* eight, anywhere in memory */
typedef float LooseFour __attribute__((vector_size(16), aligned(4), may_alias));
typedef int Choice __attribute__((vector_size(32)));                         /* of each of eight: all bits or none */

/* What is no number gives `low`. */
INLINED float between(float x, float low, float high) {
    x = x > low ? x : low; /* one choice a line: each is an instruction of a vector */
    return x < high ? x : high;
}

/* Eight numbers, of one place or four of each of two. Macros: a function that returns such a vector is warned of. */
#define EIGHT(FROM) (*(const Loose *)(FROM))
#define FOURS(A, B) __builtin_shufflevector(*(const LooseFour *)(A), *(const LooseFour *)(B), 0, 1, 2, 3, 4, 5, 6, 7)

#endif
