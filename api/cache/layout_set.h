/* SPDX-License-Identifier: MIT
 *
 * The layouts of a cache, by layer.
 */
#ifndef KVANT_CACHE_LAYOUT_SET_H
#define KVANT_CACHE_LAYOUT_SET_H

#include "layout_plan.h"

/* Runs of layers that are alike: each entry of `layers=` and `stream=` begins and ends one at most. */
#define KVANT_LAYER_RUNS (2u * (KVANT_RECIPE_LAYERS + KVANT_RECIPE_STREAMS) + 1u)

/* What tells the layout of a layer from that of another. */
typedef struct {
    uint32_t choice;  /* entry of `layers=`, from 1 on; 0: the recipe itself */
    uint32_t streams; /* a bit for each entry of its `stream=` that the layer has */
} kvant_layer_kind;

typedef struct {
    kvant_layout layouts[KVANT_LAYER_RUNS]; /* the first is one of the recipe itself */
    kvant_layer_kind kinds[KVANT_LAYER_RUNS];
    uint32_t layers[KVANT_LAYER_RUNS]; /* that have the layout */
    uint32_t count;
    uint32_t run_ends[KVANT_LAYER_RUNS]; /* last layers, ascending */
    uint32_t run_layouts[KVANT_LAYER_RUNS];
    uint32_t runs;
    kvant_cache_bytes bytes; /* of all layers */
} kvant_layout_set;

/* Fails with INVALID_ARGUMENT or LIMIT. kvant_layout_set_free is needed after success alone. */
kvant_status kvant_layout_set_make(kvant_host *host, const kvant_cache_desc *desc,
                                   kvant_layout_set *out_set);
void kvant_layout_set_free(kvant_host *host, kvant_layout_set *set);

/* Of a layer. */
const kvant_layout *kvant_layout_of(const kvant_layout_set *set, uint32_t layer);

#endif
