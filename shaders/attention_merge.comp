#version 450
#extension GL_GOOGLE_include_directive : require
/* SPDX-License-Identifier: MIT
 *
 * attention_merge: the partial results of a query row's splits, joined in index order into the
 * output and, where asked, its log-sum-exp. A row that sees no token gives 0 and minus infinity.
 * One work-group does one query row; a lane keeps pairs of channels.
 */
#include "kernel.glsl"

KV_BINDING(0, readonly, store);
KV_BINDING(1, readonly, partials);
KV_BINDING(2, writeonly, outputs);
KV_BINDING(3, writeonly, lse);
KV_PARAMS(kv_attention_params);

/* Pairs of channels of one lane. */
const kv_u32 pairs_of_lane = (KV_MAX_LATENT_DIM / 2u + KV_LANES - 1u) / KV_LANES;

shared kv_u32 largest_key;
shared kv_f32 factors[KV_LANES]; /* of the splits at hand */
shared kv_f32 parts[KV_LANES];

/* 1. Largest score */
kv_f32 largest_score(kv_u32 first, kv_u32 splits, kv_u32 stride)
{
    if (KV_LANE == 0u) {
        largest_key = kv_sortable(KV_MASKED);
    }
    barrier();
    KV_FOR_LANES(split, splits)
    {
        kv_u32 partial = first + split * stride;
        if (partials[partial + 1u] != 0u) {
            atomicMax(largest_key, kv_sortable(kv_float(partials[partial])));
        }
    }
    barrier();
    return kv_from_sortable(largest_key);
}

/* The factors of the splits base + lane; 0 parts mark those that saw no token. */
void load_factors(kv_u32 first, kv_u32 base, kv_u32 splits, kv_u32 stride, kv_f32 largest)
{
    barrier();
    kv_u32 split = base + KV_LANE;
    KV_EXACT kv_f32 part = 0.0f;
    if (split < splits) {
        kv_u32 partial = first + split * stride;
        KV_EXACT kv_f32 difference = kv_float(partials[partial]) - largest;
        kv_f32 factor = kv_exp(difference);
        kv_u32 units = partials[partial + 1u];
        if (units != 0u) {
            part = kv_uint_to_float(units) * KV_WEIGHT_STEP;
            part = part * factor;
            factors[KV_LANE] = factor;
        } else {
            factors[KV_LANE] = -1.0f;
        }
    }
    parts[KV_LANE] = part;
    barrier();
}

/* 4. Store */
void store_pair(kv_u32 at, kv_f32 low, kv_f32 high)
{
    if (p.out_dtype == KV_DTYPE_F32) {
        outputs[at] = kv_bits(low);
        outputs[at + 1u] = kv_bits(high);
    } else {
        outputs[at / 2u] = kv_f32_to_f16(low) | (kv_f32_to_f16(high) << 16);
    }
}

void main()
{
    kv_u32 line = gl_WorkGroupID.x;
    kv_u32 sequence = gl_WorkGroupID.z;
    kv_u32 rows = p.q_heads * p.queries;
    kv_u32 words = p.v_dim + 2u;
    kv_u32 stride = rows * words;
    kv_u32 first = p.partials_offset + (sequence * p.max_splits * rows + line) * words;
    kv_u32 splits = kv_min_u32(
        store[p.sequence_offset + sequence * p.sequence_stride + KV_HEADER_SPLITS], p.max_splits);
    kv_u32 pairs = p.v_dim / 2u;

    kv_f32 largest = largest_score(first, splits, stride);

    /* 2. Sums in index order */
    KV_EXACT kv_f32 sum = 0.0f;
    KV_EXACT kv_f32 low[pairs_of_lane];
    KV_EXACT kv_f32 high[pairs_of_lane];
    for (kv_u32 i = 0u; i < pairs_of_lane; i++) {
        low[i] = 0.0f;
        high[i] = 0.0f;
    }
    for (kv_u32 base = 0u; base < splits; base += KV_LANES) {
        load_factors(first, base, splits, stride, largest);
        for (kv_u32 n = 0u; n < kv_min_u32(KV_LANES, splits - base); n++) {
            kv_f32 factor = factors[n];
            if (factor < 0.0f) {
                continue;
            }
            sum = sum + parts[n];
            kv_u32 partial = first + (base + n) * stride + 2u;
            for (kv_u32 i = 0u; i < pairs_of_lane; i++) {
                kv_u32 pair = KV_LANE + i * KV_LANES;
                if (pair < pairs) {
                    KV_EXACT kv_f32 low_term = kv_float(partials[partial + 2u * pair]) * factor;
                    KV_EXACT kv_f32 high_term =
                        kv_float(partials[partial + 2u * pair + 1u]) * factor;
                    low[i] = low[i] + kv_flush(low_term);
                    high[i] = high[i] + kv_flush(high_term);
                }
            }
        }
    }

    /* 3. Normalise */
    kv_f32 inverse = 0.0f;
    kv_f32 row_lse = kv_float(0xff800000u);
    if (sum > 0.0f) {
        inverse = kv_reciprocal(sum);
        KV_EXACT kv_f32 log_sum = largest + kv_log(sum);
        row_lse = log_sum;
    }
    kv_u32 at = p.out_offset + sequence * p.out_sequence_stride +
                line / p.queries * p.out_head_stride + line % p.queries * p.out_row_stride;
    for (kv_u32 i = 0u; i < pairs_of_lane; i++) {
        kv_u32 pair = KV_LANE + i * KV_LANES;
        if (pair < pairs) {
            KV_EXACT kv_f32 low_value = low[i] * inverse;
            KV_EXACT kv_f32 high_value = high[i] * inverse;
            store_pair(at + 2u * pair, kv_flush(low_value), kv_flush(high_value));
        }
    }
    if (p.lse_offset != KV_NO_OFFSET && KV_LANE == 0u) {
        lse[p.lse_offset + sequence * rows + line] = kv_bits(row_lse);
    }
}
