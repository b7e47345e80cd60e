/* SPDX-License-Identifier: MIT
 *
 * Where everything lies in the compressed cache: codecs, groupings, words, parameters, tables.
 * docs/format.md shows the pictures; golden bytes freeze them. Everything is 32-bit
 * little-endian words; offsets are in words from the start of a sequence's region.
 *
 * A code word holds a small block of tokens x channels of one KV head, so that one shift and one
 * mask give four operands in the four byte lanes:
 *   K  byte lane = channel (4 adjacent), field within the byte = token   (K sums over channels)
 *   V  byte lane = token (4 adjacent),  field within the byte = channel  (V sums over tokens)
 * int2 has 4 fields of 2 bits in a byte, int4 has 2 of 4 bits, int8 has 1. Codes of 3 bits lie in two
 * planes: words as int2 has them, then words of the third bits; codes of 1 bit in the second plane alone.
 */
#ifndef KVANT_CONTRACT_LAYOUT_H
#define KVANT_CONTRACT_LAYOUT_H

#include "lang.h"

/* Tokens of one split: the unit of work and of merging in attention. Part of the definition of
 * the output: splits are merged in index order. */
#define KV_SPLIT_TOKENS 256u
/* Tokens of a V sum, and channels of a K sum, that share one integer operand scale. Part of the
 * definition of the output. 32 x 32767 x 15 stays below 2^24, exact in fp32 too. */
#define KV_CHUNK 32u
/* Tokens are stored in fours: segment capacities and compression events are rounded up to this. */
#define KV_TOKEN_QUAD 4u
#define KV_MAX_HEAD_DIM 256u
/* A latent (the V of a cache whose keys are a view of it) may be longer than a head, and the rotary keys
 * beside it (its K) are shorter. Rows of queries that an attention_latent work-group carries. */
#define KV_MAX_LATENT_DIM 512u
#define KV_MAX_ROTARY_DIM 128u
#define KV_LATENT_ROWS 4u
/* Query rows (heads of the GQA group x queries) that one attention work-group carries. */
#define KV_ROWS 8u
/* Query rows of a head that a prefill work-group of so many lanes carries. */
#define KV_PREFILL_ROWS(lanes) ((lanes) == 1u ? 32u : KV_ROWS)
/* Pairs of a probe row and a query head that a saliency_rows work-group of so many lanes carries. */
#define KV_SALIENCY_PAIRS(lanes) ((lanes) == 1u ? 128u : KV_ROWS)

/* Work-groups of few lanes are those of a CPU, which does better with few long items: whole rows in
 * append and finite, KV_BLOCK_TOKENS tokens in extrema and encode. */
#define KV_IS_NARROW(lanes) ((lanes) <= 8u)
#define KV_BLOCK_TOKENS(lanes) (KV_IS_NARROW(lanes) ? 32u : 4u)
/* Tokens, and heads, whose extrema a lane has found before it joins them with those of others. */
#define KV_RUN_TOKENS(lanes) (KV_BLOCK_TOKENS(lanes) * 8u)
#define KV_RUN_HEADS(lanes) ((lanes) == 1u ? 16u : 1u)
/* Heads of which the lanes of a work-group take 4 tokens at a time, in octets of channels. A lane of a
 * CPU takes one alone. */
#define KV_TILE_HEADS(lanes, octets)                                                               \
    (!KV_IS_NARROW(lanes) && (lanes) > (octets) ? (lanes) / (octets) : 1u)

/* ---- codecs ---- */
#define KV_CODEC_NONE 0u
#define KV_CODEC_F16 1u
#define KV_CODEC_INT2 2u
#define KV_CODEC_INT3 3u
#define KV_CODEC_INT4 4u
#define KV_CODEC_INT8 8u
#define KV_CODEC_INT8_SYMMETRIC 9u
#define KV_CODEC_INT1 11u
/* Codes of these are numbers of levels in a codebook of 16, 8 or 4 (codebook.h). Some have a scale
 * alone; the others a scale and a minimum, and levels that are learned from each segment. */
#define KV_CODEC_NF4 16u               /* NormalFloat */
#define KV_CODEC_FP4 17u               /* E2M1 */
#define KV_CODEC_MXFP4 18u             /* E2M1, scales are powers of two */
#define KV_CODEC_NVFP4 19u             /* E2M1, scales have 4 significant bits */
#define KV_CODEC_NUQ4 20u              /* 16 levels by k-means */
#define KV_CODEC_NUQ2 21u              /* 4 levels by k-means */
#define KV_CODEC_INTRINSIC 22u         /* 4 levels: the extremes and two modes */
#define KV_CODEC_INTRINSIC_LITERAL 23u /* the same, each code for the interval above its level */
#define KV_CODEC_NF2 24u               /* NormalFloat of 4 levels */
#define KV_CODEC_LLOYD2 25u            /* Lloyd-Max for a normal distribution, 4 levels */
#define KV_CODEC_NF3 26u               /* NormalFloat of 8 levels */
#define KV_CODEC_LLOYD3 27u            /* Lloyd-Max, 8 levels */
#define KV_CODEC_NUQ3 28u              /* 8 levels by k-means */
#define KV_CODEC_LLOYD4 29u            /* Lloyd-Max, 16 levels */

/* ---- groupings: which numbers share a parameter word ---- */
#define KV_GROUP_TOKEN 0u           /* a token, all heads */
#define KV_GROUP_TOKEN_HEAD 1u      /* a token, one head */
#define KV_GROUP_TOKEN_CHANNELS 2u  /* a token, one head, group_length channels */
#define KV_GROUP_CHANNEL_TOKENS 3u  /* a channel, group_length tokens (a multiple of KV_CHUNK) */
#define KV_GROUP_CHANNEL_SEGMENT 4u /* a channel, all tokens of the segment */

#define KV_POSITION_INVALID 0xffffffffu
#define KV_NO_OFFSET 0xffffffffu
#define KV_NO_HEAD 0xffffffffu

/* ---- words of a segment's entry in the table ---- */
#define KV_SEGMENT_CAPACITY 0u /* tokens, a multiple of 4 */
#define KV_SEGMENT_K_CODEC 1u
#define KV_SEGMENT_V_CODEC 2u
#define KV_SEGMENT_K_GROUPING 3u
#define KV_SEGMENT_K_GROUP_LENGTH 4u
#define KV_SEGMENT_V_GROUPING 5u
#define KV_SEGMENT_V_GROUP_LENGTH 6u
#define KV_SEGMENT_POSITIONS 7u      /* offset of one word a token; KV_POSITION_INVALID: no token */
#define KV_SEGMENT_POSITIONS_HEAD 8u /* words between the lists of two heads; 0: one list for all */
#define KV_SEGMENT_K_CODES 9u        /* offset */
#define KV_SEGMENT_V_CODES 10u       /* offset */
#define KV_SEGMENT_K_PARAMS 11u      /* offset */
#define KV_SEGMENT_V_PARAMS 12u      /* offset */
#define KV_SEGMENT_K_CHANNEL_SCALE 13u /* offset of halves [head][channel], or KV_NO_OFFSET */
#define KV_SEGMENT_V_CHANNEL_SCALE 14u /* offset of halves [head][channel], or KV_NO_OFFSET */
#define KV_SEGMENT_LEVELS 15u          /* offset of K's codebook, then V's; of learned ones alone */
/* Words from 16 on are of attention_general alone. */
#define KV_SEGMENT_HEAD_FIRST 16u /* first KV head that the segment holds */
#define KV_SEGMENT_HEAD_COUNT 17u /* KV heads that it holds; 0: all */
#define KV_SEGMENT_WORDS 24u

/* ---- words of a split's entry in the table ---- */
#define KV_SPLIT_SEGMENT 0u     /* index in the segment table */
#define KV_SPLIT_FIRST_TOKEN 1u /* within the segment, a multiple of KV_SPLIT_TOKENS */
#define KV_SPLIT_WORDS 2u

/* ---- words of a sequence's header ---- */
#define KV_HEADER_SPLITS 0u /* number of splits that hold tokens */
#define KV_HEADER_WORDS 16u

/* Bits of a code; never 0, whatever the table says. */
KV_FN kv_u32 kv_codec_bits(kv_u32 codec)
{
    if (codec == KV_CODEC_F16) {
        return 16u;
    }
    if (codec == KV_CODEC_INT1) {
        return 1u;
    }
    if (codec == KV_CODEC_INT2 || (codec >= KV_CODEC_NUQ2 && codec <= KV_CODEC_LLOYD2)) {
        return 2u;
    }
    if (codec == KV_CODEC_INT3 || (codec >= KV_CODEC_NF3 && codec <= KV_CODEC_NUQ3)) {
        return 3u;
    }
    return codec == KV_CODEC_INT4 || (codec >= KV_CODEC_NF4 && codec <= KV_CODEC_LLOYD4) ? 4u : 8u;
}

/* Whether codes are numbers of levels. Those of int1 and int3 are their own levels. */
KV_FN kv_u32 kv_codec_has_codebook(kv_u32 codec)
{
    return codec >= KV_CODEC_NF4 || codec == KV_CODEC_INT1 || codec == KV_CODEC_INT3 ? 1u : 0u;
}

/* Whether the levels are in the store. */
KV_FN kv_u32 kv_codec_is_learned(kv_u32 codec)
{
    return (codec >= KV_CODEC_NUQ4 && codec <= KV_CODEC_INTRINSIC_LITERAL) || codec == KV_CODEC_NUQ3
               ? 1u
               : 0u;
}

/* Whether a group's scale gives its decoded values the norm of the original ones. */
KV_FN kv_u32 kv_codec_keeps_norm(kv_u32 codec)
{
    return codec == KV_CODEC_LLOYD2 || codec == KV_CODEC_LLOYD3 || codec == KV_CODEC_LLOYD4 ? 1u
                                                                                            : 0u;
}

/* Whether a group has a scale alone: its minimum is then -128 scale. */
KV_FN kv_u32 kv_codec_is_symmetric(kv_u32 codec)
{
    return codec == KV_CODEC_INT8_SYMMETRIC || (codec >= KV_CODEC_NF4 && codec <= KV_CODEC_NVFP4) ||
                   codec == KV_CODEC_NF2 || codec == KV_CODEC_NF3 ||
                   kv_codec_keeps_norm(codec) != 0u
               ? 1u
               : 0u;
}

/* Whether codes of so many bits lie in planes: a 1-bit plane, and before it a 2-bit one of 3 bits. */
KV_FN kv_u32 kv_has_planes(kv_u32 bits)
{
    return bits & 1u;
}

/* Codes along the field direction of a word: tokens for K, channels for V. */
KV_FN kv_u32 kv_fields(kv_u32 bits)
{
    return 8u / bits;
}

/* Words of one head's K or V codes for `capacity` tokens. */
KV_FN kv_u32 kv_code_words(kv_u32 capacity, kv_u32 dim, kv_u32 bits)
{
    return (capacity / 4u) * (dim / 8u) * bits;
}

/* The word of K code (token, channel) within its head, and its shift in that word. */
KV_FN kv_u32 kv_k_word(kv_u32 token, kv_u32 channel, kv_u32 dim, kv_u32 bits)
{
    return (token / kv_fields(bits)) * (dim / 4u) + channel / 4u;
}

KV_FN kv_u32 kv_k_shift(kv_u32 token, kv_u32 channel, kv_u32 bits)
{
    return (channel % 4u) * 8u + (token % kv_fields(bits)) * bits;
}

/* The word of V code (token, channel) within its head, and its shift in that word. */
KV_FN kv_u32 kv_v_word(kv_u32 token, kv_u32 channel, kv_u32 dim, kv_u32 bits)
{
    return (token / 4u) * (dim / kv_fields(bits)) + channel / kv_fields(bits);
}

KV_FN kv_u32 kv_v_shift(kv_u32 token, kv_u32 channel, kv_u32 bits)
{
    return (token % 4u) * 8u + (channel % kv_fields(bits)) * bits;
}

/* The same for either tensor. */
KV_FN kv_u32 kv_code_word(kv_u32 is_value, kv_u32 token, kv_u32 channel, kv_u32 dim, kv_u32 bits)
{
    return is_value != 0u ? kv_v_word(token, channel, dim, bits)
                          : kv_k_word(token, channel, dim, bits);
}

KV_FN kv_u32 kv_code_shift(kv_u32 is_value, kv_u32 token, kv_u32 channel, kv_u32 bits)
{
    return is_value != 0u ? kv_v_shift(token, channel, bits) : kv_k_shift(token, channel, bits);
}

/* Codes in planes. A row is 4 tokens: the words of its 2-bit plane, of 4 tokens x 4 channels each as those
 * of int2; then those of its 1-bit plane, of 4 tokens x 8 channels. There the fields of a byte are
 *   K  4 tokens of one channel, then the same of the channel 4 later
 *   V  8 channels */
KV_FN kv_u32 kv_plane_row_words(kv_u32 dim, kv_u32 bits)
{
    return (dim / 8u) * bits;
}

/* The word of (token, channel) in the plane of 1 bit, within the head, and the bit's place in it. */
KV_FN kv_u32 kv_one_word(kv_u32 token, kv_u32 channel, kv_u32 dim, kv_u32 bits)
{
    return (token / 4u) * kv_plane_row_words(dim, bits) + (bits / 2u) * (dim / 4u) + channel / 8u;
}

/* The word in the plane of 2 bits; where there is none, that of the other plane once more. */
KV_FN kv_u32 kv_two_word(kv_u32 token, kv_u32 channel, kv_u32 dim, kv_u32 bits)
{
    return bits == 3u ? (token / 4u) * kv_plane_row_words(dim, bits) + channel / 4u
                      : kv_one_word(token, channel, dim, bits);
}

KV_FN kv_u32 kv_one_shift(kv_u32 is_value, kv_u32 token, kv_u32 channel)
{
    return is_value != 0u ? (token % 4u) * 8u + channel % 8u
                          : (channel % 4u) * 8u + (channel / 4u % 2u) * 4u + token % 4u;
}

/* A code, from its words of both planes. */
KV_FN kv_u32 kv_plane_code(kv_u32 is_value, kv_u32 token, kv_u32 channel, kv_u32 bits, kv_u32 two,
                           kv_u32 one)
{
    kv_u32 low = (two >> kv_code_shift(is_value, token, channel, 2u)) & 3u;
    kv_u32 high = (one >> kv_one_shift(is_value, token, channel)) & 1u;
    return bits == 3u ? low | (high << 2) : high;
}

/* What a word of 4-bit codes would be in their place, for attention: fields 2 `pair` and 2 `pair` + 1 of
 * column `column` of 4 channels, from its words of both planes. */
KV_FN kv_u32 kv_plane_pair(kv_u32 bits, kv_u32 two, kv_u32 one, kv_u32 column, kv_u32 pair)
{
    kv_u32 low = bits == 3u ? two >> (pair * 4u) : 0u;
    kv_u32 high = one >> ((column % 2u) * 4u + pair * 2u);
    kv_u32 first = (low & 0x03030303u) | ((high & 0x01010101u) << (bits - 1u));
    kv_u32 second = ((low >> 2) & 0x03030303u) | (((high >> 1) & 0x01010101u) << (bits - 1u));
    return first | (second << 4);
}

/* A tile of 4 tokens x 8 channels has as many words as a code has bits, up to 4. The word that has code
 * (t, i) of the tile, of codes in planes its low bits; word 2 of these has their third bits. */
KV_FN kv_u32 kv_tile_slot(kv_u32 is_value, kv_u32 t, kv_u32 i, kv_u32 bits)
{
    if (bits != 4u) {
        return i / 4u;
    }
    return is_value != 0u ? i / 2u : t / 2u * 2u + i / 4u;
}

/* Where word `slot` of the tile that begins at (token, channel) is, within the head. */
KV_FN kv_u32 kv_tile_word(kv_u32 is_value, kv_u32 token, kv_u32 channel, kv_u32 dim, kv_u32 bits,
                          kv_u32 slot)
{
    if (bits == 3u) {
        return slot < 2u ? kv_two_word(token, channel + 4u * slot, dim, bits)
                         : kv_one_word(token, channel, dim, bits);
    }
    if (bits == 4u && is_value == 0u) {
        return kv_k_word(token + slot / 2u * 2u, channel + slot % 2u * 4u, dim, bits);
    }
    return kv_code_word(is_value, token, channel + slot * kv_fields(bits), dim, bits);
}

/* The word of an f16 segment that holds channels (channel, channel + 1), channel even. */
KV_FN kv_u32 kv_f16_word(kv_u32 head, kv_u32 token, kv_u32 channel, kv_u32 capacity, kv_u32 dim)
{
    return (head * capacity + token) * (dim / 2u) + channel / 2u;
}

/* The place of a KV head among the `count` that a segment holds from `first` on; 0: it holds all. Other
 * heads have no token there. */
KV_FN kv_u32 kv_head_in_segment(kv_u32 head, kv_u32 first, kv_u32 count)
{
    return count == 0u ? head : head - first < count ? head - first : KV_NO_HEAD;
}

/* Groups that one token of one head, or one channel of one head, is divided into. */
KV_FN kv_u32 kv_groups_along(kv_u32 length, kv_u32 group_length)
{
    return (length + group_length - 1u) / group_length;
}

/* Index of the parameter group of an element. Each group has one word of parameters. */
KV_FN kv_u32 kv_group_index(kv_u32 grouping, kv_u32 group_length, kv_u32 capacity, kv_u32 dim,
                            kv_u32 head, kv_u32 token, kv_u32 channel)
{
    if (grouping == KV_GROUP_TOKEN) {
        return token;
    }
    if (grouping == KV_GROUP_TOKEN_HEAD) {
        return head * capacity + token;
    }
    if (grouping == KV_GROUP_TOKEN_CHANNELS) {
        return (head * capacity + token) * kv_groups_along(dim, group_length) +
               channel / group_length;
    }
    if (grouping == KV_GROUP_CHANNEL_TOKENS) {
        return (head * kv_groups_along(capacity, group_length) + token / group_length) * dim +
               channel;
    }
    return head * dim + channel;
}

/* Number of parameter groups of a tensor. */
KV_FN kv_u32 kv_group_count(kv_u32 grouping, kv_u32 group_length, kv_u32 capacity, kv_u32 dim,
                            kv_u32 heads)
{
    if (grouping == KV_GROUP_TOKEN) {
        return capacity;
    }
    if (grouping == KV_GROUP_TOKEN_HEAD) {
        return heads * capacity;
    }
    if (grouping == KV_GROUP_TOKEN_CHANNELS) {
        return heads * capacity * kv_groups_along(dim, group_length);
    }
    if (grouping == KV_GROUP_CHANNEL_TOKENS) {
        return heads * kv_groups_along(capacity, group_length) * dim;
    }
    return heads * dim;
}

/* Whether encode makes the parameters of its groups itself: a group is then a part of what one
 * work-group reads. A group that is a whole channel of the segment has them from kernels before. */
KV_FN kv_u32 kv_groups_are_local(kv_u32 grouping)
{
    return grouping != KV_GROUP_CHANNEL_SEGMENT ? 1u : 0u;
}

/* A latent is stored in parts, as if they were heads: no part is longer than a head may be. */
KV_FN kv_u32 kv_latent_parts(kv_u32 dim)
{
    return dim > KV_MAX_HEAD_DIM ? 2u : 1u;
}

/* Whether the groups run along channels (parameters per channel), not along a token. */
KV_FN kv_u32 kv_is_channelwise(kv_u32 grouping)
{
    return grouping >= KV_GROUP_CHANNEL_TOKENS ? 1u : 0u;
}

#endif
