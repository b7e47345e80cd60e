/* SPDX-License-Identifier: MIT
 *
 * positions: consecutive positions, or KV_POSITION_INVALID, into a list of slots.
 */
#include "kernel.cuh"

extern "C" __global__ void __launch_bounds__(KV_MAX_LANES)
kvant_positions(const kv_positions_params p, kv_u32 *store)
{
    for (kv_u32 i = kv_first_item(); i < p.count; i += kv_item_stride()) {
        kv_u32 slot = (p.slot + i) % p.capacity;
        store[p.offset + slot] = p.step != 0u ? p.first + i : KV_POSITION_INVALID;
    }
}
