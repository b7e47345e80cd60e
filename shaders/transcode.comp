#version 450
#extension GL_GOOGLE_include_directive : require
/* SPDX-License-Identifier: MIT
 *
 * transcode: codes and parameters of one tensor of the tokens that a class has now, from where they
 * were. What a class has no bits for is dropped from the codes, and the parameters are nested ones;
 * where it has as many or more, codes and parameters stay as they are. Tokens past the end, up to
 * the next multiple of 4, get code 0 and parameters 0. One item is one word of codes, or of
 * parameters.
 */
#include "kernel.glsl"

KV_BINDING(0, readonly, source);
KV_BINDING(1, , store);
KV_PARAMS(kv_transcode_params);

/* Where the token of a slot was; KV_NO_OFFSET: it holds none. */
kv_u32 place_of(kv_u32 head, kv_u32 token)
{
    /* 1. Place */
    if (token >= p.tokens) {
        return KV_NO_OFFSET;
    }
    kv_u32 map = p.positions_head != 0u ? head : 0u;
    kv_u32 position = store[p.positions_offset + map * p.positions_head + token];
    return store[p.places_offset + map * p.places_head + (position - p.base)];
}

/* Bits that the codes of a place lose. */
kv_u32 dropped_bits(kv_u32 place)
{
    kv_u32 before = kv_codec_bits(p.codecs[KV_PLACE_LOWEST(place)]);
    kv_u32 now = kv_codec_bits(p.codecs[p.token_class]);
    return before > now ? before - now : 0u;
}

kv_u32 moved_code(kv_u32 place, kv_u32 head, kv_u32 channel)
{
    /* 2. Code */
    kv_u32 from = KV_PLACE_CLASS(place);
    kv_u32 slot = KV_PLACE_SLOT(place);
    kv_u32 bits = kv_codec_bits(p.codecs[from]);
    kv_u32 at = p.codes_offsets[from] + head * kv_code_words(p.capacities[from], p.dim, bits) +
                kv_code_word(p.is_value, slot, channel, p.dim, bits);
    kv_u32 code = source[at + p.moved] >> kv_code_shift(p.is_value, slot, channel, bits);
    return (code & ((1u << bits) - 1u)) >> dropped_bits(place);
}

kv_u32 word_of_codes(kv_u32 head, kv_u32 word)
{
    kv_u32 bits = kv_codec_bits(p.codecs[p.token_class]);
    kv_u32 tokens = p.is_value != 0u ? 4u : kv_fields(bits);
    kv_u32 channels = p.is_value != 0u ? kv_fields(bits) : 4u;
    kv_u32 first = word / (p.dim / channels) * tokens;
    kv_u32 channel = word % (p.dim / channels) * channels;
    kv_u32 codes = 0u;
    for (kv_u32 i = 0u; i < tokens; i++) {
        kv_u32 place = place_of(head, first + i);
        for (kv_u32 j = 0u; j < channels && place != KV_NO_OFFSET; j++) {
            kv_u32 shift = kv_code_shift(p.is_value, first + i, channel + j, bits);
            codes |= moved_code(place, head, channel + j) << shift;
        }
    }
    return codes;
}

kv_u32 word_of_params(kv_u32 head, kv_u32 token, kv_u32 channel)
{
    kv_u32 place = place_of(head, token);
    if (place == KV_NO_OFFSET) {
        return 0u;
    }
    /* 3. Parameters */
    kv_u32 from = KV_PLACE_CLASS(place);
    kv_u32 word = source[p.params_offsets[from] + p.moved +
                         kv_group_index(p.grouping, p.group_length, p.capacities[from], p.dim,
                                        head, KV_PLACE_SLOT(place), channel)];
    kv_u32 bits = dropped_bits(place);
    return bits != 0u ? kv_demoted_param(word, bits) : word;
}

void main()
{
    kv_u32 capacity = p.capacities[p.token_class];
    kv_u32 bits = kv_codec_bits(p.codecs[p.token_class]);
    kv_u32 tokens = (p.tokens + 3u) / 4u * 4u;
    kv_u32 words = kv_code_words(tokens, p.dim, bits);
    kv_u32 along =
        p.grouping == KV_GROUP_TOKEN_CHANNELS ? kv_groups_along(p.dim, p.group_length) : 1u;
    kv_u32 lists = p.grouping == KV_GROUP_TOKEN ? 1u : p.heads;
    KV_FOR_ITEMS(item, p.heads * words + lists * tokens * along)
    {
        /* 4. Store */
        if (item < p.heads * words) {
            kv_u32 head = item / words;
            kv_u32 at = head * kv_code_words(capacity, p.dim, bits) + item % words;
            store[p.codes_offsets[p.token_class] + at] = word_of_codes(head, item % words);
            continue;
        }
        kv_u32 group = item - p.heads * words;
        kv_u32 channel = group % along * p.group_length;
        kv_u32 token = group / along % tokens;
        kv_u32 head = group / along / tokens;
        kv_u32 at =
            kv_group_index(p.grouping, p.group_length, capacity, p.dim, head, token, channel);
        store[p.params_offsets[p.token_class] + at] = word_of_params(head, token, channel);
    }
}
