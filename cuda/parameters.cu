/* SPDX-License-Identifier: MIT
 *
 * parameters: the extrema of each channel of an event to its stored scale and minimum, where a
 * channel is a group. One item is one channel, one word.
 */
#include "kernel.cuh"

extern "C" __global__ void __launch_bounds__(KV_MAX_LANES)
kvant_parameters(const kv_parameters_params p, const kv_u32 *__restrict__ scratch, kv_u32 *store)
{
    for (kv_u32 channel = kv_first_item(); channel < p.channels; channel += kv_item_stride()) {
        /* 1. Load the keys */
        kv_f32 low = kv_from_sortable(scratch[p.keys_offset + channel]);
        kv_f32 high = kv_from_sortable(scratch[p.keys_offset + p.channels + channel]);
        /* 2. Scale and minimum */
        store[p.params_offset + channel] =
            kv_group_param(p.codec, low, high);
    }
}
