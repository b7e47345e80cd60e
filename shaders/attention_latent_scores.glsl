/* SPDX-License-Identifier: MIT
 *
 * Part of attention_latent.comp: queries that are folded, and their scores.
 */

/* 1. Fold the softmax scale and the latents' channel scales into the query */
void fold_queries(kv_u32 sequence, kv_u32 first_row)
{
    kv_u32 scales = store[segment + KV_SEGMENT_V_CHANNEL_SCALE];
    KV_FOR_LANES(n, row_count * p.v_dim)
    {
        kv_u32 row = n / p.v_dim;
        kv_u32 channel = n % p.v_dim;
        kv_u32 i = p.q_offset + sequence * p.q_sequence_stride +
                   (first_row + row) / p.queries * p.q_head_stride +
                   (first_row + row) % p.queries * p.q_row_stride + channel;
        KV_EXACT kv_f32 x = kv_query_value(KV_LOAD(queries, i, p.q_dtype)) * p.scale;
        if (scales != KV_NO_OFFSET) {
            x = x * KV_LOAD_HALF(store, region + scales, channel);
        }
        latent[row * KV_MAX_LATENT_DIM + channel] = kv_bits(x);
    }
    KV_FOR_LANES(n, row_count * p.k_dim)
    {
        kv_u32 row = n / p.k_dim;
        kv_u32 channel = n % p.k_dim;
        kv_u32 i = p.rotary_offset + sequence * p.rotary_sequence_stride +
                   (first_row + row) / p.queries * p.rotary_head_stride +
                   (first_row + row) % p.queries * p.rotary_row_stride + channel;
        KV_EXACT kv_f32 x = kv_query_value(KV_LOAD(rotary, i, p.rotary_dtype)) * p.scale;
        rotary_query[row * KV_MAX_ROTARY_DIM + channel] = x;
    }
    KV_FOR_LANES(row, row_count)
    {
        query_positions[row] =
            p.positions_offset != KV_NO_OFFSET
                ? positions[p.positions_offset + sequence * p.queries +
                            (first_row + row) % p.queries]
                : KV_POSITION_INVALID - 1u;
    }
    barrier();
}

/* `size` floats from `at` on, as bits, to operands that share a scale, in place. Returns the value of
 * one unit. */
kv_f32 make_operands(kv_u32 at, kv_u32 size)
{
    kv_f32 largest = 0.0f;
    for (kv_u32 i = at; i < at + size; i++) {
        largest = kv_max(largest, kv_abs(kv_float(latent[i])));
    }
    kv_f32 inverse = kv_operand_inverse(largest, KV_OPERAND_MAX);
    for (kv_u32 i = at; i < at + size; i++) {
        latent[i] = KV_U32(kv_operand(kv_float(latent[i]), inverse));
    }
    KV_EXACT kv_f32 unit = largest * KV_OPERAND_STEP;
    return unit;
}

/* Each chunk of the absorbed queries as operands, and what the minima of each group multiply. */
void make_query_operands()
{
    kv_u32 chunks = p.v_dim / KV_CHUNK;
    KV_FOR_LANES(n, row_count * chunks)
    {
        kv_u32 row = n / chunks;
        kv_u32 chunk = n % chunks;
        steps[row * LATENT_CHUNKS + chunk] =
            make_operands(row * KV_MAX_LATENT_DIM + chunk * KV_CHUNK, KV_CHUNK);
    }
    barrier();
    KV_FOR_LANES(row, row_count)
    {
        kv_u32 group = 0u;
        for (kv_u32 channel = 0u; channel < p.v_dim; channel = group_end(channel)) {
            KV_EXACT kv_f32 sum = 0.0f;
            for (kv_u32 chunk = channel; chunk < group_end(channel); chunk += KV_CHUNK) {
                kv_i32 int_sum = 0;
                for (kv_u32 i = 0u; i < KV_CHUNK; i++) {
                    int_sum += KV_I32(latent[row * KV_MAX_LATENT_DIM + chunk + i]);
                }
                KV_EXACT kv_f32 term =
                    kv_int_to_float(int_sum) * steps[row * LATENT_CHUNKS + chunk / KV_CHUNK];
                sum = sum + term;
            }
            sums[row * LATENT_CHUNKS + group] = sum;
            group++;
        }
    }
    barrier();
}

/* 2. Scores: of the latents, then of the rotary keys */

/* Eight strided sums of products with the halves from a word on, and one fixed tree. Vectors, not loops
 * to unroll: glslc's copies of float operations are without `precise`. */
struct strided_sums {
    vec4 low;
    vec4 high;
};

vec4 four_halves(kv_u32 word, kv_u32 channel)
{
    return vec4(KV_LOAD_HALF(store, word, channel), KV_LOAD_HALF(store, word, channel + 1u),
                KV_LOAD_HALF(store, word, channel + 2u), KV_LOAD_HALF(store, word, channel + 3u));
}

#define ADD_PRODUCTS(sums8, word, dim, value_of)                                                   \
    for (kv_u32 channel = 0u; channel < (dim); channel += 8u) {                                    \
        KV_EXACT vec4 low = vec4(value_of(channel), value_of(channel + 1u),                        \
                                 value_of(channel + 2u), value_of(channel + 3u)) *                 \
                            four_halves(word, channel);                                            \
        KV_EXACT vec4 high = vec4(value_of(channel + 4u), value_of(channel + 5u),                  \
                                  value_of(channel + 6u), value_of(channel + 7u)) *                \
                             four_halves(word, channel + 4u);                                      \
        KV_EXACT vec4 low_sum = sums8.low + low;                                                   \
        KV_EXACT vec4 high_sum = sums8.high + high;                                                \
        sums8.low = low_sum;                                                                       \
        sums8.high = high_sum;                                                                     \
    }

kv_f32 sum_of_eight(strided_sums s)
{
    KV_EXACT vec4 fours = s.low + s.high;
    KV_EXACT kv_f32 even = fours.x + fours.z;
    KV_EXACT kv_f32 odd = fours.y + fours.w;
    KV_EXACT kv_f32 sum = even + odd;
    return sum;
}

kv_f32 rotary_score(kv_u32 row, kv_u32 token)
{
    strided_sums s = strided_sums(vec4(0.0f), vec4(0.0f));
    kv_u32 word = row_word(KV_SEGMENT_K_CODES, 0u, token, p.k_dim);
#define ROTARY(i) rotary_query[row * KV_MAX_ROTARY_DIM + (i)]
    ADD_PRODUCTS(s, word, p.k_dim, ROTARY)
    return sum_of_eight(s);
}

kv_f32 f16_score(kv_u32 row, kv_u32 token)
{
    strided_sums s = strided_sums(vec4(0.0f), vec4(0.0f));
    for (kv_u32 begin = 0u; begin < p.v_dim; begin += part) {
        kv_u32 word = row_word(KV_SEGMENT_V_CODES, begin / part, token, part);
#define LATENT(i) kv_float(latent[row * KV_MAX_LATENT_DIM + begin + (i)])
        ADD_PRODUCTS(s, word, part, LATENT)
    }
    return sum_of_eight(s);
}

/* The dot products of a chunk of channels with four tokens. */
ivec4 chunk_dots(kv_u32 row, kv_u32 token, kv_u32 chunk)
{
    kv_u32 fields = kv_fields(bits);
    ivec4 dots = ivec4(0);
    for (kv_u32 channel = chunk; channel < chunk + KV_CHUNK; channel += 4u * fields) {
        kv_u32 words[4];
        [[unroll]] for (kv_u32 i = 0u; i < 4u; i++)
        {
            words[i] = code_word(token, channel + i * fields);
        }
        for (kv_u32 field = 0u; field < fields; field++) {
            [[unroll]] for (kv_u32 i = 0u; i < 4u; i++)
            {
                kv_u32 at = row * KV_MAX_LATENT_DIM + channel + i * fields + field;
                dots += ivec4(KV_I32(latent[at])) * codes_of(words[i], field);
            }
        }
    }
    return dots;
}

/* The scores of four tokens. */
vec4 quantized_scores(kv_u32 row, kv_u32 token)
{
    kv_u32 is_symmetric = kv_codec_is_symmetric(codec);
    KV_EXACT vec4 result = vec4(0.0f);
    kv_u32 group = 0u;
    for (kv_u32 channel = 0u; channel < p.v_dim; channel = group_end(channel)) {
        KV_EXACT vec4 dots = vec4(0.0f);
        for (kv_u32 chunk = channel; chunk < group_end(channel); chunk += KV_CHUNK) {
            ivec4 int_dots = chunk_dots(row, token, chunk);
            vec4 as_floats = vec4(kv_int_to_float(int_dots.x), kv_int_to_float(int_dots.y),
                                  kv_int_to_float(int_dots.z), kv_int_to_float(int_dots.w));
            KV_EXACT vec4 terms = as_floats * steps[row * LATENT_CHUNKS + chunk / KV_CHUNK];
            dots = dots + terms;
        }
        for (kv_u32 t = 0u; t < 4u; t++) {
            kv_u32 word = parameter_word(token + t, channel);
            KV_EXACT kv_f32 scaled = kv_param_scale(word) * dots[t];
            KV_EXACT kv_f32 shifted =
                kv_param_minimum(word, is_symmetric) * sums[row * LATENT_CHUNKS + group];
            KV_EXACT kv_f32 term = scaled + shifted;
            KV_EXACT kv_f32 total = result[t] + term;
            result[t] = total;
        }
        group++;
    }
    return result;
}

void score_split()
{
    kv_u32 quads = count / 4u;
    KV_FOR_LANES(n, row_count * quads)
    {
        kv_u32 row = n / quads;
        kv_u32 i = n % quads * 4u;
        vec4 of_latents = vec4(0.0f);
        if (codec != KV_CODEC_F16) {
            of_latents = quantized_scores(row, first + i);
        }
        for (kv_u32 t = 0u; t < 4u; t++) {
            kv_f32 of_latent =
                codec == KV_CODEC_F16 ? f16_score(row, first + i + t) : of_latents[t];
            KV_EXACT kv_f32 score = of_latent + rotary_score(row, first + i + t);
            scores[row * KV_SPLIT_TOKENS + i + t] = score;
        }
    }
    barrier();
}
