#version 450
#extension GL_GOOGLE_include_directive : require
/* SPDX-License-Identifier: MIT
 *
 * saliency_ranks: the rank of each token among the scores of its map, times a weight, into a blend:
 * how many tokens have a smaller (score, position). Ranks of different scores can be added, scores
 * cannot. KV_SCORE_MAX stays, in scores and in the blend. One item is one token of one map.
 */
#include "kernel.glsl"

KV_BINDING(0, , scratch);
KV_PARAMS(kv_ranks_params);

void main()
{
    KV_FOR_ITEMS(item, p.maps * p.tokens)
    {
        kv_u32 token = item % p.tokens;
        kv_u32 first = p.scores_offset + item - token;

        /* 1. Rank: all lanes walk the same tokens */
        kv_u32 score = scratch[first + token];
        kv_u32 rank = 0u;
        for (kv_u32 other = 0u; other < p.tokens; other++) {
            kv_u32 key = scratch[first + other];
            rank += key < score || (key == score && other < token) ? 1u : 0u;
        }

        /* 2. Blend */
        kv_u32 sum = p.is_added != 0u ? scratch[p.blend_offset + item] : 0u;
        bool is_forced = score >= KV_SCORE_MAX || sum >= KV_SCORE_MAX;
        scratch[p.blend_offset + item] = is_forced ? KV_SCORE_MAX : sum + p.weight * rank;
    }
}
