/* SPDX-License-Identifier: MIT
 *
 * Part of attention_matrix_lanes.glsl, read once for each width of codes (BITS 2, 4, 8; NAMED adds the
 * width to a name), the sibling of attention_codes.glsl: the loops over packed codes. A lane adds the
 * same elements in each chunk, so no barrier is needed between chunks.
 */

#define FIELDS (8u / BITS) /* codes of a byte lane: tokens of K, channels of V */

/* The codes of word number `n` of eight, a row of the matrix for each field from `row` on. */
void NAMED(place_word)(kv_u32 word, kv_u32 row, kv_u32 n)
{
    for (kv_u32 field = 0u; field < FIELDS; field++) {
        operands[own_codes() + 2u * (row + field) + n / 4u][n % 4u] =
            KV_I32((word >> (field * BITS)) & (((1u << BITS) - 1u) * 0x01010101u));
    }
}

/* As in attention_codes.glsl. A chunk lies within 32 channels that begin at a multiple of 32; codes
 * of the others are 0. */
void NAMED(score_chunk)(kv_u32 first_group, kv_u32 end_group, kv_u32 quad, kv_u32 words,
                        kv_u32 first_block, kv_u32 block, kv_u32 step, kv_u32 step_stride,
                        bool is_first, bool has_base)
{
    kv_u32 row_words = k.dim / 4u;
    kv_u32 keys = k.codes + first / FIELDS * row_words + quad / 8u * 8u;
    kv_u32 end = end_group * FIELDS;
    kv_u32 token = first_group * FIELDS + gl_SubgroupID * MATRIX_ROWS;
    for (; is_at_work() && token < end; token += subgroups_at_work() * MATRIX_ROWS) {
        FOR_SUBGROUP(i, MATRIX_ROWS / FIELDS * 8u)
        {
            kv_u32 group = token / FIELDS + i / 8u;
            bool is_valid =
                group < end_group && i % 8u >= quad % 8u && i % 8u < quad % 8u + words;
            kv_u32 word = is_valid ? store[keys + group * row_words + i % 8u] : 0u;
            NAMED(place_word)(word, i / 8u * FIELDS, i % 8u);
        }
        kv_u32 block_at_hand = (first + token) / block - first_block;
        for (kv_u32 row0 = 0u; row0 < rows; row0 += ROWS_OF_MATRIX) {
            multiply(vectors_of_row(set_of_keys(block_at_hand, quad), row0));
            FOR_SUBGROUP(i, MATRIX_ROWS * ROWS_OF_MATRIX)
            {
                kv_u32 unit = i % MATRIX_ROWS;
                kv_u32 row = row0 + i / MATRIX_ROWS;
                if (row < rows && token + unit < end) {
                    kv_u32 at = row * KV_SPLIT_TOKENS + token + unit;
                    kv_u32 slot = block_at_hand * ROWS + row;
                    kv_f32 start = has_base ? base_of(slot) : 0.0f;
                    KV_EXACT kv_f32 score = is_first ? start : scores[at];
                    KV_EXACT kv_f32 part = kv_int_to_float(dot_of_row(unit, row)) *
                                           steps[slot * step_stride + step];
                    score = score + part;
                    scores[at] = score;
                }
            }
        }
    }
}

/* As in attention_codes.glsl. A matrix has channels of one group. */
void NAMED(sum_chunk)(kv_u32 chunk, kv_u32 quads, kv_u32 first_column, kv_u32 end_column,
                      kv_u32 columns_of_group, kv_u32 first_slot, kv_u32 params, bool is_tokenwise)
{
    kv_u32 row_words = v.dim / FIELDS;
    kv_u32 values = v.codes + (first + chunk) / 4u * row_words;
    kv_u32 length = columns_of_group * FIELDS;
    kv_u32 matrices = (length + MATRIX_ROWS - 1u) / MATRIX_ROWS; /* of a group */
    kv_u32 groups = kv_groups_along(end_column - first_column, columns_of_group);
    kv_u32 n = gl_SubgroupID;
    for (; is_at_work() && n < groups * matrices; n += subgroups_at_work()) {
        kv_u32 group = n / matrices;
        kv_u32 channel = first_column * FIELDS + group * length + n % matrices * MATRIX_ROWS;
        kv_u32 end = kv_min_u32(first_column * FIELDS + (group + 1u) * length, end_column * FIELDS);
        const kv_u32 columns = MATRIX_ROWS / FIELDS;
        FOR_SUBGROUP(i, columns * 8u)
        {
            kv_u32 column = channel / FIELDS + i % columns;
            bool is_valid = column * FIELDS < end && i / columns < quads;
            kv_u32 word = is_valid ? store[values + i / columns * row_words + column] : 0u;
            NAMED(place_word)(word, i % columns * FIELDS, i / columns);
        }
        for (kv_u32 row0 = 0u; row0 < rows; row0 += ROWS_OF_MATRIX) {
            multiply(vectors_of_row(first_slot / ROWS + group, row0));
            FOR_SUBGROUP(i, MATRIX_ROWS * ROWS_OF_MATRIX)
            {
                kv_u32 unit = i % MATRIX_ROWS;
                kv_u32 row = row0 + i / MATRIX_ROWS;
                if (row < rows && channel + unit < end) {
                    kv_u32 at = row * KV_MAX_HEAD_DIM + channel + unit;
                    kv_u32 slot = first_slot + group * ROWS + row;
                    kv_u32 word = is_tokenwise ? 0u : store[params + channel + unit];
                    kv_f32 scale = is_tokenwise ? 1.0f : kv_param_scale(word);
                    kv_f32 minimum = is_tokenwise ? 1.0f : kv_param_minimum(word, is_symmetric(v));
                    KV_EXACT kv_f32 product = kv_int_to_float(dot_of_row(unit, row)) * steps[slot];
                    KV_EXACT kv_f32 scaled = scale * product;
                    KV_EXACT kv_f32 shifted = minimum * sum_of_slot(slot, is_tokenwise);
                    KV_EXACT kv_f32 part = scaled + shifted;
                    KV_EXACT kv_f32 total = query[at] + part;
                    query[at] = total;
                }
            }
        }
    }
}

#undef FIELDS
