/* SPDX-License-Identifier: MIT
 *
 * The promise: the same compressed bytes and the same attention output, to the last bit, on every
 * device, for every recipe.
 */
#include <string.h>

#include "../support/cmocka_headers.h"
#include "cache_scenario.h"

static const char *const devices[] = {"opencl", "vulkan", "cuda"};
enum { DEVICES = 3 };

static const scenario scenarios[] = {
    {"f16", 1, 4, 2, 32, 32, 70, 12, 1, KVANT_F32, 30.0f, KVANT_NON_FINITE_STRICT},
    {"int8-token", 2, 4, 2, 64, 64, 70, 37, 1, KVANT_F16, 1.0f, KVANT_NON_FINITE_STRICT},
    {"int4", 1, 8, 2, 40, 24, 33, 36, 3, KVANT_BF16, 30.0f, KVANT_NON_FINITE_STRICT},
    {"kivi2", 1, 4, 4, 64, 64, 300, 40, 1, KVANT_F32, 30.0f, KVANT_NON_FINITE_STRICT},
    {"kivi4", 2, 6, 2, 8, 8, 0, 200, 8, KVANT_F32, 1.0f, KVANT_NON_FINITE_SANITISE},
    {"zipcache", 1, 4, 2, 64, 64, 301, 106, 1, KVANT_F32, 30.0f, KVANT_NON_FINITE_STRICT},
    {"zipcache,window=20,sinks=3", 2, 4, 2, 16, 32, 130, 128, 4, KVANT_F16, 1.0f,
     KVANT_NON_FINITE_SANITISE},
    {"k=int2+int4/chan,v=int2+int4/head/cst,salient=0.3,random=.1,recent=.05,norm=causal,"
     "heads=group,period=20",
     1, 8, 2, 32, 32, 90, 45, 1, KVANT_F32, 30.0f, KVANT_NON_FINITE_STRICT},
    {"adaptive,window=4,period=16,reevaluate=32,heads=group", 2, 4, 2, 16, 32, 60, 104, 1,
     KVANT_F16, 1.0f, KVANT_NON_FINITE_STRICT},
    {"zipcache,salient=0.3/0.6,period=20", 1, 4, 2, 16, 32, 60, 41, 1, KVANT_F16, 1.0f,
     KVANT_NON_FINITE_STRICT},
    {"int4,window=12,sinks=4,period=16,stream=0:1-2", 2, 8, 4, 32, 32, 60, 40, 2, KVANT_F16, 1.0f,
     KVANT_NON_FINITE_STRICT},
    {"k=int8/chan64,v=int8s/tok8,window=5,period=64", 1, 3, 1, 72, 80, 100, 70, 1, KVANT_F32, 30.0f,
     KVANT_NON_FINITE_STRICT},
};

static void every_device_gives_the_same_bits(void **state)
{
    (void)state;
    kvant_context *host = scenario_open("host");
    kvant_context *contexts[DEVICES];
    int found = 0;
    for (int i = 0; i < DEVICES; i++) {
        contexts[i] = scenario_open(devices[i]);
        found += contexts[i] != NULL ? 1 : 0;
    }
    if (found == 0) {
        print_message("skipped: there is no device to compare the host with\n");
        kvant_context_destroy(host);
        skip();
    }
    for (size_t i = 0; i < sizeof scenarios / sizeof scenarios[0]; i++) {
        scenario_result expected = scenario_run(host, &scenarios[i]);
        for (int j = 0; j < DEVICES; j++) {
            if (contexts[j] == NULL) {
                continue;
            }
            scenario_result got = scenario_run(contexts[j], &scenarios[i]);
            size_t differences = 0;
            for (size_t k = 0; k < expected.count; k++) {
                differences +=
                    memcmp(&expected.outputs[k], &got.outputs[k], sizeof(float)) != 0 ? 1u : 0u;
            }
            if (differences != 0 || got.digest != expected.digest || got.count != expected.count) {
                fail_msg(
                    "%s on %s: digest %016llx, the host's is %016llx; %zu of %zu outputs differ",
                    scenarios[i].recipe, devices[j], (unsigned long long)got.digest,
                    (unsigned long long)expected.digest, differences, expected.count);
            }
            scenario_release(&got);
        }
        print_message("%s: digest %016llx, %zu outputs, the same on the host and %d devices\n",
                      scenarios[i].recipe, (unsigned long long)expected.digest, expected.count,
                      found);
        scenario_release(&expected);
    }
    for (int i = 0; i < DEVICES; i++) {
        kvant_context_destroy(contexts[i]);
    }
    kvant_context_destroy(host);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_device_gives_the_same_bits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
