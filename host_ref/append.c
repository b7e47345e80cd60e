/* SPDX-License-Identifier: MIT
 *
 * append: rows of K and V into an f16 segment, a ring of `capacity` slots, with their positions.
 * One item is one word, two channels of one token of one head.
 */
#include "reference.h"

static kv_u32 append_tensor(const kv_u32 *source, const kv_view *view, const kv_append_params *p,
                            kv_u32 dim, kv_u32 offset, kv_u32 *store)
{
    kv_u32 clamped = 0;
    for (kv_u32 token = 0; token < p->tokens; token++) {
        kv_u32 slot = (p->slot + token) % p->capacity;
        for (kv_u32 head = 0; head < p->heads; head++) {
            for (kv_u32 channel = 0; channel < dim; channel += 2u) {
                kv_f32 low = kv_view_load(source, view, token, head, channel);
                kv_f32 high = kv_view_load(source, view, token, head, channel + 1u);
                clamped += kv_is_unrepresentable(low) + kv_is_unrepresentable(high);
                store[offset + kv_f16_word(head, slot, channel, p->capacity, dim)] =
                    kv_cache_half(low) | (kv_cache_half(high) << 16);
            }
        }
    }
    return clamped;
}

void kvant_ref_append(const void *params_words, kv_u32 *const *bindings)
{
    const kv_append_params *p = params_words;
    kv_u32 *store = bindings[2];
    kv_u32 *status = bindings[3];

    /* 1. K and V as halves */
    kv_u32 clamped = append_tensor(bindings[0], &p->k, p, p->k_dim, p->k_offset, store);
    clamped += append_tensor(bindings[1], &p->v, p, p->v_dim, p->v_offset, store);

    /* 2. Positions */
    for (kv_u32 token = 0; token < p->tokens; token++) {
        store[p->positions_offset + (p->slot + token) % p->capacity] = p->first_position + token;
    }

    /* 3. What had to be clamped */
    status[p->status_offset] += clamped;
}
