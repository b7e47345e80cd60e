/* SPDX-License-Identifier: MIT
 *
 * finite: counts the elements of a K or V tensor that no finite half can hold. One item is one
 * token of one head.
 */
#include "rows.clh"

KV_KERNEL void kvant_finite(const kv_finite_params p, __global const kv_u32 *source,
                            __global kv_u32 *status)
{
    kv_u32 count = 0u;
    kv_u32 is_plain = kv_is_plain(&p.source);
    kv_u32 parts = kv_row_parts(p.dim);
    const kv_items items = kv_my_items(p.tokens * p.heads * parts);
    for (kv_u32 item = items.begin; item < items.end; item += items.step) {
        kv_u32 row = item / parts;
        kv_u32 first = kv_view_index(&p.source, row / p.heads, row % p.heads, 0u);
        KV_FOR_OCTETS(channel, item % parts, p.dim) {
            kv_octet octet = kv_load_octet(source, &p.source, is_plain, first, channel);
            count += octet.clamped;
        }
    }
    if (count != 0u) {
        atomic_add(&status[p.status_offset], count);
    }
}
