/* SPDX-License-Identifier: MIT
 *
 * How kernels read a caller's tensor: 8 channels of a row at a time, as the
 * halves that the cache holds, 16 bytes a load where their address allows. The sibling of
 * cl/rows.clh.
 */
#ifndef KVANT_CUDA_ROWS_CUH
#define KVANT_CUDA_ROWS_CUH

#include "kernel.cuh"

#define KV_OCTET 8u

/* kv_cache_half of 8 channels, and how many of them had to be clamped. */
struct kv_octet {
    kv_u32 halves[KV_OCTET];
    kv_u32 clamped;
};

KV_FN uint4 kv_load_16_bytes(const kv_u32 *words)
{
    return *(const uint4 *)words;
}

/* kv_cache_half of a half. */
KV_FN kv_u32 kv_finite_half(kv_u32 half_word)
{
    kv_u32 magnitude = half_word & 0x7fffu;
    kv_u32 finite = magnitude > 0x7c00u ? 0u : kv_min_u32(magnitude, 0x7bffu);
    return finite == 0u ? 0u : finite | (half_word & 0x8000u);
}

KV_FN kv_octet kv_octet_of_halves(const uint4 packed)
{
    const kv_u32 words[4] = {packed.x, packed.y, packed.z, packed.w};
    kv_octet octet = {};
#pragma unroll
    for (kv_u32 i = 0u; i < KV_OCTET; i++) {
        kv_u32 half_word = (words[i / 2u] >> ((i & 1u) * 16u)) & 0xffffu;
        octet.halves[i] = kv_finite_half(half_word);
        octet.clamped += (half_word & 0x7fffu) > 0x7bffu ? 1u : 0u;
    }
    return octet;
}

/* Channels channel .. channel + 7 of the row whose channel 0 is element `first`. */
KV_FN kv_octet kv_load_octet(const kv_u32 *source, const kv_view &view, kv_u32 first,
                             kv_u32 channel)
{
    kv_u32 i = first + channel * view.channel_stride;
    const kv_u32 *words = source + kv_element_word(i, view.dtype);
    kv_u32 is_whole = (unsigned long long)words % 16u == 0u && view.channel_stride == 1u ? 1u : 0u;
    if (view.dtype == KV_DTYPE_F16 && is_whole != 0u && i % 2u == 0u) {
        return kv_octet_of_halves(kv_load_16_bytes(words));
    }
    kv_f32 x[KV_OCTET];
    if (view.dtype == KV_DTYPE_BF16 && is_whole != 0u && i % 2u == 0u) {
        const uint4 packed = kv_load_16_bytes(words);
        const kv_u32 pairs[4] = {packed.x, packed.y, packed.z, packed.w};
#pragma unroll
        for (kv_u32 j = 0u; j < KV_OCTET; j++) {
            x[j] = kv_element(pairs[j / 2u], j, KV_DTYPE_BF16);
        }
    } else {
#pragma unroll
        for (kv_u32 j = 0u; j < KV_OCTET; j++) {
            x[j] = kv_load_element(source, i + j * view.channel_stride, view.dtype);
        }
    }
    kv_octet octet = {};
#pragma unroll
    for (kv_u32 j = 0u; j < KV_OCTET; j++) {
        octet.halves[j] = kv_cache_half(x[j]);
        octet.clamped += kv_is_unrepresentable(x[j]);
    }
    return octet;
}

KV_FN uint4 kv_octet_words(const kv_octet &octet)
{
    uint4 words;
    words.x = octet.halves[0] | (octet.halves[1] << 16);
    words.y = octet.halves[2] | (octet.halves[3] << 16);
    words.z = octet.halves[4] | (octet.halves[5] << 16);
    words.w = octet.halves[6] | (octet.halves[7] << 16);
    return words;
}

/* 8 channels to four words. */
KV_FN void kv_store_octet(kv_u32 *at, const kv_octet &octet)
{
    const uint4 words = kv_octet_words(octet);
    if ((unsigned long long)at % 16u == 0u) {
        *(uint4 *)at = words;
    } else {
        at[0] = words.x;
        at[1] = words.y;
        at[2] = words.z;
        at[3] = words.w;
    }
}

#endif
