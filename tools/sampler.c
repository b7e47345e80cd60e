/* SPDX-License-Identifier: MIT
 *
 * Greedy and nucleus (top-p) sampling.
 */
#include "sampler.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "tool_random.h"

int sampler_create(uint32_t vocab_size, double temperature, double top_p, uint64_t seed,
                   sampler *out_sampler, tool_error *error)
{
    *out_sampler = (sampler){vocab_size, temperature, top_p, seed, NULL};
    out_sampler->candidates = calloc(vocab_size, sizeof *out_sampler->candidates);
    return out_sampler->candidates != NULL ? 0 : tool_error_memory(error);
}

void sampler_release(sampler *s)
{
    free(s->candidates);
    memset(s, 0, sizeof *s);
}

uint32_t sampler_most_likely(const float *logits, uint32_t vocab_size)
{
    uint32_t best = 0;
    for (uint32_t i = 1; i < vocab_size; i++) {
        if (logits[i] > logits[best]) {
            best = i;
        }
    }
    return best;
}

/* A number in [0, 1), of 53 bits. */
static double draw(sampler *s)
{
    return (double)(tool_random_next(&s->state) >> 11) * 0x1p-53;
}

/* Most likely first, the lower token first among equals. */
static int compare_candidates(const void *left, const void *right)
{
    const sampler_candidate *a = left;
    const sampler_candidate *b = right;
    if (a->probability != b->probability) {
        return a->probability > b->probability ? -1 : 1;
    }
    return a->token < b->token ? -1 : a->token > b->token;
}

uint32_t sampler_next(sampler *s, const float *logits)
{
    uint32_t best = sampler_most_likely(logits, s->vocab_size);
    if (s->temperature == 0.0) {
        return best;
    }
    double sum = 0.0;
    for (uint32_t i = 0; i < s->vocab_size; i++) {
        double weight = exp(((double)logits[i] - (double)logits[best]) / s->temperature);
        s->candidates[i] = (sampler_candidate){(float)weight, i};
        sum += (double)s->candidates[i].probability;
    }
    qsort(s->candidates, s->vocab_size, sizeof *s->candidates, compare_candidates);

    /* The smallest set of the most likely tokens that reaches top_p. */
    double nucleus = 0.0;
    uint32_t count = 0;
    while (count < s->vocab_size && (count == 0u || nucleus < s->top_p * sum)) {
        nucleus += (double)s->candidates[count++].probability;
    }
    double target = draw(s) * nucleus;
    double reached = 0.0;
    for (uint32_t i = 0; i < count; i++) {
        reached += (double)s->candidates[i].probability;
        if (target < reached) {
            return s->candidates[i].token;
        }
    }
    return s->candidates[count - 1u].token;
}
