/* SPDX-License-Identifier: MIT
 *
 * The variant of attention for CPUs with AVX-512 VNNI: the same steps and sums as attention.cl, so the
 * same bits, in vectors of 16, with one instruction for two products and their sums.
 */
#define KV_WIDE_16
#include "attention_steps.clh"

KV_KERNEL void kvant_attention_vnni(const kv_attention_params p, __global const kv_u32 *restrict store,
                               __global const kv_u32 *restrict queries,
                               __global const kv_u32 *restrict positions,
                               __global kv_u32 *restrict partials)
{
    __local kv_attention_local shared;
    attend(&p, store, queries, positions, partials, &shared);
}
