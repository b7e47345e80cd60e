#version 450
#extension GL_GOOGLE_include_directive : require
/* SPDX-License-Identifier: MIT
 *
 * extrema: the lowest and the highest value of each parameter group of a compression event, as
 * sortable keys. Scratch holds 0xffffffff in the plane of the lowest and 0 in the plane of the
 * highest before the launch. One item is one token of one head or, where groups run along
 * channels, one channel of KV_CHUNK tokens; items that share a group meet in atomics.
 */
#include "kernel.glsl"

KV_BINDING(0, readonly, source);
KV_BINDING(1, readonly, store);
KV_BINDING(2, , scratch);
KV_PARAMS(kv_quantize_params);

#include "quantize.glsl"

kv_u32 group_of(kv_u32 head, kv_u32 token, kv_u32 channel)
{
    kv_u32 capacity = (p.tokens + 3u) / 4u * 4u;
    return kv_group_index(p.grouping, p.group_length, capacity, p.dim, head, token, channel);
}

void merge_into(kv_u32 group, kv_u32 low, kv_u32 high)
{
    atomicMin(scratch[p.keys_offset + group], low);
    atomicMax(scratch[p.keys_offset + p.groups + group], high);
}

/* The groups of one token of one head. */
void tokenwise_item(kv_u32 head, kv_u32 token)
{
    kv_u32 length = p.grouping == KV_GROUP_TOKEN_CHANNELS ? p.group_length : p.dim;
    kv_u32 row = kv_event_row(token, head);
    for (kv_u32 first = 0u; first < p.dim; first += length) {
        kv_u32 low = 0xffffffffu;
        kv_u32 high = 0u;
        for (kv_u32 channel = first; channel < kv_min_u32(first + length, p.dim); channel++) {
            /* 1. Load */
            kv_u32 key =
                kv_sortable(kv_event_value(row, head, channel, kv_event_factor(head, channel)));
            low = min(low, key);
            high = max(high, key);
        }
        /* 2. Group extrema */
        merge_into(group_of(head, token, first), low, high);
    }
}

/* One channel of the tokens from `first` on. */
void channelwise_item(kv_u32 head, kv_u32 channel, kv_u32 first)
{
    kv_u32 low = 0xffffffffu;
    kv_u32 high = 0u;
    kv_f32 factor = kv_event_factor(head, channel);
    for (kv_u32 token = first; token < kv_min_u32(first + KV_CHUNK, p.tokens); token++) {
        /* 1. Load */
        kv_u32 key = kv_sortable(kv_event_value(kv_event_row(token, head), head, channel, factor));
        low = min(low, key);
        high = max(high, key);
    }
    /* 2. Group extrema */
    merge_into(group_of(head, first, channel), low, high);
}

void main()
{
    if (kv_is_channelwise(p.grouping) != 0u) {
        kv_u32 chunks = (p.tokens + KV_CHUNK - 1u) / KV_CHUNK;
        KV_FOR_ITEMS(item, p.heads * p.dim * chunks)
        {
            kv_u32 row = item / p.dim;
            channelwise_item(row % p.heads, item % p.dim, row / p.heads * KV_CHUNK);
        }
    } else {
        KV_FOR_ITEMS(item, p.tokens * p.heads)
        {
            tokenwise_item(item % p.heads, item / p.heads);
        }
    }
}
