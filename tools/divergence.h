/* SPDX-License-Identifier: MIT
 *
 * How far the next-token distributions of a recipe are from those of f16.
 */
#ifndef KVANT_TOOLS_DIVERGENCE_H
#define KVANT_TOOLS_DIVERGENCE_H

#include <stddef.h>
#include <stdint.h>

#include "tool_error.h"

typedef struct {
    double *values; /* KL(base || other) of each position, in nats */
    size_t count;
    size_t capacity;
    size_t same_top;
} divergence;

void divergence_init(divergence *d);
void divergence_release(divergence *d);
int divergence_add(divergence *d, const float *base, const float *other, uint32_t vocab_size,
                   tool_error *error);

/* 0 without positions. */
double divergence_mean(const divergence *d);
/* The smallest value that at least 99 % of the positions do not exceed; sorts the values. */
double divergence_p99(divergence *d);
/* Share of positions where both prefer the same token; 1 without positions. */
double divergence_same_top(const divergence *d);

#endif
