/* SPDX-License-Identifier: MIT
 *
 * Device time by the kind of work, on every device: each command of a decode step is counted once,
 * under its kind, beyond the number of time stamps that a device keeps; and none while timing is off.
 */
#include <math.h>

#include "../support/cmocka_headers.h"
#include "cache_scenario.h"

static const scenario shape = {"zipcache", 1,   4, 2,         32,   32,
                               150,        210, 1, KVANT_F32, 1.0f, KVANT_NON_FINITE_SANITISE};

static uint64_t waits_of_work_times(const scenario_session *f)
{
    kvant_context_stats before = KVANT_CONTEXT_STATS_INIT;
    kvant_context_stats after = KVANT_CONTEXT_STATS_INIT;
    kvant_work_times times = KVANT_WORK_TIMES_INIT;
    assert_int_equal(kvant_context_get_stats(f->context, &before), KVANT_OK);
    assert_int_equal(kvant_context_work_times(f->context, &times), KVANT_OK);
    assert_int_equal(kvant_context_get_stats(f->context, &after), KVANT_OK);
    return after.synchronizations - before.synchronizations;
}

static void count_on(const char *backend)
{
    enum { STEPS = 200, AT_ONCE = 511 }; /* commands whose stamps are kept */
    kvant_context *context = scenario_open(backend);
    if (context == NULL) {
        return;
    }
    scenario_session f = scenario_begin(context, &shape);
    kvant_context_stats before = KVANT_CONTEXT_STATS_INIT;
    kvant_context_stats after = KVANT_CONTEXT_STATS_INIT;
    kvant_work_times times = KVANT_WORK_TIMES_INIT;
    scenario_prefill(&f, &shape);
    assert_int_equal(kvant_context_work_times(f.context, &times), KVANT_OK);
    assert_true(times.commands[KVANT_WORK_QUANTIZE] == 0); /* timing was off */

    assert_int_equal(kvant_context_timing(f.context, 1), KVANT_OK);
    assert_int_equal(kvant_context_get_stats(f.context, &before), KVANT_OK);
    scenario_steps(&f, STEPS);
    assert_int_equal(kvant_context_get_stats(f.context, &after), KVANT_OK);
    assert_int_equal(kvant_context_work_times(f.context, &times), KVANT_OK);
    uint64_t launches = 0;
    uint64_t timed = 0;
    for (int kind = 0; kind < KVANT_WORK_KINDS; kind++) {
        assert_true(isfinite(times.microseconds[kind]) && times.microseconds[kind] >= 0.0);
        timed += times.commands[kind];
        launches += kind != KVANT_WORK_OTHER ? times.commands[kind] : 0;
    }
    assert_true(times.commands[KVANT_WORK_ATTENTION] == STEPS);
    assert_true(times.commands[KVANT_WORK_MERGE] == STEPS);
    assert_true(times.commands[KVANT_WORK_APPEND] >= STEPS);
    assert_true(times.commands[KVANT_WORK_SALIENCY] > 0);
    assert_true(times.commands[KVANT_WORK_SELECT] > 0);
    assert_true(times.commands[KVANT_WORK_QUANTIZE] > 0);
    assert_true(launches == after.launches - before.launches);
    assert_true(launches > 512); /* more than a device keeps time stamps for */
    assert_true(after.commands - before.commands >= launches + times.commands[KVANT_WORK_OTHER]);
    assert_true(after.submissions >= before.submissions);
    assert_true(after.synchronizations - before.synchronizations == (timed - 1) / AT_ONCE);
    assert_true(waits_of_work_times(&f) == 0); /* nothing new */
    scenario_steps(&f, 1);
    assert_true(waits_of_work_times(&f) == 1);

    assert_int_equal(kvant_context_timing(f.context, 0), KVANT_OK);
    kvant_work_times later = KVANT_WORK_TIMES_INIT;
    scenario_steps(&f, 3);
    assert_int_equal(kvant_context_work_times(f.context, &later), KVANT_OK);
    assert_true(later.commands[KVANT_WORK_ATTENTION] == STEPS + 1);
    assert_int_equal(kvant_context_timing(f.context, 1), KVANT_OK);
    assert_int_equal(kvant_context_work_times(f.context, &later), KVANT_OK);
    assert_true(later.commands[KVANT_WORK_ATTENTION] == 0);
    scenario_end(&f);
}

static void every_command_counts_once(void **state)
{
    (void)state;
    static const char *const backends[] = {"host", "opencl", "vulkan", "cuda"};
    for (int i = 0; i < 4; i++) {
        count_on(backends[i]);
    }
}

/* The int8 keys that saliency makes for itself are no quantization of the cache. */
static void saliency_counts_as_one(void **state)
{
    (void)state;
    scenario_session f = scenario_begin(scenario_open("host"), &shape);
    kvant_saliency_desc desc = KVANT_SALIENCY_DESC_INIT;
    desc.keys = f.inputs[0];
    desc.queries = f.inputs[2];
    desc.tokens = 64;
    desc.q_heads = 4;
    desc.kv_heads = 2;
    desc.dim = 32;
    desc.probes_recent = 8;
    assert_int_equal(
        kvant_buffer_create(f.context, kvant_saliency_scratch_bytes(&desc), &desc.scratch),
        KVANT_OK);
    assert_int_equal(kvant_buffer_create(f.context, 4096, &desc.scores), KVANT_OK);
    kvant_work_times times = KVANT_WORK_TIMES_INIT;
    assert_int_equal(kvant_context_timing(f.context, 1), KVANT_OK);
    kvant_status status = kvant_saliency(f.context, &desc);
    if (status != KVANT_OK) {
        fail_msg("saliency: %s", kvant_last_message());
    }
    assert_int_equal(kvant_context_work_times(f.context, &times), KVANT_OK);
    assert_int_equal(times.commands[KVANT_WORK_SALIENCY], 9); /* rows, keys: 3, scores: 5 */
    assert_int_equal(times.commands[KVANT_WORK_QUANTIZE], 0);
    kvant_buffer_destroy(desc.scratch);
    kvant_buffer_destroy(desc.scores);
    scenario_end(&f);
}

static void bad_arguments_are_refused(void **state)
{
    (void)state;
    scenario_session f = scenario_begin(scenario_open("host"), &shape);
    kvant_work_times times = {0};
    assert_int_equal(kvant_context_timing(NULL, 1), KVANT_ERROR_INVALID_ARGUMENT);
    assert_int_equal(kvant_context_work_times(NULL, &times), KVANT_ERROR_INVALID_ARGUMENT);
    assert_int_equal(kvant_context_work_times(f.context, NULL), KVANT_ERROR_INVALID_ARGUMENT);
    assert_int_equal(kvant_context_work_times(f.context, &times), KVANT_ERROR_INVALID_ARGUMENT);
    scenario_end(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_command_counts_once),
                                       cmocka_unit_test(saliency_counts_as_one),
                                       cmocka_unit_test(bad_arguments_are_refused)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
