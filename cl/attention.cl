/* SPDX-License-Identifier: MIT
 *
 * attention: softmax(scale q K^T) V over one split of one sequence's segments, computed on the
 * packed codes. It leaves, for each query row, the largest score, the sum of the weights (2^-23) and the
 * unnormalised output of the split; attention_merge joins the splits.
 *
 * Quantized segments are factored: parameters fold into the query (per channel), into the score
 * (per token) and into the probability (V per token), so both products are integer codes times a
 * vector, and that vector is quantized to 16 bits per chunk of 32. All sums of products are
 * integers: any order, any width, the same bits.
 *
 * One work-group does one split of one KV head for up to KV_ROWS query rows.
 */
#include "attention_steps.clh"

KV_KERNEL void kvant_attention(const kv_attention_params p, __global const kv_u32 *restrict store,
                               __global const kv_u32 *restrict queries,
                               __global const kv_u32 *restrict positions,
                               __global kv_u32 *restrict partials)
{
    __local kv_attention_local shared;
    attend(&p, store, queries, positions, partials, &shared);
}
