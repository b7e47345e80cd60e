/* SPDX-License-Identifier: MIT
 *
 * saliency_rows: for each probe row and each split of tokens, the largest score and the sum of the
 * exponentials relative to it, in units of 2^-23. Integer sums: any order. One work-group does one
 * split of one KV head for KV_SALIENCY_PAIRS pairs of a probe row and a query head of the group.
 */
#if KV_LANES == 1
#include "saliency_rows_line.clh"
#else
#include "saliency_rows_lanes.clh"
#endif

KV_KERNEL void kvant_saliency_rows(const kv_saliency_params p, __global kv_u32 *scratch)
{
    KV_ROOM kv_saliency_room room;
    saliency_rows(&p, scratch, &room);
}
