/* SPDX-License-Identifier: MIT
 *
 * arithmetic: output[i] = f(input[4i .. 4i+3]), one function of arith.h per launch. The self-test
 * at start-up and the micro-tests of the conformance suite run it on every device.
 */
#include "kernel.clh"

KV_FN kv_u32 evaluate(kv_u32 operation, uint4 in)
{
    kv_f32 a = kv_float(in.s0);
    kv_f32 b = kv_float(in.s1);
    kv_f32 c = kv_float(in.s2);
    kv_u32 token = in.s1 & 0xffffu;
    kv_u32 channel = in.s1 >> 16;
    kv_u32 bits = 2u << ((in.s2 & 255u) % 3u);
    kv_u32 shift = kv_code_shift(in.s2 >> 8, token, channel, bits);
    kv_u32 mask = ((1u << bits) - 1u) << shift;
    switch (operation) {
    case KV_ARITHMETIC_MULTIPLY_ADD: {
        KV_EXACT kv_f32 product = a * b;
        KV_EXACT kv_f32 sum = product + c;
        return kv_bits(sum);
    }
    case KV_ARITHMETIC_F16_TO_F32:
        return kv_bits(kv_f16_to_f32(in.s0));
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
        return kv_bits(kv_int_to_float(KV_I32(in.s0)));
    case KV_ARITHMETIC_ELEMENT:
        return kv_bits(kv_element(in.s0, in.s1, in.s2 % 3u));
    case KV_ARITHMETIC_CACHE_HALF:
        return kv_cache_half(kv_element(in.s0, in.s1, in.s2 % 3u));
    case KV_ARITHMETIC_PACK:
        return (in.s3 & ~mask) | ((in.s0 << shift) & mask);
    case KV_ARITHMETIC_UNPACK:
        return (in.s3 & mask) >> shift;
    case KV_ARITHMETIC_CODE_WORD:
        return kv_code_word(in.s2 >> 8, token, channel, in.s3, bits);
    default:
        return kv_philox(in.s0, in.s1, in.s2, in.s3, 0u, 0u);
    }
}

KV_KERNEL void kvant_arithmetic(const kv_arithmetic_params p, __global const kv_u32 *input,
                                __global kv_u32 *output)
{
    const kv_items items = kv_my_items(p.count);
    for (kv_u32 i = items.begin; i < items.end; i += items.step) {
        output[i] = evaluate(p.operation, vload4(i, input));
    }
}
