/* SPDX-License-Identifier: MIT
 *
 * After kvant_context_prepare a decode step allocates nothing, builds nothing, and in sanitise mode
 * waits for nothing: counted, over whole periods, on every device, by dispatch and in the driver's
 * own functions.
 */
#include <stdlib.h>

#include "../support/cmocka_headers.h"
#include "cache_scenario.h"
#ifdef KVANT_TESTS_WATCH
#include "native_watch.h"
#endif

static void *counting_allocate(void *user, size_t bytes)
{
    ++*(uint64_t *)user;
    return malloc(bytes);
}

static void counting_release(void *user, void *memory)
{
    (void)user;
    free(memory);
}

/* What one step asked of the driver, which had nothing left to do when it began. */
static void assert_asks_nothing(const char *backend, const char *recipe, uint32_t step)
{
#ifdef KVANT_TESTS_WATCH
    const native_counts *counts = native_counted();
    if (counts->allocations != 0 || counts->compiles != 0 || counts->waits != 0) {
        fail_msg("%s, %s, step %u: %u allocations, %u compilations, %u waits in the driver",
                 backend, recipe, step, (unsigned)counts->allocations, (unsigned)counts->compiles,
                 (unsigned)counts->waits);
    }
    if (backend[0] != 'h' && counts->launches == 0) {
        fail_msg("%s: the watch sees no launches", backend);
    }
#else
    (void)backend;
    (void)recipe;
    (void)step;
#endif
}

static void forget(void)
{
#ifdef KVANT_TESTS_WATCH
    native_forget();
#endif
}

static void decode_on(const char *backend, const char *recipe)
{
    uint64_t allocations = 0;
    kvant_context_desc desc = KVANT_CONTEXT_DESC_INIT;
    desc.backend = backend;
    desc.allocator = (kvant_allocator){counting_allocate, counting_release, &allocations};
    kvant_context *context = NULL;
    if (kvant_context_create(&desc, &context) != KVANT_OK) {
        print_message("skipped %s: %s\n", backend, kvant_last_message());
        return;
    }
    scenario s = {recipe, 1, 4, 2, 32, 32, 150, 420, 1, KVANT_F32, 1.0f, KVANT_NON_FINITE_SANITISE};
    assert_int_equal(kvant_context_prepare(context), KVANT_OK);
    scenario_session session = scenario_begin(context, &s);
    scenario_prefill(&session, &s);

    kvant_context_stats before = KVANT_CONTEXT_STATS_INIT;
    kvant_context_stats after = KVANT_CONTEXT_STATS_INIT;
    uint64_t allocated = 0;
    for (uint32_t step = 0; step < s.decode; step++) {
        bool is_alone = step < s.decode / 2; /* the other half runs ahead of the device */
        if (is_alone || step == s.decode / 2) {
            assert_int_equal(kvant_context_synchronize(context), KVANT_OK);
        }
        if (step == 1) { /* the first step may fill the backend's own pools */
            allocated = allocations;
        }
        if (step == s.decode / 2) {
            assert_int_equal(kvant_context_get_stats(context, &before), KVANT_OK);
        }
        if (is_alone) {
            forget();
        }
        scenario_steps(&session, 1);
        if (is_alone && step != 0) {
            assert_asks_nothing(backend, recipe, step);
        }
    }
    assert_int_equal(kvant_context_get_stats(context, &after), KVANT_OK);
    assert_true(allocations == allocated);
    assert_true(after.host_allocations == before.host_allocations);
    assert_true(after.device_allocations == before.device_allocations);
    assert_true(after.kernels_built == before.kernels_built);
    assert_true(after.synchronizations == before.synchronizations);
    assert_true(after.launches > before.launches);
    print_message("%s, %s: %.1f launches a step\n", backend, recipe,
                  (double)(after.launches - before.launches) / (double)(s.decode / 2));

    scenario_end(&session);
}

static void steps_allocate_nothing(void **state)
{
    (void)state;
    static const char *const backends[] = {"host", "opencl", "vulkan", "cuda"};
    for (int i = 0; i < 4; i++) {
        decode_on(backends[i], "kivi2");
        decode_on(backends[i], "h2o,window=8,period=8");
        decode_on(backends[i], "streaming,window=8");
        decode_on(backends[i], "duo,window=8");
        decode_on(backends[i], "zipcache");
        decode_on(backends[i], "zipcache,salient=0.6/0.4,period=32");
        decode_on(backends[i], "rotate,window=8");
        decode_on(backends[i], "adaptive");
        decode_on(backends[i], "hybrid,score=outliers,pool=max5,period=32");
        decode_on(backends[i], "zipcache,window=8,period=8"); /* more uploads than any ring has */
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(steps_allocate_nothing)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
