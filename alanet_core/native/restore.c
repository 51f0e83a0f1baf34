/* What the passes that undo blur do for every pixel around their convolutions: what alanet_core/model/restore.py does in
 * PyTorch. A pixel's path is followed for all times at once: loops go over times, and pixels one after the other. */
#include "conv.h"
#include "pixels.h"
#include "rows.h"
#include "team.h"

enum {
    MOST_TIMES = 16,
    KNOWN = 9, /* channels of a pixel beside those that are filtered */
};

/* As the class _Restore in alanet_core/native/restore.py. */
typedef struct {
    int height, width; /* of the picture */
    int side;          /* pixels along one side of a cell */
    int first, last;   /* rows of cells to make */
    int half;          /* features are bfloat16 */
    int places;        /* at which a pass looks */
    int open;          /* moments of the exposure */
    int middle;        /* nobody filmed the picture: what is seen is the mean of both neighbours */
    int threads;
    float pace;     /* the flow leads to 1 / pace of an interval before and after */
    float bend;     /* the most of it, pixels per interval squared */
    float scale;    /* of differences of brightness */
    float velocity; /* the scale of velocities */
    const float *times;   /* [places] */
    const float *moments; /* [open] */
    const float *flow;    /* [4, height / side, width / side] */
    const float *a, *b;   /* brightness of the neighbours */
    float *seen;          /* [height, width], the brightness that was filmed; of the middle frame it is made here */
    float *moved;         /* [2, height, width], that of the neighbours, moved into place */
    const float *light;   /* [height, width] of the picture */
    float *both;          /* [height, width, 2]: the same, and the rest */
    const float *picture; /* [height, width, 3] */
    void *inputs;         /* [last - first, width / side, cells * (filtered + KNOWN)] */
    const void *outputs;  /* [last - first, width / side, cells * (filtered + 3)] */
    const float *share;   /* [1] */
    float *restored;      /* [side * (last - first), width, 3] */
} Restore;

INLINED int filtered_of(const Restore *r) { return 2 * r->places + 2; }

/* A run of pixels: where they are at time t is x + t * vx + t * t * bx. */
typedef struct {
    float vx[RUN], vy[RUN], bx[RUN], by[RUN];
} Paths;

/* What a pass is told of their velocity, each as large as features are. */
typedef struct {
    float x[RUN], y[RUN], speed[RUN];
} Pace;

INLINED void flow_line(const Restore *r, int plane, int y, int row, int column, int first, int n, float *found) {
    int height = r->height / r->side, width = r->width / r->side;
    const float *from = r->flow + (ptrdiff_t)plane * height * width;
    if (r->side == 1)
        memcpy(found, from + (ptrdiff_t)y * width + first, (size_t)n * sizeof *found);
    else
        grown(from, height, width, y, row, column, first, n, found);
}

INLINED void flow_lines(const Restore *r, int y, int cell, int first, int n, float (*flow)[RUN]) {
    for (int plane = 0; plane < 4; plane++)
        flow_line(r, plane, y, cell / r->side, cell % r->side, first, n, flow[plane]);
}

INLINED void find_paths(const Restore *r, int y, int cell, int first, int n, Paths *p) {
    float flow[4][RUN], pace = r->pace / 2, turn = r->pace * r->pace / 2, most = r->bend;
    flow_lines(r, y, cell, first, n, flow);
    for (int i = 0; i < n; i++) {
        p->vx[i] = pace * (flow[2][i] - flow[0][i]);
        p->vy[i] = pace * (flow[3][i] - flow[1][i]);
        p->bx[i] = between(turn * (flow[2][i] + flow[0][i]), -most, most);
        p->by[i] = between(turn * (flow[3][i] + flow[1][i]), -most, most);
    }
}

/* The pixel where cell number `cell` of column x of cells begins, row y. */
INLINED ptrdiff_t pixel(const Restore *r, int y, int cell, int x) {
    return ((ptrdiff_t)r->side * y + cell / r->side) * r->width + (ptrdiff_t)r->side * x + cell % r->side;
}

/* Where one pixel of a run is at `count` times, as places among the pixels. */
INLINED void follow(const Restore *r, int y, int cell, int x, const Paths *p, int i, const float *times, int count,
                    int *at, float *right, float *below) {
    float px = (float)(r->side * x + cell % r->side), py = (float)(r->side * y + cell / r->side);
    float vx = p->vx[i], vy = p->vy[i], bx = p->bx[i], by = p->by[i];
    for (int k = 0; k < count; k++) {
        float t = times[k];
        Place there = place(px + vx * t + bx * (t * t), py + vy * t + by * (t * t), r->height, r->width);
        at[k] = there.at;
        right[k] = there.right;
        below[k] = there.below;
    }
}

/* A plane at the places of one pixel: their mean. */
INLINED float smeared(const float *plane, int height, int width, const int *at, const float *right, const float *below,
                      int count) {
    int line = to_below(height, width), next = to_right(width);
    float sum = 0;
    for (int k = 0; k < count; k++) {
        const float *upper = plane + at[k], *lower = upper + line;
        float left = upper[0] + below[k] * (lower[0] - upper[0]);
        float other = upper[next] + below[k] * (lower[next] - upper[next]);
        sum += left + right[k] * (other - left);
    }
    return sum / (float)count;
}

/* Two planes side by side at one place, the first two numbers of the four: four in a row of memory are both of them, and
 * both one pixel to the right. */
INLINED Four of_both(const Restore *r, int at, float right, float below) {
    ptrdiff_t line = 2 * (ptrdiff_t)to_below(r->height, r->width);
    const float *upper = r->both + 2 * (ptrdiff_t)at;
    Four above, under;
    if (r->width > 1) {
        memcpy(&above, upper, sizeof above);
        memcpy(&under, upper + line, sizeof under);
    } else {
        above = (Four){upper[0], upper[1], upper[0], upper[1]};
        under = (Four){upper[line], upper[line + 1], upper[line], upper[line + 1]};
    }
    above += below * (under - above);
    Four other = __builtin_shufflevector(above, above, 2, 3, 2, 3);
    return above + right * (other - above);
}

/* The neighbours, moved into place; and of the middle frame, what is seen. */
CLONED static void moved_row(const void *job, int y) {
    const Restore *r = job;
    ptrdiff_t plane = (ptrdiff_t)r->height * r->width;
    int width = r->width / r->side;
    for (int cell = 0; cell < r->side * r->side; cell++)
        for (int first = 0; first < width; first += RUN) {
            int n = width - first < RUN ? width - first : RUN;
            float flow[4][RUN], x[RUN], yy[RUN], found[2][RUN];
            flow_lines(r, y, cell, first, n, flow);
            for (int side = 0; side < 2; side++) {
                for (int i = 0; i < n; i++) {
                    x[i] = (float)(r->side * (first + i) + cell % r->side) + flow[2 * side][i];
                    yy[i] = (float)(r->side * y + cell / r->side) + flow[2 * side + 1][i];
                }
                sampled(side ? r->b : r->a, r->height, r->width, x, yy, n, found[side]);
            }
            ptrdiff_t begin = pixel(r, y, cell, first);
            for (int i = 0; i < n; i++) {
                r->moved[begin + r->side * i] = found[0][i];
                r->moved[plane + begin + r->side * i] = found[1][i];
            }
            if (r->middle)
                for (int i = 0; i < n; i++)
                    r->seen[begin + r->side * i] = (found[0][i] + found[1][i]) / 2;
        }
}

/* What is seen, less the picture smeared along its motion. */
CLONED static void rest_row(const void *job, int y) {
    const Restore *r = job;
    int width = r->width / r->side;
    for (int cell = 0; cell < r->side * r->side; cell++)
        for (int first = 0; first < width; first += RUN) {
            int n = width - first < RUN ? width - first : RUN;
            Paths paths;
            find_paths(r, y, cell, first, n, &paths);
            for (int i = 0; i < n; i++) {
                int at[MOST_TIMES];
                float right[MOST_TIMES], below[MOST_TIMES];
                follow(r, y, cell, first + i, &paths, i, r->moments, r->open, at, right, below);
                ptrdiff_t here = pixel(r, y, cell, first + i);
                r->both[2 * here] = r->light[here];
                r->both[2 * here + 1] =
                    r->seen[here] - smeared(r->light, r->height, r->width, at, right, below, r->open);
            }
        }
}

/* What a pass sees of one pixel: the picture and the rest along its path; the rest smeared, and the rest; how what was
 * filmed and the neighbours differ; the colours; the velocity and the speed. */
INLINED void see(const Restore *r, int y, int cell, int x, const Paths *p, const Pace *pace, int i, float *found) {
    int at[MOST_TIMES];
    float right[MOST_TIMES], below[MOST_TIMES];
    ptrdiff_t here = pixel(r, y, cell, x), plane = (ptrdiff_t)r->height * r->width;
    float light = r->both[2 * here], *to = found;
    follow(r, y, cell, x, p, i, r->times, r->places, at, right, below);
    Four own = {light, 0, 0, 0};
    for (int k = 0; k < r->places; k++, to += 2) {
        Four there = r->scale * (of_both(r, at[k], right[k], below[k]) - own);
        memcpy(to, &there, 2 * sizeof *to);
    }
    follow(r, y, cell, x, p, i, r->moments, r->open, at, right, below);
    Four sum = {0};
    for (int k = 0; k < r->open; k++)
        sum += of_both(r, at[k], right[k], below[k]);
    *to++ = r->scale * (sum[1] / (float)r->open);
    *to++ = r->scale * r->both[2 * here + 1];
    *to++ = r->scale * (r->seen[here] - light);
    *to++ = r->scale * (r->moved[here] - light);
    *to++ = r->scale * (r->moved[plane + here] - light);
    for (int k = 0; k < 3; k++)
        *to++ = r->picture[3 * here + k];
    *to++ = pace->x[i];
    *to++ = pace->y[i];
    *to++ = pace->speed[i];
}

INLINED void find_pace(const Restore *r, const Paths *p, int n, Pace *pace) {
    for (int i = 0; i < n; i++)
        pace->x[i] = asinh_of(p->vx[i] / r->velocity);
    for (int i = 0; i < n; i++)
        pace->y[i] = asinh_of(p->vy[i] / r->velocity);
    for (int i = 0; i < n; i++)
        pace->speed[i] = logarithm(1 + sqrtf(p->vx[i] * p->vx[i] + p->vy[i] * p->vy[i]));
}

/* What a pass sees of columns begin ... end - 1 of a row of cells -> inputs. */
INLINED void see_row(const Restore *r, int y, int begin, int end, int half, void *inputs) {
    int cells = r->side * r->side, seen = filtered_of(r) + KNOWN;
    for (int first = begin; first < end; first += RUN) {
        int n = end - first < RUN ? end - first : RUN;
        for (int cell = 0; cell < cells; cell++) {
            Paths p;
            Pace pace;
            find_paths(r, y, cell, first, n, &p);
            find_pace(r, &p, n, &pace);
            for (int i = 0; i < n; i++) {
                float found[2 * MOST_TIMES + 2 + KNOWN];
                see(r, y, cell, first + i, &p, &pace, i, found);
                ptrdiff_t to = ((ptrdiff_t)(first - begin + i) * cells + cell) * seen;
                for (int k = 0; k < seen; k++)
                    stored(inputs, to + k, found[k], half);
            }
        }
    }
}

INLINED void paths(const Restore *r, int y, int half) {
    int width = r->width / r->side, seen = r->side * r->side * (filtered_of(r) + KNOWN);
    see_row(r, y, 0, width, half, (void *)feature(r->inputs, (ptrdiff_t)(y - r->first) * width * seen, half));
}

BY_DTYPE(Restore, paths)

/* The weighted sum of what is filtered, and a correction for each colour; of columns begin ... end - 1. */
INLINED void add_to_row(const Restore *r, int y, int begin, int end, int half, const void *inputs, const void *outputs) {
    int cells = r->side * r->side, count = filtered_of(r);
    for (int x = begin; x < end; x++)
        for (int cell = 0; cell < cells; cell++) {
            ptrdiff_t one = (ptrdiff_t)(x - begin) * cells + cell, in = one * (count + KNOWN), out = one * (count + 3);
            float part[8] = {0}; /* sums of every eighth, so that they become a vector */
            int k = 0;
            for (; k + 8 <= count; k += 8)
                for (int j = 0; j < 8; j++)
                    part[j] += loaded(outputs, out + k + j, half) * loaded(inputs, in + k + j, half);
            for (int j = 0; k < count; k++, j++)
                part[j] += loaded(outputs, out + k, half) * loaded(inputs, in + k, half);
            float sum = ((part[0] + part[4]) + (part[2] + part[6])) + ((part[1] + part[5]) + (part[3] + part[7]));
            const float *own = r->picture + 3 * pixel(r, y, cell, x);
            float *to = r->restored + 3 * (pixel(r, y, cell, x) - (ptrdiff_t)r->side * r->first * r->width);
            for (int c = 0; c < 3; c++)
                to[c] = own[c] + r->share[0] * between((sum + loaded(outputs, out + count + c, half)) / r->scale, -1, 1);
        }
}

INLINED void add(const Restore *r, int y, int half) {
    int width = r->width / r->side, cells = r->side * r->side, count = filtered_of(r);
    ptrdiff_t row = (ptrdiff_t)(y - r->first) * width * cells;
    add_to_row(r, y, 0, width, half, feature(r->inputs, row * (count + KNOWN), half),
               feature(r->outputs, row * (count + 3), half));
}

BY_DTYPE(Restore, add)

static void all_rows(const Restore *r, TeamRow *row) {
    team_rows(r->threads, r->first, r->last, (long)r->side * (r->last - r->first) * r->width, row, r);
}

EXPORTED void alanet_moved(const Restore *r) { all_rows(r, moved_row); }

EXPORTED void alanet_rest(const Restore *r) { all_rows(r, rest_row); }

EXPORTED void alanet_paths(const Restore *r) { all_rows(r, paths_row); }

EXPORTED void alanet_add(const Restore *r) { all_rows(r, add_row); }

/* --- A whole pass, a few rows at a time: what it sees is still near when it is convolved and when it is added. --- */

enum {
    FIRST, /* 1 x 1 */
    SECOND,
    THIRD,
    LAST, /* 1 x 1 */
    LAYERS,
    LAG = 2, /* rows of squares that the last two layers are behind: each 3 x 3 reads a row of the squares below */
    KEPT = (LAG + 1) * SQUARE,
    AROUND = 1, /* squares of the second layer beside those of the third: of these the far neighbours change no bit */
    MARGIN = AROUND * SQUARE, /* columns beside a tile */
    TILE = 320, /* columns at a time: the rows that are kept of so many stay in the cache */
};

/* As the class _Pass in alanet_core/native/restore.py. Features are float32. */
typedef struct {
    Restore restore; /* all rows; inputs and outputs are NULL */
    const Layer *layer; /* [LAYERS] */
    float *scratch;     /* [threads, alanet_pass_scratch] */
} Pass;

/* What a thread works with, on columns begin ... end - 1 and as many of `low` ... `high` - 1 as it must see. */
typedef struct {
    Ring inputs, made[LAYERS];
    float *scratch;
    ptrdiff_t numbers; /* of all that */
    int low, begin, end, high;
} Desk;

INLINED int tiles_of(int width) { return (width + TILE - 1) / TILE; }

static Desk desk(const Pass *p, float *memory) {
    ptrdiff_t width = p->restore.width / p->restore.side, largest = 0;
    if (tiles_of((int)width) > 1)
        width = TILE + 2 * MARGIN;
    Desk d = {.numbers = 0};
    d.inputs = ring(&d.numbers, memory, KEPT, width * p->layer[FIRST].inputs);
    for (int i = 0; i < LAYERS; i++) {
        ptrdiff_t scratch = layer_scratch(&p->layer[i]);
        largest = scratch > largest ? scratch : largest;
        d.made[i] = ring(&d.numbers, memory, i < THIRD ? KEPT : SQUARE, width * p->layer[i].outputs);
    }
    d.scratch = ring(&d.numbers, memory, 1, largest).rows;
    return d;
}

static int rows_of_cells(const Pass *p) { return p->restore.height / p->restore.side; }

/* A row of squares of a 3 x 3 layer, added to what it was made of. */
static void add_squares(const Pass *p, const Desk *d, int i, int square) {
    const Ring *source = &d->made[i - 1];
    int height = rows_of_cells(p), top = SQUARE * square, count = height - top < SQUARE ? height - top : SQUARE;
    int width = d->high - d->low;
    const float *from[SQUARE + 2];
    float *made[SQUARE];
    for (int y = 0; y < SQUARE + 2; y++) {
        int row = top + y - 1;
        from[y] = row >= 0 && row < height ? row_of(source, row) : NULL;
    }
    for (int y = 0; y < count; y++)
        made[y] = row_of(&d->made[i], top + y);
    layer_rows(&p->layer[i], width, count, from, made, d->scratch);
    for (int y = 0; y < count; y++)
        for (ptrdiff_t k = 0; k < (ptrdiff_t)width * p->layer[i].outputs; k++)
            made[y][k] += from[y + 1][k];
}

static void one_row(const Pass *p, const Desk *d, int i, const float *from, float *made) {
    layer_rows(&p->layer[i], d->high - d->low, 1, &from, &made, d->scratch);
}

CLONED static void see_at(const Pass *p, const Desk *d, int y) {
    see_row(&p->restore, y, d->low, d->high, 0, row_of(&d->inputs, y));
}

CLONED static void add_at(const Pass *p, const Desk *d, int y) {
    ptrdiff_t skipped = d->begin - d->low;
    add_to_row(&p->restore, y, d->begin, d->end, 0, row_of(&d->inputs, y) + skipped * p->layer[FIRST].inputs,
               row_of(&d->made[LAST], y) + skipped * p->layer[LAST].outputs);
}

/* Rows of squares begin ... end - 1 of a tile. */
static void pass_rows(const Pass *p, const Desk *d, int begin, int end) {
    int height = rows_of_cells(p), most = (height + SQUARE - 1) / SQUARE;
    for (int step = begin > AROUND ? begin - AROUND : 0; step < end + LAG; step++) {
        for (int y = SQUARE * step; y < height && y < SQUARE * (step + 1); y++) {
            see_at(p, d, y);
            one_row(p, d, FIRST, row_of(&d->inputs, y), row_of(&d->made[FIRST], y));
        }
        int second = step - 1, third = step - LAG;
        if (second >= 0 && second >= begin - AROUND && second < end + AROUND && second < most)
            add_squares(p, d, SECOND, second);
        if (third < begin)
            continue;
        add_squares(p, d, THIRD, third);
        for (int y = SQUARE * third; y < height && y < SQUARE * (third + 1); y++) {
            one_row(p, d, LAST, row_of(&d->made[THIRD], y), row_of(&d->made[LAST], y));
            add_at(p, d, y);
        }
    }
}

static void pass_share(Team *team, int member, void *job) {
    const Pass *p = job;
    Desk d = desk(p, NULL);
    d = desk(p, p->scratch + member * d.numbers);
    int width = p->restore.width / p->restore.side, tiles = tiles_of(width), shares = team_size(team);
    int across = ((width + tiles - 1) / tiles + SQUARE - 1) / SQUARE * SQUARE;
    long piece, next, begin, end;
    while (team_take(team, member, (long)tiles * shares, &piece, &next))
        for (; piece < next; piece++) { /* whole shares: what smaller parts make twice would cost more than waiting */
            int tile = (int)(piece % tiles);
            d.begin = within(tile * across, width);
            d.end = within(d.begin + across, width);
            d.low = within(d.begin - MARGIN, width);
            d.high = within(d.end + MARGIN, width);
            team_share(team, (int)(piece / tiles), (rows_of_cells(p) + SQUARE - 1) / SQUARE, &begin, &end);
            pass_rows(p, &d, (int)begin, (int)end);
        }
}

EXPORTED long alanet_pass_scratch(const Pass *p) { return (long)desk(p, NULL).numbers; }

EXPORTED void alanet_pass(Pass *p) {
    int squares = (rows_of_cells(p) + SQUARE - 1) / SQUARE;
    team_run(p->restore.threads < squares ? p->restore.threads : squares, pass_share, p);
}
