/* SPDX-License-Identifier: MIT
 *
 * codebook_histogram: how often each byte occurs among the codes that the values of a compression event
 * would have in 8 bits, from the parameters that are stored for their groups. Scratch holds 256 words
 * of 0 before the launch. One item is one token of one head; the lanes of a work-group count together
 * before they add to scratch.
 */
#include "kernel.clh"

/* The code of an element in 8 bits. */
KV_FN kv_u32 byte_of(const kv_quantize_params *p, __global const kv_u32 *source,
                     __global const kv_u32 *store, kv_u32 token, kv_u32 head, kv_u32 channel)
{
    /* 1. Load */
    kv_u32 row = token;
    if (p->indices_offset != KV_NO_OFFSET) {
        row = store[p->indices_offset + head * p->indices_head + token] - p->index_base;
    }
    KV_EXACT kv_f32 x = kv_cache_value(kv_view_load(source, &p->source, row, head, channel));
    if (p->channel_scale_offset != KV_NO_OFFSET) {
        x = x * kv_reciprocal(kv_load_half(store, p->channel_scale_offset,
                                           head * p->dim + channel));
    }
    kv_u32 word = store[p->params_offset + kv_group_index(p->grouping, p->group_length,
                                                          p->capacity, p->dim, head,
                                                          p->token + token, channel)];
    /* 2. Byte */
    return kv_asymmetric_code(x, kv_param_minimum(word, 0u),
                              kv_inverse_scale(kv_param_scale(word)), 255.0f);
}

KV_KERNEL void kvant_codebook_histogram(const kv_quantize_params p,
                                        __global const kv_u32 *source,
                                        __global const kv_u32 *store, __global kv_u32 *scratch)
{
    __local kv_u32 counts[256];
    for (kv_u32 i = (kv_u32)get_local_id(0); i < 256u; i += KV_LANES) {
        counts[i] = 0u;
    }
    barrier(CLK_LOCAL_MEM_FENCE);
    const kv_items items = kv_my_items(p.tokens * p.heads);
    for (kv_u32 item = items.begin; item < items.end; item += items.step) {
        for (kv_u32 channel = 0u; channel < p.dim; channel++) {
            /* 3. Count */
            atomic_inc(&counts[byte_of(&p, source, store, item / p.heads, item % p.heads, channel)]);
        }
    }
    barrier(CLK_LOCAL_MEM_FENCE);
    for (kv_u32 i = (kv_u32)get_local_id(0); i < 256u; i += KV_LANES) {
        if (counts[i] != 0u) {
            atomic_add(&scratch[p.keys_offset + i], counts[i]);
        }
    }
}
