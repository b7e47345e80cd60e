/* SPDX-License-Identifier: MIT
 *
 * Part of attention_subgroup.comp: segments of halves. All sums of floats are in the reference's order.
 */

/* One for each lane. Not a literal: spirv-opt would unroll loops over it, and drop NoContraction. */
const kv_u32 TOKENS_AT_ONCE = KV_LANES;

/* Eight strided sums a token and row, one in each lane; then a fixed tree over the lanes. */
void f16_scores()
{
    kv_u32 row_words = k.dim / 2u;
    kv_u32 keys = k.codes + first * row_words;
    kv_u32 shift = (KV_LANE & 1u) * 16u;
    for (kv_u32 base = 0u; base < count; base += TOKENS_AT_ONCE) {
        for (kv_u32 row0 = 0u; row0 < rows; row0 += ROWS_AT_ONCE) {
            KV_EXACT kv_f32 strided[TOKENS_AT_ONCE * ROWS_AT_ONCE]; /* [token][row] */
            [[unroll]] for (kv_u32 i = 0u; i < TOKENS_AT_ONCE * ROWS_AT_ONCE; i++)
            {
                strided[i] = 0.0f;
            }
            for (kv_u32 word = 0u; word < row_words; word += 8u) { /* 16 channels: two of a lane */
                bool has_second = word + 4u < row_words;
                kv_f32 x[2u * ROWS_AT_ONCE];
                [[unroll]] for (kv_u32 row = 0u; row < ROWS_AT_ONCE; row++)
                {
                    kv_u32 at = (row0 + row) * KV_MAX_HEAD_DIM + 2u * word + KV_LANE;
                    x[2u * row] = query[at];
                    x[2u * row + 1u] = query[has_second ? at + 8u : at];
                }
                [[unroll]] for (kv_u32 i = 0u; i < TOKENS_AT_ONCE; i++)
                {
                    kv_u32 at = keys + kv_min_u32(base + i, count - 1u) * row_words;
                    kv_u32 halves = store[at + kv_min_u32(word + KV_LANE, row_words - 1u)];
                    kv_u32 one = of_lane(halves, KV_LANE / 2u) >> shift;
                    kv_u32 two = of_lane(halves, KV_LANE / 2u + 4u) >> shift;
                    kv_f32 first_value = kv_f16_to_f32(one & 0xffffu);
                    kv_f32 second_value = kv_f16_to_f32(two & 0xffffu);
                    [[unroll]] for (kv_u32 row = 0u; row < ROWS_AT_ONCE; row++)
                    {
                        kv_u32 n = i * ROWS_AT_ONCE + row;
                        KV_EXACT kv_f32 first_product = x[2u * row] * first_value;
                        KV_EXACT kv_f32 second_product = x[2u * row + 1u] * second_value;
                        strided[n] = strided[n] + first_product;
                        KV_EXACT kv_f32 both = strided[n] + second_product;
                        strided[n] = has_second ? both : strided[n];
                    }
                }
            }
            [[unroll]] for (kv_u32 row = 0u; row < ROWS_AT_ONCE; row++)
            {
                kv_f32 score = 0.0f; /* lane: token */
                [[unroll]] for (kv_u32 i = 0u; i < TOKENS_AT_ONCE; i++)
                {
                    kv_f32 one = strided[i * ROWS_AT_ONCE + row];
                    KV_EXACT kv_f32 two = one + of_lane(one, KV_LANE ^ 4u);
                    KV_EXACT kv_f32 four = two + of_lane(two, KV_LANE ^ 2u);
                    KV_EXACT kv_f32 eight = four + of_lane(four, KV_LANE ^ 1u);
                    score = KV_LANE == i ? eight : score;
                }
                scores[(row0 + row) * KV_SPLIT_TOKENS + base + KV_LANE] = score;
            }
        }
    }
}

/* In token order; a lane has one word, two channels. */
void f16_output()
{
    kv_u32 row_words = v.dim / 2u;
    kv_u32 values = v.codes + first * row_words;
    for (kv_u32 base = 0u; base < row_words; base += 8u) {
        kv_u32 word = kv_min_u32(base + KV_LANE, row_words - 1u);
        for (kv_u32 row0 = 0u; row0 < rows; row0 += ROWS_AT_ONCE) {
            KV_EXACT kv_f32 low[ROWS_AT_ONCE];
            KV_EXACT kv_f32 high[ROWS_AT_ONCE];
            [[unroll]] for (kv_u32 row = 0u; row < ROWS_AT_ONCE; row++)
            {
                low[row] = 0.0f;
                high[row] = 0.0f;
            }
            for (kv_u32 token = 0u; token < count; token += TOKENS_AT_ONCE) {
                kv_f32 weights[ROWS_AT_ONCE]; /* lane: token */
                [[unroll]] for (kv_u32 row = 0u; row < ROWS_AT_ONCE; row++)
                {
                    weights[row] = scores[(row0 + row) * KV_SPLIT_TOKENS + token + KV_LANE];
                }
                for (kv_u32 i = 0u; i < kv_min_u32(TOKENS_AT_ONCE, count - token); i++) {
                    kv_u32 halves = store[values + (token + i) * row_words + word];
                    kv_f32 low_value = kv_f16_to_f32(halves & 0xffffu);
                    kv_f32 high_value = kv_f16_to_f32(halves >> 16);
                    [[unroll]] for (kv_u32 row = 0u; row < ROWS_AT_ONCE; row++)
                    {
                        kv_f32 weight = of_lane(weights[row], i);
                        KV_EXACT kv_f32 low_product = weight * low_value;
                        KV_EXACT kv_f32 high_product = weight * high_value;
                        low[row] = low[row] + low_product;
                        high[row] = high[row] + high_product;
                    }
                }
            }
            [[unroll]] for (kv_u32 row = 0u; row < ROWS_AT_ONCE; row++)
            {
                kv_u32 at = (row0 + row) * KV_MAX_HEAD_DIM + 2u * word;
                query[at] = low[row];
                query[at + 1u] = high[row];
            }
        }
    }
}
