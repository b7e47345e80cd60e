/* SPDX-License-Identifier: MIT
 *
 * Part of attention_subgroup.comp, read once for each width of codes (BITS 2, 4, 8; NAMED adds the
 * width to a name): the inner loops over packed codes. A lane has four tokens (K) or channels (V).
 */

#define FIELDS (8u / BITS)          /* codes of a byte lane: tokens of K, channels of V */
#define WORDS_OF_LANE (4u / FIELDS) /* that hold its four tokens or channels */

/* The dots of one chunk: sums of `quads` times four products. Each row's operands of quad q are at
 * operands[at + row * stride + q]; the words of quad q are WORDS_OF_LANE words from
 * store[words + q * quad_stride] on, word_stride apart. */
void NAMED(multiply_chunk)(kv_u32 at, kv_u32 stride, kv_u32 quads, kv_u32 words,
                           kv_u32 quad_stride, kv_u32 word_stride)
{
    uvec2 held[ROWS_AT_ONCE]; /* lane: quad */
    [[unroll]] for (kv_u32 row = 0u; row < ROWS_AT_ONCE; row++)
    {
        held[row] = operands[at + row * stride + kv_min_u32(KV_LANE, quads - 1u)];
    }
    [[unroll]] for (kv_u32 i = 0u; i < 4u * ROWS_AT_ONCE; i++)
    {
        dots[i] = 0;
    }
    for (kv_u32 quad = 0u; quad < quads; quad++) {
        ivec4 x[ROWS_AT_ONCE];
        [[unroll]] for (kv_u32 row = 0u; row < ROWS_AT_ONCE; row++)
        {
            kv_i32 low = KV_I32(of_lane(held[row].x, quad));
            kv_i32 high = KV_I32(of_lane(held[row].y, quad));
            x[row] = ivec4(low << 16, low, high << 16, high) >> 16;
        }
        [[unroll]] for (kv_u32 i = 0u; i < WORDS_OF_LANE; i++)
        {
            kv_u32 word = store[words + quad * quad_stride + i * word_stride];
            [[unroll]] for (kv_u32 field = 0u; field < FIELDS; field++)
            {
                kv_u32 fields = (word >> (field * BITS)) & (((1u << BITS) - 1u) * 0x01010101u);
                ivec4 codes = ivec4((uvec4(fields) >> uvec4(0u, 8u, 16u, 24u)) & 255u);
                [[unroll]] for (kv_u32 row = 0u; row < ROWS_AT_ONCE; row++)
                {
                    ivec4 y = x[row] * codes;
                    dots[row * 4u + i * FIELDS + field] += (y.x + y.y) + (y.z + y.w);
                }
            }
        }
    }
}

/* Scores of the tokens [start, end) of the split, whose blocks of `block` tokens from number
 * first_block of the segment on have their operands at hand. */
void NAMED(score_tokens)(kv_u32 start, kv_u32 end, kv_u32 first_block, kv_u32 block,
                         kv_u32 group_length, kv_u32 chunk_length, bool is_tokenwise)
{
    kv_u32 quads = k.dim / 4u;
    kv_u32 chunks = (k.dim + chunk_length - 1u) / chunk_length;
    kv_u32 params = group_address(k, first);
    kv_u32 params_stride = group_address(k, first + 1u) - params;
    for (kv_u32 base = start; base < end; base += KV_CHUNK) {
        kv_u32 n = (first + base) / block - first_block;
        kv_u32 token = kv_min_u32(base + 4u * KV_LANE, end - 4u);
        kv_u32 words = k.codes + (first + token) / FIELDS * quads;
        for (kv_u32 row0 = 0u; row0 < rows; row0 += ROWS_AT_ONCE) {
            KV_EXACT kv_f32 totals[4u * ROWS_AT_ONCE];
            [[unroll]] for (kv_u32 i = 0u; i < 4u * ROWS_AT_ONCE; i++)
            {
                totals[i] = 0.0f;
            }
            kv_u32 slot = n * chunks;
            for (kv_u32 channel = 0u; channel < k.dim; channel += group_length) {
                kv_u32 group_end = kv_min_u32(channel + group_length, k.dim);
                kv_f32 sum = sums[(is_tokenwise ? channel / group_length : n) * 8u + KV_LANE];
                KV_EXACT kv_f32 parts[4u * ROWS_AT_ONCE];
                [[unroll]] for (kv_u32 i = 0u; i < 4u * ROWS_AT_ONCE; i++)
                {
                    parts[i] = is_tokenwise ? 0.0f : of_lane(sum, row0 + i / 4u);
                }
                for (kv_u32 at = channel; at < group_end; at += chunk_length) {
                    kv_f32 unit = steps[slot * 8u + KV_LANE];
                    NAMED(multiply_chunk)((n * ROWS + row0) * quads + at / 4u, quads,
                                          kv_min_u32(chunk_length, group_end - at) / 4u,
                                          words + at / 4u, 1u, quads);
                    [[unroll]] for (kv_u32 i = 0u; i < 4u * ROWS_AT_ONCE; i++)
                    {
                        KV_EXACT kv_f32 part =
                            kv_int_to_float(dots[i]) * of_lane(unit, row0 + i / 4u);
                        parts[i] = parts[i] + part;
                    }
                    slot++;
                }
                if (is_tokenwise) {
                    uvec4 group_words = parameter_words(
                        params + token * params_stride + channel / group_length, params_stride);
                    vec4 scales = scales_of(group_words);
                    vec4 minima = minima_of(group_words, is_symmetric(k));
                    [[unroll]] for (kv_u32 i = 0u; i < 4u * ROWS_AT_ONCE; i++)
                    {
                        KV_EXACT kv_f32 scaled = scales[i % 4u] * parts[i];
                        KV_EXACT kv_f32 shifted = minima[i % 4u] * of_lane(sum, row0 + i / 4u);
                        parts[i] = scaled + shifted;
                    }
                }
                [[unroll]] for (kv_u32 i = 0u; i < 4u * ROWS_AT_ONCE; i++)
                {
                    KV_EXACT kv_f32 total = totals[i] + parts[i];
                    totals[i] = is_tokenwise ? total : parts[i];
                }
            }
            [[unroll]] for (kv_u32 i = 0u; i < 4u * ROWS_AT_ONCE; i++)
            {
                scores[(row0 + i / 4u) * KV_SPLIT_TOKENS + token + i % 4u] = totals[i];
            }
        }
    }
}

/* The output's channels [start, end), whose weights are at hand. */
void NAMED(sum_channels)(kv_u32 start, kv_u32 end, bool is_tokenwise)
{
    kv_u32 row_words = v.dim / FIELDS;
    for (kv_u32 base = start; base < end; base += KV_CHUNK) {
        kv_u32 channel = kv_min_u32(base + 4u * KV_LANE, end - 4u);
        kv_u32 words = v.codes + first / 4u * row_words + channel / FIELDS;
        for (kv_u32 row0 = 0u; row0 < rows; row0 += ROWS_AT_ONCE) {
            KV_EXACT kv_f32 totals[4u * ROWS_AT_ONCE];
            [[unroll]] for (kv_u32 i = 0u; i < 4u * ROWS_AT_ONCE; i++)
            {
                totals[i] = 0.0f;
            }
            for (kv_u32 chunk = 0u; chunk * KV_CHUNK < count; chunk++) {
                kv_f32 unit = steps[chunk * 8u + KV_LANE];
                kv_f32 sum = sums[chunk * 8u + KV_LANE];
                NAMED(multiply_chunk)((chunk * ROWS + row0) * 8u, 8u,
                                      kv_min_u32(8u, count / 4u - chunk * 8u),
                                      words + chunk * 8u * row_words, row_words, 1u);
                vec4 scales = vec4(1.0f);
                vec4 minima = vec4(1.0f);
                if (!is_tokenwise) {
                    uvec4 group_words = parameter_words(
                        group_address(v, first + chunk * KV_CHUNK) + channel, 1u);
                    scales = scales_of(group_words);
                    minima = minima_of(group_words, is_symmetric(v));
                }
                [[unroll]] for (kv_u32 i = 0u; i < 4u * ROWS_AT_ONCE; i++)
                {
                    KV_EXACT kv_f32 product =
                        kv_int_to_float(dots[i]) * of_lane(unit, row0 + i / 4u);
                    KV_EXACT kv_f32 scaled = scales[i % 4u] * product;
                    KV_EXACT kv_f32 shifted = minima[i % 4u] * of_lane(sum, row0 + i / 4u);
                    KV_EXACT kv_f32 part = scaled + shifted;
                    totals[i] = totals[i] + part;
                }
            }
            [[unroll]] for (kv_u32 i = 0u; i < 4u * ROWS_AT_ONCE; i++)
            {
                query[(row0 + i / 4u) * KV_MAX_HEAD_DIM + channel + i % 4u] = totals[i];
            }
        }
    }
}

#undef FIELDS
#undef WORDS_OF_LANE
