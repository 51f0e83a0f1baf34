/* The last rows of something that is made from its top to its bottom, for what reads a few of them and no more. */
#ifndef ALANET_ROWS_H
#define ALANET_ROWS_H

#include <stddef.h>

#include "targets.h"

/* Row y lies where row y - count was. */
typedef struct {
    float *rows;
    ptrdiff_t size;
    int count;
} Ring;

enum { BETWEEN = 16 }; /* numbers between rows, lest all of them lie in the same lines of the cache */

/* The next rows in a memory of which so many numbers are taken; memory: NULL only counts them. */
INLINED Ring ring(ptrdiff_t *numbers, float *memory, int count, ptrdiff_t size) {
    Ring made = {memory ? memory + *numbers : NULL, size + BETWEEN, count};
    *numbers += count * made.size;
    return made;
}

INLINED float *row_of(const Ring *r, int y) { return r->rows + y % r->count * r->size; }

#endif
