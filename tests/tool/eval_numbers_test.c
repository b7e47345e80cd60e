/* SPDX-License-Identifier: MIT
 *
 * What an eval computes, on data small enough to know the result.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "../support/cmocka_headers.h"
#include "divergence.h"
#include "eval_recipes.h"
#include "eval_report.h"
#include "pareto.h"
#include "svg_plot.h"

enum { UNITS = 400, RESAMPLES = 2000, DECODE = 1 << 23 };

static int is_near(double a, double b, double tolerance)
{
    return fabs(a - b) <= tolerance;
}

/* ---- logits -------------------------------------------------------------------------------- */

static void surprise_is_minus_log_probability(void **state)
{
    (void)state;
    const float logits[] = {logf(1.0f) + 50.0f, logf(3.0f) + 50.0f};
    assert_true(is_near(logits_surprise(logits, 2, 0), log(4.0), 1e-5));
    assert_true(is_near(logits_surprise(logits, 2, 1), log(4.0 / 3.0), 1e-5));
}

static void percentiles_are_ranks(void **state)
{
    (void)state;
    divergence d;
    divergence_init(&d);
    assert_true(divergence_percentile(&d, 50) == 0.0);
    double values[] = {5, 1, 4, 2, 3};
    d.values = values;
    d.count = 5;
    assert_true(divergence_percentile(&d, 50) == 3.0);
    assert_true(divergence_percentile(&d, 99) == 5.0);
    assert_true(divergence_percentile(&d, 20) == 1.0);
    d.count = 4; /* 1 2 3 4 */
    assert_true(divergence_percentile(&d, 50) == 2.0);
}

/* ---- intervals ----------------------------------------------------------------------------- */

/* The mean of 400 halves of zeros and ones has a standard error of 0.025. */
static void intervals_cover_what_the_binomial_says(void **state)
{
    (void)state;
    double above[UNITS];
    double below[UNITS];
    for (size_t i = 0; i < UNITS; i++) {
        above[i] = i % 2u == 0u;
        below[i] = 1.0;
    }
    bootstrap_plan plan = {RESAMPLES, 1};
    estimate e;
    tool_error error;
    assert_int_equal(bootstrap_ratio(above, below, UNITS, &plan, &e, &error), 0);
    assert_true(e.value == 0.5 && e.has_interval);
    assert_true(is_near(e.low, 0.5 - 1.96 * 0.025, 0.004));
    assert_true(is_near(e.high, 0.5 + 1.96 * 0.025, 0.004));
    estimate again;
    assert_int_equal(bootstrap_ratio(above, below, UNITS, &plan, &again, &error), 0);
    assert_memory_equal(&e, &again, sizeof e);
    plan.seed = 2;
    assert_int_equal(bootstrap_ratio(above, below, UNITS, &plan, &again, &error), 0);
    assert_true(e.low != again.low || e.high != again.high);
    assert_true(is_near(e.low, again.low, 0.008));
}

static void ratios_are_of_sums_not_of_units(void **state)
{
    (void)state;
    const double above[] = {1.0, 9.0};
    const double below[] = {10.0, 10.0};
    const double uneven[] = {1.0, 99.0};
    const bootstrap_plan plan = {RESAMPLES, 5};
    const bootstrap_plan none = {0, 5};
    estimate e;
    tool_error error;
    assert_int_equal(bootstrap_ratio(above, below, 2, &plan, &e, &error), 0);
    assert_true(e.value == 0.5 && e.low == 0.1 && e.high == 0.9); /* both drawn twice, often */
    assert_int_equal(bootstrap_ratio(above, uneven, 2, &plan, &e, &error), 0);
    assert_true(e.value == 0.1);
    assert_int_equal(bootstrap_ratio(above, below, 1, &plan, &e, &error), 0);
    assert_true(e.value == 0.1 && !e.has_interval);
    assert_int_equal(bootstrap_ratio(above, below, 2, &none, &e, &error), 0);
    assert_true(e.value == 0.5 && !e.has_interval);
}

/* ---- the line ------------------------------------------------------------------------------ */

static void the_line_keeps_what_nothing_beats(void **state)
{
    (void)state;
    pareto_point points[] = {{4, 1, 0}, {1, 9, 1}, {2, 9, 2}, {2, 5, 3},
                             {2, 5, 4}, {3, 6, 5}, {1, 8, 6}, {5, 1, 7}};
    assert_true(pareto_line(points, 8) == 3);
    assert_true(points[0].index == 6 && points[1].index == 3 && points[2].index == 0);
    size_t seen = 0;
    for (size_t i = 0; i < 8; i++) {
        seen |= (size_t)1 << points[i].index;
    }
    assert_true(seen == 0xff); /* the beaten ones are still there */
    assert_true(pareto_line(points, 0) == 0);
}

/* ---- axes ---------------------------------------------------------------------------------- */

static void axes_end_at_round_values(void **state)
{
    (void)state;
    svg_axis plain = {.label = "x"};
    double tick = 0.0;
    svg_axis_include(&plain, 372.0);
    svg_axis_include(&plain, 0.0);
    svg_axis_include(&plain, 655.0);
    svg_axis_round(&plain);
    assert_true(plain.first == 0.0 && plain.last == 800.0);
    assert_true(svg_axis_tick(&plain, 4, &tick) && tick == 800.0);
    assert_false(svg_axis_tick(&plain, 5, &tick));
    svg_axis decades = {.label = "y", .is_log = 1};
    svg_axis_include(&decades, 0.002);
    svg_axis_include(&decades, 30.0);
    svg_axis_round(&decades);
    assert_true(is_near(decades.first, 1e-3, 1e-12) && is_near(decades.last, 100.0, 1e-9));
    const svg_plot p = {.x = plain, .y = decades};
    assert_true(is_near(svg_plot_x(&p, 0.0), SVG_PLOT_LEFT, 1e-9));
    assert_true(is_near(svg_plot_x(&p, 800.0), SVG_PLOT_WIDTH - SVG_PLOT_RIGHT, 1e-9));
    assert_true(is_near(svg_plot_y(&p, 100.0), SVG_PLOT_TOP, 1e-9));
    double middle = 0.5 * (SVG_PLOT_TOP + SVG_PLOT_HEIGHT - SVG_PLOT_BOTTOM);
    assert_true(is_near(svg_plot_y(&p, sqrt(0.1)), middle, 1e-9));
    svg_axis one = {.label = "x"};
    svg_axis_include(&one, 7.0);
    svg_axis_round(&one);
    assert_true(one.first <= 7.0 && one.last > one.first && one.last < 9.0);
    svg_axis none = {.label = "x"};
    svg_axis_round(&none);
    assert_true(none.first == 0.0 && none.last == 1.0);
}

/* ---- lines --------------------------------------------------------------------------------- */

static void bins_hold_every_case_once(void **state)
{
    (void)state;
    run_case cases[30];
    memset(cases, 0, sizeof cases);
    for (uint32_t i = 0; i < 30u; i++) {
        cases[i].lines = i < 15u ? 10u + i : 100u; /* 10 .. 24, then a gap */
    }
    case_list list = {cases, 30, 0, 0};
    eval_bin bins[EVAL_MOST_BINS];
    size_t count = eval_bins_of(&list, bins); /* 12 lines each: 10-21, 22-33, 94-100 */
    assert_true(count == 3);
    assert_true(bins[0].first == 10 && bins[0].last == 21 && bins[0].cases == 12);
    assert_true(bins[1].first == 22 && bins[1].last == 33 && bins[1].cases == 3);
    assert_true(bins[2].first == 94 && bins[2].last == 100 && bins[2].cases == 15);
    list.count = 1;
    assert_true(eval_bins_of(&list, bins) == 1 && bins[0].first == 10 && bins[0].last == 10);
}

/* ---- from measures to rows ----------------------------------------------------------------- */

typedef struct {
    checkpoint model;
    eval_text text;
    case_list cases;
    eval_request request;
    eval_recipes recipes;
    eval_results results;
} example;

/* Two recipes, two windows of three predicted tokens, one layer of two heads, two cases. */
static void fill_measures(example *x, eval_device_results *device)
{
    tool_error error;
    device->measures = calloc(2, sizeof *device->measures);
    assert_non_null(device->measures);
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(eval_measure_create(&x->model.shape, 2, 2, &device->measures[i], &error),
                         0);
        device->measures[i].right[0] = 1;
        device->measures[i].window_nll[0] = 3.0;
        device->measures[i].window_nll[1] = 9.0;
        device->measures[i].head_power[0] = 4.0;
        device->measures[i].head_power[1] = 1.0;
    }
}

static void fill_example(example *x, run_case *cases, size_t devices)
{
    tool_error error;
    memset(x, 0, sizeof *x);
    x->model.shape = (checkpoint_shape){.layers = 1, .heads = 2, .kv_heads = 1};
    x->text = (eval_text){.windows = 2, .length = 5, .prompt = 2};
    x->cases = (case_list){cases, 2, 0, 0};
    x->request.model = &x->model;
    x->request.cases = &x->cases;
    x->request.head_windows = 1;
    assert_int_equal(eval_recipes_parse("kivi2", &x->recipes, &error), 0);
    x->results = (eval_results){calloc(devices, sizeof(eval_device_results)), devices, 2};
    assert_non_null(x->results.devices);
    for (size_t i = 0; i < devices; i++) {
        fill_measures(x, &x->results.devices[i]);
    }
}

static void discard_example(example *x)
{
    eval_results_release(&x->results);
    eval_recipes_release(&x->recipes);
}

static void rows_follow_from_measures(void **state)
{
    (void)state;
    run_case cases[2] = {{.lines = 3}, {.lines = 4}};
    example x;
    fill_example(&x, cases, 1);
    x.results.devices[0].measures[0].right[1] = 1; /* f16 alone knows the second */
    eval_measure *m = &x.results.devices[0].measures[1];
    m->window_kld[0] = 0.3;
    m->window_kld[1] = 0.9;
    m->window_same[0] = 3.0;
    m->window_same[1] = 2.0;
    m->window_nll[1] = 12.0;
    m->head_error[0] = 0.4;
    m->head_error[1] = 0.5;
    const bootstrap_plan plan = {RESAMPLES, 1};
    eval_summary s;
    tool_error error;
    assert_int_equal(eval_summarise(&x.request, &x.recipes, &x.text, &x.results, &plan, &s, &error),
                     0);
    const eval_row *row = &s.rows[1];
    assert_true(s.count == 2 && strcmp(row->recipe, "kivi2") == 0);
    assert_true(is_near(row->kld.value, 0.2, 1e-12) && is_near(row->kld.low, 0.1, 1e-12) &&
                is_near(row->kld.high, 0.3, 1e-12));
    assert_true(is_near(row->same_top.value, 5.0 / 6.0, 1e-12));
    assert_true(is_near(row->perplexity, exp(15.0 / 6.0), 1e-9));
    /* paired: the first window has no difference, the second one of 3 nats in 3 tokens */
    assert_true(is_near(row->perplexity_change.value, exp(0.5) - 1.0, 1e-12));
    assert_true(is_near(row->perplexity_change.low, 0.0, 1e-12) &&
                is_near(row->perplexity_change.high, exp(1.0) - 1.0, 1e-12));
    assert_true(is_near(row->heads[0], 0.1, 1e-12) && is_near(row->heads[1], 0.5, 1e-12));
    assert_true(row->worst_head == 1 && is_near(row->heads_mean, 0.9 / 5.0, 1e-12));
    assert_true(row->accuracy.value == 0.5 && row->accuracy_change.value == -0.5);
    assert_true(row->accuracy_change.low == -1.0 && row->accuracy_change.high == 0.0);
    assert_true(s.bin_count == 2 && row->bins[0] == 1.0 && row->bins[1] == 0.0);
    assert_true(s.rows[0].accuracy.value == 1.0 && s.rows[0].perplexity_change.value == 0.0);
    eval_summary_release(&s);
    discard_example(&x);
}

/* Whatever differs by one bit on the second device, its row says so. */
static void rows_say_what_differs(void **state)
{
    (void)state;
    run_case cases[2] = {{.lines = 3}, {.lines = 4}};
    const bootstrap_plan none = {0, 1};
    for (int what = 0; what < 5; what++) {
        example x;
        eval_summary s;
        tool_error error;
        fill_example(&x, cases, 2);
        eval_measure *m = &x.results.devices[1].measures[1];
        m->digest ^= what == 1;
        m->case_digest ^= what == 2;
        m->logits ^= what == 3;
        m->right[1] ^= (unsigned char)(what == 4);
        assert_int_equal(
            eval_summarise(&x.request, &x.recipes, &x.text, &x.results, &none, &s, &error), 0);
        const eval_agreement *same = &s.rows[3].same;
        assert_true(s.count == 4 && s.rows[2].same.bytes && s.rows[2].same.logits);
        assert_int_equal(same->bytes, what != 1 && what != 2);
        assert_int_equal(same->logits, what != 3);
        assert_int_equal(same->right, what != 4);
        const eval_report report = {&x.request, &x.recipes, &x.text, &s, &none, "m", NULL, "c"};
        char text[32];
        eval_agreement_text(&report, &s.rows[3], text);
        static const char *const texts[] = {"bytes, logits, answers", "logits, answers",
                                            "logits, answers", "bytes, answers", "bytes, logits"};
        assert_string_equal(text, texts[what]);
        assert_true(eval_is_first_device(&report, &s.rows[1]));
        assert_false(eval_is_first_device(&report, &s.rows[2]));
        eval_summary_release(&s);
        discard_example(&x);
    }
}

/* ---- recipes ------------------------------------------------------------------------------- */

static void all_is_every_name_once_after_f16(void **state)
{
    (void)state;
    eval_recipes r;
    tool_error error = {0, ""};
    assert_int_equal(eval_recipes_parse("kivi2,all,kivi2,window=64,k=f16,v=f16", &r, &error), 0);
    size_t named = 0;
    while (kvant_recipe_name((uint32_t)named) != NULL) {
        named++;
    }
    assert_true(r.list.count == named + 1u);
    assert_string_equal(r.list.entries[0].text, "f16");
    assert_string_equal(r.list.entries[1].text, "kivi2");
    assert_string_equal(r.list.entries[named].text, "kivi2,window=64");
    assert_true(!r.from_all[0] && !r.from_all[1] && r.from_all[2] && !r.from_all[named]);
    eval_recipes_release(&r);
    assert_int_not_equal(eval_recipes_parse("all,window=64", &r, &error), 0);
    assert_non_null(strstr(error.text, "all"));
    assert_int_not_equal(eval_recipes_parse("all,frob", &r, &error), 0);
    assert_non_null(strstr(error.text, "frob"));
}

static void what_does_not_fit_is_refused_or_left_out(void **state)
{
    (void)state;
    const checkpoint_shape shape = {
        .dim = 128, .layers = 1, .heads = 4, .kv_heads = 2, .head_dim = 32};
    eval_recipes r;
    tool_error error = {0, ""};
    assert_int_equal(eval_recipes_parse("k=int4/chan,v=int4/chan,period=4,kivi4,int4", &r, &error),
                     0);
    /* an event every 4 tokens is more than a cache takes */
    assert_int_not_equal(eval_recipes_check(&r, &shape, NULL, 64, DECODE, &error), 0);
    assert_int_equal(error.code, TOOL_BAD_INPUT);
    assert_non_null(strstr(error.text, "recipe \"k=int4/chan,v=int4/chan,period=4\""));
    assert_true(r.list.count == 4 && r.left_out_count == 0);
    r.from_all[1] = 1;
    assert_int_equal(eval_recipes_check(&r, &shape, NULL, 64, DECODE, &error), 0);
    assert_true(r.list.count == 3 && r.left_out_count == 1);
    assert_string_equal(r.left_out[0].recipe, "k=int4/chan,v=int4/chan,period=4");
    assert_true(strlen(r.left_out[0].reason) > 10u);
    assert_string_equal(r.list.entries[1].text, "kivi4");
    assert_string_equal(r.list.entries[2].text, "int4");
    eval_recipes_release(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(surprise_is_minus_log_probability),
        cmocka_unit_test(percentiles_are_ranks),
        cmocka_unit_test(intervals_cover_what_the_binomial_says),
        cmocka_unit_test(ratios_are_of_sums_not_of_units),
        cmocka_unit_test(the_line_keeps_what_nothing_beats),
        cmocka_unit_test(axes_end_at_round_values),
        cmocka_unit_test(bins_hold_every_case_once),
        cmocka_unit_test(rows_follow_from_measures),
        cmocka_unit_test(rows_say_what_differs),
        cmocka_unit_test(all_is_every_name_once_after_f16),
        cmocka_unit_test(what_does_not_fit_is_refused_or_left_out),
    };
    return cmocka_run_group_tests_name("eval-numbers", tests, NULL, NULL);
}
