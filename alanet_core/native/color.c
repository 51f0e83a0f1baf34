/* Planes as a host holds them -> RGB and back (alanet_core/color), in one pass over the picture: some columns at a time
 * are unpacked, interpolated and mixed while they lie in the nearest cache. Chroma grids of one step or none.
 *
 * The filters are those of alanet_core/color/chroma.py, there as lifting steps, here written out: beyond its edges a
 * picture's first and last samples go on; the half group at the end of an odd length is what the line through the last
 * two gives. */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "targets.h"
#include "team.h"
#include "vectors.h"

enum {
    BLOCK = 128, /* columns of luma at a time that are made RGB */
    WIDE = 1024, /* ... that RGB is made into planes, row by row: memory is read ahead along a row */
    STRIP = 16,  /* chroma rows that are made at a time */
    BACK = 2,    /* samples of luma before the one that a chroma sample belongs to, which its filter may read */
    TAPS = 6,    /* from there on */
    HELD = 8,    /* rows of differences, TAPS at least */
    COLUMNS = WIDE + 8, /* of which filters read TAPS - 2 beside the block, and eights the rest */
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

/* Eight pixels -> eight numbers of each color. */
INLINED void thirds(const float *from, float *red, float *green, float *blue) {
    Eight ends = FOURS(from, from + 12), middle = FOURS(from + 4, from + 16), last = FOURS(from + 8, from + 20);
    /* In each half: r g b r, g b r g, b r g b. */
    Eight low = __builtin_shufflevector(ends, middle, 1, 2, 8, 9, 5, 6, 12, 13);   /* g0 b0 g1 b1 */
    Eight high = __builtin_shufflevector(middle, last, 2, 3, 9, 10, 6, 7, 13, 14); /* r2 g2 r3 g3 */
    *(Loose *)red = __builtin_shufflevector(ends, high, 0, 3, 8, 10, 4, 7, 12, 14);
    *(Loose *)green = __builtin_shufflevector(low, high, 0, 2, 9, 11, 4, 6, 13, 15);
    *(Loose *)blue = __builtin_shufflevector(low, last, 1, 3, 8, 11, 5, 7, 12, 15);
}

/* A block's pixels of a row as three lines of numbers. */
INLINED void colors_of(const Picture *p, int y, int first, int count, float (*restrict to)[COLUMNS]) {
    const float *from = p->rgb + y * p->line + first * p->step;
    if (p->step == 1) {
        for (int c = 0; c < 3; c++)
            memcpy(to[c], from + c * p->channel, (size_t)count * sizeof *from);
        return;
    }
    for (int x = 0; count >= 8 && x < count; x += 8) {
        int at = least(x, count - 8); /* the last eight may be done twice */
        thirds(from + 3 * at, &to[0][at], &to[1][at], &to[2][at]);
    }
    for (int x = 0; count < 8 && x < count; x++)
        for (int c = 0; c < 3; c++)
            to[c][x] = from[3 * x + c];
}

/* From ... to - 1 of an axis: what is wanted, with what filters read around it, and so much of that as there is. */
typedef struct {
    int low, high, begin, end;
} Span;

INLINED Span around(int halved, int first, int count, int length) {
    int low = halved ? 2 * first - BACK : first, high = halved ? 2 * (first + count - 1) - BACK + TAPS : first + count;
    return (Span){low, high, most(low, 0), least(high, length)};
}

/* How far beyond the last sample that place lies, for this length. */
INLINED float further(int site, int length) { return length % 2 && length > 1 ? BEYOND[site] : 0; }

/* Samples low ... high - 1 of so many, of which those are there that can be -> all of them. */
INLINED void extend(float *samples, Span s, int site, int length) {
    float first = samples[s.begin - s.low], *last = samples + (s.end - 1 - s.low), beyond = further(site, length);
    float after = beyond ? *last + beyond * (*last - last[-1]) : *last;
    for (int i = s.low; i < s.begin; i++)
        samples[i - s.low] = first;
    for (int i = s.end; i < s.high; i++)
        samples[i - s.low] = after;
}

/* A row's difference at all columns -> at every chroma sample of a block, eight at a time. */
INLINED void halve_row(const float *weights, const float *from, int count, float *restrict to) {
    for (int x = 0; x < count; x += 8) {
        Eight sum;
#pragma GCC unroll 3
        for (int k = 0; k < TAPS; k += 2) {
            const float *at = from + 2 * x + k;
            Eight low = FOURS(at, at + 8), high = FOURS(at + 4, at + 12);
            Eight even = __builtin_shufflevector(low, high, 0, 2, 8, 10, 4, 6, 12, 14);
            Eight odd = __builtin_shufflevector(low, high, 1, 3, 9, 11, 5, 7, 13, 15);
            sum = (k ? sum + weights[k] * even : weights[k] * even) + weights[k + 1] * odd;
        }
        *(Loose *)(to + x) = sum;
    }
}

/* Row y: luma that belongs to chroma samples first ... first + count - 1, if it is wanted, and the two differences at
 * these. */
INLINED void encoded_row(const Picture *p, int y, int wanted, int first, int count, int bytes, float *restrict *made) {
    float signals[LUMA + 1][COLUMNS], difference[COLUMNS + 2 * 8];
    int across = p->halved[0], begin = first << across, own = least((first + count) << across, p->width) - begin;
    Span columns = around(across, first, count, p->width);
    int there = columns.end - columns.begin;
    colors_of(p, y, columns.begin, there, signals);
    for (int x = 0; x < there; x += 8)
        *(Loose *)(signals[LUMA] + x) = EIGHT(signals[0] + x) * p->luma[0] + EIGHT(signals[1] + x) * p->luma[1] +
                                        EIGHT(signals[2] + x) * p->luma[2];
    if (wanted)
        pack(signals[LUMA] + (begin - columns.begin), own, bytes, p->zero[0], p->span[0], p->peak,
             p->plane[0] + y * p->stride[0], begin);
    for (int k = 0; k < 2; k++) {
        const float *plus = signals[p->plus[k]], *minus = signals[p->minus[k]];
        float *restrict to = across ? difference + (columns.begin - columns.low) : made[k];
        for (int x = 0; x < there; x += 8)
            *(Loose *)(to + x) = (EIGHT(plus + x) - EIGHT(minus + x)) * p->scale[k];
        if (across) {
            extend(difference, columns, p->site[0], p->width);
            halve_row(HALVING[p->site[0]], difference, count, made[k]);
        }
    }
}

/* The difference at chroma row i from the rows of it that are held; what lies beyond the edges goes on from there. */
INLINED void halve_rows(const Picture *p, float (*held)[WIDE], int i, int count, float *restrict to) {
    const float *weights = HALVING[p->site[1]], *line[TAPS];
    float after[WIDE], beyond = further(p->site[1], p->height);
    int last = p->height - 1;
    for (int t = 0; t < TAPS; t++) {
        int y = 2 * i - BACK + t;
        line[t] = y > last && beyond ? after : held[most(least(y, last), 0) % HELD];
    }
    if (line[TAPS - 1] == after) {
        const float *end = held[last % HELD], *before = held[(last - 1) % HELD];
        for (int x = 0; x < count; x++)
            after[x] = end[x] + beyond * (end[x] - before[x]);
    }
    for (int x = 0; x < count; x += 8)
        *(Loose *)(to + x) = weights[0] * EIGHT(line[0] + x) + weights[1] * EIGHT(line[1] + x) +
                             weights[2] * EIGHT(line[2] + x) + weights[3] * EIGHT(line[3] + x) +
                             weights[4] * EIGHT(line[4] + x) + weights[5] * EIGHT(line[5] + x);
}

/* Chroma samples of rows top ... bottom - 1 in columns first ... first + count - 1, and the luma that belongs to them. */
INLINED void encoded_block(const Picture *p, int top, int bottom, int first, int count, int bytes) {
    float held[2][HELD][WIDE], sum[WIDE];
    int down = p->halved[1], y = around(down, top, bottom - top, p->height).begin;
    for (int i = top; i < bottom; i++) {
        for (int end = around(down, i, 1, p->height).end; y < end; y++) {
            float *made[2] = {held[0][y % HELD], held[1][y % HELD]};
            encoded_row(p, y, y >= top << down && y < bottom << down, first, count, bytes, made);
        }
        for (int k = 0; k < 2; k++) {
            if (down)
                halve_rows(p, held[k], i, count, sum);
            pack(down ? sum : held[k][i % HELD], count, bytes, p->zero[1], p->span[1], p->peak,
                 p->plane[1 + k] + i * p->stride[1 + k], first);
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

/* In blocks of about the same width. */
INLINED void encoded_strip(const Picture *p, int strip, int bytes) {
    int top = strip * STRIP, bottom = least(top + STRIP, chroma_height(p)), wide = chroma_width(p);
    int most_wide = WIDE >> p->halved[0], blocks = (wide + most_wide - 1) / most_wide;
    int each = ((wide + blocks - 1) / blocks + 7) / 8 * 8;
    for (int first = 0; first < wide; first += each) {
        int count = least(each, wide - first);
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
