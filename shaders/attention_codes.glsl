/* SPDX-License-Identifier: MIT
 *
 * Part of attention_lanes.glsl, read once for each width of codes (BITS 2, 4, 8; NAMED adds the width to
 * a name): the inner loops over packed codes.
 */

#define FIELDS (8u / BITS) /* codes of a byte lane: tokens of K, channels of V */

/* Words of one lane: four tokens or channels in all on narrow work-groups, else one word. */
const kv_u32 NAMED(words_of_lane) = is_wide ? 1u : 4u / FIELDS;
const kv_u32 NAMED(codes_of_lane) = NAMED(words_of_lane) * FIELDS;
const kv_u32 NAMED(dots_of_lane) = NAMED(codes_of_lane) * ROWS_AT_ONCE;
kv_i32 NAMED(dots)[NAMED(dots_of_lane)]; /* [row][word][field] */

void NAMED(clear_dots)()
{
    for (kv_u32 i = 0u; i < NAMED(dots_of_lane); i++) {
        NAMED(dots)[i] = 0;
    }
}

/* Adds the products of one of the lane's words with four operands of each row. */
void NAMED(add_products)(kv_u32 word, kv_u32 number, kv_u32 at, kv_u32 stride)
{
    for (kv_u32 row = 0u; row < ROWS_AT_ONCE; row++) {
        ivec4 x = operands[at + row * stride];
        for (kv_u32 field = 0u; field < FIELDS; field++) {
            kv_u32 codes = (word >> (field * BITS)) & (((1u << BITS) - 1u) * 0x01010101u);
#ifdef KV_CODEBOOKS
            if (BITS < 8u) {
                codes = kv_levels(levels.x, levels.y, levels.z, levels.w, codes);
            }
#endif
            NAMED(dots)[row * NAMED(codes_of_lane) + number * FIELDS + field] +=
                dot_of_quads(x, codes);
        }
    }
}

/* The word of K in row `row` of words of the split, column `quad` + n; those of a chunk begin at `keys`. */
kv_u32 NAMED(k_word)(kv_u32 keys, kv_u32 row, kv_u32 quad, kv_u32 n)
{
#ifdef KV_CODEBOOKS
    if (BITS == 4u && plane_bits != 0u) {
        return plane_pair(k.codes, k.dim, plane_bits, (first / FIELDS + row) / 2u, quad + n, row % 2u);
    }
#endif
    return store[keys + row * (k.dim / 4u) + n];
}

/* The word of V in row `row` of words of the split, which is row n of a chunk that begins at `values`. */
kv_u32 NAMED(v_word)(kv_u32 values, kv_u32 row, kv_u32 n, kv_u32 column)
{
#ifdef KV_CODEBOOKS
    if (BITS == 4u && plane_bits != 0u) {
        return plane_pair(v.codes, v.dim, plane_bits, first / 4u + row, column / 2u, column % 2u);
    }
#endif
    return store[values + n * (v.dim / FIELDS) + column];
}

/* One chunk of K: channels 4 * quad .. 4 * (quad + words) - 1 of the words [first_group, end_group)
 * along the tokens of the split. Adds dot * steps[slot * step_stride + step] to the scores
 * or, for the first chunk of a sum, to its base. With several blocks of tokens at hand each has
 * its own slots. */
void NAMED(score_chunk)(kv_u32 first_group, kv_u32 end_group, kv_u32 quad, kv_u32 words,
                        kv_u32 first_block, kv_u32 block, kv_u32 step, kv_u32 step_stride,
                        bool is_first, bool has_base)
{
    kv_u32 keys = k.codes + first / FIELDS * (k.dim / 4u) + quad;
    for (kv_u32 base = first_group; base < end_group; base += KV_LANES * NAMED(words_of_lane)) {
        if (is_wide) {
            barrier();
            KV_FOR_LANES(i, KV_LANES * 8u)
            {
                if (base + i / 8u < end_group && i % 8u < words) {
                    stage[i / 8u * 9u + i % 8u] =
                        NAMED(k_word)(keys, base + i / 8u, quad, i % 8u);
                }
            }
            barrier();
        }
        kv_u32 group = base + KV_LANE * NAMED(words_of_lane);
        bool is_valid = group < end_group;
        group = is_valid ? group : base;
        kv_u32 slot = is_wide ? ((first + group * FIELDS) / block - first_block) * ROWS : 0u;
        for (kv_u32 row0 = 0u; row0 < rows; row0 += ROWS_AT_ONCE) {
            NAMED(clear_dots)();
            for (kv_u32 n = 0u; n < words; n++) {
                for (kv_u32 i = 0u; i < NAMED(words_of_lane); i++) {
                    kv_u32 word = is_wide ? stage[KV_LANE * 9u + n]
                                          : NAMED(k_word)(keys, group + i, quad, n);
                    NAMED(add_products)(word, i, (slot + row0) * QUADS + quad + n, QUADS);
                }
            }
            for (kv_u32 row = 0u; row < ROWS_AT_ONCE; row++) {
                kv_f32 unit = steps[(slot + row0 + row) * step_stride + step];
                kv_f32 start = has_base ? base_of(slot + row0 + row) : 0.0f;
                for (kv_u32 i = 0u; i < NAMED(codes_of_lane); i++) {
                    kv_u32 at = (row0 + row) * KV_SPLIT_TOKENS + group * FIELDS + i;
                    kv_i32 dot_product = NAMED(dots)[row * NAMED(codes_of_lane) + i];
                    KV_EXACT kv_f32 score = is_first ? start : scores[at];
                    KV_EXACT kv_f32 part = kv_int_to_float(dot_product) * unit;
                    score = score + part;
                    if (is_valid) {
                        scores[at] = score;
                    }
                }
            }
        }
    }
}

/* One chunk of V: 4 * quads tokens from `chunk` of the split on, words [first_column, end_column)
 * of their rows. Adds the sums to the output. With several groups of channels at hand each group of
 * columns_of_group words has its own slots. `params` is the word of the parameters of channel 0. */
void NAMED(sum_chunk)(kv_u32 chunk, kv_u32 quads, kv_u32 first_column, kv_u32 end_column,
                      kv_u32 columns_of_group, kv_u32 first_slot, kv_u32 params, bool is_tokenwise)
{
    kv_u32 values = v.codes + (first + chunk) / 4u * (v.dim / FIELDS);
    for (kv_u32 column = first_column + KV_LANE * NAMED(words_of_lane); column < end_column;
         column += KV_LANES * NAMED(words_of_lane)) {
        kv_u32 slot =
            first_slot + (is_wide ? (column - first_column) / columns_of_group * ROWS : 0u);
        for (kv_u32 row0 = 0u; row0 < rows; row0 += ROWS_AT_ONCE) {
            NAMED(clear_dots)();
            for (kv_u32 quad = 0u; quad < quads; quad++) {
                for (kv_u32 i = 0u; i < NAMED(words_of_lane); i++) {
                    NAMED(add_products)(NAMED(v_word)(values, chunk / 4u + quad, quad, column + i),
                                        i, (slot + row0) * 8u + quad, 8u);
                }
            }
            for (kv_u32 i = 0u; i < NAMED(codes_of_lane); i++) {
                kv_u32 channel = column * FIELDS + i;
                kv_u32 word = is_tokenwise ? 0u : store[params + channel];
                kv_f32 scale = is_tokenwise ? 1.0f : kv_param_scale(word);
                kv_f32 minimum = is_tokenwise ? 1.0f : kv_param_minimum(word, is_symmetric(v));
                for (kv_u32 row = 0u; row < ROWS_AT_ONCE; row++) {
                    kv_u32 at = (row0 + row) * KV_MAX_HEAD_DIM + channel;
                    kv_i32 dot_product = NAMED(dots)[row * NAMED(codes_of_lane) + i];
                    KV_EXACT kv_f32 product =
                        kv_int_to_float(dot_product) * steps[slot + row0 + row];
                    KV_EXACT kv_f32 scaled = scale * product;
                    KV_EXACT kv_f32 shifted =
                        minimum * sum_of_slot(slot + row0 + row, is_tokenwise);
                    KV_EXACT kv_f32 part = scaled + shifted;
                    KV_EXACT kv_f32 total = query[at] + part;
                    query[at] = total;
                }
            }
        }
    }
}

#undef FIELDS
