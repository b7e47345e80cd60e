/* SPDX-License-Identifier: MIT
 *
 * Part of attention_lanes.glsl and attention_matrix_lanes.glsl: segments of halves. All sums of floats are
 * in the reference's order.
 */

/* Eight strided sums a token and row, then a fixed tree. A lane has one token. */
void f16_scores()
{
    kv_u32 row_words = k.dim / 2u;
    kv_u32 keys = k.codes + first * row_words;
    KV_FOR_LANES(i, ROWS * QUADS)
    {
        operands[i] = floatBitsToInt(query_quad(i / QUADS, i % QUADS));
    }
    barrier();
    for (kv_u32 base = 0u; base < count; base += KV_LANES) {
        kv_u32 i = base + KV_LANE;
        kv_u32 token = kv_min_u32(i, count - 1u);
        for (kv_u32 row0 = 0u; row0 < rows; row0 += ROWS_AT_ONCE) {
            KV_EXACT kv_f32 sums[8u * ROWS_AT_ONCE];
            for (kv_u32 n = 0u; n < 8u * ROWS_AT_ONCE; n++) {
                sums[n] = 0.0f;
            }
            for (kv_u32 word = 0u; word < row_words; word += 4u) {
                if (is_wide && word % 8u == 0u) {
                    barrier();
                    KV_FOR_LANES(n, KV_LANES * 8u)
                    {
                        if (base + n / 8u < count && word + n % 8u < row_words) {
                            stage[n / 8u * 9u + n % 8u] =
                                store[keys + (base + n / 8u) * row_words + word + n % 8u];
                        }
                    }
                    barrier();
                }
                kv_f32 values[8];
                for (kv_u32 n = 0u; n < 4u; n++) {
                    kv_u32 halves = is_wide ? stage[KV_LANE * 9u + word % 8u + n]
                                            : store[keys + token * row_words + word + n];
                    values[2u * n] = kv_f16_to_f32(halves & 0xffffu);
                    values[2u * n + 1u] = kv_f16_to_f32(halves >> 16);
                }
                for (kv_u32 row = 0u; row < ROWS_AT_ONCE; row++) {
                    kv_u32 quad = (row0 + row) * QUADS + word / 2u;
                    vec4 low = intBitsToFloat(operands[quad]);
                    vec4 high = intBitsToFloat(operands[quad + 1u]);
                    for (kv_u32 n = 0u; n < 4u; n++) {
                        KV_EXACT kv_f32 low_product = low[n] * values[n];
                        KV_EXACT kv_f32 high_product = high[n] * values[4u + n];
                        sums[row * 8u + n] = sums[row * 8u + n] + low_product;
                        sums[row * 8u + 4u + n] = sums[row * 8u + 4u + n] + high_product;
                    }
                }
            }
            for (kv_u32 row = 0u; row < ROWS_AT_ONCE; row++) {
                kv_u32 n = row * 8u;
                KV_EXACT kv_f32 even = (sums[n] + sums[n + 4u]) + (sums[n + 2u] + sums[n + 6u]);
                KV_EXACT kv_f32 odd =
                    (sums[n + 1u] + sums[n + 5u]) + (sums[n + 3u] + sums[n + 7u]);
                KV_EXACT kv_f32 score = even + odd;
                if (i < count) {
                    scores[(row0 + row) * KV_SPLIT_TOKENS + i] = score;
                }
            }
        }
    }
}

/* In token order; a lane has one word, two channels. */
void f16_output()
{
    kv_u32 row_words = v.dim / 2u;
    kv_u32 values = v.codes + first * row_words;
    KV_FOR_LANES(word, row_words)
    {
        for (kv_u32 row0 = 0u; row0 < rows; row0 += ROWS_AT_ONCE) {
            KV_EXACT kv_f32 low[ROWS_AT_ONCE];
            KV_EXACT kv_f32 high[ROWS_AT_ONCE];
            for (kv_u32 row = 0u; row < ROWS_AT_ONCE; row++) {
                low[row] = 0.0f;
                high[row] = 0.0f;
            }
            for (kv_u32 i = 0u; i < count; i++) {
                kv_u32 halves = store[values + i * row_words + word];
                kv_f32 low_value = kv_f16_to_f32(halves & 0xffffu);
                kv_f32 high_value = kv_f16_to_f32(halves >> 16);
                for (kv_u32 row = 0u; row < ROWS_AT_ONCE; row++) {
                    kv_f32 weight = scores[(row0 + row) * KV_SPLIT_TOKENS + i];
                    KV_EXACT kv_f32 low_product = weight * low_value;
                    KV_EXACT kv_f32 high_product = weight * high_value;
                    low[row] = low[row] + low_product;
                    high[row] = high[row] + high_product;
                }
            }
            for (kv_u32 row = 0u; row < ROWS_AT_ONCE; row++) {
                kv_u32 at = (row0 + row) * KV_MAX_HEAD_DIM + 2u * word;
                query[at] = low[row];
                query[at + 1u] = high[row];
            }
        }
    }
}
