/* SPDX-License-Identifier: MIT
 *
 * saliency_rows: for each probe row and each split of tokens, the largest score and the sum of the
 * exponentials relative to it, in units of 2^-23. Integer sums: any order. One work-group does one
 * split of one KV head.
 */
#include "saliency.h"

void kvant_ref_saliency_rows(const void *params_words, kv_u32 *const *bindings)
{
    const kv_saliency_params *p = params_words;
    kv_u32 *scratch = bindings[0];
    kv_u32 group = p->q_heads / p->kv_heads;
    kv_u32 splits = (p->tokens + KV_SPLIT_TOKENS - 1u) / KV_SPLIT_TOKENS;

    for (kv_u32 item = 0; item < p->probes * p->q_heads; item++) {
        kv_u32 probe = item / p->q_heads;
        kv_u32 kv_head = item % p->q_heads / group;
        for (kv_u32 split = 0; split < splits; split++) {
            kv_u32 first = split * KV_SPLIT_TOKENS;
            kv_u32 end = kv_min_u32(first + KV_SPLIT_TOKENS, p->tokens);

            /* 1. Scores and their maximum */
            kv_f32 scores[KV_SPLIT_TOKENS];
            kv_f32 largest = KV_MASKED;
            for (kv_u32 token = first; token < end; token++) {
                scores[token - first] = KV_MASKED;
                if (kv_saliency_visible(p, scratch, probe, token) != 0u) {
                    scores[token - first] = kv_saliency_score(p, scratch, item, kv_head, token);
                    largest = kv_max(largest, scores[token - first]);
                }
            }

            /* 2. Sum of the exponentials */
            kv_u32 sum = 0;
            for (kv_u32 token = first; token < end; token++) {
                if (kv_saliency_visible(p, scratch, probe, token) != 0u) {
                    KV_EXACT kv_f32 difference = scores[token - first] - largest;
                    KV_EXACT kv_f32 weight = kv_exp(difference) * KV_WEIGHT_ONE;
                    sum += KV_U32(KV_I32(kv_rint(weight)));
                }
            }

            /* 3. Store */
            kv_u32 *partial = &scratch[p->partials_offset + 2u * (item * splits + split)];
            partial[0] = kv_bits(largest);
            partial[1] = sum;
        }
    }
}
