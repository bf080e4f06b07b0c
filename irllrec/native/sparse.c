/* Products over the edges of a graph in compressed rows (CSR). Every result is computed by one thread in
   the order of its row's entries, so the number of threads does not change a bit of it. */

#include "vectors.h"

#define AHEAD 8 /* entries whose rows are fetched before they are needed */

/* P[r,:] = sum over the entries e of row r of values[e] * nodes[columns[e],:], rows first..last-1, and
   total = added + P, while P is in registers. `product` or `added` with `total` may be null; total may be added. */
void sparse_product(const int32_t *row_starts, const int32_t *columns, const float *values, const float *nodes,
                    int64_t width, int64_t first, int64_t last, float *product, const float *added, float *total)
{
    const int64_t end = row_starts[last];
    for (int64_t row = first; row < last; row++) {
        const int64_t at = row * width;
        int64_t chunk = 0;
        for (; chunk + 2 * LANES <= width; chunk += 2 * LANES) {
            vec low = {0}, high = {0};
            for (int64_t e = row_starts[row]; e < row_starts[row + 1]; e++) {
                const float *from = nodes + columns[e] * width + chunk;
                if (e + AHEAD < end) __builtin_prefetch(nodes + columns[e + AHEAD] * width + chunk);
                low += values[e] * load(from);
                high += values[e] * load(from + LANES);
            }
            if (product) {
                store(product + at + chunk, low);
                store(product + at + chunk + LANES, high);
            }
            if (added) {
                store(total + at + chunk, load(added + at + chunk) + low);
                store(total + at + chunk + LANES, load(added + at + chunk + LANES) + high);
            }
        }
        for (; chunk < width; chunk++) {
            float sum = 0.0f;
            for (int64_t e = row_starts[row]; e < row_starts[row + 1]; e++)
                sum += values[e] * nodes[columns[e] * width + chunk];
            if (product) product[at + chunk] = sum;
            if (added) total[at + chunk] = added[at + chunk] + sum;
        }
    }
}

/* out[e] = left[r,:] . right[columns[e],:] for every entry e of the rows r = first..last-1. */
void edge_products(const int32_t *row_starts, const int32_t *columns, const float *left, const float *right,
                   int64_t width, int64_t first, int64_t last, float *out)
{
    const int64_t end = row_starts[last];
    for (int64_t row = first; row < last; row++) {
        const float *mine = left + row * width;
        for (int64_t e = row_starts[row]; e < row_starts[row + 1]; e++) {
            const float *other = right + columns[e] * width;
            if (e + AHEAD < end) __builtin_prefetch(right + columns[e + AHEAD] * width);
            vec totals = {0};
            int64_t k = 0;
            for (; k + LANES <= width; k += LANES) totals += load(mine + k) * load(other + k);
            float total = 0.0f;
            for (; k < width; k++) total += mine[k] * other[k];
            for (int lane = 0; lane < LANES; lane++) total += totals[lane];
            out[e] = total;
        }
    }
}
