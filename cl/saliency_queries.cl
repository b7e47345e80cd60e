/* SPDX-License-Identifier: MIT
 *
 * saliency_queries: each probe row's query, with the softmax scale and the keys' channel scales
 * folded in, as int8. One item is one probe row of one query head.
 *
 * Keys are int8 codes about each channel's midrange, so an outlier channel costs the others nothing:
 * its scale lies in the query, and what is constant over the tokens does not change a softmax.
 */
#if KV_LANES == 1
#include "saliency_queries_line.clh"
#else
#include "saliency_queries_lanes.clh"
#endif

KV_KERNEL void kvant_saliency_queries(const kv_saliency_params p, __global const kv_u32 *queries,
                                      __global kv_u32 *scratch)
{
    const kv_items items = kv_my_items(p.probes * p.q_heads);
    for (kv_u32 item = items.begin; item < items.end; item += items.step) {
        kv_u32 row = item / p.q_heads;
        if (p.query_base != KV_NO_OFFSET) {
            row = scratch[p.probes_offset + row] - p.query_base;
        }
        quantize_query(&p, queries, scratch, item, row);
    }
}
