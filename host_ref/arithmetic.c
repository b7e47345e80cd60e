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
