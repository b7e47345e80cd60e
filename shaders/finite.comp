#version 450
#extension GL_GOOGLE_include_directive : require
/* SPDX-License-Identifier: MIT
 *
 * finite: counts the elements of a K or V tensor that no finite half can hold. One item is one
 * token of one head, or 8 channels of it.
 */
#include "kernel.glsl"

KV_BINDING(0, readonly, source);
KV_OCTETS(0, source);
KV_BINDING(1, , status);
KV_PARAMS_TO_TAKE(kv_finite_params);

#include "rows.glsl"

KV_OCTET_LOADER(load_octet, source)

void main()
{
    KV_TAKE_PARAMS();
    kv_u32 count = 0u;
    kv_u32 is_plain = kv_is_plain(p.source);
    kv_u32 parts = kv_row_parts(p.dim);
    KV_FOR_ITEMS(item, p.tokens * p.heads * parts)
    {
        kv_u32 row = item / parts;
        kv_u32 first = kv_view_index(p.source, row / p.heads, row % p.heads, 0u);
        kv_u32 channel = item % parts * 8u;
        for (kv_u32 i = 0u; i < kv_octets_of_item(p.dim); i++) {
            count += load_octet(p.source, is_plain, first, channel + 8u * i).clamped;
        }
    }
    if (count != 0u) {
        atomicAdd(status[p.status_offset], count);
    }
}
