/* SPDX-License-Identifier: MIT
 *
 * rotate: rows of one or two tensors times a Hadamard matrix with signs, or back. A warp takes as many
 * rows as its lanes have octets of channels; lanes of one row exchange octets by shuffles.
 */
#include "rows.cuh"

/* One tensor, and where its rows go. */
struct kv_rotation {
    kv_view view;
    const kv_u32 *words;
    kv_u32 dim;
    kv_u32 target_offset;
    kv_u32 token_stride;
    kv_u32 head_stride;
};

/* The signs of 8 channels in the low byte. */
KV_FN kv_u32 kv_rotate_signs(const kv_rotate_params &p, kv_u32 channel)
{
    return p.signs[channel / 32u] >> (channel % 32u);
}

/* 1. Load 8 channels. Returns how many had to be clamped. */
KV_FN kv_u32 kv_rotate_load(const kv_rotate_params &p, const kv_rotation &r, kv_u32 first,
                            kv_u32 channel, kv_f32 x[KV_OCTET])
{
    kv_u32 signs = (p.form & KV_ROTATE_INVERSE) != 0u ? 0u : kv_rotate_signs(p, channel);
    kv_u32 clamped = 0u;
    if ((p.form & KV_ROTATE_CACHED) != 0u) {
        const kv_octet octet = kv_load_octet(r.words, r.view, first, channel);
        clamped = octet.clamped;
#pragma unroll
        for (kv_u32 i = 0u; i < KV_OCTET; i++) {
            x[i] = kv_f16_to_f32(octet.halves[i]);
        }
    } else {
#pragma unroll
        for (kv_u32 i = 0u; i < KV_OCTET; i++) {
            x[i] = kv_query_value(kv_load_element(
                r.words, first + (channel + i) * r.view.channel_stride, r.view.dtype));
        }
    }
#pragma unroll
    for (kv_u32 i = 0u; i < KV_OCTET; i++) {
        x[i] = kv_rotate_sign(x[i], signs, i);
    }
    return clamped;
}

/* 2. Butterflies: within the octet, then with those of other lanes. All lanes of the warp call. */
KV_FN void kv_rotate_butterflies(kv_f32 x[KV_OCTET], kv_u32 octet, kv_u32 octets_of_block)
{
#pragma unroll
    for (kv_u32 stride = 1u; stride < KV_OCTET; stride *= 2u) {
#pragma unroll
        for (kv_u32 i = 0u; i < KV_OCTET; i++) {
            if ((i & stride) == 0u) {
                KV_EXACT kv_f32 sum = x[i] + x[i + stride];
                KV_EXACT kv_f32 difference = x[i] - x[i + stride];
                x[i] = sum;
                x[i + stride] = difference;
            }
        }
    }
    for (kv_u32 stride = 1u; stride < octets_of_block; stride *= 2u) {
#pragma unroll
        for (kv_u32 i = 0u; i < KV_OCTET; i++) {
            kv_f32 other = kv_float(__shfl_xor_sync(KV_ALL_LANES, kv_bits(x[i]), stride));
            KV_EXACT kv_f32 sum = x[i] + other;
            KV_EXACT kv_f32 difference = other - x[i];
            x[i] = (octet & stride) == 0u ? sum : difference;
        }
    }
}

/* 3. Store 8 channels, of which the first is element `at`. Returns how many had to be clamped. */
KV_FN kv_u32 kv_rotate_store(const kv_rotate_params &p, const kv_f32 x[KV_OCTET], kv_f32 scale,
                             kv_u32 channel, kv_u32 at, kv_u32 *target)
{
    kv_u32 signs = (p.form & KV_ROTATE_INVERSE) != 0u ? kv_rotate_signs(p, channel) : 0u;
    kv_u32 clamped = 0u;
#pragma unroll
    for (kv_u32 i = 0u; i < KV_OCTET; i += 2u) {
        KV_EXACT kv_f32 low = x[i] * scale;
        KV_EXACT kv_f32 high = x[i + 1u] * scale;
        low = kv_rotate_sign(low, signs, i);
        high = kv_rotate_sign(high, signs, i + 1u);
        if (p.target_dtype == KV_DTYPE_F32) {
            target[at + i] = kv_bits(low);
            target[at + i + 1u] = kv_bits(high);
        } else {
            clamped += kv_is_unrepresentable(low) + kv_is_unrepresentable(high);
            target[(at + i) / 2u] = kv_cache_half(low) | (kv_cache_half(high) << 16);
        }
    }
    return (p.form & KV_ROTATE_CACHED) != 0u ? clamped : 0u;
}

/* All rows of one tensor. Returns how many elements this lane had to clamp. */
KV_FN kv_u32 kv_rotate_tensor(const kv_rotate_params &p, const kv_rotation &r, kv_u32 *target)
{
    kv_u32 rows = p.tokens * p.heads;
    kv_u32 octets = r.dim / KV_OCTET;
    kv_u32 block = kv_rotate_block(r.dim);
    kv_u32 height = KV_WARP / octets; /* rows of a warp */
    kv_u32 octet = kv_lane() % octets;
    kv_u32 clamped = 0u;
    for (kv_u32 tile = kv_first_warp_item(); tile < (rows + height - 1u) / height;
         tile += kv_warp_item_stride()) {
        kv_u32 row = tile * height + kv_lane() / octets;
        bool is_there = kv_lane() / octets < height && row < rows;
        kv_u32 token = is_there ? row / p.heads : 0u;
        kv_u32 head = is_there ? row % p.heads : 0u;
        kv_f32 x[KV_OCTET] = {};
        if (is_there) {
            clamped += kv_rotate_load(p, r, kv_view_index(r.view, token, head, 0u),
                                      octet * KV_OCTET, x);
        }
        kv_rotate_butterflies(x, octet, block / KV_OCTET);
        if (is_there) {
            kv_u32 at = r.target_offset + token * r.token_stride + head * r.head_stride;
            clamped += kv_rotate_store(p, x, kv_rotate_scale(block), octet * KV_OCTET,
                                       at + octet * KV_OCTET, target);
        }
    }
    return clamped;
}

extern "C" __global__ void __launch_bounds__(KV_MAX_LANES)
kvant_rotate(const kv_rotate_params p, const kv_u32 *__restrict__ source,
             const kv_u32 *__restrict__ second, kv_u32 *target, kv_u32 *status)
{
    const kv_rotation first = {p.source, source, p.dim, p.target_offset, p.target_token_stride,
                               p.target_head_stride};
    kv_u32 clamped = kv_rotate_tensor(p, first, target);
    if (p.second_dim != 0u) {
        const kv_rotation rest = {p.second, second, p.second_dim,
                                  p.target_offset + p.tokens * p.target_token_stride,
                                  p.heads * p.second_dim, p.second_dim};
        clamped += kv_rotate_tensor(p, rest, target);
    }
    /* 4. What had to be clamped */
    clamped = kv_warp_sum(clamped);
    if (kv_lane() == 0u && clamped != 0u && p.status_offset != KV_NO_OFFSET) {
        atomicAdd(&status[p.status_offset], clamped);
    }
}
