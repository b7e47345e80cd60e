/* SPDX-License-Identifier: MIT
 *
 * saliency_pool: scores pooled along the tokens (SnapKV): the mean or the largest of the scores around
 * each token, in integers. Past both ends scores are 0; a score of KV_SCORE_MAX stays, and is 0 to its
 * neighbours. One item is one token of one map.
 */
#include "reference.h"

void kvant_ref_saliency_pool(const void *params_words, kv_u32 *const *bindings)
{
    const kv_pool_params *p = params_words;
    kv_u32 *scratch = bindings[0];

    for (kv_u32 item = 0; item < p->maps * p->tokens; item++) {
        kv_u32 token = item % p->tokens;
        kv_u32 half = p->width / 2u;
        kv_u32 before = kv_min_u32(half, token);
        kv_u32 after = kv_min_u32(half, p->tokens - 1u - token);
        const kv_u32 *first = &scratch[p->scores_offset + item - before];

        /* 1. Mean and largest: the mean from quotients and remainders, in 32 bits */
        kv_u32 quotients = 0;
        kv_u32 remainders = 0;
        kv_u32 largest = 0;
        for (kv_u32 i = 0; i <= before + after; i++) {
            kv_u32 score = first[i] < KV_SCORE_MAX ? first[i] : 0;
            quotients += score / p->width;
            remainders += score % p->width;
            largest = score > largest ? score : largest;
        }
        kv_u32 pooled = p->is_largest != 0u ? largest : quotients + remainders / p->width;

        /* 2. Store */
        scratch[p->pooled_offset + item] = first[before] >= KV_SCORE_MAX ? KV_SCORE_MAX : pooled;
    }
}
