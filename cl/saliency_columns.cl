/* SPDX-License-Identifier: MIT
 *
 * saliency_columns: for each token of each KV head, the sum of its probabilities over the probe rows
 * and the query heads of the group, in units of 2^-28 and 64 bits. One item is KV_WIDTH tokens of
 * one KV head.
 */
#include "saliency.clh"

KV_INLINE void sum_columns(const kv_saliency_params *p, __global kv_u32 *scratch, kv_u32 kv_head,
                           kv_u32 token)
{
    kv_u32 group = p->q_heads / p->kv_heads;
    kv_u32 words = p->dim / 4u;
    kv_words keys[KV_MAX_HEAD_DIM / 4u];
    kv_load_keys(p, scratch, kv_head, token, keys);
    kv_ints key_bias = kv_key_bias(keys, words);

    kv_words low = 0u;
    kv_words high = 0u;
    for (kv_u32 probe = 0u; probe < p->probes; probe++) {
        kv_u32 probe_position = scratch[p->probes_offset + probe];
        if (p->first_position + token > probe_position) {
            continue;
        }
        kv_ints is_visible = kv_saliency_visible(p, probe_position, token);
        for (kv_u32 i = 0u; i < group; i++) {
            kv_u32 item = probe * p->q_heads + kv_head * group + i;
            /* 1. Probability */
            KV_EXACT kv_floats difference =
                kv_saliency_scores(keys, key_bias, words,
                                   &scratch[p->operands_offset + item * words],
                                   kv_float(scratch[p->steps_offset + item])) -
                kv_float(scratch[p->rows_offset + 2u * item]);
            KV_EXACT kv_floats probability =
                kv_exps(difference) * kv_float(scratch[p->rows_offset + 2u * item + 1u]);
            probability = probability * KV_PROBABILITY_ONE;
            /* 2. Integer sum */
            kv_words units = KV_WORDS_OF(KV_TO_INTS(rint(probability)));
            kv_words term = is_visible ? units : (kv_words)(0u);
            low += term;
            high += low < term ? (kv_words)(1u) : (kv_words)(0u);
        }
    }
    /* 3. Store */
    kv_floats pairs[2];
    pairs[0] = KV_FLOATS_OF(low);
    pairs[1] = KV_FLOATS_OF(high);
    kv_store_some(&scratch[p->sums_offset + 2u * (kv_head * p->tokens + token)], pairs, 2u,
                  p->tokens - token);
}

KV_KERNEL void kvant_saliency_columns(const kv_saliency_params p, __global kv_u32 *scratch)
{
    kv_u32 runs = (p.tokens + KV_WIDTH - 1u) / KV_WIDTH;
    const kv_items items = kv_my_items(p.kv_heads * runs);
    for (kv_u32 item = items.begin; item < items.end; item += items.step) {
        sum_columns(&p, scratch, item / runs, item % runs * KV_WIDTH);
    }
}
