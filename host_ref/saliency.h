/* SPDX-License-Identifier: MIT
 *
 * What the saliency kernels share: the exact score of a probe row and a token.
 */
#ifndef KVANT_HOST_REF_SALIENCY_H
#define KVANT_HOST_REF_SALIENCY_H

#include "reference.h"

/* Score of probe row `item` (probe, q_head) and a token: an int8 dot product, below 2^24. */
static inline kv_f32 kv_saliency_score(const kv_saliency_params *p, const kv_u32 *scratch,
                                       kv_u32 item, kv_u32 kv_head, kv_u32 token)
{
    const kv_u32 *operands = &scratch[p->operands_offset + item * (p->dim / 4u)];
    const kv_u32 *codes =
        &scratch[p->codes_offset + kv_head * kv_code_words(p->capacity, p->dim, 8u)];
    kv_i32 dot = 0;
    for (kv_u32 channel = 0; channel < p->dim; channel += 4u) {
        kv_u32 query_word = operands[channel / 4u];
        kv_u32 key_word = codes[kv_k_word(token, channel, p->dim, 8u)];
        for (kv_u32 lane = 0; lane < 4u; lane++) {
            kv_i32 query = KV_I32(((query_word >> (8u * lane)) & 255u) ^ 128u) - 128;
            kv_i32 key = KV_I32((key_word >> (8u * lane)) & 255u) - 128;
            dot += query * key;
        }
    }
    KV_EXACT kv_f32 score = KV_F32(dot) * kv_float(scratch[p->steps_offset + item]);
    return score;
}

/* Whether the probe row sees the token. */
static inline kv_u32 kv_saliency_visible(const kv_saliency_params *p, const kv_u32 *scratch,
                                         kv_u32 probe, kv_u32 token)
{
    return p->first_position + token <= scratch[p->probes_offset + probe] ? 1u : 0u;
}

#endif
