#version 450
#extension GL_GOOGLE_include_directive : require
/* SPDX-License-Identifier: MIT
 *
 * attention: softmax(scale q K^T) V over one split of one sequence's segments, computed on the
 * packed codes. It leaves, for each query row, the largest score, the sum of the weights (2^-23)
 * and the unnormalised output of the split; attention_merge joins the splits.
 *
 * One work-group does one split of one KV head for up to KV_ROWS query rows, and reads each word of
 * K and V once for all of them. The work goes chunk by chunk (32 channels of K, 32 tokens of V):
 * a chunk's integer operands are few, and what a chunk gives is added to a score or an output in
 * shared memory. For K a lane has the tokens of one word, for V the channels of one word.
 *
 * Specialization constant 1 is the number of query rows that there is room for: 1, 2, 4 or 8.
 */
#include "kernel.glsl"

layout(constant_id = 1) const kv_u32 ROWS = KV_ROWS;

KV_BINDING(0, readonly, store);
KV_BINDING(1, readonly, queries);
KV_BINDING(2, readonly, positions);
KV_BINDING(3, writeonly, partials);
KV_PARAMS(kv_attention_params);

/* On wide work-groups keys pass through shared memory, so that global reads are whole sectors, and
 * a lane carries all rows. A work-group of 8 lanes is the vector of a CPU, where each access to
 * memory costs the same and code must stay small: there a lane carries one row at a time, and four
 * tokens (or channels), which share the loads of the operands. */
const bool is_wide = KV_LANES > 8u;
const kv_u32 ROWS_AT_ONCE = is_wide ? ROWS : 1u;

#define QUADS (KV_MAX_HEAD_DIM / 4u) /* of channels; and of tokens, KV_SPLIT_TOKENS / 4 */
#define SLOTS 8u                     /* (block of tokens, row) pairs of K at once */
#define WEIGHT_SLOTS 64u             /* (chunk, group, row) triples of V at once */

/* Shared memory: 31.7 KiB with 8 rows and 128 lanes. */
shared kv_f32 query[ROWS * KV_MAX_HEAD_DIM];   /* [row][channel]; see below */
shared kv_f32 scores[ROWS * KV_SPLIT_TOKENS];  /* [row][token]: scores, then weights */
shared ivec4 operands[SLOTS * QUADS + 8u];     /* K: [slot][quad]; V: [slot][quad of the chunk] */
shared kv_u32 stage[is_wide ? KV_LANES * 9u : 1u];
shared kv_u32 maxima[256]; /* bits of the largest magnitude; then of the inverse of a unit */
shared kv_f32 steps[256];  /* value of one unit of an operand */
shared kv_i32 int_sums[256];
shared kv_u32 largest_keys[KV_ROWS];
shared kv_u32 weight_sums[KV_ROWS];
/* query is the folded query first. With parameters per token it then holds the scores of the groups
 * of channels that are finished, while `scores` has the dots of the group at hand. In the end it
 * is the output. */

/* What all lanes of the work-group agree on. */
kv_u32 region; /* the sequence's words */
kv_u32 kv_head;
kv_u32 first_row; /* of the KV head */
kv_u32 rows;      /* at hand, at most ROWS */
kv_u32 capacity;  /* tokens of the segment */
kv_u32 first;     /* token of the segment where the split starts */
kv_u32 count;     /* tokens of the split, a multiple of 4 */

/* K or V of a segment. */
struct side {
    kv_u32 codec;
    kv_u32 grouping;
    kv_u32 group_length;
    kv_u32 codes;         /* word of the head's first code */
    kv_u32 params;        /* word of the first group */
    kv_u32 channel_scale; /* word of the first half, or KV_NO_OFFSET */
    kv_u32 dim;
};
side k;
side v;
kv_u32 position_list; /* word of the position of token 0 */

kv_u32 query_head(kv_u32 row)
{
    return kv_head * (p.q_heads / p.kv_heads) + (first_row + row) / p.queries;
}

kv_u32 query_row(kv_u32 row)
{
    return (first_row + row) % p.queries;
}

/* The parameter word of the group of (token, channel 0), the address of its neighbours' words. */
kv_u32 group_address(side s, kv_u32 token)
{
    return s.params +
           kv_group_index(s.grouping, s.group_length, capacity, s.dim, kv_head, token, 0u);
}

/* Channels that share a parameter word of one token. */
kv_u32 group_channels(side s)
{
    return s.grouping == KV_GROUP_TOKEN_CHANNELS ? kv_min_u32(s.group_length, s.dim) : s.dim;
}

kv_u32 is_symmetric(side s)
{
    return s.codec == KV_CODEC_INT8_SYMMETRIC ? 1u : 0u;
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

#include "attention_quantized.glsl"

/* ---- the steps ---- */

side load_side(kv_u32 codec, kv_u32 grouping, kv_u32 group_length, kv_u32 codes, kv_u32 params,
               kv_u32 channel_scale, kv_u32 dim)
{
    kv_u32 head_words = codec == KV_CODEC_F16
                            ? capacity * (dim / 2u)
                            : kv_code_words(capacity, dim, kv_codec_bits(codec));
    kv_u32 scale = channel_scale == KV_NO_OFFSET ? KV_NO_OFFSET : region + channel_scale;
    return side(codec, grouping, group_length, region + codes + kv_head * head_words,
                region + params, scale, dim);
}

void load_segment(kv_u32 segment)
{
    capacity = store[segment + KV_SEGMENT_CAPACITY];
    k = load_side(store[segment + KV_SEGMENT_K_CODEC], store[segment + KV_SEGMENT_K_GROUPING],
                  store[segment + KV_SEGMENT_K_GROUP_LENGTH], store[segment + KV_SEGMENT_K_CODES],
                  store[segment + KV_SEGMENT_K_PARAMS], store[segment + KV_SEGMENT_K_CHANNEL_SCALE],
                  p.k_dim);
    v = load_side(store[segment + KV_SEGMENT_V_CODEC], store[segment + KV_SEGMENT_V_GROUPING],
                  store[segment + KV_SEGMENT_V_GROUP_LENGTH], store[segment + KV_SEGMENT_V_CODES],
                  store[segment + KV_SEGMENT_V_PARAMS], store[segment + KV_SEGMENT_V_CHANNEL_SCALE],
                  p.v_dim);
    position_list = region + store[segment + KV_SEGMENT_POSITIONS] +
                    kv_head * store[segment + KV_SEGMENT_POSITIONS_HEAD];
}

/* 1. Fold the softmax scale and K's channel scales into the query; rows without a query are 0 */
void fold_queries(kv_u32 sequence)
{
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
            if (k.channel_scale != KV_NO_OFFSET) {
                x = x * KV_LOAD_HALF(store, k.channel_scale, kv_head * p.k_dim + channel);
            }
        }
        query[row * KV_MAX_HEAD_DIM + channel] = x;
    }
    KV_FOR_LANES(row, KV_ROWS)
    {
        largest_keys[row] = kv_sortable(KV_MASKED);
        weight_sums[row] = 0u;
    }
    barrier();
}

/* 2. Scores */
void score_tokens()
{
    if (k.codec == KV_CODEC_F16) {
        f16_scores();
    } else if (kv_is_channelwise(k.grouping) != 0u) {
        channelwise_scores();
    } else {
        tokenwise_scores();
    }
    barrier();
}

/* 3. Weights: masked tokens are selected away, never multiplied */
void weigh_tokens(kv_u32 sequence)
{
    for (kv_u32 row = 0u; row < rows; row++) {
        kv_u32 query_position = KV_POSITION_INVALID - 1u;
        if (p.positions_offset != KV_NO_OFFSET) {
            query_position = positions[p.positions_offset + sequence * p.queries + query_row(row)];
        }
        kv_u32 largest_key = kv_sortable(KV_MASKED);
        KV_FOR_LANES(i, count)
        {
            kv_u32 position = store[position_list + first + i];
            if (position != KV_POSITION_INVALID && position <= query_position) {
                largest_key = max(largest_key, kv_sortable(scores[row * KV_SPLIT_TOKENS + i]));
            } else {
                scores[row * KV_SPLIT_TOKENS + i] = KV_MASKED;
            }
        }
        atomicMax(largest_keys[row], largest_key);
    }
    barrier();
    for (kv_u32 row = 0u; row < rows; row++) {
        kv_f32 largest = kv_from_sortable(largest_keys[row]);
        kv_u32 sum = 0u;
        KV_FOR_LANES(i, count)
        {
            kv_f32 score = scores[row * KV_SPLIT_TOKENS + i];
            KV_EXACT kv_f32 difference = score - largest;
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
    if (v.codec == KV_CODEC_F16) {
        f16_output();
    } else {
        quantized_output();
    }
    barrier();
}

/* 5. Store, with V's channel scales */
void store_partials(kv_u32 sequence, kv_u32 split)
{
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
            if (v.channel_scale != KV_NO_OFFSET) {
                value = value * KV_LOAD_HALF(store, v.channel_scale, kv_head * p.v_dim + channel);
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
    load_segment(region + p.segments_offset + store[entry + KV_SPLIT_SEGMENT] * KV_SEGMENT_WORDS);
    first = store[entry + KV_SPLIT_FIRST_TOKEN];
    count = kv_min_u32(KV_SPLIT_TOKENS, capacity - first);

    fold_queries(sequence);
    score_tokens();
    weigh_tokens(sequence);
    sum_values();
    store_partials(sequence, split);
}
