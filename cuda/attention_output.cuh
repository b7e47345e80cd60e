/* SPDX-License-Identifier: MIT
 *
 * Step 4 of attention: the weighted sum of V over a split. A lane takes the channels of one word
 * for a few query rows; where that leaves lanes over, sets of lanes take chunks of 32 tokens side
 * by side and add their parts in the order of the chunks.
 */
#ifndef KVANT_CUDA_ATTENTION_OUTPUT_CUH
#define KVANT_CUDA_ATTENTION_OUTPUT_CUH

#include "attention.cuh"

/* ---- f16 ---- */

template <kv_u32 ROWS> KV_FN void kv_f16_output(const kv_split &s, kv_attention_shared &shared)
{
    kv_u32 pairs = s.v_dim / 2u;
    kv_u32 parts = (s.rows + ROWS - 1u) / ROWS;
    const kv_u32 *values =
        s.region + s.segment[KV_SEGMENT_V_CODES] +
        kv_f16_word(s.kv_head, s.first, 0u, s.segment[KV_SEGMENT_CAPACITY], s.v_dim);
#pragma unroll 1
    for (kv_u32 item = threadIdx.x; item < pairs * parts; item += blockDim.x) {
        kv_u32 pair = item % pairs;
        kv_u32 row = item / pairs * ROWS;
        KV_EXACT kv_f32 sums[ROWS][2] = {};
#pragma unroll 4
        for (kv_u32 token = 0u; token < s.count; token++) { /* in token order */
            kv_u32 word = values[token * pairs + pair];
            kv_f32 low = kv_f16_to_f32(word & 0xffffu);
            kv_f32 high = kv_f16_to_f32(word >> 16);
#pragma unroll
            for (kv_u32 r = 0u; r < ROWS; r++) {
                kv_f32 weight = shared.scores[row + r][token];
                KV_EXACT kv_f32 low_product = weight * low;
                KV_EXACT kv_f32 high_product = weight * high;
                sums[r][0] = sums[r][0] + low_product;
                sums[r][1] = sums[r][1] + high_product;
            }
        }
#pragma unroll
        for (kv_u32 r = 0u; r < ROWS; r++) {
            shared.rows[row + r][2u * pair] = sums[r][0];
            shared.rows[row + r][2u * pair + 1u] = sums[r][1];
        }
    }
}

/* ---- quantized ---- */

/* Weights to operands: by one warp for one row. Parameters per token, those of the group of
 * `channel`, fold into them; `offsets` gets what their minima add to each chunk. Parameters per
 * channel apply later, to the chunk's sums; `offsets` then gets the sum of the weights. */
KV_FN void kv_fold_weights(const kv_split &s, kv_attention_shared &shared, kv_u32 row,
                           kv_u32 channel)
{
    kv_u32 grouping = s.segment[KV_SEGMENT_V_GROUPING];
    kv_u32 is_channelwise = kv_is_channelwise(grouping);
    kv_u32 is_symmetric = kv_codec_is_symmetric(s.segment[KV_SEGMENT_V_CODEC]);
    kv_u32 stride =
        kv_parameter_stride(grouping, s.segment[KV_SEGMENT_V_GROUP_LENGTH], s.v_dim);
    const kv_u32 *parameters = kv_v_parameters(s, s.first, channel);
    kv_f32 folded[KV_ROW_CHUNKS];
    kv_f32 terms[KV_ROW_CHUNKS];
#pragma unroll
    for (kv_u32 c = 0u; c < KV_ROW_CHUNKS; c++) {
        kv_u32 token = c * KV_CHUNK + kv_lane();
        folded[c] = 0.0f;
        terms[c] = 0.0f;
        if (token < s.count) {
            kv_f32 weight = shared.scores[row][token];
            folded[c] = weight;
            if (is_channelwise == 0u) {
                kv_u32 word = parameters[token * stride];
                KV_EXACT kv_f32 scaled = weight * kv_param_scale(word);
                KV_EXACT kv_f32 term = weight * kv_param_minimum(word, is_symmetric);
                folded[c] = scaled;
                terms[c] = term;
            }
        }
    }
    kv_f32 *steps = &shared.steps[row * KV_ROW_CHUNKS];
    kv_i32 *sums = &shared.sums[row * KV_ROW_CHUNKS];
    kv_make_operands(folded, s.count, &shared.operands[row * KV_SPLIT_TOKENS], steps, sums);
    KV_EXACT kv_f32 offset = 0.0f;
    if (is_channelwise != 0u) {
        __syncwarp();
        if (kv_lane() * KV_CHUNK < s.count) {
            offset = kv_int_to_float(sums[kv_lane()]) * steps[kv_lane()];
        }
    } else {
        offset = kv_sums_of_chunks(terms, s.count);
    }
    if (kv_lane() < KV_ROW_CHUNKS) {
        shared.offsets[row * KV_ROW_CHUNKS + kv_lane()] = offset;
    }
}

/* parts[r][f]: what chunk `chunk` adds to channel (channel + f) of row (row + r). */
template <kv_u32 BITS, kv_u32 ROWS, class CODES>
KV_FN void kv_chunk_output(const kv_split &s, const kv_attention_shared &shared, kv_u32 chunk,
                           kv_u32 channel, kv_u32 row, kv_f32 parts[ROWS][8u / BITS])
{
    const kv_u32 *segment = s.segment;
    kv_u32 dim = s.v_dim;
    kv_u32 token = s.first + chunk * KV_CHUNK;
    kv_u32 count = kv_min_u32(KV_CHUNK, s.count - chunk * KV_CHUNK) / 4u;
    const kv_u32 *words = s.region + segment[KV_SEGMENT_V_CODES] +
                          s.kv_head * kv_code_words(segment[KV_SEGMENT_CAPACITY], dim, BITS) +
                          kv_v_word(token, channel, dim, BITS);
    kv_u32 loaded[8];
    const CODES how = CODES::of(s, 1u);
    CODES::template load_v<BITS>(how, s, words, token, channel, count, loaded);
    kv_i32 dots[ROWS][8u / BITS];
    kv_chunk_dots<BITS, ROWS>(how, loaded, count,
                              &shared.operands[row * KV_SPLIT_TOKENS + chunk * KV_CHUNK],
                              KV_SPLIT_TOKENS, dots);

    const kv_u32 *parameters = kv_v_parameters(s, token, channel);
    kv_u32 is_channelwise = kv_is_channelwise(segment[KV_SEGMENT_V_GROUPING]);
    kv_u32 is_symmetric = kv_codec_is_symmetric(segment[KV_SEGMENT_V_CODEC]);
#pragma unroll
    for (kv_u32 f = 0u; f < 8u / BITS; f++) {
        kv_u32 word = is_channelwise != 0u ? parameters[f] : 0u;
        kv_f32 scale = kv_param_scale(word);
        kv_f32 minimum = kv_param_minimum(word, is_symmetric);
#pragma unroll
        for (kv_u32 r = 0u; r < ROWS; r++) {
            kv_u32 at = (row + r) * KV_ROW_CHUNKS + chunk;
            kv_i32 dot = CODES::template whole_dot<BITS>(dots[r][f], shared.sums[at]);
            KV_EXACT kv_f32 product = kv_int_to_float(dot) * shared.steps[at];
            KV_EXACT kv_f32 shifted = shared.offsets[at];
            if (is_channelwise != 0u) {
                product = scale * product;
                shifted = minimum * shifted;
            }
            KV_EXACT kv_f32 part = product + shifted;
            parts[r][f] = part;
        }
    }
}

/* Channels [first_channel, first_channel + channels), whose operands are in shared memory. */
template <kv_u32 BITS, kv_u32 ROWS, class CODES>
KV_FN void kv_output_channels(const kv_split &s, kv_attention_shared &shared, kv_u32 first_channel,
                              kv_u32 channels)
{
    kv_u32 words = channels / (8u / BITS);
    kv_u32 items = words * ((s.rows + ROWS - 1u) / ROWS);
    kv_u32 chunks = (s.count + KV_CHUNK - 1u) / KV_CHUNK;
    kv_u32 sets = items < blockDim.x ? kv_min_u32(blockDim.x / items, chunks) : 1u;
    kv_u32 lanes = sets > 1u ? items : blockDim.x; /* of a set */
    kv_u32 set = threadIdx.x / lanes;
#pragma unroll 1
    for (kv_u32 round = 0u; round < chunks; round += sets) {
#pragma unroll 1
        for (kv_u32 first = 0u; first < items; first += lanes) {
            kv_u32 item = first + threadIdx.x % lanes;
            kv_u32 is_active = set < sets && round + set < chunks && item < items ? 1u : 0u;
            kv_u32 channel = first_channel + item % words * (8u / BITS);
            kv_u32 row = item / words * ROWS;
            kv_f32 parts[ROWS][8u / BITS] = {};
            if (is_active != 0u) {
                kv_chunk_output<BITS, ROWS, CODES>(s, shared, round + set, channel, row, parts);
            }
#pragma unroll 1
            for (kv_u32 turn = 0u; turn < sets; turn++) {
                if (is_active != 0u && set == turn) {
#pragma unroll
                    for (kv_u32 i = 0u; i < ROWS * (8u / BITS); i++) {
                        kv_f32 *output =
                            &shared.rows[row + i / (8u / BITS)][channel + i % (8u / BITS)];
                        KV_EXACT kv_f32 total =
                            *output + parts[i / (8u / BITS)][i % (8u / BITS)];
                        *output = total;
                    }
                }
                if (sets > 1u) {
                    __syncthreads();
                }
            }
        }
    }
}

template <kv_u32 BITS, class CODES>
KV_FN void kv_output_group(const kv_split &s, kv_attention_shared &shared, kv_u32 first_channel,
                           kv_u32 channels)
{
    kv_u32 each = kv_rows_per_lane(s.rows, channels / (8u / BITS), KV_WARP);
    if (each == 1u) {
        kv_output_channels<BITS, 1u, CODES>(s, shared, first_channel, channels);
    } else if (each == 2u) {
        kv_output_channels<BITS, 2u, CODES>(s, shared, first_channel, channels);
    } else {
        kv_output_channels<BITS, 4u, CODES>(s, shared, first_channel, channels);
    }
}

/* Channels of V that share parameters per token. */
KV_FN kv_u32 kv_v_group_channels(const kv_split &s)
{
    return s.segment[KV_SEGMENT_V_GROUPING] == KV_GROUP_TOKEN_CHANNELS
               ? kv_min_u32(s.segment[KV_SEGMENT_V_GROUP_LENGTH], s.v_dim)
               : s.v_dim;
}

template <class HOW>
KV_FN void kv_output_quantized(HOW &how, const kv_split &s, kv_attention_shared &shared)
{
    kv_u32 bits = kv_codec_bits(s.segment[KV_SEGMENT_V_CODEC]);
    kv_u32 length = kv_v_group_channels(s);
    for (kv_u32 i = threadIdx.x; i < KV_ROWS * s.v_dim; i += blockDim.x) {
        shared.rows[i / s.v_dim][i % s.v_dim] = 0.0f;
    }
#pragma unroll 1
    for (kv_u32 channel = 0u; channel < s.v_dim; channel += length) {
        kv_u32 channels = kv_min_u32(length, s.v_dim - channel);
#pragma unroll 1
        for (kv_u32 row = kv_warp(); row < s.operand_rows; row += kv_warps()) {
            kv_fold_weights(s, shared, row, channel);
        }
        __syncthreads();
        if (bits == 2u) {
            HOW::template output<2u>(how, s, shared, channel, channels);
        } else if (bits < 8u) {
            HOW::template output<4u>(how, s, shared, channel, channels);
        } else {
            HOW::template output<8u>(how, s, shared, channel, channels);
        }
        __syncthreads();
    }
}

/* ---- step 4 ---- */

template <class HOW>
KV_FN void kv_output_split(HOW &how, const kv_split &s, kv_attention_shared &shared)
{
    if (s.segment[KV_SEGMENT_V_CODEC] != KV_CODEC_F16) {
        kv_output_quantized(how, s, shared);
        return;
    }
    if (s.rows == 1u) {
        kv_f16_output<1u>(s, shared);
    } else if (s.rows == 2u) {
        kv_f16_output<2u>(s, shared);
    } else {
        kv_f16_output<4u>(s, shared);
    }
    __syncthreads();
}

#endif
