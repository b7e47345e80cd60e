/* SPDX-License-Identifier: MIT
 *
 * extrema: the lowest and the highest value of each channel of a compression event, as sortable
 * keys: order does not matter, atomics are allowed. Scratch holds 0xffffffff in the plane of the
 * lowest and 0 in the plane of the highest before the launch.
 */
#if KV_LANES == 1
#include "extrema_line.clh"
#else
#include "extrema_lanes.clh"
#endif

KV_KERNEL void kvant_extrema(const kv_quantize_params p, __global const kv_u32 *source,
                             __global const kv_u32 *store, __global kv_u32 *scratch)
{
    extrema_of_event(&p, source, store, scratch);
}
