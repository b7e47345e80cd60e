/* SPDX-License-Identifier: MIT
 *
 * saliency_queries: each probe row's query, with the softmax scale and the keys' channel scales
 * folded in, as int8. A warp takes one probe row of one query head; a lane holds four channels at a
 * time, one word.
 *
 * Keys are int8 codes about each channel's midrange, so an outlier channel costs the others
 * nothing: its scale lies in the query, and what is constant over the tokens does not change a
 * softmax.
 */
#include "kernel.cuh"

#define KV_LANE_WORDS (KV_MAX_HEAD_DIM / 4u / KV_WARP)

KV_FN void kv_saliency_query(const kv_saliency_params &p, const kv_u32 *queries, kv_u32 *scratch,
                             kv_u32 item)
{
    kv_u32 probe = item / p.q_heads;
    kv_u32 q_head = item % p.q_heads;
    kv_u32 row = probe;
    if (p.query_base != KV_NO_OFFSET) {
        row = scratch[p.probes_offset + probe] - p.query_base;
    }
    const kv_u32 *params = &scratch[p.params_offset + q_head / (p.q_heads / p.kv_heads) * p.dim];
    kv_u32 words = p.dim / 4u;

    /* 1. Fold */
    kv_f32 folded[KV_LANE_WORDS][4];
    kv_f32 largest = 0.0f;
#pragma unroll
    for (kv_u32 i = 0u; i < KV_LANE_WORDS; i++) {
        kv_u32 word = i * KV_WARP + kv_lane();
#pragma unroll
        for (kv_u32 byte = 0u; byte < 4u; byte++) {
            KV_EXACT kv_f32 x = 0.0f;
            if (word < words) {
                kv_u32 channel = word * 4u + byte;
                x = kv_query_value(kv_view_load(queries, p.queries, row, q_head, channel));
                x = x * p.scale;
                x = x * kv_param_scale(params[channel]);
            }
            folded[i][byte] = x;
            largest = kv_max(largest, kv_abs(x));
        }
    }
    largest = kv_warp_max_abs(largest);

    /* 2. Operands */
    kv_f32 inverse = kv_operand_inverse(largest, 127.0f);
#pragma unroll
    for (kv_u32 i = 0u; i < KV_LANE_WORDS; i++) {
        kv_u32 word = 0u;
#pragma unroll
        for (kv_u32 byte = 0u; byte < 4u; byte++) {
            word |= (KV_U32(kv_operand(folded[i][byte], inverse)) & 255u) << (8u * byte);
        }
        if (i * KV_WARP + kv_lane() < words) {
            scratch[p.operands_offset + item * words + i * KV_WARP + kv_lane()] = word;
        }
    }

    /* 3. The value of one unit */
    KV_EXACT kv_f32 step = largest * 7.8740157186985015869140625e-3f; /* 1/127 */
    if (kv_lane() == 0u) {
        scratch[p.steps_offset + item] = kv_bits(step);
    }
}

extern "C" __global__ void __launch_bounds__(KV_MAX_LANES)
kvant_saliency_queries(const kv_saliency_params p, const kv_u32 *__restrict__ queries,
                       kv_u32 *scratch)
{
    for (kv_u32 item = kv_first_warp_item(); item < p.probes * p.q_heads;
         item += kv_warp_item_stride()) {
        kv_saliency_query(p, queries, scratch, item);
    }
}
