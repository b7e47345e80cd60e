/* SPDX-License-Identifier: MIT
 *
 * Step 2 of attention: the scores of a split, for f16 K and for quantized K with parameters per
 * channel or per token. A lane takes the tokens of one row of words for a few query rows.
 */
#ifndef KVANT_CUDA_ATTENTION_SCORES_CUH
#define KVANT_CUDA_ATTENTION_SCORES_CUH

#include "attention.cuh"

/* ---- f16 ---- */

template <kv_u32 ROWS> KV_FN void kv_f16_scores(const kv_split &s, kv_attention_shared &shared)
{
    kv_u32 dim = s.k_dim;
    kv_u32 parts = (s.rows + ROWS - 1u) / ROWS;
    const kv_u32 *keys = s.region + s.segment[KV_SEGMENT_K_CODES] +
                         kv_f16_word(s.kv_head, s.first, 0u, s.segment[KV_SEGMENT_CAPACITY], dim);
#pragma unroll 1
    for (kv_u32 item = threadIdx.x; item < s.count * parts; item += blockDim.x) {
        kv_u32 token = item / parts;
        kv_u32 row = item % parts * ROWS;
        /* eight strided sums, then a fixed tree */
        KV_EXACT kv_f32 sums[ROWS][8];
#pragma unroll
        for (kv_u32 i = 0u; i < ROWS * 8; i++) {
            sums[i / 8][i % 8] = 0.0f;
        }
#pragma unroll 1
        for (kv_u32 channel = 0u; channel < dim; channel += 8u) {
#pragma unroll
            for (kv_u32 i = 0u; i < 8u; i++) {
                kv_f32 key = kv_load_half(keys + token * (dim / 2u), 0u, channel + i);
#pragma unroll
                for (kv_u32 r = 0u; r < ROWS; r++) {
                    KV_EXACT kv_f32 product = shared.rows[row + r][channel + i] * key;
                    sums[r][i] = sums[r][i] + product;
                }
            }
        }
#pragma unroll
        for (kv_u32 r = 0u; r < ROWS; r++) {
            KV_EXACT kv_f32 even = (sums[r][0] + sums[r][4]) + (sums[r][2] + sums[r][6]);
            KV_EXACT kv_f32 odd = (sums[r][1] + sums[r][5]) + (sums[r][3] + sums[r][7]);
            shared.scores[row + r][token] = even + odd;
        }
    }
}

/* ---- parameters per channel ---- */

/* The warps of a work-group in equal teams; each team has a block of tokens that shares
 * parameters, and operands of its own. */
struct kv_teams {
    kv_u32 count;
    kv_u32 warps;        /* of a team */
    kv_u32 block_length; /* tokens that share parameters */
    kv_u32 first_block;  /* of the split, counted from the start of the segment */
    kv_u32 blocks;       /* of the split */
};

KV_FN kv_teams kv_make_teams(const kv_split &s)
{
    kv_teams teams;
    teams.block_length = s.segment[KV_SEGMENT_K_GROUPING] == KV_GROUP_CHANNEL_TOKENS
                             ? s.segment[KV_SEGMENT_K_GROUP_LENGTH]
                             : s.segment[KV_SEGMENT_CAPACITY];
    teams.first_block = s.first / teams.block_length;
    teams.blocks = (s.first + s.count - 1u) / teams.block_length - teams.first_block + 1u;
    kv_u32 room = KV_OPERANDS / (KV_ROWS * s.k_dim);
    teams.count = kv_min_u32(kv_min_u32(teams.blocks, room), kv_warps());
    teams.warps = kv_warps() / teams.count;
    return teams;
}

/* Parameters of a block fold into the query: by one warp for one row. */
KV_FN void kv_fold_channels(const kv_split &s, kv_attention_shared &shared, kv_u32 block_token,
                            kv_u32 team, kv_u32 row)
{
    const kv_u32 *parameters = kv_k_parameters(s, block_token, 0u);
    kv_u32 is_symmetric = s.segment[KV_SEGMENT_K_CODEC] == KV_CODEC_INT8_SYMMETRIC ? 1u : 0u;
    kv_f32 folded[KV_ROW_CHUNKS];
    kv_f32 terms[KV_ROW_CHUNKS];
#pragma unroll
    for (kv_u32 c = 0u; c < KV_ROW_CHUNKS; c++) {
        kv_u32 channel = c * KV_CHUNK + kv_lane();
        folded[c] = 0.0f;
        terms[c] = 0.0f;
        if (channel < s.k_dim) {
            kv_u32 word = parameters[channel];
            KV_EXACT kv_f32 scaled = shared.rows[row][channel] * kv_param_scale(word);
            KV_EXACT kv_f32 term = shared.rows[row][channel] * kv_param_minimum(word, is_symmetric);
            folded[c] = scaled;
            terms[c] = term;
        }
    }
    kv_u32 line = team * KV_ROWS + row;
    kv_make_operands(folded, s.k_dim, &shared.operands[line * s.k_dim],
                     &shared.steps[line * KV_ROW_CHUNKS], &shared.sums[line * KV_ROW_CHUNKS]);
    kv_f32 base = kv_sum_of_terms(terms);
    if (kv_lane() == 0u) {
        shared.offsets[line] = base;
    }
}

/* Scores of the 8u / BITS tokens from `token` on (of the segment) for ROWS rows. */
template <kv_u32 BITS, kv_u32 ROWS>
KV_FN void kv_channelwise_scores(const kv_split &s, kv_attention_shared &shared, kv_u32 team,
                                 kv_u32 token, kv_u32 row)
{
    kv_u32 dim = s.k_dim;
    kv_u32 line = team * KV_ROWS + row;
    const kv_u32 *words =
        s.region + s.segment[KV_SEGMENT_K_CODES] +
        s.kv_head * kv_code_words(s.segment[KV_SEGMENT_CAPACITY], dim, BITS) +
        kv_k_word(token, 0u, dim, BITS);
    kv_u32 is_aligned = kv_is_aligned(words, dim / 4u);
    KV_EXACT kv_f32 scores[ROWS][8u / BITS];
#pragma unroll
    for (kv_u32 i = 0u; i < ROWS * (8u / BITS); i++) {
        scores[i / (8u / BITS)][i % (8u / BITS)] = shared.offsets[line + i / (8u / BITS)];
    }
#pragma unroll 1
    for (kv_u32 chunk = 0u; chunk < dim; chunk += KV_CHUNK) {
        kv_u32 count = kv_min_u32(KV_CHUNK, dim - chunk) / 4u;
        kv_u32 loaded[8];
        kv_i32 dots[ROWS][8u / BITS];
        kv_load_words(words + chunk / 4u, count, is_aligned, loaded);
        kv_chunk_dots<BITS, ROWS>(loaded, count, &shared.operands[line * dim + chunk], dim, dots);
#pragma unroll
        for (kv_u32 r = 0u; r < ROWS; r++) {
            kv_u32 at = (line + r) * KV_ROW_CHUNKS + chunk / KV_CHUNK;
#pragma unroll
            for (kv_u32 f = 0u; f < 8u / BITS; f++) {
                kv_i32 dot = kv_whole_dot<BITS>(dots[r][f], shared.sums[at]);
                KV_EXACT kv_f32 part = kv_int_to_float(dot) * shared.steps[at];
                scores[r][f] = scores[r][f] + part;
            }
        }
    }
#pragma unroll
    for (kv_u32 i = 0u; i < ROWS * (8u / BITS); i++) {
        shared.scores[row + i / (8u / BITS)][token - s.first + i % (8u / BITS)] =
            scores[i / (8u / BITS)][i % (8u / BITS)];
    }
}

template <kv_u32 BITS, kv_u32 ROWS>
KV_FN void kv_score_block_rows(const kv_split &s, kv_attention_shared &shared,
                               const kv_teams &teams, kv_u32 team, kv_u32 first, kv_u32 end)
{
    kv_u32 lanes = teams.warps * KV_WARP;
    kv_u32 parts = (s.rows + ROWS - 1u) / ROWS;
    kv_u32 units = (end - first) / (8u / BITS);
#pragma unroll 1
    for (kv_u32 item = threadIdx.x - team * lanes; item < units * parts; item += lanes) {
        kv_channelwise_scores<BITS, ROWS>(s, shared, team, first + item / parts * (8u / BITS),
                                          item % parts * ROWS);
    }
}

/* Tokens [first, end) of the segment, by the lanes of one team. */
template <kv_u32 BITS>
KV_FN void kv_score_block(const kv_split &s, kv_attention_shared &shared, const kv_teams &teams,
                          kv_u32 team, kv_u32 first, kv_u32 end)
{
    kv_u32 each = kv_rows_per_lane(s.rows, (end - first) / (8u / BITS), teams.warps * KV_WARP);
    if (each == 1u) {
        kv_score_block_rows<BITS, 1u>(s, shared, teams, team, first, end);
    } else if (each == 2u) {
        kv_score_block_rows<BITS, 2u>(s, shared, teams, team, first, end);
    } else {
        kv_score_block_rows<BITS, 4u>(s, shared, teams, team, first, end);
    }
}

KV_FN void kv_score_channelwise(const kv_split &s, kv_attention_shared &shared)
{
    const kv_teams teams = kv_make_teams(s);
    kv_u32 bits = kv_codec_bits(s.segment[KV_SEGMENT_K_CODEC]);
    kv_u32 team = kv_warp() / teams.warps;
#pragma unroll 1
    for (kv_u32 round = 0u; round < teams.blocks; round += teams.count) {
        /* the parameters of each team's block fold into the query */
        kv_u32 folded = kv_min_u32(teams.count, teams.blocks - round);
#pragma unroll 1
        for (kv_u32 task = kv_warp(); task < folded * s.rows; task += kv_warps()) {
            kv_u32 first = (teams.first_block + round + task / s.rows) * teams.block_length;
            kv_fold_channels(s, shared, first < s.first ? s.first : first, task / s.rows,
                             task % s.rows);
        }
        __syncthreads();
        if (team < folded) {
            kv_u32 first = (teams.first_block + round + team) * teams.block_length;
            kv_u32 end = kv_min_u32(first + teams.block_length, s.first + s.count);
            first = first < s.first ? s.first : first;
            if (bits == 2u) {
                kv_score_block<2u>(s, shared, teams, team, first, end);
            } else if (bits == 4u) {
                kv_score_block<4u>(s, shared, teams, team, first, end);
            } else {
                kv_score_block<8u>(s, shared, teams, team, first, end);
            }
        }
        __syncthreads();
    }
}

/* ---- parameters per token ---- */

/* How the channels of a token fall into groups and chunks. */
struct kv_token_groups {
    kv_u32 length; /* channels that share parameters */
    kv_u32 chunk;  /* channels that share an operand scale */
    kv_u32 stride; /* words of parameters a token */
    kv_u32 is_symmetric;
};

KV_FN kv_token_groups kv_make_token_groups(const kv_split &s)
{
    kv_token_groups groups;
    groups.length = s.segment[KV_SEGMENT_K_GROUPING] == KV_GROUP_TOKEN_CHANNELS
                        ? kv_min_u32(s.segment[KV_SEGMENT_K_GROUP_LENGTH], s.k_dim)
                        : s.k_dim;
    groups.chunk = kv_min_u32(KV_CHUNK, groups.length);
    groups.stride = kv_parameter_stride(s.segment[KV_SEGMENT_K_GROUPING],
                                        s.segment[KV_SEGMENT_K_GROUP_LENGTH], s.k_dim);
    groups.is_symmetric = s.segment[KV_SEGMENT_K_CODEC] == KV_CODEC_INT8_SYMMETRIC ? 1u : 0u;
    return groups;
}

/* Chunks of fewer channels than a warp has lanes: a lane takes one chunk of one row. */
KV_FN void kv_make_short_operands(const kv_split &s, kv_attention_shared &shared, kv_u32 length)
{
    kv_u32 chunks = (s.k_dim + length - 1u) / length;
#pragma unroll 1
    for (kv_u32 task = threadIdx.x; task < s.rows * chunks; task += blockDim.x) {
        kv_u32 row = task / chunks;
        kv_u32 chunk = task % chunks;
        kv_u32 first = chunk * length;
        kv_u32 end = kv_min_u32(first + length, s.k_dim);
        kv_f32 largest = 0.0f;
#pragma unroll 1
        for (kv_u32 channel = first; channel < end; channel++) {
            largest = kv_max(largest, kv_abs(shared.rows[row][channel]));
        }
        kv_f32 inverse = kv_operand_inverse(largest, KV_OPERAND_MAX);
        kv_i32 sum = 0;
#pragma unroll 1
        for (kv_u32 channel = first; channel < end; channel++) {
            kv_i32 operand = kv_operand(shared.rows[row][channel], inverse);
            shared.operands[row * s.k_dim + channel] = (short)operand;
            sum += operand;
        }
        KV_EXACT kv_f32 step = largest * KV_OPERAND_STEP;
        shared.steps[row * KV_CHUNK + chunk] = step;
        shared.sums[row * KV_CHUNK + chunk] = sum;
    }
}

/* Queries to operands, and the sums of the queries of each group. */
KV_FN void kv_fold_tokenwise(const kv_split &s, kv_attention_shared &shared,
                             const kv_token_groups &groups)
{
    if (groups.chunk == KV_CHUNK) {
#pragma unroll 1
        for (kv_u32 row = kv_warp(); row < s.rows; row += kv_warps()) {
            kv_f32 values[KV_ROW_CHUNKS];
#pragma unroll
            for (kv_u32 c = 0u; c < KV_ROW_CHUNKS; c++) {
                kv_u32 channel = c * KV_CHUNK + kv_lane();
                values[c] = channel < s.k_dim ? shared.rows[row][channel] : 0.0f;
            }
            kv_make_operands(values, s.k_dim, &shared.operands[row * s.k_dim],
                             &shared.steps[row * KV_CHUNK], &shared.sums[row * KV_CHUNK]);
        }
    } else {
        kv_make_short_operands(s, shared, groups.chunk);
    }
    __syncthreads();
    kv_u32 group_count = (s.k_dim + groups.length - 1u) / groups.length;
#pragma unroll 1
    for (kv_u32 task = threadIdx.x; task < s.rows * group_count; task += blockDim.x) {
        kv_u32 row = task / group_count;
        kv_u32 group = task % group_count;
        kv_u32 end = kv_min_u32((group + 1u) * groups.length, s.k_dim);
        KV_EXACT kv_f32 sum = 0.0f;
#pragma unroll 1
        for (kv_u32 chunk = group * groups.length; chunk < end; chunk += groups.chunk) {
            kv_u32 at = row * KV_CHUNK + chunk / groups.chunk;
            KV_EXACT kv_f32 part = kv_int_to_float(shared.sums[at]) * shared.steps[at];
            sum = sum + part;
        }
        shared.offsets[row * KV_CHUNK + group] = sum;
    }
    __syncthreads();
}

/* One group's part of the scores: parameters per token apply to the group's dot products. */
template <kv_u32 BITS, kv_u32 ROWS>
KV_FN void kv_add_group_scores(const kv_attention_shared &shared, const kv_token_groups &groups,
                               const kv_u32 *parameters, kv_u32 row, kv_u32 group,
                               const kv_f32 dots[ROWS][8u / BITS], kv_f32 scores[ROWS][8u / BITS])
{
#pragma unroll
    for (kv_u32 f = 0u; f < 8u / BITS; f++) {
        kv_u32 word = parameters[f * groups.stride + group];
        kv_f32 scale = kv_param_scale(word);
        kv_f32 minimum = kv_param_minimum(word, groups.is_symmetric);
#pragma unroll
        for (kv_u32 r = 0u; r < ROWS; r++) {
            KV_EXACT kv_f32 scaled = scale * dots[r][f];
            KV_EXACT kv_f32 shifted = minimum * shared.offsets[(row + r) * KV_CHUNK + group];
            KV_EXACT kv_f32 part = scaled + shifted;
            scores[r][f] = scores[r][f] + part;
        }
    }
}

/* Scores of the 8u / BITS tokens from `token` on (of the segment) for ROWS rows. */
template <kv_u32 BITS, kv_u32 ROWS>
KV_FN void kv_tokenwise_scores(const kv_split &s, kv_attention_shared &shared,
                               const kv_token_groups &groups, kv_u32 token, kv_u32 row)
{
    kv_u32 dim = s.k_dim;
    const kv_u32 *words =
        s.region + s.segment[KV_SEGMENT_K_CODES] +
        s.kv_head * kv_code_words(s.segment[KV_SEGMENT_CAPACITY], dim, BITS) +
        kv_k_word(token, 0u, dim, BITS);
    kv_u32 is_aligned = kv_is_aligned(words, dim / 4u);
    const kv_u32 *parameters = kv_k_parameters(s, token, 0u);
    KV_EXACT kv_f32 scores[ROWS][8u / BITS] = {};
#pragma unroll 1
    for (kv_u32 channel = 0u, group = 0u; channel < dim; channel += groups.length, group++) {
        kv_u32 end = kv_min_u32(channel + groups.length, dim);
        KV_EXACT kv_f32 sums[ROWS][8u / BITS] = {}; /* of operand * code */
#pragma unroll 1
        for (kv_u32 chunk = channel; chunk < end; chunk += groups.chunk) {
            kv_u32 count = kv_min_u32(groups.chunk, end - chunk) / 4u;
            kv_u32 loaded[8];
            kv_i32 dots[ROWS][8u / BITS];
            kv_load_words(words + chunk / 4u, count, is_aligned, loaded);
            kv_chunk_dots<BITS, ROWS>(loaded, count, &shared.operands[row * dim + chunk], dim,
                                      dots);
#pragma unroll
            for (kv_u32 r = 0u; r < ROWS; r++) {
                kv_u32 at = (row + r) * KV_CHUNK + chunk / groups.chunk;
#pragma unroll
                for (kv_u32 f = 0u; f < 8u / BITS; f++) {
                    kv_i32 dot = kv_whole_dot<BITS>(dots[r][f], shared.sums[at]);
                    KV_EXACT kv_f32 part = kv_int_to_float(dot) * shared.steps[at];
                    sums[r][f] = sums[r][f] + part;
                }
            }
        }
        kv_add_group_scores<BITS, ROWS>(shared, groups, parameters, row, group, sums, scores);
    }
#pragma unroll
    for (kv_u32 i = 0u; i < ROWS * (8u / BITS); i++) {
        shared.scores[row + i / (8u / BITS)][token - s.first + i % (8u / BITS)] =
            scores[i / (8u / BITS)][i % (8u / BITS)];
    }
}

template <kv_u32 BITS, kv_u32 ROWS>
KV_FN void kv_score_tokens_rows(const kv_split &s, kv_attention_shared &shared,
                                const kv_token_groups &groups)
{
    kv_u32 parts = (s.rows + ROWS - 1u) / ROWS;
    kv_u32 units = s.count / (8u / BITS);
#pragma unroll 1
    for (kv_u32 item = threadIdx.x; item < units * parts; item += blockDim.x) {
        kv_tokenwise_scores<BITS, ROWS>(s, shared, groups,
                                        s.first + item / parts * (8u / BITS), item % parts * ROWS);
    }
}

template <kv_u32 BITS>
KV_FN void kv_score_tokens(const kv_split &s, kv_attention_shared &shared,
                           const kv_token_groups &groups)
{
    kv_u32 each = kv_rows_per_lane(s.rows, s.count / (8u / BITS), blockDim.x);
    if (each == 1u) {
        kv_score_tokens_rows<BITS, 1u>(s, shared, groups);
    } else if (each == 2u) {
        kv_score_tokens_rows<BITS, 2u>(s, shared, groups);
    } else {
        kv_score_tokens_rows<BITS, 4u>(s, shared, groups);
    }
}

KV_FN void kv_score_tokenwise(const kv_split &s, kv_attention_shared &shared)
{
    const kv_token_groups groups = kv_make_token_groups(s);
    kv_u32 bits = kv_codec_bits(s.segment[KV_SEGMENT_K_CODEC]);
    kv_fold_tokenwise(s, shared, groups);
    if (bits == 2u) {
        kv_score_tokens<2u>(s, shared, groups);
    } else if (bits == 4u) {
        kv_score_tokens<4u>(s, shared, groups);
    } else {
        kv_score_tokens<8u>(s, shared, groups);
    }
    __syncthreads();
}

/* ---- step 2 ---- */

KV_FN void kv_score_split(const kv_split &s, kv_attention_shared &shared)
{
    if (s.segment[KV_SEGMENT_K_CODEC] == KV_CODEC_F16) {
        if (s.rows == 1u) {
            kv_f16_scores<1u>(s, shared);
        } else {
            kv_f16_scores<2u>(s, shared);
        }
        __syncthreads();
    } else if (kv_is_channelwise(s.segment[KV_SEGMENT_K_GROUPING]) != 0u) {
        kv_score_channelwise(s, shared);
    } else {
        kv_score_tokenwise(s, shared);
    }
}

#endif
