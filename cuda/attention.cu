/* SPDX-License-Identifier: MIT
 *
 * attention: softmax(scale q K^T) V over one split of one sequence's segments, computed on the
 * packed codes. It leaves, for each query row, the largest score, the sum of the weights (2^-23)
 * and the unnormalised output of the split; attention_merge joins the splits.
 *
 * Quantized segments are factored: parameters fold into the query (per channel), into the score
 * (per token) and into the probability (V per token), so both products are integer codes times a
 * vector, and that vector is quantized to 16 bits per chunk of 32. All sums of products are
 * integers: any order, any width, the same bits.
 *
 * One work-group does one split of one KV head for up to KV_ROWS query rows; it reads each word of
 * K and V from memory once for all of them. Here each lane makes whole inner products, by dp2a;
 * attention_mma.cu is the variant on matrix units.
 */
#include "attention_steps.cuh"

struct kv_by_lanes {
    KV_FN void begin(kv_by_lanes &, const kv_split &)
    {
    }

    KV_FN void scores(kv_by_lanes &, const kv_split &s, kv_attention_shared &shared)
    {
        kv_score_quantized<kv_by_lanes>(s, shared);
    }

    template <kv_u32 BITS>
    KV_FN void score_block(const kv_split &s, kv_attention_shared &shared,
                           const kv_scoring &scoring, kv_u32 lanes, kv_u32 team, kv_u32 first,
                           kv_u32 end)
    {
        kv_score_block<BITS>(s, shared, scoring, lanes, team, first, end);
    }

    template <kv_u32 BITS>
    KV_FN void output(kv_by_lanes &, const kv_split &s, kv_attention_shared &shared,
                      kv_u32 first_channel, kv_u32 channels)
    {
        kv_output_group<BITS>(s, shared, first_channel, channels);
    }

    KV_FN kv_u32 operand_rows(kv_u32 rows)
    {
        return kv_rows_of_lanes(rows);
    }
};

extern "C" __global__ void __launch_bounds__(KV_MAX_LANES)
kvant_attention(const kv_attention_params p, const kv_u32 *__restrict__ store,
                const kv_u32 *__restrict__ queries, const kv_u32 *__restrict__ positions,
                kv_u32 *partials)
{
    __shared__ kv_attention_shared shared;
    kv_by_lanes how;
    kv_attention(p, store, queries, positions, partials, shared, how);
}
