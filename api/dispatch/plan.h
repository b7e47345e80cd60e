/* SPDX-License-Identifier: MIT
 *
 * The grid of each launch: a pure function of the kernel, its parameters and the device's limits.
 */
#ifndef KVANT_DISPATCH_PLAN_H
#define KVANT_DISPATCH_PLAN_H

#include "backend.h"

/* Fills out_groups for a launch. Returns 0 when the launch exceeds the device's limits. A launch
 * with nothing to do gets 0 groups. */
int kvant_plan_groups(kvant_kernel kernel, const void *params, const kvant_backend_limits *limits,
                      uint32_t out_groups[3]);

#endif
