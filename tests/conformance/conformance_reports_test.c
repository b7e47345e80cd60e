/* SPDX-License-Identifier: MIT
 *
 * What reports say about a device that is right and one that is not: agreement, the page, JSON.
 */
#include "cmocka_headers.h"

#include <stdlib.h>
#include <string.h>

#include "conformance_totals.h"
#include "faulty_backend.h"

enum { RIGHT, WRONG, DEVICES };

static kvant_conformance_report reports[DEVICES];

static int run_devices(void **state)
{
    (void)state;
    static const kvant_backend *const backends[DEVICES] = {&kvant_backend_host,
                                                           &kvant_backend_faulty_flip};
    for (int i = 0; i < DEVICES; i++) {
        kvant_conformance_options options = KVANT_CONFORMANCE_OPTIONS_INIT;
        options.backend = backends[i];
        options.filter = "*e*/*/*dim64*"; /* of many kernels */
        options.quick = 1;
        if (kvant_conformance_run(&options, &reports[i]) != KVANT_OK) {
            return -1;
        }
    }
    return 0;
}

static int release_devices(void **state)
{
    (void)state;
    for (int i = 0; i < DEVICES; i++) {
        kvant_conformance_release(&reports[i]);
    }
    return 0;
}

static char *print(void (*writer)(const kvant_conformance_report *, size_t, FILE *))
{
    char *text = NULL;
    size_t size = 0;
    FILE *file = open_memstream(&text, &size);
    assert_non_null(file);
    writer(reports, DEVICES, file);
    fclose(file);
    return text;
}

static void contract_is_its_text(void **state)
{
    (void)state;
    assert_int_equal(strlen(reports[RIGHT].contract_hash), 64);
    assert_int_equal(strspn(reports[RIGHT].contract_hash, "0123456789abcdef"), 64);
}

static void devices_are_compared_with_each_other(void **state)
{
    (void)state;
    assert_true(reports[WRONG].counts[KVANT_CASE_FAILED] > 0u);
    assert_int_equal(reports[RIGHT].counts[KVANT_CASE_FAILED], 0);
    kvant_agreement groups[KVANT_CASE_GROUP_COUNT];
    assert_null(kvant_agree(&reports[RIGHT], &reports[RIGHT], groups));
    size_t compared = 0;
    for (int i = 0; i < KVANT_CASE_GROUP_COUNT; i++) {
        assert_int_equal(groups[i].differing, 0);
        compared += groups[i].compared;
    }
    assert_int_equal(compared, reports[RIGHT].case_count);

    size_t differing = 0;
    uint64_t words = 0;
    assert_null(kvant_agree(&reports[RIGHT], &reports[WRONG], groups));
    for (int i = 0; i < KVANT_CASE_GROUP_COUNT; i++) {
        differing += groups[i].differing;
        words += groups[i].words;
    }
    size_t expected = 0;
    uint64_t expected_words = 0;
    for (size_t i = 0; i < reports[WRONG].case_count; i++) {
        expected += reports[WRONG].cases[i].digest != reports[RIGHT].cases[i].digest;
        expected_words += reports[WRONG].cases[i].mismatch.differing;
        if (reports[WRONG].cases[i].result == KVANT_CASE_FAILED) {
            assert_true(reports[WRONG].cases[i].digest != reports[RIGHT].cases[i].digest);
        }
    }
    assert_true(expected >= reports[WRONG].counts[KVANT_CASE_FAILED]);
    assert_int_equal(differing, expected);
    assert_int_equal(words, expected_words);
}

static void other_contracts_and_seeds_are_not_compared(void **state)
{
    (void)state;
    kvant_agreement groups[KVANT_CASE_GROUP_COUNT];
    kvant_conformance_report other = reports[RIGHT];
    other.seed = 9;
    assert_string_equal(kvant_agree(&reports[RIGHT], &other, groups), "their seeds differ");
    other = reports[RIGHT];
    other.contract_hash[0] = 'x';
    assert_string_equal(kvant_agree(&reports[RIGHT], &other, groups), "their contracts differ");
}

static size_t count_of(const char *text, const char *part)
{
    size_t count = 0;
    while ((text = strstr(text, part)) != NULL) {
        text += strlen(part);
        count++;
    }
    return count;
}

static void check_contains(const char *text, const char *part)
{
    if (strstr(text, part) == NULL) {
        print_error("the page does not have: %s\n", part);
        fail();
    }
}

static void page_has_the_figures(void **state)
{
    (void)state;
    char *page = print(kvant_conformance_write_html);
    size_t passed = reports[RIGHT].counts[KVANT_CASE_PASSED];
    size_t failed = reports[WRONG].counts[KVANT_CASE_FAILED];
    char text[200];
    snprintf(text, sizeof text, "2 devices · %zu passed · %zu failed",
             passed + reports[WRONG].counts[KVANT_CASE_PASSED], failed);
    check_contains(page, text);
    snprintf(text, sizeof text, "<a href=\"#failures-1\">%zu of %zu failed</a>", failed,
             reports[WRONG].case_count);
    check_contains(page, text); /* of the line with all kernels */
    snprintf(text, sizeof text, "<td class=\"count good\">%zu</td>", passed);
    check_contains(page, text);
    assert_int_equal(count_of(page, "<article>"), failed);
    kvant_agreement groups[KVANT_CASE_GROUP_COUNT];
    assert_null(kvant_agree(&reports[RIGHT], &reports[WRONG], groups));
    const kvant_agreement *codes = &groups[KVANT_CASES_CODES];
    assert_true(codes->differing > 0u && codes->differing < 1000u);
    snprintf(text, sizeof text,
             "<td class=\"count bad\">%zu of %zu<small>%llu words off the reference</small>",
             codes->differing, codes->compared, (unsigned long long)codes->words);
    check_contains(page, text);
    const kvant_measure *error = &groups[KVANT_CASES_ATTENTION].worst;
    check_contains(page, ">attention: worst error against its bound</th>");
    assert_string_equal(error->name, "NMSE");
    snprintf(text, sizeof text, "<td class=\"count %s\">NMSE %.3g ≤ 1e-06</td>",
             error->value <= 1e-6 ? "good" : "bad", error->value);
    check_contains(page, text);
    for (size_t i = 0; i < reports[WRONG].case_count; i++) {
        const kvant_case_record *record = &reports[WRONG].cases[i];
        if (record->mismatch.differing != 0u) {
            snprintf(text, sizeof text, "<code>0x%08x</code>", record->mismatch.got);
            check_contains(page, text);
        }
    }
    check_contains(page, reports[RIGHT].contract_hash);
    assert_true(count_of(page, "equals the scalar reference; because ") > 3u);
    check_contains(page, "--filter '=");
    free(page);
}

static void check_row(const char *page, const char *term, const char *text)
{
    char row[200];
    snprintf(row, sizeof row, "<dt>%s</dt><dd>%s</dd>", term, text);
    check_contains(page, row);
}

static void page_has_the_limits(void **state)
{
    (void)state;
    const kvant_backend_limits kept = reports[RIGHT].limits;
    reports[RIGHT].limits = (kvant_backend_limits){
        .lanes = 32,
        .max_groups = 65535,
        .parallel_groups = 528,
        .max_buffer_bytes = UINT64_C(3) << 29,
        .max_binding_bytes = UINT64_C(128) << 20,
        .max_lanes = 1024,
        .shared_bytes = 48u << 10,
    };
    char *page = print(kvant_conformance_write_html);
    char *json = print(kvant_conformance_write_json);
    reports[RIGHT].limits = kept;
    check_row(page, "lanes of a work-group", "32");
    check_row(page, "largest work-group", "1,024");
    check_row(page, "lanes of a subgroup", "unknown");
    check_row(page, "shared memory of a work-group", "48.0 KiB");
    check_row(page, "parallel work-groups", "528");
    check_row(page, "most work-groups", "65,535");
    check_row(page, "largest buffer", "1.5 GiB");
    check_row(page, "range of a binding", "128.0 MiB");
    check_row(page, "memory", "unknown");
    check_contains(json, "\"max_binding_bytes\": \"134217728\", \"max_lanes\": 1024, "
                         "\"shared_bytes\": 49152, \"subgroup_lanes\": 0}");
    free(page);
    free(json);
}

static void page_loads_nothing(void **state)
{
    (void)state;
    char *page = print(kvant_conformance_write_html);
    static const char *const foreign[] = {
        "<script", "src=", "http:", "https:", "url(", "@import", "<link"};
    for (size_t i = 0; i < sizeof foreign / sizeof foreign[0]; i++) {
        assert_null(strstr(page, foreign[i]));
    }
    assert_int_equal(count_of(page, "<section"), count_of(page, "</section>"));
    assert_int_equal(count_of(page, "<div"), count_of(page, "</div>"));
    assert_int_equal(count_of(page, "<td"), count_of(page, "</td>"));
    assert_int_equal(count_of(page, "<article"), count_of(page, "</article>"));
    free(page);
}

/* Text of a driver cannot become markup. */
static void text_is_escaped(void **state)
{
    (void)state;
    char kept[sizeof reports[RIGHT].driver];
    memcpy(kept, reports[RIGHT].driver, sizeof kept);
    strcpy(reports[RIGHT].driver, "<b>\"\\\n\xff\xc3\xa9");
    char *page = print(kvant_conformance_write_html);
    char *json = print(kvant_conformance_write_json);
    memcpy(reports[RIGHT].driver, kept, sizeof kept);
    check_contains(page, "&lt;b&gt;&quot;\\ ?\xc3\xa9");
    check_contains(json, "\"<b>\\\"\\\\\\u000a?\xc3\xa9\"");
    free(page);
    free(json);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(contract_is_its_text),
        cmocka_unit_test(devices_are_compared_with_each_other),
        cmocka_unit_test(other_contracts_and_seeds_are_not_compared),
        cmocka_unit_test(page_has_the_figures),
        cmocka_unit_test(page_has_the_limits),
        cmocka_unit_test(page_loads_nothing),
        cmocka_unit_test(text_is_escaped),
    };
    return cmocka_run_group_tests_name("conformance-reports", tests, run_devices, release_devices);
}
