/* SPDX-License-Identifier: MIT
 *
 * The variant of attention on matrix units for 8-bit integers, from compute capability 8.0 on. The
 * same steps, operands and sums as attention.cu, so the same bits; f16 segments, whose float order
 * is fixed, go the baseline's way.
 */
#include "attention_mma.cuh"
#include "attention_steps.cuh"

struct kv_by_tiles {
    KV_FN void begin(kv_by_tiles &, const kv_split &)
    {
    }

    KV_FN void scores(kv_by_tiles &, const kv_split &s, kv_attention_shared &shared)
    {
        kv_score_quantized<kv_by_tiles>(s, shared);
    }

    /* A tile of `tokens` tokens from `token` on (of the segment), all query rows. */
    template <kv_u32 BITS>
    KV_FN void score_tile(const kv_split &s, kv_attention_shared &shared,
                          const kv_scoring &scoring, kv_u32 line, kv_u32 token, kv_u32 tokens)
    {
        const kv_u32 *words =
            s.region + s.segment[KV_SEGMENT_K_CODES] +
            s.kv_head * kv_code_words(s.segment[KV_SEGMENT_CAPACITY], s.k_dim, BITS) +
            kv_k_word(token + kv_tile_unit<BITS>(0u), 0u, s.k_dim, BITS);
        const kv_stored_rows rows = {words, 8u * (s.k_dim / 4u),
                                     (unsigned long long)words % 8u == 0u};
        KV_EXACT kv_f32 sums[kv_tile<BITS>::slots][2] = {};
        KV_EXACT kv_f32 scores[kv_tile<BITS>::slots][2] = {};
        kv_tile_add_channels<BITS>(s, shared, scoring, rows, kv_k_parameters(s, token, 0u), tokens,
                                   line, 0u, s.k_dim, sums, scores);
        kv_store_tile<BITS>(s, shared, token, tokens, scores);
    }

    template <kv_u32 BITS>
    KV_FN void score_block(const kv_split &s, kv_attention_shared &shared,
                           const kv_scoring &scoring, kv_u32 lanes, kv_u32 team, kv_u32 first,
                           kv_u32 end)
    {
        kv_u32 warps = lanes / KV_WARP;
#pragma unroll 1
        for (kv_u32 token = first + (kv_warp() - team * warps) * kv_tile<BITS>::length;
             token < end; token += warps * kv_tile<BITS>::length) {
            score_tile<BITS>(s, shared, scoring, team * KV_ROWS, token,
                             kv_min_u32(kv_tile<BITS>::length, end - token));
        }
    }

    template <kv_u32 BITS>
    KV_FN void output(kv_by_tiles &, const kv_split &s, kv_attention_shared &shared,
                      kv_u32 first_channel, kv_u32 channels)
    {
        const kv_u32 *words =
            s.region + s.segment[KV_SEGMENT_V_CODES] +
            s.kv_head * kv_code_words(s.segment[KV_SEGMENT_CAPACITY], s.v_dim, BITS) +
            kv_v_word(s.first, first_channel, s.v_dim, BITS);
        kv_output_chunks<BITS>(s, shared, 0u, (s.count + KV_CHUNK - 1u) / KV_CHUNK, first_channel,
                               channels, words, s.v_dim / kv_tile<BITS>::fields);
    }

    KV_FN kv_u32 operand_rows(kv_u32 rows)
    {
        return rows;
    }
};

/* Blocks that a multiprocessor has the shared memory for: 96 to 118 registers a lane and no spills. By
 * itself the compiler aims at seven on sm_90, and spills. */
#if defined(__CUDA_ARCH__) && (__CUDA_ARCH__ == 860 || __CUDA_ARCH__ == 890)
#define KV_MMA_BLOCKS 3
#else
#define KV_MMA_BLOCKS 5
#endif

extern "C" __global__ void __launch_bounds__(KV_MAX_LANES, KV_MMA_BLOCKS)
kvant_attention_mma(const kv_attention_params p, const kv_u32 *__restrict__ store,
                    const kv_u32 *__restrict__ queries, const kv_u32 *__restrict__ positions,
                    kv_u32 *partials)
{
    __shared__ kv_attention_shared shared;
    kv_by_tiles how;
    kv_attention(p, store, queries, positions, partials, shared, how);
}
