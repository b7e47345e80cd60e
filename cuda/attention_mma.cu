/* SPDX-License-Identifier: MIT
 *
 * The variant of attention on matrix units for 8-bit integers, from compute capability 8.0 on. The
 * same steps, operands and sums as attention.cu, so the same bits; f16 segments, whose float order
 * is fixed, go the baseline's way.
 */
#include "attention_mma.cuh"
#include "attention_steps.cuh"

struct kv_by_tiles {
    template <kv_u32 BITS>
    KV_FN void scores(const kv_split &s, kv_attention_shared &shared, const kv_scoring &scoring,
                      kv_u32 lanes, kv_u32 team, kv_u32 first, kv_u32 end)
    {
        kv_score_tiles<BITS>(s, shared, scoring, lanes, team, first, end);
    }

    template <kv_u32 BITS>
    KV_FN void output(const kv_split &s, kv_attention_shared &shared, kv_u32 first_channel,
                      kv_u32 channels)
    {
        kv_output_tiles<BITS>(s, shared, first_channel, channels);
    }

    KV_FN kv_u32 operand_rows(kv_u32 rows)
    {
        return rows;
    }
};

/* Room for five blocks a multiprocessor: 92 to 96 registers a lane and no spills. By itself the
 * compiler aims at seven on sm_90, and spills. */
extern "C" __global__ void __launch_bounds__(KV_MAX_LANES, 5)
kvant_attention_mma(const kv_attention_params p, const kv_u32 *__restrict__ store,
                    const kv_u32 *__restrict__ queries, const kv_u32 *__restrict__ positions,
                    kv_u32 *partials)
{
    __shared__ kv_attention_shared shared;
    kv_attention<kv_by_tiles>(p, store, queries, positions, partials, shared);
}
