/* SPDX-License-Identifier: MIT
 *
 * Part of saliency_rows.comp and its variant, which differ in how products are made (kv_dot).
 */
#include "saliency.glsl"

shared kv_f32 scores[KV_ROWS * KV_SPLIT_TOKENS];
shared kv_u32 largest_keys[KV_ROWS];
shared kv_u32 sums[KV_ROWS];
shared kv_u32 positions[KV_ROWS];
shared kv_f32 steps[KV_ROWS];

void sum_split()
{
    kv_u32 splits = (p.tokens + KV_SPLIT_TOKENS - 1u) / KV_SPLIT_TOKENS;
    kv_u32 split = gl_WorkGroupID.x;
    kv_u32 kv_head = gl_WorkGroupID.y;
    kv_u32 first_pair = gl_WorkGroupID.z * KV_ROWS;
    kv_u32 pairs = kv_min_u32(KV_ROWS, kv_pair_count() - first_pair);
    kv_u32 first = split * KV_SPLIT_TOKENS;
    kv_u32 end = kv_min_u32(first + KV_SPLIT_TOKENS, p.tokens);

    kv_saliency_load_operands(kv_head, first_pair);
    KV_FOR_LANES(row, KV_ROWS)
    {
        kv_u32 pair = kv_min_u32(first_pair + row, kv_pair_count() - 1u);
        largest_keys[row] = kv_sortable(KV_MASKED);
        sums[row] = 0u;
        positions[row] = scratch[p.probes_offset + kv_pair_probe(pair)];
        steps[row] = kv_float(scratch[p.steps_offset + kv_pair_item(kv_head, pair)]);
    }
    barrier();

    /* 1. Scores and their maximum */
    kv_f32 largest[KV_ROWS];
    for (kv_u32 row = 0u; row < KV_ROWS; row++) {
        largest[row] = KV_MASKED;
    }
    for (kv_u32 base = first; base < end; base += KV_LANES * kv_tokens_of_lane) {
        kv_i32 dots[kv_dots_of_lane];
        kv_saliency_dots(kv_head, first_pair, base, end, dots);
        for (kv_u32 i = 0u; i < kv_dots_of_lane; i++) {
            kv_u32 row = i / kv_tokens_of_lane;
            kv_u32 token = base + KV_LANE + i % kv_tokens_of_lane * KV_LANES;
            if (token < end && kv_saliency_visible(positions[row], token)) {
                kv_f32 score = kv_saliency_score(dots[i], steps[row]);
                scores[row * KV_SPLIT_TOKENS + token - first] = score;
                largest[row] = kv_max(largest[row], score);
            }
        }
    }
    for (kv_u32 row = 0u; row < KV_ROWS; row++) {
        atomicMax(largest_keys[row], kv_sortable(largest[row]));
    }
    barrier();

    /* 2. Sum of the exponentials */
    for (kv_u32 row = 0u; row < pairs; row++) {
        kv_f32 row_largest = kv_from_sortable(largest_keys[row]);
        kv_u32 sum = 0u;
        for (kv_u32 token = first + KV_LANE; token < end; token += KV_LANES) {
            if (kv_saliency_visible(positions[row], token)) {
                KV_EXACT kv_f32 difference =
                    scores[row * KV_SPLIT_TOKENS + token - first] - row_largest;
                KV_EXACT kv_f32 weight = kv_exp(difference) * KV_WEIGHT_ONE;
                sum += KV_U32(KV_I32(kv_rint(weight)));
            }
        }
        atomicAdd(sums[row], sum);
    }
    barrier();

    /* 3. Store */
    KV_FOR_LANES(row, pairs)
    {
        kv_u32 item = kv_pair_item(kv_head, first_pair + row);
        kv_u32 at = p.partials_offset + 2u * (item * splits + split);
        scratch[at] = kv_bits(kv_from_sortable(largest_keys[row]));
        scratch[at + 1u] = sums[row];
    }
}
