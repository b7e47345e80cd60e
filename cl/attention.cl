/* SPDX-License-Identifier: MIT
 *
 * attention: softmax(scale q K^T) V over one split of one sequence's segments, computed on the
 * packed codes. It leaves, for each query row, the largest score, the sum of the weights (2^-23) and the
 * unnormalised output of the split; attention_merge joins the splits.
 *
 * Quantized segments are factored: parameters fold into the query (per channel), into the score
 * (per token) and into the probability (V per token), so both products are integer codes times a
 * vector, and that vector is quantized to 16 bits per chunk of 32. All sums of products are
 * integers: any order, any width, the same bits.
 *
 * One work-group does one split of one KV head for up to KV_ROWS query rows.
 */
#include "attention_output.clh"
#include "attention_scores.clh"

/* 1. Fold the softmax scale and K's channel scales into the query */
KV_INLINE void fold_queries(const kv_split *s, const kv_attention_params *p,
                            __global const kv_u32 *queries, kv_u32 sequence, kv_u32 first_row)
{
    kv_u32 group = p->q_heads / p->kv_heads;
    kv_u32 scales = s->segment[KV_SEGMENT_K_CHANNEL_SCALE];
    for (kv_u32 row = 0u; row < s->rows; row++) {
        kv_u32 first = p->q_offset + sequence * p->q_sequence_stride +
                       (s->kv_head * group + (first_row + row) / p->queries) * p->q_head_stride +
                       (first_row + row) % p->queries * p->q_row_stride;
        for (kv_u32 channel = s->lane; channel < s->k_dim; channel += KV_LANES) {
            kv_u32 i = first + channel;
            kv_f32 value = kv_element(queries[kv_element_word(i, p->q_dtype)], i, p->q_dtype);
            KV_EXACT kv_f32 x = kv_query_value(value) * p->scale;
            if (scales != KV_NO_OFFSET) {
                x = x * kv_load_half(s->region, scales, s->kv_head * s->k_dim + channel);
            }
            s->arena[row * s->k_dim + channel] = kv_bits(x);
        }
    }
    KV_MEET();
}

/* What a query row at `query_position` sees of KV_WIDTH tokens from i on; as vector comparisons
 * give it. */
KV_INLINE kv_ints visible_tokens(const kv_split *s, kv_u32 query_position, kv_u32 i)
{
    __global const kv_u32 *positions =
        &s->region[s->segment[KV_SEGMENT_POSITIONS] +
                   s->kv_head * s->segment[KV_SEGMENT_POSITIONS_HEAD] + s->first];
    kv_words position = kv_load_some(&positions[i], s->count - i);
    return (position != KV_POSITION_INVALID) & (position <= query_position) &
           (kv_lane_numbers() + i < s->count);
}

/* 3. Weights: masked tokens are selected away, never multiplied. KV_PARTS lanes share a row, whose
 * largest scores are in `steps`. Past the split's end, up to the next multiple of 8, weights are
 * 0. */
KV_INLINE void make_weights(const kv_split *s, kv_u32 part, kv_u32 row, kv_u32 query_position)
{
    kv_f32 largest = KV_MASKED;
    for (kv_u32 i = 0u; i < KV_PARTS; i++) {
        largest = kv_max(largest, s->steps[row * KV_PARTS + i]);
    }
    kv_ints sum = 0;
    for (kv_u32 i = part * KV_WIDTH; i < ((s->count + 7u) & ~7u); i += KV_PARTS * KV_WIDTH) {
        __local kv_f32 *at = &s->scores[row * KV_SPLIT_TOKENS + i];
        kv_floats weights = 0.0f;
        if (i < s->count) {
            KV_EXACT kv_floats difference = KV_LOAD(at) - largest;
            weights = visible_tokens(s, query_position, i) ? kv_exps(difference)
                                                           : (kv_floats)(0.0f);
        }
        sum += kv_weight_units(weights);
        KV_STORE(weights, at);
    }
    s->exchange[row * KV_PARTS + part] = KV_U32(kv_sum_of(sum));
}

KV_INLINE void find_largest(const kv_split *s, kv_u32 part, kv_u32 row, kv_u32 query_position)
{
    kv_floats largest = KV_MASKED;
    for (kv_u32 i = part * KV_WIDTH; i < s->count; i += KV_PARTS * KV_WIDTH) {
        kv_floats scores = KV_LOAD(&s->scores[row * KV_SPLIT_TOKENS + i]);
        largest = kv_floats_max(largest, visible_tokens(s, query_position, i)
                                             ? scores
                                             : (kv_floats)(KV_MASKED));
    }
    s->steps[row * KV_PARTS + part] = kv_largest_of(largest);
}

KV_INLINE void weigh(const kv_split *s, const kv_attention_params *p,
                     __global const kv_u32 *positions, kv_u32 sequence, kv_u32 first_row)
{
    for (kv_u32 pass = 0u; pass < 2u; pass++) {
        for (kv_u32 n = s->lane; n < s->rows * KV_PARTS; n += KV_LANES) {
            kv_u32 row = n / KV_PARTS;
            kv_u32 query_position = KV_POSITION_INVALID - 1u;
            if (p->positions_offset != KV_NO_OFFSET) {
                query_position = positions[p->positions_offset + sequence * p->queries +
                                           (first_row + row) % p->queries];
            }
            if (pass == 0u) {
                find_largest(s, n % KV_PARTS, row, query_position);
            } else {
                make_weights(s, n % KV_PARTS, row, query_position);
            }
        }
        KV_MEET();
    }
}

/* 5. Store the largest score and the sum of the weights; the output stores itself */
KV_INLINE void store_sums(const kv_split *s)
{
    for (kv_u32 row = s->lane; row < s->rows; row += KV_LANES) {
        kv_f32 largest = KV_MASKED;
        kv_u32 sum = 0u;
        for (kv_u32 i = 0u; i < KV_PARTS; i++) {
            largest = kv_max(largest, s->steps[row * KV_PARTS + i]);
            sum += s->exchange[row * KV_PARTS + i];
        }
        s->partials[row * (s->v_dim + 2u)] = kv_bits(largest);
        s->partials[row * (s->v_dim + 2u) + 1u] = sum;
    }
    KV_MEET();
}

KV_KERNEL void kvant_attention(const kv_attention_params p, __global const kv_u32 *restrict store,
                               __global const kv_u32 *restrict queries,
                               __global const kv_u32 *restrict positions,
                               __global kv_u32 *restrict partials)
{
    __local kv_f32 scores[KV_ROWS * KV_SPLIT_TOKENS];
    __local kv_u32 arena[KV_ARENA_WORDS];
    __local kv_f32 steps[KV_MAX_STEPS];
    __local kv_f32 sums[KV_MAX_STEPS];
    __local kv_f32 terms[KV_MAX_STEPS];
    __local kv_u32 exchange[KV_MAX_STEPS];

    kv_u32 split = (kv_u32)get_group_id(0);
    kv_u32 sequence = (kv_u32)get_group_id(2);
    __global const kv_u32 *region = &store[p.sequence_offset + sequence * p.sequence_stride];
    if (split >= region[KV_HEADER_SPLITS]) {
        return;
    }
    kv_u32 all_rows = p.q_heads / p.kv_heads * p.queries; /* of a KV head */
    kv_u32 row_groups = (all_rows + KV_ROWS - 1u) / KV_ROWS;
    kv_u32 first_row = (kv_u32)get_group_id(1) % row_groups * KV_ROWS;
    __global const kv_u32 *entry = &region[p.splits_offset + split * KV_SPLIT_WORDS];

    kv_split s;
    s.region = region;
    s.segment = &region[p.segments_offset + entry[KV_SPLIT_SEGMENT] * KV_SEGMENT_WORDS];
    s.kv_head = (kv_u32)get_group_id(1) / row_groups;
    s.first = entry[KV_SPLIT_FIRST_TOKEN];
    s.capacity = s.segment[KV_SEGMENT_CAPACITY];
    s.count = kv_min_u32(KV_SPLIT_TOKENS, s.capacity - s.first);
    s.k_dim = p.k_dim;
    s.v_dim = p.v_dim;
    s.rows = kv_min_u32(KV_ROWS, all_rows - first_row);
    s.lane = (kv_u32)get_local_id(0);
    kv_u32 line = (sequence * p.max_splits + split) * p.q_heads * p.queries +
                  s.kv_head * all_rows + first_row;
    s.partials = &partials[p.partials_offset + line * (p.v_dim + 2u)];
    s.scores = scores;
    s.arena = arena;
    s.steps = steps;
    s.sums = sums;
    s.terms = terms;
    s.exchange = exchange;

    fold_queries(&s, &p, queries, sequence, first_row);

    /* 2. Scores */
    if (s.segment[KV_SEGMENT_K_CODEC] == KV_CODEC_F16) {
        f16_scores(&s);
    } else {
        quantized_scores(&s);
    }
    KV_MEET();

    weigh(&s, &p, positions, sequence, first_row);
    store_sums(&s);

    /* 4. Output, with V's channel scales at its end */
    if (s.segment[KV_SEGMENT_V_CODEC] == KV_CODEC_F16) {
        f16_output(&s);
    } else {
        quantized_output(&s);
    }
}
