/* SPDX-License-Identifier: MIT
 *
 * transcode: codes and parameters of one tensor of the tokens that a class has now, from where they
 * were. What a class has no bits for is dropped from the codes, and the parameters are nested ones;
 * where it has as many or more, codes and parameters stay as they are. Tokens past the end, up to
 * the next multiple of 4, get code 0 and parameters 0. One item is one word of codes, or of
 * parameters.
 */
#include "kernel.cuh"

/* Where the token of a slot was; KV_NO_OFFSET: it holds none. */
KV_FN kv_u32 kv_place_of(const kv_transcode_params &p, const kv_u32 *store, kv_u32 head,
                         kv_u32 token)
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
KV_FN kv_u32 kv_dropped_bits(const kv_transcode_params &p, kv_u32 place)
{
    kv_u32 before = kv_codec_bits(p.codecs[KV_PLACE_LOWEST(place)]);
    kv_u32 now = kv_codec_bits(p.codecs[p.token_class]);
    return before > now ? before - now : 0u;
}

KV_FN kv_u32 kv_moved_code(const kv_transcode_params &p, const kv_u32 *source, kv_u32 place,
                           kv_u32 head, kv_u32 channel)
{
    /* 2. Code */
    kv_u32 from = KV_PLACE_CLASS(place);
    kv_u32 slot = KV_PLACE_SLOT(place);
    kv_u32 bits = kv_codec_bits(p.codecs[from]);
    kv_u32 at = p.codes_offsets[from] + head * kv_code_words(p.capacities[from], p.dim, bits) +
                kv_code_word(p.is_value, slot, channel, p.dim, bits);
    kv_u32 code = source[at + p.moved] >> kv_code_shift(p.is_value, slot, channel, bits);
    return (code & ((1u << bits) - 1u)) >> kv_dropped_bits(p, place);
}

KV_FN kv_u32 kv_word_of_codes(const kv_transcode_params &p, const kv_u32 *source,
                              const kv_u32 *store, kv_u32 head, kv_u32 word)
{
    kv_u32 bits = kv_codec_bits(p.codecs[p.token_class]);
    kv_u32 tokens = p.is_value != 0u ? 4u : kv_fields(bits);
    kv_u32 channels = p.is_value != 0u ? kv_fields(bits) : 4u;
    kv_u32 first = word / (p.dim / channels) * tokens;
    kv_u32 channel = word % (p.dim / channels) * channels;
    kv_u32 codes = 0u;
    for (kv_u32 i = 0u; i < tokens; i++) {
        kv_u32 place = kv_place_of(p, store, head, first + i);
        for (kv_u32 j = 0u; j < channels && place != KV_NO_OFFSET; j++) {
            kv_u32 shift = kv_code_shift(p.is_value, first + i, channel + j, bits);
            codes |= kv_moved_code(p, source, place, head, channel + j) << shift;
        }
    }
    return codes;
}

KV_FN kv_u32 kv_word_of_params(const kv_transcode_params &p, const kv_u32 *source,
                               const kv_u32 *store, kv_u32 head, kv_u32 token, kv_u32 channel)
{
    kv_u32 place = kv_place_of(p, store, head, token);
    if (place == KV_NO_OFFSET) {
        return 0u;
    }
    /* 3. Parameters */
    kv_u32 from = KV_PLACE_CLASS(place);
    kv_u32 word = source[p.params_offsets[from] + p.moved +
                         kv_group_index(p.grouping, p.group_length, p.capacities[from], p.dim,
                                        head, KV_PLACE_SLOT(place), channel)];
    kv_u32 bits = kv_dropped_bits(p, place);
    return bits != 0u ? kv_demoted_param(word, bits) : word;
}

extern "C" __global__ void __launch_bounds__(KV_MAX_LANES)
kvant_transcode(const kv_transcode_params p, const kv_u32 *source, kv_u32 *store)
{
    kv_u32 capacity = p.capacities[p.token_class];
    kv_u32 bits = kv_codec_bits(p.codecs[p.token_class]);
    kv_u32 tokens = (p.tokens + 3u) / 4u * 4u;
    kv_u32 words = kv_code_words(tokens, p.dim, bits);
    kv_u32 along =
        p.grouping == KV_GROUP_TOKEN_CHANNELS ? kv_groups_along(p.dim, p.group_length) : 1u;
    kv_u32 lists = p.grouping == KV_GROUP_TOKEN ? 1u : p.heads;
    kv_u32 items = p.heads * words + lists * tokens * along;
    for (kv_u32 item = kv_first_item(); item < items; item += kv_item_stride()) {
        /* 4. Store */
        if (item < p.heads * words) {
            kv_u32 head = item / words;
            kv_u32 at = head * kv_code_words(capacity, p.dim, bits) + item % words;
            store[p.codes_offsets[p.token_class] + at] =
                kv_word_of_codes(p, source, store, head, item % words);
            continue;
        }
        kv_u32 group = item - p.heads * words;
        kv_u32 channel = group % along * p.group_length;
        kv_u32 token = group / along % tokens;
        kv_u32 head = group / along / tokens;
        kv_u32 at =
            kv_group_index(p.grouping, p.group_length, capacity, p.dim, head, token, channel);
        store[p.params_offsets[p.token_class] + at] =
            kv_word_of_params(p, source, store, head, token, channel);
    }
}
