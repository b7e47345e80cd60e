/* SPDX-License-Identifier: MIT
 *
 * attention_latent: attention over latents, of which keys and values are both made (multi-head latent
 * attention, DeepSeek-V2): softmax(scale (ql C^T + qr R^T)) C over one split of one sequence's segments,
 * computed on the packed codes. The lanes share queries and weights; a lane scores four tokens of a row
 * at a time, and sums the channels of a word of codes over all tokens.
 *
 * One work-group does one split for up to KV_LATENT_ROWS query rows.
 */
#include "attention_latent_output.cuh"
#include "attention_latent_scores.cuh"

/* 3. Weights: masked tokens are selected away, never multiplied */
KV_FN void kv_latent_weigh(const kv_latent_split &s, kv_latent_shared &shared, kv_u32 *partials)
{
    kv_u32 words = s.v_dim + 2u;
    if (threadIdx.x < s.rows) {
        kv_u32 row = threadIdx.x;
        kv_f32 largest = KV_MASKED;
        for (kv_u32 i = 0u; i < s.count; i++) {
            if (kv_latent_is_visible(s, shared.positions[row], i)) {
                largest = kv_max(largest, shared.scores[row][i]);
            }
        }
        shared.sums[row][0] = largest;
        partials[row * words] = kv_bits(largest);
    }
    __syncthreads();
    for (kv_u32 n = threadIdx.x; n < s.rows * s.count; n += blockDim.x) {
        kv_u32 row = n / s.count;
        kv_u32 i = n % s.count;
        KV_EXACT kv_f32 difference = shared.scores[row][i] - shared.sums[row][0];
        shared.scores[row][i] =
            kv_latent_is_visible(s, shared.positions[row], i) ? kv_exp(difference) : 0.0f;
    }
    __syncthreads();
    if (threadIdx.x < s.rows) {
        kv_u32 sum = 0u;
        for (kv_u32 i = 0u; i < s.count; i++) {
            KV_EXACT kv_f32 units = shared.scores[threadIdx.x][i] * KV_WEIGHT_ONE;
            sum += KV_U32(KV_I32(kv_rint(units)));
        }
        partials[threadIdx.x * words + 1u] = sum;
    }
    __syncthreads();
}

extern "C" __global__ void __launch_bounds__(KV_MAX_LANES)
kvant_attention_latent(const kv_latent_params p, const kv_u32 *__restrict__ store,
                       const kv_u32 *__restrict__ queries, const kv_u32 *__restrict__ rotary,
                       const kv_u32 *__restrict__ positions, kv_u32 *partials)
{
    __shared__ kv_latent_shared shared;
    const kv_u32 *region = store + p.sequence_offset + blockIdx.z * p.sequence_stride;
    if (blockIdx.x >= region[KV_HEADER_SPLITS]) {
        return;
    }
    kv_u32 all_rows = p.q_heads * p.queries;
    kv_u32 first_row = blockIdx.y * KV_LATENT_ROWS;
    const kv_u32 *entry = region + p.splits_offset + blockIdx.x * KV_SPLIT_WORDS;
    kv_latent_split s;
    s.region = region;
    s.segment = region + p.segments_offset + entry[KV_SPLIT_SEGMENT] * KV_SEGMENT_WORDS;
    s.rows = kv_min_u32(KV_LATENT_ROWS, all_rows - first_row);
    s.k_dim = p.k_dim;
    s.v_dim = p.v_dim;
    s.capacity = s.segment[KV_SEGMENT_CAPACITY];
    s.part = p.v_dim / kv_latent_parts(p.v_dim);
    s.length = s.segment[KV_SEGMENT_V_GROUPING] == KV_GROUP_TOKEN_CHANNELS
                   ? s.segment[KV_SEGMENT_V_GROUP_LENGTH]
                   : p.v_dim;
    s.first = entry[KV_SPLIT_FIRST_TOKEN];
    s.count = kv_min_u32(KV_SPLIT_TOKENS, s.capacity - s.first);
    s.codec = s.segment[KV_SEGMENT_V_CODEC];
    s.bits = kv_codec_bits(s.codec);
#pragma unroll
    for (kv_u32 i = 0u; i < KV_CODEBOOK_WORDS; i++) {
        s.levels[i] = kv_codec_is_learned(s.codec) != 0u
                          ? region[s.segment[KV_SEGMENT_LEVELS] + KV_CODEBOOK_WORDS + i]
                          : kv_codebook_word(s.codec, i);
    }
    partials += p.partials_offset +
                ((blockIdx.z * p.max_splits + blockIdx.x) * all_rows + first_row) * (p.v_dim + 2u);

    kv_latent_fold(p, s, queries, rotary, positions, first_row, shared);
    if (s.codec != KV_CODEC_F16) {
        kv_latent_query_operands(s, shared);
    }
    kv_latent_score_split(s, shared);
    kv_latent_weigh(s, shared, partials);
    if (s.codec == KV_CODEC_F16) {
        kv_latent_f16_output(s, shared, partials);
    } else {
        kv_latent_quantized_output(s, shared, partials);
    }
}
