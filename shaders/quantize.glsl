/* SPDX-License-Identifier: MIT
 *
 * What extrema and encode share: how a compression event reads its input. The sibling of
 * host_ref/quantize.h; expects the bindings `source` and `store` and the parameters.
 */
#ifndef KVANT_SHADERS_QUANTIZE_GLSL
#define KVANT_SHADERS_QUANTIZE_GLSL

/* The row of the view that holds the event's token. */
kv_u32 kv_event_row(kv_u32 token, kv_u32 head)
{
    if (p.indices_offset == KV_NO_OFFSET) {
        return token;
    }
    return store[p.indices_offset + head * p.indices_head + token] - p.index_base;
}

/* What a value is multiplied with: the inverse of its channel scale. */
kv_f32 kv_event_factor(kv_u32 head, kv_u32 channel)
{
    if (p.channel_scale_offset == KV_NO_OFFSET) {
        return 1.0f;
    }
    return kv_reciprocal(KV_LOAD_HALF(store, p.channel_scale_offset, head * p.dim + channel));
}

/* The event's value (row, head, channel): rounded to a half, divided by its channel scale. */
kv_f32 kv_event_value(kv_u32 row, kv_u32 head, kv_u32 channel, kv_f32 factor)
{
    kv_u32 i = kv_view_index(p.source, row, head, channel);
    KV_EXACT kv_f32 x = kv_cache_value(KV_LOAD(source, i, p.source.dtype));
    x = x * factor;
    return x;
}

#endif
