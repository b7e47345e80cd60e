/* SPDX-License-Identifier: MIT
 *
 * Confidence intervals by resampling, the same on every machine.
 */
#ifndef KVANT_TOOLS_BOOTSTRAP_H
#define KVANT_TOOLS_BOOTSTRAP_H

#include <stddef.h>
#include <stdint.h>

#include "tool_error.h"

/* A figure and the range that 95 % of the resamples fall into. */
typedef struct {
    double value;
    double low;
    double high;
    int has_interval;
} estimate;

typedef struct {
    uint32_t resamples; /* 0: no intervals */
    uint64_t seed;
} bootstrap_plan;

/*
 * sum(above) / sum(below) over `count` units, with the 2.5 % and 97.5 % percentiles of the same ratio
 * over units drawn with replacement. Equal seeds and counts draw equal units, so that a difference
 * unit by unit is a paired comparison. Fewer than two units have no interval. The sum of any units of
 * `below` must be positive.
 */
int bootstrap_ratio(const double *above, const double *below, size_t count,
                    const bootstrap_plan *plan, estimate *out_estimate, tool_error *error);

#endif
