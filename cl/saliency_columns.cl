/* SPDX-License-Identifier: MIT
 *
 * saliency_columns: for each token of each KV head, the sum of its probabilities over the probe rows
 * and the query heads of the group, in units of 2^-28 and 64 bits. One item is KV_COLUMN_RUN tokens
 * of one KV head.
 */
#if KV_LANES == 1
#include "saliency_columns_line.clh"
#else
#include "saliency_columns_lanes.clh"
#endif

KV_KERNEL void kvant_saliency_columns(const kv_saliency_params p, __global kv_u32 *scratch)
{
    kv_u32 runs = (p.tokens + KV_COLUMN_RUN - 1u) / KV_COLUMN_RUN;
    const kv_items items = kv_my_items(p.kv_heads * runs);
    for (kv_u32 item = items.begin; item < items.end; item += items.step) {
        sum_columns(&p, scratch, item / runs, item % runs * KV_COLUMN_RUN);
    }
}
