/* SPDX-License-Identifier: MIT
 *
 * A decode step makes only driver calls that a stream under capture takes. CUDASIM_CAPTURE makes the
 * simulator refuse all others, those that wait, query, allocate or load; it runs what is captured.
 */
#include <stdlib.h>
#include <string.h>

#include "../cache/cache_scenario.h"
#include "../support/cmocka_headers.h"

enum { PREFILL = 70, STEPS = 36 };

/* Decodes with every step under capture, or with none. */
static void decode(const char *recipe, int is_captured, float *outputs)
{
    kvant_context *context = scenario_open("cuda");
    assert_non_null(context);
    scenario s = {recipe,  1,     8, 2,         32,   32,
                  PREFILL, STEPS, 1, KVANT_F32, 1.0f, KVANT_NON_FINITE_SANITISE};
    assert_int_equal(kvant_context_prepare(context), KVANT_OK);
    scenario_session session = scenario_begin(context, &s);
    scenario_prefill(&session, &s);
    const kvant_tensor *t = session.inputs;
    for (uint32_t step = 0; step < STEPS; step++) {
        if (is_captured) {
            setenv("CUDASIM_CAPTURE", "1", 1);
        }
        kvant_status appended = kvant_cache_append(session.cache, 0, 0, 1, &t[0], &t[1]);
        kvant_status attended =
            kvant_cache_attend(session.cache, 0, 0, 1, 1, &t[2], &session.out, NULL);
        unsetenv("CUDASIM_CAPTURE");
        if (appended != KVANT_OK || attended != KVANT_OK) {
            fail_msg("%s, step %u: %s", recipe, step, kvant_last_message());
        }
        assert_int_equal(
            kvant_buffer_read(session.out.buffer, 0, &outputs[step * 8u * 32u], 8 * 32 * 4),
            KVANT_OK);
    }
    scenario_end(&session);
}

static void steps_can_be_captured(void **state)
{
    (void)state;
    static const char *const recipes[] = {"kivi2", "zipcache,window=8,period=8", "int4"};
    static float plain[STEPS * 8 * 32];
    static float captured[STEPS * 8 * 32];
    for (int i = 0; i < 3; i++) {
        decode(recipes[i], 0, plain);
        decode(recipes[i], 1, captured);
        assert_memory_equal(plain, captured, sizeof plain);
    }
}

static void the_simulator_refuses_the_rest(void **state)
{
    (void)state;
    kvant_context *context = scenario_open("cuda");
    assert_non_null(context);
    kvant_buffer *buffer = NULL;
    setenv("CUDASIM_CAPTURE", "1", 1);
    assert_int_not_equal(kvant_context_synchronize(context), KVANT_OK);
    assert_non_null(strstr(kvant_last_message(), "900"));
    assert_int_not_equal(kvant_buffer_create(context, 64, &buffer), KVANT_OK);
    unsetenv("CUDASIM_CAPTURE");
    assert_int_equal(kvant_context_synchronize(context), KVANT_OK);
    kvant_context_destroy(context);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(steps_can_be_captured),
        cmocka_unit_test(the_simulator_refuses_the_rest),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
