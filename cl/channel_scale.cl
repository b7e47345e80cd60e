/* SPDX-License-Identifier: MIT
 *
 * channel_scale: the channel scales of channel-separable tokenwise quantization (ZipCache,
 * algorithm 1): the square root of each channel's largest magnitude, 1 for a zero channel; or, for
 * smoothing, that over the same of the queries. One item is one word, the scales of two channels.
 */
#include "kernel.clh"

KV_FN kv_u32 root_of(kv_u32 low, kv_u32 high)
{
    if (low > high) {
        return 0x3c00u; /* no tokens: 1 */
    }
    kv_f32 largest = kv_max(kv_abs(kv_from_sortable(low)), kv_abs(kv_from_sortable(high)));
    return largest > 0.0f ? kv_sqrt_f16(largest) : 0x3c00u;
}

KV_FN kv_u32 scale_of(const kv_channel_scale_params *p, __global const kv_u32 *scratch, kv_u32 channel)
{
    /* 1. Root of the channel's largest magnitude */
    kv_u32 root = root_of(scratch[p->keys_offset + channel],
                          scratch[p->keys_offset + p->channels + channel]);
    if (p->group == 0u) {
        return root;
    }
    /* 2. Over that of its queries */
    kv_u32 first = p->query_keys_offset + channel / p->dim * p->group * p->dim + channel % p->dim;
    kv_u32 low = 0xffffffffu;
    kv_u32 high = 0u;
    for (kv_u32 head = 0u; head < p->group; head++) {
        kv_u32 at = first + head * p->dim;
        low = kv_min_u32(low, scratch[at]);
        high = ~kv_min_u32(~high, ~scratch[at + p->channels * p->group]);
    }
    return kv_smooth_scale(root, root_of(low, high));
}

KV_KERNEL void kvant_channel_scale(const kv_channel_scale_params p,
                                   __global const kv_u32 *scratch, __global kv_u32 *store)
{
    const kv_items items = kv_my_items(p.channels / 2u);
    for (kv_u32 item = items.begin; item < items.end; item += items.step) {
        store[p.scale_offset + item] =
            scale_of(&p, scratch, 2u * item) | (scale_of(&p, scratch, 2u * item + 1u) << 16);
    }
}
