/* SPDX-License-Identifier: MIT
 *
 * encode_norm: parameters and codes of a codebook for normal numbers. A group is measured in its root
 * mean square, which its codes come from; the scale that is stored then gives the decoded numbers the
 * norm of the original ones. Groups are those of a token in one head. One item is 4 tokens of a head.
 */
#include "quantize.h"

/* 1. Load */
static kv_f32 value_at(const kv_quantize_params *p, const kv_u32 *source, const kv_u32 *store,
                       kv_u32 token, kv_u32 head, kv_u32 channel)
{
    return kv_event_value(p, source, store, token, head, channel);
}

/* 2. Norm, of channels begin .. end - 1 of a token */
static kv_f32 norm_of(const kv_quantize_params *p, const kv_u32 *source, const kv_u32 *store,
                      kv_u32 token, kv_u32 head, kv_u32 begin, kv_u32 end)
{
    kv_f32 largest = 0.0f;
    for (kv_u32 channel = begin; channel < end; channel++) {
        largest = kv_max(largest, kv_abs(value_at(p, source, store, token, head, channel)));
    }
    kv_f32 inverse = kv_operand_inverse(largest, KV_NORM_ONE);
    kv_u32 squares = 0u;
    for (kv_u32 channel = begin; channel < end; channel++) {
        kv_i32 x = kv_operand(value_at(p, source, store, token, head, channel), inverse);
        squares += KV_U32(x * x);
    }
    return kv_norm(largest, squares);
}

/* A group of 4 tokens from `token` of the event on, as far as there are. */
static void encode_group(const kv_quantize_params *p, const kv_u32 *source, kv_u32 *store,
                         kv_u32 head, kv_u32 token, kv_u32 begin, kv_u32 end)
{
    kv_u32 bits = kv_codec_bits(p->codec);
    kv_u32 *codes = &store[p->codes_offset + head * kv_code_words(p->capacity, p->dim, bits)];
    kv_u32 tokens = kv_min_u32(p->tokens - token, KV_TOKEN_QUAD);
    const kv_u32 book[4] = {kv_codebook_word(p->codec, 0u), kv_codebook_word(p->codec, 1u),
                            kv_codebook_word(p->codec, 2u), kv_codebook_word(p->codec, 3u)};
    kv_f32 norms[KV_TOKEN_QUAD] = {0.0f};
    kv_f32 inverses[KV_TOKEN_QUAD] = {0.0f};
    kv_u32 squares[KV_TOKEN_QUAD] = {0u};
    for (kv_u32 t = 0u; t < tokens; t++) {
        norms[t] = norm_of(p, source, store, token + t, head, begin, end);
        inverses[t] = kv_norm_inverse(kv_levels_of_deviation(p->codec), norms[t], end - begin);
    }
    for (kv_u32 octet = begin; octet < end; octet += 8u) {
        kv_u32 words[4] = {0u, 0u, 0u, 0u};
        for (kv_u32 n = 0u; n < 8u * tokens; n++) {
            kv_u32 t = n / 8u;
            kv_u32 i = n % 8u;
            /* 3. Code */
            KV_EXACT kv_f32 y =
                value_at(p, source, store, token + t, head, octet + i) * inverses[t];
            kv_u32 code = kv_level_code(p->codec, book[0], book[1], book[2], book[3], y);
            kv_i32 level = KV_I32(kv_level(book[0], book[1], book[2], book[3], code)) - 128;
            squares[t] += KV_U32(level * level);
            words[kv_tile_slot(p->is_value, t, i, bits)] |=
                (bits == 3u ? code & 3u : code)
                << kv_code_shift(p->is_value, t, i, bits == 4u ? 4u : 2u);
            if (bits == 3u) {
                words[2] |= (code >> 2) << kv_one_shift(p->is_value, t, i);
            }
        }
        /* 4. Store */
        for (kv_u32 slot = 0u; slot < bits; slot++) {
            codes[kv_tile_word(p->is_value, p->token + token, octet, p->dim, bits, slot)] =
                words[slot];
        }
    }
    for (kv_u32 t = 0u; t < KV_TOKEN_QUAD; t++) {
        store[p->params_offset + kv_group_index(p->grouping, p->group_length, p->capacity, p->dim,
                                                head, p->token + token + t, begin)] =
            t < tokens ? kv_norm_param(norms[t], squares[t]) : 0u;
    }
}

void kvant_ref_encode_norm(const void *params_words, kv_u32 *const *bindings)
{
    const kv_quantize_params *p = params_words;
    const kv_u32 *source = bindings[0];
    kv_u32 *store = bindings[1];
    kv_u32 length =
        p->grouping == KV_GROUP_TOKEN_CHANNELS ? kv_min_u32(p->group_length, p->dim) : p->dim;

    for (kv_u32 head = 0u; head < p->heads; head++) {
        for (kv_u32 token = 0u; token < p->tokens; token += KV_TOKEN_QUAD) {
            for (kv_u32 begin = 0u; begin < p->dim; begin += length) {
                encode_group(p, source, store, head, token, begin,
                             kv_min_u32(begin + length, p->dim));
            }
        }
    }
}
