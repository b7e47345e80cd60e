/* SPDX-License-Identifier: MIT
 *
 * gather: the rows of a compression event that stay halves, of one tensor, into an f16 segment. Which
 * rows, and where they go, is said as for encode. Tokens past the event's end, up to the next multiple
 * of 4, are zeros. One item is 8 channels of one token of one head.
 */
#include "quantize.cuh"

extern "C" __global__ void __launch_bounds__(KV_MAX_LANES)
kvant_gather(const kv_quantize_params p, const kv_u32 *__restrict__ source, kv_u32 *store)
{
    kv_u32 parts = p.dim / KV_OCTET;
    kv_u32 event_capacity = (p.tokens + 3u) / 4u * 4u;
    kv_u32 items = event_capacity * p.heads * parts;
    for (kv_u32 item = kv_first_item(); item < items; item += kv_item_stride()) {
        kv_u32 channel = item % parts * KV_OCTET;
        kv_u32 head = item / parts % p.heads;
        kv_u32 token = item / parts / p.heads;
        /* 1. Load */
        kv_octet octet = {};
        if (token < p.tokens) {
            octet = kv_load_octet(source, p.source, kv_event_row(p, store, token, head), channel);
        }
        /* 2. Store */
        kv_u32 at = kv_f16_word(head, p.token + token, channel, p.capacity, p.dim);
        kv_store_octet(store + p.codes_offset + at, octet);
    }
}
