/* Convolutions of float32 features whose channels lie innermost: 3 x 3 as Winograd has them, 1 x 1 as matrix products.
 *
 * A square of 4 x 4 results needs 36 products a pair of channels in place of 144 (Lavin and Gray, 2015: F(4 x 4, 3 x 3)):
 * what lies under it and around, 6 x 6, is turned into values of polynomials, these are multiplied with those of the
 * weights, and the results turned back. With the places 0, +-sqrt(1/2), +-sqrt(2) and infinity that rounds twice as
 * much as sums do that are written out; with 0, +-1, +-2, as the authors have them, four times.
 *
 * Each result is a sum in one order, wherever its square is made: threads and strips change no bit. */
#include <stddef.h>
#include <string.h>

#include "targets.h"
#include "team.h"

/* Half of all time is spent in products that are added up: here they may be rounded once with their sum. */
#if defined(__clang__)
#pragma STDC FP_CONTRACT ON
#else
#pragma GCC optimize("fp-contract=fast")
#endif

enum {
    LANES = 8,
    ROWS = 6,  /* of a product that are made at a time, of two vectors each: 12 sums, for 16 registers */
    SIDE = 6,  /* of what a square is made from */
    STEP = 4,  /* from one square to the next */
    PLACES = SIDE * SIDE,
    GAP = 16,  /* numbers between the places' matrices, lest all of them lie in the same lines of the cache */
    MOST_CHANNELS = 512,
};

typedef float Eight __attribute__((vector_size(32)));
typedef float Loose __attribute__((vector_size(32), aligned(4), may_alias)); /* anywhere in memory */
typedef int Choice __attribute__((vector_size(32)));

/* As the class _Convolution in alanet_core/native/conv.py. */
typedef struct {
    int height, width;
    int inputs, outputs;
    int kernel;  /* 3 or 1 */
    int squares; /* at a time: for 3 */
    int threads;
    float slope;          /* of what is below 0; 1 for none */
    const float *x;       /* [height, width, inputs] */
    const float *weights; /* [places or 1, blocks of 16 outputs, inputs, 16], the last block 8 wide where that will do */
    const float *bias;    /* [outputs], and zeros up to whole blocks */
    float *made;          /* [height, width, outputs] */
    float *scratch;       /* [threads, .., places, squares * channels + GAP], of inputs and of outputs: for 3 */
} Convolution;

/* LeakyReLU. */
INLINED void activate(Eight *x, float slope) {
    Choice positive = *x > 0;
    *x = (Eight)(((Choice)*x & positive) | ((Choice)(slope * *x) & ~positive));
}

/* rows x (8 * wide) sums: row r of `a` begins at a + r * line, b is [depth, 8 * wide]. */
INLINED void sums(int rows, int wide, const float *a, ptrdiff_t line, const float *b, int depth, Eight (*sum)[2]) {
    for (int k = 0; k < depth; k++, b += LANES * wide) {
        Eight left = *(const Loose *)b, right = *(const Loose *)(b + LANES * (wide - 1));
#pragma GCC unroll 6
        for (int r = 0; r < rows; r++) {
            float each = a[r * line + k];
            sum[r][0] += each * left;
            if (wide > 1)
                sum[r][1] += each * right;
        }
    }
}

/* What becomes of a product: to[r * stride + 0 ... count - 1]. bias: NULL for a bare one. */
typedef struct {
    float *to;
    ptrdiff_t stride;
    int count;
    const float *bias;
    float slope;
} Target;

INLINED void multiplied(int rows, int wide, const float *a, ptrdiff_t line, const float *b, int depth, const Target *t) {
    Eight sum[ROWS][2] = {{{0}}};
    sums(rows, wide, a, line, b, depth, sum);
#pragma GCC unroll 6
    for (int r = 0; r < rows; r++) {
        float *to = t->to + r * t->stride;
#pragma GCC unroll 2
        for (int v = 0; v < wide; v++) {
            Eight each = sum[r][v];
            if (t->bias) {
                each += *(const Loose *)(t->bias + LANES * v);
                activate(&each, t->slope);
            }
            if (t->count >= LANES * (v + 1))
                *(Loose *)(to + LANES * v) = each;
            else
                memcpy(to + LANES * v, &each, (size_t)(t->count - LANES * v) * sizeof *to);
        }
    }
}

/* [rows, depth] x [depth, 8 * wide], whatever the number of rows. */
INLINED void product(int rows, int wide, const float *a, ptrdiff_t line, const float *b, int depth, Target t) {
    int r = 0;
    for (; r + ROWS <= rows; r += ROWS, t.to += ROWS * t.stride)
        multiplied(ROWS, wide, a + r * line, line, b, depth, &t);
    for (; r + 2 <= rows; r += 2, t.to += 2 * t.stride)
        multiplied(2, wide, a + r * line, line, b, depth, &t);
    if (r < rows)
        multiplied(1, wide, a + r * line, line, b, depth, &t);
}

/* All outputs of some rows; weights as Convolution has them, for one place. */
INLINED void products(const Convolution *c, int rows, const float *a, ptrdiff_t line, const float *weights, Target t) {
    for (int first = 0; first < c->outputs; first += 2 * LANES) {
        int left = c->outputs - first;
        t.count = left;
        if (left > LANES)
            product(rows, 2, a, line, weights, c->inputs, t);
        else
            product(rows, 1, a, line, weights, c->inputs, t);
        weights += 2 * LANES * c->inputs;
        t.to += 2 * LANES;
        t.bias = t.bias ? t.bias + 2 * LANES : NULL;
    }
}

/* --- 1 x 1 --- */

enum { PIXELS = 48 }; /* a piece of work: what is read of them stays in the nearest cache for all blocks of outputs */

CLONED static void multiply_piece(const Convolution *c, long piece) {
    long first = piece * PIXELS, left = (long)c->height * c->width - first;
    Target t = {c->made + first * c->outputs, c->outputs, 0, c->bias, c->slope};
    products(c, (int)(left < PIXELS ? left : PIXELS), c->x + first * c->inputs, c->inputs, c->weights, t);
}

/* --- 3 x 3 --- */

#define ROOT_HALF 0.70710678f
#define ROOT_TWO 1.41421356f

/* Six in a line -> the values of their polynomial. */
INLINED void to_places(const Eight *d, int step, Eight *v, int to) {
    Eight even_two = d[4 * step] - 2 * d[2 * step], odd_two = d[3 * step] - 2 * d[step];
    Eight even_half = d[4 * step] - 0.5f * d[2 * step], odd_half = d[3 * step] - 0.5f * d[step];
    v[0] = d[0] + (d[4 * step] - 2.5f * d[2 * step]);
    v[to] = even_two + ROOT_HALF * odd_two;
    v[2 * to] = even_two - ROOT_HALF * odd_two;
    v[3 * to] = even_half + ROOT_TWO * odd_half;
    v[4 * to] = even_half - ROOT_TWO * odd_half;
    v[5 * to] = d[step] + (d[5 * step] - 2.5f * d[3 * step]);
}

/* Back: the values of a polynomial -> four results in a line. */
INLINED void from_places(const Eight *m, int step, Eight *y, int to) {
    Eight sum_half = m[step] + m[2 * step], gap_half = m[step] - m[2 * step];
    Eight sum_two = m[3 * step] + m[4 * step], gap_two = m[3 * step] - m[4 * step];
    y[0] = m[0] + (sum_half + sum_two);
    y[to] = ROOT_HALF * gap_half + ROOT_TWO * gap_two;
    y[2 * to] = 0.5f * sum_half + 2 * sum_two;
    y[3 * to] = (0.5f * ROOT_HALF) * gap_half + (2 * ROOT_TWO) * gap_two + m[5 * step];
}

/* Square number `n` of the picture -> row `n - first` of the 36 matrices. Beyond the edge are zeros. */
INLINED void taken_apart(const Convolution *c, const float *const *from, float *v, ptrdiff_t matrix) {
    for (int k = 0; k < c->inputs; k += LANES) {
        int at = k + LANES <= c->inputs ? k : c->inputs - LANES; /* the last may be made twice */
        Eight d[PLACES], t[PLACES], line[SIDE];
#pragma GCC unroll 6
        for (int x = 0; x < SIDE; x++) {
#pragma GCC unroll 6
            for (int y = 0; y < SIDE; y++)
                line[y] = *(const Loose *)(from[SIDE * y + x] + at);
            to_places(line, 1, t + x, SIDE);
        }
#pragma GCC unroll 6
        for (int y = 0; y < SIDE; y++)
            to_places(t + SIDE * y, 1, d + SIDE * y, 1);
#pragma GCC unroll 36
        for (int i = 0; i < PLACES; i++)
            *(Loose *)(v + i * matrix + at) = d[i];
    }
}

INLINED void put_together(const Convolution *c, const float *m, ptrdiff_t matrix, int top, int left) {
    int rows = c->height - top < STEP ? c->height - top : STEP, columns = c->width - left < STEP ? c->width - left : STEP;
    for (int k = 0; k < c->outputs; k += LANES) {
        int at = k + LANES <= c->outputs ? k : c->outputs - LANES;
        Eight t[STEP * SIDE], y[STEP * STEP], line[SIDE], bias = *(const Loose *)(c->bias + at);
#pragma GCC unroll 6
        for (int x = 0; x < SIDE; x++) {
#pragma GCC unroll 6
            for (int i = 0; i < SIDE; i++)
                line[i] = *(const Loose *)(m + (SIDE * i + x) * matrix + at);
            from_places(line, 1, t + x, SIDE);
        }
#pragma GCC unroll 4
        for (int i = 0; i < STEP; i++)
            from_places(t + SIDE * i, 1, y + STEP * i, 1);
        float *to = c->made + ((ptrdiff_t)top * c->width + left) * c->outputs + at;
        for (int i = 0; i < rows; i++)
            for (int j = 0; j < columns; j++) {
                Eight each = y[STEP * i + j] + bias;
                activate(&each, c->slope);
                *(Loose *)(to + ((ptrdiff_t)i * c->width + j) * c->outputs) = each;
            }
    }
}

static const float nothing[MOST_CHANNELS];

/* Some squares, one after the other row by row. */
CLONED static void convolve_piece(const Convolution *c, long piece, float *scratch) {
    int across = (c->width + STEP - 1) / STEP, down = (c->height + STEP - 1) / STEP;
    long first = piece * c->squares, end = first + c->squares, all = (long)across * down;
    int count = (int)((end < all ? end : all) - first);
    ptrdiff_t of_inputs = (ptrdiff_t)c->squares * c->inputs + GAP, of_outputs = (ptrdiff_t)c->squares * c->outputs + GAP;
    float *v = scratch, *m = scratch + PLACES * of_inputs;
    for (int i = 0; i < count; i++) {
        int top = (int)((first + i) / across) * STEP - 1, left = (int)((first + i) % across) * STEP - 1;
        const float *from[PLACES];
        for (int y = 0; y < SIDE; y++)
            for (int x = 0; x < SIDE; x++) {
                int row = top + y, column = left + x;
                int inside = row >= 0 && row < c->height && column >= 0 && column < c->width;
                from[SIDE * y + x] = inside ? c->x + ((ptrdiff_t)row * c->width + column) * c->inputs : nothing;
            }
        taken_apart(c, from, v + (ptrdiff_t)i * c->inputs, of_inputs);
    }
    ptrdiff_t weights = (ptrdiff_t)c->inputs * ((c->outputs + LANES - 1) / LANES * LANES);
    for (int i = 0; i < PLACES; i++) {
        Target t = {m + i * of_outputs, c->outputs, 0, NULL, 1};
        products(c, count, v + i * of_inputs, c->inputs, c->weights + i * weights, t);
    }
    for (int i = 0; i < count; i++)
        put_together(c, m + (ptrdiff_t)i * c->outputs, of_outputs, (int)((first + i) / across) * STEP,
                     (int)((first + i) % across) * STEP);
}

static void work(Team *team, int member, void *job) {
    const Convolution *c = job;
    long across = (c->width + STEP - 1) / STEP, down = (c->height + STEP - 1) / STEP, begin, end;
    long pieces = c->kernel == 3 ? (across * down + c->squares - 1) / c->squares
                                 : ((long)c->height * c->width + PIXELS - 1) / PIXELS;
    ptrdiff_t scratch = PLACES * ((ptrdiff_t)c->squares * (c->inputs + c->outputs) + 2 * GAP);
    team_share(team, member, pieces, &begin, &end);
    for (long i = begin; i < end; i++)
        if (c->kernel == 3)
            convolve_piece(c, i, c->scratch + member * scratch);
        else
            multiply_piece(c, i);
}

/* Whether this processor adds products in vectors of eight: without, oneDNN does better. */
EXPORTED int alanet_convolves(void) {
#if defined(__FMA__) || defined(__aarch64__)
    return 1;
#elif defined(ALANET_CLONES)
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
#else
    return 0;
#endif
}

EXPORTED void alanet_convolve(Convolution *c) { team_run(c->threads, work, c); }
