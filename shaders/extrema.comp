#version 450
#extension GL_GOOGLE_include_directive : require
/* SPDX-License-Identifier: MIT
 *
 * extrema: the lowest and the highest value of each parameter group of a compression event, as
 * sortable keys. Scratch holds 0xffffffff in the plane of the lowest and 0 in the plane of the
 * highest before the launch. One item is some tokens of one head or, where groups run along
 * channels, 8 channels of a run of tokens; items that share a group meet in atomics.
 */
#include "kernel.glsl"

KV_BINDING(0, readonly, source);
KV_OCTETS(0, source);
KV_BINDING(1, readonly, store);
KV_BINDING(2, , scratch);
KV_PARAMS(kv_quantize_params);

#include "quantize.glsl"

const kv_u32 ROWS = KV_EXTREMA_ROWS(KV_LANES); /* tokens of an item whose groups run along them */
const kv_u32 RUN_TOKENS = KV_BLOCK_TOKENS(KV_LANES) * 8u; /* of a column, unless groups are longer */
const kv_f32 BEYOND = 3.0e38f; /* all values */

kv_u32 group_of(kv_u32 head, kv_u32 token, kv_u32 channel)
{
    kv_u32 capacity = (p.tokens + 3u) / 4u * 4u;
    return kv_group_index(p.grouping, p.group_length, capacity, p.dim, head, token, channel);
}

/* Tokens of a column that one item reads: a group of them, or part of one. */
kv_u32 run_of()
{
    if (p.grouping == KV_GROUP_CHANNEL_TOKENS) {
        return p.group_length <= RUN_TOKENS ? p.group_length : KV_CHUNK;
    }
    return RUN_TOKENS;
}

/* Whether an item sees whole groups, and no other item does. */
bool owns_groups()
{
    return p.grouping == KV_GROUP_TOKEN_HEAD || p.grouping == KV_GROUP_TOKEN_CHANNELS ||
           (p.grouping == KV_GROUP_CHANNEL_TOKENS && p.group_length == run_of());
}

/* 2. Group extrema. Most values change nothing, and a look is cheaper than an atomic. */
void merge_group(kv_u32 group, kv_f32 low, kv_f32 high)
{
    kv_u32 lowest = p.keys_offset + group;
    kv_u32 highest = lowest + p.groups;
    kv_u32 low_key = kv_sortable(low);
    kv_u32 high_key = kv_sortable(high);
    if (owns_groups()) {
        scratch[lowest] = low_key;
        scratch[highest] = high_key;
    } else {
        if (low_key < scratch[lowest]) {
            atomicMin(scratch[lowest], low_key);
        }
        if (high_key > scratch[highest]) {
            atomicMax(scratch[highest], high_key);
        }
    }
}

/* The groups of ROWS tokens of one head. */
void tokenwise_item(kv_u32 is_plain, kv_u32 head, kv_u32 begin)
{
    kv_u32 length = p.grouping == KV_GROUP_TOKEN_CHANNELS ? p.group_length : p.dim;
    kv_u32 rows[ROWS];
    for (kv_u32 i = 0u; i < ROWS; i++) {
        rows[i] = kv_event_row(kv_min_u32(begin + i, p.tokens - 1u), head);
    }
    for (kv_u32 first = 0u; first < p.dim; first += length) {
        vec4 low[ROWS];
        vec4 high[ROWS];
        for (kv_u32 i = 0u; i < ROWS; i++) {
            low[i] = vec4(BEYOND);
            high[i] = vec4(-BEYOND);
        }
        for (kv_u32 channel = first; channel < kv_min_u32(first + length, p.dim);
             channel += KV_COLUMN) {
            kv_column factors = kv_load_factors(head, channel);
            for (kv_u32 i = 0u; i < ROWS; i++) {
                /* 1. Load */
                kv_column x = kv_event_values(is_plain, rows[i], channel, factors);
                low[i] = min(low[i], min(x.even, x.odd));
                high[i] = max(high[i], max(x.even, x.odd));
            }
        }
        for (kv_u32 i = 0u; i < ROWS; i++) {
            if (begin + i < p.tokens) {
                merge_group(group_of(head, begin + i, first),
                            min(min(low[i].x, low[i].y), min(low[i].z, low[i].w)),
                            max(max(high[i].x, high[i].y), max(high[i].z, high[i].w)));
            }
        }
    }
}

/* The groups of 8 channels in a run of tokens. */
void channelwise_item(kv_u32 is_plain, kv_u32 head, kv_u32 channel, kv_u32 begin, kv_u32 end)
{
    kv_column factors = kv_load_factors(head, channel);
    kv_column low;
    kv_column high;
    low.even = low.odd = vec4(BEYOND);
    high.even = high.odd = vec4(-BEYOND);
    for (kv_u32 token = begin; token < end; token++) {
        /* 1. Load */
        kv_column x = kv_event_values(is_plain, kv_event_row(token, head), channel, factors);
        low.even = min(low.even, x.even);
        low.odd = min(low.odd, x.odd);
        high.even = max(high.even, x.even);
        high.odd = max(high.odd, x.odd);
    }
    kv_u32 group = group_of(head, begin, channel);
    for (kv_u32 i = 0u; i < 4u; i++) {
        merge_group(group + 2u * i, low.even[i], high.even[i]);
        merge_group(group + 2u * i + 1u, low.odd[i], high.odd[i]);
    }
}

void main()
{
    kv_u32 is_plain = kv_is_plain(p.source);
    if (kv_is_channelwise(p.grouping) != 0u) {
        kv_u32 run = run_of();
        kv_u32 columns = p.dim / KV_COLUMN;
        KV_FOR_ITEMS(item, (p.tokens + run - 1u) / run * p.heads * columns)
        {
            kv_u32 part = item / columns;
            kv_u32 begin = part / p.heads * run;
            channelwise_item(is_plain, part % p.heads, item % columns * KV_COLUMN, begin,
                             kv_min_u32(begin + run, p.tokens));
        }
    } else {
        KV_FOR_ITEMS(item, (p.tokens + ROWS - 1u) / ROWS * p.heads)
        {
            tokenwise_item(is_plain, item % p.heads, item / p.heads * ROWS);
        }
    }
}
