/* One convolution of float32 features whose channels lie innermost, a few rows at a time. */
#ifndef ALANET_CONV_H
#define ALANET_CONV_H

#include <stddef.h>

#include "team.h"

enum { SQUARE = 4 }; /* results along one side of what a 3 x 3 convolution makes at once */

/* As the class _Layer in alanet_core/native/conv.py. */
typedef struct {
    int inputs, outputs;
    int kernel;           /* 3 or 1 */
    float slope;          /* of what is below 0; 1 for none */
    const float *weights; /* [36 places or 1, blocks of 16 outputs, inputs, 16], the last block 8 wide where that will do */
    const float *bias;    /* [outputs], and zeros up to whole blocks */
} Layer;

/* Numbers that `layer_rows` wants to write to meanwhile. */
ptrdiff_t layer_scratch(const Layer *layer);

/* `count` rows, up to SQUARE of them, of so many pixels. from: those rows [width, inputs]; for 3 x 3 also the one before
 * and all up to SQUARE after it, NULL beyond the edge. made: [width, outputs] each. */
void layer_rows(const Layer *layer, int width, int count, const float *const *from, float *const *made, float *scratch);

/* A member's share of a whole picture [height, width, inputs]; others may read what was made once all have met. */
void layer_share(Team *team, int member, const Layer *layer, int height, int width, const float *x, float *made,
                 float *scratch);

#endif
