/* SPDX-License-Identifier: MIT
 *
 * What the CUDA kernels share: caller tensors, the lanes of a launch, sums and maxima over a warp.
 * The sibling of host_ref/reference.h. Work-groups are one-dimensional and whole warps; kernels
 * work with any number of them up to KV_MAX_LANES. Buffers are bound as pointers to 32-bit words.
 */
#ifndef KVANT_CUDA_KERNEL_CUH
#define KVANT_CUDA_KERNEL_CUH

#include "arith.h"
#include "codebook.h"
#include "layout.h"
#include "params.h"

#define KV_WARP 32u
#define KV_MAX_LANES 128u
#define KV_MAX_WARPS (KV_MAX_LANES / KV_WARP)
#define KV_ALL_LANES 0xffffffffu

/* ---- caller tensors ---- */

/* Element index of (row, head, channel) in a caller's tensor. */
KV_FN kv_u32 kv_view_index(const kv_view &view, kv_u32 row, kv_u32 head, kv_u32 channel)
{
    kv_u32 token = view.first + row;
    if (token >= view.wrap) {
        token -= view.wrap;
    }
    return view.offset + token * view.token_stride + head * view.head_stride +
           channel * view.channel_stride;
}

KV_FN kv_f32 kv_load_element(const kv_u32 *words, kv_u32 i, kv_u32 dtype)
{
    return kv_element(words[kv_element_word(i, dtype)], i, dtype);
}

/* The element itself, before any rounding. */
KV_FN kv_f32 kv_view_load(const kv_u32 *words, const kv_view &view, kv_u32 row, kv_u32 head,
                          kv_u32 channel)
{
    return kv_load_element(words, kv_view_index(view, row, head, channel), view.dtype);
}

/* Half i of an array of halves that starts at a word. */
KV_FN kv_f32 kv_load_half(const kv_u32 *words, kv_u32 offset, kv_u32 i)
{
    return kv_f16_to_f32((words[offset + i / 2u] >> ((i & 1u) * 16u)) & 0xffffu);
}

/* ---- lanes ---- */

/* Grid-stride loops over items, one lane or one warp an item. */
KV_FN kv_u32 kv_first_item()
{
    return blockIdx.x * blockDim.x + threadIdx.x;
}

KV_FN kv_u32 kv_item_stride()
{
    return gridDim.x * blockDim.x;
}

KV_FN kv_u32 kv_first_warp_item()
{
    return kv_first_item() / KV_WARP;
}

KV_FN kv_u32 kv_warp_item_stride()
{
    return kv_item_stride() / KV_WARP;
}

KV_FN kv_u32 kv_lane()
{
    return threadIdx.x % KV_WARP;
}

KV_FN kv_u32 kv_warp()
{
    return threadIdx.x / KV_WARP;
}

KV_FN kv_u32 kv_warps()
{
    return blockDim.x / KV_WARP;
}

/* ---- a warp together: all its lanes call, all get the result ---- */

KV_FN kv_u32 kv_warp_max(kv_u32 x)
{
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 800
    return __reduce_max_sync(KV_ALL_LANES, x);
#else
    for (kv_u32 distance = KV_WARP / 2u; distance != 0u; distance /= 2u) {
        kv_u32 other = __shfl_xor_sync(KV_ALL_LANES, x, distance);
        x = x > other ? x : other;
    }
    return x;
#endif
}

KV_FN kv_u32 kv_warp_min(kv_u32 x)
{
    return ~kv_warp_max(~x);
}

KV_FN kv_u32 kv_warp_sum(kv_u32 x)
{
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 800
    return __reduce_add_sync(KV_ALL_LANES, x);
#else
    for (kv_u32 distance = KV_WARP / 2u; distance != 0u; distance /= 2u) {
        x += __shfl_xor_sync(KV_ALL_LANES, x, distance);
    }
    return x;
#endif
}

/* The largest of finite floats; none of them is a negative zero. */
KV_FN kv_f32 kv_warp_max_float(kv_f32 x)
{
    return kv_from_sortable(kv_warp_max(kv_sortable(x)));
}

/* The largest magnitude. */
KV_FN kv_f32 kv_warp_max_abs(kv_f32 x)
{
    return kv_float(kv_warp_max(kv_bits(kv_abs(x))));
}

/* ---- codes ---- */

/* Eight words of codes, or as many as there are; those beyond are 0. A whole run of adjacent words
 * is read 16 bytes at a time where its address allows. */
KV_FN void kv_load_words(const kv_u32 *words, kv_u32 count, kv_u32 out[8])
{
    if (count == 8u && (unsigned long long)words % 16u == 0u) {
        const uint4 low = *(const uint4 *)words;
        const uint4 high = *(const uint4 *)(words + 4);
        out[0] = low.x;
        out[1] = low.y;
        out[2] = low.z;
        out[3] = low.w;
        out[4] = high.x;
        out[5] = high.y;
        out[6] = high.z;
        out[7] = high.w;
        return;
    }
#pragma unroll
    for (kv_u32 i = 0u; i < 8u; i++) {
        out[i] = i < count ? words[i] : 0u;
    }
}

/* A pair of adjacent words, or 0; 8 bytes at a time where the address allows. */
KV_FN void kv_load_pair(const kv_u32 *words, bool is_aligned, bool is_there, kv_u32 out[2])
{
    out[0] = 0u;
    out[1] = 0u;
    if (!is_there) {
        return;
    }
    if (is_aligned) {
        const uint2 pair = *(const uint2 *)words;
        out[0] = pair.x;
        out[1] = pair.y;
        return;
    }
    out[0] = words[0];
    out[1] = words[1];
}

#endif
