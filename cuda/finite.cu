/* SPDX-License-Identifier: MIT
 *
 * finite: counts the elements of a K or V tensor that no finite half can hold. One item is 8
 * channels of one token of one head.
 */
#include "rows.cuh"

extern "C" __global__ void __launch_bounds__(KV_MAX_LANES)
kvant_finite(const kv_finite_params p, const kv_u32 *__restrict__ source, kv_u32 *status)
{
    kv_u32 count = 0u;
    kv_u32 parts = p.dim / KV_OCTET;
    for (kv_u32 item = kv_first_item(); item < p.tokens * p.heads * parts;
         item += kv_item_stride()) {
        kv_u32 row = item / parts;
        kv_u32 first = kv_view_index(p.source, row / p.heads, row % p.heads, 0u);
        count += kv_load_octet(source, p.source, first, item % parts * KV_OCTET).clamped;
    }
    count = kv_warp_sum(count);
    if (kv_lane() == 0u && count != 0u) {
        atomicAdd(&status[p.status_offset], count);
    }
}
