/* SPDX-License-Identifier: MIT
 *
 * Statistics of outputs whose errors are known, and a classifier of what is known to be apart.
 */
#include <math.h>
#include <string.h>

#include "../support/cmocka_headers.h"
#include "fingerprint_classifier.h"
#include "fingerprint_session.h"

enum { VOCABULARY = 3, LAYERS = 2, HEADS = 2, HEAD_DIM = 4, STEPS = 4 };
enum { DIM = HEADS * HEAD_DIM, FEATURES = FINGERPRINT_PLAIN_COUNT + 2 * LAYERS };

static int is_near(double a, double b, double tolerance)
{
    return fabs(a - b) <= tolerance;
}

static fingerprint_sums *create(void)
{
    tool_error error = {0, ""};
    fingerprint_sums *s =
        fingerprint_sums_create(VOCABULARY, LAYERS, HEADS, HEAD_DIM, STEPS, &error);
    assert_non_null(s);
    assert_int_equal(fingerprint_feature_count(LAYERS), FEATURES);
    return s;
}

static const float plain_logits[VOCABULARY] = {0.0f, 1.0f, 2.0f};

static double entropy_of(const float *logits)
{
    double sum = 0.0;
    double entropy = 0.0;
    for (int i = 0; i < VOCABULARY; i++) {
        sum += exp((double)logits[i]);
    }
    for (int i = 0; i < VOCABULARY; i++) {
        double p = exp((double)logits[i]) / sum;
        entropy -= p * log(p);
    }
    return entropy;
}

/* ---- logits -------------------------------------------------------------------------------- */

/* Logits that shrink by a quarter, and move together: a slope alone. */
static void flatter_logits_are_a_slope(void **state)
{
    (void)state;
    const float flatter[VOCABULARY] = {7.0f, 7.75f, 8.5f};
    fingerprint_sums *s = create();
    tool_error error = {0, ""};
    double f[FEATURES];
    for (int i = 0; i < STEPS; i++) {
        assert_int_equal(fingerprint_add_logits(s, plain_logits, flatter, &error), 0);
    }
    fingerprint_features(s, f);
    assert_true(is_near(f[FINGERPRINT_LOGIT_SLOPE], -0.25, 1e-12));
    assert_true(f[FINGERPRINT_LOGIT_RESIDUAL] < -12.0);
    assert_true(
        is_near(f[FINGERPRINT_ENTROPY], entropy_of(flatter) - entropy_of(plain_logits), 1e-9));
    assert_true(f[FINGERPRINT_FLIPS] == 0.0 && f[FINGERPRINT_LOGIT_GROWTH] == 0.0);
    assert_true(f[FINGERPRINT_KLD] < 0.0 && f[FINGERPRINT_KLD] > -4.0);
    fingerprint_sums_release(s);
}

/* (0 1 2) + (1 -2 1) / 2: orthogonal, and the first half of the window has ten times less of it. */
static void errors_beside_the_logits_are_a_residual(void **state)
{
    (void)state;
    const float turned[VOCABULARY] = {0.5f, 0.0f, 2.5f};
    const float much[VOCABULARY] = {-3.0f, 7.0f, -1.0f};
    fingerprint_sums *s = create();
    tool_error error = {0, ""};
    double f[FEATURES];
    for (int i = 0; i < STEPS; i++) {
        fingerprint_add_logits(s, plain_logits, i < STEPS / 2 ? turned : much, &error);
    }
    fingerprint_features(s, f);
    /* e.e is 1.5 twice and 54 twice, z.z is 2 each time */
    assert_true(is_near(f[FINGERPRINT_LOGIT_SLOPE], 0.0, 1e-9));
    assert_true(is_near(f[FINGERPRINT_LOGIT_RESIDUAL], log10((1.5 + 54.0) / 4.0), 1e-9));
    assert_true(is_near(f[FINGERPRINT_LOGIT_GROWTH], log10(54.0 / 1.5), 1e-9));
    assert_true(f[FINGERPRINT_FLIPS] == 0.5);
    fingerprint_sums_release(s);
}

static void infinite_logits_are_refused(void **state)
{
    (void)state;
    const float infinite[VOCABULARY] = {0.0f, INFINITY, 2.0f};
    fingerprint_sums *s = create();
    tool_error error = {0, ""};
    assert_int_equal(fingerprint_add_logits(s, plain_logits, infinite, &error), -1);
    assert_non_null(strstr(error.text, "not finite"));
    fingerprint_sums_release(s);
}

/* ---- the attention's output ---------------------------------------------------------------- */

/* Errors of one step: `common` on every channel, and `swung` up and down. */
static void add_outputs(fingerprint_sums *s, uint32_t layer, float common, float swung)
{
    float base[DIM];
    float out[DIM];
    for (int i = 0; i < DIM; i++) {
        base[i] = i % 4 < 2 ? 2.0f : -2.0f;
        out[i] = base[i] + common + (i % 2 == 0 ? swung : -swung);
    }
    fingerprint_add_output(s, layer, base, out);
}

static void errors_that_hang_together_are_seen(void **state)
{
    (void)state;
    fingerprint_sums *s = create();
    double f[FEATURES];
    for (int i = 0; i < STEPS; i++) { /* the same error in every step */
        add_outputs(s, 0, 0.5f, 0.0f);
        add_outputs(s, 1, 0.5f, 0.0f);
    }
    fingerprint_features(s, f);
    assert_true(is_near(f[FINGERPRINT_OFFSET], 1.0, 1e-9));
    assert_true(is_near(f[FINGERPRINT_TOKENS], (STEPS - 1.0) / STEPS, 1e-9));
    assert_true(is_near(f[FINGERPRINT_CHANNELS], (HEAD_DIM - 1.0) / HEAD_DIM, 1e-9));
    assert_true(is_near(f[FINGERPRINT_OUTPUT_GROWTH], 0.0, 1e-12));

    fingerprint_sums_reset(s);
    for (int i = 0; i < STEPS; i++) { /* up and down along channels, and along tokens */
        float sign = i % 2 == 0 ? 1.0f : -1.0f;
        float size = i < STEPS / 2 ? 0.1f : 1.0f;
        add_outputs(s, 0, 0.0f, sign * size);
        add_outputs(s, 1, 0.0f, sign * size);
    }
    fingerprint_features(s, f);
    assert_true(is_near(f[FINGERPRINT_OFFSET], 0.0, 1e-9));
    assert_true(f[FINGERPRINT_TOKENS] < -0.5);
    assert_true(is_near(f[FINGERPRINT_CHANNELS], -(HEAD_DIM - 1.0) / HEAD_DIM, 1e-6));
    assert_true(is_near(f[FINGERPRINT_OUTPUT_GROWTH], 2.0, 1e-6));
    fingerprint_sums_release(s);
}

static void layers_have_their_own_slope_and_error(void **state)
{
    (void)state;
    float base[DIM];
    float half[DIM];
    for (int i = 0; i < DIM; i++) {
        base[i] = (float)(i + 1);
        half[i] = 0.5f * base[i];
    }
    fingerprint_sums *s = create();
    double f[FEATURES];
    for (int i = 0; i < STEPS; i++) {
        fingerprint_add_output(s, 0, base, base);
        fingerprint_add_output(s, 1, base, half);
    }
    fingerprint_features(s, f);
    const double *layers = f + FINGERPRINT_PLAIN_COUNT;
    assert_true(layers[0] == 0.0 && layers[1] == -18.0);
    assert_true(is_near(layers[2], -0.5, 1e-12) && is_near(layers[3], log10(0.25), 1e-12));
    char name[32];
    fingerprint_feature_name(FINGERPRINT_PLAIN_COUNT + 3, name, sizeof name);
    assert_string_equal(name, "layer 1 error");
    fingerprint_sums_release(s);
}

/* ---- the classifier ------------------------------------------------------------------------ */

/* Two classes that share their mean and differ in spread by the first feature, a third that has
 * another mean of the second. */
static void the_most_likely_class_wins(void **state)
{
    (void)state;
    enum { CLASSES = 3, SAMPLES = 20, WIDTH = 2 };
    double samples[CLASSES][SAMPLES][WIDTH];
    for (int i = 0; i < SAMPLES; i++) {
        double sign = i % 2 == 0 ? 1.0 : -1.0;
        samples[0][i][0] = 0.1 * sign;
        samples[1][i][0] = 10.0 * sign;
        samples[2][i][0] = 0.1 * sign;
        samples[0][i][1] = samples[1][i][1] = 0.2 * sign;
        samples[2][i][1] = 5.0 + 0.2 * sign;
    }
    fingerprint_classifier c;
    tool_error error = {0, ""};
    assert_int_equal(fingerprint_learn(&samples[0][0][0], CLASSES, SAMPLES, WIDTH, &c, &error), 0);
    const double near_zero[] = {0.05, 0.0};
    const double far[] = {-25.0, 0.0};
    const double shifted[] = {0.0, 4.5};
    assert_int_equal(fingerprint_tell(&c, near_zero, 0, WIDTH), 0);
    assert_int_equal(fingerprint_tell(&c, far, 0, WIDTH), 1);
    assert_int_equal(fingerprint_tell(&c, shifted, 0, WIDTH), 2);
    assert_int_equal(fingerprint_tell(&c, shifted, 0, 1), 0); /* without the second feature */
    assert_int_equal(fingerprint_tell(&c, shifted, 1, 1), 2);
    fingerprint_classifier_release(&c);
}

/* ---- devices ------------------------------------------------------------------------------- */

enum { RECIPES = 2, WINDOWS = 8 };

/* Recipes at 0 and at 10, with windows around them. */
static void fill(double *features, double shift)
{
    for (int recipe = 0; recipe < RECIPES; recipe++) {
        for (int i = 0; i < WINDOWS * FEATURES; i++) {
            features[recipe * WINDOWS * FEATURES + i] =
                10.0 * recipe + 0.1 * ((i / FEATURES) % 4) + shift;
        }
    }
}

static void judge(double shift, fingerprint_results *out_results)
{
    tool_error error = {0, ""};
    const bootstrap_plan plan = {100, 1};
    *out_results = (fingerprint_results){
        .recipes = RECIPES, .windows = WINDOWS, .learnt = WINDOWS / 2, .features = FEATURES};
    assert_int_equal(fingerprint_results_allocate(out_results, 2, &error), 0);
    fill(out_results->devices[0].features, 0.0);
    fill(out_results->devices[1].features, shift);
    assert_int_equal(fingerprint_judge(out_results, &plan, &error), 0);
}

static void equal_devices_cannot_be_told_apart(void **state)
{
    (void)state;
    fingerprint_results r;
    judge(0.0, &r);
    for (int i = 0; i < RECIPES; i++) {
        assert_true(r.devices[1].is_equal[i]);
        assert_true(r.devices[1].told_apart[i] == 0.5);
    }
    for (int device = 0; device < 2; device++) {
        const fingerprint_telling *t = &r.devices[device].tellings[FINGERPRINT_OF_BOTH];
        assert_true(t->accuracy.value == 1.0 && t->accuracy.has_interval);
        assert_int_equal(t->confusion[0], WINDOWS / 2);
        assert_int_equal(t->confusion[1], 0);
    }
    fingerprint_results_release(&r);
}

static void devices_that_differ_are_told_apart(void **state)
{
    (void)state;
    fingerprint_results r;
    judge(2.0, &r);
    for (int i = 0; i < RECIPES; i++) {
        assert_false(r.devices[1].is_equal[i]);
        assert_true(r.devices[1].told_apart[i] == 1.0);
    }
    fingerprint_results_release(&r);

    tool_error error = {0, ""};
    const bootstrap_plan plan = {0, 1};
    judge(0.0, &r);
    r.devices[1].features[WINDOWS * FEATURES - 1] += 1e-9; /* one feature of one window */
    assert_int_equal(fingerprint_judge(&r, &plan, &error), 0);
    assert_false(r.devices[1].is_equal[0]);
    assert_true(r.devices[1].is_equal[1]);
    fingerprint_results_release(&r);
    judge(9.0, &r); /* the other device's first recipe looks like the first's second */
    const fingerprint_telling *t = &r.devices[1].tellings[FINGERPRINT_OF_BOTH];
    assert_int_equal(t->confusion[1], WINDOWS / 2);
    assert_true(t->accuracy.value == 0.5);
    fingerprint_results_release(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(flatter_logits_are_a_slope),
        cmocka_unit_test(errors_beside_the_logits_are_a_residual),
        cmocka_unit_test(infinite_logits_are_refused),
        cmocka_unit_test(errors_that_hang_together_are_seen),
        cmocka_unit_test(layers_have_their_own_slope_and_error),
        cmocka_unit_test(the_most_likely_class_wins),
        cmocka_unit_test(equal_devices_cannot_be_told_apart),
        cmocka_unit_test(devices_that_differ_are_told_apart),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
