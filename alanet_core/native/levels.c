/* The coarse levels of a guided generator, between their convolutions: as GuidedLevel in alanet_core/model/guided.py. */
#include "conv.h"
#include "pixels.h"
#include "team.h"

/* As the class _Level in alanet_core/native/levels.py. */
typedef struct {
    int height, width;
    int first, last;      /* rows to make */
    int half;
    int coarse;           /* z and correction come from the level below, at half of the size */
    int inputs, channels; /* of z; of the features of each frame */
    int threads;
    float flow_scale, change_scale;
    const void *z;
    const float *correction;        /* NULL: none yet */
    const float *motion;            /* [4, height, width] */
    const void *features[3];        /* own (or NULL), a, b */
    const float *light[3];
    void *x;                        /* of these rows z, a, b, what was found, own: side by side */
    float *begin;                   /* [4, height, width]: the correction at this level */
} Level;

/* Channel k and the seven after it. */
#define EIGHT_OF(FROM, K) EIGHT((const float *)(FROM) + (K))

/* Eight channels are made at a time in float, where there are so many; the last eight may be made twice. */
INLINED int by_eights(int n, int half) { return !half && n >= 8; }

INLINED int eight_from(int next, int n) { return next + 8 <= n ? next : n - 8; }

/* The channels of a pixel as they are. */
INLINED void kept(const Level *l, ptrdiff_t to, const void *from, ptrdiff_t where, int n, int half) {
    if (!by_eights(n, half)) {
        copied(l->x, to, from, where, n, half);
        return;
    }
    for (int next = 0; next < n; next += 8) { /* no call, as for a number that is not known */
        int k = eight_from(next, n);
        *(Loose *)((float *)l->x + to + k) = EIGHT_OF((const float *)from + where, k);
    }
}

/* z on twice its grid, bilinear. */
INLINED void upsampled(const Level *l, int y, int x, ptrdiff_t to, int half) {
    int width = l->width / 2, height = l->height / 2, side = x / 2, row = y / 2;
    ptrdiff_t near = (ptrdiff_t)row * width, far = (ptrdiff_t)within(row + 2 * (y & 1) - 1, height - 1) * width;
    int other = within(side + 2 * (x & 1) - 1, width - 1), n = l->inputs;
    const void *nn = feature(l->z, (near + side) * n, half), *no = feature(l->z, (near + other) * n, half);
    const void *fn = feature(l->z, (far + side) * n, half), *fo = feature(l->z, (far + other) * n, half);
    void *restrict out = (void *)feature(l->x, to, half);
    for (int next = 0; by_eights(n, half) && next < n; next += 8) {
        int k = eight_from(next, n);
        *(Loose *)((float *)out + k) = 0.75f * (0.75f * EIGHT_OF(nn, k) + 0.25f * EIGHT_OF(no, k)) +
                                       0.25f * (0.75f * EIGHT_OF(fn, k) + 0.25f * EIGHT_OF(fo, k));
    }
    for (int k = 0; !by_eights(n, half) && k < n; k++)
        stored(out, k,
               0.75f * (0.75f * loaded(nn, k, half) + 0.25f * loaded(no, k, half)) +
                   0.25f * (0.75f * loaded(fn, k, half) + 0.25f * loaded(fo, k, half)),
               half);
}

INLINED void moved(const Level *l, const void *from, float x, float y, ptrdiff_t to, int half) {
    Place p = place(x, y, l->height, l->width);
    ptrdiff_t n = l->channels, right = to_right(l->width) * n, below = to_below(l->height, l->width) * n;
    const void *first = feature(from, p.at * n, half), *second = feature(first, right, half);
    const void *third = feature(first, below, half), *fourth = feature(second, below, half);
    void *restrict out = (void *)feature(l->x, to, half);
    float d = p.right * p.below, b = p.right - d, c = p.below - d, a = 1 - p.right - c;
    for (int next = 0; by_eights((int)n, half) && next < n; next += 8) {
        int k = eight_from(next, (int)n);
        *(Loose *)((float *)out + k) =
            a * EIGHT_OF(first, k) + b * EIGHT_OF(second, k) + c * EIGHT_OF(third, k) + d * EIGHT_OF(fourth, k);
    }
    for (int k = 0; !by_eights((int)n, half) && k < n; k++)
        stored(out, k,
               a * loaded(first, k, half) + b * loaded(second, k, half) + c * loaded(third, k, half) +
                   d * loaded(fourth, k, half),
               half);
}

INLINED void level(const Level *l, int y, int half) {
    int own = l->features[0] != NULL, found_of = own ? 6 : 5, n = l->channels, grids = l->height * l->width;
    int channels = l->inputs + (own ? 3 : 2) * n + found_of;
    for (int first = 0; first < l->width; first += RUN) {
        int count = l->width - first < RUN ? l->width - first : RUN;
        float flow[4][RUN], x[2][RUN], at_y[2][RUN], seen[2][RUN], found[6][RUN];
        ptrdiff_t at = (ptrdiff_t)y * l->width + first, made = at - (ptrdiff_t)l->first * l->width;
        for (int k = 0; k < 4; k++) {
            const float *motion = l->motion + (ptrdiff_t)k * grids + at;
            float base[RUN] = {0};
            for (int c = 0; l->correction && c < 2; c++) {
                float line[RUN];
                grown(l->correction + (ptrdiff_t)k * grids / 4, l->height / 2, l->width / 2, y / 2, y & 1, c, first / 2,
                      count / 2, line);
                for (int i = 0; i < count / 2; i++)
                    base[2 * i + c] = line[i];
            }
            memcpy(l->begin + (ptrdiff_t)k * grids + at, base, (size_t)count * sizeof *base);
            for (int i = 0; i < count; i++)
                flow[k][i] = motion[i] + base[i];
            for (int i = 0; i < count; i++)
                found[k][i] = asinh_of(flow[k][i] / l->flow_scale);
        }
        for (int k = 0; k < 2; k++) {
            for (int i = 0; i < count; i++) {
                x[k][i] = (float)(first + i) + flow[2 * k][i];
                at_y[k][i] = (float)y + flow[2 * k + 1][i];
            }
            sampled(l->light[1 + k], l->height, l->width, x[k], at_y[k], count, seen[k]);
        }
        for (int i = 0; i < count; i++) {
            found[4][i] = l->change_scale * (own ? seen[0][i] - l->light[0][at + i] : seen[1][i] - seen[0][i]);
            found[5][i] = own ? l->change_scale * (seen[1][i] - l->light[0][at + i]) : 0;
        }
        for (int i = 0; i < count; i++) {
            ptrdiff_t to = (made + i) * channels;
            if (l->coarse)
                upsampled(l, y, first + i, to, half);
            else
                kept(l, to, l->z, (at + i) * l->inputs, l->inputs, half);
            moved(l, l->features[1], x[0][i], at_y[0][i], to + l->inputs, half);
            moved(l, l->features[2], x[1][i], at_y[1][i], to + l->inputs + n, half);
            if (own)
                kept(l, to + l->inputs + 2 * n + found_of, l->features[0], (at + i) * n, n, half);
        }
        interleaved(l->x, made * channels + l->inputs + 2 * n, channels, (const float(*)[RUN])found, found_of, count, half);
    }
}

BY_DTYPE(Level, level)

EXPORTED void alanet_level(const Level *l) {
    team_rows(l->threads, l->first, l->last, 4L * (l->last - l->first) * l->width, level_row, l);
}

/* As the class _Settle: what a level has corrected, added to what it began with. */
typedef struct {
    int height, width;
    int half;
    int threads;
    const float *motion, *begin; /* [4, height, width] */
    const void *step;            /* [height, width, 4] */
    float *correction, *flow;    /* [4, height, width] */
} Settle;

CLONED static void settle_line(const Settle *s, int y, const void *step) {
    ptrdiff_t grid = (ptrdiff_t)s->height * s->width;
    for (int k = 0; k < 4; k++)
        for (int x = 0; x < s->width; x++) {
            ptrdiff_t to = k * grid + (ptrdiff_t)y * s->width + x;
            float total = s->begin[to] + loaded(step, 4 * x + k, s->half);
            s->correction[to] = total;
            s->flow[to] = s->motion[to] + total;
        }
}

static void settle_row(const void *job, int y) {
    const Settle *s = job;
    settle_line(s, y, feature(s->step, 4 * (ptrdiff_t)y * s->width, s->half));
}

EXPORTED void alanet_settle(const Settle *s) {
    team_rows(s->threads, 0, s->height, (long)s->height * s->width, settle_row, s);
}

/* As the class _Whole: a level with its convolutions, in float32. What the first one reads is never there as a whole. */
typedef struct {
    Level level;        /* all rows; x is NULL */
    Settle settle;      /* step is NULL; where the flow's convolution is none of 1 x 1, all of it */
    Layer layer[4];     /* 1 x 1 of what is read; two; that of the flow, or kernel 0 */
    float *between, *z; /* [height, width, outputs] of the first and the second; of the third */
    float *scratch;     /* [threads, share] */
    long share;         /* numbers */
} Whole;

static void make_share(Team *team, int member, void *job) {
    const Whole *w = job;
    Level row = w->level;
    float *scratch = w->scratch + member * w->share;
    float *second = w->between + (ptrdiff_t)row.height * row.width * w->layer[0].outputs;
    const float *x = row.x = scratch, *z;
    float *made;
    long begin, end;
    while (team_take(team, member, row.height, &begin, &end))
        for (row.first = (int)begin; row.first < end; row.first++) {
            made = w->between + (ptrdiff_t)row.first * row.width * w->layer[0].outputs;
            row.last = row.first + 1;
            level_row(&row, row.first);
            layer_rows(&w->layer[0], row.width, 1, &x, &made, NULL);
        }
    team_wait(team, member);
    layer_share(team, member, &w->layer[1], row.height, row.width, w->between, second, scratch);
    team_wait(team, member);
    layer_share(team, member, &w->layer[2], row.height, row.width, second, w->z, scratch);
    team_wait(team, member);
    while (w->layer[3].kernel && team_take(team, member, row.height, &begin, &end))
        for (int y = (int)begin; y < end; y++) {
            z = w->z + (ptrdiff_t)y * row.width * w->layer[2].outputs;
            made = scratch;
            layer_rows(&w->layer[3], row.width, 1, &z, &made, NULL);
            settle_line(&w->settle, y, made);
        }
}

EXPORTED void alanet_whole_level(Whole *w) { team_run(w->level.threads, make_share, w); }

/* As the class _Grow: a correction at half of the size, added to the motion. */
typedef struct {
    int height, width;
    int threads;
    const float *motion;     /* [4, height, width] */
    const float *correction; /* [4, height / 2, width / 2] */
    float *flow;             /* [4, height, width] */
} Grow;

CLONED static void grow_row(const void *job, int y) {
    const Grow *g = job;
    ptrdiff_t grid = (ptrdiff_t)g->height * g->width;
    int width = g->width / 2;
    for (int k = 0; k < 4; k++)
        for (int first = 0; first < width; first += RUN) {
            int n = width - first < RUN ? width - first : RUN;
            ptrdiff_t at = k * grid + (ptrdiff_t)y * g->width + 2 * first;
            float even[RUN], odd[RUN];
            grown(g->correction + k * grid / 4, g->height / 2, width, y / 2, y & 1, 0, first, n, even);
            grown(g->correction + k * grid / 4, g->height / 2, width, y / 2, y & 1, 1, first, n, odd);
            for (int i = 0; i < n; i++) {
                g->flow[at + 2 * i] = g->motion[at + 2 * i] + even[i];
                g->flow[at + 2 * i + 1] = g->motion[at + 2 * i + 1] + odd[i];
            }
        }
}

EXPORTED void alanet_grow(const Grow *g) {
    team_rows(g->threads, 0, g->height, (long)g->height * g->width, grow_row, g);
}
