/* SPDX-License-Identifier: MIT
 *
 * saliency_ranks: the rank of each token among the scores of its map, times a weight, into a blend:
 * how many tokens have a smaller (score, position). Ranks of different scores can be added, scores
 * cannot. KV_SCORE_MAX stays, in scores and in the blend. One item is one token of one map.
 */
#include "reference.h"

void kvant_ref_saliency_ranks(const void *params_words, kv_u32 *const *bindings)
{
    const kv_ranks_params *p = params_words;
    kv_u32 *scratch = bindings[0];

    for (kv_u32 map = 0; map < p->maps; map++) {
        const kv_u32 *scores = &scratch[p->scores_offset + map * p->tokens];
        kv_u32 *blend = &scratch[p->blend_offset + map * p->tokens];
        for (kv_u32 token = 0; token < p->tokens; token++) {
            /* 1. Rank */
            kv_u32 score = scores[token];
            kv_u32 rank = 0;
            for (kv_u32 other = 0; other < token; other++) {
                rank += scores[other] <= score ? 1u : 0u;
            }
            for (kv_u32 other = token + 1u; other < p->tokens; other++) {
                rank += scores[other] < score ? 1u : 0u;
            }

            /* 2. Blend */
            kv_u32 sum = p->is_added != 0u ? blend[token] : 0u;
            kv_u32 is_forced = score >= KV_SCORE_MAX || sum >= KV_SCORE_MAX ? 1u : 0u;
            blend[token] = is_forced != 0u ? KV_SCORE_MAX : sum + p->weight * rank;
        }
    }
}
