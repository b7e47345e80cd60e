/* SPDX-License-Identifier: MIT
 *
 * saliency_magnitudes: how many numbers of an event have each magnitude, as the bits of their halves:
 * from these counts saliency_percentile finds what an outlier is. Counts are 0 before the launch.
 * One item
 * is 8 channels of a row of one head.
 */
#include "rows.cuh"

extern "C" __global__ void __launch_bounds__(KV_MAX_LANES)
kvant_saliency_magnitudes(const kv_range_params p, const kv_u32 *__restrict__ source,
                          kv_u32 *scratch)
{
    kv_u32 parts = p.dim / KV_OCTET;
    for (kv_u32 item = kv_first_item(); item < p.tokens * p.heads * parts;
         item += kv_item_stride()) {
        kv_u32 row = item / parts;
        kv_u32 head = row % p.heads;
        kv_u32 first = kv_view_index(p.source, row / p.heads, head, 0u);
        kv_u32 *counts =
            &scratch[p.counts_offset + (p.all_heads != 0u ? 0u : head) * KV_MAGNITUDES];
        /* 1. Load */
        const kv_octet octet = kv_load_octet(source, p.source, first, item % parts * KV_OCTET);
        /* 2. Count */
#pragma unroll
        for (kv_u32 i = 0u; i < KV_OCTET; i++) {
            atomicAdd(&counts[octet.halves[i] & 0x7fffu], 1u);
        }
    }
}
