/* SPDX-License-Identifier: MIT
 *
 * saliency_merge: the partial results of each probe row, merged in index order: its largest score
 * and the reciprocal of its sum. One item is one probe row of one query head.
 */
#include "reference.h"

void kvant_ref_saliency_merge(const void *params_words, kv_u32 *const *bindings)
{
    const kv_saliency_params *p = params_words;
    kv_u32 *scratch = bindings[0];
    kv_u32 splits = (p->tokens + KV_SPLIT_TOKENS - 1u) / KV_SPLIT_TOKENS;

    for (kv_u32 item = 0; item < p->probes * p->q_heads; item++) {
        const kv_u32 *partials = &scratch[p->partials_offset + 2u * item * splits];

        /* 1. Largest score */
        kv_f32 largest = KV_MASKED;
        for (kv_u32 split = 0; split < splits; split++) {
            if (partials[2u * split + 1u] != 0u) {
                largest = kv_max(largest, kv_float(partials[2u * split]));
            }
        }

        /* 2. Sum, in index order */
        KV_EXACT kv_f32 sum = 0.0f;
        for (kv_u32 split = 0; split < splits; split++) {
            if (partials[2u * split + 1u] != 0u) {
                KV_EXACT kv_f32 difference = kv_float(partials[2u * split]) - largest;
                KV_EXACT kv_f32 part = kv_uint_to_float(partials[2u * split + 1u]) * KV_WEIGHT_STEP;
                part = part * kv_exp(difference);
                sum = sum + part;
            }
        }

        /* 3. Store */
        scratch[p->rows_offset + 2u * item] = kv_bits(largest);
        scratch[p->rows_offset + 2u * item + 1u] = kv_bits(sum > 0.0f ? kv_reciprocal(sum) : 0.0f);
    }
}
