/* SPDX-License-Identifier: MIT
 *
 * locate: where the tokens of a class are, by their positions, with the lowest class that each was in.
 * One item is one slot of one map.
 */
#include "kernel.clh"

KV_KERNEL void kvant_locate(const kv_locate_params p, __global kv_u32 *store)
{
    const kv_items items = kv_my_items(p.maps * p.tokens);
    for (kv_u32 item = items.begin; item < items.end; item += items.step) {
        kv_u32 map = item / p.tokens;
        kv_u32 slot = p.slot + item % p.tokens;
        /* 1. Position */
        kv_u32 position = store[p.positions_offset + map * p.positions_head + slot];
        if (position == KV_POSITION_INVALID) {
            continue;
        }
        /* 2. Lowest class */
        kv_u32 at = p.places_offset + map * p.places_head + (position - p.base);
        kv_u32 lowest = p.token_class;
        if (p.is_new == 0u && KV_PLACE_LOWEST(store[at]) > lowest) {
            lowest = KV_PLACE_LOWEST(store[at]);
        }
        /* 3. Store */
        store[at] = slot | (p.token_class << 28) | (lowest << 30);
    }
}
