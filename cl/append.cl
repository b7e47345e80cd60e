/* SPDX-License-Identifier: MIT
 *
 * append: rows of K and V into an f16 segment, a ring of `capacity` slots, with their positions.
 * One item is one part of a row, one token of one head; then one position.
 */
#include "rows.clh"

/* Item `item` of one tensor, [token][head][part]. Returns how many of its channels were clamped. */
KV_FN kv_u32 append_part(__global const kv_u32 *source, const kv_view *view, kv_u32 is_plain,
                         const kv_append_params *p, kv_u32 dim, kv_u32 offset, kv_u32 item,
                         __global kv_u32 *store)
{
    kv_u32 row = item / kv_row_parts(dim);
    kv_u32 head = row % p->heads;
    kv_u32 token = row / p->heads;
    kv_u32 slot = (p->slot + token) % p->capacity;
    kv_u32 first = kv_view_index(view, token, head, 0u);
    kv_u32 clamped = 0u;
    KV_FOR_OCTETS(channel, item % kv_row_parts(dim), dim) {
        kv_octet octet = kv_load_octet(source, view, is_plain, first, channel);
        vstore4(octet.words, 0,
                &store[offset + kv_f16_word(head, slot, channel, p->capacity, dim)]);
        clamped += octet.clamped;
    }
    return clamped;
}

KV_KERNEL void kvant_append(const kv_append_params p, __global const kv_u32 *k,
                            __global const kv_u32 *v, __global kv_u32 *store,
                            __global kv_u32 *status)
{
    kv_u32 rows = p.tokens * p.heads;
    kv_u32 k_items = rows * kv_row_parts(p.k_dim);
    kv_u32 v_items = p.v_dim != 0u ? rows * kv_row_parts(p.v_dim) : 0u;
    kv_u32 k_is_plain = kv_is_plain(&p.k);
    kv_u32 v_is_plain = kv_is_plain(&p.v);
    kv_u32 clamped = 0u;
    const kv_items items = kv_my_items(k_items + v_items + p.tokens);
    for (kv_u32 item = items.begin; item < items.end; item += items.step) {
        /* 1. K and V as halves */
        if (item < k_items) {
            clamped += append_part(k, &p.k, k_is_plain, &p, p.k_dim, p.k_offset, item, store);
        } else if (item - k_items < v_items) {
            clamped += append_part(v, &p.v, v_is_plain, &p, p.v_dim, p.v_offset, item - k_items,
                                   store);
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
