#version 450
#extension GL_GOOGLE_include_directive : require
/* SPDX-License-Identifier: MIT
 *
 * codebook_histogram: how often each byte occurs among the codes that the values of a compression event
 * would have in 8 bits, from the parameters that are stored for their groups. Scratch holds 256 words
 * of 0 before the launch. One item is one token of one head; the lanes of a work-group count together
 * before they add to scratch.
 */
#include "kernel.glsl"

KV_BINDING(0, readonly, source);
KV_BINDING(1, readonly, store);
KV_BINDING(2, , scratch);
KV_PARAMS(kv_quantize_params);

shared kv_u32 counts[256];

/* The code of an element in 8 bits. */
kv_u32 byte_of(kv_u32 token, kv_u32 head, kv_u32 channel)
{
    /* 1. Load */
    kv_u32 row = token;
    if (p.indices_offset != KV_NO_OFFSET) {
        row = store[p.indices_offset + head * p.indices_head + token] - p.index_base;
    }
    KV_EXACT kv_f32 x = kv_cache_value(
        KV_LOAD(source, kv_view_index(p.source, row, head, channel), p.source.dtype));
    if (p.channel_scale_offset != KV_NO_OFFSET) {
        x = x * kv_reciprocal(KV_LOAD_HALF(store, p.channel_scale_offset, head * p.dim + channel));
    }
    kv_u32 word = store[p.params_offset + kv_group_index(p.grouping, p.group_length,
                                                          p.capacity, p.dim, head,
                                                          p.token + token, channel)];
    /* 2. Byte */
    return kv_asymmetric_code(x, kv_param_minimum(word, 0u),
                              kv_inverse_scale(kv_param_scale(word)), 255.0f);
}

void main()
{
    KV_FOR_LANES(i, 256u)
    {
        counts[i] = 0u;
    }
    barrier();
    KV_FOR_ITEMS(item, p.tokens * p.heads)
    {
        for (kv_u32 channel = 0u; channel < p.dim; channel++) {
            /* 3. Count */
            atomicAdd(counts[byte_of(item / p.heads, item % p.heads, channel)], 1u);
        }
    }
    barrier();
    KV_FOR_LANES(i, 256u)
    {
        if (counts[i] != 0u) {
            atomicAdd(scratch[p.keys_offset + i], counts[i]);
        }
    }
}
