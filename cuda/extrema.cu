/* SPDX-License-Identifier: MIT
 *
 * extrema: the lowest and the highest value of each parameter group of a compression event, as
 * sortable keys. Scratch holds 0xffffffff in the plane of the lowest and 0 in the plane of the
 * highest before the launch.
 *
 * Groups along a token: a warp takes one token of one head. Groups along a channel: a lane takes
 * one channel of 32 tokens. Groups that several of these share meet in atomics.
 */
#include "quantize.cuh"

KV_FN void kv_merge_extrema(const kv_quantize_params &p, kv_u32 *scratch, kv_u32 group, kv_u32 low,
                            kv_u32 high)
{
    atomicMin(&scratch[p.keys_offset + group], low);
    atomicMax(&scratch[p.keys_offset + p.groups + group], high);
}

KV_FN void kv_extrema_of_token(const kv_quantize_params &p, const kv_u32 *source,
                               const kv_u32 *store, kv_u32 *scratch, kv_u32 token, kv_u32 head)
{
    kv_u32 capacity = (p.tokens + 3u) / 4u * 4u;
    kv_u32 row = kv_event_row(p, store, token, head);
    kv_u32 length = p.grouping == KV_GROUP_TOKEN_CHANNELS ? kv_min_u32(p.group_length, p.dim)
                                                          : p.dim;
    for (kv_u32 first = 0u; first < p.dim; first += length) {
        kv_u32 low = 0xffffffffu;
        kv_u32 high = 0u;
        for (kv_u32 channel = first + kv_lane(); channel < kv_min_u32(first + length, p.dim);
             channel += KV_WARP) {
            /* 1. Load */
            kv_u32 key = kv_sortable(kv_event_value(p, source, store, row, head, channel));
            low = key < low ? key : low;
            high = key > high ? key : high;
        }
        /* 2. Group extrema */
        low = kv_warp_min(low);
        high = kv_warp_max(high);
        if (kv_lane() == 0u) {
            kv_merge_extrema(p, scratch,
                             kv_group_index(p.grouping, p.group_length, capacity, p.dim, head,
                                            token, first),
                             low, high);
        }
    }
}

KV_FN void kv_extrema_of_channel(const kv_quantize_params &p, const kv_u32 *source,
                                 const kv_u32 *store, kv_u32 *scratch, kv_u32 item)
{
    kv_u32 capacity = (p.tokens + 3u) / 4u * 4u;
    kv_u32 chunks = (p.tokens + KV_CHUNK - 1u) / KV_CHUNK;
    kv_u32 channel = item % p.dim;
    kv_u32 first = item / p.dim % chunks * KV_CHUNK;
    kv_u32 head = item / p.dim / chunks;
    kv_u32 low = 0xffffffffu;
    kv_u32 high = 0u;
    for (kv_u32 token = first; token < kv_min_u32(first + KV_CHUNK, p.tokens); token++) {
        /* 1. Load */
        kv_u32 row = kv_event_row(p, store, token, head);
        kv_u32 key = kv_sortable(kv_event_value(p, source, store, row, head, channel));
        low = key < low ? key : low;
        high = key > high ? key : high;
    }
    /* 2. Group extrema */
    kv_merge_extrema(
        p, scratch,
        kv_group_index(p.grouping, p.group_length, capacity, p.dim, head, first, channel), low,
        high);
}

extern "C" __global__ void __launch_bounds__(KV_MAX_LANES)
kvant_extrema(const kv_quantize_params p, const kv_u32 *__restrict__ source,
              const kv_u32 *__restrict__ store, kv_u32 *scratch)
{
    if (kv_is_channelwise(p.grouping) != 0u) {
        kv_u32 items = p.heads * p.dim * ((p.tokens + KV_CHUNK - 1u) / KV_CHUNK);
        for (kv_u32 item = kv_first_item(); item < items; item += kv_item_stride()) {
            kv_extrema_of_channel(p, source, store, scratch, item);
        }
        return;
    }
    for (kv_u32 item = kv_first_warp_item(); item < p.tokens * p.heads;
         item += kv_warp_item_stride()) {
        kv_extrema_of_token(p, source, store, scratch, item / p.heads, item % p.heads);
    }
}
