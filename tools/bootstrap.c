/* SPDX-License-Identifier: MIT
 *
 * The percentile bootstrap (Efron 1979) of a ratio of sums.
 */
#include "bootstrap.h"

#include <stdlib.h>

#include "sample_stats.h"
#include "tool_random.h"

static double resample(const double *above, const double *below, size_t count, uint64_t *state)
{
    double sums[2] = {0.0, 0.0};
    for (size_t i = 0; i < count; i++) {
        size_t unit = (size_t)(((tool_random_next(state) >> 32) * count) >> 32);
        sums[0] += above[unit];
        sums[1] += below[unit];
    }
    return sums[0] / sums[1];
}

int bootstrap_ratio(const double *above, const double *below, size_t count,
                    const bootstrap_plan *plan, estimate *out_estimate, tool_error *error)
{
    double sums[2] = {0.0, 0.0};
    for (size_t i = 0; i < count; i++) {
        sums[0] += above[i];
        sums[1] += below[i];
    }
    *out_estimate = (estimate){sums[0] / sums[1], 0.0, 0.0, 0};
    if (count < 2u || plan->resamples == 0u) {
        return 0;
    }
    double *ratios = calloc(plan->resamples, sizeof *ratios);
    if (ratios == NULL) {
        return tool_error_memory(error);
    }
    uint64_t state = plan->seed;
    for (uint32_t i = 0; i < plan->resamples; i++) {
        ratios[i] = resample(above, below, count, &state);
    }
    sample_sort(ratios, plan->resamples);
    out_estimate->low = sample_quantile(ratios, plan->resamples, 0.025);
    out_estimate->high = sample_quantile(ratios, plan->resamples, 0.975);
    out_estimate->has_interval = 1;
    free(ratios);
    return 0;
}
