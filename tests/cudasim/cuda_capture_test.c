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
    kvant_context_desc desc = KVANT_CONTEXT_DESC_INIT;
    desc.backend = "cuda";
    kvant_context *context = NULL;
    assert_int_equal(kvant_context_create(&desc, &context), KVANT_OK);
    scenario s = {recipe,  1,     8, 2,         32,   32,
                  PREFILL, STEPS, 1, KVANT_F32, 1.0f, KVANT_NON_FINITE_SANITISE};
    kvant_cache_desc cache_desc = scenario_desc(&s);
    kvant_cache *cache = NULL;
    assert_int_equal(kvant_context_prepare(context), KVANT_OK);
    assert_int_equal(kvant_cache_create(context, &cache_desc, &cache), KVANT_OK);
    kvant_tensor t[3];
    for (int i = 0; i < 3; i++) {
        t[i] = scenario_upload(context, &s, i, 0, 1, 0, s.prefill);
    }
    kvant_tensor out = {.dtype = KVANT_F32};
    assert_int_equal(kvant_buffer_create(context, 8 * 32 * 4, &out.buffer), KVANT_OK);
    assert_int_equal(kvant_cache_prefill(cache, 0, 0, s.prefill, &t[0], &t[1], &t[2]), KVANT_OK);
    for (uint32_t step = 0; step < STEPS; step++) {
        if (is_captured) {
            setenv("CUDASIM_CAPTURE", "1", 1);
        }
        kvant_status appended = kvant_cache_append(cache, 0, 0, 1, &t[0], &t[1]);
        kvant_status attended = kvant_cache_attend(cache, 0, 0, 1, 1, &t[2], &out, NULL);
        unsetenv("CUDASIM_CAPTURE");
        if (appended != KVANT_OK || attended != KVANT_OK) {
            fail_msg("%s, step %u: %s", recipe, step, kvant_last_message());
        }
        assert_int_equal(kvant_buffer_read(out.buffer, 0, &outputs[step * 8u * 32u], 8 * 32 * 4),
                         KVANT_OK);
    }
    for (int i = 0; i < 3; i++) {
        kvant_buffer_destroy(t[i].buffer);
    }
    kvant_buffer_destroy(out.buffer);
    kvant_cache_destroy(cache);
    kvant_context_destroy(context);
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
    kvant_context_desc desc = KVANT_CONTEXT_DESC_INIT;
    desc.backend = "cuda";
    kvant_context *context = NULL;
    assert_int_equal(kvant_context_create(&desc, &context), KVANT_OK);
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
