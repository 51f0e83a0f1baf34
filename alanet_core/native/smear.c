/* How brightness differs along the motion and across it: as alanet_core/model/smear.py. */
#include "pixels.h"
#include "team.h"

enum { REACH = 4, MOST = 16 }; /* half a window, and taps */

/* As the class _Smear in alanet_core/native/smear.py. */
typedef struct {
    int height, width; /* of the brightness */
    int rows, columns; /* of the velocity */
    int scale;
    int taps, frames;
    int threads;
    float pace; /* the velocity is this part of the way from a to b */
    float floor, stretch, moving;
    const float *places; /* [taps], mirrored */
    const float *light[3];
    const float *flow;   /* [4, rows, columns] */
    float *change;       /* [taps / 2, rows, columns]: the means along rows */
    float *found;        /* smear: [taps / 2, rows, columns] */
    double *sums;        /* cues: [frames, rows, 2, taps + 2] */
    float *cues;         /* [frames, 3 * taps] */
    int hidden;          /* of the judge; 0 where there is none */
    const float *weights[2], *bias[2]; /* [hidden, 3 * taps], [hidden]; [hidden], [1] */
    float sure, leaning; /* a share of 1 above, of 0 below this logit, and how sharply */
    float *logits, *shares; /* [frames] */
} Smear;

typedef struct {
    float x[RUN], y[RUN], vx[RUN], vy[RUN];
} Line;

INLINED void find_line(const Smear *s, int y, int first, int n, Line *line) {
    ptrdiff_t grid = (ptrdiff_t)s->rows * s->columns;
    const float *flow = s->flow + (ptrdiff_t)y * s->columns + first;
    float offset = (float)(s->scale - 1) / 2, scale = (float)s->scale;
    for (int i = 0; i < n; i++) {
        line->x[i] = scale * (float)(first + i) + offset;
        line->y[i] = scale * (float)y + offset;
        line->vx[i] = scale * (s->pace * (flow[2 * grid + i] - flow[i]));
        line->vy[i] = scale * (s->pace * (flow[3 * grid + i] - flow[grid + i]));
    }
}

/* The squared difference of brightness at a part of (vx, vy). */
INLINED void squared(const Smear *s, const float *light, const Line *l, const float *vx, const float *vy, float part,
                     const float *here, int n, float *found) {
    float x[RUN], y[RUN], there[RUN];
    for (int i = 0; i < n; i++) {
        x[i] = l->x[i] + part * vx[i];
        y[i] = l->y[i] + part * vy[i];
    }
    sampled(light, s->height, s->width, x, y, n, there);
    for (int i = 0; i < n; i++)
        found[i] = (there[i] - here[i]) * (there[i] - here[i]);
}

CLONED static void change_row(const Smear *s, int y, float *row) {
    int half = s->taps / 2;
    ptrdiff_t grid = (ptrdiff_t)s->rows * s->columns;
    for (int first = 0; first < s->columns; first += RUN) {
        int n = s->columns - first < RUN ? s->columns - first : RUN;
        Line line;
        float here[RUN], back[RUN], ahead[RUN];
        find_line(s, y, first, n, &line);
        sampled(s->light[0], s->height, s->width, line.x, line.y, n, here);
        for (int k = 0; k < half; k++) {
            squared(s, s->light[0], &line, line.vx, line.vy, s->places[half - 1 - k], here, n, back);
            squared(s, s->light[0], &line, line.vx, line.vy, s->places[half + k], here, n, ahead);
            for (int i = 0; i < n; i++)
                row[k * s->columns + first + i] = (back[i] + ahead[i]) / 2;
        }
    }
    for (int k = 0; k < half; k++)
        mean_of_row(row + k * s->columns, s->columns, REACH, s->change + k * grid + (ptrdiff_t)y * s->columns);
}

CLONED static void smear_row(const Smear *s, int y) {
    int half = s->taps / 2;
    ptrdiff_t grid = (ptrdiff_t)s->rows * s->columns;
    float level = logf(s->floor);
    for (int k = half - 1; k >= 0; k--) { /* the farthest first: the others are counted from it */
        float *found = s->found + k * grid + (ptrdiff_t)y * s->columns, *far = found + (half - 1 - k) * grid;
        mean_of_rows(s->change + k * grid, s->rows, s->columns, REACH, y, found);
        for (int x = 0; x < s->columns; x++)
            found[x] = logarithm(found[x] + s->floor);
        for (int x = 0; x < s->columns && k < half - 1; x++)
            found[x] = s->stretch * (found[x] - far[x]);
    }
    float *far = s->found + (half - 1) * grid + (ptrdiff_t)y * s->columns;
    for (int x = 0; x < s->columns; x++)
        far[x] = (far[x] - level) / s->stretch;
}

static void smear_work(Team *team, int member, void *job) {
    const Smear *s = job;
    long begin, end;
    team_share(team, member, s->rows, &begin, &end);
    /* Until all have met, `found` holds the rows that are at work, a member's where its share begins. */
    float *row = s->found + (ptrdiff_t)begin * s->taps / 2 * s->columns;
    while (team_take(team, member, s->rows, &begin, &end))
        for (long y = begin; y < end; y++)
            change_row(s, (int)y, row);
    team_wait(team, member);
    while (team_take(team, member, s->rows, &begin, &end))
        for (long y = begin; y < end; y++)
            smear_row(s, (int)y);
}

EXPORTED void alanet_smear(Smear *s) {
    long worth = 8L * s->rows * s->columns / SMALL;
    team_run(s->threads < worth ? s->threads : (int)worth, smear_work, s);
}

CLONED static void cues_row(const void *job, int y) {
    const Smear *s = job;
    int half = s->taps / 2, count = s->taps + 2;
    for (int frame = 0; frame < s->frames; frame++) {
        double *sums = s->sums + ((ptrdiff_t)frame * s->rows + y) * 2 * count;
        memset(sums, 0, 2 * (size_t)count * sizeof *sums);
        for (int first = 0; first < s->columns; first += RUN) {
            int n = s->columns - first < RUN ? s->columns - first : RUN;
            const float *light = s->light[frame];
            Line line;
            float here[RUN], seen[MOST + 2][RUN], weights[2][RUN], across[RUN];
            find_line(s, y, first, n, &line);
            sampled(light, s->height, s->width, line.x, line.y, n, here);
            for (int i = 0; i < n; i++) {
                float speed = sqrtf(line.vx[i] * line.vx[i] + line.vy[i] * line.vy[i]);
                across[i] = -line.vy[i];
                weights[0][i] = speed > s->moving ? 1.0f : 0.0f;
                weights[1][i] = speed;
                seen[s->taps][i] = speed;
                seen[s->taps + 1][i] = 1;
            }
            for (int k = 0; k < half; k++) {
                squared(s, light, &line, line.vx, line.vy, s->places[half + k], here, n, seen[k]);
                squared(s, light, &line, across, line.vx, s->places[half + k], here, n, seen[half + k]);
            }
            for (int w = 0; w < 2; w++)
                for (int k = 0; k < count; k++) {
                    double total[8] = {0}; /* eight sums side by side, so that they become a vector */
                    int i = 0;
                    for (; i + 8 <= n; i += 8)
                        for (int j = 0; j < 8; j++)
                            total[j] += (double)(weights[w][i + j] * seen[k][i + j]);
                    for (; i < n; i++)
                        total[0] += (double)(weights[w][i] * seen[k][i]);
                    for (int j = 0; j < 8; j++)
                        sums[w * count + k] += total[j];
                }
        }
    }
}

/* The weighted sums of a frame [2, taps + 2] -> its cues. */
static void tell(const Smear *s, const float *sums, float *cues) {
    int half = s->taps / 2, count = s->taps + 2;
    float level = logf(s->floor);
    for (int w = 0; w < 2; w++, sums += count) {
        float all = sums[count - 1] + 1e-3f, growth[MOST] = {0};
        for (int k = 0; k < s->taps; k++)
            growth[k] = logarithm(sums[k] / all + s->floor);
        float far = growth[half - 1], far_beside = growth[s->taps - 1];
        for (int k = 0; k < half; k++)
            *cues++ = s->stretch * (growth[k] - growth[half + k]);
        for (int k = 0; k < half - 1; k++)
            *cues++ = s->stretch * (growth[k] - far);
        for (int k = 0; k < half - 1; k++)
            *cues++ = s->stretch * (growth[half + k] - far_beside);
        *cues++ = (far_beside - level) / s->stretch;
        *cues++ = s->stretch * logarithm(sums[s->taps] / all + 0.1f);
    }
}

static float judged(const Smear *s, const float *cues) {
    int count = 3 * s->taps;
    float verdict = 0;
    for (int j = 0; j < s->hidden; j++) {
        float sum = 0;
        for (int k = 0; k < count; k++)
            sum += cues[k] * s->weights[0][j * count + k];
        verdict += s->weights[1][j] * bounded(sum + s->bias[0][j]);
    }
    return verdict + s->bias[1][0];
}

/* The rows' sums are added in their order: a result does not depend on threads. */
EXPORTED void alanet_cues(const Smear *s) {
    team_rows(s->threads, 0, s->rows, 8L * s->rows * s->columns, cues_row, s);
    int count = 2 * (s->taps + 2);
    for (int frame = 0; frame < s->frames; frame++) {
        float sums[2 * (MOST + 2)], *cues = s->cues + frame * 3 * s->taps;
        for (int k = 0; k < count; k++) {
            double total = 0;
            for (int y = 0; y < s->rows; y++)
                total += s->sums[((ptrdiff_t)frame * s->rows + y) * count + k];
            sums[k] = (float)total;
        }
        tell(s, sums, cues);
        if (s->hidden) {
            s->logits[frame] = judged(s, cues);
            s->shares[frame] = sigmoid(s->sure * (s->logits[frame] - s->leaning));
        }
    }
}

/* As the class _Append: features, with what is known of whole frames at every place, and with more planes. */
typedef struct {
    int height, width;
    int half;
    int channels, told_of, planes_of;
    int threads;
    const void *z;
    const float *told;   /* [told_of] */
    const float *planes; /* [planes_of, height, width] */
    void *x;             /* [height, width, channels + told_of + planes_of] */
} Append;

INLINED void append(const Append *a, int y, int half) {
    ptrdiff_t grid = (ptrdiff_t)a->height * a->width, channels = a->channels + a->told_of + a->planes_of;
    for (int x = 0; x < a->width; x++) {
        ptrdiff_t at = (ptrdiff_t)y * a->width + x, to = at * channels;
        copied(a->x, to, a->z, at * a->channels, a->channels, half);
        for (int k = 0; k < a->told_of; k++)
            stored(a->x, to + a->channels + k, a->told[k], half);
        for (int k = 0; k < a->planes_of; k++)
            stored(a->x, to + a->channels + a->told_of + k, a->planes[k * grid + at], half);
    }
}

BY_DTYPE(Append, append)

EXPORTED void alanet_append(const Append *a) {
    team_rows(a->threads, 0, a->height, (long)a->height * a->width, append_row, a);
}
