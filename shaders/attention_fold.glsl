/* SPDX-License-Identifier: MIT
 *
 * Part of attention.comp: folding group parameters into queries (K) and weights (V), and making
 * integer operands of the result. Each fold has three passes over its values with a barrier
 * between: maxima, inverses, operands.
 */

void clear_sums(kv_u32 n)
{
    KV_FOR_LANES(i, n)
    {
        maxima[i] = 0u;
        int_sums[i] = 0;
    }
}

kv_u32 largest_magnitude(vec4 x)
{
    return max(max(kv_bits(kv_abs(x.x)), kv_bits(kv_abs(x.y))),
               max(kv_bits(kv_abs(x.z)), kv_bits(kv_abs(x.w))));
}

ivec4 operands_of(vec4 x, kv_f32 inverse)
{
    return ivec4(kv_operand(x.x, inverse), kv_operand(x.y, inverse), kv_operand(x.z, inverse),
                 kv_operand(x.w, inverse));
}

kv_i32 sum_of(ivec4 x)
{
    return x.x + x.y + x.z + x.w;
}

/* Up to eight quads of operands of each row, from number `quad` on, into registers. `stride` quads
 * lie between two rows. */
void load_registers(kv_u32 quad, kv_u32 quads, kv_u32 stride)
{
    if (!is_wide) {
        for (kv_u32 n = 0u; n < 8u; n++) {
            for (kv_u32 row = 0u; row < ROWS; row++) {
                registers[n * ROWS + row] = operands[row * stride + quad + kv_min_u32(n, quads - 1u)];
            }
        }
    }
}

/* maxima[i] becomes the inverse, steps[i] the value of one unit. */
void make_inverse(kv_u32 i, kv_f32 top, kv_f32 unit)
{
    kv_f32 largest_value = kv_float(maxima[i]);
    KV_EXACT kv_f32 step = largest_value * unit;
    steps[i] = step;
    maxima[i] = kv_bits(kv_operand_inverse(largest_value, top));
}

/* ---- K, parameters per channel: once for each block of tokens that shares them ---- */

#define TERMS 128u /* where the maxima, steps and sums of the slots' terms start */

/* Query times scale (and times minimum) of four channels. */
void fold_channels(kv_u32 row, kv_u32 token, kv_u32 quad, out vec4 scaled, out vec4 term)
{
    kv_u32 params = SEGMENT(KV_SEGMENT_K_PARAMS);
    kv_u32 grouping = SEGMENT(KV_SEGMENT_K_GROUPING);
    kv_u32 group_length = SEGMENT(KV_SEGMENT_K_GROUP_LENGTH);
    kv_u32 is_symmetric = SEGMENT(KV_SEGMENT_K_CODEC) == KV_CODEC_INT8_SYMMETRIC ? 1u : 0u;
    for (kv_u32 i = 0u; i < 4u; i++) {
        kv_u32 channel = 4u * quad + i;
        kv_u32 word = parameter_word(params, grouping, group_length, p.k_dim, token, channel);
        kv_f32 x = query[row * KV_MAX_HEAD_DIM + channel];
        KV_EXACT kv_f32 x_scaled = x * kv_param_scale(word);
        KV_EXACT kv_f32 x_term = x * kv_param_minimum(word, is_symmetric);
        scaled[i] = x_scaled;
        term[i] = x_term;
    }
}

/* Operands of `blocks` blocks of tokens, the first at `token` of the segment; slot = block * ROWS +
 * row. steps[slot * 8 + chunk] belongs to the operands, base_of(slot) is the sum of the terms. */
void fold_blocks(kv_u32 token, kv_u32 block, kv_u32 blocks)
{
    kv_u32 quads = p.k_dim / 4u;
    barrier();
    clear_sums(256u);
    barrier();
    KV_FOR_LANES(i, blocks * ROWS * quads)
    {
        kv_u32 slot = i / quads;
        kv_u32 quad = i % quads;
        vec4 scaled;
        vec4 term;
        fold_channels(slot % ROWS, token + slot / ROWS * block, quad, scaled, term);
        operands[slot * QUADS + quad] = floatBitsToInt(scaled);
        atomicMax(maxima[slot * 8u + quad / 8u], largest_magnitude(scaled));
        atomicMax(maxima[TERMS + slot], largest_magnitude(term));
    }
    barrier();
    KV_FOR_LANES(i, TERMS + SLOTS)
    {
        if (i < blocks * ROWS * 8u) {
            make_inverse(i, KV_OPERAND_MAX, KV_OPERAND_STEP);
        } else if (i >= TERMS) {
            make_inverse(i, KV_TERM_ONE, KV_TERM_STEP);
        }
    }
    barrier();
    KV_FOR_LANES(i, blocks * ROWS * quads)
    {
        kv_u32 slot = i / quads;
        kv_u32 quad = i % quads;
        vec4 scaled;
        vec4 term;
        fold_channels(slot % ROWS, token + slot / ROWS * block, quad, scaled, term);
        operands[slot * QUADS + quad] =
            operands_of(scaled, kv_float(maxima[slot * 8u + quad / 8u]));
        atomicAdd(int_sums[TERMS + slot],
                  sum_of(operands_of(term, kv_float(maxima[TERMS + slot]))));
    }
    barrier();
}

/* The sum of a slot's terms: what a score starts from. */
kv_f32 base_of(kv_u32 slot)
{
    KV_EXACT kv_f32 value = kv_int_to_float(int_sums[TERMS + slot]) * steps[TERMS + slot];
    return value;
}

/* ---- K, parameters per token: the query alone makes the operands ---- */

/* steps[row * 32 + chunk] belongs to the operands of chunks of `chunk_length` channels. Afterwards
 * int_sums[row * 32 + n] is the sum of the operands of chunk n, counted within groups. */
void fold_rows(kv_u32 group_length, kv_u32 chunk_length)
{
    kv_u32 quads = p.k_dim / 4u;
    kv_u32 chunks_of_group = (group_length + chunk_length - 1u) / chunk_length;
    clear_sums(256u);
    barrier();
    KV_FOR_LANES(i, ROWS * quads)
    {
        kv_u32 channel = i % quads * 4u;
        kv_u32 at = i / quads * KV_MAX_HEAD_DIM + channel;
        vec4 x = vec4(query[at], query[at + 1u], query[at + 2u], query[at + 3u]);
        atomicMax(maxima[i / quads * 32u + channel / chunk_length], largest_magnitude(x));
    }
    barrier();
    KV_FOR_LANES(i, ROWS * 32u)
    {
        make_inverse(i, KV_OPERAND_MAX, KV_OPERAND_STEP);
    }
    barrier();
    KV_FOR_LANES(i, ROWS * quads)
    {
        kv_u32 row = i / quads;
        kv_u32 channel = i % quads * 4u;
        kv_u32 at = row * KV_MAX_HEAD_DIM + channel;
        vec4 x = vec4(query[at], query[at + 1u], query[at + 2u], query[at + 3u]);
        ivec4 x_operands =
            operands_of(x, kv_float(maxima[row * 32u + channel / chunk_length]));
        operands[row * QUADS + channel / 4u] = x_operands;
        kv_u32 n = channel / group_length * chunks_of_group + channel % group_length / chunk_length;
        atomicAdd(int_sums[row * 32u + n], sum_of(x_operands));
    }
    barrier();
}

/* ---- V: the weights of chunks of 32 tokens ---- */

/* The weights of tokens i .. i + 3 of the split: its count is a multiple of 4. */
vec4 weights_of(kv_u32 row, kv_u32 i)
{
    kv_u32 at = row * KV_SPLIT_TOKENS + i;
    return vec4(scores[at], scores[at + 1u], scores[at + 2u], scores[at + 3u]);
}

/* Weights times scale (and times minimum) of four tokens. */
void fold_tokens(vec4 weights, uvec4 words, kv_u32 is_symmetric, out vec4 scaled, out vec4 term)
{
    for (kv_u32 i = 0u; i < 4u; i++) {
        KV_EXACT kv_f32 x_scaled = weights[i] * kv_param_scale(words[i]);
        KV_EXACT kv_f32 x_term = weights[i] * kv_param_minimum(words[i], is_symmetric);
        scaled[i] = x_scaled;
        term[i] = x_term;
    }
}

/* The parameter words of tokens i.. of the split for the group of channels that starts at channel. */
uvec4 token_words(kv_u32 i, kv_u32 channel)
{
    kv_u32 params = SEGMENT(KV_SEGMENT_V_PARAMS);
    kv_u32 grouping = SEGMENT(KV_SEGMENT_V_GROUPING);
    kv_u32 group_length = SEGMENT(KV_SEGMENT_V_GROUP_LENGTH);
    uvec4 words;
    for (kv_u32 n = 0u; n < 4u; n++) {
        words[n] = parameter_word(params, grouping, group_length, p.v_dim, first + i + n, channel);
    }
    return words;
}

/* Operands of `chunks` chunks from token `start` of the split on and `groups` groups of `length`
 * channels from number `group` on, slot = (chunk * groups + group) * ROWS + row. steps[slot] is their
 * unit; sum_of_slot(slot) is the sum of the terms or, with parameters per channel, of the operands. */
void fold_weights(kv_u32 start, kv_u32 chunks, kv_u32 group, kv_u32 groups, kv_u32 length,
                  bool is_tokenwise)
{
    kv_u32 is_symmetric = SEGMENT(KV_SEGMENT_V_CODEC) == KV_CODEC_INT8_SYMMETRIC ? 1u : 0u;
    kv_u32 slots = chunks * groups * ROWS;
    kv_u32 quads = chunks * groups * 8u;
    barrier();
    clear_sums(256u);
    barrier();
    for (kv_u32 pass = 0u; pass < 2u; pass++) {
        KV_FOR_LANES(i, quads)
        {
            kv_u32 token = start + i / 8u / groups * KV_CHUNK + i % 8u * 4u;
            kv_u32 channel = (group + i / 8u % groups) * length;
            bool is_valid = token < count && channel < p.v_dim;
            uvec4 words = is_tokenwise && is_valid ? token_words(token, channel) : uvec4(0u);
            for (kv_u32 row = 0u; row < ROWS; row++) {
                kv_u32 slot = i / 8u * ROWS + row;
                vec4 scaled = vec4(0.0f);
                vec4 term = vec4(0.0f);
                if (is_valid && is_tokenwise) {
                    fold_tokens(weights_of(row, token), words, is_symmetric, scaled, term);
                } else if (is_valid) {
                    scaled = weights_of(row, token);
                }
                if (pass == 0u) {
                    atomicMax(maxima[slot], largest_magnitude(scaled));
                    atomicMax(maxima[TERMS + slot], largest_magnitude(term));
                } else {
                    ivec4 x_operands = operands_of(scaled, kv_float(maxima[slot]));
                    ivec4 x_terms = operands_of(term, kv_float(maxima[TERMS + slot]));
                    operands[slot * 8u + i % 8u] = x_operands;
                    atomicAdd(int_sums[slot], sum_of(is_tokenwise ? x_terms : x_operands));
                }
            }
        }
        barrier();
        if (pass == 0u) {
            KV_FOR_LANES(i, slots)
            {
                make_inverse(i, KV_OPERAND_MAX, KV_OPERAND_STEP);
                make_inverse(TERMS + i, KV_TERM_ONE, KV_TERM_STEP);
            }
            barrier();
        }
    }
}

kv_f32 sum_of_slot(kv_u32 slot, bool is_tokenwise)
{
    KV_EXACT kv_f32 sum =
        kv_int_to_float(int_sums[slot]) * steps[is_tokenwise ? TERMS + slot : slot];
    return sum;
}
