/* What moves or adds numbers and does nothing else: the ring's copies (alanet_core/streaming/ring.py), colours that
 * come plane by plane, and the gates and sums of attention (alanet_core/model/attention.py, eq. 3 to 6). */
#include "pixels.h"
#include "team.h"

#include <string.h>

/* As the class _Copy in alanet_core/native/plain.py. */
typedef struct {
    const char *from;
    char *to;
    long bytes;
    long end; /* pieces of this copy and of those before it */
} Copy;

/* As the class _Copies. */
typedef struct {
    const Copy *copies;
    long size; /* bytes of a piece; the last one of a copy may be shorter */
    long bytes; /* of all */
    int count, threads;
} Copies;

static void copy_piece(const void *job, int i) {
    const Copies *all = job;
    const Copy *c = all->copies;
    while (i >= c->end)
        c++;
    long begin = (i - (c > all->copies ? c[-1].end : 0)) * all->size, left = c->bytes - begin;
    memcpy(c->to + begin, c->from + begin, (size_t)(left < all->size ? left : all->size));
}

EXPORTED void alanet_copy(const Copies *c) {
    team_rows(c->threads, 0, (int)c->copies[c->count - 1].end, c->bytes / 4, copy_piece, c);
}

/* As the class Planes in alanet_core/native/__init__.py. */
typedef struct {
    int height, width, channels;
    int threads;
    const float *from; /* [channels, height, width] */
    float *to;         /* [height, width, channels] */
} Planes;

INLINED void interleave(const Planes *p, int y, int channels) {
    ptrdiff_t plane = (ptrdiff_t)p->height * p->width;
    const float *from = p->from + (ptrdiff_t)y * p->width;
    float *to = p->to + (ptrdiff_t)y * p->width * channels;
    for (int x = 0; x < p->width; x++)
        for (int c = 0; c < channels; c++)
            to[(ptrdiff_t)x * channels + c] = from[c * plane + x];
}

CLONED static void interleaved_row(const void *job, int y) {
    const Planes *p = job;
    if (p->channels == 3)
        interleave(p, y, 3);
    else
        interleave(p, y, p->channels);
}

EXPORTED void alanet_innermost(const Planes *p) {
    team_rows(p->threads, 0, p->height, (long)p->height * p->width, interleaved_row, p);
}

/* As the class _Gated in alanet_core/native/plain.py. */
typedef struct {
    int height, width, channels;
    int count;
    int threads;
    const float *const *features; /* [height, width, channels] each */
    const float *const *gates;    /* [channels] each */
    float *sum;
} Gated;

/* Products are rounded before they are added up, one frame after the other, as PyTorch does. */
CLONED static void gated_row(const void *job, int y) {
    const Gated *g = job;
    for (int x = 0; x < g->width; x++) {
        ptrdiff_t at = ((ptrdiff_t)y * g->width + x) * g->channels;
        for (int c = 0; c < g->channels; c++)
            g->sum[at + c] = g->features[0][at + c] * g->gates[0][c];
        for (int k = 1; k < g->count; k++)
            for (int c = 0; c < g->channels; c++)
                g->sum[at + c] += g->features[k][at + c] * g->gates[k][c];
    }
}

EXPORTED void alanet_gated(const Gated *g) {
    team_rows(g->threads, 0, g->height, (long)g->height * g->width * g->channels, gated_row, g);
}

/* As the class _Gates in alanet_core/native/plain.py: features of one frame -> its gates (F of eq. 3 and 4). */
typedef struct {
    int height, width, channels;
    int count, squeezed;
    float rows, columns; /* of the true picture, in cells: one that lies half in the padding counts by half */
    const float *features;                     /* [height, width, channels] */
    const float *squeeze, *squeeze_bias;       /* [count, squeezed, channels], [count, squeezed] */
    const float *excite, *excite_bias;         /* [count, channels, squeezed], [count, channels] */
    double *pooled;                            /* [channels] */
    float *hidden;                             /* [squeezed] */
    float *gates;                              /* [count, channels] */
} Gates;

CLONED static void pool(const Gates *g) {
    double all = 0;
    memset(g->pooled, 0, (size_t)g->channels * sizeof *g->pooled);
    for (int y = 0; y < g->height; y++)
        for (int x = 0; x < g->width; x++) {
            float weight = between(g->rows - (float)y, 0, 1) * between(g->columns - (float)x, 0, 1);
            const float *from = g->features + ((ptrdiff_t)y * g->width + x) * g->channels;
            for (int c = 0; c < g->channels; c++)
                g->pooled[c] += (double)(weight * from[c]);
            all += (double)weight;
        }
    for (int c = 0; c < g->channels; c++)
        g->pooled[c] /= all;
}

EXPORTED void alanet_gates(const Gates *g) {
    pool(g);
    for (int i = 0; i < g->count; i++) {
        for (int r = 0; r < g->squeezed; r++) {
            ptrdiff_t at = (ptrdiff_t)i * g->squeezed + r;
            double sum = 0;
            for (int c = 0; c < g->channels; c++)
                sum += g->pooled[c] * (double)g->squeeze[at * g->channels + c];
            float hidden = (float)sum + g->squeeze_bias[at];
            g->hidden[r] = hidden > 0 ? hidden : 0;
        }
        for (int c = 0; c < g->channels; c++) {
            ptrdiff_t at = (ptrdiff_t)i * g->channels + c;
            float sum = g->excite_bias[at];
            for (int r = 0; r < g->squeezed; r++)
                sum += g->hidden[r] * g->excite[at * g->squeezed + r];
            g->gates[at] = sigmoid(sum);
        }
    }
}
