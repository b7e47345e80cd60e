#version 450
#extension GL_GOOGLE_include_directive : require
/* SPDX-License-Identifier: MIT
 *
 * attention_latent: attention over latents, of which keys and values are both made (multi-head latent
 * attention, DeepSeek-V2): softmax(scale (ql C^T + qr R^T)) C over one split of one sequence's segments,
 * computed on the packed codes. The lanes share queries and weights; a lane scores four tokens of a row
 * at a time, and sums the channels of a word of codes over all tokens.
 *
 * One work-group does one split for up to KV_LATENT_ROWS query rows. Its inner loops are unrolled, also
 * because llvmpipe ends all loops of a shader after 65535 rounds in all, without a word: a full split of
 * 512 channels and 4 rows is more than that for 8 lanes.
 */
#extension GL_EXT_control_flow_attributes : require
#include "kernel.glsl"

KV_BINDING(0, readonly, store);
KV_BINDING(1, readonly, queries);
KV_BINDING(2, readonly, rotary);
KV_BINDING(3, readonly, positions);
KV_BINDING(4, writeonly, partials);
KV_PARAMS(kv_latent_params);

#include "attention_latent_split.glsl"

#include "attention_latent_scores.glsl"

#include "attention_latent_output.glsl"

/* 3. Weights: masked tokens are selected away, never multiplied */
void weigh()
{
    KV_FOR_LANES(row, row_count)
    {
        kv_f32 largest = KV_MASKED;
        for (kv_u32 i = 0u; i < count; i++) {
            if (is_visible(row, i)) {
                largest = kv_max(largest, scores[row * KV_SPLIT_TOKENS + i]);
            }
        }
        sums[row] = largest;
        partials[own_partials + row * (p.v_dim + 2u)] = kv_bits(largest);
    }
    barrier();
    KV_FOR_LANES(n, row_count * count)
    {
        kv_u32 row = n / count;
        kv_u32 i = n % count;
        KV_EXACT kv_f32 difference = scores[row * KV_SPLIT_TOKENS + i] - sums[row];
        scores[row * KV_SPLIT_TOKENS + i] = is_visible(row, i) ? kv_exp(difference) : 0.0f;
    }
    barrier();
    KV_FOR_LANES(row, row_count)
    {
        kv_u32 sum = 0u;
        for (kv_u32 i = 0u; i < count; i++) {
            KV_EXACT kv_f32 units = scores[row * KV_SPLIT_TOKENS + i] * KV_WEIGHT_ONE;
            sum += KV_U32(KV_I32(kv_rint(units)));
        }
        partials[own_partials + row * (p.v_dim + 2u) + 1u] = sum;
    }
    barrier();
}

void main()
{
    kv_u32 split = gl_WorkGroupID.x;
    kv_u32 sequence = gl_WorkGroupID.z;
    kv_u32 first_row = gl_WorkGroupID.y * KV_LATENT_ROWS;
    region = p.sequence_offset + sequence * p.sequence_stride;
    if (split >= store[region + KV_HEADER_SPLITS]) {
        return;
    }
    load_split(sequence, split, first_row);
    fold_queries(sequence, first_row);
    if (codec != KV_CODEC_F16) {
        make_query_operands();
    }
    score_split();
    weigh();
    if (codec == KV_CODEC_F16) {
        f16_output();
    } else {
        quantized_output();
    }
}
