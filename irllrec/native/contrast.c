/* Softmax losses over a table, and what their gradients draw and push, in one pass over blocks of queries:

     e[r,j] = exp(queries[r] . table[j] - shifts[r]),   sums[r] = sum_j counts[j] * e[r,j]
     drawn[r,:] = sum_j g[r,j] * table[j,:],            pushed[j,:] = sum_r g[r,j] * queries[r,:]

   with g[r,j], the gradient of the loss by the product, known as soon as the row's sum is. So the exponentials of a
   block of queries are kept, in ``scratch``, until then, and each is formed once. No queries x table array is kept.

   Rows of ``drawn`` are summed over the table in its order by one thread; rows of ``pushed`` over the queries first..last-1
   in their order: give every thread parts of its own and add them up in order, and the number of threads changes no bit. */

#include "tiles.h"

#define BLOCK (8 * ROWS)        /* queries whose exponentials are kept at most */
#define SCRATCH (1 << 22)       /* floats that they may fill, unless one group of queries needs more */

/* Multiples that numbers of queries, of table rows, and widths are padded to. */
int64_t query_padding(void) { return ROWS; }
int64_t table_padding(void) { return TILE; }
int64_t width_padding(void) { return PANEL; }

static int64_t block_rows(int64_t table_rows, int64_t sides)
{
    int64_t rows = SCRATCH / (table_rows * sides) / ROWS * ROWS;
    return rows < ROWS ? ROWS : rows > BLOCK ? BLOCK : rows;
}

/* Floats of scratch that ``sides`` exponentials a pair need: 1 for contrast(), 2 for distil(). */
int64_t scratch_size(int64_t table_rows, int64_t sides)
{
    return block_rows(table_rows, sides) * table_rows * sides;
}

/* Store padded table rows first..last-1, whole panels: PANEL rows side by side, entry by entry. */
void pack(const float *table, int64_t width, int64_t first, int64_t last, float *panels)
{
    for (int64_t start = first; start < last; start += PANEL)
        for (int64_t k = 0; k < width; k++)
            for (int64_t lane = 0; lane < PANEL; lane++)
                panels[start * width + k * PANEL + lane] = table[(start + lane) * width + k];
}

/* Where the tile of the ``group``-th queries of a block and of the table rows from ``start`` on lies in scratch. */
static inline float *tile_of(float *scratch, int64_t group, int64_t start, int64_t table_rows)
{
    return scratch + group * ROWS * table_rows + start * ROWS;
}

/* g of a contrast, g[r,j] = counts[j] * factors[r] * e[r,j], or of a distillation, which takes the teacher's from it. */
static inline void share(const float *tile, const float *teacher, const float *counts, const double *factors,
                         const double *teacher_factors, float *shares)
{
    UNROLLED for (int r = 0; r < ROWS; r++)
        for (int64_t j = 0; j < TILE; j += LANES) {
            vec mine = (float)factors[r] * load(tile + r * TILE + j);
            if (teacher) mine -= (float)teacher_factors[r] * load(teacher + r * TILE + j);
            store(shares + r * TILE + j, mine * load(counts + j));
        }
}

/* The sums, and where ``drawn`` is not null the gradients, of queries first..last-1, whole groups of ROWS.

   queries, drawn: (row, width); shifts: (row) or null; panels: as pack() left them; table, pushed: (padded row, width);
   counts: (padded row), 0 for padding; sums: (row). g is counts * e * weights / (sums + floor), with a floor times
   s / (s + floor) for s = positives / (sums + floor), ``positives`` being the exponentials of the rows' positives. */
void contrast(const float *queries, const float *shifts, int64_t first, int64_t last, int64_t width,
              const float *panels, const float *table, const float *counts, int64_t table_rows,
              const float *weights, const float *positives, double floor, float *scratch, double *sums,
              float *drawn, float *pushed)
{
    float shares[ROWS * TILE] __attribute__((aligned(64)));
    const int64_t rows = block_rows(table_rows, 1);
    for (int64_t block = first; block < last; block += rows) {
        const int64_t stop = block + rows < last ? block + rows : last;
        for (int64_t start = 0; start < table_rows; start += TILE)
            for (int64_t row = block; row < stop; row += ROWS) {
                const float *group = queries + row * width, *part = panels + start * width;
                float *tile = tile_of(scratch, (row - block) / ROWS, start, table_rows);
                if (shifts)
                    exponentiate(group, shifts + row, part, counts + start, width, tile, sums + row, 0, 0, 0);
                else
                    exponentiate(group, 0, part, counts + start, width, tile, sums + row, 0, 0, 0);
            }
        if (!drawn) continue;
        double factors[BLOCK];
        for (int64_t row = block; row < stop; row++) {
            double whole = sums[row] + floor, positive = floor ? positives[row] / whole : 1.0;
            factors[row - block] = weights[row] / whole * (positive / (positive + floor));
        }
        for (int64_t start = 0; start < table_rows; start += TILE)
            for (int64_t row = block; row < stop; row += ROWS) {
                const float *tile = tile_of(scratch, (row - block) / ROWS, start, table_rows);
                share(tile, 0, counts + start, factors + (row - block), 0, shares);
                draw(shares, table + start * width, width, drawn + row * width);
                push(shares, queries + row * width, width, pushed + start * width);
            }
    }
}

/* The same for the cross-entropy of softmax(queries . table) under softmax(teachers . teacher table): g is the
   difference of the two. ``means`` takes the sums of the student's exponents weighted by the teacher's exponentials. */
void distil(const float *queries, const float *teachers, int64_t first, int64_t last, int64_t width,
            const float *panels, const float *teacher_panels, const float *table, const float *counts,
            int64_t table_rows, float *scratch, double *sums, double *teacher_sums, double *means, float *drawn,
            float *pushed)
{
    float shares[ROWS * TILE] __attribute__((aligned(64))), *products = shares;
    const int64_t rows = block_rows(table_rows, 2);
    float *taught = scratch + rows * table_rows;
    for (int64_t block = first; block < last; block += rows) {
        const int64_t stop = block + rows < last ? block + rows : last;
        for (int64_t start = 0; start < table_rows; start += TILE)
            for (int64_t row = block; row < stop; row += ROWS) {
                const int64_t group = (row - block) / ROWS, at = row * width;
                exponentiate(queries + at, 0, panels + start * width, counts + start, width,
                             tile_of(scratch, group, start, table_rows), sums + row, products, 0, 0);
                exponentiate(teachers + at, 0, teacher_panels + start * width, counts + start, width,
                             tile_of(taught, group, start, table_rows), teacher_sums + row, 0, products,
                             means + row);
            }
        double factors[BLOCK], teacher_factors[BLOCK];
        for (int64_t row = block; row < stop; row++) {
            factors[row - block] = 1.0 / sums[row];
            teacher_factors[row - block] = 1.0 / teacher_sums[row];
        }
        for (int64_t start = 0; start < table_rows; start += TILE)
            for (int64_t row = block; row < stop; row += ROWS) {
                const int64_t group = (row - block) / ROWS;
                share(tile_of(scratch, group, start, table_rows), tile_of(taught, group, start, table_rows),
                      counts + start, factors + (row - block), teacher_factors + (row - block), shares);
                draw(shares, table + start * width, width, drawn + row * width);
                push(shares, queries + row * width, width, pushed + start * width);
            }
    }
}
