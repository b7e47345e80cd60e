/* SPDX-License-Identifier: MIT
 *
 * saliency_percentile: the magnitude at a place in the order of all magnitudes of a map, from their
 * counts. One work-group does one map. Each lane counts a run of magnitudes; the one
 * whose run the place is in looks for it there.
 */
#include "kernel.clh"

#define RUN ((KV_MAGNITUDES + KV_LANES - 1u) / KV_LANES)

KV_KERNEL void kvant_saliency_percentile(const kv_percentile_params p, __global kv_u32 *scratch)
{
    __local kv_u32 runs[KV_LANES];
    kv_u32 map = (kv_u32)get_group_id(0);
    kv_u32 lane = (kv_u32)get_local_id(0);
    if (map >= p.maps) {
        return; /* the first launch, which has nothing to do */
    }
    kv_u32 first = lane * RUN;
    kv_u32 length = kv_min_u32(RUN, KV_MAGNITUDES - kv_min_u32(first, KV_MAGNITUDES));
    __global const kv_u32 *counts = &scratch[p.counts_offset + map * KV_MAGNITUDES + first];

    /* 1. Numbers below each magnitude: the first with more than `rank` through it */
    kv_u32 own = 0u;
    for (kv_u32 i = 0u; i < length; i++) {
        own += counts[i];
    }
    runs[lane] = own;
    KV_MEET();
    kv_u32 through = 0u;
    for (kv_u32 i = 0u; i < KV_LANES; i++) {
        through += i < lane ? runs[i] : 0u;
    }
    if (through <= p.rank && p.rank - through < own) {
        kv_u32 magnitude = 0u;
        through += counts[0];
        while (through <= p.rank) {
            magnitude++;
            through += counts[magnitude];
        }
        /* 2. Store */
        scratch[p.limits_offset + map] = first + magnitude;
    }
}
