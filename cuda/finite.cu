/* SPDX-License-Identifier: MIT
 *
 * finite: counts the elements of a K or V tensor that no finite half can hold. A warp takes one
 * token of one head at a time.
 */
#include "kernel.cuh"

extern "C" __global__ void __launch_bounds__(KV_MAX_LANES)
kvant_finite(const kv_finite_params p, const kv_u32 *__restrict__ source, kv_u32 *status)
{
    kv_u32 count = 0u;
    for (kv_u32 item = kv_first_warp_item(); item < p.tokens * p.heads;
         item += kv_warp_item_stride()) {
        kv_u32 token = item / p.heads;
        kv_u32 head = item % p.heads;
        for (kv_u32 channel = kv_lane(); channel < p.dim; channel += KV_WARP) {
            count += kv_is_unrepresentable(kv_view_load(source, p.source, token, head, channel));
        }
    }
    count = kv_warp_sum(count);
    if (kv_lane() == 0u && count != 0u) {
        atomicAdd(&status[p.status_offset], count);
    }
}
