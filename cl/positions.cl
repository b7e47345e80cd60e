/* SPDX-License-Identifier: MIT
 *
 * positions: consecutive positions, or KV_POSITION_INVALID, into a list of slots.
 */
#include "kernel.clh"

KV_KERNEL void kvant_positions(const kv_positions_params p, __global kv_u32 *store)
{
    const kv_items items = kv_my_items(p.count);
    for (kv_u32 i = items.begin; i < items.end; i += items.step) {
        kv_u32 slot = (p.slot + i) % p.capacity;
        store[p.offset + slot] = p.step != 0u ? p.first + i : KV_POSITION_INVALID;
    }
}
