/* SPDX-License-Identifier: MIT
 *
 * Each dot product is eight strided sums and a fixed tree: that vectorises without reordering, and
 * four rows share each load of a weight.
 */
#include "matmul.h"

#define LANES 8u
#define ROWS 4u

static float tree(const float *sums)
{
    return ((sums[0] + sums[4]) + (sums[2] + sums[6])) +
           ((sums[1] + sums[5]) + (sums[3] + sums[7]));
}

static void dot_rows(float *out, size_t out_stride, const float *restrict x, size_t x_stride,
                     const float *restrict w, size_t inner)
{
    float sums[ROWS][LANES] = {{0.0f}};
    size_t i = 0;
    for (; i + LANES <= inner; i += LANES) {
        for (size_t row = 0; row < ROWS; row++) {
            for (size_t lane = 0; lane < LANES; lane++) {
                sums[row][lane] += x[row * x_stride + i + lane] * w[i + lane];
            }
        }
    }
    for (; i < inner; i++) {
        for (size_t row = 0; row < ROWS; row++) {
            sums[row][i % LANES] += x[row * x_stride + i] * w[i];
        }
    }
    for (size_t row = 0; row < ROWS; row++) {
        out[row * out_stride] = tree(sums[row]);
    }
}

static float dot(const float *restrict x, const float *restrict w, size_t inner)
{
    float sums[LANES] = {0.0f};
    size_t i = 0;
    for (; i + LANES <= inner; i += LANES) {
        for (size_t lane = 0; lane < LANES; lane++) {
            sums[lane] += x[i + lane] * w[i + lane];
        }
    }
    for (; i < inner; i++) {
        sums[i % LANES] += x[i] * w[i];
    }
    return tree(sums);
}

void matmul(float *out, const float *x, const float *w, size_t rows, size_t inner, size_t outputs)
{
    size_t row = 0;
    for (; row + ROWS <= rows; row += ROWS) {
        for (size_t output = 0; output < outputs; output++) {
            dot_rows(out + row * outputs + output, outputs, x + row * inner, inner,
                     w + output * inner, inner);
        }
    }
    for (; row < rows; row++) {
        for (size_t output = 0; output < outputs; output++) {
            out[row * outputs + output] = dot(x + row * inner, w + output * inner, inner);
        }
    }
}
