/* SPDX-License-Identifier: MIT
 *
 * The steps of attention_latent for one query row of one split.
 */
#ifndef KVANT_HOST_REF_ATTENTION_LATENT_H
#define KVANT_HOST_REF_ATTENTION_LATENT_H

#include "operands.h"

/* One query row's view of a segment. */
typedef struct {
    const kv_latent_params *p;
    const kv_u32 *region;  /* the sequence's words */
    const kv_u32 *segment; /* its entry in the segment table */
    kv_u32 capacity;
    kv_u32 part;           /* channels of a part of a latent */
    kv_u32 length;         /* channels that share parameters */
    kv_u32 first;          /* token of the segment where the split starts */
    kv_u32 count;          /* tokens of the split */
    kv_u32 query_position; /* tokens beyond it are masked */
    kv_u32 levels[KV_CODEBOOK_WORDS];
} kv_latent_split;

/* What a query row shares with all tokens of a split. */
typedef struct {
    kv_f32 latent[KV_MAX_LATENT_DIM];
    kv_f32 rotary[KV_MAX_ROTARY_DIM];
    kv_i32 operands[KV_MAX_LATENT_DIM];
    kv_f32 steps[KV_MAX_LATENT_DIM / KV_CHUNK];
    kv_f32 sums[KV_MAX_LATENT_DIM / KV_CHUNK]; /* of the operands of a group */
} kv_latent_query;

static kv_u32 code_of(const kv_latent_split *s, kv_u32 token, kv_u32 channel)
{
    kv_u32 codec = s->segment[KV_SEGMENT_V_CODEC];
    kv_u32 bits = kv_codec_bits(codec);
    kv_u32 in_part = channel % s->part;
    kv_u32 at = s->segment[KV_SEGMENT_V_CODES] +
                channel / s->part * kv_code_words(s->capacity, s->part, bits) +
                kv_v_word(token, in_part, s->part, bits);
    kv_u32 code = (s->region[at] >> kv_v_shift(token, in_part, bits)) & ((1u << bits) - 1u);
    return kv_codec_has_codebook(codec) != 0u
               ? kv_level(s->levels[0], s->levels[1], s->levels[2], s->levels[3], code)
               : code;
}

/* The parameters of the group of a channel. */
static kv_u32 parameter_word(const kv_latent_split *s, kv_u32 token, kv_u32 channel)
{
    return s->region[s->segment[KV_SEGMENT_V_PARAMS] +
                     kv_group_index(s->segment[KV_SEGMENT_V_GROUPING],
                                    s->segment[KV_SEGMENT_V_GROUP_LENGTH], s->capacity, s->part,
                                    channel / s->part, token, channel % s->part)];
}

/* Where the group that begins at a channel ends: with its part at the latest, unless a token is one. */
static kv_u32 group_end(const kv_latent_split *s, kv_u32 channel)
{
    kv_u32 end = channel + s->length;
    kv_u32 part_end = (channel / s->part + 1u) * s->part;
    return s->length == s->p->v_dim ? end : kv_min_u32(end, part_end);
}

/* The word of an f16 row of a part, from which its halves are counted. */
static kv_u32 row_word(const kv_latent_split *s, kv_u32 codes, kv_u32 part, kv_u32 token,
                       kv_u32 dim)
{
    return s->segment[codes] + kv_f16_word(part, token, 0u, s->capacity, dim);
}

/* Eight strided sums. */
static void add_products(const kv_latent_split *s, kv_u32 word, kv_u32 dim, const kv_f32 *query,
                         kv_f32 *sums)
{
    for (kv_u32 channel = 0; channel < dim; channel++) {
        KV_EXACT kv_f32 product = query[channel] * kv_load_half(s->region, word, channel);
        KV_EXACT kv_f32 sum = sums[channel % 8u] + product;
        sums[channel % 8u] = sum;
    }
}

/* One fixed tree. */
static kv_f32 sum_of_eight(const kv_f32 *sums)
{
    KV_EXACT kv_f32 even = (sums[0] + sums[4]) + (sums[2] + sums[6]);
    KV_EXACT kv_f32 odd = (sums[1] + sums[5]) + (sums[3] + sums[7]);
    KV_EXACT kv_f32 sum = even + odd;
    return sum;
}

static kv_f32 f16_score(const kv_latent_split *s, kv_u32 token, const kv_f32 *latent)
{
    kv_f32 sums[8] = {0.0f, 0.0f, 0.0f, 0.0f, 0.0f, 0.0f, 0.0f, 0.0f};
    for (kv_u32 channel = 0; channel < s->p->v_dim; channel += s->part) {
        add_products(s, row_word(s, KV_SEGMENT_V_CODES, channel / s->part, token, s->part), s->part,
                     &latent[channel], sums);
    }
    return sum_of_eight(sums);
}

/* Each chunk of the absorbed query as operands, and what the minima of each group multiply. */
static void make_query_operands(const kv_latent_split *s, kv_latent_query *q)
{
    for (kv_u32 chunk = 0; chunk < s->p->v_dim; chunk += KV_CHUNK) {
        q->steps[chunk / KV_CHUNK] = make_operands(q->latent, chunk, KV_CHUNK, q->operands);
    }
    kv_u32 group = 0;
    for (kv_u32 channel = 0; channel < s->p->v_dim; channel = group_end(s, channel)) {
        KV_EXACT kv_f32 sum = 0.0f;
        for (kv_u32 chunk = channel; chunk < group_end(s, channel); chunk += KV_CHUNK) {
            kv_i32 int_sum = 0;
            for (kv_u32 i = 0; i < KV_CHUNK; i++) {
                int_sum += q->operands[chunk + i];
            }
            KV_EXACT kv_f32 part = kv_int_to_float(int_sum) * q->steps[chunk / KV_CHUNK];
            sum = sum + part;
        }
        q->sums[group++] = sum;
    }
}

static kv_f32 quantized_score(const kv_latent_split *s, kv_u32 token, const kv_latent_query *q)
{
    kv_u32 is_symmetric = kv_codec_is_symmetric(s->segment[KV_SEGMENT_V_CODEC]);
    KV_EXACT kv_f32 score = 0.0f;
    kv_u32 group = 0;
    for (kv_u32 channel = 0; channel < s->p->v_dim; channel = group_end(s, channel)) {
        KV_EXACT kv_f32 dot = 0.0f;
        for (kv_u32 chunk = channel; chunk < group_end(s, channel); chunk += KV_CHUNK) {
            kv_i32 int_dot = 0;
            for (kv_u32 i = chunk; i < chunk + KV_CHUNK; i++) {
                int_dot += q->operands[i] * KV_I32(code_of(s, token, i));
            }
            KV_EXACT kv_f32 part = kv_int_to_float(int_dot) * q->steps[chunk / KV_CHUNK];
            dot = dot + part;
        }
        kv_u32 word = parameter_word(s, token, channel);
        KV_EXACT kv_f32 scaled = kv_param_scale(word) * dot;
        KV_EXACT kv_f32 shifted = kv_param_minimum(word, is_symmetric) * q->sums[group++];
        KV_EXACT kv_f32 part = scaled + shifted;
        score = score + part;
    }
    return score;
}

static void f16_output(const kv_latent_split *s, const kv_f32 *weights, kv_f32 *output)
{
    for (kv_u32 channel = 0; channel < s->p->v_dim; channel++) {
        KV_EXACT kv_f32 sum = 0.0f;
        for (kv_u32 i = 0; i < s->count; i++) { /* in token order */
            kv_u32 word = row_word(s, KV_SEGMENT_V_CODES, channel / s->part, s->first + i, s->part);
            KV_EXACT kv_f32 product = weights[i] * kv_load_half(s->region, word, channel % s->part);
            sum = sum + product;
        }
        output[channel] = sum;
    }
}

/* A group's parameters fold into the weights of a chunk of tokens. */
static void quantized_output(const kv_latent_split *s, const kv_f32 *weights, kv_f32 *output)
{
    kv_u32 is_symmetric = kv_codec_is_symmetric(s->segment[KV_SEGMENT_V_CODEC]);
    for (kv_u32 channel = 0; channel < s->p->v_dim; channel++) {
        output[channel] = 0.0f;
    }
    for (kv_u32 group = 0; group < s->p->v_dim; group = group_end(s, group)) {
        for (kv_u32 chunk = 0; chunk < s->count; chunk += KV_CHUNK) {
            kv_u32 tokens = kv_min_u32(KV_CHUNK, s->count - chunk);
            kv_f32 folded[KV_CHUNK];
            kv_f32 terms[KV_CHUNK];
            kv_i32 operands[KV_CHUNK];
            for (kv_u32 i = 0; i < tokens; i++) {
                kv_u32 word = parameter_word(s, s->first + chunk + i, group);
                KV_EXACT kv_f32 scaled = weights[chunk + i] * kv_param_scale(word);
                KV_EXACT kv_f32 term = weights[chunk + i] * kv_param_minimum(word, is_symmetric);
                folded[i] = scaled;
                terms[i] = term;
            }
            kv_f32 step = make_operands(folded, 0u, tokens, operands);
            kv_f32 sum = sum_of_terms(terms, tokens);
            for (kv_u32 channel = group; channel < group_end(s, group); channel++) {
                kv_i32 dot = 0;
                for (kv_u32 i = 0; i < tokens; i++) {
                    dot += operands[i] * KV_I32(code_of(s, s->first + chunk + i, channel));
                }
                KV_EXACT kv_f32 product = kv_int_to_float(dot) * step;
                KV_EXACT kv_f32 part = product + sum;
                KV_EXACT kv_f32 total = output[channel] + part;
                output[channel] = total;
            }
        }
    }
}

/* ---- one query row of one split ---- */

static kv_u32 token_is_visible(const kv_latent_split *s, kv_u32 i)
{
    kv_u32 position = s->region[s->segment[KV_SEGMENT_POSITIONS] + s->first + i];
    return position != KV_POSITION_INVALID && position <= s->query_position ? 1u : 0u;
}

static void attend_latent_row(const kv_latent_split *s, kv_latent_query *q, kv_u32 *partial)
{
    const kv_u32 *segment = s->segment;
    kv_u32 scales = segment[KV_SEGMENT_V_CHANNEL_SCALE];
    kv_u32 is_f16 = segment[KV_SEGMENT_V_CODEC] == KV_CODEC_F16 ? 1u : 0u;

    /* 1. Fold the softmax scale and the latents' channel scales into the query */
    for (kv_u32 channel = 0; channel < s->p->v_dim; channel++) {
        KV_EXACT kv_f32 x = kv_query_value(q->latent[channel]) * s->p->scale;
        if (scales != KV_NO_OFFSET) {
            x = x * kv_load_half(s->region, scales, channel);
        }
        q->latent[channel] = x;
    }
    for (kv_u32 channel = 0; channel < s->p->k_dim; channel++) {
        KV_EXACT kv_f32 x = kv_query_value(q->rotary[channel]) * s->p->scale;
        q->rotary[channel] = x;
    }
    if (is_f16 == 0u) {
        make_query_operands(s, q);
    }

    /* 2. Scores: of the latents, then of the rotary keys */
    kv_f32 scores[KV_SPLIT_TOKENS];
    for (kv_u32 i = 0; i < s->count; i++) {
        kv_f32 sums[8] = {0.0f, 0.0f, 0.0f, 0.0f, 0.0f, 0.0f, 0.0f, 0.0f};
        add_products(s, row_word(s, KV_SEGMENT_K_CODES, 0u, s->first + i, s->p->k_dim), s->p->k_dim,
                     q->rotary, sums);
        kv_f32 latent = is_f16 != 0u ? f16_score(s, s->first + i, q->latent)
                                     : quantized_score(s, s->first + i, q);
        KV_EXACT kv_f32 score = latent + sum_of_eight(sums);
        scores[i] = score;
    }

    /* 3. Weights: masked tokens are selected away, never multiplied */
    kv_f32 largest = KV_MASKED;
    for (kv_u32 i = 0; i < s->count; i++) {
        if (token_is_visible(s, i) != 0u) {
            largest = kv_max(largest, scores[i]);
        }
    }
    kv_f32 weights[KV_SPLIT_TOKENS];
    kv_u32 sum = 0;
    for (kv_u32 i = 0; i < s->count; i++) {
        KV_EXACT kv_f32 difference = scores[i] - largest;
        weights[i] = token_is_visible(s, i) != 0u ? kv_exp(difference) : 0.0f;
        KV_EXACT kv_f32 units = weights[i] * KV_WEIGHT_ONE;
        sum += KV_U32(KV_I32(kv_rint(units)));
    }

    /* 4. Output */
    kv_f32 output[KV_MAX_LATENT_DIM];
    if (is_f16 != 0u) {
        f16_output(s, weights, output);
    } else {
        quantized_output(s, weights, output);
    }

    /* 5. Store, with the latents' channel scales */
    partial[0] = kv_bits(largest);
    partial[1] = sum;
    for (kv_u32 channel = 0; channel < s->p->v_dim; channel++) {
        KV_EXACT kv_f32 value = output[channel];
        if (scales != KV_NO_OFFSET) {
            value = value * kv_load_half(s->region, scales, channel);
        }
        partial[2u + channel] = kv_bits(value);
    }
}

#endif
