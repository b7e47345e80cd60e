#version 450
#extension GL_GOOGLE_include_directive : require
/* SPDX-License-Identifier: MIT
 *
 * channel_scale: the channel scales of channel-separable tokenwise quantization (ZipCache,
 * algorithm 1): the square root of each channel's largest magnitude, 1 for a zero channel. One item
 * is one word, the scales of two channels.
 */
#include "kernel.glsl"

KV_BINDING(0, readonly, scratch);
KV_BINDING(1, writeonly, store);
KV_PARAMS(kv_channel_scale_params);

kv_u32 scale_of(kv_u32 channel)
{
    kv_u32 low = scratch[p.keys_offset + channel];
    kv_u32 high = scratch[p.keys_offset + p.channels + channel];
    if (low > high) {
        return 0x3c00u; /* no tokens: 1 */
    }
    kv_f32 largest = kv_max(kv_abs(kv_from_sortable(low)), kv_abs(kv_from_sortable(high)));
    return largest > 0.0f ? kv_sqrt_f16(largest) : 0x3c00u;
}

void main()
{
    KV_FOR_ITEMS(item, p.channels / 2u)
    {
        store[p.scale_offset + item] = scale_of(2u * item) | (scale_of(2u * item + 1u) << 16);
    }
}
