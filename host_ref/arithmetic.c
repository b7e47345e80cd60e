/* SPDX-License-Identifier: MIT
 *
 * arithmetic: output[i] = f(input[4i .. 4i+3]), one function of arith.h per launch. The self-test
 * at start-up and the micro-tests of the conformance suite run it on every device.
 */
#include "reference.h"

static kv_u32 evaluate(kv_u32 operation, const kv_u32 *in)
{
    kv_f32 a = kv_float(in[0]);
    kv_f32 b = kv_float(in[1]);
    kv_f32 c = kv_float(in[2]);
    kv_u32 token = in[1] & 0xffffu;
    kv_u32 channel = in[1] >> 16;
    kv_u32 bits = 2u << ((in[2] & 255u) % 3u);
    kv_u32 shift = kv_code_shift(in[2] >> 8, token, channel, bits);
    kv_u32 mask = ((1u << bits) - 1u) << shift;
    switch (operation) {
    case KV_ARITHMETIC_MULTIPLY_ADD: {
        KV_EXACT kv_f32 product = a * b;
        KV_EXACT kv_f32 sum = product + c;
        return kv_bits(sum);
    }
    case KV_ARITHMETIC_F16_TO_F32:
        return kv_bits(kv_f16_to_f32(in[0]));
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
        return kv_bits(kv_int_to_float(KV_I32(in[0])));
    case KV_ARITHMETIC_ELEMENT:
        return kv_bits(kv_element(in[0], in[1], in[2] % 3u));
    case KV_ARITHMETIC_CACHE_HALF:
        return kv_cache_half(kv_element(in[0], in[1], in[2] % 3u));
    case KV_ARITHMETIC_PACK:
        return (in[3] & ~mask) | ((in[0] << shift) & mask);
    case KV_ARITHMETIC_UNPACK:
        return (in[3] & mask) >> shift;
    case KV_ARITHMETIC_CODE_WORD:
        return kv_code_word(in[2] >> 8, token, channel, in[3], bits);
    default:
        return kv_philox(in[0], in[1], in[2], in[3], 0u, 0u);
    }
}

void kvant_ref_arithmetic(const void *params_words, kv_u32 *const *bindings)
{
    const kv_arithmetic_params *p = params_words;
    const kv_u32 *input = bindings[0];
    kv_u32 *output = bindings[1];

    for (kv_u32 i = 0; i < p->count; i++) {
        output[i] = evaluate(p->operation, &input[4u * i]);
    }
}
