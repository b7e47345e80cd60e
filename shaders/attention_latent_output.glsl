/* SPDX-License-Identifier: MIT
 *
 * Part of attention_latent.comp: what the weights make of the latents.
 */

/* 5. Store, with the latents' channel scales */
void store_value(kv_u32 row, kv_u32 channel, kv_f32 sum)
{
    kv_u32 scales = store[segment + KV_SEGMENT_V_CHANNEL_SCALE];
    KV_EXACT kv_f32 value = sum;
    if (scales != KV_NO_OFFSET) {
        value = value * KV_LOAD_HALF(store, region + scales, channel);
    }
    partials[own_partials + row * (p.v_dim + 2u) + 2u + channel] = kv_bits(value);
}

kv_f32 latent_value(kv_u32 token, kv_u32 channel)
{
    return KV_LOAD_HALF(store, row_word(KV_SEGMENT_V_CODES, channel / part, token, part),
                        channel % part);
}

/* 4. Output */
void f16_output()
{
    KV_FOR_LANES(n, row_count * p.v_dim)
    {
        kv_u32 row = n / p.v_dim;
        kv_u32 channel = n % p.v_dim;
        KV_EXACT kv_f32 sum = 0.0f;
        for (kv_u32 i = 0u; i < count; i += 4u) {
            kv_u32 at = row * KV_SPLIT_TOKENS + i;
            KV_EXACT vec4 products =
                vec4(scores[at], scores[at + 1u], scores[at + 2u], scores[at + 3u]) *
                vec4(latent_value(first + i, channel), latent_value(first + i + 1u, channel),
                     latent_value(first + i + 2u, channel), latent_value(first + i + 3u, channel));
            KV_EXACT kv_f32 one = sum + products.x;
            KV_EXACT kv_f32 two = one + products.y;
            KV_EXACT kv_f32 three = two + products.z;
            sum = three + products.w;
        }
        store_value(row, channel, sum);
    }
}

/* The weights of a chunk of tokens with the parameters of a group folded in, as operands, and what the
 * minima add. */
void fold_weights(kv_u32 row, kv_u32 chunk, kv_u32 group)
{
    kv_u32 operands = row * KV_MAX_LATENT_DIM + chunk * KV_CHUNK;
    kv_u32 is_symmetric = kv_codec_is_symmetric(codec);
    kv_u32 tokens = kv_min_u32(KV_CHUNK, count - chunk * KV_CHUNK);
    kv_f32 terms[KV_CHUNK];
    kv_f32 largest = 0.0f;
    for (kv_u32 i = 0u; i < tokens; i++) {
        kv_u32 word = parameter_word(first + chunk * KV_CHUNK + i, group);
        kv_f32 weight = scores[row * KV_SPLIT_TOKENS + chunk * KV_CHUNK + i];
        KV_EXACT kv_f32 scaled = weight * kv_param_scale(word);
        KV_EXACT kv_f32 term = weight * kv_param_minimum(word, is_symmetric);
        latent[operands + i] = kv_bits(scaled);
        terms[i] = term;
        largest = kv_max(largest, kv_abs(term));
    }
    steps[row * LATENT_CHUNKS + chunk] = make_operands(operands, tokens);
    kv_f32 inverse = kv_operand_inverse(largest, KV_TERM_ONE);
    kv_i32 sum = 0;
    for (kv_u32 i = 0u; i < tokens; i++) {
        sum += kv_operand(terms[i], inverse);
    }
    KV_EXACT kv_f32 unit = largest * KV_TERM_STEP;
    KV_EXACT kv_f32 value = kv_int_to_float(sum) * unit;
    sums[row * LATENT_CHUNKS + chunk] = value;
}

/* The channels of one word of codes, over all tokens. */
void sum_word(kv_u32 row, kv_u32 channel)
{
    kv_u32 fields = kv_fields(bits);
    KV_EXACT kv_f32 outputs[MOST_FIELDS];
    for (kv_u32 field = 0u; field < fields; field++) {
        outputs[field] = 0.0f;
    }
    for (kv_u32 chunk = 0u; chunk * KV_CHUNK < count; chunk++) {
        kv_u32 quads = kv_min_u32(KV_CHUNK, count - chunk * KV_CHUNK) / 4u;
        kv_u32 words[KV_CHUNK / 4u];
        [[unroll]] for (kv_u32 quad = 0u; quad < KV_CHUNK / 4u; quad++)
        {
            if (quad < quads) {
                words[quad] = code_word(first + chunk * KV_CHUNK + 4u * quad, channel);
            }
        }
        for (kv_u32 field = 0u; field < fields; field++) {
            kv_i32 dot_product = 0;
            [[unroll]] for (kv_u32 quad = 0u; quad < KV_CHUNK / 4u; quad++)
            {
                if (quad < quads) {
                    kv_u32 at = row * KV_MAX_LATENT_DIM + chunk * KV_CHUNK + 4u * quad;
                    ivec4 operands =
                        ivec4(uvec4(latent[at], latent[at + 1u], latent[at + 2u], latent[at + 3u]));
                    ivec4 products = operands * codes_of(words[quad], field);
                    dot_product += products.x + products.y + products.z + products.w;
                }
            }
            KV_EXACT kv_f32 product =
                kv_int_to_float(dot_product) * steps[row * LATENT_CHUNKS + chunk];
            KV_EXACT kv_f32 term = product + sums[row * LATENT_CHUNKS + chunk];
            outputs[field] = outputs[field] + term;
        }
    }
    for (kv_u32 field = 0u; field < fields; field++) {
        store_value(row, channel + field, outputs[field]);
    }
}

void quantized_output()
{
    kv_u32 chunks = (count + KV_CHUNK - 1u) / KV_CHUNK;
    kv_u32 fields = kv_fields(bits);
    for (kv_u32 group = 0u; group < p.v_dim; group = group_end(group)) {
        KV_FOR_LANES(n, row_count * chunks)
        {
            fold_weights(n / chunks, n % chunks, group);
        }
        barrier();
        kv_u32 words = (group_end(group) - group) / fields;
        KV_FOR_LANES(n, row_count * words)
        {
            sum_word(n / words, group + n % words * fields);
        }
        barrier();
    }
}
