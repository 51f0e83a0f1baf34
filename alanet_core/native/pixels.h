/* What the kernels for pictures share: numbers as features have them, places between pixels, functions that become
 * vectors. Loops go over runs of pixels, plane by plane; what no number is leads to the first pixel, never outside. */
#ifndef ALANET_PIXELS_H
#define ALANET_PIXELS_H

#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "targets.h"
#include "vectors.h"

enum { RUN = 64 }; /* pixels at a time: their planes lie in the nearest cache */

typedef uint16_t Half; /* bfloat16: the upper half of a float */

typedef double Pairs __attribute__((vector_size(32))); /* of floats */

/* Features lie with their channels innermost, in float or in bfloat16; `half` is a constant wherever it is asked for. */
INLINED float widened(Half x) {
    uint32_t bits = (uint32_t)x << 16;
    float wide;
    memcpy(&wide, &bits, sizeof wide);
    return wide;
}

INLINED Half narrowed(float x) {
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    bits = (bits + 0x7fff + ((bits >> 16) & 1)) >> 16; /* to the nearest, ties to even */
    return (Half)(x == x ? bits : 0x7fc0);
}

INLINED float loaded(const void *from, ptrdiff_t at, int half) {
    return half ? widened(((const Half *)from)[at]) : ((const float *)from)[at];
}

INLINED void stored(void *to, ptrdiff_t at, float x, int half) {
    if (half)
        ((Half *)to)[at] = narrowed(x);
    else
        ((float *)to)[at] = x;
}

INLINED const void *feature(const void *from, ptrdiff_t at, int half) {
    return (const char *)from + at * (half ? (ptrdiff_t)sizeof(Half) : (ptrdiff_t)sizeof(float));
}

/* NAME_row: a row of the job, by NAME(job, y, half), which is compiled once for each dtype. */
#define BY_DTYPE(JOB, NAME)                                                                                            \
    CLONED static void NAME##_row(const void *job, int y) {                                                            \
        const JOB *j = job;                                                                                            \
        if (j->half)                                                                                                   \
            NAME(j, y, 1);                                                                                             \
        else                                                                                                           \
            NAME(j, y, 0);                                                                                             \
    }

INLINED void copied(void *to, ptrdiff_t at, const void *from, ptrdiff_t where, int count, int half) {
    memcpy((char *)feature(to, at, half), feature(from, where, half), (size_t)count * (half ? sizeof(Half) : sizeof(float)));
}

/* Eight rows of eight -> columns. */
INLINED void transposed(Eight *r) {
    Eight t[8], u[8];
#pragma GCC unroll 4
    for (int i = 0; i < 8; i += 2) {
        t[i] = __builtin_shufflevector(r[i], r[i + 1], 0, 8, 1, 9, 4, 12, 5, 13);
        t[i + 1] = __builtin_shufflevector(r[i], r[i + 1], 2, 10, 3, 11, 6, 14, 7, 15);
    }
#pragma GCC unroll 2
    for (int i = 0; i < 8; i += 4)
#pragma GCC unroll 2
        for (int j = 0; j < 2; j++) {
            u[i + 2 * j] = __builtin_shufflevector(t[i + j], t[i + j + 2], 0, 1, 8, 9, 4, 5, 12, 13);
            u[i + 2 * j + 1] = __builtin_shufflevector(t[i + j], t[i + j + 2], 2, 3, 10, 11, 6, 7, 14, 15);
        }
#pragma GCC unroll 4
    for (int i = 0; i < 4; i++) {
        r[i] = __builtin_shufflevector(u[i], u[i + 4], 0, 1, 2, 3, 8, 9, 10, 11);
        r[i + 4] = __builtin_shufflevector(u[i], u[i + 4], 4, 5, 6, 7, 12, 13, 14, 15);
    }
}

/* Eight planes, eight pixels of each -> eight channels of the first `count` of these. */
INLINED void eights_stored(float *to, ptrdiff_t stride, const float (*planes)[RUN], int i, int count) {
    Eight block[8];
#pragma GCC unroll 8
    for (int j = 0; j < 8; j++)
        memcpy(&block[j], &planes[j][i], sizeof *block);
    transposed(block);
#pragma GCC unroll 8
    for (int j = 0; j < count; j++)
        memcpy(to + (i + j) * stride, &block[j], sizeof *block);
}

/* The inverse. */
INLINED void eights_loaded(float (*planes)[RUN], const float *from, ptrdiff_t stride, int i, int count) {
    Eight block[8];
#pragma GCC unroll 8
    for (int j = 0; j < 8; j++)
        memcpy(&block[j], from + (i + (j < count ? j : 0)) * stride, sizeof *block);
    transposed(block);
#pragma GCC unroll 8
    for (int j = 0; j < 8; j++)
        memcpy(&planes[j][i], &block[j], sizeof *block);
}

/* Eight channels at a time, 8 or more in all; the last eight may be done twice. */
INLINED void interleaved_by_eights(float *to, ptrdiff_t stride, const float (*planes)[RUN], int count, int n) {
    for (int next = 0; next < count; next += 8) {
        int k = next + 8 <= count ? next : count - 8, i = 0;
        for (; i + 8 <= n; i += 8)
            eights_stored(to + k, stride, planes + k, i, 8);
        if (i < n)
            eights_stored(to + k, stride, planes + k, i, n - i);
    }
}

INLINED void parted_by_eights(float (*planes)[RUN], const float *from, ptrdiff_t stride, int count, int n) {
    for (int next = 0; next < count; next += 8) {
        int k = next + 8 <= count ? next : count - 8, i = 0;
        for (; i + 8 <= n; i += 8)
            eights_loaded(planes + k, from + k, stride, i, 8);
        if (i < n)
            eights_loaded(planes + k, from + k, stride, i, n - i);
    }
}

/* Planes of a run of pixels -> channels innermost: channel k of pixel i goes to `at` + i * stride + k. Four channels in
 * bfloat16 are written at once. */
INLINED void interleaved(void *to, ptrdiff_t at, ptrdiff_t stride, const float (*planes)[RUN], int count, int n, int half) {
    int k = 0;
    if (!half && count >= 8) {
        interleaved_by_eights((float *)to + at, stride, planes, count, n);
        return;
    }
    for (; half && k + 4 <= count; k += 4) {
        uint64_t four[RUN];
        Half *begin = (Half *)to + at + k;
        for (int i = 0; i < RUN; i++)
            four[i] = (uint64_t)narrowed(planes[k][i]) | (uint64_t)narrowed(planes[k + 1][i]) << 16 |
                      (uint64_t)narrowed(planes[k + 2][i]) << 32 | (uint64_t)narrowed(planes[k + 3][i]) << 48;
        for (int i = 0; i < n; i++)
            memcpy(begin + i * stride, &four[i], sizeof four[i]);
    }
    for (; k < count; k++)
        for (int i = 0; i < n; i++)
            stored(to, at + i * stride + k, planes[k][i], half);
}

/* The inverse. */
INLINED void parted(float (*planes)[RUN], const void *from, ptrdiff_t at, ptrdiff_t stride, int count, int n, int half) {
    int k = 0;
    if (!half && count >= 8) {
        parted_by_eights(planes, (const float *)from + at, stride, count, n);
        return;
    }
    for (; half && k + 4 <= count; k += 4) {
        uint64_t four[RUN] = {0};
        const Half *begin = (const Half *)from + at + k;
        for (int i = 0; i < n; i++)
            memcpy(&four[i], begin + i * stride, sizeof four[i]);
        for (int j = 0; j < 4; j++)
            for (int i = 0; i < RUN; i++)
                planes[k + j][i] = widened((Half)(four[i] >> (16 * j)));
    }
    for (; k < count; k++)
        for (int i = 0; i < n; i++)
            planes[k][i] = loaded(from, at + i * stride + k, half);
}

INLINED int within(int x, int last) { return x < 0 ? 0 : x > last ? last : x; }

/* A place among the pixels of a plane: that to its upper left, and the shares of those to the right and below. */
typedef struct {
    int at;
    float right, below;
} Place;

/* The last pixel of a row is the right one of its pair, so that a pair always lies in the row. */
INLINED Place place(float x, float y, int height, int width) {
    x = between(x, 0, (float)(width - 1));
    y = between(y, 0, (float)(height - 1));
    int left = (int)x, above = (int)y;
    left = left < width - 2 ? left : width - 2;
    above = above < height - 2 ? above : height - 2;
    left = left > 0 ? left : 0;
    above = above > 0 ? above : 0;
    return (Place){above * width + left, x - (float)left, y - (float)above};
}

/* From a pixel to the ones on the right and below; a plane may be one pixel wide or high. */
INLINED int to_right(int width) { return width > 1; }

INLINED int to_below(int height, int width) { return height > 1 ? width : 0; }

/* Of each of eight places: the pixel there and the one to its right; places 0, 1, 4, 5 and 2, 3, 6, 7 together, so that
 * no number need leave its half of a vector later. A pair is read as one double. */
INLINED void pairs_read(const float *plane, const int *at, Eight *pairs) {
    double pair[8];
    for (int i = 0; i < 8; i++)
        memcpy(&pair[i], plane + at[i], sizeof *pair);
    Pairs first = {pair[0], pair[1], pair[4], pair[5]}, second = {pair[2], pair[3], pair[6], pair[7]};
    pairs[0] = (Eight)first;
    pairs[1] = (Eight)second;
}

/* A plane at eight places, bilinear; line: to the row below. */
INLINED void eight_sampled(const float *plane, ptrdiff_t line, const int *at, const float *right_of, const float *below_of,
                           Eight *made) {
    Eight upper[2], lower[2], right, below;
    memcpy(&right, right_of, sizeof right);
    memcpy(&below, below_of, sizeof below);
    pairs_read(plane, at, upper);
    pairs_read(plane + line, at, lower);
    upper[0] += __builtin_shufflevector(below, below, 0, 0, 1, 1, 4, 4, 5, 5) * (lower[0] - upper[0]);
    upper[1] += __builtin_shufflevector(below, below, 2, 2, 3, 3, 6, 6, 7, 7) * (lower[1] - upper[1]);
    Eight near = __builtin_shufflevector(upper[0], upper[1], 0, 2, 8, 10, 4, 6, 12, 14);
    Eight far = __builtin_shufflevector(upper[0], upper[1], 1, 3, 9, 11, 5, 7, 13, 15);
    *made = near + right * (far - near);
}

/* Places of a run; those beyond, up to whole eights, are the first pixel. */
typedef struct {
    int at[RUN];
    float right[RUN], below[RUN];
} Places;

INLINED void places_of(const float *x, const float *y, int height, int width, int n, Places *p) {
    for (int i = 0; i < n; i++) {
        Place each = place(x[i], y[i], height, width);
        p->at[i] = each.at;
        p->right[i] = each.right;
        p->below[i] = each.below;
    }
    for (int i = n; i < (n + 7) / 8 * 8; i++) {
        p->at[i] = 0;
        p->right[i] = p->below[i] = 0;
    }
}

/* A plane at places of a run. A pixel and the one to its right are read at once; a plane may be one pixel wide or high.
 * The loop that reads stays a plain one: processors gather no faster, and some much slower. */
INLINED void sampled(const float *plane, int height, int width, const float *x, const float *y, int n, float *found) {
    Places p;
    int line = to_below(height, width);
    places_of(x, y, height, width, n, &p);
    for (int i = 0; width == 1 && i < n; i++)
        found[i] = plane[p.at[i]] + p.below[i] * (plane[p.at[i] + line] - plane[p.at[i]]);
    for (int i = 0; width > 1 && i < n; i += 8) {
        Eight made;
        eight_sampled(plane, line, p.at + i, p.right + i, p.below + i, &made);
        if (i + 8 <= n)
            memcpy(found + i, &made, sizeof made);
        else
            memcpy(found + i, &made, (size_t)(n - i) * sizeof *found);
    }
}

/* A plane of a flow on a grid of twice the size, bilinear, its values doubled: row 2 * y + r, of that every other pixel
 * from 2 * first + c on. The nearer of two places counts three quarters. */
INLINED void grown(const float *plane, int height, int width, int y, int r, int c, int first, int n, float *found) {
    const float *near = plane + (ptrdiff_t)y * width, *far = plane + (ptrdiff_t)within(y + 2 * r - 1, height - 1) * width;
    float line[RUN + 2];
    int before = within(first - 1, width - 1), after = within(first + n, width - 1);
    line[0] = 1.5f * near[before] + 0.5f * far[before];
    for (int i = 0; i < n; i++)
        line[i + 1] = 1.5f * near[first + i] + 0.5f * far[first + i];
    line[n + 1] = 1.5f * near[after] + 0.5f * far[after];
    const float *other = line + 2 * c;
    for (int i = 0; i < n; i++)
        found[i] = 0.75f * line[i + 1] + 0.25f * other[i];
}

/* The mean over 2 * reach + 1 pixels of a row, of those that lie in it. */
INLINED void mean_of_row(const float *row, int width, int reach, float *found) {
    for (int x = 0; x < width; x++)
        found[x] = 0;
    for (int k = -reach; k <= reach; k++) {
        int first = k < 0 ? -k : 0, last = k > 0 ? width - k : width;
        for (int x = first; x < last; x++)
            found[x] += row[x + k];
    }
    for (int x = 0; x < width; x++)
        found[x] /= (float)(1 + (x < reach ? x : reach) + (width - 1 - x < reach ? width - 1 - x : reach));
}

/* Of whole rows, around row y. */
INLINED void mean_of_rows(const float *plane, int height, int width, int reach, int y, float *found) {
    int first = within(y - reach, height - 1), last = within(y + reach, height - 1);
    for (int x = 0; x < width; x++)
        found[x] = 0;
    for (int k = first; k <= last; k++)
        for (int x = 0; x < width; x++)
            found[x] += plane[(ptrdiff_t)k * width + x];
    float count = (float)(last - first + 1);
    for (int x = 0; x < width; x++)
        found[x] /= count;
}

/* The natural logarithm of what is above 0, to two units in the last place (S. Moshier, Cephes: logf). */
INLINED float logarithm(float x) {
    int32_t bits;
    memcpy(&bits, &x, sizeof bits);
    int32_t exponent = (bits >> 23) - 126;
    bits = (bits & 0x007fffff) | 0x3f000000;
    float m;
    memcpy(&m, &bits, sizeof m);
    int small = m < 0.70710678f;
    float e = (float)(exponent - small);
    m = small ? m + m - 1 : m - 1;
    float z = m * m;
    float y = 7.0376836292e-2f;
    y = y * m - 1.1514610310e-1f;
    y = y * m + 1.1676998740e-1f;
    y = y * m - 1.2420140846e-1f;
    y = y * m + 1.4249322787e-1f;
    y = y * m - 1.6668057665e-1f;
    y = y * m + 2.0000714765e-1f;
    y = y * m - 2.4999993993e-1f;
    y = y * m + 3.3333331174e-1f;
    y = y * m * z;
    y += -2.12194440e-4f * e;
    y -= 0.5f * z;
    return m + y + 0.693359375f * e;
}

/* The same source: expf. */
INLINED float exponential(float x) {
    x = x > -87.0f ? x : -87.0f; /* one choice a line: two become a jump */
    x = x < 88.0f ? x : 88.0f;
    float e = (x * 1.44269504f + 12582912.0f) - 12582912.0f; /* to the nearest whole number: 1.5 * 2^23 */
    int32_t n = (int32_t)e;
    x -= e * 0.693359375f;
    x -= e * -2.12194440e-4f;
    float y = 1.9875691500e-4f;
    y = y * x + 1.3981999507e-3f;
    y = y * x + 8.3334519073e-3f;
    y = y * x + 4.1665795894e-2f;
    y = y * x + 1.6666665459e-1f;
    y = y * x + 5.0000001201e-1f;
    y = y * x * x + x + 1;
    int32_t bits = (n + 127) << 23;
    float power;
    memcpy(&power, &bits, sizeof power);
    return y * power;
}

INLINED float sigmoid(float x) { return 1 / (1 + exponential(-x)); }

/* tanh, as `bounded` in blocks.py writes it. */
INLINED float bounded(float x) { return 2 * sigmoid(2 * x) - 1; }

INLINED float asinh_of(float x) {
    float size = fabsf(x);
    size = size < 1e18f ? size : 1e18f;
    return copysignf(logarithm(size + sqrtf(size * size + 1)), x);
}

#endif
