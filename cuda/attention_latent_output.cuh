/* SPDX-License-Identifier: MIT
 *
 * attention_latent: what the weights make of the latents.
 */
#ifndef KVANT_CUDA_ATTENTION_LATENT_OUTPUT_CUH
#define KVANT_CUDA_ATTENTION_LATENT_OUTPUT_CUH

#include "attention_latent.cuh"

/* 5. Store, with the latents' channel scales */
KV_FN void kv_latent_store(const kv_latent_split &s, kv_u32 row, kv_u32 channel, kv_f32 sum,
                           kv_u32 *partials)
{
    kv_u32 scales = s.segment[KV_SEGMENT_V_CHANNEL_SCALE];
    KV_EXACT kv_f32 value = sum;
    if (scales != KV_NO_OFFSET) {
        value = value * kv_load_half(s.region, scales, channel);
    }
    partials[row * (s.v_dim + 2u) + 2u + channel] = kv_bits(value);
}

/* 4. Output */
KV_FN void kv_latent_f16_output(const kv_latent_split &s, const kv_latent_shared &shared,
                                kv_u32 *partials)
{
    for (kv_u32 n = threadIdx.x; n < s.rows * s.v_dim; n += blockDim.x) {
        kv_u32 row = n / s.v_dim;
        kv_u32 channel = n % s.v_dim;
        KV_EXACT kv_f32 sum = 0.0f;
        for (kv_u32 i = 0u; i < s.count; i++) {
            kv_u32 word =
                kv_latent_row(s, KV_SEGMENT_V_CODES, channel / s.part, s.first + i, s.part);
            KV_EXACT kv_f32 product =
                shared.scores[row][i] * kv_load_half(s.region, word, channel % s.part);
            sum = sum + product;
        }
        kv_latent_store(s, row, channel, sum, partials);
    }
}

/* The weights of a chunk of tokens with the parameters of a group folded in, as operands, and what the
 * minima add. */
KV_FN void kv_latent_fold_weights(const kv_latent_split &s, kv_u32 row, kv_u32 chunk, kv_u32 group,
                                  kv_latent_shared &shared)
{
    kv_u32 *operands = &shared.latent[row][chunk * KV_CHUNK];
    kv_u32 is_symmetric = kv_codec_is_symmetric(s.codec);
    kv_u32 tokens = kv_min_u32(KV_CHUNK, s.count - chunk * KV_CHUNK);
    kv_f32 terms[KV_CHUNK];
    kv_f32 largest = 0.0f;
    for (kv_u32 i = 0u; i < tokens; i++) {
        kv_u32 word = kv_latent_param(s, s.first + chunk * KV_CHUNK + i, group);
        kv_f32 weight = shared.scores[row][chunk * KV_CHUNK + i];
        KV_EXACT kv_f32 scaled = weight * kv_param_scale(word);
        KV_EXACT kv_f32 term = weight * kv_param_minimum(word, is_symmetric);
        operands[i] = kv_bits(scaled);
        terms[i] = term;
        largest = kv_max(largest, kv_abs(term));
    }
    shared.steps[row][chunk] = kv_latent_operands(operands, tokens);
    kv_f32 inverse = kv_operand_inverse(largest, KV_TERM_ONE);
    kv_i32 sum = 0;
    for (kv_u32 i = 0u; i < tokens; i++) {
        sum += kv_operand(terms[i], inverse);
    }
    KV_EXACT kv_f32 unit = largest * KV_TERM_STEP;
    KV_EXACT kv_f32 value = kv_int_to_float(sum) * unit;
    shared.sums[row][chunk] = value;
}

/* The channels of one word of codes, over all tokens. */
KV_FN void kv_latent_sum_word(const kv_latent_split &s, const kv_latent_shared &shared, kv_u32 row,
                              kv_u32 channel, kv_u32 *partials)
{
    kv_u32 fields = kv_fields(s.bits);
    kv_f32 output[KV_MOST_FIELDS] = {};
    for (kv_u32 chunk = 0u; chunk * KV_CHUNK < s.count; chunk++) {
        kv_u32 end = kv_min_u32((chunk + 1u) * KV_CHUNK, s.count);
        kv_i32 dots[KV_MOST_FIELDS] = {};
        for (kv_u32 i = chunk * KV_CHUNK; i < end; i += 4u) {
            kv_u32 word = kv_latent_word(s, s.first + i, channel);
            for (kv_u32 field = 0u; field < fields; field++) {
                kv_u32 codes = kv_latent_codes(s, word, field);
#pragma unroll
                for (kv_u32 t = 0u; t < 4u; t++) {
                    dots[field] += KV_I32(shared.latent[row][i + t]) *
                                   KV_I32((codes >> (8u * t)) & 0xffu);
                }
            }
        }
        for (kv_u32 field = 0u; field < fields; field++) {
            KV_EXACT kv_f32 product = kv_int_to_float(dots[field]) * shared.steps[row][chunk];
            KV_EXACT kv_f32 part = product + shared.sums[row][chunk];
            output[field] = output[field] + part;
        }
    }
    for (kv_u32 field = 0u; field < fields; field++) {
        kv_latent_store(s, row, channel + field, output[field], partials);
    }
}

KV_FN void kv_latent_quantized_output(const kv_latent_split &s, kv_latent_shared &shared,
                                      kv_u32 *partials)
{
    kv_u32 chunks = (s.count + KV_CHUNK - 1u) / KV_CHUNK;
    kv_u32 fields = kv_fields(s.bits);
    for (kv_u32 group = 0u; group < s.v_dim; group = kv_latent_group_end(s, group)) {
        for (kv_u32 n = threadIdx.x; n < s.rows * chunks; n += blockDim.x) {
            kv_latent_fold_weights(s, n / chunks, n % chunks, group, shared);
        }
        __syncthreads();
        kv_u32 words = (kv_latent_group_end(s, group) - group) / fields;
        for (kv_u32 n = threadIdx.x; n < s.rows * words; n += blockDim.x) {
            kv_latent_sum_word(s, shared, n / words, group + n % words * fields, partials);
        }
        __syncthreads();
    }
}

#endif
