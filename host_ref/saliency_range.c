/* SPDX-License-Identifier: MIT
 *
 * saliency_range: scores of tokens from their own numbers, without any query: the largest less the
 * smallest of a token, as the bits of a float, which order as it does; or how many of its numbers
 * are larger in magnitude than the limit of its map, above the range as a half. One item is one token
 * of one map.
 */
#include "reference.h"

void kvant_ref_saliency_range(const void *params_words, kv_u32 *const *bindings)
{
    const kv_range_params *p = params_words;
    const kv_u32 *source = bindings[0];
    kv_u32 *scratch = bindings[1];
    kv_u32 maps = p->all_heads != 0u ? 1u : p->heads;

    for (kv_u32 map = 0; map < maps; map++) {
        kv_u32 has_limit = p->limits_offset != KV_NO_OFFSET ? 1u : 0u;
        kv_u32 limit = has_limit != 0u ? scratch[p->limits_offset + map] : 0u;
        kv_u32 end = p->all_heads != 0u ? p->heads : map + 1u;
        for (kv_u32 token = 0; token < p->tokens; token++) {
            /* 1. Extrema and outliers */
            kv_f32 low = kv_f16_to_f32(0x7c00u);
            kv_f32 high = kv_f16_to_f32(0xfc00u);
            kv_u32 outliers = 0;
            for (kv_u32 head = p->all_heads != 0u ? 0u : map; head < end; head++) {
                for (kv_u32 channel = 0; channel < p->dim; channel++) {
                    kv_u32 half =
                        kv_cache_half(kv_view_load(source, &p->source, token, head, channel));
                    kv_f32 x = kv_f16_to_f32(half);
                    low = x < low ? x : low;
                    high = x > high ? x : high;
                    outliers += (half & 0x7fffu) > limit ? 1u : 0u;
                }
            }

            /* 2. Score */
            KV_EXACT kv_f32 range = high - low;
            kv_u32 score = kv_bits(range);
            if (has_limit != 0u) {
                score = kv_min_u32(outliers, KV_OUTLIERS_MAX) << 16 | kv_cache_half(range);
            }
            scratch[p->scores_offset + map * p->tokens + token] = score;
        }
    }
}
