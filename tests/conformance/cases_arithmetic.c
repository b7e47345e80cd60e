/* SPDX-License-Identifier: MIT
 *
 * Cases of the arithmetic kernel: each function of arith.h over its whole domain where that is
 * 65,536 halves, over random and chosen arguments otherwise.
 */
#include "cases.h"

/* X(symbol, name) */
#define ARITHMETIC_CASES(X)                                                                        \
    X(MULTIPLY_ADD, "multiply-add")                                                                \
    X(F16_TO_F32, "f16-to-f32")                                                                    \
    X(F32_TO_F16, "f32-to-f16")                                                                    \
    X(RECIPROCAL, "reciprocal")                                                                    \
    X(SQRT_F16, "sqrt-f16")                                                                        \
    X(EXP, "exp")                                                                                  \
    X(LOG, "log")                                                                                  \
    X(RINT, "rint")                                                                                \
    X(INT_TO_FLOAT, "int-to-float")                                                                \
    X(PHILOX, "philox")

typedef struct {
    kv_u32 operation;
    uint32_t count;
    int is_exhaustive; /* argument i is half i */
} arithmetic_case;

/* A float of random sign and significand with an exponent from low to high. */
static kv_u32 random_float(kvant_trial *t, uint32_t low, uint32_t high)
{
    kv_u32 bits = (kv_u32)(kvant_random(&t->random) >> 32) & 0x807fffffu;
    return bits | ((127u + low + kvant_random_below(&t->random, high - low + 1u)) << 23);
}

/* A float near the middle between two halves, where rounding is decided. */
static kv_u32 near_half_way(kvant_trial *t)
{
    kv_u32 half = kvant_random_below(&t->random, 0x7c00u);
    float middle = (kv_f16_to_f32(half) + kv_f16_to_f32(half + 1u)) * 0.5f;
    kv_u32 bits = half == 0x7bffu ? 0x477ff000u : kv_bits(middle);
    return bits + kvant_random_below(&t->random, 3u) - 1u;
}

static kv_u32 argument(kvant_trial *t, kv_u32 operation, uint32_t i)
{
    kv_u32 random = (kv_u32)(kvant_random(&t->random) >> 32);
    switch (operation) {
    case KV_ARITHMETIC_F16_TO_F32:
        return i & 0xffffu;
    case KV_ARITHMETIC_F32_TO_F16:
        return i % 2u == 0u ? random : near_half_way(t) | (random & 0x80000000u);
    case KV_ARITHMETIC_RECIPROCAL:
        return random_float(t, (uint32_t)-100, 99u) & 0x7fffffffu;
    case KV_ARITHMETIC_EXP:
        return i == 0u ? 0u : kv_bits(-45.0f * kvant_random_unit(&t->random));
    case KV_ARITHMETIC_LOG:
        return random_float(t, (uint32_t)-120, 120u) & 0x7fffffffu;
    case KV_ARITHMETIC_RINT: /* ties often; a zero result keeps its sign nowhere that it matters */
        if (i % 2u == 0u) {
            return kv_bits((float)(int32_t)(random >> 12) + 0.5f);
        }
        return random_float(t, 0u, 24u);
    case KV_ARITHMETIC_SQRT_F16:
        return kv_bits(kv_f16_to_f32(1u + i % 0x7bffu));
    case KV_ARITHMETIC_MULTIPLY_ADD:
        return random_float(t, (uint32_t)-20, 20u);
    default:
        return i < 4u ? 0x7fffffffu + i : random;
    }
}

static void run_arithmetic(kvant_trial *t, const void *data)
{
    const arithmetic_case *c = data;
    kvant_trial_buffer *input = kvant_trial_add_buffer_without_guard(t);
    kvant_trial_buffer *output = kvant_trial_add_buffer_without_guard(t);
    kvant_trial_region(t, input, 4u * c->count);
    kvant_trial_region(t, output, c->count);
    for (uint32_t i = 0; i < c->count; i++) {
        for (uint32_t j = 0; j < 4u; j++) {
            input->words[4u * i + j] = argument(t, c->operation, i);
        }
        if (c->is_exhaustive) { /* positive halves as floats; negative ones for exp */
            kv_u32 sign = c->operation == KV_ARITHMETIC_EXP ? 0x80000000u : 0u;
            input->words[4u * i] = kv_bits(kv_f16_to_f32(1u + i % 0x7bffu)) | sign;
        }
    }
    kv_arithmetic_params p = {.operation = c->operation, .count = c->count};
    kvant_trial_launch(t, KVANT_KERNEL_arithmetic, &p, (kvant_trial_buffer *[]){input, output});
}

static int has_half_domain(kv_u32 operation)
{
    return operation == KV_ARITHMETIC_RECIPROCAL || operation == KV_ARITHMETIC_SQRT_F16 ||
           operation == KV_ARITHMETIC_EXP || operation == KV_ARITHMETIC_LOG;
}

void kvant_cases_arithmetic(kvant_case_sink *sink)
{
    static const struct {
        kv_u32 operation;
        const char *name;
    } operations[] = {
#define ARITHMETIC_ROW(symbol, name) {KV_ARITHMETIC_##symbol, name},
        ARITHMETIC_CASES(ARITHMETIC_ROW)
#undef ARITHMETIC_ROW
    };
    for (size_t i = 0; i < sizeof operations / sizeof operations[0]; i++) {
        arithmetic_case c = {.operation = operations[i].operation};
        static const uint32_t counts[] = {1u, 31u, 1000u, 65536u};
        for (size_t j = 0; j < sizeof counts / sizeof counts[0]; j++) {
            c.count = counts[j];
            kvant_emit(sink, j == 3u, run_arithmetic, &c, "arithmetic/%s/random/count%u",
                       operations[i].name, c.count);
        }
        if (has_half_domain(c.operation)) {
            c.is_exhaustive = 1;
            c.count = 0x7bffu; /* every positive finite half */
            kvant_emit(sink, 1, run_arithmetic, &c, "arithmetic/%s/all-halves", operations[i].name);
        }
    }
}
