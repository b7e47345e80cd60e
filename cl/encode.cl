/* SPDX-License-Identifier: MIT
 *
 * encode: the codes of a compression event, from the stored parameters, packed into words. One item
 * is one word; layout.h says which tokens and channels it holds. Tokens past the event's end, up to
 * the next multiple of 4, get code 0.
 */
#include "quantize.clh"

/* A group's parameters, ready for use. */
typedef struct {
    kv_u32 at; /* their word in the store */
    kv_f32 minimum;
    kv_f32 inverse;
} kv_group_values;

/* The code of one value, from the parameters that are stored for its group. */
KV_FN kv_u32 code_of(const kv_quantize_params *p, __global const kv_u32 *source,
                     __global const kv_u32 *store, kv_u32 token, kv_u32 head, kv_u32 channel,
                     kv_group_values *group)
{
    /* 1. Load */
    kv_f32 x = kv_event_value(p, source, store, token, head, channel);
    /* 2. Parameters, where they are not those of the value before */
    kv_u32 at = p->params_offset + kv_group_index(p->grouping, p->group_length, p->capacity,
                                                  p->dim, head, p->token + token, channel);
    if (at != group->at) {
        group->at = at;
        group->minimum = kv_param_minimum(store[at], 0u);
        group->inverse = kv_inverse_scale(kv_param_scale(store[at]));
    }
    /* 3. Code */
    if (p->codec == KV_CODEC_INT8_SYMMETRIC) {
        return kv_symmetric_code(x, group->inverse);
    }
    return kv_asymmetric_code(x, group->minimum, group->inverse, kv_qmax(kv_codec_bits(p->codec)));
}

KV_FN kv_u32 encode_word(const kv_quantize_params *p, __global const kv_u32 *source,
                         __global const kv_u32 *store, kv_u32 token, kv_u32 head, kv_u32 channel)
{
    kv_u32 bits = kv_codec_bits(p->codec);
    kv_u32 fields = kv_fields(bits);
    kv_u32 tokens = p->is_value != 0u ? 4u : fields;
    kv_u32 channels = p->is_value != 0u ? fields : 4u;
    /* values that share parameters follow each other */
    kv_u32 token_fastest = kv_is_channelwise(p->grouping);
    kv_group_values group = {KV_NO_OFFSET, 0.0f, 0.0f};
    kv_u32 word = 0u;
    for (kv_u32 n = 0u; n < tokens * channels; n++) {
        kv_u32 t = token + (token_fastest != 0u ? n % tokens : n / channels);
        kv_u32 c = channel + (token_fastest != 0u ? n / tokens : n % channels);
        if (t < p->tokens) {
            kv_u32 shift = p->is_value != 0u ? kv_v_shift(t, c, bits) : kv_k_shift(t, c, bits);
            word |= code_of(p, source, store, t, head, c, &group) << shift;
        }
    }
    return word;
}

KV_KERNEL void kvant_encode(const kv_quantize_params p, __global const kv_u32 *source,
                            __global kv_u32 *store)
{
    kv_u32 bits = kv_codec_bits(p.codec);
    kv_u32 fields = kv_fields(bits);
    kv_u32 tokens_per_word = p.is_value != 0u ? 4u : fields;
    kv_u32 channels_per_word = p.is_value != 0u ? fields : 4u;
    kv_u32 event_capacity = (p.tokens + 3u) / 4u * 4u;
    kv_u32 head_words = kv_code_words(p.capacity, p.dim, bits);
    kv_u32 event_words = kv_code_words(event_capacity, p.dim, bits);
    kv_u32 row_words = p.dim / channels_per_word;

    const kv_items items = kv_my_items(p.heads * event_words);
    for (kv_u32 item = items.begin; item < items.end; item += items.step) {
        kv_u32 head = item / event_words;
        kv_u32 token = item % event_words / row_words * tokens_per_word;
        kv_u32 channel = item % row_words * channels_per_word;
        kv_u32 word = encode_word(&p, source, store, token, head, channel);
        /* 4. Store */
        kv_u32 segment_token = p.token + token;
        kv_u32 at = p.is_value != 0u ? kv_v_word(segment_token, channel, p.dim, bits)
                                     : kv_k_word(segment_token, channel, p.dim, bits);
        store[p.codes_offset + head * head_words + at] = word;
    }
}
