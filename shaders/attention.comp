#version 450
#extension GL_GOOGLE_include_directive : require
/* SPDX-License-Identifier: MIT
 *
 * attention: softmax(scale q K^T) V over one split of one sequence's segments, computed on the packed
 * codes. It leaves, for each query row, the largest score, the sum of the weights (2^-23) and the
 * unnormalised output of the split; attention_merge joins the splits.
 *
 * One work-group does one split of one KV head for up to KV_ROWS query rows, and reads each word of
 * K and V once for all of them. The work goes chunk by chunk (32 channels of K, 32 tokens of V):
 * a chunk's integer operands are few, and what a chunk gives is added to a score or an output in
 * shared memory. For K a lane has the tokens of one word, for V the channels of one word.
 *
 * Specialization constant 1 is the number of query rows that the work-group carries: 1, 2, 4 or 8.
 */
#include "kernel.glsl"

layout(constant_id = 1) const kv_u32 ROWS = KV_ROWS;

KV_BINDING(0, readonly, store);
KV_BINDING(1, readonly, queries);
KV_BINDING(2, readonly, positions);
KV_BINDING(3, writeonly, partials);
KV_PARAMS(kv_attention_params);

/* On wide work-groups operands stay in shared memory and keys pass through it, so that global reads
 * are whole sectors. A work-group of 8 lanes is a CPU's vector: there the operands of a chunk fit
 * in registers, and every access of a lane to memory costs the same. */
const bool is_wide = KV_LANES > 8u;

#define QUADS (KV_MAX_HEAD_DIM / 4u) /* of channels; and of tokens, KV_SPLIT_TOKENS / 4 */
#define SLOTS 8u                     /* (block, row) pairs or (chunk, group, row) triples at once */

/* Shared memory: 31 KiB with 8 rows and 128 lanes.
 *   query     [row][channel]: the folded query; then [row][token]: a group's dots; then the output
 *   operands  of K [slot][4 channels], of V [slot][4 tokens of a chunk]
 *   scores    [row][token]: scores, then weights */
shared kv_f32 query[ROWS * KV_MAX_HEAD_DIM];
shared ivec4 operands[SLOTS * QUADS + 8u]; /* a chunk of 24 channels reads past the end, times 0 */
shared kv_f32 scores[ROWS * KV_SPLIT_TOKENS];
shared kv_u32 stage[is_wide ? KV_LANES * 9u : 1u];
shared kv_u32 maxima[256];  /* bits of the largest magnitude; then of the operands' inverse */
shared kv_f32 steps[256];   /* value of one unit of an operand */
shared kv_i32 int_sums[256];
shared kv_u32 largest_keys[ROWS];
shared kv_u32 weight_sums[ROWS];

/* What all lanes of the work-group agree on. */
kv_u32 region;     /* the sequence's words */
kv_u32 segment;    /* its entry in the segment table */
kv_u32 kv_head;
kv_u32 first_row;  /* of the KV head */
kv_u32 rows;       /* at hand, at most ROWS */
kv_u32 capacity;
kv_u32 first;      /* token of the segment where the split starts */
kv_u32 count;      /* tokens of the split */

/* A chunk's operands, where lanes are few, and its dots: [field][row]. */
const kv_u32 registers_of_lane = is_wide ? 1u : 8u * ROWS;
const kv_u32 dots_of_lane = 4u * ROWS;
ivec4 registers[registers_of_lane];
kv_i32 dots[dots_of_lane];

#define SEGMENT(word) store[segment + (word)]

kv_u32 query_head(kv_u32 row)
{
    return kv_head * (p.q_heads / p.kv_heads) + (first_row + row) / p.queries;
}

kv_u32 query_row(kv_u32 row)
{
    return (first_row + row) % p.queries;
}

kv_u32 parameter_word(kv_u32 params, kv_u32 grouping, kv_u32 group_length, kv_u32 dim, kv_u32 token,
                      kv_u32 channel)
{
    return store[region + params + kv_group_index(grouping, group_length, capacity, dim, kv_head,
                                                  token, channel)];
}

/* The four codes of a word's byte lanes, in one field. `bits` is a constant. */
ivec4 codes_of(kv_u32 word, kv_u32 field, kv_u32 bits)
{
    kv_u32 mask = ((1u << bits) - 1u) * 0x01010101u;
    kv_u32 codes = (word >> (field * bits)) & mask;
    return ivec4((uvec4(codes) >> uvec4(0u, 8u, 16u, 24u)) & 255u);
}

kv_i32 dot_of(ivec4 a, ivec4 b)
{
    ivec4 products = a * b;
    return products.x + products.y + products.z + products.w;
}

/* ---- visibility and maxima of scores ---- */

kv_u32 query_positions[ROWS];
kv_f32 largest[ROWS]; /* of the lane's tokens */

void start_rows(kv_u32 sequence)
{
    for (kv_u32 row = 0u; row < ROWS; row++) {
        query_positions[row] = KV_POSITION_INVALID - 1u;
        if (p.positions_offset != KV_NO_OFFSET) {
            query_positions[row] =
                positions[p.positions_offset + sequence * p.queries + query_row(row)];
        }
        largest[row] = KV_MASKED;
    }
    KV_FOR_LANES(row, ROWS)
    {
        largest_keys[row] = kv_sortable(KV_MASKED);
        weight_sums[row] = 0u;
    }
}

/* Keeps the final score of a token of the split, or KV_MASKED where the row does not see it. */
void finish_scores(kv_u32 i)
{
    kv_u32 position = store[region + SEGMENT(KV_SEGMENT_POSITIONS) +
                            kv_head * SEGMENT(KV_SEGMENT_POSITIONS_HEAD) + first + i];
    for (kv_u32 row = 0u; row < ROWS; row++) {
        bool visible = position != KV_POSITION_INVALID && position <= query_positions[row];
        kv_f32 score = visible ? scores[row * KV_SPLIT_TOKENS + i] : KV_MASKED;
        scores[row * KV_SPLIT_TOKENS + i] = score;
        largest[row] = kv_max(largest[row], score);
    }
}

#include "attention_fold.glsl"
#include "attention_f16.glsl"

#define BITS 2u
#define NAMED(name) name##_2
#include "attention_codes.glsl"
#undef BITS
#undef NAMED
#define BITS 4u
#define NAMED(name) name##_4
#include "attention_codes.glsl"
#undef BITS
#undef NAMED
#define BITS 8u
#define NAMED(name) name##_8
#include "attention_codes.glsl"
#undef BITS
#undef NAMED

/* ---- the steps ---- */

/* 1. Fold the softmax scale and K's channel scales into the query */
void fold_queries(kv_u32 sequence)
{
    kv_u32 channel_scale = SEGMENT(KV_SEGMENT_K_CHANNEL_SCALE);
    KV_FOR_LANES(i, ROWS * p.k_dim)
    {
        kv_u32 row = i / p.k_dim;
        kv_u32 channel = i % p.k_dim;
        KV_EXACT kv_f32 x = 0.0f;
        if (row < rows) {
            kv_u32 at = p.q_offset + sequence * p.q_sequence_stride +
                        query_head(row) * p.q_head_stride + query_row(row) * p.q_row_stride +
                        channel;
            x = kv_query_value(KV_LOAD(queries, at, p.q_dtype)) * p.scale;
            if (channel_scale != KV_NO_OFFSET) {
                x = x * KV_LOAD_HALF(store, region + channel_scale, kv_head * p.k_dim + channel);
            }
        }
        query[row * KV_MAX_HEAD_DIM + channel] = x;
    }
}

/* 2. Scores */
void score_tokens()
{
    kv_u32 codec = SEGMENT(KV_SEGMENT_K_CODEC);
    kv_u32 bits = kv_codec_bits(codec);
    if (codec == KV_CODEC_F16) {
        f16_scores();
    } else if (bits == 2u) {
        quantized_scores_2();
    } else if (bits == 4u) {
        quantized_scores_4();
    } else {
        quantized_scores_8();
    }
}

/* 3. Weights: masked tokens are selected away, never multiplied */
void weigh_tokens()
{
    for (kv_u32 row = 0u; row < ROWS; row++) {
        atomicMax(largest_keys[row], kv_sortable(largest[row]));
    }
    barrier();
    for (kv_u32 row = 0u; row < ROWS; row++) {
        kv_f32 row_largest = kv_from_sortable(largest_keys[row]);
        kv_u32 sum = 0u;
        KV_FOR_LANES(i, count)
        {
            kv_f32 score = scores[row * KV_SPLIT_TOKENS + i];
            KV_EXACT kv_f32 difference = score - row_largest;
            kv_f32 weight = score != KV_MASKED ? kv_exp(difference) : 0.0f;
            KV_EXACT kv_f32 units = weight * KV_WEIGHT_ONE;
            sum += KV_U32(KV_I32(kv_rint(units)));
            scores[row * KV_SPLIT_TOKENS + i] = weight;
        }
        atomicAdd(weight_sums[row], sum);
    }
    barrier();
}

/* 4. Output */
void sum_values()
{
    kv_u32 codec = SEGMENT(KV_SEGMENT_V_CODEC);
    kv_u32 bits = kv_codec_bits(codec);
    if (codec == KV_CODEC_F16) {
        f16_output();
    } else if (bits == 2u) {
        quantized_output_2();
    } else if (bits == 4u) {
        quantized_output_4();
    } else {
        quantized_output_8();
    }
    barrier();
}

/* 5. Store, with V's channel scales */
void store_partials(kv_u32 sequence, kv_u32 split)
{
    kv_u32 channel_scale = SEGMENT(KV_SEGMENT_V_CHANNEL_SCALE);
    for (kv_u32 row = 0u; row < rows; row++) {
        kv_u32 at = (sequence * p.max_splits + split) * p.q_heads + query_head(row);
        at = p.partials_offset + (at * p.queries + query_row(row)) * (p.v_dim + 2u);
        if (KV_LANE == 0u) {
            partials[at] = kv_bits(kv_from_sortable(largest_keys[row]));
            partials[at + 1u] = weight_sums[row];
        }
        KV_FOR_LANES(channel, p.v_dim)
        {
            KV_EXACT kv_f32 value = query[row * KV_MAX_HEAD_DIM + channel];
            if (channel_scale != KV_NO_OFFSET) {
                value = value *
                        KV_LOAD_HALF(store, region + channel_scale, kv_head * p.v_dim + channel);
            }
            partials[at + 2u + channel] = kv_bits(value);
        }
    }
}

void main()
{
    kv_u32 split = gl_WorkGroupID.x;
    kv_u32 sequence = gl_WorkGroupID.z;
    region = p.sequence_offset + sequence * p.sequence_stride;
    if (split >= store[region + KV_HEADER_SPLITS]) {
        return;
    }
    kv_u32 rows_of_head = p.q_heads / p.kv_heads * p.queries;
    kv_u32 chunks_of_rows = (rows_of_head + KV_ROWS - 1u) / KV_ROWS;
    kv_head = gl_WorkGroupID.y / chunks_of_rows;
    first_row = gl_WorkGroupID.y % chunks_of_rows * KV_ROWS;
    rows = kv_min_u32(ROWS, rows_of_head - first_row);

    kv_u32 entry = region + p.splits_offset + split * KV_SPLIT_WORDS;
    segment = region + p.segments_offset + store[entry + KV_SPLIT_SEGMENT] * KV_SEGMENT_WORDS;
    first = store[entry + KV_SPLIT_FIRST_TOKEN];
    capacity = SEGMENT(KV_SEGMENT_CAPACITY);
    count = kv_min_u32(KV_SPLIT_TOKENS, capacity - first);

    start_rows(sequence);
    fold_queries(sequence);
    barrier();
    score_tokens();
    weigh_tokens();
    sum_values();
    store_partials(sequence, split);
}
