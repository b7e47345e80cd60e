/* SPDX-License-Identifier: MIT
 *
 * The scalar host reference: every kernel of the manifest as plain C, over a whole launch. It is
 * the readable specification of the kernels and what all backends are compared with. The host
 * backend calls it; nothing here knows of devices, and nothing may depend on the order in which
 * GPU work-groups run.
 *
 * bindings[i] is binding i of the manifest, as 32-bit words.
 */
#ifndef KVANT_HOST_REF_REFERENCE_H
#define KVANT_HOST_REF_REFERENCE_H

#include "arith.h"
#include "codebook.h"
#include "layout.h"
#include "params.h"

#define KVANT_KERNEL(name, params, count, names, shape, exactness)                                 \
    void kvant_ref_##name(const void *params_words, kv_u32 *const *bindings);
#include "kernels.def"
#undef KVANT_KERNEL

/* Element index of (row, head, channel) in a caller's tensor. */
static inline kv_u32 kv_view_index(const kv_view *view, kv_u32 row, kv_u32 head, kv_u32 channel)
{
    kv_u32 token = view->first + row;
    if (token >= view->wrap) {
        token -= view->wrap;
    }
    return view->offset + token * view->token_stride + head * view->head_stride +
           channel * view->channel_stride;
}

/* The element itself, before any rounding. */
static inline kv_f32 kv_view_load(const kv_u32 *words, const kv_view *view, kv_u32 row, kv_u32 head,
                                  kv_u32 channel)
{
    kv_u32 i = kv_view_index(view, row, head, channel);
    return kv_element(words[kv_element_word(i, view->dtype)], i, view->dtype);
}

/* Half i of an array of halves that starts at a word. */
static inline kv_f32 kv_load_half(const kv_u32 *words, kv_u32 offset, kv_u32 i)
{
    return kv_f16_to_f32((words[offset + i / 2u] >> ((i & 1u) * 16u)) & 0xffffu);
}

static inline void kv_store_half(kv_u32 *words, kv_u32 offset, kv_u32 i, kv_u32 half)
{
    kv_u32 shift = (i & 1u) * 16u;
    kv_u32 *word = &words[offset + i / 2u];
    *word = (*word & ~(0xffffu << shift)) | (half << shift);
}

#endif
