/* SPDX-License-Identifier: MIT
 *
 * parameters: the extrema of each channel of an event to its stored scale and minimum, where a
 * channel is a group. One item is one channel, one word.
 */
#include "kernel.clh"

KV_KERNEL void kvant_parameters(const kv_parameters_params p, __global const kv_u32 *scratch,
                                __global kv_u32 *store)
{
    const kv_items items = kv_my_items(p.channels);
    for (kv_u32 channel = items.begin; channel < items.end; channel += items.step) {
        /* 1. Load the keys */
        kv_f32 low = kv_from_sortable(scratch[p.keys_offset + channel]);
        kv_f32 high = kv_from_sortable(scratch[p.keys_offset + p.channels + channel]);
        /* 2. Scale and minimum */
        store[p.params_offset + channel] =
            kv_group_param(p.codec, low, high);
    }
}
