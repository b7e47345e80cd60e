#version 450
#extension GL_GOOGLE_include_directive : require
/* SPDX-License-Identifier: MIT
 *
 * encode: the codes of a compression event, from the stored parameters, packed into words. One item
 * is one word; layout.h says which tokens and channels it holds. Tokens past the event's end, up to
 * the next multiple of 4, get code 0.
 */
#include "kernel.glsl"

KV_BINDING(0, readonly, source);
KV_BINDING(1, , store);
KV_PARAMS(kv_quantize_params);

#include "quantize.glsl"

/* The parameters of the group that was looked up last: neighbours in a word often share it. */
kv_u32 group_known = 0xffffffffu;
kv_f32 group_minimum;
kv_f32 group_inverse;

void look_up(kv_u32 token, kv_u32 head, kv_u32 channel)
{
    kv_u32 group = kv_group_index(p.grouping, p.group_length, p.capacity, p.dim, head,
                                  p.token + token, channel);
    if (group != group_known) {
        kv_u32 word = store[p.params_offset + group];
        group_minimum = kv_param_minimum(word, 0u);
        group_inverse = kv_inverse_scale(kv_param_scale(word));
        group_known = group;
    }
}

/* The code of one value, from the parameters that are stored for its group. */
kv_u32 code_of(kv_u32 token, kv_u32 head, kv_u32 channel)
{
    /* 1. Load */
    kv_f32 x = kv_event_value(kv_event_row(token, head), head, channel,
                              kv_event_factor(head, channel));
    /* 2. Parameters */
    look_up(token, head, channel);
    /* 3. Code */
    if (p.codec == KV_CODEC_INT8_SYMMETRIC) {
        return kv_symmetric_code(x, group_inverse);
    }
    return kv_asymmetric_code(x, group_minimum, group_inverse, kv_qmax(kv_codec_bits(p.codec)));
}

/* The word of the event whose first element is (token, channel). */
kv_u32 encode_word(kv_u32 head, kv_u32 token, kv_u32 channel, kv_u32 bits)
{
    kv_u32 fields = kv_fields(bits);
    kv_u32 tokens = p.is_value != 0u ? 4u : fields;
    kv_u32 channels = p.is_value != 0u ? fields : 4u;
    /* along the group first, so that its parameters are looked up once */
    kv_u32 is_channelwise = kv_is_channelwise(p.grouping);
    kv_u32 inner = is_channelwise != 0u ? tokens : channels;
    kv_u32 word = 0u;
    for (kv_u32 n = 0u; n < tokens * channels; n++) {
        kv_u32 i = token + (is_channelwise != 0u ? n % inner : n / inner);
        kv_u32 j = channel + (is_channelwise != 0u ? n / inner : n % inner);
        if (i < p.tokens) {
            kv_u32 shift = p.is_value != 0u ? kv_v_shift(i, j, bits) : kv_k_shift(i, j, bits);
            word |= code_of(i, head, j) << shift;
        }
    }
    return word;
}

void main()
{
    kv_u32 bits = kv_codec_bits(p.codec);
    kv_u32 fields = kv_fields(bits);
    kv_u32 event_words = kv_code_words((p.tokens + 3u) / 4u * 4u, p.dim, bits);
    kv_u32 head_words = kv_code_words(p.capacity, p.dim, bits);
    kv_u32 row_words = p.is_value != 0u ? p.dim / fields : p.dim / 4u;

    KV_FOR_ITEMS(item, p.heads * event_words)
    {
        kv_u32 head = item / event_words;
        kv_u32 row = item % event_words / row_words;
        kv_u32 column = item % event_words % row_words;
        kv_u32 token = row * (p.is_value != 0u ? 4u : fields);
        kv_u32 channel = column * (p.is_value != 0u ? fields : 4u);
        kv_u32 word = encode_word(head, token, channel, bits);
        /* 4. Store */
        kv_u32 at = p.is_value != 0u ? kv_v_word(p.token + token, channel, p.dim, bits)
                                     : kv_k_word(p.token + token, channel, p.dim, bits);
        store[p.codes_offset + head * head_words + at] = word;
    }
}
