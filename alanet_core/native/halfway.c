/* Motion between two frames, seen from the moment between them: as alanet_core/model/halfway.py. */
#include "pixels.h"
#include "team.h"

enum { REACH = 2 }; /* half a window */

/* As the class _Halfway in alanet_core/native/light.py. */
typedef struct {
    int height, width;
    int threads;
    const float *motion; /* [4, height, width] */
    const float *light[2];
    float *paths;  /* [2, 2, height, width]: as a has them, as b has them; half of the way */
    float *wrong;  /* [2, height, width]: by how much the ends differ */
    float *means;  /* [2, height, width]: the same, along rows */
    float *flow;   /* [4, height, width] */
} Halfway;

CLONED static void paths_row(const Halfway *h, int y) {
    int height = h->height, width = h->width;
    ptrdiff_t grid = (ptrdiff_t)height * width, row = (ptrdiff_t)y * width;
    for (int side = 0; side < 2; side++) {
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
            float half = side ? -0.5f : 0.5f; /* of the motion from a to b, as either has it */
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
        mean_of_row(wrong, width, REACH, h->means + side * grid + row);
    }
}

/* `wrong` is not needed any more: its row takes the means. */
CLONED static void choose_row(const Halfway *h, int y) {
    ptrdiff_t grid = (ptrdiff_t)h->height * h->width, row = (ptrdiff_t)y * h->width;
    float *of_a = h->wrong + row, *of_b = of_a + grid;
    mean_of_rows(h->means, h->height, h->width, REACH, y, of_a);
    mean_of_rows(h->means + grid, h->height, h->width, REACH, y, of_b);
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

static void work(Team *team, int member, void *job) {
    const Halfway *h = job;
    long begin, end;
    team_share(team, member, h->height, &begin, &end);
    for (long y = begin; y < end; y++)
        paths_row(h, (int)y);
    team_wait(team);
    for (long y = begin; y < end; y++)
        choose_row(h, (int)y);
}

EXPORTED void alanet_halfway(Halfway *h) {
    long worth = 4L * h->height * h->width / SMALL;
    team_run(h->threads < worth ? h->threads : (int)worth, work, h);
}
