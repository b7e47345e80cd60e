/* SPDX-License-Identifier: MIT
 *
 * Part of attention.comp and its variants: the five steps. Who includes it has the five functions
 * that differ (f16_scores, channelwise_scores, tokenwise_scores, f16_output, quantized_output).
 */

side load_side(kv_u32 codec, kv_u32 grouping, kv_u32 group_length, kv_u32 codes, kv_u32 params,
               kv_u32 channel_scale, kv_u32 levels, kv_u32 dim)
{
    kv_u32 head_words = codec == KV_CODEC_F16 ? capacity * (dim / 2u)
                                              : kv_code_words(capacity, dim, kv_codec_bits(codec));
    kv_u32 scale = channel_scale == KV_NO_OFFSET ? KV_NO_OFFSET : region + channel_scale;
    return side(codec, grouping, group_length, region + codes + kv_head * head_words,
                region + params, scale, dim, region + levels);
}

void load_segment(kv_u32 segment)
{
    capacity = store[segment + KV_SEGMENT_CAPACITY];
    k = load_side(store[segment + KV_SEGMENT_K_CODEC], store[segment + KV_SEGMENT_K_GROUPING],
                  store[segment + KV_SEGMENT_K_GROUP_LENGTH], store[segment + KV_SEGMENT_K_CODES],
                  store[segment + KV_SEGMENT_K_PARAMS], store[segment + KV_SEGMENT_K_CHANNEL_SCALE],
                  store[segment + KV_SEGMENT_LEVELS], p.k_dim);
    v = load_side(store[segment + KV_SEGMENT_V_CODEC], store[segment + KV_SEGMENT_V_GROUPING],
                  store[segment + KV_SEGMENT_V_GROUP_LENGTH], store[segment + KV_SEGMENT_V_CODES],
                  store[segment + KV_SEGMENT_V_PARAMS], store[segment + KV_SEGMENT_V_CHANNEL_SCALE],
                  store[segment + KV_SEGMENT_LEVELS], p.v_dim);
    position_list = region + store[segment + KV_SEGMENT_POSITIONS] +
                    kv_head * store[segment + KV_SEGMENT_POSITIONS_HEAD];
}

/* 1. Fold the softmax scale and K's channel scales into the query; rows without a query are 0 */
void fold_queries(kv_u32 sequence)
{
    for (kv_u32 row = 0u; row < ROWS; row++) {
        bool has_query = row < rows;
        kv_u32 from = p.q_offset + sequence * p.q_sequence_stride +
                      query_head(row) * p.q_head_stride + query_row(row) * p.q_row_stride;
        KV_FOR_LANES(channel, p.k_dim)
        {
            KV_EXACT kv_f32 x = 0.0f;
            if (has_query) {
                x = kv_query_value(KV_LOAD(queries, from + channel, p.q_dtype)) * p.scale;
                if (k.channel_scale != KV_NO_OFFSET) {
                    x = x * KV_LOAD_HALF(store, k.channel_scale, kv_head * p.k_dim + channel);
                }
            }
            query[row * KV_MAX_HEAD_DIM + channel] = x;
        }
    }
    KV_FOR_LANES(row, KV_ROWS)
    {
        largest_keys[row] = kv_sortable(KV_MASKED);
        weight_sums[row] = 0u;
    }
    meet();
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
    meet();
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
    meet();
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
    meet();
}

/* 4. Output */
void sum_values()
{
    if (v.codec == KV_CODEC_F16) {
        f16_output();
    } else {
        quantized_output();
    }
    meet();
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

#ifdef KV_CODEBOOKS
/* What rows that see no token of the split leave. */
void store_nothing(kv_u32 sequence, kv_u32 split)
{
    for (kv_u32 row = 0u; row < rows; row++) {
        kv_u32 at = (sequence * p.max_splits + split) * p.q_heads + query_head(row);
        at = p.partials_offset + (at * p.queries + query_row(row)) * (p.v_dim + 2u);
        KV_FOR_LANES(word, p.v_dim + 2u)
        {
            partials[at + word] = word == 0u ? kv_bits(KV_MASKED) : 0u;
        }
    }
}
#endif

void attend_split()
{
    kv_u32 split = gl_WorkGroupID.x;
    kv_u32 sequence = gl_WorkGroupID.z;
    region = p.sequence_offset + sequence * p.sequence_stride;
    if (split >= store[region + KV_HEADER_SPLITS]) {
        return;
    }
    kv_u32 rows_of_head = p.q_heads / p.kv_heads * p.queries;
    kv_u32 chunks_of_rows = (rows_of_head + KV_ROWS - 1u) / KV_ROWS;
    row_head = gl_WorkGroupID.y / chunks_of_rows;
    kv_head = row_head;
    first_row = gl_WorkGroupID.y % chunks_of_rows * KV_ROWS;
    rows = kv_min_u32(ROWS, rows_of_head - first_row);

    kv_u32 entry = region + p.splits_offset + split * KV_SPLIT_WORDS;
    kv_u32 segment = region + p.segments_offset + store[entry + KV_SPLIT_SEGMENT] * KV_SEGMENT_WORDS;
#ifdef KV_CODEBOOKS
    kv_head = kv_head_in_segment(row_head, store[segment + KV_SEGMENT_HEAD_FIRST],
                                 store[segment + KV_SEGMENT_HEAD_COUNT]);
    if (kv_head == KV_NO_HEAD) {
        store_nothing(sequence, split);
        return;
    }
#endif
    load_segment(segment);
    first = store[entry + KV_SPLIT_FIRST_TOKEN];
    count = kv_min_u32(KV_SPLIT_TOKENS, capacity - first);

    fold_queries(sequence);
    score_tokens();
    weigh_tokens(sequence);
    sum_values();
    store_partials(sequence, split);
}
