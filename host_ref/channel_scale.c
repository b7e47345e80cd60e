/* SPDX-License-Identifier: MIT
 *
 * channel_scale: the channel scales of channel-separable tokenwise quantization (ZipCache,
 * algorithm 1): the square root of each channel's largest magnitude, 1 for a zero channel. One item
 * is one word, the scales of two channels.
 */
#include "reference.h"

static kv_u32 scale_of(const kv_channel_scale_params *p, const kv_u32 *scratch, kv_u32 channel)
{
    kv_u32 low = scratch[p->keys_offset + channel];
    kv_u32 high = scratch[p->keys_offset + p->channels + channel];
    if (low > high) {
        return 0x3c00u; /* no tokens: 1 */
    }
    kv_f32 largest = kv_max(kv_abs(kv_from_sortable(low)), kv_abs(kv_from_sortable(high)));
    return largest > 0.0f ? kv_sqrt_f16(largest) : 0x3c00u;
}

void kvant_ref_channel_scale(const void *params_words, kv_u32 *const *bindings)
{
    const kv_channel_scale_params *p = params_words;
    const kv_u32 *scratch = bindings[0];
    kv_u32 *store = bindings[1];

    for (kv_u32 channel = 0; channel < p->channels; channel += 2u) {
        store[p->scale_offset + channel / 2u] =
            scale_of(p, scratch, channel) | (scale_of(p, scratch, channel + 1u) << 16);
    }
}
