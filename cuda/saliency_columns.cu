/* SPDX-License-Identifier: MIT
 *
 * saliency_columns: for each token of each KV head, the sum of its probabilities over the probe
 * rows and the query heads of the group, in units of 2^-28 and 64 bits. One item is one token of
 * one KV head. A lane reads the words of its token once for eight rows at a time; neighbouring
 * lanes read the same operands.
 */
#include "saliency.cuh"

#define KV_COLUMN_ROWS 8u

/* Dot products of pairs [first, first + KV_COLUMN_ROWS) of the KV head, or as many as there are. */
KV_FN void kv_column_dots(const kv_saliency_params &p, const kv_u32 *scratch, kv_u32 kv_head,
                          kv_u32 token, kv_u32 first, kv_u32 pairs, kv_i32 dots[KV_COLUMN_ROWS])
{
    kv_u32 group = p.q_heads / p.kv_heads;
    kv_u32 words = p.dim / 4u;
    const kv_u32 *keys = kv_saliency_keys(p, scratch, kv_head, token);
    const kv_u32 *operands[KV_COLUMN_ROWS];
#pragma unroll
    for (kv_u32 i = 0u; i < KV_COLUMN_ROWS; i++) {
        kv_u32 pair = kv_min_u32(first + i, pairs - 1u);
        kv_u32 item = pair / group * p.q_heads + kv_head * group + pair % group;
        operands[i] = &scratch[p.operands_offset + item * words];
        dots[i] = 0;
    }
    for (kv_u32 word = 0u; word < words; word++) {
        kv_i32 key = kv_signed_keys(keys[word]);
#pragma unroll
        for (kv_u32 i = 0u; i < KV_COLUMN_ROWS; i++) {
            dots[i] = __dp4a(KV_I32(operands[i][word]), key, dots[i]);
        }
    }
}

extern "C" __global__ void __launch_bounds__(KV_MAX_LANES)
kvant_saliency_columns(const kv_saliency_params p, kv_u32 *scratch)
{
    kv_u32 group = p.q_heads / p.kv_heads;
    kv_u32 pairs = p.probes * group;

    for (kv_u32 column = kv_first_item(); column < p.kv_heads * p.tokens;
         column += kv_item_stride()) {
        kv_u32 kv_head = column / p.tokens;
        kv_u32 token = column % p.tokens;
        kv_u32 low = 0u;
        kv_u32 high = 0u;
        for (kv_u32 first = 0u; first < pairs; first += KV_COLUMN_ROWS) {
            kv_i32 dots[KV_COLUMN_ROWS];
            kv_column_dots(p, scratch, kv_head, token, first, pairs, dots);
#pragma unroll
            for (kv_u32 i = 0u; i < KV_COLUMN_ROWS; i++) {
                kv_u32 probe = (first + i) / group;
                if (first + i >= pairs || kv_saliency_visible(p, scratch, probe, token) == 0u) {
                    continue;
                }
                kv_u32 item = probe * p.q_heads + kv_head * group + (first + i) % group;
                /* 1. Probability */
                KV_EXACT kv_f32 difference =
                    kv_saliency_score(dots[i], kv_float(scratch[p.steps_offset + item])) -
                    kv_float(scratch[p.rows_offset + 2u * item]);
                KV_EXACT kv_f32 probability =
                    kv_exp(difference) * kv_float(scratch[p.rows_offset + 2u * item + 1u]);
                probability = probability * KV_PROBABILITY_ONE;
                /* 2. Integer sum */
                kv_u32 term = KV_U32(KV_I32(kv_rint(probability)));
                low += term;
                high += low < term ? 1u : 0u;
            }
        }
        /* 3. Store */
        scratch[p.sums_offset + 2u * column] = low;
        scratch[p.sums_offset + 2u * column + 1u] = high;
    }
}
