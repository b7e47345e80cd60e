#version 450
#extension GL_GOOGLE_include_directive : require
/* SPDX-License-Identifier: MIT
 *
 * saliency_range: scores of tokens from their own numbers, without any query: the largest less the
 * smallest of a token, as the bits of a float, which order as it does; or how many of its numbers
 * are larger in magnitude than the limit of its map, above the range as a half. One item is one token
 * of one map.
 */
#include "kernel.glsl"

KV_BINDING(0, readonly, source);
KV_OCTETS(0, source);
KV_BINDING(1, , scratch);
KV_PARAMS(kv_range_params);

#include "rows.glsl"

KV_OCTET_LOADER(load_octet, source)

/* Integers of 16 bits in the order of finite halves. */
uvec4 ordered(uvec4 halves)
{
    return halves ^ (((halves >> 15) * 0x7fffu) | 0x8000u);
}

kv_f32 value_of(kv_u32 order)
{
    return kv_f16_to_f32(order ^ ((((order >> 15) ^ 1u) * 0x7fffu) | 0x8000u));
}

void main()
{
    kv_u32 maps = p.all_heads != 0u ? 1u : p.heads;
    kv_u32 is_plain = kv_is_plain(p.source);
    KV_FOR_ITEMS(item, maps * p.tokens)
    {
        kv_u32 map = item / p.tokens;
        kv_u32 token = item % p.tokens;
        bool has_limit = p.limits_offset != KV_NO_OFFSET;
        kv_u32 limit = 0u;
        if (has_limit) {
            limit = scratch[p.limits_offset + map];
        }
        kv_u32 end = p.all_heads != 0u ? p.heads : map + 1u;

        /* 1. Extrema and outliers */
        uvec4 low = uvec4(0xffffu);
        uvec4 high = uvec4(0u);
        uvec4 outliers = uvec4(0u);
        for (kv_u32 head = p.all_heads != 0u ? 0u : map; head < end; head++) {
            kv_u32 first = kv_view_index(p.source, token, head, 0u);
            for (kv_u32 channel = 0u; channel < p.dim; channel += 8u) {
                kv_octet octet = load_octet(p.source, is_plain, first, channel);
                uvec4 even = ordered(octet.even);
                uvec4 odd = ordered(octet.odd);
                low = min(low, min(even, odd));
                high = max(high, max(even, odd));
                outliers += uvec4(greaterThan(octet.even & 0x7fffu, uvec4(limit))) +
                            uvec4(greaterThan(octet.odd & 0x7fffu, uvec4(limit)));
            }
        }
        kv_u32 lowest = min(min(low.x, low.y), min(low.z, low.w));
        kv_u32 highest = max(max(high.x, high.y), max(high.z, high.w));
        kv_u32 count = outliers.x + outliers.y + outliers.z + outliers.w;

        /* 2. Score */
        KV_EXACT kv_f32 range = value_of(highest) - value_of(lowest);
        kv_u32 score = kv_bits(range);
        if (has_limit) {
            score = kv_min_u32(count, KV_OUTLIERS_MAX) << 16 | kv_cache_half(range);
        }
        scratch[p.scores_offset + item] = score;
    }
}
