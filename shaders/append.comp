#version 450
#extension GL_GOOGLE_include_directive : require
/* SPDX-License-Identifier: MIT
 *
 * append: rows of K and V into an f16 segment, a ring of `capacity` slots, with their positions.
 * One item is one token of one head, or 8 channels of it; then one position.
 */
#include "kernel.glsl"

KV_BINDING(0, readonly, k);
KV_OCTETS(0, k);
KV_BINDING(1, readonly, v);
KV_OCTETS(1, v);
KV_BINDING(2, writeonly, store);
KV_BINDING(3, , status);
KV_PARAMS_TO_TAKE(kv_append_params);

#include "rows.glsl"

KV_OCTET_LOADER(load_k, k)
KV_OCTET_LOADER(load_v, v)

kv_u32 slot_of(kv_u32 token)
{
    return (p.slot + token) % p.capacity;
}

/* Item `item` of K or V: [token][head][part of a row]. Returns what had to be clamped. */
#define APPEND_PART(load_octet, view, item, dim, offset, clamped)                                  \
    {                                                                                              \
        kv_u32 parts = kv_row_parts(dim);                                                          \
        kv_u32 row = (item) / parts;                                                               \
        kv_u32 head = row % p.heads;                                                               \
        kv_u32 token = row / p.heads;                                                              \
        kv_u32 channel = (item) % parts * 8u;                                                      \
        kv_u32 first = kv_view_index(view, token, head, 0u);                                       \
        kv_u32 is_plain = kv_is_plain(view);                                                       \
        kv_u32 at = (offset) + kv_f16_word(head, slot_of(token), channel, p.capacity, dim);        \
        for (kv_u32 i = 0u; i < kv_octets_of_item(dim); i++) {                                     \
            kv_octet octet = load_octet(view, is_plain, first, channel + 8u * i);                  \
            uvec4 words = kv_octet_words(octet);                                                   \
            store[at + 4u * i] = words.x;                                                          \
            store[at + 4u * i + 1u] = words.y;                                                     \
            store[at + 4u * i + 2u] = words.z;                                                     \
            store[at + 4u * i + 3u] = words.w;                                                     \
            clamped += octet.clamped;                                                              \
        }                                                                                          \
    }

void main()
{
    KV_TAKE_PARAMS();
    kv_u32 rows = p.tokens * p.heads;
    kv_u32 k_items = rows * kv_row_parts(p.k_dim);
    kv_u32 v_items = p.v_dim != 0u ? rows * kv_row_parts(p.v_dim) : 0u;
    kv_u32 clamped = 0u;
    KV_FOR_ITEMS(item, k_items + v_items + p.tokens)
    {
        /* 1. K and V as halves */
        if (item < k_items) {
            APPEND_PART(load_k, p.k, item, p.k_dim, p.k_offset, clamped)
        } else if (item < k_items + v_items) {
            APPEND_PART(load_v, p.v, item - k_items, p.v_dim, p.v_offset, clamped)
        } else {
            /* 2. Positions */
            kv_u32 token = item - k_items - v_items;
            store[p.positions_offset + slot_of(token)] = p.first_position + token;
        }
    }

    /* 3. What had to be clamped */
    if (clamped != 0u) {
        atomicAdd(status[p.status_offset], clamped);
    }
}
