/* SPDX-License-Identifier: MIT
 *
 * Chooses the next token: the most likely one, or one drawn from the nucleus of the distribution.
 * The same seed gives the same draws on every machine.
 */
#ifndef KVANT_TOOLS_SAMPLER_H
#define KVANT_TOOLS_SAMPLER_H

#include <stdint.h>

#include "tool_error.h"

typedef struct {
    float probability;
    uint32_t token;
} sampler_candidate;

typedef struct {
    uint32_t vocab_size;
    double temperature; /* 0: the most likely token */
    double top_p;       /* 1: all tokens */
    uint64_t state;
    sampler_candidate *candidates;
} sampler;

int sampler_create(uint32_t vocab_size, double temperature, double top_p, uint64_t seed,
                   sampler *out_sampler, tool_error *error);
void sampler_release(sampler *s);

uint32_t sampler_next(sampler *s, const float *logits);

/* The first of the largest. */
uint32_t sampler_most_likely(const float *logits, uint32_t vocab_size);

#endif
