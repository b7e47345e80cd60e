/* SPDX-License-Identifier: MIT
 *
 * Part of attention_lanes.glsl and attention_matrix_lanes.glsl, which differ in how operands are kept:
 * folding group parameters into queries (K) and weights (V), and making
 * integer operands of the result. Each fold has three passes over its values with a barrier
 * between: maxima, inverses, operands.
 */

#define TERMS 128u /* where in maxima, steps and int_sums those of the minimum terms start */

void clear_sums(kv_u32 n, kv_u32 terms)
{
    barrier();
    KV_FOR_LANES(i, n + terms)
    {
        kv_u32 at = i < n ? i : TERMS + i - n;
        maxima[at] = 0u;
        int_sums[at] = 0;
    }
    barrier();
}

kv_u32 largest_magnitude(vec4 x)
{
    return max(max(kv_bits(kv_abs(x.x)), kv_bits(kv_abs(x.y))),
               max(kv_bits(kv_abs(x.z)), kv_bits(kv_abs(x.w))));
}

ivec4 operands_of(vec4 x, kv_u32 inverse_bits)
{
    kv_f32 inverse = kv_float(inverse_bits);
    return ivec4(kv_operand(x.x, inverse), kv_operand(x.y, inverse), kv_operand(x.z, inverse),
                 kv_operand(x.w, inverse));
}

kv_i32 sum_of(ivec4 x)
{
    return x.x + x.y + x.z + x.w;
}

/* maxima[i] becomes the inverse, steps[i] the value of one unit: of n operand scales and then of
 * so many scales of terms. */
void make_inverses(kv_u32 n, kv_u32 terms)
{
    KV_FOR_LANES(i, n + terms)
    {
        kv_u32 at = i < n ? i : TERMS + i - n;
        kv_f32 largest = kv_float(maxima[at]);
        KV_EXACT kv_f32 step = largest * (i < n ? KV_OPERAND_STEP : KV_TERM_STEP);
        steps[at] = step;
        maxima[at] = kv_bits(kv_operand_inverse(largest, i < n ? KV_OPERAND_MAX : KV_TERM_ONE));
    }
    barrier();
}

/* x times the scales, or the minima, of four parameter words. */
vec4 times_scale(vec4 x, uvec4 words)
{
    KV_EXACT vec4 y;
    y.x = x.x * kv_param_scale(words.x);
    y.y = x.y * kv_param_scale(words.y);
    y.z = x.z * kv_param_scale(words.z);
    y.w = x.w * kv_param_scale(words.w);
    return y;
}

vec4 times_minimum(vec4 x, uvec4 words, kv_u32 symmetric)
{
    KV_EXACT vec4 y;
    y.x = x.x * kv_param_minimum(words.x, symmetric);
    y.y = x.y * kv_param_minimum(words.y, symmetric);
    y.z = x.z * kv_param_minimum(words.z, symmetric);
    y.w = x.w * kv_param_minimum(words.w, symmetric);
    return y;
}

/* ---- K, parameters per channel: once for each block of tokens that shares them ---- */

/* Operands of `blocks` blocks of tokens from block number `first_block` of the segment on; slot =
 * block * ROWS + row. steps[slot * 8 + chunk] belongs to the operands. */
void fold_blocks(kv_u32 first_block, kv_u32 block, kv_u32 blocks)
{
    kv_u32 quads = k.dim / 4u;
    kv_u32 slots = (blocks - 1u) * ROWS + rows;
    clear_sums(slots * 8u, slots);
    for (kv_u32 pass = 0u; pass < 2u; pass++) {
        KV_FOR_LANES(i, slots * quads)
        {
            kv_u32 slot = i / quads;
            kv_u32 quad = i % quads;
            if (slot % ROWS < rows) {
                kv_u32 address = group_address(k, (first_block + slot / ROWS) * block) + 4u * quad;
                uvec4 words = parameter_words(address, 1u);
                vec4 x = query_quad(slot % ROWS, quad);
                vec4 scaled = times_scale(x, words);
                vec4 term = times_minimum(x, words, is_symmetric(k));
                if (pass == 0u) {
                    atomicMax(maxima[slot * 8u + quad / 8u], largest_magnitude(scaled));
                    atomicMax(maxima[TERMS + slot], largest_magnitude(term));
                } else {
                    keep_query_operands(slot, quad,
                                        operands_of(scaled, maxima[slot * 8u + quad / 8u]));
                    atomicAdd(int_sums[TERMS + slot],
                              sum_of(operands_of(term, maxima[TERMS + slot])));
                }
            }
        }
        barrier();
        if (pass == 0u) {
            make_inverses(slots * 8u, slots);
        }
    }
}

/* The sum of a slot's terms: what a score starts from. */
kv_f32 base_of(kv_u32 slot)
{
    KV_EXACT kv_f32 value = kv_int_to_float(int_sums[TERMS + slot]) * steps[TERMS + slot];
    return value;
}

/* ---- K, parameters per token: the query alone makes the operands ---- */

/* Operands of chunks of chunk_length channels; steps[row * 32 + chunk] belongs to them. Afterwards
 * int_sums[row * 32 + n] is the sum of the operands of chunk n, counted group by group. */
void fold_rows(kv_u32 length, kv_u32 chunk_length)
{
    kv_u32 quads = k.dim / 4u;
    kv_u32 chunks_of_group = (length + chunk_length - 1u) / chunk_length;
    clear_sums(rows * 32u, 0u);
    for (kv_u32 pass = 0u; pass < 2u; pass++) {
        KV_FOR_LANES(i, rows * quads)
        {
            kv_u32 row = i / quads;
            kv_u32 quad = i % quads;
            kv_u32 channel = 4u * quad;
            vec4 x = query_quad(row, quad);
            kv_u32 chunk = row * 32u + channel / chunk_length;
            if (pass == 0u) {
                atomicMax(maxima[chunk], largest_magnitude(x));
            } else {
                ivec4 x_operands = operands_of(x, maxima[chunk]);
                keep_query_operands(row, quad, x_operands);
                kv_u32 n = channel / length * chunks_of_group + channel % length / chunk_length;
                atomicAdd(int_sums[row * 32u + n], sum_of(x_operands));
            }
        }
        barrier();
        if (pass == 0u) {
            make_inverses(rows * 32u, 0u);
        }
    }
}

/* ---- V: the weights of chunks of 32 tokens ---- */

/* Operands of `chunks` chunks from token `start` of the split on and `groups` groups of `length`
 * channels from number `group` on, slot = (chunk * groups + group) * ROWS + row. steps[slot] is
 * their unit. With parameters per channel there is one group, and nothing is folded in. */
void fold_weights(kv_u32 start, kv_u32 chunks, kv_u32 group, kv_u32 groups, kv_u32 length)
{
    bool is_tokenwise = kv_is_channelwise(v.grouping) == 0u;
    kv_u32 base = group_address(v, 0u);
    kv_u32 stride = group_address(v, 1u) - base;
    kv_u32 slots = (chunks * groups - 1u) * ROWS + rows;
    clear_sums(slots, slots);
    for (kv_u32 pass = 0u; pass < 2u; pass++) {
        KV_FOR_LANES(i, chunks * groups * 8u)
        {
            kv_u32 token = start + i / 8u / groups * KV_CHUNK + i % 8u * 4u;
            kv_u32 n = group + i / 8u % groups;
            bool is_valid = token < count && n * length < v.dim;
            uvec4 words = uvec4(0u);
            if (is_tokenwise && is_valid) {
                words = parameter_words(base + n + (first + token) * stride, stride);
            }
            for (kv_u32 row = 0u; row < rows; row++) {
                kv_u32 slot = i / 8u * ROWS + row;
                kv_u32 at = row * KV_SPLIT_TOKENS + token;
                vec4 x = vec4(0.0f);
                if (is_valid) {
                    x = vec4(scores[at], scores[at + 1u], scores[at + 2u], scores[at + 3u]);
                }
                vec4 scaled = is_tokenwise ? times_scale(x, words) : x;
                vec4 term = times_minimum(x, words, is_symmetric(v));
                if (pass == 0u) {
                    atomicMax(maxima[slot], largest_magnitude(scaled));
                    atomicMax(maxima[TERMS + slot], largest_magnitude(term));
                } else {
                    ivec4 x_operands = operands_of(scaled, maxima[slot]);
                    ivec4 x_terms = operands_of(term, maxima[TERMS + slot]);
                    keep_weight_operands(slot, i % 8u, x_operands);
                    atomicAdd(int_sums[slot], sum_of(is_tokenwise ? x_terms : x_operands));
                }
            }
        }
        barrier();
        if (pass == 0u) {
            make_inverses(slots, slots);
        }
    }
}

/* The sum of a slot's terms or, with parameters per channel, of its operands. */
kv_f32 sum_of_slot(kv_u32 slot, bool is_tokenwise)
{
    KV_EXACT kv_f32 sum =
        kv_int_to_float(int_sums[slot]) * steps[is_tokenwise ? TERMS + slot : slot];
    return sum;
}
