#version 450
#extension GL_GOOGLE_include_directive : require
/* SPDX-License-Identifier: MIT
 *
 * extrema: the lowest and the highest value of each channel of a compression event, as sortable
 * keys. Scratch holds 0xffffffff in the plane of the lowest and 0 in the plane of the highest before
 * the launch. One item is 8 channels of a run of tokens; items that share channels meet in atomics.
 */
#include "kernel.glsl"

KV_BINDING(0, readonly, source);
KV_OCTETS(0, source);
KV_BINDING(1, readonly, store);
KV_BINDING(2, , scratch);
KV_PARAMS_TO_TAKE(kv_quantize_params);

#include "quantize.glsl"

const kv_u32 RUN = KV_RUN_TOKENS(KV_LANES);

/* 2. Extrema of the channel, joined with what other items found. Most values change nothing, and a
 * look is cheaper than an atomic. */
void merge_channel(kv_u32 channel, kv_f32 low, kv_f32 high)
{
    kv_u32 lowest = p.keys_offset + channel;
    kv_u32 highest = lowest + p.heads * p.dim;
    kv_u32 low_key = kv_sortable(low);
    kv_u32 high_key = kv_sortable(high);
    if (low_key < scratch[lowest]) {
        atomicMin(scratch[lowest], low_key);
    }
    if (high_key > scratch[highest]) {
        atomicMax(scratch[highest], high_key);
    }
}

void main()
{
    KV_TAKE_PARAMS();
    kv_u32 is_plain = kv_is_plain(p.source);
    kv_u32 columns = p.dim / KV_COLUMN;
    KV_FOR_ITEMS(item, (p.tokens + RUN - 1u) / RUN * p.heads * columns)
    {
        kv_u32 head = item / columns % p.heads;
        kv_u32 begin = item / columns / p.heads * RUN;
        kv_u32 channel = item % columns * KV_COLUMN;
        /* 1. Load */
        kv_column factors = kv_load_factors(head, channel);
        kv_column low = kv_no_lowest();
        kv_column high = kv_no_highest();
        for (kv_u32 token = begin; token < kv_min_u32(begin + RUN, p.tokens); token++) {
            kv_take(kv_event_values(is_plain, kv_event_row(token, head), channel, factors), low,
                    high);
        }
        kv_u32 first = head * p.dim + channel;
        for (kv_u32 i = 0u; i < 4u; i++) {
            merge_channel(first + 2u * i, low.even[i], high.even[i]);
            merge_channel(first + 2u * i + 1u, low.odd[i], high.odd[i]);
        }
    }
}
