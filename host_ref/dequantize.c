/* SPDX-License-Identifier: MIT
 *
 * dequantize: the values of stored tokens, to a caller's tensor or to the rows of their positions. For
 * inspection, and to judge old tokens again; attention never does this. One item is two channels of
 * one token of one head.
 */
#include "reference.h"

static kv_f32 value_of(const kv_dequantize_params *p, const kv_u32 *store, kv_u32 token,
                       kv_u32 head, kv_u32 channel)
{
    /* 1. Code */
    if (p->codec == KV_CODEC_F16) {
        return kv_load_half(store, p->codes_offset,
                            (head * p->capacity + token) * p->dim + channel);
    }
    kv_u32 bits = kv_codec_bits(p->codec);
    kv_u32 head_offset = p->codes_offset + head * kv_code_words(p->capacity, p->dim, bits);
    kv_u32 code;
    if (kv_has_planes(bits) != 0u) {
        kv_u32 two = store[head_offset + kv_two_word(token, channel, p->dim, bits)];
        kv_u32 one = store[head_offset + kv_one_word(token, channel, p->dim, bits)];
        code = kv_plane_code(p->is_value, token, channel, bits, two, one);
    } else {
        kv_u32 word = store[head_offset + kv_code_word(p->is_value, token, channel, p->dim, bits)];
        kv_u32 shift = kv_code_shift(p->is_value, token, channel, bits);
        code = (word >> shift) & ((1u << bits) - 1u);
    }
    if (kv_codec_has_codebook(p->codec) != 0u) {
        kv_u32 levels = kv_codec_is_learned(p->codec) != 0u ? store[p->levels_offset + code / 4u]
                                                            : kv_codebook_word(p->codec, code / 4u);
        code = (levels >> (code % 4u * 8u)) & 0xffu;
    }
    /* 2. Parameters */
    kv_u32 parameters =
        store[p->params_offset + kv_group_index(p->grouping, p->group_length, p->capacity, p->dim,
                                                head, token, channel)];
    kv_u32 is_symmetric = kv_codec_is_symmetric(p->codec);
    KV_EXACT kv_f32 value = kv_dequantized(code, kv_param_scale(parameters),
                                           kv_param_minimum(parameters, is_symmetric));
    /* 3. Channel scale */
    if (p->channel_scale_offset != KV_NO_OFFSET) {
        value = value * kv_load_half(store, p->channel_scale_offset, head * p->dim + channel);
    }
    return value;
}

/* The row of the target that a token goes to. */
static kv_u32 row_of(const kv_dequantize_params *p, const kv_u32 *store, kv_u32 token, kv_u32 head)
{
    if (p->is_scattered == 0u) {
        return token;
    }
    kv_u32 position = store[p->positions_offset + head * p->positions_head + p->token + token];
    return position == KV_POSITION_INVALID ? position : position - p->position_base;
}

void kvant_ref_dequantize(const void *params_words, kv_u32 *const *bindings)
{
    const kv_dequantize_params *p = params_words;
    const kv_u32 *store = bindings[0];
    kv_u32 *target = bindings[1];

    for (kv_u32 token = 0; token < p->tokens; token++) {
        for (kv_u32 head = 0; head < p->heads; head++) {
            for (kv_u32 channel = 0; channel < p->dim; channel += 2u) {
                kv_u32 row = row_of(p, store, token, head);
                if (row == KV_POSITION_INVALID) {
                    continue;
                }
                kv_f32 low = value_of(p, store, p->token + token, head, channel);
                kv_f32 high = value_of(p, store, p->token + token, head, channel + 1u);
                /* 4. Store */
                kv_u32 i = kv_view_index(&p->target, row, head, channel);
                if (p->target.dtype == KV_DTYPE_F32) {
                    target[i] = kv_bits(low);
                    target[i + 1u] = kv_bits(high);
                } else {
                    target[i / 2u] = kv_cache_half(low) | (kv_cache_half(high) << 16);
                }
            }
        }
    }
}
