/* SPDX-License-Identifier: MIT
 *
 * The conformance suite as a cmocka program: runs the whole list on every device of one backend,
 * then reports one test for each family of cases. Usage: conformance_devices_test [BACKEND]
 * Returns 77 (skipped) where the backend is not built in or finds no device.
 */
#include "cmocka_headers.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "conformance.h"

enum { MOST_FAMILIES = 64, SKIPPED = 77 };

typedef struct {
    const kvant_conformance_report *report;
    char name[48];
} family;

static int is_of_family(const char *name, const char *prefix)
{
    size_t length = strlen(prefix);
    return strncmp(name, prefix, length) == 0 && name[length] == '/';
}

static void passes(void **state)
{
    const family *f = *state;
    size_t failed = 0;
    for (size_t i = 0; i < f->report->case_count; i++) {
        const kvant_case_record *record = &f->report->cases[i];
        if (is_of_family(record->name, f->name) && record->result == KVANT_CASE_FAILED) {
            print_error("%s: %s\n", record->name, record->message);
            failed++;
        }
    }
    assert_int_equal(failed, 0);
}

/* One entry for each first part of a name. */
static size_t list_families(const kvant_conformance_report *report, family *families)
{
    size_t count = 0;
    for (size_t i = 0; i < report->case_count; i++) {
        size_t known = 0;
        while (known < count && !is_of_family(report->cases[i].name, families[known].name)) {
            known++;
        }
        if (known == count && count < MOST_FAMILIES) {
            const char *name = report->cases[i].name;
            families[count].report = report;
            snprintf(families[count].name, sizeof families[count].name, "%.*s",
                     (int)strcspn(name, "/"), name);
            count++;
        }
    }
    return count;
}

static int test_device(const kvant_backend *backend, uint32_t index)
{
    kvant_conformance_options options = KVANT_CONFORMANCE_OPTIONS_INIT;
    options.backend = backend;
    options.device_index = index;
    kvant_conformance_report report;
    kvant_status status = kvant_conformance_run(&options, &report);
    if (status != KVANT_OK) {
        printf("%s:%u cannot be tested: %s\n", backend->name, index, report.error);
        kvant_conformance_release(&report);
        return status == KVANT_ERROR_NO_DEVICE || status == KVANT_ERROR_BACKEND_UNAVAILABLE ? -1
                                                                                            : 1;
    }
    kvant_conformance_write_text(&report, stdout);
    static family families[MOST_FAMILIES];
    static struct CMUnitTest tests[MOST_FAMILIES];
    memset(tests, 0, sizeof tests);
    size_t count = list_families(&report, families);
    for (size_t i = 0; i < count; i++) {
        tests[i].name = families[i].name;
        tests[i].test_func = passes;
        tests[i].initial_state = &families[i];
    }
    /* cmocka_run_group_tests takes the size of the array; the count is known at run time */
    int failed = _cmocka_run_group_tests(backend->name, tests, count, NULL, NULL);
    int is_empty = report.counts[KVANT_CASE_PASSED] == 0u;
    kvant_conformance_release(&report);
    return failed != 0 || is_empty;
}

int main(int argc, char **argv)
{
    const char *name = argc > 1 ? argv[1] : "host";
    const kvant_backend *backend = kvant_conformance_backend(name, strlen(name));
    if (backend == NULL) {
        printf("this build has no backend '%s'\n", name);
        return SKIPPED;
    }
    int result = test_device(backend, 0);
    for (uint32_t index = 1; result == 0; index++) {
        int next = test_device(backend, index);
        if (next < 0) {
            break;
        }
        result = next;
    }
    return result < 0 ? SKIPPED : result;
}
