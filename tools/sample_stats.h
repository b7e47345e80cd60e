/* SPDX-License-Identifier: MIT
 *
 * Medians and spreads of samples.
 */
#ifndef KVANT_TOOLS_SAMPLE_STATS_H
#define KVANT_TOOLS_SAMPLE_STATS_H

#include <stddef.h>

typedef struct {
    size_t count;
    double median;
    double least;
    double p10;
    double p90;
    double most;
    double mean;
} sample_stats;

/* Sorts the samples. All zeros where there are none. */
sample_stats sample_stats_of(double *samples, size_t count);

void sample_sort(double *samples, size_t count);
/* The sample that a share of the others lies below, between two neighbours by proportion. */
double sample_quantile(const double *sorted, size_t count, double share);

#endif
