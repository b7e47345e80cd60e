/* SPDX-License-Identifier: MIT
 *
 * Part of encode.comp and encode_codebook.comp, which have the bindings. With KV_CODEBOOKS defined a
 * code is that of the level nearest to the value.
 *
 * Groups along a channel: a lane takes 8 channels of a group, or of a block of tokens. Groups along a
 * token: a lane of a CPU takes a tile of 4 tokens of all heads that share a group; on a GPU the lanes
 * of a work-group take a tile of some heads, 8 channels each.
 */
#include "quantize.glsl"

#define TILE 4u
const kv_u32 BLOCK = KV_BLOCK_TOKENS(KV_LANES);

/* Numbers of 8 channels of a tile of tokens. */
struct codes_of_tile {
    uvec4 even[TILE]; /* channels 0, 2, 4, 6 */
    uvec4 odd[TILE];
};

const kv_f32 NO_LOWEST = 3.0e38f; /* above all values */

/* Extrema of 4 tokens in 8 channels, and the words of parameters of 4 tokens of a group. */
const kv_u32 SLOTS = KV_LANES > 32u ? KV_LANES : 32u;
shared kv_f32 lows[TILE * SLOTS];
shared kv_f32 highs[TILE * SLOTS];
shared kv_u32 token_words[TILE * SLOTS];

/* 2. Parameters, from the extrema of a group */
kv_u32 param_of(kv_f32 low, kv_f32 high)
{
    return kv_group_param(p.codec, low, high);
}

#ifdef KV_CODEBOOKS
kv_f32 thresholds[15]; /* between the levels of the codebook */
kv_u32 ties;

void load_thresholds()
{
    uvec4 words;
    for (kv_u32 i = 0u; i < KV_CODEBOOK_WORDS; i++) {
        words[i] = kv_codec_is_learned(p.codec) != 0u ? store[p.levels_offset + i]
                                                      : kv_codebook_word(p.codec, i);
    }
    ties = kv_level_ties(p.codec);
    for (kv_u32 i = 0u; i < 15u; i++) {
        thresholds[i] =
            kv_level_threshold(p.codec, kv_level(words.x, words.y, words.z, words.w, i),
                               kv_level(words.x, words.y, words.z, words.w, i + 1u));
    }
}

/* 3. Code: kv_level_code, of codes up to `highest` */
uvec4 codes_of(vec4 x, vec4 minima, vec4 inverses, kv_f32 lowest, kv_f32 highest, kv_i32 bias)
{
    KV_EXACT vec4 y = x - minima;
    y = y * inverses;
    uvec4 codes = uvec4(0u);
    for (kv_u32 i = 0u; i < KV_U32(KV_I32(highest)); i++) {
        vec4 threshold = vec4(thresholds[i]);
        codes += uvec4(greaterThan(y, threshold));
        codes += uvec4(equal(y, threshold)) * ((ties >> i) & 1u);
    }
    return codes;
}
#else
/* 3. Code: kv_asymmetric_code, or with `lowest` -127 kv_symmetric_code */
uvec4 codes_of(vec4 x, vec4 minima, vec4 inverses, kv_f32 lowest, kv_f32 highest, kv_i32 bias)
{
    KV_EXACT vec4 y = x - minima;
    y = y * inverses;
    vec4 q = clamp(roundEven(y), vec4(lowest), vec4(highest));
    return uvec4(ivec4(q) + bias);
}
#endif

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

#ifdef KV_CODEBOOKS
/* 4. Store a tile of codes in planes, whose first token and channel in the head at `codes_at` are these. */
void store_planes(codes_of_tile codes, kv_u32 bits, kv_u32 token, kv_u32 channel, kv_u32 codes_at)
{
    kv_u32 two[2] = kv_u32[2](0u, 0u);
    kv_u32 one = 0u;
    for (kv_u32 t = 0u; t < TILE; t++) {
        for (kv_u32 i = 0u; i < KV_COLUMN; i++) {
            kv_u32 code = (i & 1u) != 0u ? codes.odd[t][i / 2u] : codes.even[t][i / 2u];
            two[i / 4u] |= (code & 3u) << kv_code_shift(p.is_value, t, i, 2u);
            one |= (code >> (bits - 1u)) << kv_one_shift(p.is_value, t, i);
        }
    }
    if (bits == 3u) {
        store[codes_at + kv_two_word(token, channel, p.dim, bits)] = two[0];
        store[codes_at + kv_two_word(token, channel + 4u, p.dim, bits)] = two[1];
    }
    store[codes_at + kv_one_word(token, channel, p.dim, bits)] = one;
}
#endif

/* The codes of 8 channels in a tile of up to 4 tokens of the event. */
void encode_tile(kv_u32 is_plain, kv_u32 head, kv_u32 first, kv_u32 channel, kv_u32 tokens,
                 kv_column factors, kv_column minima[TILE], kv_column inverses[TILE])
{
    kv_u32 bits = kv_codec_bits(p.codec);
    bool is_symmetric = p.codec == KV_CODEC_INT8_SYMMETRIC;
    kv_f32 lowest = is_symmetric ? -127.0f : 0.0f;
    kv_f32 highest = is_symmetric ? 127.0f : kv_qmax(bits);
    kv_i32 bias = is_symmetric ? 128 : 0;
    codes_of_tile codes;
    for (kv_u32 t = 0u; t < TILE; t++) {
        /* 1. Load */
        kv_u32 row = kv_event_row(first + kv_min_u32(t, tokens - 1u), head);
        kv_column x = kv_event_values(is_plain, row, channel, factors);
        uvec4 even = codes_of(x.even, minima[t].even, inverses[t].even, lowest, highest, bias);
        uvec4 odd = codes_of(x.odd, minima[t].odd, inverses[t].odd, lowest, highest, bias);
        codes.even[t] = t < tokens ? even : uvec4(0u);
        codes.odd[t] = t < tokens ? odd : uvec4(0u);
    }
    kv_u32 codes_at = p.codes_offset + head * kv_code_words(p.capacity, p.dim, bits);
#ifdef KV_CODEBOOKS
    if (kv_has_planes(bits) != 0u) {
        store_planes(codes, bits, p.token + first, channel, codes_at);
        return;
    }
#endif
    store_tile(codes, bits,
               codes_at + kv_code_word(p.is_value, p.token + first, channel, p.dim, bits));
}

/* ---- groups along a channel ---- */

/* 2. Parameters of 8 channels: from the extrema of their groups, to the store; or from the store */
void channel_parameters(kv_u32 is_plain, kv_u32 head, kv_u32 first, kv_u32 channel, kv_u32 tokens,
                        kv_column factors, out kv_column minima, out kv_column inverses)
{
    kv_u32 at = p.params_offset + kv_group_index(p.grouping, p.group_length, p.capacity, p.dim,
                                                 head, p.token + first, channel);
    if (kv_groups_are_local(p.grouping) != 0u) {
        kv_column low = kv_no_lowest();
        kv_column high = kv_no_highest();
        for (kv_u32 t = 0u; t < tokens; t++) {
            /* 1. Load */
            kv_take(kv_event_values(is_plain, kv_event_row(first + t, head), channel, factors), low,
                    high);
        }
        for (kv_u32 i = 0u; i < 4u; i++) {
            store[at + 2u * i] = param_of(low.even[i], high.even[i]);
            store[at + 2u * i + 1u] = param_of(low.odd[i], high.odd[i]);
        }
    }
    uvec4 even = uvec4(store[at], store[at + 2u], store[at + 4u], store[at + 6u]);
    uvec4 odd = uvec4(store[at + 1u], store[at + 3u], store[at + 5u], store[at + 7u]);
    bool is_symmetric = kv_codec_is_symmetric(p.codec) != 0u;
    minima.even = is_symmetric ? vec4(0.0f) : kv_halves_to_floats(even >> 16);
    minima.odd = is_symmetric ? vec4(0.0f) : kv_halves_to_floats(odd >> 16);
    inverses.even = kv_inverse_scales(kv_halves_to_floats(even & 0xffffu));
    inverses.odd = kv_inverse_scales(kv_halves_to_floats(odd & 0xffffu));
}

void encode_channels(kv_u32 is_plain, kv_u32 head, kv_u32 first, kv_u32 channel, kv_u32 tokens)
{
    kv_column factors = kv_load_factors(head, channel);
    kv_column minima[TILE];
    kv_column inverses[TILE];
    channel_parameters(is_plain, head, first, channel, tokens, factors, minima[0], inverses[0]);
    minima[1] = minima[2] = minima[3] = minima[0];
    inverses[1] = inverses[2] = inverses[3] = inverses[0];
    for (kv_u32 t = 0u; t < tokens; t += TILE) {
        encode_tile(is_plain, head, first + t, channel, kv_min_u32(tokens - t, TILE), factors,
                    minima, inverses);
    }
}

/* ---- groups along a token ---- */

/* Up to 4 tokens of the event from `first` on, in some heads from `head` on. An octet is 8 channels of
 * one of the heads. */
struct kv_token_tile {
    kv_u32 first;
    kv_u32 tokens;
    kv_u32 head;
    kv_u32 octets;
    kv_u32 along; /* groups of a head */
    kv_u32 span;  /* octets of a group, the last one of a head may have fewer */
};

/* The extrema of 8 channels of the tile's tokens, joined with what is known of the tokens. */
void take_octet(kv_u32 is_plain, kv_token_tile tile, kv_u32 head, kv_u32 channel, kv_column factors,
                inout vec4 low, inout vec4 high)
{
    for (kv_u32 t = 0u; t < TILE; t++) {
        /* 1. Load */
        kv_u32 row = kv_event_row(tile.first + kv_min_u32(t, tile.tokens - 1u), head);
        kv_column x = kv_event_values(is_plain, row, channel, factors);
        vec4 four = min(x.even, x.odd);
        low[t] = min(low[t], min(min(four.x, four.y), min(four.z, four.w)));
        four = max(x.even, x.odd);
        high[t] = max(high[t], max(max(four.x, four.y), max(four.z, four.w)));
    }
}

/* The words of one token's group to the store. */
void store_token_word(kv_token_tile tile, kv_u32 head, kv_u32 t, kv_u32 group, kv_u32 word)
{
    store[p.params_offset + kv_group_index(p.grouping, p.group_length, p.capacity, p.dim, head,
                                           p.token + tile.first + t, group * p.group_length)] = word;
}

/* What follows from the words of a tile's tokens: 2. Parameters */
struct kv_token_numbers {
    vec4 minima;
    vec4 inverses;
};

kv_token_numbers token_numbers(uvec4 words)
{
    kv_token_numbers numbers;
    numbers.minima =
        kv_codec_is_symmetric(p.codec) != 0u ? vec4(0.0f) : kv_halves_to_floats(words >> 16);
    numbers.inverses = kv_inverse_scales(kv_halves_to_floats(words & 0xffffu));
    return numbers;
}

/* The codes of 8 channels of a tile. */
void encode_octet(kv_u32 is_plain, kv_token_tile tile, kv_u32 head, kv_u32 channel, kv_column factors,
                  kv_token_numbers numbers)
{
    kv_column minima[TILE];
    kv_column inverses[TILE];
    for (kv_u32 t = 0u; t < TILE; t++) {
        minima[t].even = minima[t].odd = vec4(numbers.minima[t]);
        inverses[t].even = inverses[t].odd = vec4(numbers.inverses[t]);
    }
    encode_tile(is_plain, head, tile.first, channel, tile.tokens, factors, minima, inverses);
}

/* One lane alone: group after group of the tile. */
void encode_alone(kv_u32 is_plain, kv_token_tile tile)
{
    kv_u32 parts = p.dim / KV_COLUMN;
    kv_u32 heads = tile.octets / parts;
    for (kv_u32 group = 0u; group < tile.along; group++) {
        kv_u32 begin = group * tile.span;
        kv_u32 count = kv_min_u32(tile.span, parts - begin);
        vec4 low = vec4(NO_LOWEST);
        vec4 high = vec4(-NO_LOWEST);
        for (kv_u32 i = 0u; i < heads * count; i++) {
            kv_u32 head = tile.head + i / count;
            kv_u32 channel = (begin + i % count) * KV_COLUMN;
            take_octet(is_plain, tile, head, channel, kv_load_factors(head, channel), low, high);
        }
        uvec4 words = uvec4(0u);
        for (kv_u32 t = 0u; t < TILE; t++) {
            words[t] = t < tile.tokens ? param_of(low[t], high[t]) : 0u;
            store_token_word(tile, tile.head, t, group, words[t]);
        }
        kv_token_numbers numbers = token_numbers(words);
        for (kv_u32 i = 0u; i < heads * count; i++) {
            kv_u32 head = tile.head + i / count;
            kv_u32 channel = (begin + i % count) * KV_COLUMN;
            encode_octet(is_plain, tile, head, channel, kv_load_factors(head, channel), numbers);
        }
    }
}

/* The extrema of the tile's octets, a slot an octet; or, where all heads share a group, of what each
 * lane has read, a slot a lane. */
void octet_extrema(kv_u32 is_plain, kv_token_tile tile)
{
    kv_u32 parts = p.dim / KV_COLUMN;
    vec4 low = vec4(NO_LOWEST);
    vec4 high = vec4(-NO_LOWEST);
    KV_FOR_LANES(i, tile.octets)
    {
        kv_u32 head = tile.head + i / parts;
        kv_u32 channel = i % parts * KV_COLUMN;
        kv_u32 slot = i;
        if (p.grouping == KV_GROUP_TOKEN) {
            slot = KV_LANE;
        } else {
            low = vec4(NO_LOWEST);
            high = vec4(-NO_LOWEST);
        }
        take_octet(is_plain, tile, head, channel, kv_load_factors(head, channel), low, high);
        for (kv_u32 t = 0u; t < TILE; t++) {
            lows[slot * TILE + t] = low[t];
            highs[slot * TILE + t] = high[t];
        }
    }
}

/* 2. Parameters of the tile's groups, from the extrema of their slots, to the store */
void token_parameters(kv_token_tile tile)
{
    kv_u32 parts = p.dim / KV_COLUMN;
    bool is_shared = p.grouping == KV_GROUP_TOKEN;
    kv_u32 groups = is_shared ? 1u : tile.octets / parts * tile.along;
    KV_FOR_LANES(i, groups * TILE)
    {
        kv_u32 group = i / TILE;
        kv_u32 t = i % TILE;
        kv_u32 head = group / tile.along;
        kv_u32 begin = head * parts + group % tile.along * tile.span;
        kv_u32 end = is_shared ? kv_min_u32(tile.octets, KV_LANES)
                               : kv_min_u32(begin + tile.span, head * parts + parts);
        kv_f32 low = NO_LOWEST;
        kv_f32 high = -NO_LOWEST;
        for (kv_u32 slot = begin; slot < end; slot++) {
            low = min(low, lows[slot * TILE + t]);
            high = max(high, highs[slot * TILE + t]);
        }
        kv_u32 word = t < tile.tokens ? param_of(low, high) : 0u;
        token_words[group * TILE + t] = word;
        store_token_word(tile, tile.head + head, t, group % tile.along, word);
    }
}

void encode_octets(kv_u32 is_plain, kv_token_tile tile)
{
    kv_u32 parts = p.dim / KV_COLUMN;
    KV_FOR_LANES(i, tile.octets)
    {
        kv_u32 head = tile.head + i / parts;
        kv_u32 channel = i % parts * KV_COLUMN;
        kv_u32 at = (p.grouping == KV_GROUP_TOKEN
                         ? 0u
                         : i / parts * tile.along + i % parts / tile.span) * TILE;
        uvec4 words = uvec4(token_words[at], token_words[at + 1u], token_words[at + 2u],
                            token_words[at + 3u]);
        encode_octet(is_plain, tile, head, channel, kv_load_factors(head, channel),
                     token_numbers(words));
    }
}

/* Tile `i`, `heads` heads of 4 tokens. */
kv_token_tile tile_of(kv_u32 i, kv_u32 heads, kv_u32 columns)
{
    kv_u32 parts = p.dim / KV_COLUMN;
    kv_token_tile tile;
    tile.first = i / columns * TILE;
    tile.tokens = kv_min_u32(p.tokens - tile.first, TILE);
    tile.head = i % columns * heads;
    tile.octets = kv_min_u32(p.heads - tile.head, heads) * parts;
    tile.span = p.grouping == KV_GROUP_TOKEN_CHANNELS ? p.group_length / KV_COLUMN : parts;
    tile.along = kv_groups_along(parts, tile.span);
    return tile;
}

void encode_event()
{
    KV_TAKE_PARAMS();
#ifdef KV_CODEBOOKS
    load_thresholds();
#endif
    kv_u32 is_plain = kv_is_plain(p.source);
    kv_u32 parts = p.dim / KV_COLUMN;
    bool is_channelwise =
        KV_FORM == KV_FORM_ANY ? kv_is_channelwise(p.grouping) != 0u : KV_FORM == KV_FORM_PLAIN;
    if (is_channelwise) {
        kv_u32 length = kv_groups_are_local(p.grouping) != 0u ? p.group_length : BLOCK;
        KV_FOR_ITEMS(item, (p.tokens + length - 1u) / length * p.heads * parts)
        {
            kv_u32 first = item / parts / p.heads * length;
            encode_channels(is_plain, item / parts % p.heads, first, item % parts * KV_COLUMN,
                            kv_min_u32(p.tokens - first, length));
        }
        return;
    }
    kv_u32 heads = p.grouping == KV_GROUP_TOKEN ? p.heads : KV_TILE_HEADS(KV_LANES, parts);
    kv_u32 columns = (p.heads + heads - 1u) / heads; /* tiles of the same tokens */
    kv_u32 tiles = (p.tokens + TILE - 1u) / TILE * columns;
    if (kv_is_narrow) {
        KV_FOR_ITEMS(item, tiles)
        {
            encode_alone(is_plain, tile_of(item, heads, columns));
        }
        return;
    }
    for (kv_u32 i = gl_WorkGroupID.x; i < tiles; i += gl_NumWorkGroups.x) {
        kv_token_tile tile = tile_of(i, heads, columns);
        octet_extrema(is_plain, tile);
        barrier();
        token_parameters(tile);
        barrier();
        encode_octets(is_plain, tile);
        barrier();
    }
}
