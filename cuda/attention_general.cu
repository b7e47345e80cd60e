/* SPDX-License-Identifier: MIT
 *
 * attention_general: attention for caches of which some part is beyond attention, which is tuned; the
 * steps and sums are those of attention.
 *   Codes that are numbers of levels: a level is a byte and takes the place of the code.
 *   Segments of some heads alone: rows of another head see no token of them.
 */
#include "attention_by_lanes.cuh"

/* What codes of less than 8 bits stand for: levels, less 128 as all bytes. */
struct kv_level_lookup {
    kv_u32 words[KV_CODEBOOK_WORDS];
    kv_u32 plane_bits; /* of codes in planes, which are read as 4-bit codes; else 0 */

    KV_FN kv_level_lookup of(const kv_split &s, kv_u32 is_value)
    {
        kv_u32 codec = s.segment[is_value != 0u ? KV_SEGMENT_V_CODEC : KV_SEGMENT_K_CODEC];
        kv_level_lookup how;
        how.plane_bits = kv_has_planes(kv_codec_bits(codec)) != 0u ? kv_codec_bits(codec) : 0u;
#pragma unroll
        for (kv_u32 i = 0u; i < KV_CODEBOOK_WORDS; i++) {
            how.words[i] =
                kv_codec_is_learned(codec) != 0u
                    ? s.region[s.segment[KV_SEGMENT_LEVELS] + is_value * KV_CODEBOOK_WORDS + i]
                    : kv_codebook_word(codec, i);
        }
        return how;
    }

    /* What the word of 4-bit codes would be: column `column` of 4 channels in the 4 tokens of `token`,
     * fields 2 `pair` and 2 `pair` + 1. `codes` are those of K or V. */
    KV_FN kv_u32 pair_of(const kv_level_lookup &how, const kv_split &s, const kv_u32 *codes,
                         kv_u32 dim, kv_u32 token, kv_u32 column, kv_u32 pair)
    {
        kv_u32 bits = how.plane_bits;
        const kv_u32 *head = codes + s.kv_head * kv_code_words(s.segment[KV_SEGMENT_CAPACITY], dim, bits);
        return kv_plane_pair(bits, head[kv_two_word(token, 4u * column, dim, bits)],
                             head[kv_one_word(token, 4u * column, dim, bits)], column, pair);
    }

    template <kv_u32 BITS>
    KV_FN void load_k(const kv_level_lookup &how, const kv_split &s, const kv_u32 *words,
                      kv_u32 token, kv_u32 column, kv_u32 count, kv_u32 out[8])
    {
        if (BITS == 4 && how.plane_bits != 0u) {
#pragma unroll
            for (kv_u32 i = 0u; i < 8u; i++) {
                out[i] = 0u;
                if (i < count) {
                    out[i] = pair_of(how, s, s.region + s.segment[KV_SEGMENT_K_CODES], s.k_dim, token,
                                 column + i, token / 2u % 2u);
                }
            }
        } else {
            kv_own_codes::load_k<BITS>(kv_own_codes(), s, words, token, column, count, out);
        }
    }

    template <kv_u32 BITS>
    KV_FN void load_v(const kv_level_lookup &how, const kv_split &s, const kv_u32 *words,
                      kv_u32 token, kv_u32 channel, kv_u32 count, kv_u32 out[8])
    {
        if (BITS == 4 && how.plane_bits != 0u) {
#pragma unroll
            for (kv_u32 i = 0u; i < 8u; i++) {
                out[i] = 0u;
                if (i < count) {
                    out[i] = pair_of(how, s, s.region + s.segment[KV_SEGMENT_V_CODES], s.v_dim,
                                 token + 4u * i, channel / 4u, channel / 2u % 2u);
                }
            }
        } else {
            kv_own_codes::load_v<BITS>(kv_own_codes(), s, words, token, channel, count, out);
        }
    }

    template <kv_u32 BITS> KV_FN kv_i32 lanes(const kv_level_lookup &how, kv_u32 word, kv_u32 field)
    {
        if (BITS == 8) {
            return KV_I32(word ^ 0x80808080u);
        }
        kv_u32 codes = (word >> (field * BITS)) & (BITS == 2 ? 0x03030303u : 0x0f0f0f0fu);
        return KV_I32(kv_levels(how.words[0], how.words[1], how.words[2], how.words[3], codes) ^
                      0x80808080u);
    }

    template <kv_u32 BITS> KV_FN kv_i32 whole_dot(kv_i32 dot, kv_i32 sum_of_operands)
    {
        return dot + 128 * sum_of_operands;
    }
};

extern "C" __global__ void __launch_bounds__(KV_MAX_LANES)
kvant_attention_general(const kv_attention_params p, const kv_u32 *__restrict__ store,
                         const kv_u32 *__restrict__ queries, const kv_u32 *__restrict__ positions,
                         kv_u32 *partials)
{
    __shared__ kv_attention_shared shared;
    typedef kv_by_lanes<kv_level_lookup> by_levels;
    by_levels how;
    kv_attention<by_levels, true>(p, store, queries, positions, partials, shared, how);
}
