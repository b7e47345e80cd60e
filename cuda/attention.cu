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
#include "attention_by_lanes.cuh"

extern "C" __global__ void __launch_bounds__(KV_MAX_LANES)
kvant_attention(const kv_attention_params p, const kv_u32 *__restrict__ store,
                const kv_u32 *__restrict__ queries, const kv_u32 *__restrict__ positions,
                kv_u32 *partials)
{
    __shared__ kv_attention_shared shared;
    kv_by_lanes<kv_own_codes> how;
    kv_attention(p, store, queries, positions, partials, shared, how);
}
