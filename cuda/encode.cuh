/* SPDX-License-Identifier: MIT
 *
 * What encode and encode_codebook share. They differ in the code of a value:
 * CODES::code_of(how, p, x, known); and CODES::HAS_PLANES says whether codes may lie in planes.
 *
 * Groups along a channel: a lane takes 8 channels of a group, or of a tile of 4 tokens. Groups along a
 * token: the lanes of a block take a tile of 4 tokens of some heads, 8 channels each.
 */
#ifndef KVANT_CUDA_ENCODE_CUH
#define KVANT_CUDA_ENCODE_CUH

#include "quantize.cuh"

#define KV_TILE 4u

#define KV_SLOTS KV_MAX_LANES

/* Extrema of 4 tokens in 8 channels, and the words of parameters of 4 tokens of a group. */
struct kv_encode_shared {
    kv_u32 low[KV_SLOTS][KV_TILE];
    kv_u32 high[KV_SLOTS][KV_TILE];
    kv_u32 words[KV_SLOTS][KV_TILE];
};

/* 2. Parameters, from the extrema of a group */
KV_FN kv_u32 kv_param_of(const kv_quantize_params &p, const kv_extrema &extrema)
{
    return kv_group_param(p.codec,
                          kv_from_sortable(extrema.low), kv_from_sortable(extrema.high));
}

/* A parameter word, and what follows from it. */
struct kv_known_parameters {
    kv_f32 minimum;
    kv_f32 inverse;
};

KV_FN kv_known_parameters kv_known_of(const kv_quantize_params &p, kv_u32 word)
{
    kv_known_parameters known;
    known.minimum =
        kv_codec_is_symmetric(p.codec) != 0u ? 0.0f : kv_param_minimum(word, 0u);
    known.inverse = kv_quick_inverse_scale(kv_param_scale(word));
    return known;
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

/* 4. Store a tile of codes in planes, whose first token and channel in the head are these. */
KV_FN void kv_store_planes(const kv_u32 (*codes)[KV_OCTET], kv_u32 is_value, kv_u32 bits,
                           kv_u32 token, kv_u32 channel, kv_u32 dim, kv_u32 *head_codes)
{
    kv_u32 two[2] = {0u, 0u};
    kv_u32 one = 0u;
#pragma unroll
    for (kv_u32 n = 0u; n < KV_TILE * KV_OCTET; n++) {
        kv_u32 t = n / KV_OCTET;
        kv_u32 i = n % KV_OCTET;
        two[i / 4u] |= (codes[t][i] & 3u) << kv_code_shift(is_value, t, i, 2u);
        one |= (codes[t][i] >> (bits - 1u)) << kv_one_shift(is_value, t, i);
    }
    if (bits == 3u) {
        head_codes[kv_two_word(token, channel, dim, bits)] = two[0];
        head_codes[kv_two_word(token, channel + 4u, dim, bits)] = two[1];
    }
    head_codes[kv_one_word(token, channel, dim, bits)] = one;
}

/* The codes of 8 channels in the tile of tokens first .. first + 3 of the event, as far as there are.
 * `known` are the parameters of the channels, or where is_channelwise is 0 those of the tokens. */
template <class CODES>
KV_FN void kv_encode_tile(const CODES &how, const kv_quantize_params &p, const kv_u32 *source, kv_u32 *store,
                          kv_u32 head, kv_u32 first, kv_u32 channel, const kv_column &factors,
                          kv_u32 is_channelwise, const kv_known_parameters (&known)[KV_OCTET])
{
    kv_u32 bits = kv_codec_bits(p.codec);
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
        /* 1. Load */
        const kv_column x = kv_event_values(p, source, kv_event_row(p, store, first + t, head),
                                            channel, factors);
#pragma unroll
        for (kv_u32 i = 0u; i < KV_OCTET; i++) {
            codes[t][i] =
                CODES::code_of(how, p, x.of[i], is_channelwise != 0u ? known[i] : known[t]);
        }
    }
    kv_u32 *head_codes = &store[p.codes_offset + head * kv_code_words(p.capacity, p.dim, bits)];
    if (CODES::HAS_PLANES && kv_has_planes(bits) != 0u) {
        kv_store_planes(codes, p.is_value, bits, p.token + first, channel, p.dim, head_codes);
        return;
    }
    kv_store_tile(codes, p.is_value, bits, p.dim / 4u,
                  &head_codes[kv_code_word(p.is_value, p.token + first, channel, p.dim, bits)]);
}

/* ---- groups along a channel ---- */

/* 8 channels of the tokens first .. past - 1 of the event. */
template <class CODES>
KV_FN void kv_encode_channels(const CODES &how, const kv_quantize_params &p, const kv_u32 *source, kv_u32 *store,
                              kv_u32 head, kv_u32 first, kv_u32 past, kv_u32 channel)
{
    kv_u32 *params =
        &store[p.params_offset + kv_group_index(p.grouping, p.group_length, p.capacity, p.dim, head,
                                                p.token + first, channel)];
    const kv_column factors = kv_load_factors(p, store, head, channel);
    if (kv_groups_are_local(p.grouping) != 0u) {
        kv_extrema extrema[KV_OCTET];
        kv_run_extrema(p, source, store, head, channel, first, past, factors, extrema);
#pragma unroll
        for (kv_u32 i = 0u; i < KV_OCTET; i++) {
            params[i] = kv_param_of(p, extrema[i]);
        }
    }
    kv_known_parameters known[KV_OCTET];
#pragma unroll
    for (kv_u32 i = 0u; i < KV_OCTET; i++) {
        known[i] = kv_known_of(p, params[i]);
    }
    for (kv_u32 token = first; token < past; token += KV_TILE) {
        kv_encode_tile(how, p, source, store, head, token, channel, factors, 1u, known);
    }
}

/* ---- groups along a token ---- */

/* What the lanes of a block do together: up to 4 tokens of the event from `first` on, in some heads
 * from `head` on. An octet is 8 channels of one of the heads. */
struct kv_token_tile {
    kv_u32 first;
    kv_u32 head;
    kv_u32 octets;
    kv_u32 parts; /* octets of a head */
    kv_u32 along; /* groups of a head */
    kv_u32 span;  /* octets of a group, the last one of a head may have fewer */
};

/* The extrema of the tile's octets, a slot an octet; or, where all heads share a group, of what each
 * lane has read, a slot a lane. */
KV_FN void kv_octet_extrema(const kv_quantize_params &p, const kv_u32 *source, const kv_u32 *store,
                            const kv_token_tile &tile, kv_encode_shared &shared)
{
    kv_extrema extrema[KV_TILE];
    for (kv_u32 i = threadIdx.x; i < tile.octets; i += blockDim.x) {
        kv_u32 head = tile.head + i / tile.parts;
        kv_u32 channel = i % tile.parts * KV_OCTET;
        kv_u32 slot = p.grouping == KV_GROUP_TOKEN ? threadIdx.x : i;
        const kv_column factors = kv_load_factors(p, store, head, channel);
#pragma unroll
        for (kv_u32 t = 0u; t < KV_TILE; t++) {
            if (p.grouping != KV_GROUP_TOKEN) {
                extrema[t] = kv_extrema();
            }
            /* 1. Load */
            kv_u32 token = kv_min_u32(tile.first + t, p.tokens - 1u);
            const kv_column x =
                kv_event_values(p, source, kv_event_row(p, store, token, head), channel, factors);
#pragma unroll
            for (kv_u32 j = 0u; j < KV_OCTET; j++) {
                kv_take(extrema[t], x.of[j]);
            }
            shared.low[slot][t] = extrema[t].low;
            shared.high[slot][t] = extrema[t].high;
        }
    }
}

/* 2. Parameters of the tile's groups, from the extrema of their slots, to the store */
KV_FN void kv_token_parameters(const kv_quantize_params &p, const kv_token_tile &tile, kv_u32 *store,
                               kv_encode_shared &shared)
{
    bool is_shared = p.grouping == KV_GROUP_TOKEN;
    kv_u32 groups = is_shared ? 1u : tile.octets / tile.parts * tile.along;
    for (kv_u32 i = threadIdx.x; i < groups * KV_TILE; i += blockDim.x) {
        kv_u32 group = i / KV_TILE;
        kv_u32 t = i % KV_TILE;
        kv_u32 head = group / tile.along;
        kv_u32 begin = head * tile.parts + group % tile.along * tile.span;
        kv_u32 end = is_shared ? kv_min_u32(tile.octets, blockDim.x)
                               : kv_min_u32(begin + tile.span, head * tile.parts + tile.parts);
        kv_extrema extrema;
        for (kv_u32 slot = begin; slot < end; slot++) {
            kv_extrema other;
            other.low = shared.low[slot][t];
            other.high = shared.high[slot][t];
            kv_join(extrema, other);
        }
        kv_u32 word = tile.first + t < p.tokens ? kv_param_of(p, extrema) : 0u;
        shared.words[group][t] = word;
        store[p.params_offset + kv_group_index(p.grouping, p.group_length, p.capacity, p.dim,
                                               tile.head + head, p.token + tile.first + t,
                                               group % tile.along * p.group_length)] = word;
    }
}

template <class CODES>
KV_FN void kv_encode_octets(const CODES &how, const kv_quantize_params &p, const kv_u32 *source,
                            const kv_token_tile &tile, const kv_encode_shared &shared, kv_u32 *store)
{
    for (kv_u32 i = threadIdx.x; i < tile.octets; i += blockDim.x) {
        kv_u32 head = tile.head + i / tile.parts;
        kv_u32 channel = i % tile.parts * KV_OCTET;
        kv_u32 group = p.grouping == KV_GROUP_TOKEN
                           ? 0u
                           : i / tile.parts * tile.along + i % tile.parts / tile.span;
        kv_known_parameters known[KV_OCTET] = {};
#pragma unroll
        for (kv_u32 t = 0u; t < KV_TILE; t++) {
            known[t] = kv_known_of(p, shared.words[group][t]);
        }
        kv_encode_tile(how, p, source, store, head, tile.first, channel,
                       kv_load_factors(p, store, head, channel), 0u, known);
    }
}

template <class CODES>
KV_FN void kv_encode_tokens(const CODES &how, const kv_quantize_params &p, const kv_u32 *source, kv_u32 *store,
                            kv_encode_shared &shared)
{
    kv_token_tile tile;
    tile.parts = p.dim / KV_OCTET;
    tile.span =
        p.grouping == KV_GROUP_TOKEN_CHANNELS ? p.group_length / KV_OCTET : tile.parts;
    tile.along = kv_groups_along(tile.parts, tile.span);
    kv_u32 heads = p.grouping == KV_GROUP_TOKEN ? p.heads : KV_TILE_HEADS(blockDim.x, tile.parts);
    kv_u32 tiles = (p.heads + heads - 1u) / heads; /* of the same tokens */
    for (kv_u32 i = blockIdx.x; i < (p.tokens + KV_TILE - 1u) / KV_TILE * tiles; i += gridDim.x) {
        tile.first = i / tiles * KV_TILE;
        tile.head = i % tiles * heads;
        tile.octets = kv_min_u32(p.heads - tile.head, heads) * tile.parts;
        kv_octet_extrema(p, source, store, tile, shared);
        __syncthreads();
        kv_token_parameters(p, tile, store, shared);
        __syncthreads();
        kv_encode_octets(how, p, source, tile, shared, store);
        __syncthreads();
    }
}

template <class CODES>
KV_FN void kv_encode_event(const CODES &how, const kv_quantize_params &p, const kv_u32 *source,
                           kv_u32 *store, kv_encode_shared &shared)
{
    if (kv_is_channelwise(p.grouping) == 0u) {
        kv_encode_tokens(how, p, source, store, shared);
        return;
    }
    kv_u32 parts = p.dim / KV_OCTET;
    kv_u32 length = kv_groups_are_local(p.grouping) != 0u ? p.group_length : KV_TILE;
    kv_u32 items = (p.tokens + length - 1u) / length * p.heads * parts;
    for (kv_u32 item = kv_first_item(); item < items; item += kv_item_stride()) {
        kv_u32 first = item / parts / p.heads * length;
        kv_encode_channels(how, p, source, store, item / parts % p.heads, first,
                           kv_min_u32(first + length, p.tokens), item % parts * KV_OCTET);
    }
}

#endif
