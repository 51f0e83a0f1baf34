/* Motion between two frames, seen from the moment between them: as alanet_core/model/halfway.py. */
#include "pixels.h"
#include "team.h"

enum { ALONE = 2, REACH = 1 }; /* half a window: where one of two paths is chosen, and where more are mixed */

/* As the class _Halfway in alanet_core/native/light.py. */
typedef struct {
    int height, width;
    int sides; /* 2 for each motion: its paths as a has them, and as b has them */
    int threads;
    float doubt;
    const float *motion; /* [sides, 2, height, width] */
    const float *light[2];
    float *paths;  /* [sides, 2, height, width]: half of the way */
    float *wrong;  /* [sides, height, width]: by how much the ends differ */
    float *means;  /* [sides, height, width]: the same, along rows */
    float *flow;   /* [4, height, width] */
} Halfway;

static int reach(const Halfway *h) { return h->sides > 2 ? REACH : ALONE; }

CLONED static void paths_row(const Halfway *h, int y) {
    int height = h->height, width = h->width;
    ptrdiff_t grid = (ptrdiff_t)height * width, row = (ptrdiff_t)y * width;
    for (int side = 0; side < h->sides; side++) {
        const float *u = h->motion + 2 * side * grid, *v = u + grid;
        float *pu = h->paths + 2 * side * grid + row, *pv = pu + grid, *wrong = h->wrong + side * grid + row;
        for (int first = 0; first < width; first += RUN) {
            int n = width - first < RUN ? width - first : RUN;
            float x[RUN], at_y[RUN], end[2][RUN];
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
            for (int k = 0; k < 2; k++) {
                float sign = k ? 1.0f : -1.0f;
                for (int i = 0; i < n; i++) {
                    x[i] = (float)(first + i) + sign * pu[first + i];
                    at_y[i] = (float)y + sign * pv[first + i];
                }
                sampled(h->light[k], height, width, x, at_y, n, end[k]);
            }
            for (int i = 0; i < n; i++)
                wrong[first + i] = fabsf(end[0][i] - end[1][i]);
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

/* The same. Each path counts by the inverse square of what its ends differ by. */
CLONED static void mix_row(const Halfway *h, int y) {
    ptrdiff_t grid = (ptrdiff_t)h->height * h->width, row = (ptrdiff_t)y * h->width;
    float *u = h->flow + row, *v = u + grid, *forth_u = v + grid, *forth_v = forth_u + grid;
    float *total = forth_u; /* until the sums are whole */
    for (int x = 0; x < h->width; x++)
        u[x] = v[x] = total[x] = 0;
    for (int side = 0; side < h->sides; side++) {
        const float *pu = h->paths + 2 * side * grid + row, *pv = pu + grid;
        float *fit = h->wrong + side * grid + row;
        mean_of_rows(h->means + side * grid, h->height, h->width, REACH, y, fit);
        for (int x = 0; x < h->width; x++) {
            float wrong = (fit[x] < 1 ? fit[x] : 1) + h->doubt; /* what is no number is as wrong as can be */
            float weight = 1 / (wrong * wrong);
            total[x] += weight;
            u[x] += weight * pu[x];
            v[x] += weight * pv[x];
        }
    }
    for (int x = 0; x < h->width; x++) {
        float share = 1 / total[x];
        forth_u[x] = u[x] * share;
        forth_v[x] = v[x] * share;
        u[x] = -forth_u[x];
        v[x] = -forth_v[x];
    }
}

static void work(Team *team, int member, void *job) {
    const Halfway *h = job;
    long begin, end;
    team_share(team, member, h->height, &begin, &end);
    for (long y = begin; y < end; y++)
        paths_row(h, (int)y);
    team_wait(team);
    for (long y = begin; y < end; y++) {
        if (h->sides > 2)
            mix_row(h, (int)y);
        else
            choose_row(h, (int)y);
    }
}

EXPORTED void alanet_halfway(Halfway *h) {
    long worth = 2L * h->sides * h->height * h->width / SMALL;
    team_run(h->threads < worth ? h->threads : (int)worth, work, h);
}
