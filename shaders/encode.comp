#version 450
#extension GL_GOOGLE_include_directive : require
/* SPDX-License-Identifier: MIT
 *
 * encode: the codes of a compression event, from the stored parameters, packed into words;
 * layout.h says which tokens and channels a word holds. Tokens past the event's end, up to the next
 * multiple of 4, get code 0. One item is 8 channels of some tokens of one head, in tiles of 4
 * tokens, which are whole words in every layout.
 */
#include "kernel.glsl"

KV_BINDING(0, readonly, source);
KV_OCTETS(0, source);
KV_BINDING(1, , store);
KV_PARAMS(kv_quantize_params);

#include "quantize.glsl"

#define TILE 4u
const kv_u32 BLOCK = KV_BLOCK_TOKENS(KV_LANES);

/* Numbers of 8 channels of a tile of tokens. */
struct codes_of_tile {
    uvec4 even[TILE]; /* channels 0, 2, 4, 6 */
    uvec4 odd[TILE];
};

/* The words of parameters of the channels of a column in a block of tokens. */
void load_channel_parameters(kv_u32 group, out kv_column minima, out kv_column inverses)
{
    kv_u32 at = p.params_offset + group;
    uvec4 even = uvec4(0u);
    uvec4 odd = uvec4(0u);
    if (kv_is_channelwise(p.grouping) != 0u) {
        even = uvec4(store[at], store[at + 2u], store[at + 4u], store[at + 6u]);
        odd = uvec4(store[at + 1u], store[at + 3u], store[at + 5u], store[at + 7u]);
    }
    minima.even = kv_halves_to_floats(even >> 16);
    minima.odd = kv_halves_to_floats(odd >> 16);
    inverses.even = kv_inverse_scales(kv_halves_to_floats(even & 0xffffu));
    inverses.odd = kv_inverse_scales(kv_halves_to_floats(odd & 0xffffu));
}

/* The words of parameters of the tokens of a tile, `step` words apart. */
uvec4 load_token_parameters(kv_u32 group, kv_u32 step, kv_u32 tokens)
{
    kv_u32 at = p.params_offset + group;
    uvec4 words = uvec4(0u);
    if (kv_is_channelwise(p.grouping) == 0u) {
        for (kv_u32 t = 0u; t < TILE; t++) {
            words[t] = store[at + kv_min_u32(t, tokens - 1u) * step];
        }
    }
    return words;
}

/* 3. Code: kv_asymmetric_code, or with `lowest` -127 kv_symmetric_code */
uvec4 codes_of(vec4 x, vec4 minima, vec4 inverses, kv_f32 lowest, kv_f32 highest, kv_i32 bias)
{
    KV_EXACT vec4 y = x - minima;
    y = y * inverses;
    vec4 q = clamp(roundEven(y), vec4(lowest), vec4(highest));
    return uvec4(ivec4(q) + bias);
}

/* Codes as bytes of words that hold one field each, so that those of one byte follow each other: for K
 * [quad of channels][token], a lane a channel; for V [channel], a lane a token. */
void spread(codes_of_tile codes, out kv_u32 words[8])
{
    for (kv_u32 t = 0u; t < TILE; t++) {
        uvec4 pairs = codes.even[t] | (codes.odd[t] << 8);
        words[t] = pairs.x | (pairs.y << 16);
        words[TILE + t] = pairs.z | (pairs.w << 16);
    }
    if (p.is_value != 0u) {
        uvec4 even = codes.even[0] | (codes.even[1] << 8) | (codes.even[2] << 16) |
                     (codes.even[3] << 24);
        uvec4 odd = codes.odd[0] | (codes.odd[1] << 8) | (codes.odd[2] << 16) |
                    (codes.odd[3] << 24);
        for (kv_u32 i = 0u; i < 4u; i++) {
            words[2u * i] = even[i];
            words[2u * i + 1u] = odd[i];
        }
    }
}

/* 4. Store a tile whose first word of codes is `at`. */
void store_tile(codes_of_tile codes, kv_u32 bits, kv_u32 at)
{
    kv_u32 words[8];
    spread(codes, words);
    if (bits < 8u) {
        for (kv_u32 i = 0u; i < 4u; i++) {
            words[i] = words[2u * i] | (words[2u * i + 1u] << bits);
        }
    }
    if (bits == 2u) {
        words[0] |= words[1] << 4;
        words[1] = words[2] | (words[3] << 4);
    }
    kv_u32 rows = bits / 2u; /* of words of K; a quad of channels has so many words */
    for (kv_u32 i = 0u; i < 8u; i++) {
        if (i < bits) {
            kv_u32 of_k = i % rows * (p.dim / 4u) + i / rows;
            store[at + (p.is_value != 0u ? i : of_k)] = words[i];
        }
    }
}

/* `tokens` tokens of the event from `first` on. */
void encode_block(kv_u32 is_plain, kv_u32 head, kv_u32 first, kv_u32 channel, kv_u32 tokens)
{
    kv_u32 bits = kv_codec_bits(p.codec);
    bool is_symmetric = p.codec == KV_CODEC_INT8_SYMMETRIC;
    bool is_channelwise = kv_is_channelwise(p.grouping) != 0u;
    kv_f32 lowest = is_symmetric ? -127.0f : 0.0f;
    kv_f32 highest = is_symmetric ? 127.0f : kv_qmax(bits);
    kv_i32 bias = is_symmetric ? 128 : 0;
    kv_u32 step = p.grouping == KV_GROUP_TOKEN_CHANNELS ? kv_groups_along(p.dim, p.group_length)
                                                        : 1u;
    kv_u32 group = kv_group_index(p.grouping, p.group_length, p.capacity, p.dim, head,
                                  p.token + first, channel);
    kv_u32 at = p.codes_offset + head * kv_code_words(p.capacity, p.dim, bits);
    kv_column factors = kv_load_factors(head, channel);
    /* 2. Parameters */
    kv_column minima;
    kv_column inverses;
    load_channel_parameters(group, minima, inverses);
    for (kv_u32 t = 0u; t < tokens; t += TILE) {
        /* 2. Parameters */
        uvec4 words = load_token_parameters(group + t * step, step, tokens - t);
        vec4 token_minima = kv_halves_to_floats(words >> 16);
        vec4 token_inverses = kv_inverse_scales(kv_halves_to_floats(words & 0xffffu));
        codes_of_tile codes;
        for (kv_u32 i = 0u; i < TILE; i++) {
            /* 1. Load */
            kv_u32 row = kv_event_row(first + kv_min_u32(t + i, tokens - 1u), head);
            kv_column x = kv_event_values(is_plain, row, channel, factors);
            kv_column low = minima;
            kv_column inverse = inverses;
            if (!is_channelwise) {
                low.even = low.odd = vec4(token_minima[i]);
                inverse.even = inverse.odd = vec4(token_inverses[i]);
            }
            if (is_symmetric) {
                low.even = low.odd = vec4(0.0f);
            }
            uvec4 even = codes_of(x.even, low.even, inverse.even, lowest, highest, bias);
            uvec4 odd = codes_of(x.odd, low.odd, inverse.odd, lowest, highest, bias);
            codes.even[i] = t + i < tokens ? even : uvec4(0u);
            codes.odd[i] = t + i < tokens ? odd : uvec4(0u);
        }
        kv_u32 token = p.token + first + t;
        store_tile(codes, bits, at + kv_code_word(p.is_value, token, channel, p.dim, bits));
    }
}

void main()
{
    kv_u32 is_plain = kv_is_plain(p.source);
    kv_u32 columns = p.dim / KV_COLUMN;
    KV_FOR_ITEMS(item, (p.tokens + BLOCK - 1u) / BLOCK * p.heads * columns)
    {
        kv_u32 part = item / columns;
        kv_u32 first = part / p.heads * BLOCK;
        encode_block(is_plain, part % p.heads, first, item % columns * KV_COLUMN,
                     kv_min_u32(p.tokens - first, BLOCK));
    }
}
