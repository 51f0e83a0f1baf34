/* What a guided generator does for every pixel, before and after its last convolutions: what alanet_core/model/fine.py
 * does in PyTorch. A row here is a row of cells (alanet_core/model/cells.py); a run, every side-th pixel of a row. */
#include "conv.h"
#include "pixels.h"
#include "rows.h"
#include "team.h"

enum { MOST_TAPS = 16, MOST_PARTS = MOST_TAPS + 6, MOST_CELLS = 4 };

/* As the class Fine in alanet_core/native/fine.py. */
typedef struct {
    int height, width; /* of the picture */
    int side;          /* pixels along one side of a cell */
    int first, last;   /* rows of cells to make */
    int sharp;         /* else the middle frame is made */
    int half;          /* features are bfloat16 */
    int taps;
    int detail;  /* channels of it that go to each cell */
    int unfolds; /* cells along one side of a place in `folded` */
    int threads;
    float scale; /* of differences of brightness */
    const float *places; /* [taps]: the first `earlier` ones are for frame a, the others for b; of the own frame all */
    int earlier;
    const float *flow;               /* [4, height / side, width / side] */
    const float *own, *a, *b;        /* pixels, colours innermost; own is NULL for the middle frame */
    const float *light[3];           /* brightness of own, a, b */
    const void *folded;              /* [.., width / side / unfolds, unfolds * unfolds * detail], the whole picture's */
    void *inputs;                    /* [last - first, width / side, detail + side * side * seen] */
    float *parts;                    /* [last - first, runs of a row, side * side, taps + 6, RUN]: one run after the other */
    const void *outputs;             /* [last - first, width / side, side * side * made] */
    const float *gates;              /* [1] for sharp, [2] for the middle */
    float *picture;                  /* [side * (last - first), width, 3] */
} Fine;

/* A run of pixels: where the flow leads from them. */
typedef struct {
    float x[RUN], y[RUN];       /* themselves */
    float ax[RUN], ay[RUN];     /* their places in a */
    float bx[RUN], by[RUN];     /* in b */
    float vx[RUN], vy[RUN];     /* the velocity that the filter's places are counted in */
} Path;

/* Pixels first ... first + n - 1 of a row of cells, from place (r, c) of each: a plane of the flow, grown by side. */
INLINED void flow_line(const Fine *f, int plane, int y, int r, int c, int first, int n, float *found) {
    int height = f->height / f->side, width = f->width / f->side;
    const float *near = f->flow + ((ptrdiff_t)plane * height + y) * width;
    if (f->side == 1) {
        memcpy(found, near + first, (size_t)n * sizeof *found);
        return;
    }
    grown(f->flow + (ptrdiff_t)plane * height * width, height, width, y, r, c, first, n, found);
}

INLINED void find_path(const Fine *f, int y, int r, int c, int first, int n, Path *p) {
    float ax[RUN], ay[RUN], bx[RUN], by[RUN];
    flow_line(f, 0, y, r, c, first, n, ax);
    flow_line(f, 1, y, r, c, first, n, ay);
    flow_line(f, 2, y, r, c, first, n, bx);
    flow_line(f, 3, y, r, c, first, n, by);
    float pace = f->sharp ? 0.5f : 1.0f;
    for (int i = 0; i < n; i++) {
        p->x[i] = (float)(f->side * (first + i) + c);
        p->y[i] = (float)(f->side * y + r);
        p->ax[i] = p->x[i] + ax[i];
        p->ay[i] = p->y[i] + ay[i];
        p->bx[i] = p->x[i] + bx[i];
        p->by[i] = p->y[i] + by[i];
        p->vx[i] = pace * (bx[i] - ax[i]);
        p->vy[i] = pace * (by[i] - ay[i]);
    }
}

/* Four numbers each from two places, side by side. */
INLINED void fours_read(const float *first, const float *second, Eight *both) {
    Four a, b;
    memcpy(&a, first, sizeof a);
    memcpy(&b, second, sizeof b);
    *both = __builtin_shufflevector(a, b, 0, 1, 2, 3, 4, 5, 6, 7);
}

/* Colours between those that begin at two places, a share of the way down and to the right. The colours to the right are
 * read with the number before them, lest the last be read beyond the picture. */
INLINED void mixed(const float *first, const float *second, ptrdiff_t line, const Eight *right, const Eight *below,
                   Eight *made) {
    Eight left, other, under_left, under_other;
    fours_read(first, second, &left);
    fours_read(first + 2, second + 2, &other);
    fours_read(first + line, second + line, &under_left);
    fours_read(first + line + 2, second + line + 2, &under_other);
    left += *below * (under_left - left);
    other += *below * (under_other - other);
    other = __builtin_shufflevector(other, other, 1, 2, 3, 3, 5, 6, 7, 7);
    *made = left + *right * (other - left);
}

/* Pixels K and K + 4 of eight. */
#define MIXED(K)                                                                                                       \
    do {                                                                                                               \
        Eight to_right = __builtin_shufflevector(right, right, K, K, K, K, K + 4, K + 4, K + 4, K + 4);                \
        Eight down = __builtin_shufflevector(below, below, K, K, K, K, K + 4, K + 4, K + 4, K + 4);                    \
        mixed(pixels + 3 * (ptrdiff_t)at[K], pixels + 3 * (ptrdiff_t)at[K + 4], line, &to_right, &down, &c[K]);        \
    } while (0)

/* The colours at places of a run, eight at a time: each of four with the fourth after it, then turned into planes. */
INLINED void warped(const Fine *f, const float *pixels, const float *x, const float *y, int n, float (*found)[RUN]) {
    Places p;
    ptrdiff_t line = 3 * (ptrdiff_t)f->width;
    places_of(x, y, f->height, f->width, n, &p);
    for (int i = 0; i < n; i += 8) {
        Eight right, below, c[4];
        const int *at = p.at + i;
        memcpy(&right, p.right + i, sizeof right);
        memcpy(&below, p.below + i, sizeof below);
        MIXED(0);
        MIXED(1);
        MIXED(2);
        MIXED(3);
        Eight pairs = __builtin_shufflevector(c[0], c[1], 0, 8, 1, 9, 4, 12, 5, 13); /* of red, of green */
        Eight others = __builtin_shufflevector(c[2], c[3], 0, 8, 1, 9, 4, 12, 5, 13);
        Eight blue = __builtin_shufflevector(c[0], c[1], 2, 10, 3, 11, 6, 14, 7, 15);
        Eight blues = __builtin_shufflevector(c[2], c[3], 2, 10, 3, 11, 6, 14, 7, 15);
        Eight planes[3] = {__builtin_shufflevector(pairs, others, 0, 1, 8, 9, 4, 5, 12, 13),
                           __builtin_shufflevector(pairs, others, 2, 3, 10, 11, 6, 7, 14, 15),
                           __builtin_shufflevector(blue, blues, 0, 1, 8, 9, 4, 5, 12, 13)};
#pragma GCC unroll 3
        for (int k = 0; k < 3; k++)
            memcpy(found[k] + i, &planes[k], sizeof *planes);
    }
}

INLINED float mean_of(const float (*colours)[RUN], int i) { return (colours[0][i] + colours[1][i] + colours[2][i]) / 3; }

/* Along the path: how brightness differs from that at its begin, for taps from ... to - 1. */
INLINED void along(const Fine *f, const float *light, const Path *p, const float *x, const float *y, const float *begin,
                   int from, int to, int n, float (*found)[RUN]) {
    for (int k = from; k < to; k++) {
        float part = f->places[k], there[RUN], px[RUN], py[RUN];
        for (int i = 0; i < n; i++) {
            px[i] = x[i] + part * p->vx[i];
            py[i] = y[i] + part * p->vy[i];
        }
        sampled(light, f->height, f->width, px, py, n, there);
        for (int i = 0; i < n; i++)
            found[k][i] = f->scale * (there[i] - begin[i]);
    }
}

/* parts: the taps, then three colours of each neighbour; for the sharp frame, less the own ones. seen: what the last
 * convolutions are given of them. */
INLINED int look_for_sharp(const Fine *f, const Path *p, int n, float (*parts)[RUN], float (*seen)[RUN]) {
    float (*a)[RUN] = parts + f->taps, (*b)[RUN] = a + 3;
    float begin[RUN], own[3][RUN];
    ptrdiff_t at = (ptrdiff_t)p->y[0] * f->width + (ptrdiff_t)p->x[0];
    for (int i = 0; i < n; i++) {
        begin[i] = f->light[0][at + f->side * i];
        for (int k = 0; k < 3; k++)
            own[k][i] = f->own[3 * (at + f->side * i) + k];
    }
    warped(f, f->a, p->ax, p->ay, n, a);
    warped(f, f->b, p->bx, p->by, n, b);
    for (int k = 0; k < 3; k++)
        for (int i = 0; i < n; i++) {
            a[k][i] -= own[k][i];
            b[k][i] -= own[k][i];
        }
    along(f, f->light[0], p, p->x, p->y, begin, 0, f->taps, n, parts);
    memcpy(seen[0], begin, sizeof begin);
    memcpy(seen[1], parts, (size_t)f->taps * sizeof *parts);
    for (int i = 0; i < n; i++) {
        seen[1 + f->taps][i] = f->scale * mean_of((const float(*)[RUN])a, i);
        seen[2 + f->taps][i] = f->scale * mean_of((const float(*)[RUN])b, i);
    }
    return f->taps + 3;
}

INLINED int look_for_middle(const Fine *f, const Path *p, int n, float (*parts)[RUN], float (*seen)[RUN]) {
    float (*a)[RUN] = parts + f->taps, (*b)[RUN] = a + 3;
    float of_a[RUN], of_b[RUN];
    warped(f, f->a, p->ax, p->ay, n, a);
    warped(f, f->b, p->bx, p->by, n, b);
    for (int i = 0; i < n; i++) {
        of_a[i] = mean_of((const float(*)[RUN])a, i);
        of_b[i] = mean_of((const float(*)[RUN])b, i);
        seen[0][i] = of_a[i];
        seen[1][i] = f->scale * (of_b[i] - of_a[i]);
    }
    along(f, f->light[1], p, p->ax, p->ay, of_a, 0, f->earlier, n, parts);
    along(f, f->light[2], p, p->bx, p->by, of_b, f->earlier, f->taps, n, parts);
    memcpy(seen[2], parts, (size_t)f->taps * sizeof *parts);
    return f->taps + 2;
}

/* One pixel of each cell of a run. No dtype is known here: so this is compiled once for both. */
CLONED static void look_from(const Fine *f, int y, int cell, int first, int n, float (*parts)[RUN], float (*seen)[RUN]) {
    Path path;
    find_path(f, y, cell / f->side, cell % f->side, first, n, &path);
    if (f->sharp)
        look_for_sharp(f, &path, n, parts, seen);
    else
        look_for_middle(f, &path, n, parts, seen);
}

/* Where what `look` found of a run lies, for `compose`: taps + 6 planes for each cell. */
INLINED float (*parts_of_run(const Fine *f, int y, int first))[RUN] {
    ptrdiff_t runs = (f->width / f->side + RUN - 1) / RUN, run = (y - f->first) * runs + first / RUN;
    return (float(*)[RUN])f->parts + run * f->side * f->side * (f->taps + 6);
}

/* What was unfolded, for a run of cells. */
INLINED void detail(const Fine *f, int y, int first, int n, ptrdiff_t to, ptrdiff_t channels, int half) {
    int width = f->width / f->side, side = f->unfolds, places = side * side;
    ptrdiff_t line = (ptrdiff_t)(y / side) * (width / side) * places + y % side * side;
    for (int i = 0; i < n; i++, to += channels) {
        ptrdiff_t at = line + (side == 2 ? (first + i) / 2 * 4 + (first + i) % 2
                                         : (ptrdiff_t)((first + i) / side) * places + (first + i) % side);
        if (!half && f->detail == 4)
            copied(f->inputs, to, f->folded, at * 4, 4, half); /* a constant: no call */
        else
            copied(f->inputs, to, f->folded, at * f->detail, f->detail, half);
    }
}

INLINED void look(const Fine *f, int y, int half) {
    int width = f->width / f->side, cells = f->side * f->side;
    int seen_of = f->taps + (f->sharp ? 3 : 2), channels = f->detail + cells * seen_of;
    ptrdiff_t row = y - f->first;
    for (int first = 0; first < width; first += RUN) {
        int n = width - first < RUN ? width - first : RUN;
        ptrdiff_t begin = (row * width + first) * channels;
        float all[MOST_CELLS * MOST_PARTS][RUN];
        for (int cell = 0; cell < cells; cell++) {
            float (*parts)[RUN] = parts_of_run(f, y, first) + cell * (f->taps + 6);
            look_from(f, y, cell, first, n, parts, all + cell * seen_of);
        }
        interleaved(f->inputs, begin + f->detail, channels, (const float(*)[RUN])all, cells * seen_of, n, half);
        detail(f, y, first, n, begin, channels, half);
    }
}

BY_DTYPE(Fine, look)

/* The weighted sum of taps from ... to - 1. */
INLINED void filtered(const Fine *f, const float (*weights)[RUN], const float (*parts)[RUN], int from, int to, float gate,
                      int n, float *sum) {
    float total[RUN] = {0};
    for (int k = from; k < to; k++)
        for (int i = 0; i < n; i++)
            total[i] += weights[k][i] * parts[k][i];
    for (int i = 0; i < n; i++)
        sum[i] += gate * (total[i] / f->scale);
}

INLINED void compose(const Fine *f, int y, int half) {
    int width = f->width / f->side, cells = f->side * f->side;
    int made_of = f->taps + (f->sharp ? 5 : 4);
    ptrdiff_t row = y - f->first;
    for (int first = 0; first < width; first += RUN) {
        int n = width - first < RUN ? width - first : RUN;
        int channels = cells * made_of;
        float all[MOST_CELLS * MOST_PARTS][RUN];
        parted(all, f->outputs, (row * width + first) * channels, channels, channels, n, half);
        for (int cell = 0; cell < cells; cell++) {
            float (*made)[RUN] = all + cell * made_of, change[RUN] = {0};
            const float (*parts)[RUN] = (const float(*)[RUN])parts_of_run(f, y, first) + cell * (f->taps + 6);
            const float (*weights)[RUN] = (const float(*)[RUN])made;
            if (f->sharp) {
                filtered(f, weights, parts, 0, f->taps, f->gates[0], n, change);
            } else {
                filtered(f, weights, parts, 0, f->earlier, f->gates[0], n, change);
                filtered(f, weights, parts, f->earlier, f->taps, f->gates[1], n, change);
                for (int i = 0; i < n; i++)
                    made[f->taps][i] = sigmoid(made[f->taps][i]);
            }
            const float (*shares)[RUN] = weights + f->taps, (*rest)[RUN] = shares + (f->sharp ? 2 : 1);
            ptrdiff_t at = (ptrdiff_t)f->side * first + cell % f->side;
            ptrdiff_t line = (ptrdiff_t)f->side * y + cell / f->side;
            float *picture = f->picture + 3 * ((line - (ptrdiff_t)f->side * f->first) * f->width + at);
            const float *own = f->sharp ? f->own + 3 * (line * f->width + at) : NULL;
            float colours[3][RUN];
            for (int k = 0; k < 3; k++) {
                const float *a = parts[f->taps + k], *b = parts[f->taps + 3 + k];
                float *colour = colours[k];
                for (int i = 0; i < n; i++)
                    colour[i] = change[i] + bounded(rest[k][i]);
                if (f->sharp)
                    for (int i = 0; i < n; i++)
                        colour[i] += shares[0][i] * a[i] + shares[1][i] * b[i];
                else
                    for (int i = 0; i < n; i++)
                        colour[i] += b[i] + shares[0][i] * (a[i] - b[i]);
            }
            ptrdiff_t step = 3 * f->side;
            for (int i = 0; i < n; i++)
                for (int k = 0; k < 3; k++)
                    picture[step * i + k] = (f->sharp ? own[step * i + k] : 0) + colours[k][i];
        }
    }
}

BY_DTYPE(Fine, compose)

static long pixels(const Fine *f) { return (long)f->side * (f->last - f->first) * f->width; }

EXPORTED void alanet_look(const Fine *f) {
    team_rows(f->threads, f->first, f->last, pixels(f), look_row, f);
}

EXPORTED void alanet_compose(const Fine *f) {
    team_rows(f->threads, f->first, f->last, pixels(f), compose_row, f);
}

/* --- Look, convolve and compose, a few rows at a time: all that is made in between stays in the cache. --- */

enum { MOST_LAYERS = 8, LITTLE = 20 /* rows for each that is made twice */ };

/* As the class _Whole in alanet_core/native/fine.py. Features are float32. */
typedef struct {
    Fine fine;           /* all rows; what is made in between is NULL */
    int layers;
    const Layer *layer;  /* the last convolutions */
    float *scratch;      /* [threads, alanet_whole_scratch] */
} Whole;

/* What a thread works with. A square of 3 x 3 results reads a row of the squares below: each such layer but the first
 * works `lag` rows of squares behind. The last layers, of 1 x 1, are made a row at a time, just before it is composed. */
typedef struct {
    Ring inputs, parts, made[MOST_LAYERS];
    int squares; /* layers before the last ones */
    int lag[MOST_LAYERS];
    float *scratch;
    ptrdiff_t numbers; /* of all that */
} Bench;

static Bench bench(const Whole *w, float *memory) {
    const Fine *f = &w->fine;
    ptrdiff_t width = f->width / f->side, runs = (width + RUN - 1) / RUN, largest = 0;
    int around = w->layer[0].kernel / 2;
    Bench b = {.numbers = 0, .squares = w->layers};
    while (b.squares > 0 && w->layer[b.squares - 1].kernel == 1)
        b.squares--;
    for (int i = 0; i < w->layers; i++) {
        int kept = i >= b.squares ? 1 : i + 1 < w->layers && w->layer[i + 1].kernel == 3 ? 3 * SQUARE : SQUARE;
        ptrdiff_t scratch = layer_scratch(&w->layer[i]);
        largest = scratch > largest ? scratch : largest;
        b.lag[i] = i == 0 ? 0 : b.lag[i - 1] + (w->layer[i].kernel == 3);
        b.made[i] = ring(&b.numbers, memory, kept, width * w->layer[i].outputs);
    }
    b.inputs = ring(&b.numbers, memory, SQUARE + 2 * around, width * w->layer[0].inputs);
    b.parts = ring(&b.numbers, memory, (b.lag[w->layers - 1] + 1) * SQUARE + around,
                   runs * f->side * f->side * (f->taps + 6) * RUN);
    b.scratch = ring(&b.numbers, memory, 1, largest).rows;
    return b;
}

/* Rows of squares of a layer: number `square`. */
static void make_squares(const Whole *w, const Bench *b, int i, int square) {
    const Layer *l = &w->layer[i];
    const Ring *source = i == 0 ? &b->inputs : &b->made[i - 1];
    int height = w->fine.last, top = SQUARE * square, around = l->kernel / 2;
    int count = height - top < SQUARE ? height - top : SQUARE;
    const float *from[SQUARE + 2];
    float *made[SQUARE];
    for (int y = 0; y < SQUARE + 2 * around; y++) {
        int row = top + y - around;
        from[y] = row >= 0 && row < height ? row_of(source, row) : NULL;
    }
    for (int y = 0; y < count; y++)
        made[y] = row_of(&b->made[i], top + y);
    layer_rows(l, w->fine.width / w->fine.side, count, from, made, b->scratch);
}

static void look_at(const Whole *w, const Bench *b, int y) {
    Fine row = w->fine;
    row.first = y;
    row.last = y + 1;
    row.inputs = row_of(&b->inputs, y);
    row.parts = row_of(&b->parts, y);
    look_row(&row, y);
}

static void compose_at(const Whole *w, const Bench *b, int y) {
    Fine row = w->fine;
    for (int i = b->squares; i < w->layers; i++) {
        const float *from = row_of(i == 0 ? &b->inputs : &b->made[i - 1], y);
        float *made = row_of(&b->made[i], y);
        layer_rows(&w->layer[i], row.width / row.side, 1, &from, &made, b->scratch);
    }
    row.first = y;
    row.last = y + 1;
    row.parts = row_of(&b->parts, y);
    row.outputs = row_of(&b->made[w->layers - 1], y);
    row.picture += 3 * (ptrdiff_t)row.side * y * row.width;
    compose_row(&row, y);
}

static int squares_down(const Whole *w) { return (w->fine.last + SQUARE - 1) / SQUARE; }

/* Rows of squares begin ... end - 1. */
static void make_rows(const Whole *w, const Bench *b, long begin, long end) {
    int most = squares_down(w), height = w->fine.last, most_lag = b->lag[w->layers - 1], around = w->layer[0].kernel / 2;
    int first = (int)begin - most_lag, looked = SQUARE * within(first, most) - around;
    looked = looked > 0 ? looked : 0;
    for (int step = within(first, most); step < (int)end + most_lag; step++) {
        int until = SQUARE * (step + 1) + around;
        for (; looked < height && looked < until; looked++)
            look_at(w, b, looked);
        for (int i = 0; i < b->squares; i++) { /* of these rows the later layers read none beyond their own margin */
            int square = step - b->lag[i], margin = most_lag - b->lag[i];
            if (square >= begin - margin && square >= 0 && square < end + margin && square < most)
                make_squares(w, b, i, square);
        }
        int top = SQUARE * (step - most_lag);
        for (int y = top; top >= SQUARE * begin && y < height && y < top + SQUARE; y++)
            compose_at(w, b, y);
    }
}

/* As many as cost little: what lies around a piece is made twice. Who joins late can still take some. */
static long pieces_of(const Whole *w, const Bench *b, int members) {
    int twice = 2 * (w->layer[0].kernel / 2) + 2 * SQUARE * b->lag[w->layers - 1];
    long pieces = w->fine.last / (LITTLE * twice);
    return pieces > members ? pieces : members;
}

static void make_share(Team *team, int member, void *job) {
    const Whole *w = job;
    Bench b = bench(w, NULL);
    b = bench(w, w->scratch + member * b.numbers);
    int most = squares_down(w);
    long begin, end;
    if (b.lag[w->layers - 1] == 0 && w->layer[0].kernel == 1) {
        while (team_take(team, member, most, &begin, &end))
            make_rows(w, &b, begin, end);
    } else {
        long pieces = pieces_of(w, &b, team_size(team)), piece, next;
        while (team_take(team, member, pieces, &piece, &next))
            for (; piece < next; piece++)
                make_rows(w, &b, most * piece / pieces, most * (piece + 1) / pieces);
    }
}

EXPORTED long alanet_whole_scratch(const Whole *w) { return (long)bench(w, NULL).numbers; }

EXPORTED void alanet_whole(Whole *w) {
    int most = squares_down(w);
    team_run(w->fine.threads < most ? w->fine.threads : most, make_share, w);
}
