/* SPDX-License-Identifier: MIT
 *
 * What extrema, encode and gather share: how a compression event reads its input, 8 channels of a
 * row at a time. The sibling of host_ref/quantize.h.
 */
#ifndef KVANT_CUDA_QUANTIZE_CUH
#define KVANT_CUDA_QUANTIZE_CUH

#include "rows.cuh"

/* A number for each channel of an octet. */
struct kv_column {
    kv_f32 of[KV_OCTET];
};

/* kv_reciprocal without its divisions: Newton's method ends within 1 of the quotient
 * 2^47 / mantissa (for every mantissa: tried), and the remainder says on which side. */
KV_FN kv_f32 kv_quick_reciprocal(kv_f32 x)
{
    kv_u32 bits = kv_bits(x);
    kv_u32 mantissa = (bits & 0x7fffffu) | 0x800000u;
    KV_EXACT kv_f32 m = KV_F32(KV_I32(mantissa)) * 5.9604644775390625e-8f; /* 2^-24 */
    KV_EXACT kv_f32 r = m * 1.88235294f;
    r = 2.82352941f - r;
#pragma unroll
    for (kv_u32 round = 0u; round < 3u; round++) {
        KV_EXACT kv_f32 error = m * r;
        error = 1.0f - error;
        error = r * error;
        r = r + error;
    }
    KV_EXACT kv_f32 scaled = r * 8388608.0f;
    kv_u32 quotient = KV_U32(KV_I32(scaled));
    kv_u32 rest = 0u - quotient * mantissa; /* of 2^47, modulo 2^32 */
    if ((rest >> 31) != 0u) {
        quotient -= 1u;
        rest += mantissa;
    } else if (rest >= mantissa) {
        quotient += 1u;
        rest -= mantissa;
    }
    kv_u32 twice = rest << 1;
    if (twice > mantissa || (twice == mantissa && (quotient & 1u) != 0u)) {
        quotient += 1u;
    }
    return kv_float(((252u - (bits >> 23)) << 23) + quotient);
}

/* kv_inverse_scale */
KV_FN kv_f32 kv_quick_inverse_scale(kv_f32 scale)
{
    return scale > 0.0f ? kv_quick_reciprocal(scale) : 0.0f;
}

/* The element of the view at (token, head, channel 0) of the event. */
KV_FN kv_u32 kv_event_row(const kv_quantize_params &p, const kv_u32 *store, kv_u32 token,
                          kv_u32 head)
{
    kv_u32 row = token;
    if (p.indices_offset != KV_NO_OFFSET) {
        row = store[p.indices_offset + head * p.indices_head + token] - p.index_base;
    }
    return kv_view_index(p.source, row, head, 0u);
}

/* What the values of 8 channels are multiplied with: the inverses of their channel scales. */
KV_FN kv_column kv_load_factors(const kv_quantize_params &p, const kv_u32 *store, kv_u32 head,
                                kv_u32 channel)
{
    kv_column factors;
#pragma unroll
    for (kv_u32 i = 0u; i < KV_OCTET; i++) {
        factors.of[i] = 1.0f;
    }
    if (p.channel_scale_offset != KV_NO_OFFSET) {
#pragma unroll
        for (kv_u32 i = 0u; i < KV_OCTET; i++) {
            factors.of[i] = kv_quick_reciprocal(
                kv_load_half(store, p.channel_scale_offset, head * p.dim + channel + i));
        }
    }
    return factors;
}

/* The event's values of 8 channels in the row that begins at element `row`: rounded to halves,
 * divided by the channel scales. */
KV_FN kv_column kv_event_values(const kv_quantize_params &p, const kv_u32 *source, kv_u32 row,
                                kv_u32 channel, const kv_column &factors)
{
    const kv_octet octet = kv_load_octet(source, p.source, row, channel);
    kv_column values;
#pragma unroll
    for (kv_u32 i = 0u; i < KV_OCTET; i++) {
        KV_EXACT kv_f32 x = kv_f16_to_f32(octet.halves[i]);
        values.of[i] = x * factors.of[i];
    }
    return values;
}

/* Extrema of some values, as sortable keys. */
struct kv_extrema {
    kv_u32 low = 0xffffffffu;
    kv_u32 high = 0u;
};

KV_FN void kv_join(kv_extrema &extrema, const kv_extrema &other)
{
    extrema.low = other.low < extrema.low ? other.low : extrema.low;
    extrema.high = other.high > extrema.high ? other.high : extrema.high;
}

KV_FN void kv_take(kv_extrema &extrema, kv_f32 x)
{
    kv_u32 key = kv_sortable(x);
    extrema.low = key < extrema.low ? key : extrema.low;
    extrema.high = key > extrema.high ? key : extrema.high;
}

/* Extrema of 8 channels in the tokens first .. past - 1 of the event. */
KV_FN void kv_run_extrema(const kv_quantize_params &p, const kv_u32 *source, const kv_u32 *store,
                          kv_u32 head, kv_u32 channel, kv_u32 first, kv_u32 past,
                          const kv_column &factors, kv_extrema extrema[KV_OCTET])
{
    for (kv_u32 token = first; token < past; token++) {
        /* 1. Load */
        const kv_column x =
            kv_event_values(p, source, kv_event_row(p, store, token, head), channel, factors);
#pragma unroll
        for (kv_u32 i = 0u; i < KV_OCTET; i++) {
            kv_take(extrema[i], x.of[i]);
        }
    }
}

#endif
