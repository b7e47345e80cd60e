/* SPDX-License-Identifier: MIT
 *
 * The steps of the attention kernel, for any way to compute its inner products over codes (HOW):
 *   HOW::begin(how, s)       before step 1
 *   HOW::scores(how, ...)    step 2, as kv_score_quantized
 *   HOW::score_block<BITS>(...)  a block of tokens, where scores is kv_score_quantized
 *   HOW::output<BITS>(...)   step 4 over a group of channels, as kv_output_group
 *   HOW::operand_rows(rows)  query rows whose operands they read
 * The parts:
 *   attention.cuh          the split, operands, the inner product
 *   attention_scores.cuh   step 2
 *   attention_output.cuh   step 4
 */
#ifndef KVANT_CUDA_ATTENTION_STEPS_CUH
#define KVANT_CUDA_ATTENTION_STEPS_CUH

#include "attention_output.cuh"
#include "attention_scores.cuh"

/* The query rows of a work-group: row i of a KV head is query (i % queries) of its query head
 * (i / queries). */
struct kv_rows {
    kv_u32 kv_head;
    kv_u32 first;
    kv_u32 count;
};

KV_FN kv_rows kv_rows_of_group(const kv_attention_params &p)
{
    kv_u32 all = p.q_heads / p.kv_heads * p.queries;
    kv_u32 chunks = (all + KV_ROWS - 1u) / KV_ROWS;
    kv_rows rows;
    rows.kv_head = blockIdx.y / chunks;
    rows.first = blockIdx.y % chunks * KV_ROWS;
    rows.count = kv_min_u32(KV_ROWS, all - rows.first);
    return rows;
}

KV_FN kv_u32 kv_q_head(const kv_attention_params &p, const kv_rows &rows, kv_u32 row)
{
    return rows.kv_head * (p.q_heads / p.kv_heads) + (rows.first + row) / p.queries;
}

KV_FN kv_u32 kv_query(const kv_attention_params &p, const kv_rows &rows, kv_u32 row)
{
    return (rows.first + row) % p.queries;
}

/* 1. Fold the softmax scale and K's channel scales into the queries; missing rows are 0 */
KV_FN void kv_fold_queries(const kv_attention_params &p, const kv_u32 *queries, const kv_split &s,
                           const kv_rows &rows, kv_attention_shared &shared)
{
    kv_u32 channel_scale = s.segment[KV_SEGMENT_K_CHANNEL_SCALE];
    for (kv_u32 i = threadIdx.x; i < KV_ROWS * s.k_dim; i += blockDim.x) {
        kv_u32 row = i / s.k_dim;
        kv_u32 channel = i % s.k_dim;
        KV_EXACT kv_f32 x = 0.0f;
        if (row < rows.count) {
            kv_u32 at = p.q_offset + blockIdx.z * p.q_sequence_stride +
                        kv_q_head(p, rows, row) * p.q_head_stride +
                        kv_query(p, rows, row) * p.q_row_stride + channel;
            x = kv_query_value(kv_load_element(queries, at, p.q_dtype)) * p.scale;
            if (channel_scale != KV_NO_OFFSET) {
                x = x * kv_load_half(s.region, channel_scale, s.kv_head * s.k_dim + channel);
            }
        }
        shared.rows[row][channel] = x;
    }
}

/* The positions of the tokens and of the queries */
KV_FN void kv_load_positions(const kv_attention_params &p, const kv_u32 *positions,
                             const kv_split &s, const kv_rows &rows, kv_attention_shared &shared)
{
    const kv_u32 *of_tokens = s.region + s.segment[KV_SEGMENT_POSITIONS] +
                              s.kv_head * s.segment[KV_SEGMENT_POSITIONS_HEAD] + s.first;
    for (kv_u32 i = threadIdx.x; i < s.count; i += blockDim.x) {
        shared.positions[i] = of_tokens[i];
    }
    if (threadIdx.x < rows.count) {
        kv_u32 position = KV_POSITION_INVALID - 1u;
        if (p.positions_offset != KV_NO_OFFSET) {
            position = positions[p.positions_offset + blockIdx.z * p.queries +
                                 kv_query(p, rows, threadIdx.x)];
        }
        shared.query_positions[threadIdx.x] = position;
    }
}

/* 3. Weights of one row, by one warp: masked tokens are selected away, never multiplied. A row that
 * does not exist sees none. */
KV_FN void kv_weigh_row(const kv_split &s, kv_attention_shared &shared, kv_u32 row)
{
    kv_f32 largest = KV_MASKED;
    kv_u32 count = row < s.rows ? s.count : 0u;
    kv_u32 visible = 0u; /* bit c: token 32 c + lane */
#pragma unroll
    for (kv_u32 c = 0u; c < KV_ROW_CHUNKS; c++) {
        kv_u32 token = c * KV_CHUNK + kv_lane();
        if (token < count && shared.positions[token] != KV_POSITION_INVALID &&
            shared.positions[token] <= shared.query_positions[row]) {
            visible |= 1u << c;
            largest = kv_max(largest, shared.scores[row][token]);
        }
    }
    largest = kv_warp_max_float(largest);
    kv_u32 sum = 0u;
#pragma unroll
    for (kv_u32 c = 0u; c < KV_ROW_CHUNKS; c++) {
        kv_u32 token = c * KV_CHUNK + kv_lane();
        KV_EXACT kv_f32 weight = 0.0f;
        if ((visible >> c & 1u) != 0u) {
            KV_EXACT kv_f32 difference = shared.scores[row][token] - largest;
            weight = kv_exp(difference);
        }
        shared.scores[row][token] = weight;
        KV_EXACT kv_f32 units = weight * KV_WEIGHT_ONE;
        sum += KV_U32(KV_I32(kv_rint(units)));
    }
    sum = kv_warp_sum(sum);
    if (kv_lane() == 0u) {
        shared.largest[row] = largest;
        shared.totals[row] = sum;
    }
}

/* 5. Store, with V's channel scales */
KV_FN void kv_store_partials(const kv_attention_params &p, const kv_split &s, const kv_rows &rows,
                             const kv_attention_shared &shared, kv_u32 *partials)
{
    kv_u32 channel_scale = s.segment[KV_SEGMENT_V_CHANNEL_SCALE];
    kv_u32 words = s.v_dim + 2u;
    for (kv_u32 i = threadIdx.x; i < rows.count * words; i += blockDim.x) {
        kv_u32 row = i / words;
        kv_u32 word = i % words;
        kv_u32 line = (blockIdx.z * p.max_splits + blockIdx.x) * p.q_heads;
        line = (line + kv_q_head(p, rows, row)) * p.queries + kv_query(p, rows, row);
        kv_u32 bits = word == 0u ? kv_bits(shared.largest[row]) : shared.totals[row];
        if (word >= 2u) {
            KV_EXACT kv_f32 value = shared.rows[row][word - 2u];
            if (channel_scale != KV_NO_OFFSET) {
                value = value *
                        kv_load_half(s.region, channel_scale, s.kv_head * s.v_dim + word - 2u);
            }
            bits = kv_bits(value);
        }
        partials[p.partials_offset + line * words + word] = bits;
    }
}

/* What rows that see no token of the split leave. */
KV_FN void kv_store_nothing(const kv_attention_params &p, const kv_rows &rows, kv_u32 *partials)
{
    kv_u32 words = p.v_dim + 2u;
    for (kv_u32 i = threadIdx.x; i < rows.count * words; i += blockDim.x) {
        kv_u32 row = i / words;
        kv_u32 line = (blockIdx.z * p.max_splits + blockIdx.x) * p.q_heads;
        line = (line + kv_q_head(p, rows, row)) * p.queries + kv_query(p, rows, row);
        partials[p.partials_offset + line * words + i % words] =
            i % words == 0u ? kv_bits(KV_MASKED) : 0u;
    }
}

/* GENERAL: with what attention_general alone reads of a segment's entry. */
template <class HOW, bool GENERAL = false>
KV_FN void kv_attention(const kv_attention_params &p, const kv_u32 *store, const kv_u32 *queries,
                        const kv_u32 *positions, kv_u32 *partials, kv_attention_shared &shared,
                        HOW &how)
{
    const kv_u32 *region = store + p.sequence_offset + blockIdx.z * p.sequence_stride;
    if (blockIdx.x >= region[KV_HEADER_SPLITS]) {
        return;
    }
    const kv_u32 *entry = region + p.splits_offset + blockIdx.x * KV_SPLIT_WORDS;
    const kv_rows rows = kv_rows_of_group(p);
    kv_split s;
    s.region = region;
    s.segment = region + p.segments_offset + entry[KV_SPLIT_SEGMENT] * KV_SEGMENT_WORDS;
    s.kv_head = GENERAL ? kv_head_in_segment(rows.kv_head, s.segment[KV_SEGMENT_HEAD_FIRST],
                                             s.segment[KV_SEGMENT_HEAD_COUNT])
                        : rows.kv_head;
    if (GENERAL && s.kv_head == KV_NO_HEAD) {
        kv_store_nothing(p, rows, partials);
        return;
    }
    s.first = entry[KV_SPLIT_FIRST_TOKEN];
    s.count = kv_min_u32(KV_SPLIT_TOKENS, s.segment[KV_SEGMENT_CAPACITY] - s.first);
    s.rows = rows.count;
    s.operand_rows = HOW::operand_rows(rows.count);
    s.k_dim = p.k_dim;
    s.v_dim = p.v_dim;

    HOW::begin(how, s);
    kv_fold_queries(p, queries, s, rows, shared);
    kv_load_positions(p, positions, s, rows, shared);
    __syncthreads();
    /* 2. Scores */
    kv_score_split(how, s, shared);
#pragma unroll 1
    for (kv_u32 row = kv_warp(); row < kv_rows_of_lanes(s.rows); row += kv_warps()) {
        kv_weigh_row(s, shared, row);
    }
    __syncthreads();
    /* 4. Output */
    kv_output_split(how, s, shared);
    kv_store_partials(p, s, rows, shared, partials);
}

#endif
