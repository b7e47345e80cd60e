/* SPDX-License-Identifier: MIT
 *
 * finite: counts the elements of a K or V tensor that no finite half can hold. One item is one
 * token of one head.
 */
#include "kernel.clh"

KV_KERNEL void kvant_finite(const kv_finite_params p, __global const kv_u32 *source,
                            __global kv_u32 *status)
{
    kv_u32 count = 0u;
    const kv_items items = kv_my_items(p.tokens * p.heads);
    for (kv_u32 item = items.begin; item < items.end; item += items.step) {
        kv_u32 token = item / p.heads;
        kv_u32 head = item % p.heads;
        for (kv_u32 channel = 0u; channel < p.dim; channel++) {
            kv_f32 x = kv_view_load(source, &p.source, token, head, channel);
            count += kv_is_unrepresentable(x);
        }
    }
    if (count != 0u) {
        atomic_add(&status[p.status_offset], count);
    }
}
