/* SPDX-License-Identifier: MIT
 *
 * The layouts of a cache, by layer.
 */
#ifndef KVANT_CACHE_LAYOUT_SET_H
#define KVANT_CACHE_LAYOUT_SET_H

#include "layout_plan.h"

typedef struct {
    kvant_layout layouts[1u + KVANT_RECIPE_LAYERS]; /* the recipe's, then those of `layers=` */
    uint32_t firsts[KVANT_RECIPE_LAYERS];           /* layers of layouts[1] and so on */
    uint32_t lasts[KVANT_RECIPE_LAYERS];
    uint32_t count;
    kvant_cache_bytes bytes; /* of all layers */
} kvant_layout_set;

/* Fails with INVALID_ARGUMENT or LIMIT. kvant_layout_set_free is needed after success alone. */
kvant_status kvant_layout_set_make(kvant_host *host, const kvant_cache_desc *desc,
                                   kvant_layout_set *out_set);
void kvant_layout_set_free(kvant_host *host, kvant_layout_set *set);

/* Of a layer. */
const kvant_layout *kvant_layout_of(const kvant_layout_set *set, uint32_t layer);

#endif
