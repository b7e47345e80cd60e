/* SPDX-License-Identifier: MIT
 *
 * Sampling, and the statistics that compare two recipes.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "divergence.h"
#include "sampler.h"

static void greedy_takes_the_first_of_the_largest(void **state)
{
    (void)state;
    const float logits[] = {1.0f, 3.0f, -2.0f, 3.0f};
    assert_int_equal(sampler_most_likely(logits, 4), 1);
    sampler s;
    tool_error error;
    assert_int_equal(sampler_create(4, 0.0, 0.9, 1, &s, &error), 0);
    assert_int_equal(sampler_next(&s, logits), 1);
    sampler_release(&s);
}

static void same_seed_gives_same_draws(void **state)
{
    (void)state;
    const float logits[] = {0.0f, 0.5f, 0.2f, 0.4f, -1.0f};
    sampler a;
    sampler b;
    sampler c;
    tool_error error;
    assert_int_equal(sampler_create(5, 1.0, 1.0, 7, &a, &error), 0);
    assert_int_equal(sampler_create(5, 1.0, 1.0, 7, &b, &error), 0);
    assert_int_equal(sampler_create(5, 1.0, 1.0, 8, &c, &error), 0);
    int differs = 0;
    for (int i = 0; i < 100; i++) {
        uint32_t token = sampler_next(&a, logits);
        assert_int_equal(token, sampler_next(&b, logits));
        differs += token != sampler_next(&c, logits);
    }
    assert_true(differs > 0);
    sampler_release(&a);
    sampler_release(&b);
    sampler_release(&c);
}

static void draws_by_probability(void **state)
{
    (void)state;
    const float logits[] = {logf(0.5f), logf(0.3f), logf(0.2f)};
    uint32_t counts[3] = {0, 0, 0};
    sampler s;
    tool_error error;
    assert_int_equal(sampler_create(3, 1.0, 1.0, 3, &s, &error), 0);
    for (int i = 0; i < 20000; i++) {
        counts[sampler_next(&s, logits)]++;
    }
    assert_in_range(counts[0], 9600, 10400);
    assert_in_range(counts[1], 5600, 6400);
    sampler_release(&s);
}

static void nucleus_cuts_the_tail(void **state)
{
    (void)state;
    const float logits[] = {logf(0.2f), logf(0.5f), logf(0.3f)};
    sampler s;
    tool_error error;
    assert_int_equal(sampler_create(3, 1.0, 0.7, 3, &s, &error), 0);
    for (int i = 0; i < 1000; i++) {
        assert_int_not_equal(sampler_next(&s, logits), 0);
    }
    s.top_p = 0.0; /* one token is always left */
    assert_int_equal(sampler_next(&s, logits), 1);
    sampler_release(&s);
}

static void divergence_matches_the_formula(void **state)
{
    (void)state;
    const float base[] = {logf(0.5f), logf(0.25f), logf(0.25f)};
    const float other[] = {logf(0.25f) + 3.0f, logf(0.5f) + 3.0f, logf(0.25f) + 3.0f};
    divergence d;
    tool_error error;
    divergence_init(&d);
    assert_true(divergence_mean(&d) == 0.0 && divergence_percentile(&d, 99) == 0.0);
    assert_true(divergence_same_top(&d) == 1.0);
    for (int i = 0; i < 98; i++) {
        assert_int_equal(divergence_add(&d, base, base, 3, &error), 0);
    }
    for (int i = 0; i < 2; i++) {
        assert_int_equal(divergence_add(&d, base, other, 3, &error), 0);
    }
    double expected = 0.5 * log(2.0) + 0.25 * log(0.5);
    assert_true(fabs(divergence_mean(&d) - 0.02 * expected) < 1e-7);
    assert_true(fabs(divergence_percentile(&d, 99) - expected) < 1e-6);
    assert_true(fabs(divergence_same_top(&d) - 0.98) < 1e-12);
    divergence_release(&d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(greedy_takes_the_first_of_the_largest),
        cmocka_unit_test(same_seed_gives_same_draws),
        cmocka_unit_test(draws_by_probability),
        cmocka_unit_test(nucleus_cuts_the_tail),
        cmocka_unit_test(divergence_matches_the_formula),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
