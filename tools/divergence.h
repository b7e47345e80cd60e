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

/* -log of the probability that the logits give `token`, in nats. */
double logits_surprise(const float *logits, uint32_t vocab_size, uint32_t token);

/* 0 without positions. */
double divergence_mean(const divergence *d);
/* The smallest value that at least `percent` % of the positions do not exceed; sorts the values. */
double divergence_percentile(divergence *d, size_t percent);
/* Share of positions where both prefer the same token; 1 without positions. */
double divergence_same_top(const divergence *d);

#endif
