/* SPDX-License-Identifier: MIT
 *
 * Attention in which each lane makes whole inner products, by dp2a: HOW of attention_steps.cuh.
 */
#ifndef KVANT_CUDA_ATTENTION_BY_LANES_CUH
#define KVANT_CUDA_ATTENTION_BY_LANES_CUH

#include "attention_steps.cuh"

template <class CODES> struct kv_by_lanes {
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
        kv_score_block<BITS, CODES>(s, shared, scoring, lanes, team, first, end);
    }

    template <kv_u32 BITS>
    KV_FN void output(kv_by_lanes &, const kv_split &s, kv_attention_shared &shared,
                      kv_u32 first_channel, kv_u32 channels)
    {
        kv_output_group<BITS, CODES>(s, shared, first_channel, channels);
    }

    KV_FN kv_u32 operand_rows(kv_u32 rows)
    {
        return kv_rows_of_lanes(rows);
    }
};

#endif
