/* Motion between two frames, seen from the moment between them: as alanet_core/model/halfway.py. */
#include "pixels.h"
#include "team.h"

enum { ALONE = 2, REACH = 1 }; /* half a window: where one of two paths is chosen, and where more are mixed */
enum { AROUND = 5 };           /* a place and its neighbours */

/* As the class _Halfway in alanet_core/native/light.py. */
typedef struct {
    int height, width;
    int sides; /* 2 for each motion: its paths as a has them, and as b has them */
    int threads;
    float doubt;
    const float *motion; /* [sides, 2, height, width] */
    const float *light[2];
    float *paths;  /* [sides, 2, height, width]: half of the way */
    float *wrong;  /* [sides, height, width], or [AROUND, ...] if more are mixed: by how much the ends differ */
    float *means;  /* the same, along rows */
    float *flow;   /* [4, height, width] */
} Halfway;

static int reach(const Halfway *h) { return h->sides > 2 ? REACH : ALONE; }

/* By how much the ends of paths through a run of pixels differ. */
INLINED void ends(const Halfway *h, int y, int first, int n, const float *u, const float *v, float *wrong) {
    float x[RUN], at_y[RUN], end[2][RUN];
    for (int k = 0; k < 2; k++) {
        float sign = k ? 1.0f : -1.0f;
        for (int i = 0; i < n; i++) {
            x[i] = (float)(first + i) + sign * u[i];
            at_y[i] = (float)y + sign * v[i];
        }
        sampled(h->light[k], h->height, h->width, x, at_y, n, end[k]);
    }
    for (int i = 0; i < n; i++)
        wrong[i] = fabsf(end[0][i] - end[1][i]);
}

CLONED static void paths_row(const Halfway *h, int y) {
    int height = h->height, width = h->width;
    ptrdiff_t grid = (ptrdiff_t)height * width, row = (ptrdiff_t)y * width;
    for (int side = 0; side < h->sides; side++) {
        const float *u = h->motion + 2 * side * grid, *v = u + grid;
        float *pu = h->paths + 2 * side * grid + row, *pv = pu + grid, *wrong = h->wrong + side * grid + row;
        for (int first = 0; first < width; first += RUN) {
            int n = width - first < RUN ? width - first : RUN;
            float x[RUN], at_y[RUN];
            /* Half of the way back in a; in b, whose motion leads back, half of that forth: the same, from its side. */
            for (int i = 0; i < n; i++) {
                x[i] = (float)(first + i) - u[row + first + i] / 2;
                at_y[i] = (float)y - v[row + first + i] / 2;
            }
            sampled(u, height, width, x, at_y, n, pu + first);
            sampled(v, height, width, x, at_y, n, pv + first);
            float half = side % 2 ? -0.5f : 0.5f; /* of the motion from a to b, as either has it */
            for (int i = first; i < first + n; i++) {
                pu[i] *= half;
                pv[i] *= half;
            }
            ends(h, y, first, n, pu + first, pv + first, wrong + first);
        }
        mean_of_row(wrong, width, reach(h), h->means + side * grid + row);
    }
}

/* `wrong` is not needed any more: its row takes the means. */
CLONED static void choose_row(const Halfway *h, int y) {
    ptrdiff_t grid = (ptrdiff_t)h->height * h->width, row = (ptrdiff_t)y * h->width;
    float *of_a = h->wrong + row, *of_b = of_a + grid;
    mean_of_rows(h->means, h->height, h->width, ALONE, y, of_a);
    mean_of_rows(h->means + grid, h->height, h->width, ALONE, y, of_b);
    for (int k = 0; k < 2; k++) {
        const float *a = h->paths + k * grid + row, *b = a + 2 * grid;
        float *back = h->flow + k * grid + row, *forth = back + 2 * grid;
        for (int x = 0; x < h->width; x++) {
            float path = of_a[x] <= of_b[x] ? a[x] : b[x];
            back[x] = -path;
            forth[x] = path;
        }
    }
}

/* What row y of candidate k counts: the inverse square of what the ends of its paths differ by, over `wrong`. */
INLINED float *weights(const Halfway *h, int k, int y) {
    ptrdiff_t grid = (ptrdiff_t)h->height * h->width;
    float *weight = h->wrong + k * grid + (ptrdiff_t)y * h->width;
    mean_of_rows(h->means + k * grid, h->height, h->width, REACH, y, weight);
    for (int x = 0; x < h->width; x++) {
        float wrong = (weight[x] < 1 ? weight[x] : 1) + h->doubt; /* what is no number is as wrong as can be */
        weight[x] = 1 / (wrong * wrong);
    }
    return weight;
}

/* The mean of all paths by their weights -> the last two planes of the flow. */
CLONED static void mix_row(const Halfway *h, int y) {
    ptrdiff_t grid = (ptrdiff_t)h->height * h->width, row = (ptrdiff_t)y * h->width;
    float *total = h->flow + row, *u = total + 2 * grid, *v = u + grid;
    for (int x = 0; x < h->width; x++)
        u[x] = v[x] = total[x] = 0;
    for (int side = 0; side < h->sides; side++) {
        const float *pu = h->paths + 2 * side * grid + row, *pv = pu + grid, *weight = weights(h, side, y);
        for (int x = 0; x < h->width; x++) {
            total[x] += weight[x];
            u[x] += weight[x] * pu[x];
            v[x] += weight[x] * pv[x];
        }
    }
    for (int x = 0; x < h->width; x++) {
        float share = 1 / total[x];
        u[x] *= share;
        v[x] *= share;
    }
}

/* A row and its neighbours; the edge is repeated. */
static const int down[AROUND] = {0, -1, 1, 0, 0}, right[AROUND] = {0, 0, 0, -1, 1};

/* Row y of a plane as its neighbours in one direction have it: pixels `first` ... of it. */
INLINED void shifted(const Halfway *h, const float *plane, int k, int y, int first, int n, float *found) {
    const float *row = plane + (ptrdiff_t)within(y + down[k], h->height - 1) * h->width;
    for (int i = 0; i < n; i++)
        found[i] = row[within(first + i + right[k], h->width - 1)];
}

/* How well the paths of its neighbours fit each place. */
CLONED static void around_row(const Halfway *h, int y) {
    ptrdiff_t grid = (ptrdiff_t)h->height * h->width, row = (ptrdiff_t)y * h->width;
    const float *u = h->flow + 2 * grid, *v = u + grid;
    for (int k = 0; k < AROUND; k++) {
        float *wrong = h->wrong + k * grid + row;
        for (int first = 0; first < h->width; first += RUN) {
            int n = h->width - first < RUN ? h->width - first : RUN;
            float pu[RUN], pv[RUN];
            shifted(h, u, k, y, first, n, pu);
            shifted(h, v, k, y, first, n, pv);
            ends(h, y, first, n, pu, pv, wrong + first);
        }
        mean_of_row(wrong, h->width, REACH, h->means + k * grid + row);
    }
}

/* Their mean -> the first two planes of the paths, which nobody needs any more. */
CLONED static void settle_row(const Halfway *h, int y) {
    ptrdiff_t grid = (ptrdiff_t)h->height * h->width, row = (ptrdiff_t)y * h->width;
    const float *u = h->flow + 2 * grid, *v = u + grid;
    float *total = h->paths + 2 * grid + row, *mean_u = h->paths + row, *mean_v = mean_u + grid;
    for (int x = 0; x < h->width; x++)
        mean_u[x] = mean_v[x] = total[x] = 0;
    for (int k = 0; k < AROUND; k++) {
        const float *weight = weights(h, k, y);
        for (int first = 0; first < h->width; first += RUN) {
            int n = h->width - first < RUN ? h->width - first : RUN;
            float pu[RUN], pv[RUN];
            shifted(h, u, k, y, first, n, pu);
            shifted(h, v, k, y, first, n, pv);
            for (int i = 0; i < n; i++) {
                total[first + i] += weight[first + i];
                mean_u[first + i] += weight[first + i] * pu[i];
                mean_v[first + i] += weight[first + i] * pv[i];
            }
        }
    }
    for (int x = 0; x < h->width; x++) {
        float share = 1 / total[x];
        mean_u[x] *= share;
        mean_v[x] *= share;
    }
}

CLONED static void flow_row(const Halfway *h, int y) {
    ptrdiff_t grid = (ptrdiff_t)h->height * h->width, row = (ptrdiff_t)y * h->width;
    for (int k = 0; k < 2; k++) {
        const float *path = h->paths + k * grid + row;
        float *back = h->flow + k * grid + row, *forth = back + 2 * grid;
        for (int x = 0; x < h->width; x++) {
            back[x] = -path[x];
            forth[x] = path[x];
        }
    }
}

static void stage(Team *team, int member, const Halfway *h, void (*row)(const Halfway *h, int y)) {
    long begin, end;
    while (team_take(team, member, h->height, &begin, &end))
        for (long y = begin; y < end; y++)
            row(h, (int)y);
    team_wait(team, member);
}

static void work(Team *team, int member, void *job) {
    const Halfway *h = job;
    stage(team, member, h, paths_row);
    if (h->sides == 2) {
        stage(team, member, h, choose_row);
        return;
    }
    stage(team, member, h, mix_row);
    stage(team, member, h, around_row);
    stage(team, member, h, settle_row);
    stage(team, member, h, flow_row);
}

EXPORTED void alanet_halfway(Halfway *h) {
    long worth = 2L * h->sides * h->height * h->width / SMALL;
    team_run(h->threads < worth ? h->threads : (int)worth, work, h);
}
