#version 450
#extension GL_GOOGLE_include_directive : require
/* SPDX-License-Identifier: MIT
 *
 * saliency_queries: each probe row's query, with the softmax scale and the keys' channel scales
 * folded in, as int8. One item is one probe row of one query head.
 *
 * Keys are int8 codes about each channel's midrange, so an outlier channel costs the others
 * nothing: its scale lies in the query, and what is constant over the tokens does not change a
 * softmax.
 */
#include "kernel.glsl"

KV_BINDING(0, readonly, queries);
KV_BINDING(1, , scratch);
KV_PARAMS(kv_saliency_params);

kv_f32 folded_value(kv_u32 row, kv_u32 q_head, kv_u32 channel)
{
    kv_u32 i = kv_view_index(p.queries, row, q_head, channel);
    kv_u32 kv_head = q_head / (p.q_heads / p.kv_heads);
    KV_EXACT kv_f32 x = kv_query_value(KV_LOAD(queries, i, p.queries.dtype));
    x = x * p.scale;
    x = x * kv_param_scale(scratch[p.params_offset + kv_head * p.dim + channel]);
    return x;
}

void main()
{
    KV_FOR_ITEMS(item, p.probes * p.q_heads)
    {
        kv_u32 probe = item / p.q_heads;
        kv_u32 q_head = item % p.q_heads;
        kv_u32 row = probe;
        if (p.query_base != KV_NO_OFFSET) {
            row = scratch[p.probes_offset + probe] - p.query_base;
        }

        /* 1. Fold: once for the largest, and again below, which is cheaper than keeping them */
        kv_f32 largest = 0.0f;
        for (kv_u32 channel = 0u; channel < p.dim; channel++) {
            largest = kv_max(largest, kv_abs(folded_value(row, q_head, channel)));
        }

        /* 2. Operands */
        kv_f32 inverse = kv_operand_inverse(largest, 127.0f);
        for (kv_u32 channel = 0u; channel < p.dim; channel += 4u) {
            kv_u32 word = 0u;
            for (kv_u32 lane = 0u; lane < 4u; lane++) {
                kv_i32 operand = kv_operand(folded_value(row, q_head, channel + lane), inverse);
                word |= (KV_U32(operand) & 255u) << (8u * lane);
            }
            scratch[p.operands_offset + item * (p.dim / 4u) + channel / 4u] = word;
        }

        /* 3. The value of one unit */
        KV_EXACT kv_f32 step = largest * 7.8740157186985015869140625e-3f; /* 1/127 */
        scratch[p.steps_offset + item] = kv_bits(step);
    }
}
