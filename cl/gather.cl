/* SPDX-License-Identifier: MIT
 *
 * gather: the rows of a compression event that stay halves, of one tensor, into an f16 segment. Which
 * rows, and where they go, is said as for encode. Tokens past the event's end, up to the next multiple
 * of 4, are zeros. One item is one part of a row, one token of one head.
 */
#include "quantize.clh"

KV_KERNEL void kvant_gather(const kv_quantize_params p, __global const kv_u32 *source,
                            __global kv_u32 *store)
{
    kv_u32 is_plain = kv_is_plain(&p.source);
    kv_u32 parts = kv_row_parts(p.dim);
    kv_u32 event_capacity = (p.tokens + KV_TILE - 1u) / KV_TILE * KV_TILE;
    const kv_items items = kv_my_items(event_capacity * p.heads * parts);
    for (kv_u32 item = items.begin; item < items.end; item += items.step) {
        kv_u32 head = item / parts % p.heads;
        kv_u32 token = item / parts / p.heads;
        kv_u32 first = kv_event_row(&p, store, kv_min_u32(token, p.tokens - 1u), head);
        KV_FOR_OCTETS(channel, item % parts, p.dim) {
            /* 1. Load */
            kv_octet octet = kv_load_octet(source, &p.source, is_plain, first, channel);
            uint4 words = token < p.tokens ? octet.words : (uint4)(0u);
            /* 2. Store */
            kv_u32 at = kv_f16_word(head, p.token + token, channel, p.capacity, p.dim);
            vstore4(words, 0, &store[p.codes_offset + at]);
        }
    }
}
