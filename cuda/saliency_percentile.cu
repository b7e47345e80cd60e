/* SPDX-License-Identifier: MIT
 *
 * saliency_percentile: the magnitude at a place in the order of all magnitudes of a map, from their
 * counts. One work-group does one map. Each lane counts a run of magnitudes; the one
 * whose run the place is in looks for it there.
 */
#include "kernel.cuh"

extern "C" __global__ void __launch_bounds__(KV_MAX_LANES)
kvant_saliency_percentile(const kv_percentile_params p, kv_u32 *scratch)
{
    __shared__ kv_u32 runs[KV_MAX_LANES];
    kv_u32 map = blockIdx.x;
    kv_u32 run = (KV_MAGNITUDES + blockDim.x - 1u) / blockDim.x;
    kv_u32 begin = kv_min_u32(threadIdx.x * run, KV_MAGNITUDES);
    kv_u32 end = kv_min_u32(begin + run, KV_MAGNITUDES);
    const kv_u32 *counts = &scratch[p.counts_offset + map * KV_MAGNITUDES];

    /* 1. Numbers below each magnitude: the first with more than `rank` through it */
    kv_u32 own = 0u;
    for (kv_u32 i = begin; i < end; i++) {
        own += counts[i];
    }
    runs[threadIdx.x] = own;
    __syncthreads();
    kv_u32 through = 0u;
    for (kv_u32 i = 0u; i < threadIdx.x; i++) {
        through += runs[i];
    }
    if (through <= p.rank && p.rank - through < own) {
        kv_u32 magnitude = begin;
        through += counts[magnitude];
        while (through <= p.rank) {
            magnitude++;
            through += counts[magnitude];
        }
        /* 2. Store */
        scratch[p.limits_offset + map] = magnitude;
    }
}
