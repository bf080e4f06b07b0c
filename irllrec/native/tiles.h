/* A tile: the exponentials of ROWS queries' products with TILE rows of a table, in the first-level cache. */

#ifndef IRLLREC_TILES_H
#define IRLLREC_TILES_H

#include "vectors.h"

#define PANEL (2 * LANES) /* table rows whose products are formed together */
#define TILE (8 * PANEL)  /* table rows whose exponentials are kept at a time */

#define UNROLLED _Pragma("GCC unroll 16")

static inline vec all(float value) { return value - (vec){0}; }

static inline vec at_least(vec value, float least)
{
    ivec below = value < least;
    return (vec)((below & (ivec)all(least)) | (~below & (ivec)value));
}

/* exp(x) for -87 <= x <= 88 within 2 units of the last place: 2^n * exp(r) with |r| <= ln(2) / 2. */
static inline vec exponential(vec x)
{
    const float shifter = 12582912.0f; /* 1.5 * 2^23: adding it rounds to a whole number */
    vec shifted = x * 1.44269504088896341f + shifter;
    vec n = shifted - shifter;
    vec r = x - n * 0.693359375f;
    r = r + n * 2.12194440e-4f;
    vec p = r * 1.9875691500e-4f + 1.3981999507e-3f;
    p = p * r + 8.3334519073e-3f;
    p = p * r + 4.1665795894e-2f;
    p = p * r + 1.6666665459e-1f;
    p = p * r + 5.0000001201e-1f;
    p = p * (r * r) + r + 1.0f;
    return (vec)((ivec)p + ((ivec)shifted << 23));
}

/* Form a tile; its sums, weighted by the rows' counts, are added to ``sums``.

   queries: (ROWS, width); shifts: what is taken from each query's exponents, or null for nothing, where products
   lie within +-87; panels: as pack() left them; counts: (TILE). ``products``, where given, takes the exponents.
   ``other``, where given, holds those of other queries, and ``means`` takes their sums weighted by this tile. */
static inline void exponentiate(const float *queries, const float *shifts, const float *panels,
                                const float *counts, int64_t width, float *tile, double *sums,
                                float *products, const float *other, double *means)
{
    vec totals[ROWS], others[ROWS];
    UNROLLED for (int r = 0; r < ROWS; r++) totals[r] = others[r] = (vec){0};
    for (int64_t start = 0; start < TILE; start += PANEL) {
        const float *panel = panels + start * width;
        vec low[ROWS], high[ROWS];
        UNROLLED for (int r = 0; r < ROWS; r++) low[r] = high[r] = all(shifts ? -shifts[r] : 0.0f);
        for (int64_t k = 0; k < width; k++) {
            vec first = load(panel + k * PANEL), second = load(panel + k * PANEL + LANES);
            UNROLLED for (int r = 0; r < ROWS; r++)
            {
                low[r] += queries[r * width + k] * first;
                high[r] += queries[r * width + k] * second;
            }
        }
        vec low_count = load(counts + start), high_count = load(counts + start + LANES);
        UNROLLED for (int r = 0; r < ROWS; r++)
        {
            int64_t place = r * TILE + start;
            vec first = exponential(shifts ? at_least(low[r], -87.0f) : low[r]);
            vec second = exponential(shifts ? at_least(high[r], -87.0f) : high[r]);
            store(tile + place, first);
            store(tile + place + LANES, second);
            first *= low_count;
            second *= high_count;
            totals[r] += first + second;
            if (products) {
                store(products + place, low[r]);
                store(products + place + LANES, high[r]);
            }
            if (other) others[r] += first * load(other + place) + second * load(other + place + LANES);
        }
    }
    for (int r = 0; r < ROWS; r++)
        for (int lane = 0; lane < LANES; lane++) {
            sums[r] += (double)totals[r][lane];
            if (other) means[r] += (double)others[r][lane];
        }
}

/* drawn[r,:] += sum_j tile[r,j] * table[j,:] */
static inline void draw(const float *tile, const float *table, int64_t width, float *drawn)
{
    for (int64_t chunk = 0; chunk < width; chunk += PANEL) {
        vec low[ROWS], high[ROWS];
        UNROLLED for (int r = 0; r < ROWS; r++)
        {
            low[r] = load(drawn + r * width + chunk);
            high[r] = load(drawn + r * width + chunk + LANES);
        }
        for (int64_t j = 0; j < TILE; j++) {
            vec first = load(table + j * width + chunk), second = load(table + j * width + chunk + LANES);
            UNROLLED for (int r = 0; r < ROWS; r++)
            {
                low[r] += tile[r * TILE + j] * first;
                high[r] += tile[r * TILE + j] * second;
            }
        }
        UNROLLED for (int r = 0; r < ROWS; r++)
        {
            store(drawn + r * width + chunk, low[r]);
            store(drawn + r * width + chunk + LANES, high[r]);
        }
    }
}

/* pushed[j,:] += sum_r tile[r,j] * queries[r,:] */
static inline void push(const float *tile, const float *queries, int64_t width, float *pushed)
{
    for (int64_t chunk = 0; chunk < width; chunk += PANEL) {
        vec low[ROWS], high[ROWS];
        UNROLLED for (int r = 0; r < ROWS; r++)
        {
            low[r] = load(queries + r * width + chunk);
            high[r] = load(queries + r * width + chunk + LANES);
        }
        for (int64_t j = 0; j < TILE; j++) {
            float *to = pushed + j * width + chunk;
            vec first = load(to), second = load(to + LANES);
            UNROLLED for (int r = 0; r < ROWS; r++)
            {
                first += tile[r * TILE + j] * low[r];
                second += tile[r * TILE + j] * high[r];
            }
            store(to, first);
            store(to + LANES, second);
        }
    }
}

#endif
