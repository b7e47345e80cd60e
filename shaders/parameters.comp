#version 450
#extension GL_GOOGLE_include_directive : require
/* SPDX-License-Identifier: MIT
 *
 * parameters: the extrema of each channel of an event to its stored scale and minimum, where a
 * channel is a group. One item is one channel, one word.
 */
#include "kernel.glsl"

KV_BINDING(0, readonly, scratch);
KV_BINDING(1, writeonly, store);
KV_PARAMS(kv_parameters_params);

void main()
{
    KV_FOR_ITEMS(channel, p.channels)
    {
        /* 1. Load the keys */
        kv_f32 low = kv_from_sortable(scratch[p.keys_offset + channel]);
        kv_f32 high = kv_from_sortable(scratch[p.keys_offset + p.channels + channel]);
        /* 2. Scale and minimum */
        store[p.params_offset + channel] =
            kv_group_param(p.codec, low, high);
    }
}
