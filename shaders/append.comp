#version 450
#extension GL_GOOGLE_include_directive : require
/* SPDX-License-Identifier: MIT
 *
 * append: rows of K and V into an f16 segment, a ring of `capacity` slots, with their positions.
 * One item is one word, two channels of one token of one head; then one position.
 */
#include "kernel.glsl"

KV_BINDING(0, readonly, k);
KV_BINDING(1, readonly, v);
KV_BINDING(2, writeonly, store);
KV_BINDING(3, , status);
KV_PARAMS(kv_append_params);

kv_u32 slot_of(kv_u32 token)
{
    return (p.slot + token) % p.capacity;
}

/* Word `item` of K or V: [token][head][pair of channels]. Returns what had to be clamped. */
#define APPEND_WORD(words, view, item, dim, offset, clamped)                                       \
    {                                                                                              \
        kv_u32 channel = (item) % ((dim) / 2u) * 2u;                                               \
        kv_u32 row = (item) / ((dim) / 2u);                                                        \
        kv_u32 head = row % p.heads;                                                               \
        kv_u32 token = row / p.heads;                                                              \
        kv_u32 first = kv_view_index(view, token, head, channel);                                  \
        kv_u32 second = kv_view_index(view, token, head, channel + 1u);                            \
        kv_f32 low = KV_LOAD(words, first, (view).dtype);                                          \
        kv_f32 high = KV_LOAD(words, second, (view).dtype);                                        \
        clamped += kv_is_unrepresentable(low) + kv_is_unrepresentable(high);                       \
        store[(offset) + kv_f16_word(head, slot_of(token), channel, p.capacity, dim)] =            \
            kv_cache_half(low) | (kv_cache_half(high) << 16);                                      \
    }

void main()
{
    kv_u32 k_words = p.tokens * p.heads * (p.k_dim / 2u);
    kv_u32 v_words = p.tokens * p.heads * (p.v_dim / 2u);
    kv_u32 clamped = 0u;
    KV_FOR_ITEMS(item, k_words + v_words + p.tokens)
    {
        /* 1. K and V as halves */
        if (item < k_words) {
            APPEND_WORD(k, p.k, item, p.k_dim, p.k_offset, clamped)
        } else if (item < k_words + v_words) {
            APPEND_WORD(v, p.v, item - k_words, p.v_dim, p.v_offset, clamped)
        } else {
            /* 2. Positions */
            kv_u32 token = item - k_words - v_words;
            store[p.positions_offset + slot_of(token)] = p.first_position + token;
        }
    }

    /* 3. What had to be clamped */
    if (clamped != 0u) {
        atomicAdd(status[p.status_offset], clamped);
    }
}
