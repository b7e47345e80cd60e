/* SPDX-License-Identifier: MIT
 *
 * append: rows of K and V into an f16 segment, a ring of `capacity` slots, with their positions.
 * One item is 8 channels of one token of one head, or one position.
 */
#include "rows.cuh"

/* Item `item` of one tensor. Returns how many of its elements had to be clamped. */
KV_FN kv_u32 kv_append_octet(const kv_u32 *source, const kv_view &view, const kv_append_params &p,
                             kv_u32 dim, kv_u32 offset, kv_u32 item, kv_u32 *store)
{
    kv_u32 parts = dim / KV_OCTET;
    kv_u32 channel = item % parts * KV_OCTET;
    kv_u32 head = item / parts % p.heads;
    kv_u32 token = item / parts / p.heads;
    kv_u32 slot = (p.slot + token) % p.capacity;
    const kv_octet octet =
        kv_load_octet(source, view, kv_view_index(view, token, head, 0u), channel);
    kv_store_octet(store + offset + kv_f16_word(head, slot, channel, p.capacity, dim), octet);
    return octet.clamped;
}

extern "C" __global__ void __launch_bounds__(KV_MAX_LANES)
kvant_append(const kv_append_params p, const kv_u32 *__restrict__ k, const kv_u32 *__restrict__ v,
             kv_u32 *store, kv_u32 *status)
{
    kv_u32 k_items = p.tokens * p.heads * (p.k_dim / KV_OCTET);
    kv_u32 v_items = p.tokens * p.heads * (p.v_dim / KV_OCTET);
    kv_u32 items = k_items + v_items + p.tokens;
    kv_u32 clamped = 0u;

    for (kv_u32 item = kv_first_item(); item < items; item += kv_item_stride()) {
        if (item < k_items) {
            /* 1. K and V as halves */
            clamped += kv_append_octet(k, p.k, p, p.k_dim, p.k_offset, item, store);
        } else if (item < k_items + v_items) {
            clamped += kv_append_octet(v, p.v, p, p.v_dim, p.v_offset, item - k_items, store);
        } else {
            /* 2. Positions */
            kv_u32 token = item - k_items - v_items;
            store[p.positions_offset + (p.slot + token) % p.capacity] = p.first_position + token;
        }
    }

    /* 3. What had to be clamped */
    clamped = kv_warp_sum(clamped);
    if (kv_lane() == 0u && clamped != 0u) {
        atomicAdd(&status[p.status_offset], clamped);
    }
}
