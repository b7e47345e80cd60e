/* SPDX-License-Identifier: MIT
 *
 * What the saliency kernels share: exact scores of probe rows and a token. The sibling of
 * host_ref/saliency.h.
 */
#ifndef KVANT_CUDA_SALIENCY_CUH
#define KVANT_CUDA_SALIENCY_CUH

#include "kernel.cuh"

/* The code words of a token of a KV head, and four keys of a word as signed bytes. */
KV_FN const kv_u32 *kv_saliency_keys(const kv_saliency_params &p, const kv_u32 *scratch,
                                     kv_u32 kv_head, kv_u32 token)
{
    return &scratch[p.codes_offset + kv_head * kv_code_words(p.capacity, p.dim, 8u) +
                    kv_k_word(token, 0u, p.dim, 8u)];
}

KV_FN kv_i32 kv_signed_keys(kv_u32 word)
{
    return KV_I32(word ^ 0x80808080u);
}

/* The score of a dot product below 2^24. */
KV_FN kv_f32 kv_saliency_score(kv_i32 dot, kv_f32 step)
{
    KV_EXACT kv_f32 score = KV_F32(dot) * step;
    return score;
}

/* Whether the probe row sees the token. */
KV_FN kv_u32 kv_saliency_visible(const kv_saliency_params &p, const kv_u32 *scratch, kv_u32 probe,
                                 kv_u32 token)
{
    return p.first_position + token <= scratch[p.probes_offset + probe] ? 1u : 0u;
}

#endif
