/* SPDX-License-Identifier: MIT
 *
 * extrema: the lowest and the highest value of each parameter group of a compression event, as
 * sortable keys. Scratch holds 0xffffffff in the plane of the lowest and 0 in the plane of the
 * highest before the launch.
 *
 * Groups along a token: a warp takes whole rows, as many as its lanes have 8 channels for. Groups
 * along a channel: a lane takes 8 channels of a run of tokens. What no other item shares is stored,
 * the rest meets in atomics.
 */
#include "quantize.cuh"

#define KV_RUN_TOKENS (KV_BLOCK_TOKENS(KV_MAX_LANES) * 8u) /* of a column, unless groups are longer */

/* Tokens of a column that one item reads: a group of them, or part of one. */
KV_FN kv_u32 kv_run_of(const kv_quantize_params &p)
{
    if (p.grouping == KV_GROUP_CHANNEL_TOKENS) {
        return p.group_length <= KV_RUN_TOKENS ? p.group_length : KV_CHUNK;
    }
    return KV_RUN_TOKENS;
}

/* Whether an item sees whole groups, and no other item does. */
KV_FN bool kv_owns_groups(const kv_quantize_params &p)
{
    return p.grouping == KV_GROUP_TOKEN_HEAD || p.grouping == KV_GROUP_TOKEN_CHANNELS ||
           (p.grouping == KV_GROUP_CHANNEL_TOKENS && p.group_length == kv_run_of(p));
}

/* 2. Group extrema. Most values change nothing, and a look is cheaper than an atomic. */
KV_FN void kv_merge_extrema(const kv_quantize_params &p, kv_u32 *scratch, kv_u32 group, kv_u32 low,
                            kv_u32 high)
{
    kv_u32 *lowest = &scratch[p.keys_offset + group];
    kv_u32 *highest = &scratch[p.keys_offset + p.groups + group];
    if (kv_owns_groups(p)) {
        *lowest = low;
        *highest = high;
        return;
    }
    if (low < *lowest) {
        atomicMin(lowest, low);
    }
    if (high > *highest) {
        atomicMax(highest, high);
    }
}

/* `rows` rows from row `first` on, [token][head]. All lanes of the warp call. */
KV_FN void kv_extrema_of_rows(const kv_quantize_params &p, const kv_u32 *source,
                              const kv_u32 *store, kv_u32 *scratch, kv_u32 first, kv_u32 rows)
{
    kv_u32 capacity = (p.tokens + 3u) / 4u * 4u;
    kv_u32 parts = p.dim / KV_OCTET;
    kv_u32 length = p.grouping == KV_GROUP_TOKEN_CHANNELS
                        ? kv_min_u32(p.group_length, p.dim) / KV_OCTET
                        : parts; /* octets of a group, the last of a row may have fewer */
    kv_u32 row = kv_lane() / parts;
    kv_u32 part = kv_lane() % parts;
    kv_u32 past = kv_min_u32(part / length * length + length, parts); /* of the group */
    kv_u32 is_taken = row < rows && first + row < p.tokens * p.heads ? 1u : 0u;
    kv_u32 token = (first + row) / p.heads;
    kv_u32 head = (first + row) % p.heads;
    kv_u32 low = 0xffffffffu;
    kv_u32 high = 0u;
    if (is_taken != 0u) {
        /* 1. Load */
        const kv_column factors = kv_load_factors(p, store, head, part * KV_OCTET);
        const kv_column x = kv_event_values(p, source, kv_event_row(p, store, token, head),
                                            part * KV_OCTET, factors);
#pragma unroll
        for (kv_u32 i = 0u; i < KV_OCTET; i++) {
            kv_u32 key = kv_sortable(x.of[i]);
            low = key < low ? key : low;
            high = key > high ? key : high;
        }
    }
    for (kv_u32 distance = 1u; distance < length; distance *= 2u) {
        kv_u32 from = (kv_lane() + distance) % KV_WARP;
        kv_u32 other_low = __shfl_sync(KV_ALL_LANES, low, (int)from);
        kv_u32 other_high = __shfl_sync(KV_ALL_LANES, high, (int)from);
        if (part + distance < past) {
            low = other_low < low ? other_low : low;
            high = other_high > high ? other_high : high;
        }
    }
    if (is_taken != 0u && part % length == 0u) {
        kv_merge_extrema(p, scratch,
                         kv_group_index(p.grouping, p.group_length, capacity, p.dim, head, token,
                                        part * KV_OCTET),
                         low, high);
    }
}

KV_FN void kv_extrema_of_channels(const kv_quantize_params &p, const kv_u32 *source,
                                  const kv_u32 *store, kv_u32 *scratch, kv_u32 head,
                                  kv_u32 channel, kv_u32 begin, kv_u32 end)
{
    kv_u32 capacity = (p.tokens + 3u) / 4u * 4u;
    const kv_column factors = kv_load_factors(p, store, head, channel);
    kv_u32 low[KV_OCTET];
    kv_u32 high[KV_OCTET];
#pragma unroll
    for (kv_u32 i = 0u; i < KV_OCTET; i++) {
        low[i] = 0xffffffffu;
        high[i] = 0u;
    }
    for (kv_u32 token = begin; token < end; token++) {
        /* 1. Load */
        const kv_column x =
            kv_event_values(p, source, kv_event_row(p, store, token, head), channel, factors);
#pragma unroll
        for (kv_u32 i = 0u; i < KV_OCTET; i++) {
            kv_u32 key = kv_sortable(x.of[i]);
            low[i] = key < low[i] ? key : low[i];
            high[i] = key > high[i] ? key : high[i];
        }
    }
    kv_u32 group =
        kv_group_index(p.grouping, p.group_length, capacity, p.dim, head, begin, channel);
#pragma unroll
    for (kv_u32 i = 0u; i < KV_OCTET; i++) {
        kv_merge_extrema(p, scratch, group + i, low[i], high[i]);
    }
}

extern "C" __global__ void __launch_bounds__(KV_MAX_LANES)
kvant_extrema(const kv_quantize_params p, const kv_u32 *__restrict__ source,
              const kv_u32 *__restrict__ store, kv_u32 *scratch)
{
    kv_u32 parts = p.dim / KV_OCTET;
    if (kv_is_channelwise(p.grouping) != 0u) {
        kv_u32 run = kv_run_of(p);
        kv_u32 items = (p.tokens + run - 1u) / run * p.heads * parts;
        for (kv_u32 item = kv_first_item(); item < items; item += kv_item_stride()) {
            kv_u32 head = item / parts % p.heads;
            kv_u32 begin = item / parts / p.heads * run;
            kv_extrema_of_channels(p, source, store, scratch, head, item % parts * KV_OCTET, begin,
                                   kv_min_u32(begin + run, p.tokens));
        }
        return;
    }
    kv_u32 rows = KV_WARP / parts;
    for (kv_u32 first = kv_first_warp_item() * rows; first < p.tokens * p.heads;
         first += kv_warp_item_stride() * rows) {
        kv_extrema_of_rows(p, source, store, scratch, first, rows);
    }
}
