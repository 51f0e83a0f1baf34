/* Dense motion between two pictures by inverse patch search: what alanet_core/model/search.py computes in PyTorch.
 *
 * The two agree bit for bit: every sum is written in the order in which that file has it. A change here needs the same
 * change there. Each thread takes rows of patches of all sheets; none writes what another reads before all have met.
 */
#include <errno.h>
#include <math.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "targets.h"
#include "team.h"
#include "vectors.h"

enum {
    PATCH = 8,          /* pixels along one side of a patch */
    STRIDE = 4,         /* from one patch to the next, so that each pixel lies in four of them */
    BEFORE = 2,         /* pixels of the first patch before the first pixel */
    MARGIN = PATCH,     /* around the planes: a patch that lies there whole sees the repeated edge alone */
};


/* As the class Settings in alanet_core/native/__init__.py. */
typedef struct {
    int rounds, steps;
    float damping, firmness, doubt, near, longest, settled, good, brightest;
} Settings;

/* Sums over a patch, of the difference c to where it is thought to have moved: c, c * c, and c times the gradient. */
typedef struct {
    float c, cc, xc, yc;
} Sums;

/* Once neither a patch nor its neighbour has moved in the round before, and once no step has helped from where a patch is,
 * trying again would give what it gave: both are marked, and left out. */
typedef struct {
    float u, v;
    Sums sums; /* those at (u, v) */
    int moved; /* in the last round */
    int done;  /* no step from (u, v) helps */
} Found;

/* The least squares of a patch: products of the gradient less its mean, damped; its sums; their determinant. */
typedef struct {
    float xx, xy, yy, x, y, det;
} Shape;

/* A sheet is a picture and the way from it to its partner: 2 * n is the earlier one of pair n, 2 * n + 1 the later. */
typedef struct {
    int height, width;
    int rows, columns; /* of patches */
    const float *pictures[2];
    float damping;
    float *flow; /* [sheets, 2, height, width] */
} Level;

typedef struct {
    Settings settings;
    int sheets, levels;
    Level *level;
    /* Of the level at work, made for the largest: */
    float *plane, *gx, *gy; /* [sheets, padded height, padded width] */
    Shape *shape;           /* [sheets, rows, columns] */
    Found *found[2];        /* the same: of the round before, and of this one */
    float *scratch;         /* [threads, 3, STRIDE, padded width] */
} Job;

/* One patch: its own pixels and gradients, and the picture it is looked for in. */
typedef struct {
    const float *own, *gx, *gy, *other;
    ptrdiff_t stride;
    int x, y, last_x, last_y;
} Patch;

/* Where a patch has moved to: the pixel before, and the shares of the four around. */
typedef struct {
    const float *from;
    float w00, w01, w10, w11;
} Place;

static ptrdiff_t padded_width(const Level *l) { return l->width + 2 * MARGIN; }

static ptrdiff_t padded(const Level *l) { return padded_width(l) * (l->height + 2 * MARGIN); }

/* Where pixel (x, y) of a sheet stands in plane, gx and gy. */
INLINED ptrdiff_t at(const Level *l, int sheet, int y, int x) {
    return sheet * padded(l) + (y + MARGIN) * padded_width(l) + x + MARGIN;
}

static ptrdiff_t patch_number(const Level *l, int sheet, int row, int column) {
    return ((ptrdiff_t)sheet * l->rows + row) * l->columns + column;
}

INLINED Patch patch_of(const Job *job, const Level *l, int sheet, int row, int column) {
    int x = STRIDE * column - BEFORE, y = STRIDE * row - BEFORE;
    ptrdiff_t own = at(l, sheet, y, x);
    return (Patch){job->plane + own,
                   job->gx + own,
                   job->gy + own,
                   job->plane + at(l, sheet ^ 1, 0, 0),
                   padded_width(l),
                   x,
                   y,
                   l->width - 1,
                   l->height - 1};
}

INLINED Place place(const Patch *p, float u, float v) {
    float x = between(p->x + u, -PATCH, p->last_x), y = between(p->y + v, -PATCH, p->last_y);
    float left = floorf(x), above = floorf(y), right = x - left, below = y - above;
    return (Place){p->other + (ptrdiff_t)above * p->stride + (ptrdiff_t)left, (1 - below) * (1 - right),
                   (1 - below) * right, below * (1 - right), below * right};
}

INLINED float difference(const Place *to, const float *from, ptrdiff_t stride, float own) {
    return to->w00 * from[0] + to->w01 * from[1] + to->w10 * from[stride] + to->w11 * from[stride + 1] - own;
}

/* The sum of eight by halves. */
INLINED float folded(const float *x) {
    return ((x[0] + x[4]) + (x[2] + x[6])) + ((x[1] + x[5]) + (x[3] + x[7]));
}

/* Two rows at a time, one from the upper half and one from the lower: as `_folded` has it. */
INLINED Sums measure(const Patch *p, float u, float v) {
    Place to = place(p, u, v);
    const ptrdiff_t stride = p->stride, half = PATCH / 2 * stride;
    const float *from = to.from, *own = p->own, *gx = p->gx, *gy = p->gy;
    float c[PATCH] = {0}, cc[PATCH] = {0}, xc[PATCH] = {0}, yc[PATCH] = {0};
    for (int y = 0; y < PATCH / 2; y++) {
        for (int x = 0; x < PATCH; x++) {
            float upper = difference(&to, from + x, stride, own[x]);
            float lower = difference(&to, from + half + x, stride, own[half + x]);
            c[x] += upper + lower;
            cc[x] += upper * upper + lower * lower;
            xc[x] += gx[x] * upper + gx[half + x] * lower;
            yc[x] += gy[x] * upper + gy[half + x] * lower;
        }
        from += stride;
        own += stride;
        gx += stride;
        gy += stride;
    }
    return (Sums){folded(c), folded(cc), folded(xc), folded(yc)};
}

/* The squared error less that of the mean: brightness may change from frame to frame. */
INLINED float cost(const Sums *s) { return s->cc - s->c * s->c / (PATCH * PATCH); }

INLINED Shape shape(const Patch *p, float damping) {
    const float n = PATCH * PATCH;
    const ptrdiff_t half = PATCH / 2 * p->stride;
    const float *gx = p->gx, *gy = p->gy;
    float xxs[PATCH] = {0}, xys[PATCH] = {0}, yys[PATCH] = {0}, xs[PATCH] = {0}, ys[PATCH] = {0};
    for (int row = 0; row < PATCH / 2; row++) {
        for (int i = 0; i < PATCH; i++) {
            xxs[i] += gx[i] * gx[i] + gx[half + i] * gx[half + i];
            xys[i] += gx[i] * gy[i] + gx[half + i] * gy[half + i];
            yys[i] += gy[i] * gy[i] + gy[half + i] * gy[half + i];
            xs[i] += gx[i] + gx[half + i];
            ys[i] += gy[i] + gy[half + i];
        }
        gx += p->stride;
        gy += p->stride;
    }
    float x = folded(xs), y = folded(ys);
    Shape s = {folded(xxs) - x * x / n + damping,
               folded(xys) - x * y / n,
               folded(yys) - y * y / n + damping,
               x,
               y,
               0};
    s.det = s.xx * s.yy - s.xy * s.xy;
    return s;
}

/* Twice the mean of the coarser flow at the middle of a patch, where four of its pixels meet; the edge is repeated. */
INLINED float doubled(const Level *coarser, const float *flow, int row, int column) {
    int y = 2 * row, x = 2 * column;
    int below = y + 1 < coarser->height ? y + 1 : coarser->height - 1;
    int right = x + 1 < coarser->width ? x + 1 : coarser->width - 1;
    const float *upper = flow + (ptrdiff_t)y * coarser->width, *lower = flow + (ptrdiff_t)below * coarser->width;
    return ((upper[x] + upper[right]) + (lower[x] + lower[right])) / 2;
}

INLINED Found begin(const Level *coarser, const Patch *p, int sheet, int row, int column) {
    Found found = {0};
    if (coarser) {
        ptrdiff_t size = (ptrdiff_t)coarser->height * coarser->width;
        const float *flow = coarser->flow + 2 * sheet * size;
        found.u = doubled(coarser, flow, row, column);
        found.v = doubled(coarser, flow + size, row, column);
    }
    found.sums = measure(p, found.u, found.v);
    return found;
}

/* The motion of a neighbour where it fits better (propagation). */
INLINED Found best_of_neighbours(const Job *job, const Level *l, const Patch *p, const Found *own, int row, int column) {
    static const int down[] = {-1, 1, 0, 0}, right[] = {0, 0, -1, 1};
    Found best = *own;
    float least = cost(&best.sums);
    for (int n = 0; n < 4; n++) {
        int y = row + down[n], x = column + right[n];
        if (y < 0 || y >= l->rows || x < 0 || x >= l->columns)
            continue;
        const Found *neighbour = own + down[n] * (ptrdiff_t)l->columns + right[n];
        if (!own->moved && !neighbour->moved)
            continue;
        float u = neighbour->u, v = neighbour->v;
        if (fabsf(u - own->u) + fabsf(v - own->v) < job->settings.near || (u == best.u && v == best.v))
            continue;
        Sums sums = measure(p, u, v);
        float c = cost(&sums);
        if (c < least) {
            least = c;
            best = (Found){.u = u, .v = v, .sums = sums};
        }
    }
    return best;
}

/* Damped Gauss-Newton steps for as long as they help. */
INLINED void descend(const Settings *settings, const Patch *p, const Shape *g, Found *found) {
    const float n = PATCH * PATCH;
    float least = cost(&found->sums);
    if (found->done)
        return;
    for (int step = 0; step < settings->steps; step++) {
        float bx = found->sums.xc - g->x * found->sums.c / n, by = found->sums.yc - g->y * found->sums.c / n;
        float du = (g->yy * bx - g->xy * by) / g->det, dv = (g->xx * by - g->xy * bx) / g->det;
        float size = fabsf(du) + fabsf(dv);
        if (!(size < INFINITY)) { /* a determinant of 0 must not make the flow no number */
            found->done = 1;
            return;
        }
        du = between(du, -settings->longest, settings->longest);
        dv = between(dv, -settings->longest, settings->longest);
        Found next = {.u = found->u - du, .v = found->v - dv};
        next.sums = measure(p, next.u, next.v);
        float c = cost(&next.sums);
        if (!(c < least)) {
            found->done = 1;
            return;
        }
        *found = next;
        least = c;
        if (size < settings->settled)
            return;
    }
}

/* --- The stages: each does one row. --- */

/* A row with its margins; what is no brightness counts as black. */
static void pad_row(const Job *job, const Level *l, int sheet, int y) {
    int inside = y < 0 ? 0 : y >= l->height ? l->height - 1 : y;
    const float *picture = l->pictures[sheet % 2] + ((ptrdiff_t)(sheet / 2) * l->height + inside) * l->width;
    float *row = job->plane + at(l, sheet, y, 0), limit = job->settings.brightest;
    for (int x = 0; x < l->width; x++)
        row[x] = fabsf(picture[x]) <= limit ? picture[x] : 0;
    for (int x = 0; x < MARGIN; x++) {
        row[x - MARGIN] = row[0];
        row[x + l->width] = row[l->width - 1];
    }
}

CLONED static void slope_row(const Job *job, const Level *l, int sheet, int y) {
    ptrdiff_t row = at(l, sheet, y, 0), stride = padded_width(l);
    const float *p = job->plane + row;
    float *gx = job->gx + row, *gy = job->gy + row;
    for (int x = -BEFORE; x < l->width + PATCH - BEFORE; x++) {
        gx[x] = (p[x + 1] - p[x - 1]) / 2;
        gy[x] = (p[x + stride] - p[x - stride]) / 2;
    }
}

CLONED static void search_row(const Job *job, const Level *l, const Level *coarser, int sheet, int row, int round) {
    const Found *old = job->found[round % 2];
    Found *fresh = job->found[(round + 1) % 2];
    for (int column = 0; column < l->columns; column++) {
        ptrdiff_t number = patch_number(l, sheet, row, column);
        Patch p = patch_of(job, l, sheet, row, column);
        if (round == 0) {
            job->shape[number] = shape(&p, l->damping);
            fresh[number] = begin(coarser, &p, sheet, row, column);
        } else {
            fresh[number] = old[number];
            if (cost(&old[number].sums) < job->settings.good) {
                fresh[number].moved = 0;
                continue;
            }
            fresh[number] = best_of_neighbours(job, l, &p, old + number, row, column);
        }
        descend(&job->settings, &p, &job->shape[number], &fresh[number]);
        fresh[number].moved = round == 0 || fresh[number].u != old[number].u || fresh[number].v != old[number].v;
    }
}

/* Add STRIDE rows of a row of patches, from row `top` of each on, into [3, STRIDE, padded width]: weights, and they
 * times u and v. A pixel counts the more, the better it fits. */
INLINED void spread(const Job *job, const Level *l, const Found *found, int sheet, int row, int top, float *sum) {
    ptrdiff_t width = padded_width(l), part = STRIDE * width;
    Eight doubt = job->settings.doubt - (Eight){0};
    for (int column = 0; column < l->columns; column++) {
        const Found *f = &found[patch_number(l, sheet, row, column)];
        Patch p = patch_of(job, l, sheet, row, column);
        Place to = place(&p, f->u, f->v);
        for (int y = 0; y < STRIDE; y++) {
            const float *from = to.from + (top + y) * p.stride, *own = p.own + (top + y) * p.stride;
            float *w = sum + y * width + STRIDE * column, *wu = w + part, *wv = wu + part;
            Eight gap = to.w00 * EIGHT(from) + to.w01 * EIGHT(from + 1) + to.w10 * EIGHT(from + p.stride) +
                        to.w11 * EIGHT(from + p.stride + 1) - EIGHT(own);
            Choice size = (Choice)gap & 0x7fffffff, large = (Eight)size > job->settings.doubt;
            Eight weight = 1 / (Eight)((size & large) | ((Choice)doubt & ~large));
            *(Loose *)w += weight;
            *(Loose *)wu += weight * f->u;
            *(Loose *)wv += weight * f->v;
        }
    }
}

/* The STRIDE rows of the picture where row `row` of patches has its upper half and the one before its lower half. */
CLONED static void gather_rows(const Job *job, const Level *l, const Found *found, int sheet, int row, float *sum) {
    ptrdiff_t width = padded_width(l), part = STRIDE * width, size = (ptrdiff_t)l->height * l->width;
    memset(sum, 0, 3 * part * sizeof *sum);
    if (row < l->rows)
        spread(job, l, found, sheet, row, 0, sum);
    if (row > 0)
        spread(job, l, found, sheet, row - 1, STRIDE, sum);
    for (int i = 0; i < STRIDE; i++) {
        int y = STRIDE * row - BEFORE + i;
        if (y < 0 || y >= l->height)
            continue;
        const float *w = sum + i * width + BEFORE;
        float *u = l->flow + 2 * sheet * size + (ptrdiff_t)y * l->width, *v = u + size;
        for (int x = 0; x < l->width; x++) {
            float share = 1 / w[x];
            u[x] = w[x + part] * share;
            v[x] = w[x + 2 * part] * share;
        }
    }
}

static void work_on_level(Team *team, int member, const Job *job, const Level *l, const Level *coarser) {
    long begin, end;
    int count = l->height + 2 * MARGIN;
    while (team_take(team, member, (long)job->sheets * count, &begin, &end))
        for (long i = begin; i < end; i++)
            pad_row(job, l, (int)(i / count), (int)(i % count) - MARGIN);
    team_wait(team, member);

    count = l->height + PATCH;
    while (team_take(team, member, (long)job->sheets * count, &begin, &end))
        for (long i = begin; i < end; i++)
            slope_row(job, l, (int)(i / count), (int)(i % count) - BEFORE);
    team_wait(team, member);

    for (int round = 0; round <= job->settings.rounds; round++) {
        while (team_take(team, member, (long)job->sheets * l->rows, &begin, &end))
            for (long i = begin; i < end; i++)
                search_row(job, l, coarser, (int)(i / l->rows), (int)(i % l->rows), round);
        team_wait(team, member);
    }

    count = l->rows + 1;
    const Found *found = job->found[(job->settings.rounds + 1) % 2];
    float *sum = job->scratch + (ptrdiff_t)member * 3 * STRIDE * padded_width(&job->level[0]);
    while (team_take(team, member, (long)job->sheets * count, &begin, &end))
        for (long i = begin; i < end; i++)
            gather_rows(job, l, found, (int)(i / count), (int)(i % count), sum);
    team_wait(team, member);
}

static void work(Team *team, int member, void *argument) {
    const Job *job = argument;
    for (int i = job->levels - 1; i >= 0; i--)
        work_on_level(team, member, job, &job->level[i], i + 1 < job->levels ? &job->level[i + 1] : NULL);
}

/* --- What is called from Python. --- */

static int allocate(Job *job, int threads) {
    const Level *first = &job->level[0];
    size_t planes = (size_t)job->sheets * padded(first);
    size_t patches = (size_t)job->sheets * first->rows * first->columns;
    job->plane = malloc(planes * sizeof(float));
    job->gx = malloc(planes * sizeof(float));
    job->gy = malloc(planes * sizeof(float));
    job->shape = malloc(patches * sizeof(Shape));
    job->found[0] = malloc(patches * sizeof(Found));
    job->found[1] = malloc(patches * sizeof(Found));
    job->scratch = malloc((size_t)threads * 3 * STRIDE * padded_width(first) * sizeof(float));
    for (int i = 1; i < job->levels; i++) {
        Level *l = &job->level[i];
        if (l->flow)
            continue;
        l->flow = malloc((size_t)job->sheets * 2 * l->height * l->width * sizeof(float));
        if (!l->flow)
            return ENOMEM;
    }
    int all = job->plane && job->gx && job->gy && job->shape && job->found[0] && job->found[1] && job->scratch;
    return all ? 0 : ENOMEM;
}

static void release(Job *job, const float *second) {
    for (int i = 1; i < job->levels; i++)
        if (job->level[i].flow != second)
            free(job->level[i].flow);
    free(job->plane);
    free(job->gx);
    free(job->gy);
    free(job->shape);
    free(job->found[0]);
    free(job->found[1]);
    free(job->scratch);
    free(job->level);
}

/* earlier, later: a plane [pairs, height, width] for each level, the largest first, each half the one before it, rounded
 * up. flow: [pairs, 4, height, width] of the first. second: the same of the second, or NULL if it is not wanted: then the
 * first is searched like all others. Returns 0, or ENOMEM. */
EXPORTED int alanet_search(int pairs, int levels, const int *heights, const int *widths, const float *const *earlier,
                           const float *const *later, float *flow, float *second, const Settings *settings, int threads) {
    Job job = {.settings = *settings, .sheets = 2 * pairs, .levels = levels, .level = calloc((size_t)levels, sizeof(Level))};
    if (!job.level)
        return ENOMEM;
    for (int i = 0; i < levels; i++)
        job.level[i] = (Level){heights[i],
                               widths[i],
                               (heights[i] + STRIDE - 1) / STRIDE,
                               (widths[i] + STRIDE - 1) / STRIDE,
                               {earlier[i], later[i]},
                               settings->damping * (second && i == 0 ? settings->firmness : 1),
                               i == 0 ? flow : i == 1 ? second : NULL};
    long long worth = (long long)pairs * heights[0] * widths[0] / SMALL;
    if (threads > worth)
        threads = (int)worth;
    if (threads < 1)
        threads = 1;
    int error = allocate(&job, threads);
    if (error == 0)
        team_run(threads, work, &job);
    release(&job, second);
    return error;
}
