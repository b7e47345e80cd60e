/* SPDX-License-Identifier: MIT
 *
 * The numbers behind a bench: order statistics, lists, combinations, bytes that must move.
 */
#include <stdlib.h>
#include <string.h>

#include "../support/cmocka_headers.h"
#include "bench_plan.h"
#include "sample_stats.h"

static void statistics_are_those_of_the_sorted_samples(void **state)
{
    (void)state;
    double samples[] = {5, 1, 4, 2, 3, 11, 7, 8, 9, 10, 6};
    sample_stats s = sample_stats_of(samples, 11);
    assert_true(s.count == 11);
    assert_true(s.median == 6 && s.least == 1 && s.most == 11 && s.p10 == 2 && s.p90 == 10);
    assert_true(s.mean > 5.999 && s.mean < 6.001);
    double even[] = {4, 1};
    assert_true(sample_stats_of(even, 2).median == 2.5);
    assert_true(sample_stats_of(even, 1).p90 == 1); /* sorted by the call before */
    assert_true(sample_stats_of(NULL, 0).most == 0);
}

static void lists_are_read_and_refused(void **state)
{
    (void)state;
    bench_list list = {{3}, 1};
    tool_error error = {0, ""};
    assert_int_equal(bench_list_parse("batch", NULL, &list, &error), 0);
    assert_true(list.count == 1 && list.values[0] == 3);
    assert_int_equal(bench_list_parse("batch", "1,4,16777216", &list, &error), 0);
    assert_true(list.count == 3 && list.values[1] == 4 && list.values[2] == 16777216);
    static const char *const bad[] = {"",
                                      ",",
                                      "1,",
                                      ",1",
                                      "0",
                                      "-1",
                                      "1,,2",
                                      "1 2",
                                      "1.5",
                                      "16777217",
                                      "99999999999999999999999999999999",
                                      "a",
                                      "1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        error = (tool_error){0, ""};
        assert_int_not_equal(bench_list_parse("batch", bad[i], &list, &error), 0);
        assert_int_equal(error.code, TOOL_BAD_INPUT);
        assert_non_null(strstr(error.text, "--batch"));
    }
}

static void every_combination_is_a_row_once(void **state)
{
    (void)state;
    recipe_list recipes = {NULL, 0};
    tool_error error = {0, ""};
    bench_entry *entries = NULL;
    size_t count = 0;
    assert_int_equal(recipe_list_parse("f16,zipcache", &recipes, &error), 0);
    bench_request request = {
        .kind = bench_kind_named("attention"),
        .batch = {{1, 2}, 2},
        .tokens = {{64, 128, 256}, 3},
        .dims = {{32, 64}, 2},
        .kv_heads = {{2}, 1},
        .groups = {{1, 4}, 2},
        .recipes = &recipes,
    };
    assert_int_equal(bench_plan(&request, &entries, &count, &error), 0);
    assert_true(count == 2 * 3 * 2 * 2 * 2);
    for (size_t i = 0; i < count; i++) {
        const bench_shape *s = &entries[i].shape;
        assert_true(s->q_heads == 2 || s->q_heads == 8);
        assert_true(s->v_dim == s->k_dim);
        for (size_t j = 0; j < i; j++) {
            assert_false(memcmp(s, &entries[j].shape, sizeof *s) == 0 &&
                         entries[i].recipe == entries[j].recipe);
        }
    }
    free(entries);
    request.kind = NULL; /* saliency, range and select for zipcache alone, prompt-attention once */
    assert_int_equal(bench_plan(&request, &entries, &count, &error), 0);
    assert_true(count == 2 * 3 * 2 * 2 * (6 * 2 + 4));
    free(entries);
    request.q_heads = 8;
    assert_int_not_equal(bench_plan(&request, &entries, &count, &error), 0);
    recipe_list_release(&recipes);
}

static void bytes_are_those_that_must_move(void **state)
{
    (void)state;
    const bench_shape s = {1, 8, 2, 64, 32, 128, 1};
    kvant_recipe f16;
    kvant_recipe int4;
    assert_int_equal(kvant_recipe_parse("f16", &f16), KVANT_OK);
    assert_int_equal(kvant_recipe_parse("k=int4/head,v=int4/head,period=4", &int4), KVANT_OK);
    uint64_t plain = 2u * 128u * 2u * (64u + 32u);
    uint64_t codes = 128u * 2u * ((64u + 32u) / 2u + 4u + 4u);
    uint64_t rows = 2u * 8u * (64u + 32u); /* a query and its output */
    assert_true(bench_stored_bytes(&f16, &s) == plain);
    assert_true(bench_stored_bytes(&int4, &s) == codes);
    assert_true(bench_attention_bytes(&f16, &s) == plain + rows);
    assert_true(bench_attention_bytes(&int4, &s) == codes + rows);
    assert_true(bench_quantize_bytes(&int4, &s) == plain + codes);
    assert_true(bench_compress_bytes(&int4, &s) == plain + codes);
    assert_true(bench_prompt_attention_bytes(&f16, &s) == plain + 128u * rows);
    assert_true(bench_prefill_bytes(&int4, &s) == 2u * plain + 128u * rows + codes);
    kvant_recipe range;
    assert_int_equal(kvant_recipe_parse("range", &range), KVANT_OK);
    assert_true(bench_range_bytes(&range, &s) == 2u * 128u * 2u * 64u + 4u * 128u);
    assert_true(bench_classes_of(&range, 128).probes_recent == 0); /* nothing is probed */
    uint64_t token = 2u * 2u * (64u + 32u);
    assert_true(bench_step_bytes(&f16, &s) == plain + rows + 2u * token);
    assert_true(bench_attention_work(&s) == 128.0 * 8.0 * (64.0 + 32.0));
    assert_true(bench_prompt_work(&s) == 129.0 / 2.0 * 128.0 * 8.0 * (64.0 + 32.0));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(statistics_are_those_of_the_sorted_samples),
        cmocka_unit_test(lists_are_read_and_refused),
        cmocka_unit_test(every_combination_is_a_row_once),
        cmocka_unit_test(bytes_are_those_that_must_move),
    };
    return cmocka_run_group_tests_name("bench-numbers", tests, NULL, NULL);
}
