/* SPDX-License-Identifier: MIT
 *
 * encode: the codes of a compression event, from the stored parameters, packed into words. One item
 * is one word; layout.h says which tokens and channels it holds. Tokens past the event's end, up to
 * the next multiple of 4, get code 0.
 */
#include "quantize.cuh"

/* A parameter word and what follows from it: neighbouring codes mostly share one. */
struct kv_known_parameters {
    kv_u32 word;
    kv_f32 minimum;
    kv_f32 inverse;
};

/* The code of one value, from the parameters that are stored for its group. */
KV_FN kv_u32 kv_code_of(const kv_quantize_params &p, const kv_u32 *source, const kv_u32 *store,
                        kv_u32 token, kv_u32 head, kv_u32 channel, kv_known_parameters &known)
{
    /* 1. Load */
    kv_f32 x = kv_event_value(p, source, store, kv_event_row(p, store, token, head), head, channel);
    /* 2. Parameters */
    kv_u32 word = store[p.params_offset + kv_group_index(p.grouping, p.group_length, p.capacity,
                                                         p.dim, head, p.token + token, channel)];
    if (word != known.word) {
        known.word = word;
        known.minimum = kv_param_minimum(word, 0u);
        known.inverse = kv_inverse_scale(kv_param_scale(word));
    }
    /* 3. Code */
    if (p.codec == KV_CODEC_INT8_SYMMETRIC) {
        return kv_symmetric_code(x, known.inverse);
    }
    return kv_asymmetric_code(x, known.minimum, known.inverse, kv_qmax(kv_codec_bits(p.codec)));
}

/* The word whose first code is (token, channel) of the event. */
KV_FN kv_u32 kv_encode_word(const kv_quantize_params &p, const kv_u32 *source, const kv_u32 *store,
                            kv_u32 token, kv_u32 head, kv_u32 channel)
{
    kv_u32 bits = kv_codec_bits(p.codec);
    kv_u32 tokens = kv_min_u32(p.is_value != 0u ? 4u : kv_fields(bits),
                               token < p.tokens ? p.tokens - token : 0u);
    kv_u32 channels = p.is_value != 0u ? kv_fields(bits) : 4u;
    kv_u32 is_channelwise = kv_is_channelwise(p.grouping);
    kv_known_parameters known = {0u, 0.0f, 0.0f}; /* the word 0: a degenerate group */

    kv_u32 word = 0u;
    for (kv_u32 i = 0u; i < tokens * channels; i++) {
        /* codes that share parameters follow each other */
        kv_u32 t = token + (is_channelwise != 0u ? i % tokens : i / channels);
        kv_u32 c = channel + (is_channelwise != 0u ? i / tokens : i % channels);
        kv_u32 code = kv_code_of(p, source, store, t, head, c, known);
        word |= code << (p.is_value != 0u ? kv_v_shift(t, c, bits) : kv_k_shift(t, c, bits));
    }
    return word;
}

extern "C" __global__ void __launch_bounds__(KV_MAX_LANES)
kvant_encode(const kv_quantize_params p, const kv_u32 *__restrict__ source, kv_u32 *store)
{
    kv_u32 bits = kv_codec_bits(p.codec);
    kv_u32 tokens_per_word = p.is_value != 0u ? 4u : kv_fields(bits);
    kv_u32 channels_per_word = p.is_value != 0u ? kv_fields(bits) : 4u;
    kv_u32 rows = (p.tokens + 3u) / 4u * 4u / tokens_per_word;
    kv_u32 columns = p.dim / channels_per_word;
    kv_u32 head_words = kv_code_words(p.capacity, p.dim, bits);

    for (kv_u32 item = kv_first_item(); item < p.heads * rows * columns;
         item += kv_item_stride()) {
        kv_u32 channel = item % columns * channels_per_word;
        kv_u32 token = item / columns % rows * tokens_per_word;
        kv_u32 head = item / columns / rows;
        kv_u32 word = kv_encode_word(p, source, store, token, head, channel);
        /* 4. Store */
        kv_u32 at = p.is_value != 0u ? kv_v_word(p.token + token, channel, p.dim, bits)
                                     : kv_k_word(p.token + token, channel, p.dim, bits);
        store[p.codes_offset + head * head_words + at] = word;
    }
}
