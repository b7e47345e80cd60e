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

/* ---- quantized ---- */

/* How the scores of a segment are made. Parameters per channel fold into the query; `length` is
 * then the whole token. Parameters per token apply to the dot products of a group of channels. */
struct kv_scoring {
    kv_u32 is_channelwise;
    kv_u32 is_symmetric;
    kv_u32 length; /* channels of a group */
    kv_u32 chunk;  /* channels that share an operand scale */
    kv_u32 line;   /* places for chunks and groups that a row has in shared memory */
    kv_u32 stride; /* words of parameters a token */
};

KV_FN kv_scoring kv_make_scoring(const kv_split &s)
{
    kv_u32 grouping = s.segment[KV_SEGMENT_K_GROUPING];
    kv_u32 group_length = s.segment[KV_SEGMENT_K_GROUP_LENGTH];
    kv_scoring scoring;
    scoring.is_channelwise = kv_is_channelwise(grouping);
    scoring.is_symmetric = kv_codec_is_symmetric(s.segment[KV_SEGMENT_K_CODEC]);
    scoring.length =
        grouping == KV_GROUP_TOKEN_CHANNELS ? kv_min_u32(group_length, s.k_dim) : s.k_dim;
    scoring.chunk = scoring.is_channelwise != 0u ? KV_CHUNK : kv_min_u32(KV_CHUNK, scoring.length);
    scoring.line = KV_STEPS / KV_ROWS / (scoring.is_channelwise != 0u ? KV_MAX_WARPS : 1u);
    scoring.stride = kv_parameter_stride(grouping, group_length, s.k_dim);
    return scoring;
}

/* The warps of a work-group in equal teams; each has a block of tokens that shares parameters per
 * channel, and operands of its own. With parameters per token there is one team. */
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

/* Parameters per channel of a block fold into the query: by one warp for one row. */
KV_FN void kv_fold_channels(const kv_split &s, kv_attention_shared &shared,
                            const kv_scoring &scoring, kv_u32 block_token, kv_u32 team, kv_u32 row)
{
    const kv_u32 *parameters = kv_k_parameters(s, block_token, 0u);
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
            KV_EXACT kv_f32 term =
                shared.rows[row][channel] * kv_param_minimum(word, scoring.is_symmetric);
            folded[c] = scaled;
            terms[c] = term;
        }
    }
    kv_u32 line = team * KV_ROWS + row;
    kv_make_operands(folded, s.k_dim, &shared.operands[line * s.k_dim],
                     &shared.steps[line * scoring.line], &shared.sums[line * scoring.line]);
    kv_f32 base = kv_sum_of_terms(terms);
    if (kv_lane() == 0u) {
        shared.offsets[line * scoring.line] = base;
    }
}

/* A row of the query to operands: by one warp. */
KV_FN void kv_fold_query(const kv_split &s, kv_attention_shared &shared, const kv_scoring &scoring,
                         kv_u32 row)
{
    kv_f32 values[KV_ROW_CHUNKS];
#pragma unroll
    for (kv_u32 c = 0u; c < KV_ROW_CHUNKS; c++) {
        kv_u32 channel = c * KV_CHUNK + kv_lane();
        values[c] = channel < s.k_dim ? shared.rows[row][channel] : 0.0f;
    }
    kv_make_operands(values, s.k_dim, &shared.operands[row * s.k_dim],
                     &shared.steps[row * scoring.line], &shared.sums[row * scoring.line]);
}

/* The same where chunks are shorter than a warp: a lane takes one chunk of one row. */
KV_FN void kv_fold_short_chunk(const kv_split &s, kv_attention_shared &shared,
                               const kv_scoring &scoring, kv_u32 row, kv_u32 chunk)
{
    kv_u32 first = chunk * scoring.chunk;
    kv_u32 end = kv_min_u32(first + scoring.chunk, s.k_dim);
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
    shared.steps[row * scoring.line + chunk] = step;
    shared.sums[row * scoring.line + chunk] = sum;
}

/* The sum of the query over one group of channels, which the minima multiply. */
KV_FN void kv_sum_query(const kv_split &s, kv_attention_shared &shared, const kv_scoring &scoring,
                        kv_u32 row, kv_u32 group)
{
    kv_u32 end = kv_min_u32((group + 1u) * scoring.length, s.k_dim);
    KV_EXACT kv_f32 sum = 0.0f;
#pragma unroll 1
    for (kv_u32 chunk = group * scoring.length; chunk < end; chunk += scoring.chunk) {
        kv_u32 at = row * scoring.line + chunk / scoring.chunk;
        KV_EXACT kv_f32 part = kv_int_to_float(shared.sums[at]) * shared.steps[at];
        sum = sum + part;
    }
    shared.offsets[row * scoring.line + group] = sum;
}

KV_FN void kv_fold_tokenwise(const kv_split &s, kv_attention_shared &shared,
                             const kv_scoring &scoring)
{
    kv_u32 chunks = (s.k_dim + scoring.chunk - 1u) / scoring.chunk;
    kv_u32 groups = (s.k_dim + scoring.length - 1u) / scoring.length;
    if (scoring.chunk == KV_CHUNK) {
#pragma unroll 1
        for (kv_u32 row = kv_warp(); row < s.operand_rows; row += kv_warps()) {
            kv_fold_query(s, shared, scoring, row);
        }
    } else {
#pragma unroll 1
        for (kv_u32 task = threadIdx.x; task < s.operand_rows * chunks; task += blockDim.x) {
            kv_fold_short_chunk(s, shared, scoring, task / chunks, task % chunks);
        }
    }
    __syncthreads();
#pragma unroll 1
    for (kv_u32 task = threadIdx.x; task < s.operand_rows * groups; task += blockDim.x) {
        kv_sum_query(s, shared, scoring, task / groups, task % groups);
    }
}

/* One group's part of the scores: parameters per token apply to the group's dot products. */
template <kv_u32 BITS, kv_u32 ROWS>
KV_FN void kv_add_group(const kv_attention_shared &shared, const kv_scoring &scoring,
                        const kv_u32 *parameters, kv_u32 row, kv_u32 group,
                        const kv_f32 dots[ROWS][8u / BITS], kv_f32 scores[ROWS][8u / BITS])
{
#pragma unroll
    for (kv_u32 f = 0u; f < 8u / BITS; f++) {
        kv_u32 word = parameters[f * scoring.stride + group];
        kv_f32 scale = kv_param_scale(word);
        kv_f32 minimum = kv_param_minimum(word, scoring.is_symmetric);
#pragma unroll
        for (kv_u32 r = 0u; r < ROWS; r++) {
            KV_EXACT kv_f32 scaled = scale * dots[r][f];
            KV_EXACT kv_f32 shifted = minimum * shared.offsets[(row + r) * scoring.line + group];
            KV_EXACT kv_f32 part = scaled + shifted;
            scores[r][f] = scores[r][f] + part;
        }
    }
}

/* sums[r][f] += the dot products of channels [channel, end), chunk by chunk. `line` is the first
 * row's place in shared memory, `words` the tokens' row of code words. */
template <kv_u32 BITS, kv_u32 ROWS, class CODES>
KV_FN void kv_add_chunks(const kv_split &s, const kv_attention_shared &shared,
                         const kv_scoring &scoring, const kv_u32 *words, kv_u32 token, kv_u32 line,
                         kv_u32 channel, kv_u32 end, kv_f32 sums[ROWS][8u / BITS])
{
#pragma unroll 1
    for (kv_u32 chunk = channel; chunk < end; chunk += scoring.chunk) {
        kv_u32 count = kv_min_u32(scoring.chunk, end - chunk) / 4u;
        kv_u32 loaded[8];
        kv_i32 dots[ROWS][8u / BITS];
        const CODES how = CODES::of(s, 0u);
        CODES::template load_k<BITS>(how, s, words, token, chunk / 4u, count, loaded);
        kv_chunk_dots<BITS, ROWS>(how, loaded, count, &shared.operands[line * s.k_dim + chunk], s.k_dim,
                                  dots);
#pragma unroll
        for (kv_u32 r = 0u; r < ROWS; r++) {
            kv_u32 at = (line + r) * scoring.line + chunk / scoring.chunk;
#pragma unroll
            for (kv_u32 f = 0u; f < 8u / BITS; f++) {
                kv_i32 dot = CODES::template whole_dot<BITS>(dots[r][f], shared.sums[at]);
                KV_EXACT kv_f32 part = kv_int_to_float(dot) * shared.steps[at];
                sums[r][f] = sums[r][f] + part;
            }
        }
    }
}

/* Scores of the 8 / BITS tokens from `token` on (of the segment) for ROWS rows. */
template <kv_u32 BITS, kv_u32 ROWS, class CODES>
KV_FN void kv_score_tokens(const kv_split &s, kv_attention_shared &shared,
                           const kv_scoring &scoring, kv_u32 team, kv_u32 token, kv_u32 row)
{
    kv_u32 line = team * KV_ROWS + row;
    const kv_u32 *words =
        s.region + s.segment[KV_SEGMENT_K_CODES] +
        s.kv_head * kv_code_words(s.segment[KV_SEGMENT_CAPACITY], s.k_dim, BITS) +
        kv_k_word(token, 0u, s.k_dim, BITS);
    const kv_u32 *parameters = kv_k_parameters(s, token, 0u);
    KV_EXACT kv_f32 scores[ROWS][8u / BITS] = {};
#pragma unroll 1
    for (kv_u32 channel = 0u, group = 0u; channel < s.k_dim; channel += scoring.length, group++) {
        kv_u32 end = kv_min_u32(channel + scoring.length, s.k_dim);
        KV_EXACT kv_f32 sums[ROWS][8u / BITS];
#pragma unroll
        for (kv_u32 i = 0u; i < ROWS * (8u / BITS); i++) {
            kv_u32 r = i / (8u / BITS);
            sums[r][i % (8u / BITS)] =
                scoring.is_channelwise != 0u ? shared.offsets[(line + r) * scoring.line] : 0.0f;
        }
        kv_add_chunks<BITS, ROWS, CODES>(s, shared, scoring, words, token, line, channel, end, sums);
        if (scoring.is_channelwise == 0u) {
            kv_add_group<BITS, ROWS>(shared, scoring, parameters, row, group, sums, scores);
            continue;
        }
#pragma unroll
        for (kv_u32 i = 0u; i < ROWS * (8u / BITS); i++) {
            scores[i / (8u / BITS)][i % (8u / BITS)] = sums[i / (8u / BITS)][i % (8u / BITS)];
        }
    }
#pragma unroll
    for (kv_u32 i = 0u; i < ROWS * (8u / BITS); i++) {
        shared.scores[row + i / (8u / BITS)][token - s.first + i % (8u / BITS)] =
            scores[i / (8u / BITS)][i % (8u / BITS)];
    }
}

/* Tokens [first, end) of the segment, by the lanes of one team. */
template <kv_u32 BITS, kv_u32 ROWS, class CODES>
KV_FN void kv_score_block_rows(const kv_split &s, kv_attention_shared &shared,
                               const kv_scoring &scoring, kv_u32 lanes, kv_u32 team, kv_u32 first,
                               kv_u32 end)
{
    kv_u32 parts = (s.rows + ROWS - 1u) / ROWS;
    kv_u32 units = (end - first) / (8u / BITS);
#pragma unroll 1
    for (kv_u32 item = threadIdx.x - team * lanes; item < units * parts; item += lanes) {
        kv_score_tokens<BITS, ROWS, CODES>(s, shared, scoring, team, first + item / parts * (8u / BITS),
                                    item % parts * ROWS);
    }
}

template <kv_u32 BITS, class CODES>
KV_FN void kv_score_block(const kv_split &s, kv_attention_shared &shared,
                          const kv_scoring &scoring, kv_u32 lanes, kv_u32 team, kv_u32 first,
                          kv_u32 end)
{
    kv_u32 each = kv_rows_per_lane(s.rows, (end - first) / (8u / BITS), lanes);
    if (each == 1u) {
        kv_score_block_rows<BITS, 1u, CODES>(s, shared, scoring, lanes, team, first, end);
    } else if (each == 2u) {
        kv_score_block_rows<BITS, 2u, CODES>(s, shared, scoring, lanes, team, first, end);
    } else {
        kv_score_block_rows<BITS, 4u, CODES>(s, shared, scoring, lanes, team, first, end);
    }
}

/* Folds the parameters of the `active` blocks of a round, those of the i-th for the i-th team. */
KV_FN void kv_fold_round(const kv_split &s, kv_attention_shared &shared, const kv_scoring &scoring,
                         const kv_teams &teams, kv_u32 round, kv_u32 active)
{
#pragma unroll 1
    for (kv_u32 task = kv_warp();
         scoring.is_channelwise != 0u && task < active * s.operand_rows; task += kv_warps()) {
        kv_u32 of_team = task / s.operand_rows;
        kv_u32 first = (teams.first_block + round + of_team) * teams.block_length;
        kv_fold_channels(s, shared, scoring, first < s.first ? s.first : first, of_team,
                         task % s.operand_rows);
    }
}

/* The team's block of a round, clipped to the split: fold, then score. */
template <class HOW>
KV_FN void kv_score_quantized(const kv_split &s, kv_attention_shared &shared)
{
    const kv_scoring scoring = kv_make_scoring(s);
    const kv_teams teams = kv_make_teams(s);
    kv_u32 bits = kv_codec_bits(s.segment[KV_SEGMENT_K_CODEC]);
    kv_u32 lanes = teams.warps * KV_WARP;
    kv_u32 team = kv_warp() / teams.warps;
    if (scoring.is_channelwise == 0u) {
        kv_fold_tokenwise(s, shared, scoring);
    }
#pragma unroll 1
    for (kv_u32 round = 0u; round < teams.blocks; round += teams.count) {
        kv_u32 active = kv_min_u32(teams.count, teams.blocks - round);
        kv_fold_round(s, shared, scoring, teams, round, active);
        __syncthreads();
        if (team < active) {
            kv_u32 first = (teams.first_block + round + team) * teams.block_length;
            kv_u32 end = kv_min_u32(first + teams.block_length, s.first + s.count);
            first = first < s.first ? s.first : first;
            if (bits == 2u) {
                HOW::template score_block<2u>(s, shared, scoring, lanes, team, first, end);
            } else if (bits < 8u) {
                HOW::template score_block<4u>(s, shared, scoring, lanes, team, first, end);
            } else {
                HOW::template score_block<8u>(s, shared, scoring, lanes, team, first, end);
            }
        }
        __syncthreads();
    }
}

/* ---- step 2 ---- */

template <class HOW>
KV_FN void kv_score_split(HOW &how, const kv_split &s, kv_attention_shared &shared)
{
    if (s.segment[KV_SEGMENT_K_CODEC] != KV_CODEC_F16) {
        HOW::scores(how, s, shared);
        return;
    }
    if (s.rows == 1u) {
        kv_f16_scores<1u>(s, shared);
    } else {
        kv_f16_scores<2u>(s, shared);
    }
    __syncthreads();
}

#endif
