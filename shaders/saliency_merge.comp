#version 450
#extension GL_GOOGLE_include_directive : require
/* SPDX-License-Identifier: MIT
 *
 * saliency_merge: the partial results of each probe row, merged in index order: its largest score
 * and the reciprocal of its sum. One item is one probe row of one query head.
 */
#include "kernel.glsl"

KV_BINDING(0, , scratch);
KV_PARAMS(kv_saliency_params);

void main()
{
    kv_u32 splits = (p.tokens + KV_SPLIT_TOKENS - 1u) / KV_SPLIT_TOKENS;
    KV_FOR_ITEMS(item, p.probes * p.q_heads)
    {
        kv_u32 partials = p.partials_offset + 2u * item * splits;

        /* 1. Largest score */
        kv_f32 largest = KV_MASKED;
        for (kv_u32 split = 0u; split < splits; split++) {
            if (scratch[partials + 2u * split + 1u] != 0u) {
                largest = kv_max(largest, kv_float(scratch[partials + 2u * split]));
            }
        }

        /* 2. Sum, in index order */
        KV_EXACT kv_f32 sum = 0.0f;
        for (kv_u32 split = 0u; split < splits; split++) {
            kv_u32 units = scratch[partials + 2u * split + 1u];
            if (units != 0u) {
                KV_EXACT kv_f32 difference = kv_float(scratch[partials + 2u * split]) - largest;
                KV_EXACT kv_f32 part = kv_uint_to_float(units) * KV_WEIGHT_STEP;
                part = part * kv_exp(difference);
                sum = sum + part;
            }
        }

        /* 3. Store */
        scratch[p.rows_offset + 2u * item] = kv_bits(largest);
        scratch[p.rows_offset + 2u * item + 1u] = kv_bits(sum > 0.0f ? kv_reciprocal(sum) : 0.0f);
    }
}
