/* SPDX-License-Identifier: MIT
 *
 * The conformance suite must be able to fail: it runs against backends with a planted bug, kernel by
 * kernel, and every one must be noticed. A backend that passes everything on must pass.
 */
#include "cmocka_headers.h"

#include <string.h>

#include "conformance.h"
#include "faulty_backend.h"

typedef struct {
    const kvant_backend *backend;
    const char *fault;
} planted;

static const planted faults[] = {
#define PLANTED(name, text) {&kvant_backend_faulty_##name, #name},
    KVANT_FAULTS(PLANTED)
#undef PLANTED
};

static const char *const kernels[] = {
#define KVANT_KERNEL(name, params, count, names, shape, exactness) #name,
#include "kernels.def"
#undef KVANT_KERNEL
};

/* Kernels without a read-only binding cannot show that fault. */
static int has_input(const char *kernel)
{
    static const char *const lists[] = {
#define KVANT_KERNEL(name, params, count, names, shape, exactness) names,
#include "kernels.def"
#undef KVANT_KERNEL
    };
    for (size_t i = 0; i < sizeof kernels / sizeof kernels[0]; i++) {
        if (strcmp(kernels[i], kernel) == 0) {
            return strstr(lists[i], ":r ") != NULL || strcmp(strrchr(lists[i], ':'), ":r") == 0;
        }
    }
    return 0;
}

static void check_kernel(const planted *fault, const char *kernel)
{
    char filter[64];
    snprintf(filter, sizeof filter, "%s/*", kernel);
    kvant_conformance_options options = KVANT_CONFORMANCE_OPTIONS_INIT;
    options.backend = fault->backend;
    options.filter = filter;
    options.quick = 1;
    kvant_conformance_report report;
    assert_int_equal(kvant_conformance_run(&options, &report), KVANT_OK);
    assert_true(report.case_count > 0u);
    int must_fail = strcmp(fault->fault, "none") != 0 &&
                    (strcmp(fault->fault, "input") != 0 || has_input(kernel));
    if (must_fail && report.counts[KVANT_CASE_FAILED] == 0u) {
        print_error("fault '%s' in kernel %s was not noticed\n", fault->fault, kernel);
    }
    if (must_fail) {
        assert_true(report.counts[KVANT_CASE_FAILED] > 0u);
    } else {
        assert_int_equal(report.counts[KVANT_CASE_FAILED], 0);
    }
    kvant_conformance_release(&report);
}

static void notices_fault(void **state)
{
    const planted *fault = *state;
    for (size_t i = 0; i < sizeof kernels / sizeof kernels[0]; i++) {
        check_kernel(fault, kernels[i]);
    }
}

/* A device that does not exist is no success. */
static void refuses_absent_device(void **state)
{
    (void)state;
    kvant_conformance_options options = KVANT_CONFORMANCE_OPTIONS_INIT;
    options.backend = &kvant_backend_host;
    options.device_index = 7u;
    kvant_conformance_report report;
    assert_int_equal(kvant_conformance_run(&options, &report), KVANT_ERROR_NO_DEVICE);
    assert_true(report.error[0] != '\0');
    kvant_conformance_release(&report);
}

int main(void)
{
    enum { FAULT_COUNT = sizeof faults / sizeof faults[0] };
    struct CMUnitTest tests[FAULT_COUNT + 1];
    memset(tests, 0, sizeof tests);
    for (size_t i = 0; i < FAULT_COUNT; i++) {
        tests[i].name = faults[i].fault;
        tests[i].test_func = notices_fault;
        tests[i].initial_state = (void *)(uintptr_t)&faults[i];
    }
    tests[FAULT_COUNT].name = "absent-device";
    tests[FAULT_COUNT].test_func = refuses_absent_device;
    return cmocka_run_group_tests_name("conformance-faults", tests, NULL, NULL);
}
