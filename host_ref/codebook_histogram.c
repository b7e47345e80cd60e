/* SPDX-License-Identifier: MIT
 *
 * codebook_histogram: how often each byte occurs among the codes that the values of a compression event
 * would have in 8 bits, from the parameters that are stored for their groups. Scratch holds 256 words
 * of 0 before the launch. One item is one token of one head; the lanes of a work-group count together
 * before they add to scratch.
 */
#include "quantize.h"

/* The code of an element in 8 bits. */
static kv_u32 byte_of(const kv_quantize_params *p, const kv_u32 *source, const kv_u32 *store,
                      kv_u32 token, kv_u32 head, kv_u32 channel)
{
    /* 1. Load */
    kv_f32 x = kv_event_value(p, source, store, token, head, channel);
    kv_u32 word = store[p->params_offset + kv_group_index(p->grouping, p->group_length, p->capacity,
                                                          p->dim, head, p->token + token, channel)];
    /* 2. Byte */
    return kv_asymmetric_code(x, kv_param_minimum(word, 0u), kv_inverse_scale(kv_param_scale(word)),
                              255.0f);
}

void kvant_ref_codebook_histogram(const void *params_words, kv_u32 *const *bindings)
{
    const kv_quantize_params *p = params_words;
    const kv_u32 *source = bindings[0];
    const kv_u32 *store = bindings[1];
    kv_u32 *scratch = bindings[2];

    for (kv_u32 token = 0; token < p->tokens; token++) {
        for (kv_u32 head = 0; head < p->heads; head++) {
            for (kv_u32 channel = 0; channel < p->dim; channel++) {
                /* 3. Count */
                scratch[p->keys_offset + byte_of(p, source, store, token, head, channel)] += 1u;
            }
        }
    }
}
