/* SPDX-License-Identifier: MIT
 *
 * Kullback-Leibler divergence of logits, in double precision.
 */
#include "divergence.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "sample_stats.h"
#include "sampler.h"

void divergence_init(divergence *d)
{
    memset(d, 0, sizeof *d);
}

void divergence_release(divergence *d)
{
    free(d->values);
    memset(d, 0, sizeof *d);
}

/* log of the sum of the exponentials */
static double log_sum(const float *logits, uint32_t count)
{
    double largest = (double)logits[sampler_most_likely(logits, count)];
    double sum = 0.0;
    for (uint32_t i = 0; i < count; i++) {
        sum += exp((double)logits[i] - largest);
    }
    /* cppcheck-suppress invalidFunctionArg ; the largest logit alone makes the sum 1 or NaN */
    return largest + log(sum);
}

double logits_surprise(const float *logits, uint32_t vocab_size, uint32_t token)
{
    return log_sum(logits, vocab_size) - (double)logits[token];
}

int divergence_add(divergence *d, const float *base, const float *other, uint32_t vocab_size,
                   tool_error *error)
{
    if (d->count == d->capacity) {
        size_t capacity = d->capacity != 0u ? 2u * d->capacity : 256u;
        double *values = realloc(d->values, capacity * sizeof *values);
        if (values == NULL) {
            return tool_error_memory(error);
        }
        d->values = values;
        d->capacity = capacity;
    }
    double base_sum = log_sum(base, vocab_size);
    double other_sum = log_sum(other, vocab_size);
    double value = 0.0;
    for (uint32_t i = 0; i < vocab_size; i++) {
        double base_log = (double)base[i] - base_sum;
        value += exp(base_log) * (base_log - ((double)other[i] - other_sum));
    }
    if (!isfinite(value)) {
        return tool_error_input(error,
                                "the model's logits are not finite: its weights are too large");
    }
    d->values[d->count++] = value > 0.0 ? value : 0.0; /* below 0 is rounding alone */
    d->same_top += sampler_most_likely(base, vocab_size) == sampler_most_likely(other, vocab_size);
    return 0;
}

double divergence_mean(const divergence *d)
{
    double sum = 0.0;
    for (size_t i = 0; i < d->count; i++) {
        sum += d->values[i];
    }
    return d->count != 0u ? sum / (double)d->count : 0.0;
}

double divergence_percentile(divergence *d, size_t percent)
{
    if (d->count == 0u) {
        return 0.0;
    }
    sample_sort(d->values, d->count);
    size_t rank = (d->count * percent + 99u) / 100u;
    return d->values[rank != 0u ? rank - 1u : 0u];
}

double divergence_same_top(const divergence *d)
{
    return d->count != 0u ? (double)d->same_top / (double)d->count : 1.0;
}
