/* Convolutions of float32 features whose channels lie innermost: 3 x 3 as Winograd has them, 1 x 1 as matrix products.
 *
 * A square of 4 x 4 results needs 36 products a pair of channels, not 144 (Lavin and Gray, 2015: F(4 x 4, 3 x 3)):
 * what lies under it and around, 6 x 6, is turned into values of polynomials, these are multiplied with those of the
 * weights, and the results turned back. With the places 0, +-sqrt(1/2), +-sqrt(2) and infinity that rounds twice as
 * much as sums do that are written out; with 0, +-1, +-2, as the authors have them, four times.
 *
 * Each result is a sum in one order, wherever its square is made: threads and strips change no bit. */
#include <stddef.h>
#include <string.h>

#include "conv.h"
#include "targets.h"
#include "team.h"
#include "vectors.h"

/* Half of all time is spent in products that are added up: here they may be rounded once with their sum. */
#if defined(__clang__)
#pragma STDC FP_CONTRACT ON
#else
#pragma GCC optimize("fp-contract=fast")
#endif

enum {
    LANES = 8,
    SUMS = 12, /* of a product that are made at a time, for 16 registers: rows of one vector or, half as many, of two */
    SIDE = 6,  /* of what a square is made from */
    STEP = SQUARE, /* from one square to the next */
    NEAR = 24, /* squares at a time: their values and the weights stay in the second cache */
    PLACES = SIDE * SIDE,
    GAP = 16,  /* numbers between the places' matrices, lest all of them lie in the same lines of the cache */
    MOST_CHANNELS = 512,
};

/* As the class _Convolution in alanet_core/native/conv.py. */
typedef struct {
    int height, width;
    int threads, layers;
    const Layer *layer;
    const float *x; /* [height, width, inputs] */
    float *made[2]; /* [height, width, outputs]: of the last layer and all second ones before it; of the others */
    float *scratch; /* [threads, layer_scratch], of the layer that wants most */
    long share;     /* numbers of that for one thread */
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
#pragma GCC unroll 12
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

/* The first numbers of a vector. */
INLINED void put(float *to, const Eight *x, int count) {
    if (count >= LANES)
        *(Loose *)to = *x;
    else if (count == LANES / 2)
        memcpy(to, x, LANES / 2 * sizeof *to); /* a constant: no call */
    else
        memcpy(to, x, (size_t)count * sizeof *to);
}

INLINED void multiplied(int rows, int wide, const float *a, ptrdiff_t line, const float *b, int depth, const Target *t) {
    Eight sum[SUMS][2] = {{{0}}};
    sums(rows, wide, a, line, b, depth, sum);
#pragma GCC unroll 12
    for (int r = 0; r < rows; r++) {
        float *to = t->to + r * t->stride;
#pragma GCC unroll 2
        for (int v = 0; v < wide; v++) {
            Eight each = sum[r][v];
            if (t->bias) {
                each += *(const Loose *)(t->bias + LANES * v);
                if (t->slope != 1)
                    activate(&each, t->slope);
            }
            put(to + LANES * v, &each, t->count - LANES * v);
        }
    }
}

/* [rows, depth] x [depth, 8 * wide], whatever the number of rows. */
INLINED void product(int rows, int wide, const float *a, ptrdiff_t line, const float *b, int depth, Target t) {
    int r = 0, step = SUMS / wide;
    for (; r + step <= rows; r += step, t.to += step * t.stride)
        multiplied(step, wide, a + r * line, line, b, depth, &t);
    for (; r + 2 <= rows; r += 2, t.to += 2 * t.stride)
        multiplied(2, wide, a + r * line, line, b, depth, &t);
    if (r < rows)
        multiplied(1, wide, a + r * line, line, b, depth, &t);
}

/* All outputs of some rows; weights as Layer has them, for one place. */
INLINED void products(const Layer *l, int rows, const float *a, const float *weights, Target t) {
    for (int first = 0; first < l->outputs; first += 2 * LANES) {
        t.count = l->outputs - first;
        if (t.count > LANES)
            product(rows, 2, a, l->inputs, weights, l->inputs, t);
        else
            product(rows, 1, a, l->inputs, weights, l->inputs, t);
        weights += 2 * LANES * l->inputs;
        t.to += 2 * LANES;
        t.bias = t.bias ? t.bias + 2 * LANES : NULL;
    }
}

/* --- 1 x 1 --- */

enum { PIXELS = 48 }; /* at a time: what is read of them stays in the nearest cache for all blocks of outputs */

CLONED static void multiply(const Layer *l, long count, const float *x, float *made) {
    for (long first = 0; first < count; first += PIXELS) {
        Target t = {made + first * l->outputs, l->outputs, 0, l->bias, l->slope};
        products(l, (int)(count - first < PIXELS ? count - first : PIXELS), x + first * l->inputs, l->weights, t);
    }
}

/* --- 3 x 3 --- */

#define ROOT_HALF 0.70710678f
#define ROOT_TWO 1.41421356f

/* Six in a line -> the values of their polynomial. */
INLINED void to_places(const Eight *d, Eight *v) {
    Eight even_two = d[4] - 2 * d[2], odd_two = d[3] - 2 * d[1];
    Eight even_half = d[4] - 0.5f * d[2], odd_half = d[3] - 0.5f * d[1];
    v[0] = d[0] + (d[4] - 2.5f * d[2]);
    v[1] = even_two + ROOT_HALF * odd_two;
    v[2] = even_two - ROOT_HALF * odd_two;
    v[3] = even_half + ROOT_TWO * odd_half;
    v[4] = even_half - ROOT_TWO * odd_half;
    v[5] = d[1] + (d[5] - 2.5f * d[3]);
}

/* Back: the values of a polynomial -> four results in a line. */
INLINED void from_places(const Eight *m, Eight *y) {
    Eight sum_half = m[1] + m[2], gap_half = m[1] - m[2];
    Eight sum_two = m[3] + m[4], gap_two = m[3] - m[4];
    y[0] = m[0] + (sum_half + sum_two);
    y[1] = ROOT_HALF * gap_half + ROOT_TWO * gap_two;
    y[2] = 0.5f * sum_half + 2 * sum_two;
    y[3] = (0.5f * ROOT_HALF) * gap_half + (2 * ROOT_TWO) * gap_two + m[5];
}

/* Squares in a row of squares: their number and where they begin. */
typedef struct {
    int width, rows;            /* of the picture; that are made */
    const float *const *from;   /* SIDE rows, NULL beyond the edge */
    float *const *made;         /* STEP rows */
} Line;

static const float nothing[SIDE * MOST_CHANNELS];

/* Eight channels of what a square is made from, beginning at `at` from its second column -> those of its row of the 36
 * matrices. The outer loops stay loops: written out, the addresses alone would fill all registers many times. */
INLINED void take_eight(const float *const *from, ptrdiff_t at, int step, int first, int last, float *v, ptrdiff_t matrix) {
    Eight columns[SIDE][SIDE];
    if (first > 0 || last < SIDE - 1)
        memset(columns, 0, sizeof columns);
#pragma GCC unroll 1
    for (int x = first; x <= last; x++) {
        Eight line[SIDE];
#pragma GCC unroll 6
        for (int y = 0; y < SIDE; y++)
            line[y] = *(const Loose *)(from[y] + at + (ptrdiff_t)(x - 1) * step);
        to_places(line, columns[x]);
    }
#pragma GCC unroll 1
    for (int y = 0; y < SIDE; y++, v += SIDE * matrix) {
        Eight line[SIDE], values[SIDE];
#pragma GCC unroll 6
        for (int x = 0; x < SIDE; x++)
            line[x] = columns[x][y];
        to_places(line, values);
#pragma GCC unroll 6
        for (int x = 0; x < SIDE; x++)
            *(Loose *)(v + x * matrix) = values[x];
    }
}

/* What the square at `column` is made from -> its row of the 36 matrices. */
INLINED void take_square(const Layer *l, const Line *line, int column, float *v, ptrdiff_t matrix) {
    const float *from[SIDE];
    int first = column == 0, last = line->width - column < SIDE - 1 ? line->width - column : SIDE - 1;
    for (int y = 0; y < SIDE; y++)
        from[y] = line->from[y] ? line->from[y] + (ptrdiff_t)column * l->inputs : nothing + l->inputs;
    for (int k = 0; k < l->inputs; k += LANES) {
        int at = k + LANES <= l->inputs ? k : l->inputs - LANES; /* the last may be made twice */
        take_eight(from, at, l->inputs, first, last, v + at, matrix);
    }
}

/* The inverse, for so many rows and columns of a square; to: where its rows go. */
INLINED void put_together(const Layer *l, const float *m, ptrdiff_t matrix, int rows, int columns, float *const *to) {
    for (int k = 0; k < l->outputs; k += LANES) {
        int at = k + LANES <= l->outputs ? k : l->outputs - LANES;
        Eight lines[SIDE][STEP], line[SIDE], bias = *(const Loose *)(l->bias + at);
#pragma GCC unroll 6
        for (int x = 0; x < SIDE; x++) {
#pragma GCC unroll 6
            for (int y = 0; y < SIDE; y++)
                line[y] = *(const Loose *)(m + (SIDE * y + x) * matrix + at);
            from_places(line, lines[x]);
        }
#pragma GCC unroll 4
        for (int y = 0; y < STEP; y++) {
            Eight made[STEP];
#pragma GCC unroll 6
            for (int x = 0; x < SIDE; x++)
                line[x] = lines[x][y];
            from_places(line, made);
            if (y >= rows)
                continue;
#pragma GCC unroll 4
            for (int x = 0; x < STEP; x++) {
                made[x] += bias;
                activate(&made[x], l->slope);
                if (x < columns)
                    *(Loose *)(to[y] + x * l->outputs + at) = made[x];
            }
        }
    }
}

INLINED void put_square(const Layer *l, const Line *line, int column, const float *m, ptrdiff_t matrix) {
    float *to[STEP];
    for (int y = 0; y < STEP; y++)
        to[y] = y < line->rows ? line->made[y] + (ptrdiff_t)column * l->outputs : NULL;
    put_together(l, m, matrix, line->rows, line->width - column, to);
}

static ptrdiff_t matrix_of(int channels) { return (ptrdiff_t)NEAR * channels + GAP; }

/* Squares first ... first + count - 1 of all that the lines have; across: of each. */
CLONED static void convolve(const Layer *l, const Line *lines, int across, long first, int count, float *scratch) {
    ptrdiff_t of_inputs = matrix_of(l->inputs), of_outputs = matrix_of(l->outputs);
    ptrdiff_t weights = (ptrdiff_t)l->inputs * ((l->outputs + LANES - 1) / LANES * LANES);
    float *v = scratch, *m = scratch + PLACES * of_inputs;
    for (int i = 0; i < count; i++)
        take_square(l, &lines[(first + i) / across], (int)((first + i) % across) * STEP, v + (ptrdiff_t)i * l->inputs,
                    of_inputs);
    for (int i = 0; i < PLACES; i++) {
        Target t = {m + i * of_outputs, l->outputs, 0, NULL, 1};
        products(l, count, v + i * of_inputs, l->weights + i * weights, t);
    }
    for (int i = 0; i < count; i++)
        put_square(l, &lines[(first + i) / across], (int)((first + i) % across) * STEP,
                   m + (ptrdiff_t)i * l->outputs, of_outputs);
}

/* --- What is called. --- */

ptrdiff_t layer_scratch(const Layer *l) {
    return l->kernel == 3 ? PLACES * (matrix_of(l->inputs) + matrix_of(l->outputs)) : 0;
}

void layer_rows(const Layer *l, int width, int count, const float *const *from, float *const *made, float *scratch) {
    if (l->kernel == 1) {
        for (int y = 0; y < count; y++)
            multiply(l, width, from[y], made[y]);
        return;
    }
    Line line = {width, count, from, made};
    int across = (width + STEP - 1) / STEP;
    for (int first = 0; first < across; first += NEAR)
        convolve(l, &line, across, first, across - first < NEAR ? across - first : NEAR, scratch);
}

enum { MOST_LINES = NEAR + 1 }; /* that some squares in a row may lie in */

/* A picture, and what is made of it. */
typedef struct {
    int height, width;
    const float *x;
    float *made;
} Task;

/* Squares one after the other, row by row: a small picture has few in a row. */
static void convolve_piece(const Layer *l, const Task *t, long first, int count, float *scratch) {
    const float *from[MOST_LINES][SIDE];
    float *made[MOST_LINES][STEP];
    Line lines[MOST_LINES];
    int across = (t->width + STEP - 1) / STEP;
    long begin = first / across;
    for (long i = begin; i <= (first + count - 1) / across; i++) {
        int top = (int)i * STEP, rows = t->height - top < STEP ? t->height - top : STEP;
        for (int y = 0; y < SIDE; y++) {
            int row = top + y - 1;
            from[i - begin][y] = row >= 0 && row < t->height ? t->x + (ptrdiff_t)row * t->width * l->inputs : NULL;
        }
        for (int y = 0; y < rows; y++)
            made[i - begin][y] = t->made + (ptrdiff_t)(top + y) * t->width * l->outputs;
        lines[i - begin] = (Line){t->width, rows, from[i - begin], made[i - begin]};
    }
    convolve(l, lines, across, first - begin * across, count, scratch);
}

void layer_share(Team *team, int member, const Layer *l, int height, int width, const float *x, float *made,
                 float *scratch) {
    Task task = {height, width, x, made};
    int step = l->kernel == 3 ? NEAR : PIXELS;
    long across = (width + STEP - 1) / STEP, down = (height + STEP - 1) / STEP, begin, end;
    long all = l->kernel == 3 ? across * down : (long)height * width;
    while (team_take(team, member, (all + step - 1) / step, &begin, &end)) {
        end = end * step < all ? end * step : all;
        begin *= step;
        if (l->kernel == 1)
            multiply(l, end - begin, x + begin * l->inputs, made + begin * l->outputs);
        else
            for (long first = begin; first < end; first += NEAR)
                convolve_piece(l, &task, first, (int)(end - first < NEAR ? end - first : NEAR), scratch);
    }
}

static void work(Team *team, int member, void *job) {
    const Convolution *c = job;
    const float *x = c->x;
    for (int i = 0; i < c->layers; i++) {
        float *made = c->made[(c->layers - 1 - i) % 2];
        if (i > 0)
            team_wait(team, member);
        layer_share(team, member, &c->layer[i], c->height, c->width, x, made, c->scratch + member * c->share);
        x = made;
    }
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
