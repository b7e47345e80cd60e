/* SPDX-License-Identifier: MIT
 *
 * The exact scalar arithmetic that every kernel of every language shares. It is built from
 * + - * and comparison in fp32 (each rounded to nearest even, never contracted) and from 32-bit
 * integers, so that it has one result everywhere. docs/numerics.md gives the reasons and the
 * measured accuracy; tests hold an oracle that shares nothing with this file.
 *
 * fp32 subnormals never decide a result: values are cut where they could arise (kv_query_value,
 * kv_exp, kv_flush), because Vulkan devices may flush them.
 */
#ifndef KVANT_CONTRACT_ARITH_H
#define KVANT_CONTRACT_ARITH_H

#include "lang.h"
#include "layout.h"

/* ---- conversions ------------------------------------------------------------------------- */

/* The fp32 value of an IEEE half. Subnormal halves become normal floats; exact. */
KV_FN kv_f32 kv_f16_to_f32(kv_u32 h)
{
    kv_u32 sign = (h & 0x8000u) << 16;
    kv_u32 exponent = (h >> 10) & 0x1fu;
    kv_u32 mantissa = h & 0x3ffu;
    if (exponent == 0u) {
        KV_EXACT kv_f32 magnitude = KV_F32(KV_I32(mantissa)) * 5.9604644775390625e-8f; /* 2^-24 */
        return kv_float(kv_bits(magnitude) | sign);
    }
    if (exponent == 31u) {
        return kv_float(sign | 0x7f800000u | (mantissa << 13));
    }
    return kv_float(sign | ((exponent + 112u) << 23) | (mantissa << 13));
}

/* fp32 to IEEE half, to nearest even, by integers. Values from 65520 on become infinity. */
KV_FN kv_u32 kv_f32_to_f16(kv_f32 f)
{
    kv_u32 bits = kv_bits(f);
    kv_u32 sign = (bits >> 16) & 0x8000u;
    kv_u32 magnitude = bits & 0x7fffffffu;
    if (magnitude > 0x7f800000u) {
        return sign | 0x7e00u;
    }
    if (magnitude >= 0x477ff000u) {
        return sign | 0x7c00u;
    }
    if (magnitude >= 0x38800000u) { /* normal half: from 2^-14 */
        kv_u32 rounded = magnitude + 0xfffu + ((magnitude >> 13) & 1u);
        return sign | ((rounded - 0x38000000u) >> 13);
    }
    if (magnitude < 0x33000000u) { /* below 2^-25 */
        return sign;
    }
    kv_u32 shift = 126u - (magnitude >> 23); /* 14..24: drops the bits below 2^-24 */
    kv_u32 mantissa = (magnitude & 0x7fffffu) | 0x800000u;
    kv_u32 kept = mantissa >> shift;
    kv_u32 rest = mantissa & ((1u << shift) - 1u);
    kv_u32 half_way = 1u << (shift - 1u);
    if (rest > half_way || (rest == half_way && (kept & 1u) != 0u)) {
        kept += 1u;
    }
    return sign | kept;
}

/* An integer to fp32 with one rounding, in the addition: float(int) may round as it likes. */
KV_FN kv_f32 kv_int_to_float(kv_i32 i)
{
    KV_EXACT kv_f32 high = KV_F32(i >> 12) * 4096.0f;
    KV_EXACT kv_f32 sum = high + KV_F32(i & 4095);
    return sum;
}

KV_FN kv_f32 kv_uint_to_float(kv_u32 u)
{
    KV_EXACT kv_f32 high = KV_F32(KV_I32(u >> 12)) * 4096.0f;
    KV_EXACT kv_f32 sum = high + KV_F32(KV_I32(u & 4095u));
    return sum;
}

/* ---- elements of caller tensors ------------------------------------------------------------ */

#define KV_DTYPE_F16 0u
#define KV_DTYPE_BF16 1u
#define KV_DTYPE_F32 2u

/* The 32-bit word that holds element i. */
KV_FN kv_u32 kv_element_word(kv_u32 i, kv_u32 dtype)
{
    return dtype == KV_DTYPE_F32 ? i : i >> 1;
}

/* Element i, taken from its word. */
KV_FN kv_f32 kv_element(kv_u32 word, kv_u32 i, kv_u32 dtype)
{
    if (dtype == KV_DTYPE_F32) {
        return kv_float(word);
    }
    kv_u32 half_word = (word >> ((i & 1u) * 16u)) & 0xffffu;
    if (dtype == KV_DTYPE_BF16) {
        return kv_float(half_word << 16);
    }
    return kv_f16_to_f32(half_word);
}

/* Whether a K or V element cannot be held as a finite half: NaN, infinity, or 65520 and beyond. */
KV_FN kv_u32 kv_is_unrepresentable(kv_f32 x)
{
    return (kv_bits(x) & 0x7fffffffu) >= 0x477ff000u ? 1u : 0u;
}

/* A K or V element as the cache sees it: rounded to a finite half. NaN becomes 0, what is too
 * large becomes +-65504 (strict mode refuses such input before it gets here). */
KV_FN kv_u32 kv_cache_half(kv_f32 x)
{
    kv_u32 magnitude = kv_bits(x) & 0x7fffffffu;
    if (magnitude > 0x7f800000u) {
        return 0u;
    }
    if (magnitude >= 0x477ff000u) {
        return ((kv_bits(x) >> 16) & 0x8000u) | 0x7bffu;
    }
    kv_u32 rounded = kv_f32_to_f16(x);
    return rounded == 0x8000u ? 0u : rounded; /* no negative zero */
}

KV_FN kv_f32 kv_cache_value(kv_f32 x)
{
    return kv_f16_to_f32(kv_cache_half(x));
}

/* A query element: NaN becomes 0; below 2^-40 becomes 0; beyond 2^30 becomes +-2^30. */
KV_FN kv_f32 kv_query_value(kv_f32 x)
{
    kv_u32 magnitude = kv_bits(x) & 0x7fffffffu;
    if (magnitude > 0x7f800000u || magnitude < 0x2b800000u) {
        return 0.0f;
    }
    if (magnitude > 0x4e800000u) {
        return kv_float((kv_bits(x) & 0x80000000u) | 0x4e800000u);
    }
    return x;
}

/* A product that may be tiny: 0 below 2^-100. What remains is far enough from the subnormals that sums
 * of it do not reach them either. */
KV_FN kv_f32 kv_flush(kv_f32 x)
{
    return (kv_bits(x) & 0x7fffffffu) < 0x0d800000u ? 0.0f : x;
}

/* ---- order --------------------------------------------------------------------------------- */

/* A key that orders as the float does (finite input, -0 below +0 never occurs in the cache). */
KV_FN kv_u32 kv_sortable(kv_f32 x)
{
    kv_u32 bits = kv_bits(x);
    return (bits & 0x80000000u) != 0u ? ~bits : bits | 0x80000000u;
}

KV_FN kv_f32 kv_from_sortable(kv_u32 key)
{
    return kv_float((key & 0x80000000u) != 0u ? key & 0x7fffffffu : ~key);
}

KV_FN kv_f32 kv_abs(kv_f32 x)
{
    return kv_float(kv_bits(x) & 0x7fffffffu);
}

KV_FN kv_f32 kv_max(kv_f32 a, kv_f32 b)
{
    return a > b ? a : b;
}

KV_FN kv_u32 kv_min_u32(kv_u32 a, kv_u32 b)
{
    return a < b ? a : b;
}

/* ---- reciprocal and square root by integers -------------------------------------------------- */

/* 1/x correctly rounded, for x from 2^-100 to 2^100, by long division of 2^47 by the mantissa. */
KV_FN kv_f32 kv_reciprocal(kv_f32 x)
{
    kv_u32 bits = kv_bits(x);
    kv_u32 exponent = bits >> 23;
    kv_u32 mantissa = (bits & 0x7fffffu) | 0x800000u;
    kv_u32 quotient = 0x80000000u / mantissa;
    kv_u32 rest = 0x80000000u - quotient * mantissa;
    kv_u32 digit = (rest << 8) / mantissa;
    rest = (rest << 8) - digit * mantissa;
    quotient = (quotient << 8) + digit;
    digit = (rest << 8) / mantissa;
    rest = (rest << 8) - digit * mantissa;
    quotient = (quotient << 8) + digit;
    kv_u32 twice = rest << 1;
    if (twice > mantissa || (twice == mantissa && (quotient & 1u) != 0u)) {
        quotient += 1u;
    }
    return kv_float(((252u - exponent) << 23) + quotient);
}

/* sqrt of a finite half greater than 0, rounded to a half (to nearest even), by an integer root.
 * This is the channel scale of channel-separable tokenwise quantization (ZipCache). */
KV_FN kv_u32 kv_sqrt_f16(kv_f32 x)
{
    kv_u32 bits = kv_bits(x);
    kv_i32 exponent = KV_I32(bits >> 23) - 137;                  /* x = significand * 2^exponent */
    kv_u32 significand = ((bits & 0x7fffffu) | 0x800000u) >> 13; /* 11 bits */
    if ((exponent & 1) != 0) {
        significand <<= 1;
        exponent -= 1;
    }
    kv_u32 rest = significand << 14;
    kv_u32 root = 0u;
    for (kv_u32 bit = 1u << 26; bit != 0u; bit >>= 2) {
        kv_u32 trial = root + bit;
        root >>= 1;
        if (rest >= trial) {
            rest -= trial;
            root += bit;
        }
    }
    kv_u32 sticky = rest != 0u ? 1u : 0u;
    /* (2 root + sticky) * 2^(exponent/2 - 8) */
    kv_f32 power = kv_float(KV_U32(exponent / 2 - 8 + 127) << 23);
    KV_EXACT kv_f32 value = KV_F32(KV_I32(root * 2u + sticky)) * power;
    return kv_f32_to_f16(value);
}

/* sqrt of an integer, rounded to 16 bits. */
KV_FN kv_f32 kv_root(kv_u32 x)
{
    if (x == 0u) {
        return 0.0f;
    }
    kv_u32 shift = 0u;
    while ((x >> 30) == 0u) {
        x <<= 2;
        shift += 1u;
    }
    kv_u32 rest = x;
    kv_u32 root = 0u;
    for (kv_u32 bit = 1u << 30; bit != 0u; bit >>= 2) {
        kv_u32 trial = root + bit;
        root >>= 1;
        if (rest >= trial) {
            rest -= trial;
            root += bit;
        }
    }
    root += rest > root ? 1u : 0u;
    KV_EXACT kv_f32 value = KV_F32(KV_I32(root)) * kv_float((127u - shift) << 23);
    return value;
}

/* The channel scale that makes K and the query that it is folded into alike large: sqrt(K) / sqrt(Q) of
 * their largest magnitudes, from both roots as halves. */
KV_FN kv_u32 kv_smooth_scale(kv_u32 root_of_k, kv_u32 root_of_q)
{
    KV_EXACT kv_f32 ratio = kv_f16_to_f32(root_of_k) * kv_reciprocal(kv_f16_to_f32(root_of_q));
    kv_u32 rounded = kv_f32_to_f16(ratio);
    return rounded > 0x7bffu ? 0x7bffu : rounded;
}

/* ---- exponential and logarithm ----------------------------------------------------------------- */

/* exp(x) for x <= 0: range reduction by ln 2 in two parts, the Cephes single-precision
 * polynomial, exponent by integer addition. Within 1 ulp. Below -40 the result is 0: such a weight
 * is under 2^-57 of the largest. */
KV_FN kv_f32 kv_exp(kv_f32 x)
{
    if (x < -40.0f) {
        return 0.0f;
    }
    KV_EXACT kv_f32 t = x * 1.44269504f;
    kv_f32 n = kv_rint(t);
    KV_EXACT kv_f32 high = n * 0.693359375f;
    KV_EXACT kv_f32 low = n * 2.12194440e-4f;
    KV_EXACT kv_f32 f = x - high;
    f = f + low;
    KV_EXACT kv_f32 p = 1.9875691500e-4f * f;
    p = p + 1.3981999507e-3f;
    p = p * f;
    p = p + 8.3334519073e-3f;
    p = p * f;
    p = p + 4.1665795894e-2f;
    p = p * f;
    p = p + 1.6666665459e-1f;
    p = p * f;
    p = p + 5.0000001201e-1f;
    p = p * f;
    p = p * f;
    p = p + f;
    p = p + 1.0f;
    return kv_float(kv_bits(p) + (KV_U32(KV_I32(n)) << 23));
}

/* log(x) for normal x > 0, the Cephes single-precision polynomial. Used for LSE only. */
KV_FN kv_f32 kv_log(kv_f32 x)
{
    kv_u32 bits = kv_bits(x);
    kv_i32 exponent = KV_I32(bits >> 23) - 126;
    kv_f32 m = kv_float((bits & 0x7fffffu) | 0x3f000000u); /* [0.5, 1) */
    KV_EXACT kv_f32 f = m;
    if (m < 0.707106781f) {
        exponent -= 1;
        f = f + f;
    }
    f = f - 1.0f;
    KV_EXACT kv_f32 p = 7.0376836292e-2f * f;
    p = p - 1.1514610310e-1f;
    p = p * f;
    p = p + 1.1676998740e-1f;
    p = p * f;
    p = p - 1.2420140846e-1f;
    p = p * f;
    p = p + 1.4249322787e-1f;
    p = p * f;
    p = p - 1.6668057665e-1f;
    p = p * f;
    p = p + 2.0000714765e-1f;
    p = p * f;
    p = p - 2.4999993993e-1f;
    p = p * f;
    p = p + 3.3333331174e-1f;
    KV_EXACT kv_f32 square = f * f;
    p = p * f;
    p = p * square;
    KV_EXACT kv_f32 e = KV_F32(exponent);
    KV_EXACT kv_f32 low = e * 2.12194440e-4f;
    p = p - low;
    KV_EXACT kv_f32 half_square = square * 0.5f;
    p = p - half_square;
    p = p + f;
    KV_EXACT kv_f32 high = e * 0.693359375f;
    p = p + high;
    return p;
}

/* ---- group parameters and codes -------------------------------------------------------------- */

/* The scale and the minimum of a stored word. */
KV_FN kv_f32 kv_param_scale(kv_u32 word)
{
    return kv_f16_to_f32(word & 0xffffu);
}

KV_FN kv_f32 kv_param_minimum(kv_u32 word, kv_u32 is_symmetric)
{
    KV_EXACT kv_f32 minimum = kv_f16_to_f32(word & 0xffffu) * -128.0f;
    return is_symmetric != 0u ? minimum : kv_f16_to_f32(word >> 16);
}

/* The largest code of a codec of that many bits, and its reciprocal rounded to nearest. */
KV_FN kv_f32 kv_qmax(kv_u32 bits)
{
    return KV_F32(KV_I32((1u << bits) - 1u));
}

KV_FN kv_f32 kv_reciprocal_of_qmax(kv_u32 bits)
{
    return bits == 1u   ? 1.0f
           : bits == 2u ? 0.3333333432674407958984375f
           : bits == 3u ? 0.14285714924335479736328125f
           : bits == 4u ? 0.066666670143604278564453125f
                        : 3.921568859368562698364257812e-3f;
}

/* The stored word of an asymmetric group: scale in the low half, minimum in the high half. */
KV_FN kv_u32 kv_asymmetric_param(kv_f32 low, kv_f32 high, kv_f32 reciprocal_of_qmax)
{
    KV_EXACT kv_f32 range = high - low;
    KV_EXACT kv_f32 scale = range * reciprocal_of_qmax;
    return kv_cache_half(scale) | (kv_cache_half(low) << 16);
}

/* The word of an asymmetric group whose codes lose their lowest 1 to 6 bits: the scale times 2^bits,
 * and the minimum raised to the middle of the values that now share a code. The scale is exact, the
 * minimum is rounded to a half. */
KV_FN kv_u32 kv_demoted_param(kv_u32 word, kv_u32 bits)
{
    kv_f32 codes = KV_F32(1u << bits); /* that become one */
    kv_f32 scale = kv_param_scale(word);
    KV_EXACT kv_f32 middle = (codes - 1.0f) * 0.5f;
    KV_EXACT kv_f32 rise = scale * middle; /* exact: 11 bits times 6 */
    KV_EXACT kv_f32 minimum = kv_param_minimum(word, 0u) + rise;
    KV_EXACT kv_f32 wider = scale * codes;
    return kv_cache_half(wider) | (kv_cache_half(minimum) << 16);
}

/* What the largest magnitude of a symmetric group is multiplied by: 1 / its largest level. */
KV_FN kv_f32 kv_reciprocal_of_top(kv_u32 codec)
{
    return codec >= KV_CODEC_FP4 && codec <= KV_CODEC_NVFP4
               ? 0.010416666977107524871826171875f /* 1/96 */
               : 7.87401571869850159e-3f;          /* 1/127 */
}

/* The scale of a symmetric group whose largest magnitude is that. Those of MXFP4 are E8M0: 2 to the
 * power of floor(log2(largest)) - 2, the value of 16 levels. Those of NVFP4 have the significand of E4M3;
 * the half's range of exponents is wider than that of E4M3 with a scale of the tensor. */
KV_FN kv_f32 kv_symmetric_scale(kv_u32 codec, kv_f32 largest)
{
    kv_u32 bits = kv_bits(largest);
    if (codec == KV_CODEC_MXFP4) {
        kv_u32 exponent = bits >> 23;
        return exponent > 6u ? kv_float((exponent - 6u) << 23) : 0.0f;
    }
    KV_EXACT kv_f32 scale = largest * kv_reciprocal_of_top(codec);
    if (codec == KV_CODEC_NVFP4) {
        bits = kv_bits(scale);
        return kv_float((bits + 0x7ffffu + ((bits >> 20) & 1u)) & 0xfff00000u);
    }
    return scale;
}

/* The stored word of a symmetric group: the scale alone. Codes are biased by 128, so the group's
 * minimum is -128 scale and attention treats both kinds alike. */
KV_FN kv_u32 kv_symmetric_param(kv_u32 codec, kv_f32 low, kv_f32 high)
{
    return kv_cache_half(kv_symmetric_scale(codec, kv_max(kv_abs(low), kv_abs(high))));
}

/* The range of a group is that of codes of so many bits; levels are bytes. */
KV_FN kv_u32 kv_range_bits(kv_u32 codec)
{
    return codec >= KV_CODEC_NF4 ? 8u : kv_codec_bits(codec);
}

/* The stored word of a group with those extrema. */
KV_FN kv_u32 kv_group_param(kv_u32 codec, kv_f32 low, kv_f32 high)
{
    return kv_codec_is_symmetric(codec) != 0u
               ? kv_symmetric_param(codec, low, high)
               : kv_asymmetric_param(low, high, kv_reciprocal_of_qmax(kv_range_bits(codec)));
}

/* The inverse of a stored scale; 0 for a degenerate group. */
KV_FN kv_f32 kv_inverse_scale(kv_f32 scale)
{
    return scale > 0.0f ? kv_reciprocal(scale) : 0.0f;
}

/* The code of x in an asymmetric group, from the stored parameters. */
KV_FN kv_u32 kv_asymmetric_code(kv_f32 x, kv_f32 minimum, kv_f32 inverse, kv_f32 qmax)
{
    KV_EXACT kv_f32 y = x - minimum;
    y = y * inverse;
    kv_f32 q = kv_rint(y);
    q = q < 0.0f ? 0.0f : q;
    q = q > qmax ? qmax : q;
    return KV_U32(KV_I32(q));
}

/* The biased code of x in a symmetric int8 group: 1..255, 128 for 0. */
KV_FN kv_u32 kv_symmetric_code(kv_f32 x, kv_f32 inverse)
{
    KV_EXACT kv_f32 y = x * inverse;
    kv_f32 q = kv_rint(y);
    q = q < -127.0f ? -127.0f : q;
    q = q > 127.0f ? 127.0f : q;
    return KV_U32(KV_I32(q) + 128);
}

/* The value of a code. */
KV_FN kv_f32 kv_dequantized(kv_u32 code, kv_f32 scale, kv_f32 minimum)
{
    KV_EXACT kv_f32 y = KV_F32(KV_I32(code)) * scale;
    y = y + minimum;
    return y;
}

/* ---- integer operands of attention ------------------------------------------------------------- */

#define KV_OPERAND_MAX 32767.0f                /* 16-bit folded queries and probabilities */
#define KV_OPERAND_STEP 3.0518509447574615e-5f /* 1/32767 */
#define KV_TERM_ONE 4194304.0f                 /* 2^22: float terms that are summed as integers */
#define KV_TERM_STEP 2.384185791015625e-7f     /* 2^-22 */
#define KV_WEIGHT_ONE 8388608.0f               /* 2^23: softmax weights summed as integers */
#define KV_WEIGHT_STEP 1.1920928955078125e-7f  /* 2^-23 */

/* What multiplies a value of magnitude <= largest to make it an integer of magnitude <= top. */
KV_FN kv_f32 kv_operand_inverse(kv_f32 largest, kv_f32 top)
{
    if (!(largest > 0.0f)) {
        return 0.0f;
    }
    KV_EXACT kv_f32 inverse = kv_reciprocal(largest) * top;
    return inverse;
}

KV_FN kv_i32 kv_operand(kv_f32 x, kv_f32 inverse)
{
    KV_EXACT kv_f32 y = x * inverse;
    return KV_I32(kv_rint(y));
}

/* ---- norms -------------------------------------------------------------------------------------- */

#define KV_NORM_ONE 4095.0f                      /* 256 squares of that fit 32 bits */
#define KV_NORM_STEP 2.442002587486058473587e-4f /* 1/4095 */

/* The norm of numbers of which the largest has that magnitude and whose squares, as integers of
 * KV_NORM_ONE a largest, have that sum. */
KV_FN kv_f32 kv_norm(kv_f32 largest, kv_u32 squares)
{
    KV_EXACT kv_f32 unit = largest * KV_NORM_STEP;
    KV_EXACT kv_f32 norm = kv_root(squares) * unit;
    return norm;
}

/* What makes numbers of that norm levels: their root mean square is a standard deviation. */
KV_FN kv_f32 kv_norm_inverse(kv_f32 levels_of_deviation, kv_f32 norm, kv_u32 count)
{
    if (!(norm > 0.0f)) {
        return 0.0f;
    }
    KV_EXACT kv_f32 levels = kv_root(count) * levels_of_deviation;
    levels = levels * kv_reciprocal(norm);
    return levels;
}

/* The stored word: the scale that gives levels, whose squares have that sum, that norm. */
KV_FN kv_u32 kv_norm_param(kv_f32 norm, kv_u32 squares)
{
    KV_EXACT kv_f32 scale = norm * kv_reciprocal(kv_root(squares));
    return kv_cache_half(scale);
}

/* ---- rotation ------------------------------------------------------------------------------------- */

/* Channels that are rotated together: the largest power of two that divides the head dimension. */
KV_FN kv_u32 kv_rotate_block(kv_u32 dim)
{
    return dim & (0u - dim);
}

/* 1 / sqrt(block) to nearest, for a block of 8 to 256 channels. */
KV_FN kv_f32 kv_rotate_scale(kv_u32 block)
{
    return block == 8u     ? 0.3535533845424652099609375f
           : block == 16u  ? 0.25f
           : block == 32u  ? 0.17677669227123260498046875f
           : block == 64u  ? 0.125f
           : block == 128u ? 0.088388346135616302490234375f
                           : 0.0625f;
}

/* x with its sign changed where bit `bit` is set; any 0 becomes the positive one. On the bits:
 * Vulkan devices may take 0 - x for -x. */
KV_FN kv_f32 kv_rotate_sign(kv_f32 x, kv_u32 signs, kv_u32 bit)
{
    kv_u32 bits = kv_bits(x);
    kv_u32 flip = ((signs >> bit) & 1u) << 31;
    return kv_float((bits & 0x7fffffffu) != 0u ? bits ^ flip : 0u);
}

/* ---- random numbers ------------------------------------------------------------------------------ */

/* The high word of a 32 x 32 bit product. */
KV_FN kv_u32 kv_mul_high(kv_u32 a, kv_u32 b)
{
    kv_u32 a_low = a & 0xffffu;
    kv_u32 a_high = a >> 16;
    kv_u32 b_low = b & 0xffffu;
    kv_u32 b_high = b >> 16;
    kv_u32 low = a_low * b_low;
    kv_u32 middle = a_high * b_low + (low >> 16);
    kv_u32 other = a_low * b_high + (middle & 0xffffu);
    return a_high * b_high + (middle >> 16) + (other >> 16);
}

/* The first word of Philox4x32-10 (Salmon et al., 2011). */
KV_FN kv_u32 kv_philox(kv_u32 key0, kv_u32 key1, kv_u32 c0, kv_u32 c1, kv_u32 c2, kv_u32 c3)
{
    for (kv_u32 round = 0u; round < 10u; round++) {
        kv_u32 high0 = kv_mul_high(0xd2511f53u, c0);
        kv_u32 low0 = 0xd2511f53u * c0;
        kv_u32 high1 = kv_mul_high(0xcd9e8d57u, c2);
        kv_u32 low1 = 0xcd9e8d57u * c2;
        c0 = high1 ^ c1 ^ key0;
        c1 = low1;
        c2 = high0 ^ c3 ^ key1;
        c3 = low0;
        key0 += 0x9e3779b9u;
        key1 += 0xbb67ae85u;
    }
    return c0;
}

#endif
