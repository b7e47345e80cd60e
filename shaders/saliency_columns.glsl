/* SPDX-License-Identifier: MIT
 *
 * Part of saliency_columns.comp and its variant, which differ in how products are made (kv_dot).
 */
#include "saliency.glsl"

shared kv_u32 positions[KV_ROWS];
shared kv_f32 steps[KV_ROWS];
shared kv_f32 largest[KV_ROWS];
shared kv_f32 inverses[KV_ROWS];

/* What is known of KV_ROWS pairs, into shared memory. */
void load_pairs(kv_u32 kv_head, kv_u32 first_pair)
{
    barrier();
    kv_saliency_load_operands(kv_head, first_pair);
    KV_FOR_LANES(row, KV_ROWS)
    {
        kv_u32 pair = kv_min_u32(first_pair + row, kv_pair_count() - 1u);
        kv_u32 item = kv_pair_item(kv_head, pair);
        positions[row] = scratch[p.probes_offset + kv_pair_probe(pair)];
        steps[row] = kv_float(scratch[p.steps_offset + item]);
        largest[row] = kv_float(scratch[p.rows_offset + 2u * item]);
        inverses[row] = kv_float(scratch[p.rows_offset + 2u * item + 1u]);
    }
    barrier();
}

/* Adds the probabilities that KV_ROWS pairs give to a token of the lane. */
void sum_pairs(kv_i32 dots[kv_dots_of_lane], kv_u32 t, kv_u32 token, kv_u32 pairs, inout kv_u32 low,
               inout kv_u32 high)
{
    for (kv_u32 row = 0u; row < KV_ROWS; row++) {
        if (row < pairs && kv_saliency_visible(positions[row], token)) {
            /* 1. Probability */
            KV_EXACT kv_f32 difference =
                kv_saliency_score(dots[row * kv_tokens_of_lane + t], steps[row]) - largest[row];
            KV_EXACT kv_f32 probability = kv_exp(difference) * inverses[row];
            probability = probability * KV_PROBABILITY_ONE;
            /* 2. Integer sum */
            kv_u32 term = KV_U32(KV_I32(kv_rint(probability)));
            low += term;
            high += low < term ? 1u : 0u;
        }
    }
}

void sum_columns()
{
    const kv_u32 tile_tokens = KV_LANES * kv_tokens_of_lane;
    kv_u32 tiles_of_head = (p.tokens + tile_tokens - 1u) / tile_tokens;
    for (kv_u32 tile = gl_WorkGroupID.x; tile < p.kv_heads * tiles_of_head;
         tile += gl_NumWorkGroups.x) {
        kv_u32 kv_head = tile / tiles_of_head;
        kv_u32 first = tile % tiles_of_head * tile_tokens;
        kv_u32 low[kv_tokens_of_lane];
        kv_u32 high[kv_tokens_of_lane];
        for (kv_u32 t = 0u; t < kv_tokens_of_lane; t++) {
            low[t] = 0u;
            high[t] = 0u;
        }
        for (kv_u32 first_pair = 0u; first_pair < kv_pair_count(); first_pair += KV_ROWS) {
            load_pairs(kv_head, first_pair);
            kv_u32 pairs = kv_min_u32(KV_ROWS, kv_pair_count() - first_pair);
            if (!kv_saliency_visible(positions[pairs - 1u], first)) {
                continue; /* probes are ascending: none of these sees a token of the tile */
            }
            kv_i32 dots[kv_dots_of_lane];
            kv_saliency_dots(kv_head, first_pair, first, p.tokens, dots);
            for (kv_u32 t = 0u; t < kv_tokens_of_lane; t++) {
                sum_pairs(dots, t, first + KV_LANE + t * KV_LANES, pairs, low[t], high[t]);
            }
        }
        /* 3. Store */
        for (kv_u32 t = 0u; t < kv_tokens_of_lane; t++) {
            kv_u32 token = first + KV_LANE + t * KV_LANES;
            if (token < p.tokens) {
                kv_u32 at = p.sums_offset + 2u * (kv_head * p.tokens + token);
                scratch[at] = low[t];
                scratch[at + 1u] = high[t];
            }
        }
    }
}
