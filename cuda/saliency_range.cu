/* SPDX-License-Identifier: MIT
 *
 * saliency_range: scores of tokens from their own numbers, without any query: the largest less the
 * smallest of a token, as the bits of a float, which order as it does; or how many of its numbers
 * are larger in magnitude than the limit of its map, above the range as a half. One item is one token
 * of one map.
 */
#include "rows.cuh"

/* What is known of a token so far: extrema as integers in the order of halves, and outliers. */
struct kv_token_range {
    kv_u32 low;
    kv_u32 high;
    kv_u32 outliers;
};

/* An integer of 16 bits in the order of finite halves, and the value back. */
KV_FN kv_u32 kv_half_order(kv_u32 half_word)
{
    return half_word ^ ((half_word & 0x8000u) != 0u ? 0xffffu : 0x8000u);
}

KV_FN kv_f32 kv_value_of_order(kv_u32 order)
{
    return kv_f16_to_f32(order ^ ((order & 0x8000u) != 0u ? 0x8000u : 0xffffu));
}

/* 1. Extrema and outliers, of the token's row of one head */
KV_FN void kv_range_of_row(const kv_range_params &p, const kv_u32 *source, kv_u32 token,
                           kv_u32 head, kv_u32 limit, kv_token_range &range)
{
    kv_u32 first = kv_view_index(p.source, token, head, 0u);
    for (kv_u32 channel = 0u; channel < p.dim; channel += KV_OCTET) {
        const kv_octet octet = kv_load_octet(source, p.source, first, channel);
#pragma unroll
        for (kv_u32 i = 0u; i < KV_OCTET; i++) {
            kv_u32 order = kv_half_order(octet.halves[i]);
            range.low = order < range.low ? order : range.low;
            range.high = order > range.high ? order : range.high;
            range.outliers += (octet.halves[i] & 0x7fffu) > limit ? 1u : 0u;
        }
    }
}

extern "C" __global__ void __launch_bounds__(KV_MAX_LANES)
kvant_saliency_range(const kv_range_params p, const kv_u32 *__restrict__ source, kv_u32 *scratch)
{
    kv_u32 maps = p.all_heads != 0u ? 1u : p.heads;
    for (kv_u32 item = kv_first_item(); item < maps * p.tokens; item += kv_item_stride()) {
        kv_u32 map = item / p.tokens;
        kv_u32 token = item % p.tokens;
        bool has_limit = p.limits_offset != KV_NO_OFFSET;
        kv_u32 limit = has_limit ? scratch[p.limits_offset + map] : 0u;
        kv_u32 end = p.all_heads != 0u ? p.heads : map + 1u;
        kv_token_range found = {0xffffu, 0u, 0u};
        for (kv_u32 head = p.all_heads != 0u ? 0u : map; head < end; head++) {
            kv_range_of_row(p, source, token, head, limit, found);
        }

        /* 2. Score */
        KV_EXACT kv_f32 range = kv_value_of_order(found.high) - kv_value_of_order(found.low);
        kv_u32 score = kv_bits(range);
        if (has_limit) {
            score = kv_min_u32(found.outliers, KV_OUTLIERS_MAX) << 16 | kv_cache_half(range);
        }
        scratch[p.scores_offset + item] = score;
    }
}
