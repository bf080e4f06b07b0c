/* Sums of exponentials of dot products, and the values they weight:

     sums[r]       = sum_j counts[j] * exp(queries[r] . table[j] + row_bias[r] + bias[j])
     weighted[r,:] = sum_j counts[j] * exp(queries[r] . table[j] + row_bias[r] + bias[j]) * values[j,:]

   No rows x table array is kept: a tile of exponentials lives in the first-level cache between the
   two products. Every result is computed by one thread in one order, so the number of threads does
   not change a bit of it. */

#include "vectors.h"

#define PANEL (2 * LANES) /* table rows whose products are formed together */
#define TILE (8 * PANEL)  /* table rows whose exponentials are kept at a time */
#define BLOCK (8 * ROWS)  /* queries for which a tile of the table stays in cache */

#define UNROLLED _Pragma("GCC unroll 16")

/* Multiples that numbers of queries, of table rows, and widths are padded to. */
int64_t query_padding(void) { return ROWS; }
int64_t table_padding(void) { return TILE; }
int64_t width_padding(void) { return PANEL; }

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

/* Store padded table rows first..last-1, whole panels: PANEL rows side by side, entry by entry. */
void pack(const float *table, int64_t rows, int64_t width, int64_t padded_width, int64_t first, int64_t last,
          float *panels)
{
    for (int64_t start = first; start < last; start += PANEL) {
        float *to = panels + start * padded_width;
        for (int64_t k = 0; k < padded_width; k++)
            for (int64_t lane = 0; lane < PANEL; lane++) {
                int64_t row = start + lane;
                to[k * PANEL + lane] = row < rows && k < width ? table[row * width + k] : 0.0f;
            }
    }
}

/* Exponentials of ROWS queries against one tile; their sums are added to ``sums``. */
static inline void exponentiate(const float *queries, const float *row_bias, const float *panels,
                                const float *bias, const float *counts, int64_t width, int clamped,
                                float *tile, double *sums)
{
    vec totals[ROWS];
    UNROLLED for (int r = 0; r < ROWS; r++) totals[r] = (vec){0};
    for (int64_t start = 0; start < TILE; start += PANEL) {
        const float *panel = panels + start * width;
        vec low[ROWS], high[ROWS];
        vec low_bias = load(bias + start), high_bias = load(bias + start + LANES);
        UNROLLED for (int r = 0; r < ROWS; r++)
        {
            low[r] = low_bias + row_bias[r];
            high[r] = high_bias + row_bias[r];
        }
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
            vec first = exponential(clamped ? at_least(low[r], -87.0f) : low[r]);
            vec second = exponential(clamped ? at_least(high[r], -87.0f) : high[r]);
            store(tile + r * TILE + start, first);
            store(tile + r * TILE + start + LANES, second);
            totals[r] += first * low_count + second * high_count;
        }
    }
    for (int r = 0; r < ROWS; r++)
        for (int lane = 0; lane < LANES; lane++) sums[r] += (double)totals[r][lane];
}

/* Add the tile's weighted values, which carry their counts already. */
static inline void weigh(const float *tile, const float *values, int64_t width, float *weighted)
{
    for (int64_t chunk = 0; chunk < width; chunk += PANEL) {
        vec low[ROWS], high[ROWS];
        UNROLLED for (int r = 0; r < ROWS; r++)
        {
            low[r] = load(weighted + r * width + chunk);
            high[r] = load(weighted + r * width + chunk + LANES);
        }
        for (int64_t j = 0; j < TILE; j++) {
            vec first = load(values + j * width + chunk), second = load(values + j * width + chunk + LANES);
            UNROLLED for (int r = 0; r < ROWS; r++)
            {
                low[r] += tile[r * TILE + j] * first;
                high[r] += tile[r * TILE + j] * second;
            }
        }
        UNROLLED for (int r = 0; r < ROWS; r++)
        {
            store(weighted + r * width + chunk, low[r]);
            store(weighted + r * width + chunk + LANES, high[r]);
        }
    }
}

/* The sums of queries first..last-1, whole groups of ROWS, against all padded table rows.

   queries, weighted: (row, width); row_bias, sums: (row); panels: as pack() left them; bias, counts:
   (padded row); values: (padded row, width), times their counts; weighted and values may be null. */
void attend(const float *queries, const float *row_bias, int64_t first, int64_t last, int64_t width,
            const float *panels, const float *bias, const float *counts, const float *values,
            int64_t table_rows, int32_t clamped, double *sums, float *weighted)
{
    float tile[ROWS * TILE] __attribute__((aligned(64)));
    for (int64_t block = first; block < last; block += BLOCK) {
        int64_t stop = block + BLOCK < last ? block + BLOCK : last;
        for (int64_t start = 0; start < table_rows; start += TILE)
            for (int64_t row = block; row < stop; row += ROWS) {
                const float *group = queries + row * width, *part = panels + start * width;
                if (clamped)
                    exponentiate(group, row_bias + row, part, bias + start, counts + start, width, 1, tile,
                                 sums + row);
                else
                    exponentiate(group, row_bias + row, part, bias + start, counts + start, width, 0, tile,
                                 sums + row);
                if (values) weigh(tile, values + start * width, width, weighted + row * width);
            }
    }
}
