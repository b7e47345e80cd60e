/* SPDX-License-Identifier: MIT
 *
 * Part of attention_subgroup.comp: folding group parameters into queries (K) and weights (V), and
 * making integer operands of the result. The 8 lanes have the 8 quads of one chunk; what belongs to
 * a row (a maximum, its inverse, a sum) is kept by the lane of that number.
 */

vec4 weight_quad(kv_u32 row, kv_u32 quad)
{
    kv_u32 i = row * KV_SPLIT_TOKENS + 4u * quad;
    return vec4(scores[i], scores[i + 1u], scores[i + 2u], scores[i + 3u]);
}

vec4 scales_of(uvec4 words)
{
    return vec4(kv_param_scale(words.x), kv_param_scale(words.y), kv_param_scale(words.z),
                kv_param_scale(words.w));
}

vec4 minima_of(uvec4 words, kv_u32 symmetric)
{
    return vec4(kv_param_minimum(words.x, symmetric), kv_param_minimum(words.y, symmetric),
                kv_param_minimum(words.z, symmetric), kv_param_minimum(words.w, symmetric));
}

vec4 products(vec4 a, vec4 b)
{
    KV_EXACT vec4 y = a * b;
    return y;
}

kv_u32 largest_magnitude(vec4 x)
{
    return largest_of_lanes(max(max(kv_bits(kv_abs(x.x)), kv_bits(kv_abs(x.y))),
                                max(kv_bits(kv_abs(x.z)), kv_bits(kv_abs(x.w)))));
}

ivec4 operands_of(vec4 x, kv_f32 inverse)
{
    return ivec4(kv_operand(x.x, inverse), kv_operand(x.y, inverse), kv_operand(x.z, inverse),
                 kv_operand(x.w, inverse));
}

uvec2 packed_operands(ivec4 x)
{
    return uvec2((KV_U32(x.x) & 0xffffu) | KV_U32(x.y) << 16, (KV_U32(x.z) & 0xffffu) | KV_U32(x.w)
                                                                                            << 16);
}

kv_i32 sum_of_quad(ivec4 x)
{
    return sum_of_lanes(x.x + x.y + x.z + x.w);
}

kv_f32 operand_step(kv_u32 largest)
{
    KV_EXACT kv_f32 step = kv_float(largest) * KV_OPERAND_STEP;
    return step;
}

kv_f32 term_step(kv_u32 largest)
{
    KV_EXACT kv_f32 step = kv_float(largest) * KV_TERM_STEP;
    return step;
}

/* A sum of operands, or of terms, as a float. */
kv_f32 value_of_sum(kv_i32 sum, kv_f32 step)
{
    KV_EXACT kv_f32 value = kv_int_to_float(sum) * step;
    return value;
}

/* ---- K, parameters per channel: once for each block of tokens that shares them ---- */

/* The operands of block number n at hand, whose first token is `token` of the segment. Its units are
 * in the slots from n * chunks on; the sum of its terms, what a score starts from, is in
 * sums[n * 8 + row]. */
void fold_block(kv_u32 n, kv_u32 token)
{
    kv_u32 address = group_address(k, token);
    kv_u32 quads = k.dim / 4u;
    kv_u32 chunks = (quads + 7u) / 8u;
    kv_u32 largest_term = 0u;
    for (kv_u32 chunk = 0u; chunk < chunks; chunk++) {
        kv_u32 quad = kv_min_u32(chunk * 8u + KV_LANE, quads - 1u); /* some twice: no matter */
        uvec4 words = parameter_words(address + 4u * quad, 1u);
        vec4 scales = scales_of(words);
        vec4 minima = minima_of(words, is_symmetric(k));
        kv_u32 largest = 0u;
        for (kv_u32 row = 0u; row < rows; row++) {
            vec4 x = query_quad(row, quad);
            kv_u32 of_row = largest_magnitude(products(x, scales));
            kv_u32 term_of_row = largest_magnitude(products(x, minima));
            largest = KV_LANE == row ? of_row : largest;
            largest_term = KV_LANE == row ? max(largest_term, term_of_row) : largest_term;
        }
        steps[(n * chunks + chunk) * 8u + KV_LANE] = operand_step(largest);
        inverses[chunk * 8u + KV_LANE] = kv_operand_inverse(kv_float(largest), KV_OPERAND_MAX);
    }
    meet();
    kv_f32 term_inverse = kv_operand_inverse(kv_float(largest_term), KV_TERM_ONE);
    kv_i32 sum = 0;
    for (kv_u32 chunk = 0u; chunk < chunks; chunk++) {
        bool has_quad = chunk * 8u + KV_LANE < quads;
        kv_u32 quad = kv_min_u32(chunk * 8u + KV_LANE, quads - 1u);
        uvec4 words = parameter_words(address + 4u * quad, 1u);
        vec4 scales = scales_of(words);
        vec4 minima = minima_of(words, is_symmetric(k));
        kv_f32 inverse = inverses[chunk * 8u + KV_LANE];
        for (kv_u32 row = 0u; row < rows; row++) {
            vec4 x = query_quad(row, quad);
            ivec4 terms = operands_of(products(x, minima), of_lane(term_inverse, row));
            kv_i32 of_row = sum_of_quad(has_quad ? terms : ivec4(0));
            sum += KV_LANE == row ? of_row : 0;
            operands[(n * ROWS + row) * quads + quad] =
                packed_operands(operands_of(products(x, scales), of_lane(inverse, row)));
        }
    }
    sums[n * 8u + KV_LANE] = value_of_sum(sum, term_step(largest_term));
    meet();
}

/* ---- K, parameters per token: the query alone makes the operands ---- */

/* Operands of chunks of chunk_length channels; a slot is a chunk. sums[n * 8 + row] is the sum of the
 * operands of the group of channels number n. */
void fold_rows(kv_u32 group_length, kv_u32 chunk_length)
{
    kv_u32 quads = k.dim / 4u;
    KV_EXACT kv_f32 sum_of_group = 0.0f; /* lane: row */
    for (kv_u32 chunk = 0u; chunk * chunk_length < k.dim; chunk++) {
        kv_u32 first_quad = chunk * chunk_length / 4u;
        kv_u32 quads_of_chunk = kv_min_u32(chunk_length / 4u, quads - first_quad);
        bool has_quad = KV_LANE < quads_of_chunk;
        kv_u32 quad = first_quad + kv_min_u32(KV_LANE, quads_of_chunk - 1u);
        kv_u32 largest = 0u;
        for (kv_u32 row = 0u; row < rows; row++) {
            kv_u32 of_row = largest_magnitude(query_quad(row, quad));
            largest = KV_LANE == row ? of_row : largest;
        }
        kv_f32 step = operand_step(largest);
        kv_f32 inverse = kv_operand_inverse(kv_float(largest), KV_OPERAND_MAX);
        kv_i32 sum = 0;
        for (kv_u32 row = 0u; row < rows; row++) {
            ivec4 x = operands_of(query_quad(row, quad), of_lane(inverse, row));
            kv_i32 of_row = sum_of_quad(has_quad ? x : ivec4(0));
            sum = KV_LANE == row ? of_row : sum;
            operands[row * quads + quad] = packed_operands(x);
        }
        steps[chunk * 8u + KV_LANE] = step;
        bool is_first = chunk * chunk_length % group_length == 0u;
        sum_of_group = is_first ? 0.0f : sum_of_group;
        sum_of_group = sum_of_group + value_of_sum(sum, step);
        sums[chunk * chunk_length / group_length * 8u + KV_LANE] = sum_of_group;
    }
    meet();
}

/* ---- V: the weights of chunks of 32 tokens ---- */

/* Operands of all chunks of the split for group number `group` of channels; a slot is a chunk. sums
 * are those of the terms or, with parameters per channel, of the operands. */
void fold_weights(kv_u32 group, bool is_tokenwise)
{
    kv_u32 base = group_address(v, 0u);
    kv_u32 stride = group_address(v, 1u) - base;
    for (kv_u32 chunk = 0u; chunk * KV_CHUNK < count; chunk++) {
        kv_u32 quad = chunk * 8u + KV_LANE;
        bool has_quad = 4u * quad < count;
        quad = kv_min_u32(quad, count / 4u - 1u);
        uvec4 words = uvec4(0u);
        if (is_tokenwise) {
            words = parameter_words(base + group + (first + 4u * quad) * stride, stride);
        }
        vec4 scales = is_tokenwise ? scales_of(words) : vec4(1.0f);
        vec4 minima = minima_of(words, is_symmetric(v));
        kv_u32 largest = 0u;
        kv_u32 largest_term = 0u;
        for (kv_u32 row = 0u; row < rows; row++) {
            vec4 x = weight_quad(row, quad);
            kv_u32 of_row = largest_magnitude(products(x, scales));
            kv_u32 term_of_row = largest_magnitude(products(x, minima));
            largest = KV_LANE == row ? of_row : largest;
            largest_term = KV_LANE == row ? term_of_row : largest_term;
        }
        kv_f32 step = operand_step(largest);
        kv_f32 inverse = kv_operand_inverse(kv_float(largest), KV_OPERAND_MAX);
        kv_f32 term_inverse = kv_operand_inverse(kv_float(largest_term), KV_TERM_ONE);
        kv_i32 sum = 0;
        for (kv_u32 row = 0u; row < rows; row++) {
            vec4 y = weight_quad(row, quad);
            ivec4 x = operands_of(products(y, scales), of_lane(inverse, row));
            ivec4 terms = operands_of(products(y, minima), of_lane(term_inverse, row));
            ivec4 summed = is_tokenwise ? terms : x;
            kv_i32 of_row = sum_of_quad(has_quad ? summed : ivec4(0));
            sum = KV_LANE == row ? of_row : sum;
            operands[(chunk * ROWS + row) * 8u + KV_LANE] = packed_operands(x);
        }
        steps[chunk * 8u + KV_LANE] = step;
        sums[chunk * 8u + KV_LANE] =
            value_of_sum(sum, is_tokenwise ? term_step(largest_term) : step);
    }
    meet();
}
