/* SPDX-License-Identifier: MIT
 *
 * attention_latent: attention over latents, of which keys and values are both made (multi-head latent
 * attention, DeepSeek-V2): softmax(scale (ql C^T + qr R^T)) C over one split of one sequence's segments,
 * computed on the packed codes. ql are queries that have absorbed the matrix that makes keys, C the
 * latents, which are stored once, as V; qr are rotary queries and R the rotary keys, stored as an f16 K.
 *
 * The codes of C are read twice: their parameters, which are a token's, fold into the score and into
 * the probability. Operands, sums and partial results are those of attention.
 *
 * One work-group does one split for up to KV_LATENT_ROWS query rows.
 */
#include "attention_latent.h"

static void load_row(const kv_latent_params *p, const kv_u32 *queries, const kv_u32 *rotary,
                     kv_u32 sequence, kv_u32 q_head, kv_u32 row, kv_latent_query *q)
{
    kv_u32 at = p->q_offset + sequence * p->q_sequence_stride + q_head * p->q_head_stride +
                row * p->q_row_stride;
    for (kv_u32 i = at; i < at + p->v_dim; i++) {
        q->latent[i - at] = kv_element(queries[kv_element_word(i, p->q_dtype)], i, p->q_dtype);
    }
    at = p->rotary_offset + sequence * p->rotary_sequence_stride + q_head * p->rotary_head_stride +
         row * p->rotary_row_stride;
    for (kv_u32 i = at; i < at + p->k_dim; i++) {
        q->rotary[i - at] =
            kv_element(rotary[kv_element_word(i, p->rotary_dtype)], i, p->rotary_dtype);
    }
}

static void attend_split(const kv_latent_params *p, kv_latent_split *s, kv_u32 sequence,
                         kv_u32 line, const kv_u32 *queries, const kv_u32 *rotary,
                         const kv_u32 *positions, kv_u32 *partials)
{
    for (kv_u32 q_head = 0; q_head < p->q_heads; q_head++) {
        for (kv_u32 row = 0; row < p->queries; row++) {
            kv_latent_query q;
            load_row(p, queries, rotary, sequence, q_head, row, &q);
            s->query_position = KV_POSITION_INVALID - 1u;
            if (p->positions_offset != KV_NO_OFFSET) {
                s->query_position = positions[p->positions_offset + sequence * p->queries + row];
            }
            kv_u32 at = line + q_head * p->queries + row;
            attend_latent_row(s, &q, &partials[p->partials_offset + at * (p->v_dim + 2u)]);
        }
    }
}

void kvant_ref_attention_latent(const void *params_words, kv_u32 *const *bindings)
{
    const kv_latent_params *p = params_words;
    const kv_u32 *store = bindings[0];
    const kv_u32 *queries = bindings[1];
    const kv_u32 *rotary = bindings[2];
    const kv_u32 *positions = bindings[3];
    kv_u32 *partials = bindings[4];
    for (kv_u32 sequence = 0; sequence < p->sequences; sequence++) {
        const kv_u32 *region = &store[p->sequence_offset + sequence * p->sequence_stride];
        kv_u32 splits = kv_min_u32(region[KV_HEADER_SPLITS], p->max_splits);
        for (kv_u32 split = 0; split < splits; split++) {
            const kv_u32 *entry = &region[p->splits_offset + split * KV_SPLIT_WORDS];
            const kv_u32 *segment =
                &region[p->segments_offset + entry[KV_SPLIT_SEGMENT] * KV_SEGMENT_WORDS];
            kv_u32 codec = segment[KV_SEGMENT_V_CODEC];
            kv_latent_split s = {
                .p = p,
                .region = region,
                .segment = segment,
                .capacity = segment[KV_SEGMENT_CAPACITY],
                .part = p->v_dim / kv_latent_parts(p->v_dim),
                .length = segment[KV_SEGMENT_V_GROUPING] == KV_GROUP_TOKEN_CHANNELS
                              ? segment[KV_SEGMENT_V_GROUP_LENGTH]
                              : p->v_dim,
                .first = entry[KV_SPLIT_FIRST_TOKEN],
                .count = kv_min_u32(KV_SPLIT_TOKENS,
                                    segment[KV_SEGMENT_CAPACITY] - entry[KV_SPLIT_FIRST_TOKEN]),
            };
            for (kv_u32 i = 0; i < KV_CODEBOOK_WORDS; i++) {
                s.levels[i] = kv_codec_is_learned(codec) != 0u
                                  ? region[segment[KV_SEGMENT_LEVELS] + KV_CODEBOOK_WORDS + i]
                                  : kv_codebook_word(codec, i);
            }
            attend_split(p, &s, sequence,
                         (sequence * p->max_splits + split) * p->q_heads * p->queries, queries,
                         rotary, positions, partials);
        }
    }
}
