/* SPDX-License-Identifier: MIT
 *
 * Part of attention.comp, read once for each width of codes (BITS 2, 4, 8; NAMED adds the width to
 * a name): scores and outputs over packed codes.
 */

#define FIELDS (8u / BITS) /* codes of a byte lane: tokens of K, channels of V */

/* ---- K ---- */

/* dots[] = the integer dots of one chunk: `words` words of the lane's FIELDS tokens (number `group`
 * of the split, below `groups`), from channel 4 * quad on. All lanes call it. */
void NAMED(chunk_dots)(kv_u32 keys, kv_u32 group, kv_u32 groups, kv_u32 quad, kv_u32 words,
                       kv_u32 slot)
{
    kv_u32 row_words = p.k_dim / 4u;
    for (kv_u32 i = 0u; i < FIELDS * ROWS; i++) {
        dots[i] = 0;
    }
    if (is_wide) {
        kv_u32 base = group - KV_LANE;
        barrier();
        KV_FOR_LANES(i, KV_LANES * 8u)
        {
            if (base + i / 8u < groups && i % 8u < words) {
                stage[i / 8u * 9u + i % 8u] =
                    store[keys + (base + i / 8u) * row_words + quad + i % 8u];
            }
        }
        barrier();
    }
    kv_u32 at = keys + kv_min_u32(group, groups - 1u) * row_words + quad;
    for (kv_u32 n = 0u; n < 8u; n++) {
        kv_u32 word = 0u;
        if (n < words) {
            word = is_wide ? stage[KV_LANE * 9u + n] : store[at + n];
        }
        for (kv_u32 field = 0u; field < FIELDS; field++) {
            ivec4 codes = codes_of(word, field, BITS);
            for (kv_u32 row = 0u; row < ROWS; row++) {
                ivec4 x = is_wide ? operands[(slot + row) * QUADS + quad + n]
                                  : registers[n * ROWS + row];
                dots[field * ROWS + row] += dot_of(x, codes);
            }
        }
    }
}

/* Adds a chunk's dots, in units of each row's step, to the scores of the lane's tokens. */
void NAMED(add_dots)(kv_u32 group, kv_u32 chunk, kv_u32 slot)
{
    for (kv_u32 row = 0u; row < ROWS; row++) {
        kv_f32 step = steps[(slot + row) * 8u + chunk / KV_CHUNK];
        for (kv_u32 field = 0u; field < FIELDS; field++) {
            kv_u32 i = row * KV_SPLIT_TOKENS + group * FIELDS + field;
            KV_EXACT kv_f32 score = chunk == 0u ? base_of(slot + row) : scores[i];
            KV_EXACT kv_f32 part = kv_int_to_float(dots[field * ROWS + row]) * step;
            score = score + part;
            scores[i] = score;
        }
    }
}

/* Parameters per channel fold into the query, once for each block of tokens that shares them. */
void NAMED(channelwise_scores)(kv_u32 keys)
{
    kv_u32 block = SEGMENT(KV_SEGMENT_K_GROUPING) == KV_GROUP_CHANNEL_TOKENS
                       ? SEGMENT(KV_SEGMENT_K_GROUP_LENGTH)
                       : capacity;
    kv_u32 start = 0u;
    while (start < count) {
        kv_u32 first_block = (first + start) / block;
        kv_u32 last_block = (first + count - 1u) / block;
        kv_u32 blocks = kv_min_u32(is_wide ? SLOTS / ROWS : 1u, last_block - first_block + 1u);
        kv_u32 end = kv_min_u32(count, (first_block + blocks) * block - first);
        fold_blocks(first_block * block, block, blocks);
        for (kv_u32 chunk = 0u; chunk < p.k_dim; chunk += KV_CHUNK) {
            kv_u32 words = kv_min_u32(KV_CHUNK, p.k_dim - chunk) / 4u;
            load_registers(chunk / 4u, words, QUADS);
            for (kv_u32 base = start / FIELDS; base < end / FIELDS; base += KV_LANES) {
                kv_u32 group = base + KV_LANE;
                kv_u32 token = first + kv_min_u32(group * FIELDS, end - FIELDS);
                kv_u32 slot = is_wide ? (token / block - first_block) * ROWS : 0u;
                NAMED(chunk_dots)(keys, group, end / FIELDS, chunk / 4u, words, slot);
                if (group < end / FIELDS) {
                    NAMED(add_dots)(group, chunk, slot);
                }
            }
        }
        start = end;
    }
}

/* Adds a finished group of channels, whose operands' sum is `sums`, to the scores of the lane's
 * tokens. query[] holds the group's dots. */
void NAMED(finish_group)(kv_u32 group, kv_u32 channel, kv_f32 sums[ROWS])
{
    kv_u32 is_symmetric = SEGMENT(KV_SEGMENT_K_CODEC) == KV_CODEC_INT8_SYMMETRIC ? 1u : 0u;
    for (kv_u32 field = 0u; field < FIELDS; field++) {
        kv_u32 i = group * FIELDS + field;
        kv_u32 word = parameter_word(SEGMENT(KV_SEGMENT_K_PARAMS), SEGMENT(KV_SEGMENT_K_GROUPING),
                                     SEGMENT(KV_SEGMENT_K_GROUP_LENGTH), p.k_dim, first + i,
                                     channel);
        kv_f32 scale = kv_param_scale(word);
        kv_f32 minimum = kv_param_minimum(word, is_symmetric);
        for (kv_u32 row = 0u; row < ROWS; row++) {
            KV_EXACT kv_f32 scaled = scale * query[row * KV_MAX_HEAD_DIM + i];
            KV_EXACT kv_f32 shifted = minimum * sums[row];
            KV_EXACT kv_f32 part = scaled + shifted;
            KV_EXACT kv_f32 score = channel == 0u ? 0.0f : scores[row * KV_SPLIT_TOKENS + i];
            score = score + part;
            scores[row * KV_SPLIT_TOKENS + i] = score;
        }
    }
}

/* Parameters per token fold into the score. */
void NAMED(tokenwise_scores)(kv_u32 keys)
{
    kv_u32 length = SEGMENT(KV_SEGMENT_K_GROUPING) == KV_GROUP_TOKEN_CHANNELS
                        ? kv_min_u32(SEGMENT(KV_SEGMENT_K_GROUP_LENGTH), p.k_dim)
                        : p.k_dim;
    kv_u32 chunk_length = kv_min_u32(KV_CHUNK, length);
    kv_u32 groups = count / FIELDS;
    fold_rows(length, chunk_length);

    kv_u32 n = 0u; /* of the chunk, counted within groups */
    for (kv_u32 channel = 0u; channel < p.k_dim; channel += length) {
        kv_u32 end = kv_min_u32(channel + length, p.k_dim);
        KV_EXACT kv_f32 sums[ROWS]; /* of the group's operands */
        for (kv_u32 row = 0u; row < ROWS; row++) {
            sums[row] = 0.0f;
        }
        for (kv_u32 chunk = channel; chunk < end; chunk += chunk_length) {
            kv_u32 words = kv_min_u32(chunk_length, end - chunk) / 4u;
            kv_f32 chunk_steps[ROWS];
            for (kv_u32 row = 0u; row < ROWS; row++) {
                chunk_steps[row] = steps[row * 32u + chunk / chunk_length];
                KV_EXACT kv_f32 part =
                    kv_int_to_float(int_sums[row * 32u + n]) * chunk_steps[row];
                sums[row] = sums[row] + part;
            }
            n++;
            load_registers(chunk / 4u, words, QUADS);
            for (kv_u32 base = 0u; base < groups; base += KV_LANES) {
                kv_u32 group = base + KV_LANE;
                NAMED(chunk_dots)(keys, group, groups, chunk / 4u, words, 0u);
                if (group < groups) {
                    for (kv_u32 row = 0u; row < ROWS; row++) {
                        for (kv_u32 field = 0u; field < FIELDS; field++) {
                            kv_u32 i = row * KV_MAX_HEAD_DIM + group * FIELDS + field;
                            KV_EXACT kv_f32 total = chunk == channel ? 0.0f : query[i];
                            KV_EXACT kv_f32 part =
                                kv_int_to_float(dots[field * ROWS + row]) * chunk_steps[row];
                            total = total + part;
                            query[i] = total;
                        }
                    }
                    if (chunk + chunk_length >= end) {
                        NAMED(finish_group)(group, channel, sums);
                    }
                }
            }
        }
    }
}

void NAMED(quantized_scores)()
{
    kv_u32 head_words = kv_code_words(capacity, p.k_dim, BITS);
    kv_u32 keys = region + SEGMENT(KV_SEGMENT_K_CODES) + kv_head * head_words +
                  kv_k_word(first, 0u, p.k_dim, BITS);
    if (kv_is_channelwise(SEGMENT(KV_SEGMENT_K_GROUPING)) != 0u) {
        NAMED(channelwise_scores)(keys);
    } else {
        NAMED(tokenwise_scores)(keys);
    }
    barrier();
    KV_FOR_LANES(i, count)
    {
        finish_scores(i);
    }
}

/* ---- V ---- */

/* Adds the chunk's sums, in units of step, to the outputs of the lane's FIELDS channels. */
void NAMED(add_chunk)(kv_u32 chunk, kv_u32 channel, kv_u32 slot, bool is_tokenwise)
{
    kv_u32 is_symmetric = SEGMENT(KV_SEGMENT_V_CODEC) == KV_CODEC_INT8_SYMMETRIC ? 1u : 0u;
    for (kv_u32 field = 0u; field < FIELDS; field++) {
        kv_f32 scale = 1.0f;
        kv_f32 minimum = 1.0f;
        if (!is_tokenwise) {
            kv_u32 word =
                parameter_word(SEGMENT(KV_SEGMENT_V_PARAMS), SEGMENT(KV_SEGMENT_V_GROUPING),
                               SEGMENT(KV_SEGMENT_V_GROUP_LENGTH), p.v_dim, first + chunk,
                               channel + field);
            scale = kv_param_scale(word);
            minimum = kv_param_minimum(word, is_symmetric);
        }
        for (kv_u32 row = 0u; row < ROWS; row++) {
            kv_u32 i = row * KV_MAX_HEAD_DIM + channel + field;
            KV_EXACT kv_f32 product =
                kv_int_to_float(dots[field * ROWS + row]) * steps[slot + row];
            KV_EXACT kv_f32 scaled = scale * product;
            KV_EXACT kv_f32 shifted = minimum * sum_of_slot(slot + row, is_tokenwise);
            KV_EXACT kv_f32 part = scaled + shifted;
            KV_EXACT kv_f32 total = query[i] + part;
            query[i] = total;
        }
    }
}

/* One chunk of the words [first_column, end_column); their operands start at slot, and with several
 * groups at hand each group of `columns_of_group` words has its own. */
void NAMED(sum_chunk)(kv_u32 values, kv_u32 chunk, kv_u32 first_column, kv_u32 end_column,
                      kv_u32 columns_of_group, kv_u32 first_slot, bool is_tokenwise)
{
    kv_u32 row_words = p.v_dim / FIELDS;
    kv_u32 quads = kv_min_u32(KV_CHUNK, count - chunk) / 4u;
    load_registers(first_slot * 8u, 8u, 8u);
    for (kv_u32 column = first_column + KV_LANE; column < end_column; column += KV_LANES) {
        kv_u32 slot =
            first_slot + (is_wide ? (column - first_column) / columns_of_group * ROWS : 0u);
        for (kv_u32 i = 0u; i < FIELDS * ROWS; i++) {
            dots[i] = 0;
        }
        for (kv_u32 quad = 0u; quad < 8u; quad++) {
            kv_u32 word = 0u;
            if (quad < quads) {
                word = store[values + (chunk / 4u + quad) * row_words + column];
            }
            for (kv_u32 field = 0u; field < FIELDS; field++) {
                ivec4 codes = codes_of(word, field, BITS);
                for (kv_u32 row = 0u; row < ROWS; row++) {
                    ivec4 x = is_wide ? operands[(slot + row) * 8u + quad]
                                      : registers[quad * ROWS + row];
                    dots[field * ROWS + row] += dot_of(x, codes);
                }
            }
        }
        NAMED(add_chunk)(chunk, column * FIELDS, slot, is_tokenwise);
    }
}

void NAMED(quantized_output)()
{
    kv_u32 grouping = SEGMENT(KV_SEGMENT_V_GROUPING);
    bool is_tokenwise = kv_is_channelwise(grouping) == 0u;
    kv_u32 length = grouping == KV_GROUP_TOKEN_CHANNELS
                        ? kv_min_u32(SEGMENT(KV_SEGMENT_V_GROUP_LENGTH), p.v_dim)
                        : p.v_dim;
    kv_u32 head_words = kv_code_words(capacity, p.v_dim, BITS);
    kv_u32 values = region + SEGMENT(KV_SEGMENT_V_CODES) + kv_head * head_words +
                    kv_v_word(first, 0u, p.v_dim, BITS);
    /* how many groups and then chunks have their operands at hand at once: 64 slots in all */
    kv_u32 groups = kv_groups_along(p.v_dim, length);
    kv_u32 groups_at_once = is_wide ? kv_min_u32(groups, 64u / ROWS) : 1u;
    kv_u32 chunks_at_once = kv_min_u32(8u, 64u / (ROWS * groups_at_once));

    KV_FOR_LANES(i, ROWS * KV_MAX_HEAD_DIM)
    {
        query[i] = 0.0f;
    }
    for (kv_u32 group = 0u; group < groups; group += groups_at_once) {
        kv_u32 first_column = group * length / FIELDS;
        kv_u32 end_column = kv_min_u32((group + groups_at_once) * length, p.v_dim) / FIELDS;
        for (kv_u32 start = 0u; start < count; start += chunks_at_once * KV_CHUNK) {
            fold_weights(start, chunks_at_once, group, groups_at_once, length, is_tokenwise);
            for (kv_u32 n = 0u; n < chunks_at_once; n++) {
                kv_u32 chunk = start + n * KV_CHUNK;
                if (chunk < count) {
                    NAMED(sum_chunk)(values, chunk, first_column, end_column, length / FIELDS,
                                     n * groups_at_once * ROWS, is_tokenwise);
                }
            }
        }
    }
}

#undef FIELDS
