#version 450
#extension GL_GOOGLE_include_directive : require
/* SPDX-License-Identifier: MIT
 *
 * arithmetic: outputs[i] = f(inputs[4i .. 4i+3]), one function of arith.h per launch. The self-test
 * at start-up and the micro-tests of the conformance suite run it on every device.
 */
#include "kernel.glsl"

KV_BINDING(0, readonly, inputs);
KV_BINDING(1, writeonly, outputs);
KV_PARAMS(kv_arithmetic_params);

kv_u32 evaluate(kv_u32 operation, uvec4 words)
{
    kv_f32 a = kv_float(words.x);
    kv_f32 b = kv_float(words.y);
    kv_f32 c = kv_float(words.z);
    kv_u32 token = words.y & 0xffffu;
    kv_u32 channel = words.y >> 16;
    kv_u32 bits = 2u << ((words.z & 255u) % 3u);
    kv_u32 shift = kv_code_shift(words.z >> 8, token, channel, bits);
    kv_u32 mask = ((1u << bits) - 1u) << shift;
    switch (operation) {
    case KV_ARITHMETIC_MULTIPLY_ADD: {
        KV_EXACT kv_f32 product = a * b;
        KV_EXACT kv_f32 sum = product + c;
        return kv_bits(sum);
    }
    case KV_ARITHMETIC_F16_TO_F32:
        return kv_bits(kv_f16_to_f32(words.x));
    case KV_ARITHMETIC_F32_TO_F16:
        return kv_f32_to_f16(a);
    case KV_ARITHMETIC_RECIPROCAL:
        return kv_bits(kv_reciprocal(a));
    case KV_ARITHMETIC_SQRT_F16:
        return kv_sqrt_f16(a);
    case KV_ARITHMETIC_EXP:
        return kv_bits(kv_exp(a));
    case KV_ARITHMETIC_LOG:
        return kv_bits(kv_log(a));
    case KV_ARITHMETIC_RINT:
        return kv_bits(kv_rint(a));
    case KV_ARITHMETIC_INT_TO_FLOAT:
        return kv_bits(kv_int_to_float(KV_I32(words.x)));
    case KV_ARITHMETIC_ELEMENT:
        return kv_bits(kv_element(words.x, words.y, words.z % 3u));
    case KV_ARITHMETIC_CACHE_HALF:
        return kv_cache_half(kv_element(words.x, words.y, words.z % 3u));
    case KV_ARITHMETIC_PACK:
        return (words.w & ~mask) | ((words.x << shift) & mask);
    case KV_ARITHMETIC_UNPACK:
        return (words.w & mask) >> shift;
    case KV_ARITHMETIC_CODE_WORD:
        return kv_code_word(words.z >> 8, token, channel, words.w, bits);
    default:
        return kv_philox(words.x, words.y, words.z, words.w, 0u, 0u);
    }
}

void main()
{
    KV_FOR_ITEMS(i, p.count)
    {
        outputs[i] = evaluate(p.operation, uvec4(inputs[4u * i], inputs[4u * i + 1u],
                                                 inputs[4u * i + 2u], inputs[4u * i + 3u]));
    }
}
