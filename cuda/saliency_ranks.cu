/* SPDX-License-Identifier: MIT
 *
 * saliency_ranks: the rank of each token among the scores of its map, times a weight, into a blend:
 * how many tokens have a smaller (score, position). Ranks of different scores can be added, scores
 * cannot. KV_SCORE_MAX stays, in scores and in the blend. One item is one token of one map.
 */
#include "kernel.cuh"

extern "C" __global__ void __launch_bounds__(KV_MAX_LANES)
kvant_saliency_ranks(const kv_ranks_params p, kv_u32 *scratch)
{
    for (kv_u32 item = kv_first_item(); item < p.maps * p.tokens; item += kv_item_stride()) {
        kv_u32 token = item % p.tokens;
        const kv_u32 *scores = &scratch[p.scores_offset + item - token];

        /* 1. Rank: all lanes walk the same tokens */
        kv_u32 score = scores[token];
        kv_u32 rank = 0u;
        for (kv_u32 other = 0u; other < p.tokens; other++) {
            kv_u32 key = scores[other];
            rank += key < score || (key == score && other < token) ? 1u : 0u;
        }

        /* 2. Blend */
        kv_u32 sum = p.is_added != 0u ? scratch[p.blend_offset + item] : 0u;
        kv_u32 is_forced = score >= KV_SCORE_MAX || sum >= KV_SCORE_MAX ? 1u : 0u;
        scratch[p.blend_offset + item] = is_forced != 0u ? KV_SCORE_MAX : sum + p.weight * rank;
    }
}
