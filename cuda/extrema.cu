/* SPDX-License-Identifier: MIT
 *
 * extrema: the lowest and the highest value of each channel of a compression event, as sortable
 * keys. Scratch holds 0xffffffff in the plane of the lowest and 0 in the plane of the highest before
 * the launch. One item is 8 channels of a run of tokens; items that share channels meet in atomics.
 */
#include "quantize.cuh"

#define KV_RUN KV_RUN_TOKENS(KV_MAX_LANES)

/* 2. Extrema of the channel, joined with what other items found. Most values change nothing, and a
 * look is cheaper than an atomic. */
KV_FN void kv_merge_channel(const kv_quantize_params &p, kv_u32 *scratch, kv_u32 channel,
                            kv_u32 low, kv_u32 high)
{
    kv_u32 *lowest = &scratch[p.keys_offset + channel];
    kv_u32 *highest = lowest + p.heads * p.dim;
    if (low < *lowest) {
        atomicMin(lowest, low);
    }
    if (high > *highest) {
        atomicMax(highest, high);
    }
}

extern "C" __global__ void __launch_bounds__(KV_MAX_LANES)
kvant_extrema(const kv_quantize_params p, const kv_u32 *__restrict__ source,
              const kv_u32 *__restrict__ store, kv_u32 *scratch)
{
    kv_u32 parts = p.dim / KV_OCTET;
    kv_u32 items = (p.tokens + KV_RUN - 1u) / KV_RUN * p.heads * parts;
    for (kv_u32 item = kv_first_item(); item < items; item += kv_item_stride()) {
        kv_u32 head = item / parts % p.heads;
        kv_u32 channel = item % parts * KV_OCTET;
        kv_u32 begin = item / parts / p.heads * KV_RUN;
        const kv_column factors = kv_load_factors(p, store, head, channel);
        kv_extrema extrema[KV_OCTET];
        kv_run_extrema(p, source, store, head, channel, begin,
                       kv_min_u32(begin + KV_RUN, p.tokens), factors, extrema);
#pragma unroll
        for (kv_u32 i = 0u; i < KV_OCTET; i++) {
            kv_merge_channel(p, scratch, head * p.dim + channel + i, extrema[i].low,
                             extrema[i].high);
        }
    }
}
