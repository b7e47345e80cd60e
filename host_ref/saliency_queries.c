/* SPDX-License-Identifier: MIT
 *
 * saliency_queries: each probe row's query, with the softmax scale and the keys' channel scales
 * folded in, as int8. One item is one probe row of one query head.
 *
 * Keys are int8 codes about each channel's midrange, so an outlier channel costs the others nothing:
 * its scale lies in the query, and what is constant over the tokens does not change a softmax.
 */
#include "reference.h"

void kvant_ref_saliency_queries(const void *params_words, kv_u32 *const *bindings)
{
    const kv_saliency_params *p = params_words;
    const kv_u32 *queries = bindings[0];
    kv_u32 *scratch = bindings[1];
    kv_u32 group = p->q_heads / p->kv_heads;

    for (kv_u32 item = 0; item < p->probes * p->q_heads; item++) {
        kv_u32 probe = item / p->q_heads;
        kv_u32 q_head = item % p->q_heads;
        kv_u32 row = probe;
        if (p->query_base != KV_NO_OFFSET) {
            row = scratch[p->probes_offset + probe] - p->query_base;
        }
        const kv_u32 *params = &scratch[p->params_offset + (q_head / group) * p->dim];

        /* 1. Fold */
        kv_f32 folded[KV_MAX_HEAD_DIM];
        kv_f32 largest = 0.0f;
        for (kv_u32 channel = 0; channel < p->dim; channel++) {
            KV_EXACT kv_f32 x =
                kv_query_value(kv_view_load(queries, &p->queries, row, q_head, channel));
            x = x * p->scale;
            x = x * kv_param_scale(params[channel]);
            folded[channel] = x;
            largest = kv_max(largest, kv_abs(x));
        }

        /* 2. Operands */
        kv_f32 inverse = kv_operand_inverse(largest, 127.0f);
        for (kv_u32 channel = 0; channel < p->dim; channel += 4u) {
            kv_u32 word = 0;
            for (kv_u32 lane = 0; lane < 4u; lane++) {
                kv_i32 operand = kv_operand(folded[channel + lane], inverse);
                word |= (KV_U32(operand) & 255u) << (8u * lane);
            }
            scratch[p->operands_offset + item * (p->dim / 4u) + channel / 4u] = word;
        }

        /* 3. The value of one unit */
        KV_EXACT kv_f32 step = largest * 7.8740157186985015869140625e-3f; /* 1/127 */
        scratch[p->steps_offset + item] = kv_bits(step);
    }
}
