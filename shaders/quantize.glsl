/* SPDX-License-Identifier: MIT
 *
 * What extrema, encode and gather share: how a compression event reads its input, a column at a
 * time, 8 channels of a row. The sibling of host_ref/quantize.h; expects the bindings `source` (octets) and
 * `store` and the parameters.
 */
#ifndef KVANT_SHADERS_QUANTIZE_GLSL
#define KVANT_SHADERS_QUANTIZE_GLSL

#include "rows.glsl"

#define KV_COLUMN 8u

KV_OCTET_LOADER(kv_load_octet, source)

/* A number for each channel of a column. */
struct kv_column {
    vec4 even; /* channels 0, 2, 4, 6 */
    vec4 odd;
};

/* kv_f16_to_f32 of finite halves */
vec4 kv_halves_to_floats(uvec4 halves)
{
    uvec4 magnitude = halves & 0x7fffu;
    KV_EXACT vec4 subnormal = vec4(ivec4(magnitude)) * 5.9604644775390625e-8f; /* 2^-24 */
    uvec4 normal = (magnitude << 13) + 0x38000000u;
    uvec4 bits = kv_choose(normal, floatBitsToUint(subnormal), lessThan(magnitude, uvec4(0x400u)));
    return uintBitsToFloat(bits | ((halves & 0x8000u) << 16));
}

/* kv_reciprocal without its divisions: Newton's method ends within 1 of the quotient
 * 2^47 / mantissa (for every mantissa: tried), and the remainder says on which side. */
vec4 kv_reciprocals(vec4 x)
{
    uvec4 bits = floatBitsToUint(x);
    uvec4 mantissa = (bits & 0x7fffffu) | 0x800000u;
    KV_EXACT vec4 m = vec4(ivec4(mantissa)) * 5.9604644775390625e-8f; /* 2^-24 */
    KV_EXACT vec4 r = m * 1.88235294f;
    r = 2.82352941f - r;
    for (kv_u32 round = 0u; round < 3u; round++) {
        KV_EXACT vec4 error = m * r;
        error = 1.0f - error;
        error = r * error;
        r = r + error;
    }
    KV_EXACT vec4 scaled = r * 8388608.0f;
    uvec4 quotient = uvec4(ivec4(scaled));
    uvec4 rest = uvec4(0u) - quotient * mantissa; /* of 2^47, modulo 2^32 */
    uvec4 is_below = rest >> 31;
    quotient -= is_below;
    rest += is_below * mantissa;
    uvec4 is_above = uvec4(greaterThanEqual(rest, mantissa));
    quotient += is_above;
    rest -= is_above * mantissa;
    uvec4 twice = rest << 1;
    uvec4 is_half_way = uvec4(equal(twice, mantissa));
    quotient += uvec4(greaterThan(twice, mantissa)) + (is_half_way & quotient);
    return uintBitsToFloat(((252u - (bits >> 23)) << 23) + quotient);
}

/* kv_inverse_scale */
vec4 kv_inverse_scales(vec4 scales)
{
    uvec4 inverses = floatBitsToUint(kv_reciprocals(scales));
    return uintBitsToFloat(kv_choose(uvec4(0u), inverses, greaterThan(scales, vec4(0.0f))));
}

/* The element of the view at (token, head, channel 0) of the event. */
kv_u32 kv_event_row(kv_u32 token, kv_u32 head)
{
    kv_u32 row = token;
    if (p.indices_offset != KV_NO_OFFSET) {
        row = store[p.indices_offset + head * p.indices_head + token] - p.index_base;
    }
    return kv_view_index(p.source, row, head, 0u);
}

/* What the values of a column are multiplied with: the inverses of its channel scales. */
kv_column kv_load_factors(kv_u32 head, kv_u32 channel)
{
    kv_column factors;
    factors.even = factors.odd = vec4(1.0f);
    bool is_scaled = KV_FORM == KV_FORM_ANY ? p.channel_scale_offset != KV_NO_OFFSET
                                            : KV_FORM == KV_FORM_SCALED;
    kv_u32 rounds = is_scaled ? 1u : 0u;
    for (kv_u32 i = 0u; i < rounds; i++) {
        kv_u32 at = p.channel_scale_offset + (head * p.dim + channel) / 2u;
        uvec4 words = uvec4(store[at], store[at + 1u], store[at + 2u], store[at + 3u]);
        factors.even = kv_reciprocals(kv_halves_to_floats(words & 0xffffu));
        factors.odd = kv_reciprocals(kv_halves_to_floats(words >> 16));
    }
    return factors;
}

/* The event's values of a column in the row that begins at element `row`: rounded to halves, divided
 * by the channel scales. */
kv_column kv_event_values(kv_u32 is_plain, kv_u32 row, kv_u32 channel, kv_column factors)
{
    kv_octet octet = kv_load_octet(p.source, is_plain, row, channel);
    kv_column values;
    KV_EXACT vec4 even = kv_halves_to_floats(octet.even) * factors.even;
    KV_EXACT vec4 odd = kv_halves_to_floats(octet.odd) * factors.odd;
    values.even = even;
    values.odd = odd;
    return values;
}

/* Extrema of no values, and those with one more value a channel. */
kv_column kv_no_lowest()
{
    kv_column low;
    low.even = low.odd = vec4(3.0e38f);
    return low;
}

kv_column kv_no_highest()
{
    kv_column high;
    high.even = high.odd = vec4(-3.0e38f);
    return high;
}

void kv_take(kv_column x, inout kv_column low, inout kv_column high)
{
    low.even = min(low.even, x.even);
    low.odd = min(low.odd, x.odd);
    high.even = max(high.even, x.even);
    high.odd = max(high.odd, x.odd);
}

#endif
