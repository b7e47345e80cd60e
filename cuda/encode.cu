/* SPDX-License-Identifier: MIT
 *
 * encode: the codes of a compression event, from the stored parameters, packed into words;
 * layout.h says which tokens and channels a word holds. Tokens past the event's end, up to the next
 * multiple of 4, get code 0. One item is 8 channels of 4 tokens of one head, which are whole words
 * in every layout.
 */
#include "quantize.cuh"

#define KV_TILE 4u

/* A parameter word, and what follows from it. */
struct kv_known_parameters {
    kv_f32 minimum;
    kv_f32 inverse;
};

/* 2. Parameters */
KV_FN kv_known_parameters kv_known_of(const kv_quantize_params &p, kv_u32 word)
{
    kv_known_parameters known;
    known.minimum = p.codec == KV_CODEC_INT8_SYMMETRIC ? 0.0f : kv_param_minimum(word, 0u);
    known.inverse = kv_quick_inverse_scale(kv_param_scale(word));
    return known;
}

/* 3. Code */
KV_FN kv_u32 kv_code_of(const kv_quantize_params &p, kv_f32 x, const kv_known_parameters &known)
{
    if (p.codec == KV_CODEC_INT8_SYMMETRIC) {
        return kv_symmetric_code(x, known.inverse);
    }
    return kv_asymmetric_code(x, known.minimum, known.inverse, kv_qmax(kv_codec_bits(p.codec)));
}

/* 4. Store a tile whose first word of codes is `at`. Codes of one byte follow each other in `words`:
 * for K [quad of channels][token], a byte lane a channel; for V [channel], a byte lane a token. */
KV_FN void kv_store_tile(const kv_u32 (*codes)[KV_OCTET], kv_u32 is_value, kv_u32 bits,
                         kv_u32 row_words, kv_u32 *at)
{
    kv_u32 words[8];
#pragma unroll
    for (kv_u32 i = 0u; i < 8u; i++) {
        kv_u32 quad = i / KV_TILE * 4u;
        kv_u32 t = i % KV_TILE;
        kv_u32 of_k = codes[t][quad] | (codes[t][quad + 1u] << 8) | (codes[t][quad + 2u] << 16) |
                      (codes[t][quad + 3u] << 24);
        kv_u32 of_v =
            codes[0][i] | (codes[1][i] << 8) | (codes[2][i] << 16) | (codes[3][i] << 24);
        words[i] = is_value != 0u ? of_v : of_k;
    }
    if (bits < 8u) {
#pragma unroll
        for (kv_u32 i = 0u; i < 4u; i++) {
            words[i] = words[2u * i] | (words[2u * i + 1u] << bits);
        }
    }
    if (bits == 2u) {
        words[0] |= words[1] << 4;
        words[1] = words[2] | (words[3] << 4);
    }
    kv_u32 rows = bits / 2u; /* of words of K; a quad of channels has so many words */
#pragma unroll
    for (kv_u32 i = 0u; i < 8u; i++) {
        if (i < bits) {
            at[is_value != 0u ? i : i % rows * row_words + i / rows] = words[i];
        }
    }
}

/* Tokens first .. first + 3 of the event, as far as there are. */
KV_FN void kv_encode_tile(const kv_quantize_params &p, const kv_u32 *source, kv_u32 *store,
                          kv_u32 head, kv_u32 first, kv_u32 channel)
{
    kv_u32 bits = kv_codec_bits(p.codec);
    kv_u32 is_channelwise = kv_is_channelwise(p.grouping);
    kv_u32 step = p.grouping == KV_GROUP_TOKEN_CHANNELS ? kv_groups_along(p.dim, p.group_length)
                                                        : 1u;
    const kv_u32 *params =
        &store[p.params_offset + kv_group_index(p.grouping, p.group_length, p.capacity, p.dim, head,
                                                p.token + first, channel)];
    const kv_column factors = kv_load_factors(p, store, head, channel);
    kv_known_parameters known[KV_OCTET];
    if (is_channelwise != 0u) {
#pragma unroll
        for (kv_u32 i = 0u; i < KV_OCTET; i++) {
            known[i] = kv_known_of(p, params[i]);
        }
    }
    kv_u32 codes[KV_TILE][KV_OCTET];
#pragma unroll
    for (kv_u32 t = 0u; t < KV_TILE; t++) {
        if (first + t >= p.tokens) {
#pragma unroll
            for (kv_u32 i = 0u; i < KV_OCTET; i++) {
                codes[t][i] = 0u;
            }
            continue;
        }
        if (is_channelwise == 0u) {
            known[0] = kv_known_of(p, params[t * step]);
#pragma unroll
            for (kv_u32 i = 1u; i < KV_OCTET; i++) {
                known[i] = known[0];
            }
        }
        /* 1. Load */
        const kv_column x = kv_event_values(p, source, kv_event_row(p, store, first + t, head),
                                            channel, factors);
#pragma unroll
        for (kv_u32 i = 0u; i < KV_OCTET; i++) {
            codes[t][i] = kv_code_of(p, x.of[i], known[i]);
        }
    }
    kv_u32 word = kv_code_word(p.is_value, p.token + first, channel, p.dim, bits);
    kv_store_tile(codes, p.is_value, bits, p.dim / 4u,
                  &store[p.codes_offset + head * kv_code_words(p.capacity, p.dim, bits) + word]);
}

extern "C" __global__ void __launch_bounds__(KV_MAX_LANES)
kvant_encode(const kv_quantize_params p, const kv_u32 *__restrict__ source, kv_u32 *store)
{
    kv_u32 parts = p.dim / KV_OCTET;
    kv_u32 items = (p.tokens + KV_TILE - 1u) / KV_TILE * p.heads * parts;
    for (kv_u32 item = kv_first_item(); item < items; item += kv_item_stride()) {
        kv_encode_tile(p, source, store, item / parts % p.heads,
                       item / parts / p.heads * KV_TILE, item % parts * KV_OCTET);
    }
}
