/* SPDX-License-Identifier: MIT
 *
 * saliency_queries: each probe row's query, with the softmax scale and the keys' channel scales
 * folded in, as int8. One item is one probe row of one query head.
 *
 * Keys are int8 codes about each channel's midrange, so an outlier channel costs the others nothing:
 * its scale lies in the query, and what is constant over the tokens does not change a softmax.
 */
#include "kernel.clh"

/* 1. Fold */
KV_FN kv_f32 folded_query(const kv_saliency_params *p, __global const kv_u32 *queries,
                          __global const kv_u32 *params, kv_u32 row, kv_u32 q_head, kv_u32 channel)
{
    KV_EXACT kv_f32 x = kv_query_value(kv_view_load(queries, &p->queries, row, q_head, channel));
    x = x * p->scale;
    x = x * kv_param_scale(params[channel]);
    return x;
}

KV_KERNEL void kvant_saliency_queries(const kv_saliency_params p, __global const kv_u32 *queries,
                                      __global kv_u32 *scratch)
{
    kv_u32 group = p.q_heads / p.kv_heads;

    const kv_items items = kv_my_items(p.probes * p.q_heads);
    for (kv_u32 item = items.begin; item < items.end; item += items.step) {
        kv_u32 probe = item / p.q_heads;
        kv_u32 q_head = item % p.q_heads;
        kv_u32 row = probe;
        if (p.query_base != KV_NO_OFFSET) {
            row = scratch[p.probes_offset + probe] - p.query_base;
        }
        __global const kv_u32 *params = &scratch[p.params_offset + (q_head / group) * p.dim];

        kv_f32 largest = 0.0f;
        for (kv_u32 channel = 0u; channel < p.dim; channel++) {
            kv_f32 x = folded_query(&p, queries, params, row, q_head, channel);
            largest = kv_max(largest, kv_abs(x));
        }

        /* 2. Operands */
        kv_f32 inverse = kv_operand_inverse(largest, 127.0f);
        for (kv_u32 channel = 0u; channel < p.dim; channel += 4u) {
            kv_u32 word = 0u;
            for (kv_u32 lane = 0u; lane < 4u; lane++) {
                kv_f32 x = folded_query(&p, queries, params, row, q_head, channel + lane);
                word |= (KV_U32(kv_operand(x, inverse)) & 255u) << (8u * lane);
            }
            scratch[p.operands_offset + item * (p.dim / 4u) + channel / 4u] = word;
        }

        /* 3. The value of one unit */
        KV_EXACT kv_f32 step = largest * 7.8740157186985015869140625e-3f; /* 1/127 */
        scratch[p.steps_offset + item] = kv_bits(step);
    }
}
