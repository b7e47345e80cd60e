/* SPDX-License-Identifier: MIT
 *
 * arith.h on the host, against the C library in double precision: every half, and many floats.
 */
#include <math.h>

#include "../support/cmocka_headers.h"
#include "arith.h"

/* The value of a half from its definition. */
static double half_value(unsigned half)
{
    double sign = half & 0x8000u ? -1.0 : 1.0;
    int exponent = (int)((half >> 10) & 31u);
    double mantissa = half & 0x3ffu;
    return exponent == 0 ? sign * ldexp(mantissa, -24)
                         : sign * ldexp(1024.0 + mantissa, exponent - 25);
}

static void halves_convert_exactly(void **state)
{
    (void)state;
    for (unsigned half = 0; half < 0x10000u; half++) {
        if (((half >> 10) & 31u) == 31u) {
            continue;
        }
        assert_true((double)kv_f16_to_f32(half) == half_value(half));
        assert_int_equal(kv_f32_to_f16(kv_f16_to_f32(half)), half);
    }
}

static void halves_round_to_nearest_even(void **state)
{
    (void)state;
    for (unsigned half = 0; half < 0x7bffu; half++) {
        double low = half_value(half);
        double high = half_value(half + 1u);
        float middle = (float)((low + high) / 2.0);
        unsigned even = half % 2u == 0u ? half : half + 1u;
        assert_int_equal(kv_f32_to_f16(middle), even);
        assert_int_equal(kv_f32_to_f16(nextafterf(middle, 0.0f)), half);
        assert_int_equal(kv_f32_to_f16(nextafterf(middle, 1e9f)), half + 1u);
    }
    assert_int_equal(kv_f32_to_f16(65519.9f), 0x7bffu);
    assert_int_equal(kv_f32_to_f16(65520.0f), 0x7c00u);
}

static void reciprocals_and_roots_are_correctly_rounded(void **state)
{
    (void)state;
    for (unsigned half = 1; half < 0x7c00u; half++) {
        double x = half_value(half);
        assert_true(kv_reciprocal((float)x) == (float)(1.0 / x));
        double root = sqrt(x);
        double got = half_value(kv_sqrt_f16((float)x));
        double next = half_value(kv_sqrt_f16((float)x) + 1u);
        double previous = half_value(kv_sqrt_f16((float)x) - 1u);
        assert_true(fabs(got - root) <= fabs(next - root));
        assert_true(fabs(got - root) <= fabs(previous - root));
    }
    kv_u32 bits = 12345u;
    for (int i = 0; i < 1000000; i++) {
        bits = bits * 1664525u + 1013904223u;
        float x = kv_float((bits & 0x007fffffu) | ((27u + (bits >> 23) % 200u) << 23));
        assert_true(kv_reciprocal(x) == 1.0f / x);
    }
}

static void exp_and_log_are_accurate(void **state)
{
    (void)state;
    double worst_exp = 0.0;
    double worst_log = 0.0;
    for (double x = -39.999; x <= 0.0; x += 1e-4) {
        float y = (float)x;
        worst_exp = fmax(worst_exp, fabs((double)kv_exp(y) / exp((double)y) - 1.0));
    }
    for (double x = 1e-20; x < 1e20; x *= 1.001) {
        float y = (float)x;
        double expected = log((double)y);
        worst_log = fmax(worst_log, fabs((double)kv_log(y) - expected) / fmax(1.0, fabs(expected)));
    }
    print_message("exp: relative error %.2e; log: %.2e\n", worst_exp, worst_log);
    assert_true(worst_exp < 1.2e-7);
    assert_true(worst_log < 1.2e-7);
    assert_true(kv_exp(0.0f) == 1.0f);
    assert_true(kv_exp(-40.5f) == 0.0f);
    assert_true(kv_log(1.0f) == 0.0f);
}

static void integers_become_floats(void **state)
{
    (void)state;
    kv_u32 bits = 1u;
    for (int i = 0; i < 1000000; i++) {
        bits = bits * 1664525u + 1013904223u;
        kv_i32 value = KV_I32(bits >> (bits % 20u));
        assert_true(kv_int_to_float(value) == (float)value);
        assert_true(kv_uint_to_float(bits) == (float)bits);
        assert_int_equal(kv_mul_high(bits, bits * 77u),
                         (kv_u32)(((uint64_t)bits * (kv_u32)(bits * 77u)) >> 32));
    }
}

static void philox_gives_the_published_words(void **state)
{
    (void)state;
    /* Random123's known answers for philox4x32-10 */
    assert_int_equal(kv_philox(0u, 0u, 0u, 0u, 0u, 0u), 0x6627e8d5u);
    assert_int_equal(kv_philox(~0u, ~0u, ~0u, ~0u, ~0u, ~0u), 0x408f276du);
    assert_int_equal(
        kv_philox(0xa4093822u, 0x299f31d0u, 0x243f6a88u, 0x85a308d3u, 0x13198a2eu, 0x03707344u),
        0xd16cfe09u);
}

static void input_is_made_finite(void **state)
{
    (void)state;
    assert_int_equal(kv_cache_half(kv_float(0x7fc00000u)), 0u);
    assert_int_equal(kv_cache_half(kv_float(0x7f800000u)), 0x7bffu);
    assert_int_equal(kv_cache_half(kv_float(0xff800000u)), 0xfbffu);
    assert_int_equal(kv_cache_half(-0.0f), 0u);
    assert_int_equal(kv_is_unrepresentable(65519.0f), 0u);
    assert_int_equal(kv_is_unrepresentable(-65520.0f), 1u);
    assert_true(kv_query_value(kv_float(0x7fc00000u)) == 0.0f);
    assert_true(kv_query_value(1e30f) == 1073741824.0f);
    assert_true(kv_query_value(1e-30f) == 0.0f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(halves_convert_exactly),
        cmocka_unit_test(halves_round_to_nearest_even),
        cmocka_unit_test(reciprocals_and_roots_are_correctly_rounded),
        cmocka_unit_test(exp_and_log_are_accurate),
        cmocka_unit_test(integers_become_floats),
        cmocka_unit_test(philox_gives_the_published_words),
        cmocka_unit_test(input_is_made_finite),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
