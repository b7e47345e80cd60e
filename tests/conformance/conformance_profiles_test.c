/* SPDX-License-Identifier: MIT
 *
 * Lists of exclusions and expected failures: how they are read, and what they do to a run.
 */
#include "cmocka_headers.h"

#include <string.h>

#include "conformance.h"
#include "faulty_backend.h"

#define CASES "append/*/tokens?/*"
#define FOR_FLIP "for: faulty-flip | scalar* | *\n"

static int add(kvant_profile *profile, kvant_list_kind kind, const char *text, char *message)
{
    return kvant_profile_add_text(profile, kind, "my.list", text, strlen(text), message, 300u);
}

static void built_in_lists_are_sound(void **state)
{
    (void)state;
    kvant_profile profile = {0};
    char message[300] = "";
    if (!kvant_profile_add_built_in(&profile, message, sizeof message)) {
        print_error("%s\n", message);
        fail();
    }
    static const kvant_profile_device devices[] = {
        {"host", "scalar host reference", "C11"},
        {"opencl", "pthread-skylake-avx512-Intel(R) Xeon(R)", "OpenCL 3.0, 3.1+debian"},
        {"vulkan", "llvmpipe (LLVM 15.0.6, 256 bits)", "Vulkan 1.3.230, Mesa 22.3.6"},
        {"cuda", "simulated CUDA device", "CUDA 12.4, sm_75"},
    };
    for (size_t i = 0; i < sizeof devices / sizeof devices[0]; i++) {
        int lists[2] = {0, 0};
        for (size_t j = 0; j < profile.list_count; j++) {
            lists[profile.lists[j].kind] +=
                kvant_profile_list_is_for(&profile.lists[j], &devices[i]);
        }
        assert_int_equal(lists[KVANT_LIST_EXCLUSIONS], 1);
        assert_int_equal(lists[KVANT_LIST_EXPECTED_FAILURES], 1);
    }
    kvant_profile_release(&profile);
}

static void refuses_malformed_lines(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        const char *start;
    } bad[] = {
        {"", "my.list:1: "},
        {"# nothing\n\n", "my.list:3: the line \"for:"},
        {"encode/*  # a reason\n", "my.list:1: a list begins with"},
        {"for: host | *\n", "my.list:1: "},
        {"for: host | * | * | *\n", "my.list:1: "},
        {"for: host |  | *\n", "my.list:1: a glob"},
        {"for: * | * | *\n\nencode/*\n", "my.list:3: a reason is missing"},
        {"for: * | * | *\nencode/* #   \n", "my.list:2: a reason is missing"},
        {"for: * | * | *\nencode/* decode/* # both\n", "my.list:2: one glob a line"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        kvant_profile profile = {0};
        char message[300] = "";
        assert_false(add(&profile, KVANT_LIST_EXCLUSIONS, bad[i].text, message));
        if (strncmp(message, bad[i].start, strlen(bad[i].start)) != 0) {
            print_error("\"%s\" gave: %s\n", bad[i].text, message);
            fail();
        }
        kvant_profile_release(&profile);
    }
    kvant_profile profile = {0};
    char message[300] = "";
    assert_false(kvant_profile_add_file(&profile, KVANT_LIST_EXCLUSIONS, "no/such/file", message,
                                        sizeof message));
    assert_non_null(strstr(message, "no/such/file: cannot be opened"));
    kvant_profile_release(&profile);
}

static kvant_conformance_report run(const kvant_backend *backend, kvant_list_kind kind,
                                    const char *text)
{
    kvant_profile profile = {0};
    char message[300] = "";
    assert_true(add(&profile, kind, text, message));
    kvant_conformance_options options = KVANT_CONFORMANCE_OPTIONS_INIT;
    options.backend = backend;
    options.filter = CASES;
    options.profile = &profile;
    kvant_conformance_report report;
    assert_int_equal(kvant_conformance_run(&options, &report), KVANT_OK);
    assert_true(report.case_count > 0u);
    kvant_profile_release(&profile);
    return report;
}

static void excluded_cases_are_not_run(void **state)
{
    (void)state;
    kvant_conformance_report report =
        run(&kvant_backend_faulty_flip, KVANT_LIST_EXCLUSIONS,
            "# comment\r\n" FOR_FLIP "\tappend/*   # flips bits # twice\r\n");
    assert_int_equal(report.counts[KVANT_CASE_EXCLUDED], report.case_count);
    assert_int_equal(report.words, 0);
    assert_string_equal(report.cases[0].message, "excluded by my.list:3: flips bits # twice");
    assert_int_equal(report.warning_count, 0);
    kvant_conformance_release(&report);
}

static void expected_failures_are_none(void **state)
{
    (void)state;
    kvant_conformance_report report = run(&kvant_backend_faulty_flip, KVANT_LIST_EXPECTED_FAILURES,
                                          FOR_FLIP "append/* # flips bits\n");
    assert_int_equal(report.counts[KVANT_CASE_EXPECTED], report.case_count);
    assert_int_equal(report.counts[KVANT_CASE_FAILED], 0);
    assert_non_null(strstr(report.cases[0].message, "expected: flips bits ("));
    assert_true(report.cases[0].mismatch.differing > 0u);
    kvant_conformance_release(&report);
}

static void unexpected_pass_fails(void **state)
{
    (void)state;
    kvant_conformance_report report =
        run(&kvant_backend_faulty_none, KVANT_LIST_EXPECTED_FAILURES,
            "for: faulty-none | * | C11\nappend/*/tokens1/* # it was so\n");
    assert_true(report.counts[KVANT_CASE_FAILED] > 0u);
    assert_true(report.counts[KVANT_CASE_PASSED] > 0u);
    for (size_t i = 0; i < report.case_count; i++) {
        int is_listed = strstr(report.cases[i].name, "/tokens1/") != NULL;
        assert_int_equal(report.cases[i].result, is_listed ? KVANT_CASE_FAILED : KVANT_CASE_PASSED);
        if (is_listed) {
            assert_string_equal(report.cases[i].message,
                                "passes, although my.list:2 expects a failure: it was so");
        }
    }
    kvant_conformance_release(&report);
}

/* A row is unused if no case of the whole list is called like that, whatever was chosen to run. */
static void reports_unmatched_rows(void **state)
{
    (void)state;
    kvant_conformance_report report =
        run(&kvant_backend_faulty_none, KVANT_LIST_EXCLUSIONS,
            "for: * | * | *\nencode/k/* # not chosen\nencoder/* # no such case\n");
    assert_int_equal(report.warning_count, 1);
    assert_string_equal(report.warnings[0], "my.list:3: \"encoder/*\" matches no case");
    assert_int_equal(report.counts[KVANT_CASE_PASSED], report.case_count);
    kvant_conformance_release(&report);
}

static void lists_of_others_do_not_count(void **state)
{
    (void)state;
    static const char *const others[] = {"for: vulkan | * | *\n", "for: * | Radeon* | *\n",
                                         "for: * | * | *Mesa*\n"};
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
        char text[200];
        snprintf(text, sizeof text, "%sappend/* # theirs\nnothing # theirs\n", others[i]);
        kvant_conformance_report report =
            run(&kvant_backend_faulty_none, KVANT_LIST_EXPECTED_FAILURES, text);
        assert_int_equal(report.counts[KVANT_CASE_PASSED], report.case_count);
        assert_int_equal(report.warning_count, 0);
        kvant_conformance_release(&report);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(built_in_lists_are_sound),
        cmocka_unit_test(refuses_malformed_lines),
        cmocka_unit_test(excluded_cases_are_not_run),
        cmocka_unit_test(expected_failures_are_none),
        cmocka_unit_test(unexpected_pass_fails),
        cmocka_unit_test(reports_unmatched_rows),
        cmocka_unit_test(lists_of_others_do_not_count),
    };
    return cmocka_run_group_tests_name("conformance-profiles", tests, NULL, NULL);
}
