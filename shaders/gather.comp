#version 450
#extension GL_GOOGLE_include_directive : require
/* SPDX-License-Identifier: MIT
 *
 * gather: the rows of a compression event that stay halves, of one tensor, into an f16 segment. Which
 * rows, and where they go, is said as for encode. Tokens past the event's end, up to the next multiple
 * of 4, are zeros. One item is one token of one head, or 8 channels of it.
 */
#include "kernel.glsl"

KV_BINDING(0, readonly, source);
KV_OCTETS(0, source);
KV_BINDING(1, , store);
KV_PARAMS(kv_quantize_params);

#include "quantize.glsl"

void main()
{
    kv_u32 is_plain = kv_is_plain(p.source);
    kv_u32 parts = kv_row_parts(p.dim);
    kv_u32 event_capacity = (p.tokens + 3u) / 4u * 4u;
    KV_FOR_ITEMS(item, event_capacity * p.heads * parts)
    {
        kv_u32 head = item / parts % p.heads;
        kv_u32 token = item / parts / p.heads;
        kv_u32 channel = item % parts * 8u;
        kv_u32 first = kv_event_row(kv_min_u32(token, p.tokens - 1u), head);
        kv_u32 at = p.codes_offset + kv_f16_word(head, p.token + token, channel, p.capacity, p.dim);
        for (kv_u32 i = 0u; i < kv_octets_of_item(p.dim); i++) {
            /* 1. Load */
            kv_octet octet = kv_load_octet(p.source, is_plain, first, channel + 8u * i);
            uvec4 words = token < p.tokens ? kv_octet_words(octet) : uvec4(0u);
            /* 2. Store */
            store[at + 4u * i] = words.x;
            store[at + 4u * i + 1u] = words.y;
            store[at + 4u * i + 2u] = words.z;
            store[at + 4u * i + 3u] = words.w;
        }
    }
}
