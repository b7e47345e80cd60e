/* SPDX-License-Identifier: MIT
 *
 * attention_merge: the partial results of a query row's splits, joined in index order into the output
 * and, where asked, its log-sum-exp. A row that sees no token gives 0 and minus infinity. One
 * work-group does one query row.
 */
#include "wide.clh"

/* Splits whose factors are in local memory together. */
#define KV_MERGE_SPLITS 256u

KV_KERNEL void kvant_attention_merge(const kv_attention_params p, __global const kv_u32 *store,
                                     __global const kv_u32 *partials, __global kv_u32 *out,
                                     __global kv_u32 *lse)
{
    __local kv_f32 factors[KV_MERGE_SPLITS]; /* below 0: a split that adds nothing */
    __local kv_f32 parts[KV_MERGE_SPLITS];
    __local kv_f32 output[KV_MAX_LATENT_DIM]; /* a lane touches its own channels alone */
    kv_u32 lane = (kv_u32)get_local_id(0);
    kv_u32 line = (kv_u32)get_group_id(0);
    kv_u32 sequence = (kv_u32)get_group_id(2);
    kv_u32 rows = p.q_heads * p.queries;
    kv_u32 words = p.v_dim + 2u;
    kv_u32 stride = rows * words; /* from split to split */
    kv_u32 splits = kv_min_u32(
        store[p.sequence_offset + sequence * p.sequence_stride + KV_HEADER_SPLITS], p.max_splits);
    partials = &partials[p.partials_offset + (sequence * p.max_splits * rows + line) * words];

    /* 1. Largest score */
    kv_f32 largest = KV_MASKED;
    for (kv_u32 split = 0u; split < splits; split++) {
        if (partials[split * stride + 1u] != 0u) {
            largest = kv_max(largest, kv_float(partials[split * stride]));
        }
    }

    /* 2. Sums in index order */
    KV_EXACT kv_f32 sum = 0.0f;
    for (kv_u32 channel = lane; channel < p.v_dim; channel += KV_LANES) {
        output[channel] = 0.0f;
    }
    for (kv_u32 first = 0u; first < splits; first += KV_MERGE_SPLITS) {
        kv_u32 count = kv_min_u32(KV_MERGE_SPLITS, splits - first);
        for (kv_u32 i = lane; i < count; i += KV_LANES) {
            __global const kv_u32 *partial = &partials[(first + i) * stride];
            KV_EXACT kv_f32 difference = kv_float(partial[0]) - largest;
            kv_f32 factor = partial[1] != 0u ? kv_exp(difference) : -1.0f;
            KV_EXACT kv_f32 part = kv_uint_to_float(partial[1]) * KV_WEIGHT_STEP;
            part = part * factor;
            factors[i] = factor;
            parts[i] = part;
        }
        KV_MEET();
        for (kv_u32 i = 0u; i < count; i++) {
            kv_f32 factor = factors[i];
            if (factor < 0.0f) {
                continue;
            }
            __global const kv_u32 *partial = &partials[(first + i) * stride];
            sum = sum + parts[i];
            for (kv_u32 channel = lane; channel < p.v_dim; channel += KV_LANES) {
                KV_EXACT kv_f32 term = kv_float(partial[2u + channel]) * factor;
                KV_EXACT kv_f32 total = output[channel] + kv_flush(term);
                output[channel] = total;
            }
        }
        KV_MEET();
    }

    /* 3. Normalise */
    kv_f32 row_lse = kv_float(0xff800000u);
    if (sum > 0.0f) {
        kv_f32 inverse = kv_reciprocal(sum);
        for (kv_u32 channel = lane; channel < p.v_dim; channel += KV_LANES) {
            KV_EXACT kv_f32 value = output[channel] * inverse;
            output[channel] = kv_flush(value);
        }
        KV_EXACT kv_f32 log_sum = largest + kv_log(sum);
        row_lse = log_sum;
    }
    KV_MEET();

    /* 4. Store */
    kv_u32 at = p.out_offset + sequence * p.out_sequence_stride +
                line / p.queries * p.out_head_stride + line % p.queries * p.out_row_stride;
    for (kv_u32 channel = 2u * lane; channel < p.v_dim; channel += 2u * KV_LANES) {
        if (p.out_dtype == KV_DTYPE_F32) {
            out[at + channel] = kv_bits(output[channel]);
            out[at + channel + 1u] = kv_bits(output[channel + 1u]);
        } else {
            out[(at + channel) / 2u] = kv_f32_to_f16(output[channel]) |
                                       (kv_f32_to_f16(output[channel + 1u]) << 16);
        }
    }
    if (lane == 0u && p.lse_offset != KV_NO_OFFSET) {
        lse[p.lse_offset + sequence * rows + line] = kv_bits(row_lse);
    }
}
