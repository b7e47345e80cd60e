/* SPDX-License-Identifier: MIT
 *
 * Codebooks. A code of a codebook codec is the number of a level; a level is a byte, and what follows
 * is as for 8-bit codes: value = scale * level + minimum. Symmetric codebooks have levels about 128, as
 * int8s has codes. So attention looks levels up where it unpacks codes, and is as exact as with int8.
 *
 * Levels ascend with their numbers, 4 bytes a word, level 0 in the lowest byte.
 */
#ifndef KVANT_CONTRACT_CODEBOOK_H
#define KVANT_CONTRACT_CODEBOOK_H

#include "layout.h"

#define KV_CODEBOOK_WORDS 4u
#define KV_CODEBOOK_BYTES 256u  /* of a histogram: a word each */
#define KV_MEANS_ROUNDS 16u     /* of k-means */
#define KV_MODE_DISTANCE 32u /* that modes are apart, and from the extremes, at least */

/* Word i of the levels of a codec that are not learned; for a codec that has none its codes are
 * their own levels.
 *   NF4   127 times the quantiles of QLoRA's NormalFloat, rounded: off by 0.37 % of the largest at most
 *   E2M1  16 times 0, 0.5, 1, 1.5, 2, 3, 4, 6 and their negatives, exact; -6 has two codes, so that 0
 *         is an even one and ties, which go to even codes, go to even mantissas
 *   Lloyd-Max  127 times the centroids for a normal distribution over the largest of them, rounded */
KV_FN kv_u32 kv_codebook_word(kv_u32 codec, kv_u32 i)
{
    if (codec == KV_CODEC_NF4) {
        return i == 0u   ? 0x4e3d2801u  /* -127 -88 -67 -50 */
               : i == 1u ? 0x8074695cu  /* -36 -23 -12 0 */
               : i == 2u ? 0xab9f948au  /* 10 20 31 43 */
                         : 0xffdcc7b8u; /* 56 71 92 127 */
    }
    if (codec == KV_CODEC_LLOYD4) {
        return i == 0u   ? 0x46352001u  /* -127 -96 -75 -58 */
               : i == 1u ? 0x7a6e6154u  /* -44 -31 -18 -6 */
               : i == 2u ? 0xac9f9286u  /* 6 18 31 44 */
                         : 0xffe0cbbau; /* 58 75 96 127 */
    }
    if (codec == KV_CODEC_NF3) {
        return i == 0u ? 0x80644301u  /* -127 -61 -28 0 */
                       : 0xffc7ab94u; /* 20 43 71 127 */
    }
    if (codec == KV_CODEC_LLOYD3) {
        return i == 0u ? 0x72533101u  /* -127 -79 -45 -14 */
                       : 0xffcfad8eu; /* 14 45 79 127 */
    }
    if (codec == KV_CODEC_NF2) {
        return 0xffab8001u; /* -127 0 43 127 */
    }
    if (codec == KV_CODEC_LLOYD2) {
        return 0xffa65a01u; /* -127 -38 38 127 */
    }
    if (codec >= KV_CODEC_FP4 && codec <= KV_CODEC_NVFP4) {
        return i == 0u   ? 0x50402020u  /* -96 -96 -64 -48 */
               : i == 1u ? 0x78706860u  /* -32 -24 -16 -8 */
               : i == 2u ? 0x98908880u  /* 0 8 16 24 */
                         : 0xe0c0b0a0u; /* 32 48 64 96 */
    }
    return 0x03020100u + i * 0x04040404u;
}

/* Largest level over the largest centroid of a codebook that keeps the norm: levels of a standard
 * deviation. */
KV_FN kv_f32 kv_levels_of_deviation(kv_u32 codec)
{
    return codec == KV_CODEC_LLOYD2   ? 84.0826797485351562f
           : codec == KV_CODEC_LLOYD3 ? 59.0163116455078125f
                                      : 46.4760551452636719f;
}

/* Level `code` of a codebook. */
KV_FN kv_u32 kv_level(kv_u32 word0, kv_u32 word1, kv_u32 word2, kv_u32 word3, kv_u32 code)
{
    kv_u32 low = (code & 4u) != 0u ? word1 : word0;
    kv_u32 high = (code & 4u) != 0u ? word3 : word2;
    return (((code & 8u) != 0u ? high : low) >> ((code & 3u) * 8u)) & 0xffu;
}

/* The levels of the codes in the four byte lanes of a word. */
KV_FN kv_u32 kv_levels(kv_u32 word0, kv_u32 word1, kv_u32 word2, kv_u32 word3, kv_u32 codes)
{
    return kv_level(word0, word1, word2, word3, codes & 0xffu) |
           (kv_level(word0, word1, word2, word3, (codes >> 8) & 0xffu) << 8) |
           (kv_level(word0, word1, word2, word3, (codes >> 16) & 0xffu) << 16) |
           (kv_level(word0, word1, word2, word3, codes >> 24) << 24);
}

/* Where the codes of values part, between a level and the next: of values as multiples of the scale,
 * so about 0 for symmetric codebooks. */
KV_FN kv_f32 kv_level_threshold(kv_u32 codec, kv_u32 level, kv_u32 next)
{
    if (codec == KV_CODEC_INTRINSIC_LITERAL) {
        return KV_F32(KV_I32(next));
    }
    KV_EXACT kv_f32 middle = KV_F32(KV_I32(level + next)) * 0.5f;
    KV_EXACT kv_f32 threshold = middle - (kv_codec_is_symmetric(codec) != 0u ? 128.0f : 0.0f);
    return threshold;
}

/* Bit i: a value on threshold i has the higher code. A tie between two levels goes to the even
 * code; the literal form has v1 <= x < v2, v2 <= x <= v_max, v_max < x. */
KV_FN kv_u32 kv_level_ties(kv_u32 codec)
{
    return codec == KV_CODEC_INTRINSIC_LITERAL ? 3u : 0xaaaau;
}

/* 1 where y is beyond threshold i. */
KV_FN kv_u32 kv_is_above(kv_f32 y, kv_f32 threshold, kv_u32 ties, kv_u32 i)
{
    return y > threshold || (y == threshold && ((ties >> i) & 1u) != 0u) ? 1u : 0u;
}

/* The code of y: a value less its group's minimum (symmetric: the value itself) as a multiple of the
 * scale. */
KV_FN kv_u32 kv_level_code(kv_u32 codec, kv_u32 word0, kv_u32 word1, kv_u32 word2, kv_u32 word3,
                           kv_f32 y)
{
    kv_u32 code = 0u;
    kv_u32 levels = 1u << kv_codec_bits(codec);
    for (kv_u32 i = 0u; i + 1u < levels; i++) {
        kv_f32 threshold = kv_level_threshold(codec, kv_level(word0, word1, word2, word3, i),
                                              kv_level(word0, word1, word2, word3, i + 1u));
        code += kv_is_above(y, threshold, kv_level_ties(codec), i);
    }
    return code;
}

#endif
