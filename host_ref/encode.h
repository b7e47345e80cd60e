/* SPDX-License-Identifier: MIT
 *
 * What encode and encode_codebook share: parameters and packing. They differ in the code of a value
 * (code_of_value), which who includes this file defines.
 */
#ifndef KVANT_HOST_REF_ENCODE_H
#define KVANT_HOST_REF_ENCODE_H

#include "quantize.h"

/* The code of value x in a group whose stored parameters are `word`. */
static kv_u32 code_of_value(const kv_quantize_params *p, const kv_u32 *store, kv_f32 x,
                            kv_u32 word);

/* Where the event's element (head, token, channel) has its word of parameters. */
static kv_u32 param_place(const kv_quantize_params *p, kv_u32 head, kv_u32 token, kv_u32 channel)
{
    return p->params_offset + kv_group_index(p->grouping, p->group_length, p->capacity, p->dim,
                                             head, p->token + token, channel);
}

/* The element with which a group begins, then how far it goes. */
typedef struct {
    kv_u32 head, token, channel;
    kv_u32 heads, tokens, channels;
} group;

/* 2. Parameters, from the extrema of the group; 0 where it has no tokens */
static kv_u32 param_of_group(const kv_quantize_params *p, const kv_u32 *source, const kv_u32 *store,
                             const group *g)
{
    kv_u32 low = 0xffffffffu;
    kv_u32 high = 0u;
    for (kv_u32 token = g->token; token < kv_min_u32(g->token + g->tokens, p->tokens); token++) {
        for (kv_u32 head = g->head; head < g->head + g->heads; head++) {
            for (kv_u32 channel = g->channel;
                 channel < kv_min_u32(g->channel + g->channels, p->dim); channel++) {
                kv_u32 key = kv_sortable(kv_event_value(p, source, store, token, head, channel));
                low = key < low ? key : low;
                high = key > high ? key : high;
            }
        }
    }
    return low > high ? 0u
                      : kv_group_param(p->codec, kv_from_sortable(low), kv_from_sortable(high));
}

static void store_parameters(const kv_quantize_params *p, const kv_u32 *source, kv_u32 *store)
{
    kv_u32 event_capacity = (p->tokens + 3u) / 4u * 4u;
    group g = {.heads = 1u, .tokens = 1u, .channels = p->dim};
    if (p->grouping == KV_GROUP_TOKEN) {
        g.heads = p->heads;
    } else if (p->grouping == KV_GROUP_TOKEN_CHANNELS) {
        g.channels = p->group_length;
    } else if (p->grouping == KV_GROUP_CHANNEL_TOKENS) {
        g.tokens = p->group_length;
        g.channels = 1u;
    }
    for (g.head = 0; g.head < p->heads; g.head += g.heads) {
        for (g.token = 0; g.token < event_capacity; g.token += g.tokens) {
            for (g.channel = 0; g.channel < p->dim; g.channel += g.channels) {
                store[param_place(p, g.head, g.token, g.channel)] =
                    param_of_group(p, source, store, &g);
            }
        }
    }
}

/* The code of one element, from the parameters that are stored for its group. */
static kv_u32 code_of(const kv_quantize_params *p, const kv_u32 *source, const kv_u32 *store,
                      kv_u32 token, kv_u32 head, kv_u32 channel)
{
    /* 1. Load */
    kv_f32 x = kv_event_value(p, source, store, token, head, channel);
    return code_of_value(p, store, x, store[param_place(p, head, token, channel)]);
}

/* Codes of 1 or 3 bits of 4 tokens and 8 channels: the words of both planes. */
static void encode_planes(const kv_quantize_params *p, const kv_u32 *source, kv_u32 *store,
                          kv_u32 head, kv_u32 token, kv_u32 channel)
{
    kv_u32 bits = kv_codec_bits(p->codec);
    kv_u32 two[2] = {0u, 0u};
    kv_u32 one = 0u;
    for (kv_u32 i = 0; i < 4u && token + i < p->tokens; i++) {
        for (kv_u32 j = 0; j < 8u; j++) {
            kv_u32 code = code_of(p, source, store, token + i, head, channel + j);
            two[j / 4u] |= (code & 3u) << kv_code_shift(p->is_value, i, j, 2u);
            one |= (code >> (bits - 1u)) << kv_one_shift(p->is_value, i, j);
        }
    }
    /* 4. Store */
    kv_u32 *codes = &store[p->codes_offset + head * kv_code_words(p->capacity, p->dim, bits)];
    kv_u32 segment_token = p->token + token;
    for (kv_u32 i = 0; i < 2u && bits == 3u; i++) {
        codes[kv_two_word(segment_token, channel + 4u * i, p->dim, bits)] = two[i];
    }
    codes[kv_one_word(segment_token, channel, p->dim, bits)] = one;
}

static void encode_event(const kv_quantize_params *p, const kv_u32 *source, kv_u32 *store)
{
    kv_u32 bits = kv_codec_bits(p->codec);
    kv_u32 has_planes = kv_has_planes(bits);
    kv_u32 fields = kv_fields(bits);
    kv_u32 tokens_per_word = p->is_value != 0u || has_planes != 0u ? 4u : fields;
    kv_u32 channels_per_word = has_planes != 0u ? 8u : p->is_value != 0u ? fields : 4u;
    kv_u32 event_capacity = (p->tokens + 3u) / 4u * 4u;
    kv_u32 head_words = kv_code_words(p->capacity, p->dim, bits);

    if (kv_groups_are_local(p->grouping) != 0u) {
        store_parameters(p, source, store);
    }
    for (kv_u32 head = 0; head < p->heads; head++) {
        for (kv_u32 token = 0; token < event_capacity; token += tokens_per_word) {
            for (kv_u32 channel = 0; channel < p->dim; channel += channels_per_word) {
                if (has_planes != 0u) {
                    encode_planes(p, source, store, head, token, channel);
                    continue;
                }
                kv_u32 word = 0;
                for (kv_u32 i = 0; i < tokens_per_word && token + i < p->tokens; i++) {
                    for (kv_u32 j = 0; j < channels_per_word; j++) {
                        kv_u32 code = code_of(p, source, store, token + i, head, channel + j);
                        kv_u32 shift = kv_code_shift(p->is_value, token + i, channel + j, bits);
                        word |= code << shift;
                    }
                }
                /* 4. Store */
                kv_u32 segment_token = p->token + token;
                kv_u32 at = kv_code_word(p->is_value, segment_token, channel, p->dim, bits);
                store[p->codes_offset + head * head_words + at] = word;
            }
        }
    }
}

#endif
