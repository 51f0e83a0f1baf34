/* What an encoder reads of a frame: its brightness at several sizes (alanet_core/model/light.py), its pixels folded into
 * channels, and features at half of the size (alanet_core/model/encoder.py). */
#include "pixels.h"
#include "team.h"

/* As the class _Plane in alanet_core/native/light.py. */
typedef struct {
    int height, width; /* of what is read */
    int half;
    int times;    /* pixels along one side that become one */
    int channels; /* of features */
    int threads;
    const void *from;
    void *to;
} Plane;

CLONED static void brightness_row(const void *job, int y) {
    const Plane *p = job;
    const float *from = (const float *)p->from + 3 * (ptrdiff_t)y * p->width;
    float *to = (float *)p->to + (ptrdiff_t)y * p->width;
    for (int x = 0; x < p->width; x++)
        to[x] = (from[3 * x] + from[3 * x + 1] + from[3 * x + 2]) / 3;
}

/* To the bit what F.avg_pool2d gives: the search for motion may take another way for less. */
CLONED static void halved_row(const void *job, int y) {
    const Plane *p = job;
    int width = (p->width + 1) / 2, twice = 2 * y + 1 < p->height;
    const float *upper = (const float *)p->from + 2 * (ptrdiff_t)y * p->width, *lower = twice ? upper + p->width : upper;
    float *to = (float *)p->to + (ptrdiff_t)y * width;
    for (int x = 0; twice && x < p->width / 2; x++)
        to[x] = (upper[2 * x] + upper[2 * x + 1] + lower[2 * x] + lower[2 * x + 1]) / 4;
    for (int x = 0; !twice && x < p->width / 2; x++)
        to[x] = (upper[2 * x] + upper[2 * x + 1]) / 2;
    if (p->width % 2)
        to[width - 1] = (upper[p->width - 1] + lower[p->width - 1]) / 2;
}

/* As the class _Pyramid: [height, width, 3] -> brightness, and so many halvings of it, sizes rounded up. */
typedef struct {
    int height, width;
    int levels, threads;
    const float *from;
    float *const *to; /* [levels + 1] */
} Pyramid;

EXPORTED void alanet_pyramid(const Pyramid *all) {
    Plane p = {.height = all->height, .width = all->width, .from = all->from, .to = all->to[0]};
    team_rows(all->threads, 0, p.height, (long)p.height * p.width, brightness_row, &p);
    for (int k = 0; k < all->levels; k++) {
        p.from = all->to[k];
        p.to = all->to[k + 1];
        team_rows(all->threads, 0, (p.height + 1) / 2, (long)p.height * p.width / 4, halved_row, &p);
        p.height = (p.height + 1) / 2;
        p.width = (p.width + 1) / 2;
    }
}

INLINED void folded(const Plane *p, int y, int half, int side) {
    int width = p->width / side, channels = 3 * side * side;
    for (int dy = 0; dy < side; dy++) {
        const float *from = (const float *)p->from + 3 * ((ptrdiff_t)y * side + dy) * p->width;
        ptrdiff_t at = (ptrdiff_t)y * width * channels + dy * side;
        for (int x = 0; x < width; x++, at += channels, from += 3 * side)
            for (int k = 0; k < 3; k++)
                for (int dx = 0; dx < side; dx++)
                    stored(p->to, at + k * side * side + dx, from[3 * dx + k], half);
    }
}

CLONED static void folded_row(const void *job, int y) {
    const Plane *p = job;
    if (p->half && p->times == 4)
        folded(p, y, 1, 4);
    else if (p->times == 4)
        folded(p, y, 0, 4);
    else
        folded(p, y, p->half, p->times);
}

/* [height, width, 3] -> [height / times, width / times, 3 * times * times], the place in a cell innermost */
EXPORTED void alanet_folded(const Plane *p) {
    team_rows(p->threads, 0, p->height / p->times, (long)p->height * p->width, folded_row, p);
}

INLINED void pooled(const Plane *p, int y, int half) {
    int n = p->channels;
    ptrdiff_t line = (ptrdiff_t)p->width * n;
    for (int x = 0; x < p->width / 2; x++) {
        const void *first = feature(p->from, 2 * y * line + 2 * (ptrdiff_t)x * n, half);
        void *restrict to = (void *)feature(p->to, ((ptrdiff_t)y * (p->width / 2) + x) * n, half);
        for (int k = 0; k < n; k++)
            stored(to, k,
                   (loaded(first, k, half) + loaded(first, k + n, half) + loaded(first, k + line, half) +
                    loaded(first, k + line + n, half)) /
                       4,
                   half);
    }
}

BY_DTYPE(Plane, pooled)

/* [height, width, channels] -> [height / 2, width / 2, channels] */
EXPORTED void alanet_pooled(const Plane *p) {
    team_rows(p->threads, 0, p->height / 2, (long)p->height * p->width, pooled_row, p);
}

INLINED void made_coarser(const Plane *p, int row, int side) {
    int height = p->height / side, width = p->width / side;
    ptrdiff_t plane = row / height, y = row % height;
    const float *from = (const float *)p->from + (plane * p->height + y * side) * p->width;
    float *to = (float *)p->to + (plane * height + y) * width;
    for (int x = 0; x < width; x++) {
        float total = 0;
        for (int dy = 0; dy < side; dy++)
            for (int dx = 0; dx < side; dx++)
                total += from[(ptrdiff_t)dy * p->width + side * x + dx];
        to[x] = total / (float)(side * side) / (float)side;
    }
}

CLONED static void coarser_row(const void *job, int row) {
    const Plane *p = job;
    if (p->times == 2)
        made_coarser(p, row, 2);
    else
        made_coarser(p, row, p->times);
}

/* As the class _Coarser: four planes of a flow, in pixels -> at 1 / times of the size, and at halves of that. */
typedef struct {
    int height, width;
    int times; /* pixels along one side that become one, at first */
    int levels, threads;
    const float *from;
    float *const *to; /* [levels] */
} Coarser;

EXPORTED void alanet_coarser(const Coarser *all) {
    Plane p = {.height = all->height, .width = all->width, .times = all->times, .from = all->from};
    for (int k = 0; k < all->levels; k++) {
        p.to = all->to[k];
        team_rows(all->threads, 0, 4 * (p.height / p.times), (long)p.height * p.width, coarser_row, &p);
        p.height /= p.times;
        p.width /= p.times;
        p.from = p.to;
        p.times = 2;
    }
}
