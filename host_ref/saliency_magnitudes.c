/* SPDX-License-Identifier: MIT
 *
 * saliency_magnitudes: how many numbers of an event have each magnitude, as the bits of their halves:
 * from these counts saliency_percentile finds what an outlier is. Counts are 0 before the launch.
 */
#include "reference.h"

void kvant_ref_saliency_magnitudes(const void *params_words, kv_u32 *const *bindings)
{
    const kv_range_params *p = params_words;
    const kv_u32 *source = bindings[0];
    kv_u32 *scratch = bindings[1];

    for (kv_u32 token = 0; token < p->tokens; token++) {
        for (kv_u32 head = 0; head < p->heads; head++) {
            kv_u32 map = p->all_heads != 0u ? 0u : head;
            kv_u32 *counts = &scratch[p->counts_offset + map * KV_MAGNITUDES];
            for (kv_u32 channel = 0; channel < p->dim; channel++) {
                /* 1. Load */
                kv_f32 x = kv_view_load(source, &p->source, token, head, channel);
                /* 2. Count */
                counts[kv_cache_half(x) & 0x7fffu]++;
            }
        }
    }
}
