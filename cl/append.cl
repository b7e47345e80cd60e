/* SPDX-License-Identifier: MIT
 *
 * append: rows of K and V into an f16 segment, a ring of `capacity` slots, with their positions.
 * One item is one word, two channels of one token of one head; then one position.
 */
#include "kernel.clh"

/* Word `item` of [token][head][channel pair]. Returns how many of its channels were clamped. */
KV_FN kv_u32 append_word(__global const kv_u32 *source, const kv_view *view,
                         const kv_append_params *p, kv_u32 dim, kv_u32 offset, kv_u32 item,
                         __global kv_u32 *store)
{
    kv_u32 channel = item % (dim / 2u) * 2u;
    kv_u32 row = item / (dim / 2u);
    kv_u32 head = row % p->heads;
    kv_u32 token = row / p->heads;
    kv_u32 slot = (p->slot + token) % p->capacity;
    kv_f32 low = kv_view_load(source, view, token, head, channel);
    kv_f32 high = kv_view_load(source, view, token, head, channel + 1u);
    store[offset + kv_f16_word(head, slot, channel, p->capacity, dim)] =
        kv_cache_half(low) | (kv_cache_half(high) << 16);
    return kv_is_unrepresentable(low) + kv_is_unrepresentable(high);
}

KV_KERNEL void kvant_append(const kv_append_params p, __global const kv_u32 *k,
                            __global const kv_u32 *v, __global kv_u32 *store,
                            __global kv_u32 *status)
{
    kv_u32 rows = p.tokens * p.heads;
    kv_u32 k_items = rows * (p.k_dim / 2u);
    kv_u32 v_items = rows * (p.v_dim / 2u);
    kv_u32 clamped = 0u;
    const kv_items items = kv_my_items(k_items + v_items + p.tokens);
    for (kv_u32 item = items.begin; item < items.end; item += items.step) {
        /* 1. K and V as halves */
        if (item < k_items) {
            clamped += append_word(k, &p.k, &p, p.k_dim, p.k_offset, item, store);
        } else if (item - k_items < v_items) {
            clamped += append_word(v, &p.v, &p, p.v_dim, p.v_offset, item - k_items, store);
        } else {
            /* 2. Positions */
            kv_u32 token = item - k_items - v_items;
            store[p.positions_offset + (p.slot + token) % p.capacity] = p.first_position + token;
        }
    }

    /* 3. What had to be clamped */
    if (clamped != 0u) {
        atomic_add(&status[p.status_offset], clamped);
    }
}
