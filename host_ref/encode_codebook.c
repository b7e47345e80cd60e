/* SPDX-License-Identifier: MIT
 *
 * encode_codebook: encode for codecs whose codes are numbers of levels: the code of a value is that of
 * the level nearest to it, as a multiple of the group's scale.
 */
#include "encode.h"

static kv_u32 code_of_value(const kv_quantize_params *p, const kv_u32 *store, kv_f32 x, kv_u32 word)
{
    kv_u32 levels[KV_CODEBOOK_WORDS];
    for (kv_u32 i = 0; i < KV_CODEBOOK_WORDS; i++) {
        levels[i] = kv_codec_is_learned(p->codec) != 0u ? store[p->levels_offset + i]
                                                        : kv_codebook_word(p->codec, i);
    }
    /* 3. Code */
    kv_u32 is_symmetric = kv_codec_is_symmetric(p->codec);
    KV_EXACT kv_f32 y = x - (is_symmetric != 0u ? 0.0f : kv_param_minimum(word, 0u));
    y = y * kv_inverse_scale(kv_param_scale(word));
    return kv_level_code(p->codec, levels[0], levels[1], levels[2], levels[3], y);
}

void kvant_ref_encode_codebook(const void *params_words, kv_u32 *const *bindings)
{
    const kv_quantize_params *p = params_words;
    const kv_u32 *source = bindings[0];
    kv_u32 *store = bindings[1];
    encode_event(p, source, store);
}
