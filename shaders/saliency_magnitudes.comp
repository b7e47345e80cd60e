#version 450
#extension GL_GOOGLE_include_directive : require
/* SPDX-License-Identifier: MIT
 *
 * saliency_magnitudes: how many numbers of an event have each magnitude, as the bits of their halves:
 * from these counts saliency_percentile finds what an outlier is. Counts are 0 before the launch.
 * One item is a row of one head, or 8 channels of it.
 */
#include "kernel.glsl"

KV_BINDING(0, readonly, source);
KV_OCTETS(0, source);
KV_BINDING(1, , scratch);
KV_PARAMS(kv_range_params);

#include "rows.glsl"

KV_OCTET_LOADER(load_octet, source)

void main()
{
    kv_u32 is_plain = kv_is_plain(p.source);
    kv_u32 parts = kv_row_parts(p.dim);
    KV_FOR_ITEMS(item, p.tokens * p.heads * parts)
    {
        kv_u32 row = item / parts;
        kv_u32 head = row % p.heads;
        kv_u32 first = kv_view_index(p.source, row / p.heads, head, 0u);
        kv_u32 counts = p.counts_offset + (p.all_heads != 0u ? 0u : head) * KV_MAGNITUDES;
        kv_u32 channel = item % parts * 8u;
        for (kv_u32 i = 0u; i < kv_octets_of_item(p.dim); i++) {
            /* 1. Load */
            kv_octet octet = load_octet(p.source, is_plain, first, channel + 8u * i);
            /* 2. Count */
            for (kv_u32 pair = 0u; pair < 4u; pair++) {
                atomicAdd(scratch[counts + (octet.even[pair] & 0x7fffu)], 1u);
                atomicAdd(scratch[counts + (octet.odd[pair] & 0x7fffu)], 1u);
            }
        }
    }
}
