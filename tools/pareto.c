/* SPDX-License-Identifier: MIT
 *
 * Sorted by cost, a point is on the line when its loss is below all before it.
 */
#include "pareto.h"

#include <stdlib.h>

static int by_cost(const void *left, const void *right)
{
    const pareto_point *a = left;
    const pareto_point *b = right;
    if (a->cost != b->cost) {
        return a->cost < b->cost ? -1 : 1;
    }
    if (a->loss != b->loss) {
        return a->loss < b->loss ? -1 : 1;
    }
    return a->index < b->index ? -1 : a->index > b->index;
}

size_t pareto_line(pareto_point *points, size_t count)
{
    size_t kept = 0;
    if (count != 0u) {
        qsort(points, count, sizeof *points, by_cost);
    }
    for (size_t i = 0; i < count; i++) {
        if (kept == 0u || points[i].loss < points[kept - 1u].loss) {
            pareto_point beaten = points[kept];
            points[kept++] = points[i];
            points[i] = beaten;
        }
    }
    return kept;
}
