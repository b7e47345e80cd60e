/* SPDX-License-Identifier: MIT
 *
 * attention_latent: queries that are folded, and their scores.
 */
#ifndef KVANT_CUDA_ATTENTION_LATENT_SCORES_CUH
#define KVANT_CUDA_ATTENTION_LATENT_SCORES_CUH

#include "attention_latent.cuh"

/* 1. Fold the softmax scale and the latents' channel scales into the query */
KV_FN void kv_latent_fold(const kv_latent_params &p, const kv_latent_split &s, const kv_u32 *queries,
                          const kv_u32 *rotary, const kv_u32 *positions, kv_u32 first_row,
                          kv_latent_shared &shared)
{
    kv_u32 scales = s.segment[KV_SEGMENT_V_CHANNEL_SCALE];
    for (kv_u32 n = threadIdx.x; n < s.rows * s.v_dim; n += blockDim.x) {
        kv_u32 row = n / s.v_dim;
        kv_u32 channel = n % s.v_dim;
        kv_u32 at = p.q_offset + blockIdx.z * p.q_sequence_stride +
                    (first_row + row) / p.queries * p.q_head_stride +
                    (first_row + row) % p.queries * p.q_row_stride + channel;
        KV_EXACT kv_f32 x = kv_query_value(kv_load_element(queries, at, p.q_dtype)) * p.scale;
        if (scales != KV_NO_OFFSET) {
            x = x * kv_load_half(s.region, scales, channel);
        }
        shared.latent[row][channel] = kv_bits(x);
    }
    for (kv_u32 n = threadIdx.x; n < s.rows * s.k_dim; n += blockDim.x) {
        kv_u32 row = n / s.k_dim;
        kv_u32 channel = n % s.k_dim;
        kv_u32 at = p.rotary_offset + blockIdx.z * p.rotary_sequence_stride +
                    (first_row + row) / p.queries * p.rotary_head_stride +
                    (first_row + row) % p.queries * p.rotary_row_stride + channel;
        KV_EXACT kv_f32 x = kv_query_value(kv_load_element(rotary, at, p.rotary_dtype)) * p.scale;
        shared.rotary[row][channel] = kv_bits(x);
    }
    if (threadIdx.x < s.rows) {
        shared.positions[threadIdx.x] =
            p.positions_offset != KV_NO_OFFSET
                ? positions[p.positions_offset + blockIdx.z * p.queries +
                            (first_row + threadIdx.x) % p.queries]
                : KV_POSITION_INVALID - 1u;
    }
    __syncthreads();
}

/* Each chunk of the absorbed queries as operands, and what the minima of each group multiply. */
KV_FN void kv_latent_query_operands(const kv_latent_split &s, kv_latent_shared &shared)
{
    kv_u32 chunks = s.v_dim / KV_CHUNK;
    for (kv_u32 n = threadIdx.x; n < s.rows * chunks; n += blockDim.x) {
        kv_u32 row = n / chunks;
        kv_u32 chunk = n % chunks;
        shared.steps[row][chunk] =
            kv_latent_operands(&shared.latent[row][chunk * KV_CHUNK], KV_CHUNK);
    }
    __syncthreads();
    if (threadIdx.x < s.rows) {
        kv_u32 row = threadIdx.x;
        kv_u32 group = 0u;
        for (kv_u32 channel = 0u; channel < s.v_dim; channel = kv_latent_group_end(s, channel)) {
            KV_EXACT kv_f32 sum = 0.0f;
            for (kv_u32 chunk = channel; chunk < kv_latent_group_end(s, channel);
                 chunk += KV_CHUNK) {
                kv_i32 int_sum = 0;
                for (kv_u32 i = 0u; i < KV_CHUNK; i++) {
                    int_sum += KV_I32(shared.latent[row][chunk + i]);
                }
                KV_EXACT kv_f32 part =
                    kv_int_to_float(int_sum) * shared.steps[row][chunk / KV_CHUNK];
                sum = sum + part;
            }
            shared.sums[row][group++] = sum;
        }
    }
    __syncthreads();
}

/* 2. Scores: of the latents, then of the rotary keys */

/* Adds products to eight strided sums, `query` being floats as bits. */
KV_FN void kv_latent_products(const kv_latent_split &s, kv_u32 word, kv_u32 dim, const kv_u32 *query,
                              kv_f32 (&sums)[8])
{
    for (kv_u32 channel = 0u; channel < dim; channel += 8u) {
#pragma unroll
        for (kv_u32 i = 0u; i < 8u; i++) {
            KV_EXACT kv_f32 product =
                kv_float(query[channel + i]) * kv_load_half(s.region, word, channel + i);
            sums[i] = sums[i] + product;
        }
    }
}

KV_FN kv_f32 kv_latent_sum_of_eight(const kv_f32 (&sums)[8])
{
    KV_EXACT kv_f32 even = (sums[0] + sums[4]) + (sums[2] + sums[6]);
    KV_EXACT kv_f32 odd = (sums[1] + sums[5]) + (sums[3] + sums[7]);
    KV_EXACT kv_f32 sum = even + odd;
    return sum;
}

KV_FN kv_f32 kv_latent_f16_score(const kv_latent_split &s, const kv_latent_shared &shared, kv_u32 row,
                                 kv_u32 token)
{
    kv_f32 sums[8] = {};
    for (kv_u32 channel = 0u; channel < s.v_dim; channel += s.part) {
        kv_latent_products(s, kv_latent_row(s, KV_SEGMENT_V_CODES, channel / s.part, token, s.part),
                           s.part, &shared.latent[row][channel], sums);
    }
    return kv_latent_sum_of_eight(sums);
}

/* The dot products of a chunk of channels with four tokens. */
KV_FN void kv_latent_dots(const kv_latent_split &s, const kv_u32 *operands, kv_u32 token, kv_u32 chunk,
                          kv_i32 (&dots)[4])
{
    kv_u32 fields = kv_fields(s.bits);
    for (kv_u32 channel = chunk; channel < chunk + KV_CHUNK; channel += fields) {
        kv_u32 word = kv_latent_word(s, token, channel);
        for (kv_u32 field = 0u; field < fields; field++) {
            kv_u32 codes = kv_latent_codes(s, word, field);
#pragma unroll
            for (kv_u32 t = 0u; t < 4u; t++) {
                dots[t] += KV_I32(operands[channel + field]) *
                           KV_I32((codes >> (8u * t)) & 0xffu);
            }
        }
    }
}

/* The scores of four tokens. */
KV_FN void kv_latent_quantized_scores(const kv_latent_split &s, const kv_latent_shared &shared,
                                      kv_u32 row, kv_u32 token, kv_f32 (&scores)[4])
{
    kv_u32 is_symmetric = kv_codec_is_symmetric(s.codec);
    kv_u32 group = 0u;
    for (kv_u32 channel = 0u; channel < s.v_dim; channel = kv_latent_group_end(s, channel)) {
        kv_f32 dots[4] = {};
        for (kv_u32 chunk = channel; chunk < kv_latent_group_end(s, channel); chunk += KV_CHUNK) {
            kv_i32 int_dots[4] = {};
            kv_latent_dots(s, shared.latent[row], token, chunk, int_dots);
#pragma unroll
            for (kv_u32 t = 0u; t < 4u; t++) {
                KV_EXACT kv_f32 part =
                    kv_int_to_float(int_dots[t]) * shared.steps[row][chunk / KV_CHUNK];
                dots[t] = dots[t] + part;
            }
        }
#pragma unroll
        for (kv_u32 t = 0u; t < 4u; t++) {
            kv_u32 word = kv_latent_param(s, token + t, channel);
            KV_EXACT kv_f32 scaled = kv_param_scale(word) * dots[t];
            KV_EXACT kv_f32 shifted =
                kv_param_minimum(word, is_symmetric) * shared.sums[row][group];
            KV_EXACT kv_f32 part = scaled + shifted;
            scores[t] = scores[t] + part;
        }
        group++;
    }
}

KV_FN void kv_latent_score_split(const kv_latent_split &s, kv_latent_shared &shared)
{
    kv_u32 quads = s.count / 4u;
    for (kv_u32 n = threadIdx.x; n < s.rows * quads; n += blockDim.x) {
        kv_u32 row = n / quads;
        kv_u32 i = n % quads * 4u;
        kv_f32 scores[4] = {};
        if (s.codec != KV_CODEC_F16) {
            kv_latent_quantized_scores(s, shared, row, s.first + i, scores);
        }
#pragma unroll
        for (kv_u32 t = 0u; t < 4u; t++) {
            kv_u32 token = s.first + i + t;
            if (s.codec == KV_CODEC_F16) {
                scores[t] = kv_latent_f16_score(s, shared, row, token);
            }
            kv_f32 sums[8] = {};
            kv_latent_products(s, kv_latent_row(s, KV_SEGMENT_K_CODES, 0u, token, s.k_dim), s.k_dim,
                               shared.rotary[row], sums);
            KV_EXACT kv_f32 score = scores[t] + kv_latent_sum_of_eight(sums);
            shared.scores[row][i + t] = score;
        }
    }
    __syncthreads();
}

#endif
