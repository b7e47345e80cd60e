/* SPDX-License-Identifier: MIT
 *
 * encode_codebook: encode for codecs whose codes are numbers of levels: the code of a value is that of
 * the level nearest to it, as a multiple of the group's scale.
 */
#include "encode.cuh"

struct kv_level_codes {
    static constexpr bool HAS_PLANES = true;
    kv_u32 levels[KV_CODEBOOK_WORDS];

    /* 3. Code */
    KV_FN kv_u32 code_of(const kv_level_codes &how, const kv_quantize_params &p, kv_f32 x,
                         const kv_known_parameters &known)
    {
        KV_EXACT kv_f32 y = x - known.minimum;
        y = y * known.inverse;
        return kv_level_code(p.codec, how.levels[0], how.levels[1], how.levels[2], how.levels[3], y);
    }
};

extern "C" __global__ void __launch_bounds__(KV_MAX_LANES)
kvant_encode_codebook(const kv_quantize_params p, const kv_u32 *__restrict__ source, kv_u32 *store)
{
    __shared__ kv_encode_shared shared;
    kv_level_codes how;
#pragma unroll
    for (kv_u32 i = 0u; i < KV_CODEBOOK_WORDS; i++) {
        how.levels[i] = kv_codec_is_learned(p.codec) != 0u ? store[p.levels_offset + i]
                                                           : kv_codebook_word(p.codec, i);
    }
    kv_encode_event(how, p, source, store, shared);
}
