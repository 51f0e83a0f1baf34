/* Planes as a host holds them -> RGB and back (alanet_core/color), in one pass over the picture: some columns at a time
 * are unpacked, interpolated and mixed while they lie in the nearest cache. Chroma grids of one step or none.
 *
 * The filters are those of alanet_core/color/chroma.py, there as lifting steps, here written out: beyond its edges a
 * picture's first and last samples go on; the half group at the end of an odd length is what the line through the last
 * two gives. */
#include <stddef.h>
#include <stdint.h>

#include "targets.h"
#include "team.h"

enum {
    BLOCK = 128, /* columns of luma at a time */
    STRIP = 16,  /* chroma rows that are made at a time */
    BACK = 2,    /* samples of luma before the one that a chroma sample belongs to, which its filter may read */
    TAPS = 6,    /* from there on */
    ROWS = 2 * STRIP + TAPS - 2,
    COLUMNS = BLOCK + TAPS - 2,
    EDGES = 2,   /* chroma samples beyond a block's, one on each side */
    LUMA = 3,    /* the signal after R, G and B */
};

enum Site { FIRST, MIDDLE, LAST }; /* of the luma samples that a chroma sample belongs to */

/* As the class _Picture in alanet_core/native/color.py. */
typedef struct {
    int height, width;
    int yuv;
    int planes;          /* 1: grey */
    int bytes;           /* of a sample: 1 or 2, an integer; 4, a float */
    int halved[2];       /* chroma across, chroma down */
    int site[2];         /* likewise */
    int plus[2], minus[2]; /* differences: of which two of R, G, B and luma */
    int threads;
    float zero[2], span[2], peak; /* levels of luma and of chroma */
    float luma[3], scale[2], back[3][2];
    char *plane[3];
    ptrdiff_t stride[3]; /* bytes from row to row */
    float *rgb;
    ptrdiff_t line, step, channel; /* of rgb: numbers from row to row, column to column, colour to colour */
} Picture;

INLINED int least(int a, int b) { return a < b ? a : b; }
INLINED int most(int a, int b) { return a > b ? a : b; }

INLINED int chroma_width(const Picture *p) { return (p->width + p->halved[0]) >> p->halved[0]; }
INLINED int chroma_height(const Picture *p) { return (p->height + p->halved[1]) >> p->halved[1]; }

/* NAME(job, i): MADE(picture, i, bytes), compiled for each size of a sample. */
#define BY_BYTES(NAME, MADE)                                                                                           \
    CLONED static void NAME(const void *job, int i) {                                                                  \
        const Picture *p = job;                                                                                        \
        if (p->bytes == 1)                                                                                             \
            MADE(p, i, 1);                                                                                             \
        else if (p->bytes == 2)                                                                                        \
            MADE(p, i, 2);                                                                                             \
        else                                                                                                           \
            MADE(p, i, 4);                                                                                             \
    }

/* --- To RGB. --- */

/* Stored numbers -> the nominal range. First the subtraction, so that zero is exactly 0. */
INLINED void unpack(const char *from, int first, int count, int bytes, float zero, float unit, float *restrict to) {
    const uint8_t *small = (const uint8_t *)from + first;
    const uint16_t *large = (const uint16_t *)from + first;
    const float *real = (const float *)from + first;
    for (int x = 0; x < count; x++)
        to[x] = ((bytes == 1 ? (float)small[x] : bytes == 2 ? (float)large[x] : real[x]) - zero) * unit;
}

/* How the sample at an even or odd place is interpolated: so much of the neighbour before (-1) or after (+1) its own. */
typedef struct {
    int side;
    float share;
} Lean;

INLINED Lean lean(int site, int odd) {
    if (site == MIDDLE)
        return (Lean){odd ? 1 : -1, 0.25f};
    return (Lean){odd ? 1 : -1, (site == FIRST) == odd ? 0.5f : 0.0f};
}

/* Chroma samples first - 1 ... first + count of a row, the outermost repeated beyond the edges. */
INLINED void chroma_of_row(const Picture *p, int plane, int y, int first, int count, int bytes, float *restrict to) {
    int wide = chroma_width(p), begin = most(first - 1, 0), end = least(first + count + 1, wide);
    float *inner = to + (begin - (first - 1));
    unpack(p->plane[plane] + y * p->stride[plane], begin, end - begin, bytes, p->zero[1], 1 / p->span[1], inner);
    if (begin != first - 1)
        to[0] = to[1];
    if (end != first + count + 1)
        to[count + 1] = to[count];
}

/* One difference at every column of a block of luma row y. */
INLINED void refined(const Picture *p, int plane, int y, int first, int count, int bytes, float *restrict to) {
    float own[BLOCK + EDGES], other[BLOCK + EDGES];
    int row = y >> p->halved[1], begin = first >> p->halved[0], wide = (count + p->halved[0]) >> p->halved[0];
    Lean down = p->halved[1] ? lean(p->site[1], y & 1) : (Lean){0, 0};
    int beside = row + down.side;
    chroma_of_row(p, plane, row, begin, wide, bytes, own);
    if (down.share != 0 && beside >= 0 && beside < chroma_height(p)) {
        chroma_of_row(p, plane, beside, begin, wide, bytes, other);
        for (int x = 0; x < wide + EDGES; x++)
            own[x] += down.share * (other[x] - own[x]);
    }
    if (!p->halved[0]) {
        for (int x = 0; x < count; x++)
            to[x] = own[x + 1];
        return;
    }
    float even = lean(p->site[0], 0).share, odd = lean(p->site[0], 1).share;
    for (int x = 0; x < wide; x++) {
        to[2 * x] = own[x + 1] + even * (own[x] - own[x + 1]);
        to[2 * x + 1] = own[x + 1] + odd * (own[x + 2] - own[x + 1]);
    }
}

INLINED void decoded_row(const Picture *p, int y, int bytes) {
    float *red = p->rgb + y * p->line, *green = red + p->channel, *blue = green + p->channel;
    for (int first = 0; first < p->width; first += BLOCK) {
        int count = least(BLOCK, p->width - first);
        float *to[3] = {red + first, green + first, blue + first};
        if (!p->yuv) {
            for (int c = 0; c < 3; c++) {
                int plane = p->planes == 1 ? 0 : c;
                unpack(p->plane[plane] + y * p->stride[plane], first, count, bytes, p->zero[0], 1 / p->span[0], to[c]);
            }
            continue;
        }
        float light[BLOCK], blueness[BLOCK + 1], redness[BLOCK + 1];
        unpack(p->plane[0] + y * p->stride[0], first, count, bytes, p->zero[0], 1 / p->span[0], light);
        refined(p, 1, y, first, count, bytes, blueness);
        refined(p, 2, y, first, count, bytes, redness);
        for (int c = 0; c < 3; c++) {
            float *restrict made = to[c];
            float one = p->back[c][0], two = p->back[c][1];
            for (int x = 0; x < count; x++)
                made[x] = light[x] + one * blueness[x] + two * redness[x];
        }
    }
}

BY_BYTES(decode_row, decoded_row)

/* rgb: planes one after the other, step 1. */
EXPORTED void alanet_decode(const Picture *p) {
    team_rows(p->threads, 0, p->height, (long)p->height * p->width, decode_row, p);
}

/* --- From RGB. --- */

/* The nominal range -> stored numbers, rounded to the nearest and clamped; what is no number becomes 0. */
INLINED void pack(const float *from, int count, int bytes, float zero, float span, float peak, char *to, int first) {
    const float whole = 1 << 23; /* from here on floats are integers: adding it rounds */
    uint8_t *small = (uint8_t *)to + first;
    uint16_t *large = (uint16_t *)to + first;
    float *real = (float *)to + first;
    for (int x = 0; bytes == 4 && x < count; x++)
        real[x] = from[x];
    for (int x = 0; bytes != 4 && x < count; x++) {
        float value = from[x] * span + zero;
        value = value > 0 ? value : 0;
        value = value < peak ? value : peak;
        int rounded = (int)((value + whole) - whole);
        if (bytes == 1)
            small[x] = (uint8_t)rounded;
        else
            large[x] = (uint16_t)rounded;
    }
}

/* What halves: the weights of luma samples 2i - BACK, 2i - BACK + 1, ... in chroma sample i. */
static const float HALVING[3][TAPS] = {
    [FIRST] = {-0.125f, 0.25f, 0.75f, 0.25f, -0.125f, 0},
    [MIDDLE] = {0, -0.25f, 0.75f, 0.75f, -0.25f, 0},
    [LAST] = {0, -0.125f, 0.25f, 0.75f, 0.25f, -0.125f},
};
/* How far beyond the last sample of an odd length the place lies that a line is drawn on to. */
static const float BEYOND[3] = {[FIRST] = 0, [MIDDLE] = 0.5f, [LAST] = 1};

/* A block's pixels of a row as three lines of numbers. */
INLINED void colors_of(const Picture *p, int y, int first, int count, float (*restrict to)[COLUMNS]) {
    const float *from = p->rgb + y * p->line + first * p->step;
    for (int x = 0; p->step == 3 && x < count; x++)
        for (int c = 0; c < 3; c++)
            to[c][x] = from[3 * x + c];
    for (int c = 0; p->step == 1 && c < 3; c++)
        for (int x = 0; x < count; x++)
            to[c][x] = from[c * p->channel + x];
}

/* Samples along one axis, of which each is `size` numbers and `step` from the next one; the first one has number `at`. */
typedef struct {
    float *samples;
    int step, size, at;
} Axis;

/* Samples begin ... end - 1 of so many are there; others from `low` to `high` - 1 lie beyond the edges -> all of them. */
INLINED void extend(const Axis *a, int low, int begin, int end, int high, int length, float beyond) {
    float *first = a->samples + (begin - a->at) * a->step, *last = a->samples + (end - 1 - a->at) * a->step;
    for (int i = low; i < begin; i++)
        for (int x = 0; x < a->size; x++)
            a->samples[(i - a->at) * a->step + x] = first[x];
    float further = length % 2 && length > 1 ? beyond : 0; /* along the line through the last two */
    for (int i = end; i < high; i++)
        for (int x = 0; x < a->size; x++)
            a->samples[(i - a->at) * a->step + x] = last[x] + (further ? further * (last[x] - last[x - a->step]) : 0);
}

/* From ... to - 1 of an axis: what is wanted, with what filters read around it, and so much of that as there is. */
typedef struct {
    int low, high, begin, end;
} Span;

INLINED Span around(int halved, int first, int count, int length) {
    int low = halved ? 2 * first - BACK : first, high = halved ? 2 * (first + count - 1) - BACK + TAPS : first + count;
    return (Span){low, high, most(low, 0), least(high, length)};
}

/* A row's difference at all columns -> at every chroma sample of a block. */
INLINED void halve_row(const float *weights, const float *from, int count, float *restrict to) {
    float even[BLOCK / 2 + TAPS / 2], odd[BLOCK / 2 + TAPS / 2];
    for (int x = 0; x < count + TAPS / 2 - 1; x++) {
        even[x] = from[2 * x];
        odd[x] = from[2 * x + 1];
    }
    for (int x = 0; x < count; x++)
        to[x] = weights[0] * even[x] + weights[1] * odd[x] + weights[2] * even[x + 1] + weights[3] * odd[x + 1] +
                weights[4] * even[x + 2] + weights[5] * odd[x + 2];
}

/* Chroma samples of rows top ... bottom - 1 in columns first ... first + count - 1, and the luma that belongs to them. */
INLINED void encoded_block(const Picture *p, int top, int bottom, int first, int count, int bytes) {
    float lines[2][ROWS][BLOCK], signals[LUMA + 1][COLUMNS], difference[COLUMNS];
    int across = p->halved[0], down = p->halved[1], width = p->width;
    Span rows = around(down, top, bottom - top, p->height), columns = around(across, first, count, width);
    int begin = first << across, own = least((first + count) << across, width) - begin;
    int there = columns.end - columns.begin;
    float beyond[2] = {BEYOND[p->site[0]], BEYOND[p->site[1]]};
    for (int y = rows.begin; y < rows.end; y++) {
        colors_of(p, y, columns.begin, there, signals);
        for (int x = 0; x < there; x++)
            signals[LUMA][x] = signals[0][x] * p->luma[0] + signals[1][x] * p->luma[1] + signals[2][x] * p->luma[2];
        if (y >= top << down && y < bottom << down)
            pack(signals[LUMA] + (begin - columns.begin), own, bytes, p->zero[0], p->span[0], p->peak,
                 p->plane[0] + y * p->stride[0], begin);
        for (int k = 0; k < 2; k++) {
            const float *plus = signals[p->plus[k]], *minus = signals[p->minus[k]];
            float *line = lines[k][y - rows.low];
            float *restrict to = (across ? difference : line) + (columns.begin - columns.low);
            for (int x = 0; x < there; x++)
                to[x] = (plus[x] - minus[x]) * p->scale[k];
            if (across) {
                Axis axis = {difference, 1, 1, columns.low};
                extend(&axis, columns.low, columns.begin, columns.end, columns.high, width, beyond[0]);
                halve_row(HALVING[p->site[0]], difference, count, line);
            }
        }
    }
    for (int k = 0; k < 2; k++) {
        Axis axis = {lines[k][0], BLOCK, count, rows.low};
        extend(&axis, rows.low, rows.begin, rows.end, rows.high, p->height, beyond[1]);
        for (int i = 0; i < bottom - top; i++) {
            const float *weights = HALVING[p->site[1]], (*line)[BLOCK] = &lines[k][i << down];
            float sum[BLOCK];
            for (int x = 0; down && x < count; x++)
                sum[x] = weights[0] * line[0][x] + weights[1] * line[1][x] + weights[2] * line[2][x] +
                         weights[3] * line[3][x] + weights[4] * line[4][x] + weights[5] * line[5][x];
            pack(down ? sum : line[0], count, bytes, p->zero[1], p->span[1], p->peak,
                 p->plane[1 + k] + (top + i) * p->stride[1 + k], first);
        }
    }
}

/* Rows top ... bottom - 1 of what has no chroma. */
INLINED void encoded_plain(const Picture *p, int top, int bottom, int first, int count, int bytes) {
    float colors[3][COLUMNS];
    for (int y = top; y < bottom; y++) {
        colors_of(p, y, first, count, colors);
        if (p->planes == 1)
            for (int x = 0; x < count; x++)
                colors[0][x] = (colors[0][x] + colors[1][x] + colors[2][x]) / 3;
        for (int c = 0; c < p->planes; c++)
            pack(colors[c], count, bytes, p->zero[0], p->span[0], p->peak, p->plane[c] + y * p->stride[c], first);
    }
}

INLINED void encoded_strip(const Picture *p, int strip, int bytes) {
    int top = strip * STRIP, bottom = least(top + STRIP, chroma_height(p)), wide = chroma_width(p);
    for (int first = 0; first < wide; first += BLOCK >> p->halved[0]) {
        int count = least(BLOCK >> p->halved[0], wide - first);
        if (p->yuv)
            encoded_block(p, top, bottom, first, count, bytes);
        else
            encoded_plain(p, top, bottom, first, count, bytes);
    }
}

BY_BYTES(encode_strip, encoded_strip)

/* rgb: pixels one after the other (step 3) or planes (step 1). */
EXPORTED void alanet_encode(const Picture *p) {
    int strips = (chroma_height(p) + STRIP - 1) / STRIP;
    team_rows(p->threads, 0, strips, (long)p->height * p->width, encode_strip, p);
}
