/* SPDX-License-Identifier: MIT
 *
 * channel_scale: the channel scales of channel-separable tokenwise quantization (ZipCache,
 * algorithm 1): the square root of each channel's largest magnitude, 1 for a zero channel. One item
 * is one word, the scales of two channels.
 */
#include "kernel.cuh"

KV_FN kv_u32 kv_channel_scale_of(const kv_channel_scale_params &p, const kv_u32 *scratch,
                                 kv_u32 channel)
{
    kv_u32 low = scratch[p.keys_offset + channel];
    kv_u32 high = scratch[p.keys_offset + p.channels + channel];
    if (low > high) {
        return 0x3c00u; /* no tokens: 1 */
    }
    kv_f32 largest = kv_max(kv_abs(kv_from_sortable(low)), kv_abs(kv_from_sortable(high)));
    return largest > 0.0f ? kv_sqrt_f16(largest) : 0x3c00u;
}

extern "C" __global__ void __launch_bounds__(KV_MAX_LANES)
kvant_channel_scale(const kv_channel_scale_params p, const kv_u32 *__restrict__ scratch,
                    kv_u32 *store)
{
    for (kv_u32 item = kv_first_item(); item < p.channels / 2u; item += kv_item_stride()) {
        store[p.scale_offset + item] =
            kv_channel_scale_of(p, scratch, 2u * item) |
            (kv_channel_scale_of(p, scratch, 2u * item + 1u) << 16);
    }
}
