#version 450
#extension GL_GOOGLE_include_directive : require
/* SPDX-License-Identifier: MIT
 *
 * positions: consecutive positions, or KV_POSITION_INVALID, into a list of slots.
 */
#include "kernel.glsl"

KV_BINDING(0, writeonly, store);
KV_PARAMS(kv_positions_params);

void main()
{
    KV_FOR_ITEMS(i, p.count)
    {
        kv_u32 slot = (p.slot + i) % p.capacity;
        store[p.offset + slot] = p.step != 0u ? p.first + i : KV_POSITION_INVALID;
    }
}
