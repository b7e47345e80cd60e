/* SPDX-License-Identifier: MIT
 *
 * How kernels read a caller's tensor: 8 channels of a row at a time, as the
 * halves that the cache holds. The sibling of cl/rows.clh.
 *
 * A work-group of 8 lanes is one vector of a CPU. There both sides of a branch are executed, and a
 * loop runs at least once: what is rare is a loop that mostly has no rounds.
 */
#ifndef KVANT_SHADERS_ROWS_GLSL
#define KVANT_SHADERS_ROWS_GLSL

#include "forms.h"

layout(constant_id = 1) const kv_u32 KV_FORM = KV_FORM_ANY;

const bool kv_is_narrow = KV_IS_NARROW(KV_LANES);

/* kv_cache_half of 8 channels, and how many of them had to be clamped. */
struct kv_octet {
    uvec4 even; /* channels 0, 2, 4, 6 */
    uvec4 odd;
    kv_u32 clamped;
};

/* Octets of a row that one item takes: all of them on a CPU, so that its lanes work on rows of their
 * own; one on a GPU, so that neighbouring lanes read neighbouring bytes. */
kv_u32 kv_octets_of_item(kv_u32 dim)
{
    return kv_is_narrow ? dim / 8u : 1u;
}

/* Items of a row. */
kv_u32 kv_row_parts(kv_u32 dim)
{
    return kv_is_narrow ? 1u : dim / 8u;
}

/* Whether 8 channels are halves that lie side by side, in whole units of 16 bytes. */
kv_u32 kv_is_plain(kv_view view)
{
    if (KV_FORM != KV_FORM_ANY) {
        return 1u;
    }
    kv_u32 places = view.offset | view.token_stride | view.head_stride;
    return view.dtype == KV_DTYPE_F16 && view.channel_stride == 1u && (places & 7u) == 0u ? 1u : 0u;
}

/* b where `which`, else a. */
uvec4 kv_choose(uvec4 a, uvec4 b, bvec4 which)
{
    return uvec4(which.x ? b.x : a.x, which.y ? b.y : a.y, which.z ? b.z : a.z,
                 which.w ? b.w : a.w);
}

/* kv_cache_half of halves; those that had to be clamped are counted. */
uvec4 kv_finite_halves(uvec4 halves, inout kv_u32 clamped)
{
    uvec4 magnitude = halves & 0x7fffu;
    uvec4 finite = min(magnitude, uvec4(0x7bffu));
    uvec4 excess = min(magnitude - finite, uvec4(1u));
    clamped += excess.x + excess.y + excess.z + excess.w;
    finite = kv_choose(finite, uvec4(0u), greaterThan(magnitude, uvec4(0x7c00u)));
    return kv_choose(finite | (halves & 0x8000u), uvec4(0u), equal(finite, uvec4(0u)));
}

kv_octet kv_octet_of(uvec4 words)
{
    kv_octet octet;
    octet.clamped = 0u;
    octet.even = kv_finite_halves(words & 0xffffu, octet.clamped);
    octet.odd = kv_finite_halves(words >> 16, octet.clamped);
    return octet;
}

/* Puts channel i of an octet that is all zeros so far. */
void kv_set_channel(inout kv_octet octet, kv_u32 i, kv_f32 x)
{
    uvec4 half_word = kv_choose(uvec4(0u), uvec4(kv_cache_half(x)), equal(uvec4(i / 2u), uvec4(0, 1, 2, 3)));
    octet.even |= (i & 1u) == 0u ? half_word : uvec4(0u);
    octet.odd |= (i & 1u) == 0u ? uvec4(0u) : half_word;
    octet.clamped += kv_is_unrepresentable(x);
}

uvec4 kv_octet_words(kv_octet octet)
{
    return octet.even | (octet.odd << 16);
}

/* A function that loads channels channel .. channel + 7 of the row whose channel 0 is element `first`,
 * from a binding declared with KV_OCTETS. GLSL passes no buffers to functions. */
#define KV_OCTET_LOADER(name, words)                                                               \
    kv_octet name(kv_view view, kv_u32 is_plain, kv_u32 first, kv_u32 channel)                     \
    {                                                                                              \
        uvec4 halves = uvec4(0u);                                                                  \
        if (is_plain != 0u) {                                                                      \
            halves = words##_octets[(first + channel) / 8u];                                       \
        }                                                                                          \
        kv_octet octet = kv_octet_of(halves);                                                      \
        kv_u32 scattered = is_plain != 0u ? 0u : 8u;                                               \
        for (kv_u32 i = 0u; i < scattered; i++) {                                                  \
            kv_u32 at = first + (channel + i) * view.channel_stride;                               \
            kv_set_channel(octet, i, KV_LOAD(words, at, view.dtype));                              \
        }                                                                                          \
        return octet;                                                                              \
    }

#endif
