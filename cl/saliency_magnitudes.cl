/* SPDX-License-Identifier: MIT
 *
 * saliency_magnitudes: how many numbers of an event have each magnitude, as the bits of their halves:
 * from these counts saliency_percentile finds what an outlier is. Counts are 0 before the launch.
 * One item is a row of one head, or 8 channels of it.
 */
#include "rows.clh"

KV_KERNEL void kvant_saliency_magnitudes(const kv_range_params p, __global const kv_u32 *source,
                                         __global kv_u32 *scratch)
{
    kv_u32 is_plain = kv_is_plain(&p.source);
    kv_u32 parts = kv_row_parts(p.dim);
    const kv_items items = kv_my_items(p.tokens * p.heads * parts);
    for (kv_u32 item = items.begin; item < items.end; item += items.step) {
        kv_u32 row = item / parts;
        kv_u32 head = row % p.heads;
        kv_u32 first = kv_view_index(&p.source, row / p.heads, head, 0u);
        kv_u32 counts = p.counts_offset + (p.all_heads != 0u ? 0u : head) * KV_MAGNITUDES;
        KV_FOR_OCTETS(channel, item % parts, p.dim) {
            /* 1. Load */
            kv_octet octet = kv_load_octet(source, &p.source, is_plain, first, channel);
            kv_u32 words[4];
            vstore4(octet.words & 0x7fff7fffu, 0, words);
            /* 2. Count */
            for (kv_u32 pair = 0u; pair < 4u; pair++) {
                atomic_inc(&scratch[counts + (words[pair] & 0xffffu)]);
                atomic_inc(&scratch[counts + (words[pair] >> 16)]);
            }
        }
    }
}
