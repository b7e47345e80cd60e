/* SPDX-License-Identifier: MIT
 *
 * saliency_percentile: the magnitude at a place in the order of all magnitudes of a map, from their
 * counts. One work-group does one map.
 */
#include "reference.h"

void kvant_ref_saliency_percentile(const void *params_words, kv_u32 *const *bindings)
{
    const kv_percentile_params *p = params_words;
    kv_u32 *scratch = bindings[0];

    for (kv_u32 map = 0; map < p->maps; map++) {
        const kv_u32 *counts = &scratch[p->counts_offset + map * KV_MAGNITUDES];
        /* 1. Numbers below each magnitude: the first with more than `rank` through it */
        kv_u32 through = counts[0];
        kv_u32 magnitude = 0;
        while (through <= p->rank) {
            magnitude++;
            through += counts[magnitude];
        }
        /* 2. Store */
        scratch[p->limits_offset + map] = magnitude;
    }
}
