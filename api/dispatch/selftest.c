/* SPDX-License-Identifier: MIT
 *
 * The start-up self-test: a few hundred values of each exact function, on the device and on the
 * host reference. A device whose results differ in one bit is not exact.
 */
#include <string.h>

#include "context_internal.h"
#include "params.h"
#include "reference.h"

enum { VALUES = 256, INPUT_WORDS = 4 * VALUES };

/* A float of a random sign with an exponent from `low` to `high`. */
static uint32_t random_float(uint32_t random, uint32_t low, uint32_t high)
{
    uint32_t exponent = low + (random >> 9) % (high - low + 1u);
    return (random & 0x80000000u) | ((exponent + 127u) << 23) | ((random * 2654435761u) >> 9);
}

/* Inputs of value i that the function is defined for. */
static void make_input(uint32_t operation, uint32_t i, uint32_t *words)
{
    for (uint32_t j = 0; j < 4; j++) {
        words[j] = kv_philox(0x6b76616eu, operation, i, j, 0u, 0u);
    }
    switch (operation) {
    case KV_ARITHMETIC_MULTIPLY_ADD: {
        /* c is near -a * b, where a fused operation shows */
        words[0] = random_float(words[0], 0u, 2u);
        words[1] = random_float(words[1], 0u, 2u);
        KV_EXACT float product = kv_float(words[0]) * kv_float(words[1]);
        words[2] = kv_bits(product) ^ 0x80000000u;
        break;
    }
    case KV_ARITHMETIC_F16_TO_F32:
        words[0] &= 0x7bffu;
        break;
    case KV_ARITHMETIC_F32_TO_F16:
        words[0] = i % 2 != 0 ? kv_bits(kv_f16_to_f32(words[0] & 0x3bffu)) + 0x1000u
                              : (words[0] & 0x80000000u) | ((words[0] >> 1) % 0x47800000u);
        break;
    case KV_ARITHMETIC_RECIPROCAL:
        words[0] = (words[0] & 0x007fffffu) | ((28u + (words[1] % 199u)) << 23);
        break;
    case KV_ARITHMETIC_SQRT_F16:
        words[0] = kv_bits(kv_f16_to_f32(1u + words[0] % 0x7bffu));
        break;
    case KV_ARITHMETIC_EXP: {
        KV_EXACT float x = -(float)(words[0] >> 8) * 2.5e-6f; /* 0 .. -42 */
        words[0] = kv_bits(x);
        break;
    }
    case KV_ARITHMETIC_LOG:
        words[0] = (words[0] & 0x007fffffu) | ((100u + (words[1] % 60u)) << 23);
        break;
    case KV_ARITHMETIC_RINT: {
        KV_EXACT float x = (float)((int32_t)words[0] >> 8) * 0.5f;
        words[0] = kv_bits(x);
        break;
    }
    case KV_ARITHMETIC_ELEMENT: /* normal numbers of every type: the bits of others may change */
        words[0] = (words[0] & 0xfbfffbffu) | 0x04000400u;
        break;
    default:
        break;
    }
}

static kvant_status run_operation(kvant_context *context, kvant_buffer *input, kvant_buffer *output,
                                  uint32_t operation, bool *same)
{
    uint32_t words[INPUT_WORDS];
    uint32_t expected[VALUES] = {0};
    uint32_t got[VALUES] = {0};
    for (uint32_t i = 0; i < VALUES; i++) {
        make_input(operation, i, &words[4u * i]);
    }
    kv_arithmetic_params params = {.operation = operation, .count = VALUES};
    kv_u32 *host_bindings[2] = {words, expected};
    kvant_ref_arithmetic(&params, host_bindings);

    kvant_status status = kvant_buffer_write(input, 0, words, sizeof words);
    if (status == KVANT_OK) {
        kvant_buffer *buffers[2] = {input, output};
        status = kvant_launch_kernel(context, KVANT_KERNEL_arithmetic, &params, buffers, 2);
    }
    if (status == KVANT_OK) {
        status = kvant_buffer_read(output, 0, got, sizeof got);
    }
    *same = status == KVANT_OK && memcmp(expected, got, sizeof got) == 0;
    return status;
}

kvant_status kvant_self_test(kvant_context *context)
{
    kvant_buffer *input = NULL;
    kvant_buffer *output = NULL;
    kvant_status status = kvant_buffer_create(context, INPUT_WORDS * 4u, &input);
    if (status == KVANT_OK) {
        status = kvant_buffer_create(context, VALUES * 4u, &output);
    }
    context->exact = true;
    for (uint32_t i = 0; status == KVANT_OK && i < KV_ARITHMETIC_OPERATIONS; i++) {
        bool same = false;
        status = run_operation(context, input, output, i, &same);
        context->exact = context->exact && same;
    }
    kvant_buffer_destroy(output);
    kvant_buffer_destroy(input);
    return status;
}
