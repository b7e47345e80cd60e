#version 450
#extension GL_GOOGLE_include_directive : require
/* SPDX-License-Identifier: MIT
 *
 * saliency_percentile: the magnitude at a place in the order of all magnitudes of a map, from their
 * counts. One work-group does one map. Each lane counts a run of magnitudes; the one
 * whose run the place is in looks for it there.
 */
#include "kernel.glsl"

KV_BINDING(0, , scratch);
KV_PARAMS(kv_percentile_params);

shared kv_u32 runs[KV_LANES];

void main()
{
    kv_u32 map = gl_WorkGroupID.x;
    kv_u32 run = (KV_MAGNITUDES + KV_LANES - 1u) / KV_LANES;
    kv_u32 begin = kv_min_u32(KV_LANE * run, KV_MAGNITUDES);
    kv_u32 end = kv_min_u32(begin + run, KV_MAGNITUDES);
    kv_u32 counts = p.counts_offset + map * KV_MAGNITUDES;

    /* 1. Numbers below each magnitude: the first with more than `rank` through it */
    kv_u32 own = 0u;
    for (kv_u32 i = begin; i < end; i++) {
        own += scratch[counts + i];
    }
    runs[KV_LANE] = own;
    barrier();
    kv_u32 through = 0u;
    for (kv_u32 i = 0u; i < KV_LANES; i++) {
        through += i < KV_LANE ? runs[i] : 0u;
    }
    if (through <= p.rank && p.rank - through < own) {
        kv_u32 magnitude = begin;
        through += scratch[counts + magnitude];
        while (through <= p.rank) {
            magnitude++;
            through += scratch[counts + magnitude];
        }
        /* 2. Store */
        scratch[p.limits_offset + map] = magnitude;
    }
}
