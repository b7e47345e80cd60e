/* SPDX-License-Identifier: MIT
 *
 * saliency_columns: for each token of each KV head, the sum of its probabilities over the probe rows
 * and the query heads of the group, in units of 2^-28 and 64 bits. One item is one token of one
 * KV head.
 */
#include "saliency.h"

void kvant_ref_saliency_columns(const void *params_words, kv_u32 *const *bindings)
{
    const kv_saliency_params *p = params_words;
    kv_u32 *scratch = bindings[0];
    kv_u32 group = p->q_heads / p->kv_heads;

    for (kv_u32 kv_head = 0; kv_head < p->kv_heads; kv_head++) {
        for (kv_u32 token = 0; token < p->tokens; token++) {
            kv_u32 low = 0;
            kv_u32 high = 0;
            for (kv_u32 probe = 0; probe < p->probes; probe++) {
                if (kv_saliency_visible(p, scratch, probe, token) == 0u) {
                    continue;
                }
                for (kv_u32 i = 0; i < group; i++) {
                    kv_u32 item = probe * p->q_heads + kv_head * group + i;
                    /* 1. Probability */
                    KV_EXACT kv_f32 difference =
                        kv_saliency_score(p, scratch, item, kv_head, token) -
                        kv_float(scratch[p->rows_offset + 2u * item]);
                    KV_EXACT kv_f32 probability =
                        kv_exp(difference) * kv_float(scratch[p->rows_offset + 2u * item + 1u]);
                    probability = probability * KV_PROBABILITY_ONE;
                    /* 2. Integer sum */
                    kv_u32 term = KV_U32(KV_I32(kv_rint(probability)));
                    low += term;
                    high += low < term ? 1u : 0u;
                }
            }
            /* 3. Store */
            kv_u32 at = p->sums_offset + 2u * (kv_head * p->tokens + token);
            scratch[at] = low;
            scratch[at + 1u] = high;
        }
    }
}
