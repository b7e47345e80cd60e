/* SPDX-License-Identifier: MIT
 *
 * Which of several things nothing else beats.
 */
#ifndef KVANT_TOOLS_PARETO_H
#define KVANT_TOOLS_PARETO_H

#include <stddef.h>

typedef struct {
    double cost; /* the less the better */
    double loss; /* the less the better */
    size_t index;
} pareto_point;

/* Puts the points that are not beaten first, by rising cost, and returns how many there are. A point
 * is beaten by one that is no worse in both and better in one. Of equal points the first stays. */
size_t pareto_line(pareto_point *points, size_t count);

#endif
