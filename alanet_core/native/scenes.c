/* What alanet_core/scenes.py compares: thumbnails of frames, and how much of one nothing in the other explains. */
#include <math.h>
#include <stddef.h>

#include "targets.h"
#include "team.h"

enum {
    MOST = 64,  /* cells along one side of a thumbnail */
    REACH = 8,  /* cells, of a search */
};

/* As the class _Thumbnail in alanet_core/native/scenes.py. */
typedef struct {
    int height, width; /* of the frame */
    int rows, columns; /* of the thumbnail, at most as many */
    int threads;
    float luma[3];
    const float *frame; /* [3, height, width] */
    float *lines;       /* [rows, width] */
    float *small;       /* [rows, columns] */
} Thumbnail;

/* Cells share the pixels that lie in both, as in adaptive pooling. */
INLINED int first_of(int cell, int cells, int length) { return (int)((long)cell * length / cells); }
INLINED int end_of(int cell, int cells, int length) { return (int)(((long)(cell + 1) * length + cells - 1) / cells); }

CLONED static void thumbnail_row(const void *job, int row) {
    const Thumbnail *t = job;
    ptrdiff_t plane = (ptrdiff_t)t->height * t->width;
    int begin = first_of(row, t->rows, t->height), end = end_of(row, t->rows, t->height);
    float *line = t->lines + (ptrdiff_t)row * t->width;
    for (int x = 0; x < t->width; x++)
        line[x] = 0;
    for (int y = begin; y < end; y++) {
        const float *from = t->frame + (ptrdiff_t)y * t->width;
        for (int x = 0; x < t->width; x++)
            line[x] += t->luma[0] * from[x] + t->luma[1] * from[plane + x] + t->luma[2] * from[2 * plane + x];
    }
    for (int column = 0; column < t->columns; column++) {
        int left = first_of(column, t->columns, t->width), right = end_of(column, t->columns, t->width);
        float sum = 0;
        for (int x = left; x < right; x++)
            sum += line[x];
        sum /= (float)((end - begin) * (right - left));
        t->small[row * t->columns + column] = sum < 0 ? 0 : sum > 1 ? 1 : sum;
    }
}

EXPORTED void alanet_thumbnail(const Thumbnail *t) {
    team_rows(t->threads, 0, t->rows, (long)t->height * t->width, thumbnail_row, t);
}

/* As the class _Score in alanet_core/native/scenes.py. */
typedef struct {
    int rows, columns;
    int search, block;
    float change;
    const float *before, *after; /* [rows, columns] */
} Score;

INLINED int held(int i, int count) { return i < 0 ? 0 : i < count ? i : count - 1; }

/* The sums over blocks of so many columns. */
INLINED void by_block(const float *columns, int count, int block, float *sum) {
    for (int x = 0; x < count; x += block) {
        float total = 0;
        for (int i = x; i < x + block && i < count; i++)
            total += columns[i];
        sum[x / block] = total;
    }
}

/* Blocks that no shift of `before` explains. */
CLONED static int unexplained(const Score *s) {
    float around[MOST + 2 * REACH][MOST + 2 * REACH], least[MOST], sum[MOST];
    float columns[MOST], mean[MOST], cells[MOST];
    int wide = s->columns, blocks = (wide + s->block - 1) / s->block, found = 0;
    for (int y = 0; y < s->rows + 2 * s->search; y++)
        for (int x = 0; x < wide + 2 * s->search; x++)
            around[y][x] = s->before[held(y - s->search, s->rows) * wide + held(x - s->search, wide)];
    for (int top = 0; top < s->rows; top += s->block) {
        int bottom = top + s->block < s->rows ? top + s->block : s->rows;
        for (int shift = 0; shift < (2 * s->search + 1) * (2 * s->search + 1); shift++) {
            int down = shift / (2 * s->search + 1), right = shift % (2 * s->search + 1);
            for (int x = 0; x < wide; x++)
                columns[x] = 0;
            for (int y = top; y < bottom; y++)
                for (int x = 0; x < wide; x++)
                    columns[x] += fabsf(around[y + down][x + right] - s->after[y * wide + x]);
            by_block(columns, wide, s->block, sum);
            for (int i = 0; i < blocks; i++)
                least[i] = shift == 0 || sum[i] < least[i] ? sum[i] : least[i];
        }
        for (int x = 0; x < wide; x++) {
            columns[x] = 0;
            for (int y = top; y < bottom; y++)
                columns[x] += s->after[y * wide + x];
        }
        by_block(columns, wide, s->block, mean);
        for (int i = 0; i < blocks; i++) {
            int across = (i + 1) * s->block < wide ? s->block : wide - i * s->block;
            cells[i] = (float)((bottom - top) * across);
            mean[i] /= cells[i];
        }
        for (int x = 0; x < wide; x++) {
            columns[x] = 0;
            for (int y = top; y < bottom; y++)
                columns[x] += fabsf(s->after[y * wide + x] - mean[x / s->block]);
        }
        by_block(columns, wide, s->block, sum);
        for (int i = 0; i < blocks; i++)
            found += least[i] / cells[i] > s->change + sum[i] / cells[i] / 2;
    }
    return found;
}

EXPORTED int alanet_unexplained(const Score *s) { return unexplained(s); }
