/* SPDX-License-Identifier: MIT
 *
 * attention_latent: what a work-group works on, and how it reads latents: their codes, four tokens of a
 * channel at a time, and rows of halves.
 */
#ifndef KVANT_CUDA_ATTENTION_LATENT_CUH
#define KVANT_CUDA_ATTENTION_LATENT_CUH

#include "kernel.cuh"

#define KV_LATENT_CHUNKS (KV_MAX_LATENT_DIM / KV_CHUNK)
#define KV_MOST_FIELDS 8u /* of a word of codes */

struct kv_latent_shared {
    /* [row][channel]: folded queries as bits, or their operands; then [row][token] the operands of a
     * group of the output */
    kv_u32 latent[KV_LATENT_ROWS][KV_MAX_LATENT_DIM];
    kv_u32 rotary[KV_LATENT_ROWS][KV_MAX_ROTARY_DIM]; /* as bits */
    kv_f32 scores[KV_LATENT_ROWS][KV_SPLIT_TOKENS];   /* then the weights */
    kv_f32 steps[KV_LATENT_ROWS][KV_LATENT_CHUNKS];   /* the value of one unit of a chunk's operands */
    kv_f32 sums[KV_LATENT_ROWS][KV_LATENT_CHUNKS]; /* of a group's operands; of a chunk's minima */
    kv_u32 positions[KV_LATENT_ROWS];              /* of the queries */
};

struct kv_latent_split {
    const kv_u32 *region;  /* the sequence's words */
    const kv_u32 *segment; /* its entry in the segment table */
    kv_u32 rows;
    kv_u32 k_dim;
    kv_u32 v_dim;
    kv_u32 capacity;
    kv_u32 part;   /* channels of a part of a latent */
    kv_u32 length; /* channels that share parameters */
    kv_u32 first;  /* token of the segment where the split starts */
    kv_u32 count;  /* tokens of the split */
    kv_u32 codec;
    kv_u32 bits;
    kv_u32 levels[KV_CODEBOOK_WORDS];
};

/* Where the group that begins at a channel ends: with its part at the latest, unless a token is one. */
KV_FN kv_u32 kv_latent_group_end(const kv_latent_split &s, kv_u32 channel)
{
    kv_u32 part_end = (channel / s.part + 1u) * s.part;
    return s.length == s.v_dim ? s.v_dim : kv_min_u32(channel + s.length, part_end);
}

/* The parameters of the group of a channel. */
KV_FN kv_u32 kv_latent_param(const kv_latent_split &s, kv_u32 token, kv_u32 channel)
{
    return s.region[s.segment[KV_SEGMENT_V_PARAMS] +
                    kv_group_index(s.segment[KV_SEGMENT_V_GROUPING],
                                   s.segment[KV_SEGMENT_V_GROUP_LENGTH], s.capacity, s.part,
                                   channel / s.part, token, channel % s.part)];
}

/* The word with the codes of tokens token .. token + 3 in the channels from `channel` on that one word
 * has. */
KV_FN kv_u32 kv_latent_word(const kv_latent_split &s, kv_u32 token, kv_u32 channel)
{
    return s.region[s.segment[KV_SEGMENT_V_CODES] +
                    channel / s.part * kv_code_words(s.capacity, s.part, s.bits) +
                    kv_v_word(token, channel % s.part, s.part, s.bits)];
}

/* The codes of one channel of it, or their levels: a byte a token. */
KV_FN kv_u32 kv_latent_codes(const kv_latent_split &s, kv_u32 word, kv_u32 field)
{
    kv_u32 codes = word >> (field * s.bits);
    codes &= s.bits == 8u ? 0xffffffffu : ((1u << s.bits) - 1u) * 0x01010101u;
    return kv_codec_has_codebook(s.codec) != 0u
               ? kv_levels(s.levels[0], s.levels[1], s.levels[2], s.levels[3], codes)
               : codes;
}

/* The word of an f16 row of a part, from which its halves are counted; `codes` is the word of the
 * segment's entry. */
KV_FN kv_u32 kv_latent_row(const kv_latent_split &s, kv_u32 codes, kv_u32 part, kv_u32 token,
                           kv_u32 dim)
{
    return s.segment[codes] + kv_f16_word(part, token, 0u, s.capacity, dim);
}

KV_FN bool kv_latent_is_visible(const kv_latent_split &s, kv_u32 query_position, kv_u32 i)
{
    kv_u32 position = s.region[s.segment[KV_SEGMENT_POSITIONS] + s.first + i];
    return position != KV_POSITION_INVALID && position <= query_position;
}

/* Floats, as bits, to operands that share a scale, in place. Returns the value of one unit. */
KV_FN kv_f32 kv_latent_operands(kv_u32 *words, kv_u32 count)
{
    kv_f32 largest = 0.0f;
    for (kv_u32 i = 0u; i < count; i++) {
        largest = kv_max(largest, kv_abs(kv_float(words[i])));
    }
    kv_f32 inverse = kv_operand_inverse(largest, KV_OPERAND_MAX);
    for (kv_u32 i = 0u; i < count; i++) {
        words[i] = KV_U32(kv_operand(kv_float(words[i]), inverse));
    }
    KV_EXACT kv_f32 step = largest * KV_OPERAND_STEP;
    return step;
}

#endif
