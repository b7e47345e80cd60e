/* SPDX-License-Identifier: MIT
 *
 * rotate: rows of one or two tensors times a Hadamard matrix with signs, or back. K and V that are
 * rotated spread their outlier channels over all of a block; queries take the same rotation and so
 * the same scores, outputs are rotated back.
 */
#include "reference.h"

/* Rows of one tensor to element `target_offset` of target. Returns how many elements were clamped. */
static kv_u32 rotate_tensor(const kv_rotate_params *p, const kv_u32 *source, const kv_view *view,
                            kv_u32 dim, kv_u32 target_offset, kv_u32 token_stride,
                            kv_u32 head_stride, kv_u32 *target)
{
    kv_u32 is_inverse = p->form & KV_ROTATE_INVERSE;
    kv_u32 is_cached = p->form & KV_ROTATE_CACHED;
    kv_u32 block = kv_rotate_block(dim);
    kv_f32 scale = kv_rotate_scale(block);
    kv_u32 clamped = 0;
    for (kv_u32 row = 0; row < p->tokens * p->heads; row++) {
        kv_u32 token = row / p->heads;
        kv_u32 head = row % p->heads;
        kv_f32 x[KV_MAX_HEAD_DIM];
        /* 1. Load */
        for (kv_u32 channel = 0; channel < dim; channel++) {
            kv_f32 element = kv_view_load(source, view, token, head, channel);
            kv_u32 signs = is_inverse != 0u ? 0u : p->signs[channel / 32u];
            clamped += is_cached != 0u ? kv_is_unrepresentable(element) : 0u;
            element = is_cached != 0u ? kv_cache_value(element) : kv_query_value(element);
            x[channel] = kv_rotate_sign(element, signs, channel % 32u);
        }
        /* 2. Butterflies: sum and difference of channels `stride` apart */
        for (kv_u32 stride = 1u; stride < block; stride *= 2u) {
            for (kv_u32 channel = 0; channel < dim; channel++) {
                if ((channel & stride) == 0u) {
                    KV_EXACT kv_f32 sum = x[channel] + x[channel + stride];
                    KV_EXACT kv_f32 difference = x[channel] - x[channel + stride];
                    x[channel] = sum;
                    x[channel + stride] = difference;
                }
            }
        }
        /* 3. Store */
        kv_u32 at = target_offset + token * token_stride + head * head_stride;
        for (kv_u32 channel = 0; channel < dim; channel++) {
            kv_u32 signs = is_inverse != 0u ? p->signs[channel / 32u] : 0u;
            KV_EXACT kv_f32 scaled = x[channel] * scale;
            kv_f32 value = kv_rotate_sign(scaled, signs, channel % 32u);
            if (p->target_dtype == KV_DTYPE_F32) {
                target[at + channel] = kv_bits(value);
            } else {
                clamped += is_cached != 0u ? kv_is_unrepresentable(value) : 0u;
                kv_store_half(target, 0, at + channel, kv_cache_half(value));
            }
        }
    }
    return clamped;
}

void kvant_ref_rotate(const void *params_words, kv_u32 *const *bindings)
{
    const kv_rotate_params *p = params_words;
    const kv_u32 *source = bindings[0];
    const kv_u32 *second = bindings[1];
    kv_u32 *target = bindings[2];
    kv_u32 *status = bindings[3];

    kv_u32 clamped = rotate_tensor(p, source, &p->source, p->dim, p->target_offset,
                                   p->target_token_stride, p->target_head_stride, target);
    if (p->second_dim != 0u) {
        clamped += rotate_tensor(p, second, &p->second, p->second_dim,
                                 p->target_offset + p->tokens * p->target_token_stride,
                                 p->heads * p->second_dim, p->second_dim, target);
    }
    /* 4. What had to be clamped */
    if (p->status_offset != KV_NO_OFFSET) {
        status[p->status_offset] += clamped;
    }
}
