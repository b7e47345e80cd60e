/* SPDX-License-Identifier: MIT
 *
 * The matrix product of the CPU transformer. The order of every sum is fixed, whatever the number
 * of rows, so a token gives the same numbers alone and within a batch.
 */
#ifndef KVANT_TOOLS_MATMUL_H
#define KVANT_TOOLS_MATMUL_H

#include <stddef.h>

/* out[row][output] = sum over inner of x[row][inner] * w[output][inner] */
void matmul(float *out, const float *x, const float *w, size_t rows, size_t inner, size_t outputs);

#endif
