/* SPDX-License-Identifier: MIT
 *
 * Order statistics: the p-th is that of the sorted samples at p (count - 1), between two neighbours
 * by proportion.
 */
#include "sample_stats.h"

#include <stdlib.h>

static int ascending(const void *left, const void *right)
{
    double a = *(const double *)left;
    double b = *(const double *)right;
    return a < b ? -1 : a > b;
}

void sample_sort(double *samples, size_t count)
{
    qsort(samples, count, sizeof *samples, ascending);
}

double sample_quantile(const double *sorted, size_t count, double share)
{
    double place = share * (double)(count - 1u);
    size_t below = (size_t)place;
    size_t above = below + 1u < count ? below + 1u : below;
    return sorted[below] + (place - (double)below) * (sorted[above] - sorted[below]);
}

sample_stats sample_stats_of(double *samples, size_t count)
{
    sample_stats stats = {count, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0};
    if (count == 0u) {
        return stats;
    }
    sample_sort(samples, count);
    for (size_t i = 0; i < count; i++) {
        stats.mean += samples[i] / (double)count;
    }
    stats.median = sample_quantile(samples, count, 0.5);
    stats.least = samples[0];
    stats.p10 = sample_quantile(samples, count, 0.1);
    stats.p90 = sample_quantile(samples, count, 0.9);
    stats.most = samples[count - 1u];
    return stats;
}
