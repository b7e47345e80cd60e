/* SPDX-License-Identifier: MIT
 *
 * What the parts of the attention kernel share: the split of a work-group, its shared memory,
 * integer operands, and the inner product that K and V have in common.
 */
#ifndef KVANT_CUDA_ATTENTION_CUH
#define KVANT_CUDA_ATTENTION_CUH

#include "kernel.cuh"

#define KV_ROW_CHUNKS (KV_MAX_HEAD_DIM / KV_CHUNK) /* of a query row, and of a split's tokens */
#define KV_OPERANDS 4096u /* 16-bit operands: 8 rows of 256 channels or tokens, twice */
#define KV_STEPS 256u     /* 8 rows of 32 chunks, or 4 teams of 8 rows of 8 chunks */

/* What a work-group works on: one split of one KV head for up to KV_ROWS query rows. */
struct kv_split {
    const kv_u32 *region;  /* the sequence's words */
    const kv_u32 *segment; /* its entry in the segment table */
    kv_u32 kv_head; /* its place among those of the segment */
    kv_u32 first; /* token of the segment where the split starts */
    kv_u32 count; /* tokens of the split, a multiple of 4 */
    kv_u32 rows;  /* query rows */
    kv_u32 operand_rows; /* that get operands: those past `rows` are 0 */
    kv_u32 k_dim;
    kv_u32 v_dim;
};

struct kv_attention_shared {
    /* folded queries; from step 4 on the output */
    __align__(16) kv_f32 rows[KV_ROWS][KV_MAX_HEAD_DIM];
    /* scores; from step 3 on weights */
    __align__(16) kv_f32 scores[KV_ROWS][KV_SPLIT_TOKENS];
    __align__(16) short operands[KV_OPERANDS];
    kv_f32 steps[KV_STEPS];   /* value of one unit of a chunk's operands */
    kv_i32 sums[KV_STEPS];    /* sum of a chunk's operands */
    kv_f32 offsets[KV_STEPS]; /* the part that does not depend on codes */
    kv_u32 positions[KV_SPLIT_TOKENS];
    kv_u32 query_positions[KV_ROWS];
    kv_f32 largest[KV_ROWS];
    kv_u32 totals[KV_ROWS];
};

/* The parameter word of (token, channel) in the store. Those of the next tokens of a tokenwise
 * grouping follow at distances of kv_parameter_stride, those of the next channels of a channelwise
 * grouping at distances of 1. */
KV_FN const kv_u32 *kv_parameters(const kv_split &s, kv_u32 params, kv_u32 grouping,
                                  kv_u32 group_length, kv_u32 dim, kv_u32 token, kv_u32 channel)
{
    return s.region + params +
           kv_group_index(grouping, group_length, s.segment[KV_SEGMENT_CAPACITY], dim, s.kv_head,
                          token, channel);
}

KV_FN kv_u32 kv_parameter_stride(kv_u32 grouping, kv_u32 group_length, kv_u32 dim)
{
    return grouping == KV_GROUP_TOKEN_CHANNELS ? kv_groups_along(dim, group_length) : 1u;
}

KV_FN const kv_u32 *kv_k_parameters(const kv_split &s, kv_u32 token, kv_u32 channel)
{
    return kv_parameters(s, s.segment[KV_SEGMENT_K_PARAMS], s.segment[KV_SEGMENT_K_GROUPING],
                         s.segment[KV_SEGMENT_K_GROUP_LENGTH], s.k_dim, token, channel);
}

KV_FN const kv_u32 *kv_v_parameters(const kv_split &s, kv_u32 token, kv_u32 channel)
{
    return kv_parameters(s, s.segment[KV_SEGMENT_V_PARAMS], s.segment[KV_SEGMENT_V_GROUPING],
                         s.segment[KV_SEGMENT_V_GROUP_LENGTH], s.v_dim, token, channel);
}

/* Rows that one lane carries: 1, 2 or 4, so that `units` of work keep `lanes` lanes busy. */
KV_FN kv_u32 kv_rows_per_lane(kv_u32 rows, kv_u32 units, kv_u32 lanes)
{
    kv_u32 each = rows >= 3u ? 4u : rows;
    while (each > 1u && units * ((rows + each - 1u) / each) < lanes) {
        each /= 2u;
    }
    return each;
}

/* Rows up to whole tiles of what one lane may carry: what it reads for all of them was written. */
KV_FN kv_u32 kv_rows_of_lanes(kv_u32 rows)
{
    return rows >= 3u ? (rows + 3u) / 4u * 4u : rows;
}

/* ---- operands ----
 * One warp works on one row; lane l holds element l of each chunk, 0 past the end of the row. */

/* The row's chunks as 16-bit operands, with the value of one unit and the sum of each. Operands are
 * read eight at a time: those up to the next multiple of 8 are 0. */
KV_FN void kv_make_operands(const kv_f32 values[KV_ROW_CHUNKS], kv_u32 length, short *operands,
                            kv_f32 *steps, kv_i32 *sums)
{
    kv_f32 largest = 0.0f; /* lane c: of chunk c */
#pragma unroll
    for (kv_u32 c = 0u; c < KV_ROW_CHUNKS; c++) {
        if (c * KV_CHUNK < length) {
            kv_f32 of_chunk = kv_warp_max_abs(values[c]);
            largest = kv_lane() == c ? of_chunk : largest;
        }
    }
    kv_f32 inverse = kv_operand_inverse(largest, KV_OPERAND_MAX);
    if (kv_lane() < KV_ROW_CHUNKS) {
        KV_EXACT kv_f32 step = largest * KV_OPERAND_STEP;
        steps[kv_lane()] = step;
    }
#pragma unroll
    for (kv_u32 c = 0u; c < KV_ROW_CHUNKS; c++) {
        if (c * KV_CHUNK < length) {
            kv_i32 operand = kv_operand(values[c], __shfl_sync(KV_ALL_LANES, inverse, c));
            if (c * KV_CHUNK + kv_lane() < (length + 7u) / 8u * 8u) {
                operands[c * KV_CHUNK + kv_lane()] = (short)operand;
            }
            kv_u32 sum = kv_warp_sum(KV_U32(operand));
            if (kv_lane() == c) {
                sums[c] = KV_I32(sum);
            }
        }
    }
}

/* The sum of a whole row of float terms as integers of 2^-22 of the largest: any order. */
KV_FN kv_f32 kv_sum_of_terms(const kv_f32 terms[KV_ROW_CHUNKS])
{
    kv_f32 largest = 0.0f;
#pragma unroll
    for (kv_u32 c = 0u; c < KV_ROW_CHUNKS; c++) {
        largest = kv_max(largest, kv_abs(terms[c]));
    }
    largest = kv_warp_max_abs(largest);
    kv_f32 inverse = kv_operand_inverse(largest, KV_TERM_ONE);
    kv_u32 sum = 0u;
#pragma unroll
    for (kv_u32 c = 0u; c < KV_ROW_CHUNKS; c++) {
        sum += KV_U32(kv_operand(terms[c], inverse));
    }
    KV_EXACT kv_f32 unit = largest * KV_TERM_STEP;
    KV_EXACT kv_f32 value = kv_int_to_float(KV_I32(kv_warp_sum(sum))) * unit;
    return value;
}

/* The same for each chunk: lane c returns the sum of chunk c. */
KV_FN kv_f32 kv_sums_of_chunks(const kv_f32 terms[KV_ROW_CHUNKS], kv_u32 length)
{
    kv_f32 largest = 0.0f;
#pragma unroll
    for (kv_u32 c = 0u; c < KV_ROW_CHUNKS; c++) {
        if (c * KV_CHUNK < length) {
            kv_f32 of_chunk = kv_warp_max_abs(terms[c]);
            largest = kv_lane() == c ? of_chunk : largest;
        }
    }
    kv_f32 inverse = kv_operand_inverse(largest, KV_TERM_ONE);
    kv_i32 sum = 0;
#pragma unroll
    for (kv_u32 c = 0u; c < KV_ROW_CHUNKS; c++) {
        if (c * KV_CHUNK < length) {
            kv_i32 term = kv_operand(terms[c], __shfl_sync(KV_ALL_LANES, inverse, c));
            kv_u32 of_chunk = kv_warp_sum(KV_U32(term));
            sum = kv_lane() == c ? KV_I32(of_chunk) : sum;
        }
    }
    KV_EXACT kv_f32 unit = largest * KV_TERM_STEP;
    KV_EXACT kv_f32 value = kv_int_to_float(sum) * unit;
    return value;
}

/* ---- the inner product ---- */

/* What codes stand for: themselves. Those of 8 bits less 128, as signed bytes are multiplied. */
struct kv_own_codes {
    /* Up to 8 words of K in the row of words of `token`, which begins at `words`, from `column` on. */
    template <kv_u32 BITS>
    KV_FN void load_k(const kv_own_codes &, const kv_split &, const kv_u32 *words, kv_u32,
                      kv_u32 column, kv_u32 count, kv_u32 out[8])
    {
        kv_load_words(words + column, count, out);
    }

    /* The word of V with `channel` for up to 8 times 4 tokens from `token` on; the first is at `words`. */
    template <kv_u32 BITS>
    KV_FN void load_v(const kv_own_codes &, const kv_split &s, const kv_u32 *words, kv_u32, kv_u32,
                      kv_u32 count, kv_u32 out[8])
    {
#pragma unroll
        for (kv_u32 i = 0u; i < 8u; i++) {
            out[i] = i < count ? words[i * (s.v_dim / (8u / BITS))] : 0u;
        }
    }

    KV_FN kv_own_codes of(const kv_split &, kv_u32)
    {
        return {};
    }

    /* Field `field` of the four byte lanes of a word. */
    template <kv_u32 BITS> KV_FN kv_i32 lanes(const kv_own_codes &, kv_u32 word, kv_u32 field)
    {
        if (BITS == 8) {
            return KV_I32(word ^ 0x80808080u);
        }
        return KV_I32((word >> (field * BITS)) & (BITS == 2 ? 0x03030303u : 0x0f0f0f0fu));
    }

    /* With what `lanes` took: 128 times the sum of the operands. */
    template <kv_u32 BITS> KV_FN kv_i32 whole_dot(kv_i32 dot, kv_i32 sum_of_operands)
    {
        return BITS == 8 ? dot + 128 * sum_of_operands : dot;
    }
};

/* dots[r][f] = sum over `count` words of 4 operands of row r times field f of the 4 byte lanes.
 * Row r's operands start at operands + r * stride. */
template <kv_u32 BITS, kv_u32 ROWS, class CODES>
KV_FN void kv_chunk_dots(const CODES &how, const kv_u32 words[8], kv_u32 count, const short *operands, kv_u32 stride,
                         kv_i32 dots[ROWS][8u / BITS])
{
#pragma unroll
    for (kv_u32 r = 0u; r < ROWS; r++) {
#pragma unroll
        for (kv_u32 f = 0u; f < 8u / BITS; f++) {
            dots[r][f] = 0;
        }
    }
#pragma unroll
    for (kv_u32 i = 0u; i < 8u; i++) {
        if (i >= count) {
            break;
        }
        kv_i32 codes[8u / BITS];
#pragma unroll
        for (kv_u32 f = 0u; f < 8u / BITS; f++) {
            codes[f] = CODES::template lanes<BITS>(how, words[i], f);
        }
#pragma unroll
        for (kv_u32 r = 0u; r < ROWS; r++) {
            const int2 four = *(const int2 *)(operands + r * stride + 4u * i);
#pragma unroll
            for (kv_u32 f = 0u; f < 8u / BITS; f++) {
                dots[r][f] = __dp2a_lo(four.x, codes[f], dots[r][f]);
                dots[r][f] = __dp2a_hi(four.y, codes[f], dots[r][f]);
            }
        }
    }
}

#endif
