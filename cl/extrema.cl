/* SPDX-License-Identifier: MIT
 *
 * extrema: the lowest and the highest value of each parameter group of a compression event, as
 * sortable keys: order does not matter, atomics are allowed. Scratch holds 0xffffffff in the plane
 * of the lowest and 0 in the plane of the highest before the launch.
 *
 * One item is one token of one head where groups run along a token, and 32 tokens of one channel
 * where they run along channels.
 */
#include "quantize.clh"

/* 2. Group extrema */
KV_FN void merge_group(const kv_quantize_params *p, __global kv_u32 *scratch, kv_u32 group,
                       kv_u32 low, kv_u32 high)
{
    atomic_min(&scratch[p->keys_offset + group], low);
    atomic_max(&scratch[p->keys_offset + p->groups + group], high);
}

KV_FN void token_extrema(const kv_quantize_params *p, __global const kv_u32 *source,
                         __global const kv_u32 *store, __global kv_u32 *scratch, kv_u32 item)
{
    kv_u32 capacity = (p->tokens + 3u) / 4u * 4u;
    kv_u32 token = item / p->heads;
    kv_u32 head = item % p->heads;
    kv_u32 length = p->grouping == KV_GROUP_TOKEN_CHANNELS ? p->group_length : p->dim;
    for (kv_u32 first = 0u; first < p->dim; first += length) {
        kv_u32 low = 0xffffffffu;
        kv_u32 high = 0u;
        for (kv_u32 channel = first; channel < kv_min_u32(first + length, p->dim); channel++) {
            /* 1. Load */
            kv_u32 key = kv_sortable(kv_event_value(p, source, store, token, head, channel));
            low = min(low, key);
            high = max(high, key);
        }
        merge_group(p, scratch,
                    kv_group_index(p->grouping, p->group_length, capacity, p->dim, head, token,
                                   first),
                    low, high);
    }
}

KV_FN void channel_extrema(const kv_quantize_params *p, __global const kv_u32 *source,
                           __global const kv_u32 *store, __global kv_u32 *scratch, kv_u32 item)
{
    kv_u32 capacity = (p->tokens + 3u) / 4u * 4u;
    kv_u32 channel = item % p->dim;
    kv_u32 head = item / p->dim % p->heads;
    kv_u32 first = item / p->dim / p->heads * KV_CHUNK;
    kv_u32 low = 0xffffffffu;
    kv_u32 high = 0u;
    for (kv_u32 token = first; token < kv_min_u32(first + KV_CHUNK, p->tokens); token++) {
        /* 1. Load */
        kv_u32 key = kv_sortable(kv_event_value(p, source, store, token, head, channel));
        low = min(low, key);
        high = max(high, key);
    }
    merge_group(p, scratch,
                kv_group_index(p->grouping, p->group_length, capacity, p->dim, head, first,
                               channel),
                low, high);
}

KV_KERNEL void kvant_extrema(const kv_quantize_params p, __global const kv_u32 *source,
                             __global const kv_u32 *store, __global kv_u32 *scratch)
{
    kv_u32 is_channelwise = kv_is_channelwise(p.grouping);
    kv_u32 count = is_channelwise != 0u
                       ? p.heads * p.dim * ((p.tokens + KV_CHUNK - 1u) / KV_CHUNK)
                       : p.tokens * p.heads;
    const kv_items items = kv_my_items(count);
    for (kv_u32 item = items.begin; item < items.end; item += items.step) {
        if (is_channelwise != 0u) {
            channel_extrema(&p, source, store, scratch, item);
        } else {
            token_extrema(&p, source, store, scratch, item);
        }
    }
}
