/* SPDX-License-Identifier: MIT
 *
 * What attention and attention_general share, which is all but what a code stands for.
 */
#ifndef KVANT_HOST_REF_ATTENTION_H
#define KVANT_HOST_REF_ATTENTION_H

#include "operands.h"

/* One query row's view of a segment. */
typedef struct {
    const kv_attention_params *p;
    const kv_u32 *region;  /* the sequence's words */
    const kv_u32 *segment; /* its entry in the segment table */
    kv_u32 kv_head;        /* its place among those of the segment */
    kv_u32 first;          /* token of the segment where the split starts */
    kv_u32 count;          /* tokens of the split */
    kv_u32 query_position; /* tokens beyond it are masked */
    kv_u32 is_general;
    kv_u32 k_levels[KV_CODEBOOK_WORDS];
    kv_u32 v_levels[KV_CODEBOOK_WORDS];
} kv_split;

/* What the codes of a segment stand for. */
static void load_levels(const kv_split *s, kv_u32 codec, kv_u32 first, kv_u32 *levels)
{
    for (kv_u32 i = 0; i < KV_CODEBOOK_WORDS; i++) {
        levels[i] = kv_codec_is_learned(codec) != 0u
                        ? s->region[s->segment[KV_SEGMENT_LEVELS] + first + i]
                        : kv_codebook_word(codec, i);
    }
}

/* The factor of an operand that a code stands for: itself, or its level in a codebook. */
static kv_u32 factor_of(const kv_split *s, const kv_u32 *levels, kv_u32 code, kv_u32 bits)
{
    return s->is_general != 0u && bits < 8u
               ? kv_level(levels[0], levels[1], levels[2], levels[3], code)
               : code;
}

/* A code of K or V, whose first word is at `codes`. */
static kv_u32 stored_code(const kv_split *s, kv_u32 is_value, kv_u32 codes, kv_u32 dim,
                          kv_u32 token, kv_u32 channel, kv_u32 bits)
{
    const kv_u32 *words =
        &s->region[codes + s->kv_head * kv_code_words(s->segment[KV_SEGMENT_CAPACITY], dim, bits)];
    if (kv_has_planes(bits) != 0u) {
        return kv_plane_code(is_value, token, channel, bits,
                             words[kv_two_word(token, channel, dim, bits)],
                             words[kv_one_word(token, channel, dim, bits)]);
    }
    return (words[kv_code_word(is_value, token, channel, dim, bits)] >>
            kv_code_shift(is_value, token, channel, bits)) &
           ((1u << bits) - 1u);
}

static kv_u32 token_is_visible(const kv_split *s, kv_u32 token)
{
    const kv_u32 *segment = s->segment;
    kv_u32 position = s->region[segment[KV_SEGMENT_POSITIONS] +
                                s->kv_head * segment[KV_SEGMENT_POSITIONS_HEAD] + token];
    return position != KV_POSITION_INVALID && position <= s->query_position ? 1u : 0u;
}

static kv_u32 parameter_word(const kv_split *s, kv_u32 params, kv_u32 grouping, kv_u32 group_length,
                             kv_u32 dim, kv_u32 token, kv_u32 channel)
{
    return s
        ->region[params + kv_group_index(grouping, group_length, s->segment[KV_SEGMENT_CAPACITY],
                                         dim, s->kv_head, token, channel)];
}

/* ---- f16 segments: fixed-order float sums ---- */

static void f16_scores(const kv_split *s, const kv_f32 *query, kv_f32 *scores)
{
    kv_u32 dim = s->p->k_dim;
    kv_u32 capacity = s->segment[KV_SEGMENT_CAPACITY];
    for (kv_u32 i = 0; i < s->count; i++) {
        kv_u32 row = (s->kv_head * capacity + s->first + i) * dim;
        /* eight strided sums, then a fixed tree */
        KV_EXACT kv_f32 sums[8] = {0.0f, 0.0f, 0.0f, 0.0f, 0.0f, 0.0f, 0.0f, 0.0f};
        for (kv_u32 channel = 0; channel < dim; channel++) {
            kv_f32 key = kv_load_half(s->region, s->segment[KV_SEGMENT_K_CODES], row + channel);
            KV_EXACT kv_f32 product = query[channel] * key;
            sums[channel % 8u] = sums[channel % 8u] + product;
        }
        KV_EXACT kv_f32 even = (sums[0] + sums[4]) + (sums[2] + sums[6]);
        KV_EXACT kv_f32 odd = (sums[1] + sums[5]) + (sums[3] + sums[7]);
        scores[i] = even + odd;
    }
}

static void f16_output(const kv_split *s, const kv_f32 *weights, kv_f32 *output)
{
    kv_u32 dim = s->p->v_dim;
    kv_u32 capacity = s->segment[KV_SEGMENT_CAPACITY];
    for (kv_u32 channel = 0; channel < dim; channel++) {
        KV_EXACT kv_f32 sum = 0.0f;
        for (kv_u32 i = 0; i < s->count; i++) { /* in token order */
            kv_u32 row = (s->kv_head * capacity + s->first + i) * dim;
            kv_f32 value = kv_load_half(s->region, s->segment[KV_SEGMENT_V_CODES], row + channel);
            KV_EXACT kv_f32 product = weights[i] * value;
            sum = sum + product;
        }
        output[channel] = sum;
    }
}

/* ---- quantized K ---- */

static kv_u32 k_code(const kv_split *s, kv_u32 token, kv_u32 channel, kv_u32 bits)
{
    kv_u32 code =
        stored_code(s, 0u, s->segment[KV_SEGMENT_K_CODES], s->p->k_dim, token, channel, bits);
    return factor_of(s, s->k_levels, code, bits);
}

/* Parameters per channel fold into the query, once for each block of tokens that shares them. */
static void channelwise_scores(const kv_split *s, const kv_f32 *query, kv_u32 bits, kv_f32 *scores)
{
    const kv_u32 *segment = s->segment;
    kv_u32 dim = s->p->k_dim;
    kv_u32 grouping = segment[KV_SEGMENT_K_GROUPING];
    kv_u32 block =
        grouping == KV_GROUP_CHANNEL_TOKENS ? segment[KV_SEGMENT_K_GROUP_LENGTH] : KV_SPLIT_TOKENS;
    kv_u32 is_symmetric = kv_codec_is_symmetric(segment[KV_SEGMENT_K_CODEC]);

    kv_i32 operands[KV_MAX_HEAD_DIM];
    kv_f32 steps[KV_MAX_HEAD_DIM / KV_CHUNK];
    kv_f32 base = 0.0f;
    for (kv_u32 i = 0; i < s->count; i++) {
        kv_u32 token = s->first + i;
        if (i == 0u || token % block == 0u) {
            kv_f32 folded[KV_MAX_HEAD_DIM];
            kv_f32 terms[KV_MAX_HEAD_DIM];
            for (kv_u32 channel = 0; channel < dim; channel++) {
                kv_u32 word =
                    parameter_word(s, segment[KV_SEGMENT_K_PARAMS], grouping,
                                   segment[KV_SEGMENT_K_GROUP_LENGTH], dim, token, channel);
                KV_EXACT kv_f32 scaled = query[channel] * kv_param_scale(word);
                KV_EXACT kv_f32 term = query[channel] * kv_param_minimum(word, is_symmetric);
                folded[channel] = scaled;
                terms[channel] = term;
            }
            for (kv_u32 chunk = 0; chunk < dim; chunk += KV_CHUNK) {
                steps[chunk / KV_CHUNK] =
                    make_operands(folded, chunk, kv_min_u32(KV_CHUNK, dim - chunk), operands);
            }
            base = sum_of_terms(terms, dim);
        }
        KV_EXACT kv_f32 score = base;
        for (kv_u32 chunk = 0; chunk < dim; chunk += KV_CHUNK) {
            kv_i32 dot = 0;
            for (kv_u32 c = chunk; c < kv_min_u32(chunk + KV_CHUNK, dim); c++) {
                dot += operands[c] * KV_I32(k_code(s, token, c, bits));
            }
            KV_EXACT kv_f32 part = kv_int_to_float(dot) * steps[chunk / KV_CHUNK];
            score = score + part;
        }
        scores[i] = score;
    }
}

/* Parameters per token fold into the score. */
static void tokenwise_scores(const kv_split *s, const kv_f32 *query, kv_u32 bits, kv_f32 *scores)
{
    const kv_u32 *segment = s->segment;
    kv_u32 dim = s->p->k_dim;
    kv_u32 grouping = segment[KV_SEGMENT_K_GROUPING];
    kv_u32 length = grouping == KV_GROUP_TOKEN_CHANNELS
                        ? kv_min_u32(segment[KV_SEGMENT_K_GROUP_LENGTH], dim)
                        : dim;
    kv_u32 chunk_length = kv_min_u32(KV_CHUNK, length);
    kv_u32 is_symmetric = kv_codec_is_symmetric(segment[KV_SEGMENT_K_CODEC]);

    kv_i32 operands[KV_MAX_HEAD_DIM];
    kv_f32 steps[KV_MAX_HEAD_DIM / 8u];
    for (kv_u32 chunk = 0; chunk < dim; chunk += chunk_length) {
        steps[chunk / chunk_length] =
            make_operands(query, chunk, kv_min_u32(chunk_length, dim - chunk), operands);
    }

    for (kv_u32 i = 0; i < s->count; i++) {
        kv_u32 token = s->first + i;
        KV_EXACT kv_f32 score = 0.0f;
        for (kv_u32 channel = 0; channel < dim; channel += length) {
            kv_u32 end = kv_min_u32(channel + length, dim);
            KV_EXACT kv_f32 dot = 0.0f; /* sum of operand * code */
            KV_EXACT kv_f32 sum = 0.0f; /* sum of operand */
            for (kv_u32 chunk = channel; chunk < end; chunk += chunk_length) {
                kv_i32 int_dot = 0;
                kv_i32 int_sum = 0;
                for (kv_u32 c = chunk; c < kv_min_u32(chunk + chunk_length, end); c++) {
                    int_dot += operands[c] * KV_I32(k_code(s, token, c, bits));
                    int_sum += operands[c];
                }
                KV_EXACT kv_f32 dot_part = kv_int_to_float(int_dot) * steps[chunk / chunk_length];
                KV_EXACT kv_f32 sum_part = kv_int_to_float(int_sum) * steps[chunk / chunk_length];
                dot = dot + dot_part;
                sum = sum + sum_part;
            }
            kv_u32 word = parameter_word(s, segment[KV_SEGMENT_K_PARAMS], grouping,
                                         segment[KV_SEGMENT_K_GROUP_LENGTH], dim, token, channel);
            KV_EXACT kv_f32 scaled = kv_param_scale(word) * dot;
            KV_EXACT kv_f32 shifted = kv_param_minimum(word, is_symmetric) * sum;
            KV_EXACT kv_f32 part = scaled + shifted;
            score = score + part;
        }
        scores[i] = score;
    }
}

/* ---- quantized V ---- */

static kv_u32 v_code(const kv_split *s, kv_u32 token, kv_u32 channel, kv_u32 bits)
{
    kv_u32 code =
        stored_code(s, 1u, s->segment[KV_SEGMENT_V_CODES], s->p->v_dim, token, channel, bits);
    return factor_of(s, s->v_levels, code, bits);
}

/* One channel's sum of operand * code over the tokens of a chunk, in units of step. */
static kv_f32 chunk_product(const kv_split *s, const kv_i32 *operands, kv_f32 step, kv_u32 chunk,
                            kv_u32 length, kv_u32 channel, kv_u32 bits)
{
    kv_i32 dot = 0;
    for (kv_u32 i = 0; i < length; i++) {
        dot += operands[i] * KV_I32(v_code(s, s->first + chunk + i, channel, bits));
    }
    KV_EXACT kv_f32 product = kv_int_to_float(dot) * step;
    return product;
}

static void quantized_output(const kv_split *s, const kv_f32 *weights, kv_u32 bits, kv_f32 *output)
{
    const kv_u32 *segment = s->segment;
    kv_u32 dim = s->p->v_dim;
    kv_u32 params = segment[KV_SEGMENT_V_PARAMS];
    kv_u32 grouping = segment[KV_SEGMENT_V_GROUPING];
    kv_u32 group_length = segment[KV_SEGMENT_V_GROUP_LENGTH];
    kv_u32 is_symmetric = kv_codec_is_symmetric(segment[KV_SEGMENT_V_CODEC]);
    kv_u32 length = grouping == KV_GROUP_TOKEN_CHANNELS ? kv_min_u32(group_length, dim) : dim;

    for (kv_u32 channel = 0; channel < dim; channel++) {
        output[channel] = 0.0f;
    }
    for (kv_u32 chunk = 0; chunk < s->count; chunk += KV_CHUNK) {
        kv_u32 tokens = kv_min_u32(KV_CHUNK, s->count - chunk);
        kv_i32 operands[KV_CHUNK];

        if (kv_is_channelwise(grouping) != 0u) {
            /* parameters per channel apply to the chunk's sums */
            kv_f32 step = make_operands(&weights[chunk], 0u, tokens, operands);
            kv_i32 int_sum = 0;
            for (kv_u32 i = 0; i < tokens; i++) {
                int_sum += operands[i];
            }
            KV_EXACT kv_f32 sum = kv_int_to_float(int_sum) * step;
            for (kv_u32 channel = 0; channel < dim; channel++) {
                kv_u32 word = parameter_word(s, params, grouping, group_length, dim,
                                             s->first + chunk, channel);
                KV_EXACT kv_f32 scaled =
                    kv_param_scale(word) *
                    chunk_product(s, operands, step, chunk, tokens, channel, bits);
                KV_EXACT kv_f32 shifted = kv_param_minimum(word, is_symmetric) * sum;
                KV_EXACT kv_f32 part = scaled + shifted;
                KV_EXACT kv_f32 total = output[channel] + part;
                output[channel] = total;
            }
            continue;
        }

        /* parameters per token fold into the weights */
        for (kv_u32 group = 0; group < dim; group += length) {
            kv_f32 folded[KV_CHUNK];
            kv_f32 terms[KV_CHUNK];
            for (kv_u32 i = 0; i < tokens; i++) {
                kv_u32 word = parameter_word(s, params, grouping, group_length, dim,
                                             s->first + chunk + i, group);
                KV_EXACT kv_f32 scaled = weights[chunk + i] * kv_param_scale(word);
                KV_EXACT kv_f32 term = weights[chunk + i] * kv_param_minimum(word, is_symmetric);
                folded[i] = scaled;
                terms[i] = term;
            }
            kv_f32 step = make_operands(folded, 0u, tokens, operands);
            kv_f32 sum = sum_of_terms(terms, tokens);
            for (kv_u32 channel = group; channel < kv_min_u32(group + length, dim); channel++) {
                KV_EXACT kv_f32 part =
                    chunk_product(s, operands, step, chunk, tokens, channel, bits) + sum;
                KV_EXACT kv_f32 total = output[channel] + part;
                output[channel] = total;
            }
        }
    }
}

/* ---- one query row of one split ---- */

static void attend_row(const kv_split *s, const kv_f32 *caller_query, kv_u32 *partial)
{
    const kv_u32 *segment = s->segment;
    kv_u32 k_dim = s->p->k_dim;
    kv_u32 v_dim = s->p->v_dim;

    /* 1. Fold the softmax scale and K's channel scales into the query */
    kv_f32 query[KV_MAX_HEAD_DIM];
    for (kv_u32 channel = 0; channel < k_dim; channel++) {
        KV_EXACT kv_f32 x = kv_query_value(caller_query[channel]) * s->p->scale;
        if (segment[KV_SEGMENT_K_CHANNEL_SCALE] != KV_NO_OFFSET) {
            x = x * kv_load_half(s->region, segment[KV_SEGMENT_K_CHANNEL_SCALE],
                                 s->kv_head * k_dim + channel);
        }
        query[channel] = x;
    }

    /* 2. Scores */
    kv_f32 scores[KV_SPLIT_TOKENS];
    kv_u32 k_bits = kv_codec_bits(segment[KV_SEGMENT_K_CODEC]);
    if (segment[KV_SEGMENT_K_CODEC] == KV_CODEC_F16) {
        f16_scores(s, query, scores);
    } else if (kv_is_channelwise(segment[KV_SEGMENT_K_GROUPING]) != 0u) {
        channelwise_scores(s, query, k_bits, scores);
    } else {
        tokenwise_scores(s, query, k_bits, scores);
    }

    /* 3. Weights: masked tokens are selected away, never multiplied */
    kv_f32 largest = KV_MASKED;
    for (kv_u32 i = 0; i < s->count; i++) {
        if (token_is_visible(s, s->first + i) != 0u) {
            largest = kv_max(largest, scores[i]);
        }
    }
    kv_f32 weights[KV_SPLIT_TOKENS];
    kv_u32 sum = 0;
    for (kv_u32 i = 0; i < s->count; i++) {
        KV_EXACT kv_f32 difference = scores[i] - largest;
        weights[i] = token_is_visible(s, s->first + i) != 0u ? kv_exp(difference) : 0.0f;
        KV_EXACT kv_f32 units = weights[i] * KV_WEIGHT_ONE;
        sum += KV_U32(KV_I32(kv_rint(units)));
    }

    /* 4. Output, with V's channel scales at its end */
    kv_f32 output[KV_MAX_HEAD_DIM];
    if (segment[KV_SEGMENT_V_CODEC] == KV_CODEC_F16) {
        f16_output(s, weights, output);
    } else {
        quantized_output(s, weights, kv_codec_bits(segment[KV_SEGMENT_V_CODEC]), output);
    }

    /* 5. Store */
    partial[0] = kv_bits(largest);
    partial[1] = sum;
    for (kv_u32 channel = 0; channel < v_dim; channel++) {
        KV_EXACT kv_f32 value = output[channel];
        if (segment[KV_SEGMENT_V_CHANNEL_SCALE] != KV_NO_OFFSET) {
            value = value * kv_load_half(s->region, segment[KV_SEGMENT_V_CHANNEL_SCALE],
                                         s->kv_head * v_dim + channel);
        }
        partial[2u + channel] = kv_bits(value);
    }
}

/* The partial result of a row that sees no token of the split. */
static void store_nothing(const kv_attention_params *p, kv_u32 *partial)
{
    partial[0] = kv_bits(KV_MASKED);
    for (kv_u32 word = 1u; word < p->v_dim + 2u; word++) {
        partial[word] = 0u;
    }
}

/* The place of a KV head in the segment; attention has segments of all heads alone. */
static kv_u32 head_in_segment(const kv_u32 *segment, kv_u32 is_general, kv_u32 kv_head)
{
    return is_general != 0u ? kv_head_in_segment(kv_head, segment[KV_SEGMENT_HEAD_FIRST],
                                                 segment[KV_SEGMENT_HEAD_COUNT])
                            : kv_head;
}

static void attend(const kv_attention_params *p, kv_u32 is_general, const kv_u32 *store,
                   const kv_u32 *queries, const kv_u32 *positions, kv_u32 *partials)
{
    kv_u32 group = p->q_heads / p->kv_heads;

    for (kv_u32 sequence = 0; sequence < p->sequences; sequence++) {
        const kv_u32 *region = &store[p->sequence_offset + sequence * p->sequence_stride];
        kv_u32 splits = kv_min_u32(region[KV_HEADER_SPLITS], p->max_splits);
        for (kv_u32 split = 0; split < splits; split++) {
            const kv_u32 *entry = &region[p->splits_offset + split * KV_SPLIT_WORDS];
            const kv_u32 *segment =
                &region[p->segments_offset + entry[KV_SPLIT_SEGMENT] * KV_SEGMENT_WORDS];
            kv_u32 first = entry[KV_SPLIT_FIRST_TOKEN];
            for (kv_u32 q_head = 0; q_head < p->q_heads; q_head++) {
                for (kv_u32 row = 0; row < p->queries; row++) {
                    kv_u32 at = (sequence * p->max_splits + split) * p->q_heads + q_head;
                    at = p->partials_offset + (at * p->queries + row) * (p->v_dim + 2u);
                    kv_u32 kv_head = head_in_segment(segment, is_general, q_head / group);
                    if (kv_head == KV_NO_HEAD) {
                        store_nothing(p, &partials[at]);
                        continue;
                    }
                    kv_split s = {
                        .p = p,
                        .region = region,
                        .segment = segment,
                        .kv_head = kv_head,
                        .first = first,
                        .count = kv_min_u32(KV_SPLIT_TOKENS, segment[KV_SEGMENT_CAPACITY] - first),
                        .query_position = KV_POSITION_INVALID - 1u,
                        .is_general = is_general,
                    };
                    load_levels(&s, segment[KV_SEGMENT_K_CODEC], 0u, s.k_levels);
                    load_levels(&s, segment[KV_SEGMENT_V_CODEC], KV_CODEBOOK_WORDS, s.v_levels);
                    if (p->positions_offset != KV_NO_OFFSET) {
                        s.query_position =
                            positions[p->positions_offset + sequence * p->queries + row];
                    }
                    kv_f32 query[KV_MAX_HEAD_DIM];
                    for (kv_u32 channel = 0; channel < p->k_dim; channel++) {
                        kv_u32 i = p->q_offset + sequence * p->q_sequence_stride +
                                   q_head * p->q_head_stride + row * p->q_row_stride + channel;
                        query[channel] =
                            kv_element(queries[kv_element_word(i, p->q_dtype)], i, p->q_dtype);
                    }
                    attend_row(&s, query, &partials[at]);
                }
            }
        }
    }
}

#endif
