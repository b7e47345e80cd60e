/* SPDX-License-Identifier: MIT
 *
 * Oracle cases of the scalar arithmetic and of what brings numbers in: conversions over all 65,536
 * halves, reciprocal and root over all positive ones, exp and log, Philox, probe rows, append.
 */
#include "cases.h"
#include "oracle.h"

/* Runs the arithmetic kernel over `count` arguments of up to four words, 4 words each. */
static const kv_u32 *evaluate(kvant_trial *t, kv_u32 operation, kvant_trial_buffer *input,
                              uint32_t count)
{
    kvant_trial_buffer *output = kvant_trial_add_buffer_without_guard(t);
    kvant_trial_region(t, output, count);
    kv_arithmetic_params p = {.operation = operation, .count = count};
    kvant_trial_device_only(t, KVANT_KERNEL_arithmetic, &p,
                            (kvant_trial_buffer *[]){input, output});
    t->words += count;
    return output->words;
}

static kvant_trial_buffer *add_arguments(kvant_trial *t, uint32_t count)
{
    kvant_trial_buffer *input = kvant_trial_add_buffer_without_guard(t);
    kvant_trial_region(t, input, 4u * count);
    kvant_trial_fill(input, 0u, 4u * count, 0u);
    return input;
}

static uint32_t float_bits(double x)
{
    float value = (float)x;
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

static double float_value(uint32_t bits)
{
    float value;
    memcpy(&value, &bits, sizeof value);
    return (double)value;
}

/* ---- conversions --------------------------------------------------------------------------- */

static void run_halves_to_float(kvant_trial *t, const void *data)
{
    (void)data;
    kvant_trial_buffer *input = add_arguments(t, 65536u);
    for (uint32_t i = 0; i < 65536u; i++) {
        input->words[4u * i] = i;
    }
    const kv_u32 *got = evaluate(t, KV_ARITHMETIC_F16_TO_F32, input, 65536u);
    for (uint32_t i = 0; i < 65536u; i++) {
        double expected = oracle_half_value(i);
        int is_right =
            isnan(expected) ? isnan(float_value(got[i])) : got[i] == float_bits(expected);
        if (!is_right) {
            kvant_trial_fail(t, "half 0x%04x: expected %.9g, got 0x%08x", i, expected, got[i]);
        }
    }
}

/* Every half, the middle between it and the next, and the floats beside both. */
static void run_float_to_half(kvant_trial *t, const void *data)
{
    (void)data;
    const uint32_t count = 2u * 31744u * 3u;
    kvant_trial_buffer *input = add_arguments(t, count);
    for (uint32_t i = 0; i < count; i++) {
        uint32_t half = i / 6u;
        double next = half == 0x7bffu ? 65536.0 : oracle_half_value(half + 1u);
        double x = oracle_half_value(half);
        x = i / 3u % 2u != 0u ? 0.5 * (x + next) : x;
        uint32_t bits = float_bits(x) + i % 3u;
        bits -= bits != 0u ? 1u : 0u;
        input->words[4u * i] = bits | (i % 7u < 3u ? 0x80000000u : 0u);
    }
    const kv_u32 *got = evaluate(t, KV_ARITHMETIC_F32_TO_F16, input, count);
    for (uint32_t i = 0; i < count; i++) {
        double x = float_value(input->words[4u * i]);
        if (got[i] != oracle_half_bits(x)) {
            kvant_trial_fail(t, "%.9g: expected half 0x%04x, got 0x%04x", x, oracle_half_bits(x),
                             got[i]);
        }
    }
}

/* ---- correctly rounded functions of every positive half ------------------------------------ */

static void run_reciprocal(kvant_trial *t, const void *data)
{
    (void)data;
    const uint32_t halves = 31743u;
    const uint32_t count = 2u * halves; /* then as many floats of other exponents */
    kvant_trial_buffer *input = add_arguments(t, count);
    for (uint32_t i = 0; i < count; i++) {
        double x = oracle_half_value(1u + i % halves);
        if (i >= halves) {
            int exponent = (int)kvant_random_below(&t->random, 190u) - 95;
            x = ldexp(1.0 + (double)kvant_random_unit(&t->random), exponent);
        }
        input->words[4u * i] = float_bits(x);
    }
    const kv_u32 *got = evaluate(t, KV_ARITHMETIC_RECIPROCAL, input, count);
    for (uint32_t i = 0; i < count; i++) {
        /* a quotient of 24-bit numbers is never within 2^-53 of a tie without being one */
        double x = float_value(input->words[4u * i]);
        if (got[i] != float_bits(1.0 / x)) {
            kvant_trial_fail(t, "1/%.9g: expected 0x%08x, got 0x%08x", x, float_bits(1.0 / x),
                             got[i]);
        }
    }
}

static void run_sqrt(kvant_trial *t, const void *data)
{
    (void)data;
    const uint32_t count = 31743u;
    kvant_trial_buffer *input = add_arguments(t, count);
    for (uint32_t i = 0; i < count; i++) {
        input->words[4u * i] = float_bits(oracle_half_value(1u + i));
    }
    const kv_u32 *got = evaluate(t, KV_ARITHMETIC_SQRT_F16, input, count);
    for (uint32_t i = 0; i < count; i++) {
        double x = oracle_half_value(1u + i);
        if (got[i] != oracle_half_bits(sqrt(x))) {
            kvant_trial_fail(t, "sqrt(%.9g): expected half 0x%04x, got 0x%04x", x,
                             oracle_half_bits(sqrt(x)), got[i]);
        }
    }
}

/* ---- exp and log --------------------------------------------------------------------------- */

static void check_ulp(kvant_trial *t, double x, double expected, uint32_t got, double allowed)
{
    double error = fabs(float_value(got) - expected) / oracle_ulp(expected);
    kvant_trial_measure(t, "max ulp", error, KVANT_AT_MOST, allowed);
    if (!(error <= allowed)) {
        kvant_trial_fail(t, "f(%.9g): expected %.17g, got %.9g, off by %.3f ulp of %.3f allowed", x,
                         expected, float_value(got), error, allowed);
    }
}

/* Every float of a comb over [-40, 0]; below it the result is 0. */
static void run_exp(kvant_trial *t, const void *data)
{
    (void)data;
    const uint32_t count = 200000u;
    kvant_trial_buffer *input = add_arguments(t, count);
    for (uint32_t i = 0; i < count; i++) {
        double x = i % 2u != 0u ? -40.0 * i / count : -ldexp(1.0 + i * 4e-6, (int)(i % 30u) - 25);
        input->words[4u * i] = float_bits(x < -100.0 ? -100.0 : x);
    }
    input->words[0] = 0x80000000u; /* -0 */
    const kv_u32 *got = evaluate(t, KV_ARITHMETIC_EXP, input, count);
    for (uint32_t i = 0; i < count; i++) {
        double x = float_value(input->words[4u * i]);
        if (x < -40.0) {
            if (got[i] != 0u) {
                kvant_trial_fail(t, "exp(%.9g) is cut to 0, got 0x%08x", x, got[i]);
            }
        } else { /* 0.98 measured over all floats of [-87, 0] */
            check_ulp(t, x, exp(x), got[i], 1.0);
        }
    }
}

static void run_log(kvant_trial *t, const void *data)
{
    (void)data;
    const uint32_t count = 200000u;
    kvant_trial_buffer *input = add_arguments(t, count);
    for (uint32_t i = 0; i < count; i++) {
        int exponent = i % 2u != 0u ? 0 : (int)(i / 2u % 120u) - 60;
        double x = i % 4u == 1u ? 1.0 + (i - 1e5) * 4e-6 : 1.0 + (double)i / count;
        input->words[4u * i] = float_bits(ldexp(x, exponent));
    }
    const kv_u32 *got = evaluate(t, KV_ARITHMETIC_LOG, input, count);
    for (uint32_t i = 0; i < count; i++) {
        double x = float_value(input->words[4u * i]);
        check_ulp(t, x, log(x), got[i], 1.0);
    }
}

/* ---- single operations --------------------------------------------------------------------- */

static void run_multiply_add(kvant_trial *t, const void *data)
{
    (void)data;
    const uint32_t count = 100000u;
    kvant_trial_buffer *input = add_arguments(t, count);
    for (uint32_t i = 0; i < count; i++) {
        float a = kvant_random_normal(&t->random);
        float b = kvant_random_normal(&t->random);
        volatile float product = a * b;
        input->words[4u * i] = float_bits((double)a);
        input->words[4u * i + 1u] = float_bits((double)b);
        /* the difference of product and its rounding shows a contraction */
        input->words[4u * i + 2u] =
            float_bits(i % 2u != 0u ? -(double)product : (double)kvant_random_normal(&t->random));
    }
    const kv_u32 *got = evaluate(t, KV_ARITHMETIC_MULTIPLY_ADD, input, count);
    for (uint32_t i = 0; i < count; i++) {
        /* a 24 x 24 bit product is exact in double; the sum is rounded once, by volatile floats */
        volatile float product =
            (float)(float_value(input->words[4u * i]) * float_value(input->words[4u * i + 1u]));
        volatile float sum = product + (float)float_value(input->words[4u * i + 2u]);
        if (got[i] != float_bits((double)sum)) {
            kvant_trial_fail(t, "argument %u: expected %.9g, got 0x%08x", i, (double)sum, got[i]);
        }
    }
}

static void run_rounding(kvant_trial *t, const void *data)
{
    const kv_u32 operation = *(const kv_u32 *)data;
    const uint32_t count = 100000u;
    kvant_trial_buffer *input = add_arguments(t, count);
    for (uint32_t i = 0; i < count; i++) {
        uint32_t random = (uint32_t)(kvant_random(&t->random) >> 32);
        input->words[4u * i] = operation == KV_ARITHMETIC_INT_TO_FLOAT
                                   ? random >> kvant_random_below(&t->random, 16u)
                                   : float_bits((double)(random >> 14) * 0.25 + 0.5);
    }
    const kv_u32 *got = evaluate(t, operation, input, count);
    for (uint32_t i = 0; i < count; i++) {
        uint32_t word = input->words[4u * i];
        double expected = operation == KV_ARITHMETIC_INT_TO_FLOAT ? (double)(int32_t)word
                                                                  : nearbyint(float_value(word));
        if (got[i] != float_bits(expected)) {
            kvant_trial_fail(t, "argument 0x%08x: expected %.9g, got 0x%08x", word, expected,
                             got[i]);
        }
    }
}

/* ---- random numbers and probes ------------------------------------------------------------- */

static void run_philox(kvant_trial *t, const void *data)
{
    (void)data;
    /* the known answers of Random123 (kat_vectors), first word */
    static const uint32_t known[3][7] = {
        {0, 0, 0, 0, 0, 0, 0x6627e8d5u},
        {~0u, ~0u, ~0u, ~0u, ~0u, ~0u, 0x408f276du},
        {0xa4093822u, 0x299f31d0u, 0x243f6a88u, 0x85a308d3u, 0x13198a2eu, 0x03707344u, 0xd16cfe09u},
    };
    for (int i = 0; i < 3; i++) {
        if (oracle_philox(&known[i][0], &known[i][2]) != known[i][6]) {
            kvant_trial_fail(t, "the oracle itself misses known answer %d", i);
        }
    }
    const uint32_t count = 20000u;
    kvant_trial_buffer *input = add_arguments(t, count);
    for (uint32_t i = 4; i < 4u * count; i++) {
        input->words[i] = (uint32_t)(kvant_random(&t->random) >> 32);
    }
    const kv_u32 *got = evaluate(t, KV_ARITHMETIC_PHILOX, input, count);
    for (uint32_t i = 0; i < count; i++) {
        const uint32_t *in = &input->words[4u * i];
        const uint32_t counter[4] = {in[2], in[3], 0u, 0u};
        if (got[i] != oracle_philox(in, counter)) {
            kvant_trial_fail(t, "draw %u: expected 0x%08x, got 0x%08x", i,
                             oracle_philox(in, counter), got[i]);
        }
    }
}

/* Ascending, distinct, one in each stratum, then the recent rows. */
static void run_probes(kvant_trial *t, const void *data)
{
    (void)data;
    kvant_trial_buffer *scratch = kvant_trial_add_buffer(t);
    kv_probe_rows_params p = {.rows = 5000u,
                              .random = 250u,
                              .recent = 250u,
                              .base = 17u,
                              .seed_low = 5u,
                              .seed_high = 6u,
                              .layer = 7u,
                              .event = 8u};
    p.offset = kvant_trial_region(t, scratch, 500u);
    kvant_trial_device_only(t, KVANT_KERNEL_probe_rows, &p, (kvant_trial_buffer *[]){scratch});
    const uint32_t key[2] = {5u, 6u};
    for (uint32_t i = 0; i < 500u; i++) {
        uint32_t expected = 17u + 4750u + (i - 250u);
        if (i < 250u) { /* 4750 rows in 250 strata of 19 */
            const uint32_t counter[4] = {7u, 8u, i, 0u};
            uint64_t draw = oracle_philox(key, counter);
            expected = 17u + 19u * i + (uint32_t)(draw * 19u >> 32);
        }
        if (scratch->words[p.offset + i] != expected) {
            kvant_trial_fail(t, "probe %u: expected row %u, got %u", i, expected,
                             scratch->words[p.offset + i]);
        }
    }
    t->words += 500u;
}

/* ---- append -------------------------------------------------------------------------------- */

/* What lands in the window is the nearest finite half, with no negative zero. */
static void run_append(kvant_trial *t, const void *data)
{
    const kv_u32 dtype = *(const kv_u32 *)data;
    kvant_trial_buffer *k = kvant_trial_add_buffer(t);
    kvant_trial_buffer *store = kvant_trial_add_buffer(t);
    kvant_trial_buffer *status = kvant_trial_add_buffer(t);
    kv_append_params p = {.tokens = 40u, .heads = 3u, .k_dim = 64u, .capacity = 40u, .slot = 31u};
    p.k = kvant_add_tensor(t, k, KVANT_VIEW_PADDED, dtype, 40u, 3u, 64u, KVANT_INPUT_SPECIAL);
    p.v = p.k;
    p.positions_offset = kvant_trial_region(t, store, 40u);
    p.k_offset = kvant_trial_region(t, store, 40u * 3u * 32u);
    p.status_offset = kvant_trial_region(t, status, 1u);
    kvant_trial_fill(status, p.status_offset, 1u, 0u);
    kvant_trial_device_only(t, KVANT_KERNEL_append, &p,
                            (kvant_trial_buffer *[]){k, k, store, status});
    uint32_t clamped = 0;
    for (uint32_t i = 0; i < 40u * 3u * 64u; i++) {
        uint32_t channel = i % 64u, token = i / 64u % 40u, head = i / 64u / 40u;
        uint32_t at =
            p.k.offset + (p.k.first + token) * p.k.token_stride + head * p.k.head_stride + channel;
        double x = oracle_element(k->words, at, dtype);
        uint32_t slot = (31u + token) % 40u;
        double got =
            oracle_element(&store->words[p.k_offset], (head * 40u + slot) * 64u + channel, 0u);
        if (got != oracle_cache_value(x) || (got == 0.0 && signbit(got))) {
            kvant_trial_fail(t, "token %u, head %u, channel %u: %.9g became %.9g", token, head,
                             channel, x, got);
        }
        clamped += isnan(x) || fabs(x) >= 65520.0;
    }
    if (status->words[p.status_offset] != clamped) {
        kvant_trial_fail(t, "%u values were clamped, %u counted", clamped,
                         status->words[p.status_offset]);
    }
    t->words += store->count;
}

void kvant_cases_oracle_numbers(kvant_case_sink *sink)
{
    static const struct {
        const char *name;
        kvant_case_fn run;
    } rows[] = {
        {"f16-to-f32/all-halves", run_halves_to_float},
        {"f32-to-f16/all-boundaries", run_float_to_half},
        {"reciprocal/all-halves", run_reciprocal},
        {"sqrt-f16/all-halves", run_sqrt},
        {"exp/dense", run_exp},
        {"log/dense", run_log},
        {"multiply-add/contraction", run_multiply_add},
        {"philox/known-answers", run_philox},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        kvant_emit(sink, 1, rows[i].run, NULL, "oracle/arithmetic/%s", rows[i].name);
    }
    static const kv_u32 rint_operation = KV_ARITHMETIC_RINT;
    static const kv_u32 int_operation = KV_ARITHMETIC_INT_TO_FLOAT;
    kvant_emit(sink, 1, run_rounding, &rint_operation, "oracle/arithmetic/rint/ties");
    kvant_emit(sink, 1, run_rounding, &int_operation, "oracle/arithmetic/int-to-float/random");
    kvant_emit(sink, 1, run_probes, NULL, "oracle/probe_rows/rows5000/probes250-250");
    for (kv_u32 dtype = 0; dtype < 3u; dtype++) {
        kvant_emit(sink, 1, run_append, &dtype, "oracle/append/%s/special",
                   kvant_dtype_name(dtype));
    }
}
