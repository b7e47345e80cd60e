/* SPDX-License-Identifier: MIT
 *
 * The variant of attention for GPUs with dot products of four 8-bit integers
 * (cl_khr_integer_dot_product): the same steps, operands and sums as attention.cl, so the same bits.
 */
#pragma OPENCL EXTENSION cl_khr_integer_dot_product : enable
#define KV_DOT
#include "attention_steps.clh"

KV_KERNEL void kvant_attention_dot(const kv_attention_params p, __global const kv_u32 *restrict store,
                                   __global const kv_u32 *restrict queries,
                                   __global const kv_u32 *restrict positions,
                                   __global kv_u32 *restrict partials)
{
    __local kv_attention_local shared;
    attend(&p, store, queries, positions, partials, &shared);
}
