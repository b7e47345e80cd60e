/* SPDX-License-Identifier: MIT
 *
 * saliency_range: scores of tokens from their own numbers, without any query: the largest less the
 * smallest of a token, as the bits of a float, which order as it does; or how many of its numbers
 * are larger in magnitude than the limit of its map, above the range as a half. One item is one token
 * of one map.
 */
#include "rows.clh"

/* Integers in the order of finite halves. It is its own inverse. */
KV_FN short8 ordered(short8 halves)
{
    return halves ^ ((halves >> (short)15) & (short)0x7fff);
}

/* The smallest of eight. */
KV_FN short lowest(short8 x)
{
    short4 four = min(x.lo, x.hi);
    short2 two = min(four.lo, four.hi);
    return min(two.x, two.y);
}

KV_FN kv_f32 value_of(short order)
{
    return kv_f16_to_f32((kv_u32)as_ushort8(ordered((short8)(order))).s0);
}

KV_KERNEL void kvant_saliency_range(const kv_range_params p, __global const kv_u32 *source,
                                    __global kv_u32 *scratch)
{
    kv_u32 maps = p.all_heads != 0u ? 1u : p.heads;
    kv_u32 is_plain = kv_is_plain(&p.source);
    const kv_items items = kv_my_items(maps * p.tokens);
    for (kv_u32 item = items.begin; item < items.end; item += items.step) {
        kv_u32 map = item / p.tokens;
        kv_u32 token = item % p.tokens;
        kv_u32 has_limit = p.limits_offset != KV_NO_OFFSET ? 1u : 0u;
        kv_u32 limit = has_limit != 0u ? scratch[p.limits_offset + map] : 0u;
        kv_u32 end = p.all_heads != 0u ? p.heads : map + 1u;

        /* 1. Extrema and outliers */
        short8 low = (short8)(0x7fff);
        short8 negated = (short8)(0x7fff); /* -1 less the highest, so that it is a lowest too */
        int8 outliers = (int8)(0);
        for (kv_u32 head = p.all_heads != 0u ? 0u : map; head < end; head++) {
            kv_u32 first = kv_view_index(&p.source, token, head, 0u);
            for (kv_u32 channel = 0u; channel < p.dim; channel += 8u) {
                kv_octet octet = kv_load_octet(source, &p.source, is_plain, first, channel);
                short8 halves = as_short8(octet.words);
                low = min(low, ordered(halves));
                negated = min(negated, ~ordered(halves));
                outliers -= convert_int8((halves & (short)0x7fff) > (short)limit);
            }
        }
        int4 four = outliers.lo + outliers.hi;
        kv_u32 count = (kv_u32)(four.x + four.y + four.z + four.w);

        /* 2. Score */
        KV_EXACT kv_f32 range = value_of(~lowest(negated)) - value_of(lowest(low));
        kv_u32 score = kv_bits(range);
        if (has_limit != 0u) {
            score = kv_min_u32(count, KV_OUTLIERS_MAX) << 16 | kv_cache_half(range);
        }
        scratch[p.scores_offset + item] = score;
    }
}
