/* SPDX-License-Identifier: MIT
 *
 * What extrema, encode and gather share: how a compression event reads its input.
 */
#ifndef KVANT_HOST_REF_QUANTIZE_H
#define KVANT_HOST_REF_QUANTIZE_H

#include "reference.h"

/* The row of the view that is the event's token. */
static inline kv_u32 kv_event_row(const kv_quantize_params *p, const kv_u32 *store, kv_u32 token,
                                  kv_u32 head)
{
    if (p->indices_offset == KV_NO_OFFSET) {
        return token;
    }
    return store[p->indices_offset + head * p->indices_head + token] - p->index_base;
}

/* The event's value (token, head, channel): rounded to a half, divided by its channel scale. */
static inline kv_f32 kv_event_value(const kv_quantize_params *p, const kv_u32 *source,
                                    const kv_u32 *store, kv_u32 token, kv_u32 head, kv_u32 channel)
{
    kv_u32 row = kv_event_row(p, store, token, head);
    KV_EXACT kv_f32 x = kv_cache_value(kv_view_load(source, &p->source, row, head, channel));
    if (p->channel_scale_offset != KV_NO_OFFSET) {
        kv_f32 scale = kv_load_half(store, p->channel_scale_offset, head * p->dim + channel);
        x = x * kv_reciprocal(scale);
    }
    return x;
}

#endif
