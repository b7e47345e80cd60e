/* SPDX-License-Identifier: MIT
 *
 * saliency_pool: scores pooled along the tokens (SnapKV): the mean or the largest of the scores around
 * each token, in integers. Past both ends scores are 0; a score of KV_SCORE_MAX stays, and is 0 to its
 * neighbours. One item is one token of one map.
 */
#include "kernel.clh"

KV_KERNEL void kvant_saliency_pool(const kv_pool_params p, __global kv_u32 *scratch)
{
    const kv_items items = kv_my_items(p.maps * p.tokens);
    for (kv_u32 item = items.begin; item < items.end; item += items.step) {
        kv_u32 token = item % p.tokens;
        kv_u32 around = p.width / 2u;
        kv_u32 before = kv_min_u32(around, token);
        kv_u32 after = kv_min_u32(around, p.tokens - 1u - token);
        __global const kv_u32 *first = &scratch[p.scores_offset + item - before];

        /* 1. Mean and largest: the mean from quotients and remainders, in 32 bits */
        kv_u32 quotients = 0u;
        kv_u32 remainders = 0u;
        kv_u32 largest = 0u;
        for (kv_u32 i = 0u; i <= before + after; i++) {
            kv_u32 score = first[i] < KV_SCORE_MAX ? first[i] : 0u;
            kv_u32 quotient = score / p.width;
            quotients += quotient;
            remainders += score - quotient * p.width;
            largest = max(largest, score);
        }
        kv_u32 pooled = p.is_largest != 0u ? largest : quotients + remainders / p.width;

        /* 2. Store */
        scratch[p.pooled_offset + item] = first[before] >= KV_SCORE_MAX ? KV_SCORE_MAX : pooled;
    }
}
