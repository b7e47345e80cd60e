/* SPDX-License-Identifier: MIT
 *
 * The variant of attention for GPUs with sub-groups and shuffles (cl_khr_subgroups,
 * cl_khr_subgroup_shuffle): the same steps, operands and sums as attention.cl, so the same bits.
 */
#pragma OPENCL EXTENSION cl_khr_subgroups : enable
#pragma OPENCL EXTENSION cl_khr_subgroup_shuffle : enable
#define KV_SUBGROUP
#include "attention_steps.clh"

KV_KERNEL void kvant_attention_subgroup(const kv_attention_params p,
                                        __global const kv_u32 *restrict store,
                                        __global const kv_u32 *restrict queries,
                                        __global const kv_u32 *restrict positions,
                                        __global kv_u32 *restrict partials)
{
    __local kv_attention_local shared;
    attend(&p, store, queries, positions, partials, &shared);
}
