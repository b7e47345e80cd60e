/* SPDX-License-Identifier: MIT
 *
 * Cases of kernels with variants: which of them a device runs, how they are called, filtered, dealt
 * out and excluded, and that a variant that is wrong fails by its own name. The device is the host
 * with the capabilities of a GPU.
 */
#include "cmocka_headers.h"

#include <stdlib.h>
#include <string.h>

#include "conformance.h"
#include "conformance_variants.h"

#define ATTENTION                                                                                  \
    "attention/segment/int2t.int8sct64.4/q3-kv1/dim40-40/rows1/seq2/all/gauss-gauss/bf16-f16"
#define APPEND "append/f16-bf16/padded/subnormal/tokens4/heads2/dim96-0/capacity12/slot10"

static int is_wrong;               /* the variant mma computes something else */
static unsigned launches[2];       /* of attention: baseline, mma */
static kvant_variant last_variant; /* of a launch of attention */

static kvant_status open_capable(const kvant_services *services, uint32_t index,
                                 kvant_backend_device **out_device,
                                 kvant_backend_limits *out_limits)
{
    kvant_status status = kvant_backend_host.open(services, index, out_device, out_limits);
    out_limits->capabilities = KVANT_CAPABILITY_INT8_MMA;
    return status;
}

static kvant_status launch_any(kvant_backend_device *device, const kvant_launch *launch)
{
    if (launch->kernel == KVANT_KERNEL_attention) {
        last_variant = launch->variant;
        launches[launch->variant == KVANT_VARIANT_mma]++;
    }
    return kvant_backend_host.launch(device, launch);
}

static kvant_status download_any(kvant_backend_device *device, kvant_backend_buffer *buffer,
                                 uint64_t offset, void *data, uint64_t bytes)
{
    kvant_status status = kvant_backend_host.download(device, buffer, offset, data, bytes);
    if (is_wrong && last_variant == KVANT_VARIANT_mma) {
        *(uint32_t *)data ^= 1u;
    }
    return status;
}

static kvant_backend capable;

static int set_up(void **state)
{
    (void)state;
    unsetenv("KVANT_VARIANT");
    capable = kvant_backend_host;
    capable.open = open_capable;
    capable.launch = launch_any;
    capable.download = download_any;
    is_wrong = 0;
    launches[0] = launches[1] = 0;
    last_variant = KVANT_VARIANT_baseline;
    return 0;
}

static kvant_conformance_report run(const kvant_backend *backend, const char *filter)
{
    kvant_conformance_options options = KVANT_CONFORMANCE_OPTIONS_INIT;
    options.backend = backend;
    options.filter = filter;
    kvant_conformance_report report;
    assert_int_equal(kvant_conformance_run(&options, &report), KVANT_OK);
    return report;
}

/* The names that ran, one a line; the report is released. */
static void check_names(kvant_conformance_report report, size_t count, const char *const *names)
{
    assert_int_equal(report.case_count, count);
    assert_int_equal(report.counts[KVANT_CASE_PASSED], count);
    for (size_t i = 0; i < count; i++) {
        assert_string_equal(report.cases[i].name, names[i]);
    }
    kvant_conformance_release(&report);
}

/* Variants of attention that the capable device has beside the baseline. */
static size_t other_variants(void)
{
    size_t count = 0;
    for (int i = KVANT_VARIANT_baseline + 1; i < KVANT_VARIANT_COUNT; i++) {
        count += kvant_variant_is_possible(KVANT_KERNEL_attention, (kvant_variant)i,
                                           KVANT_CAPABILITY_INT8_MMA) != 0;
    }
    return count;
}

static const kvant_case_record *find_case(const kvant_conformance_report *report, const char *name)
{
    for (size_t i = 0; i < report->case_count; i++) {
        if (strcmp(report->cases[i].name, name) == 0) {
            return &report->cases[i];
        }
    }
    fail_msg("%s did not run", name);
    return NULL;
}

static void each_variant_is_a_case(void **state)
{
    (void)state;
    const char *const both[] = {ATTENTION, ATTENTION "/variant=mma"};
    kvant_conformance_report all = run(&capable, ATTENTION);
    assert_int_equal(all.counts[KVANT_CASE_PASSED], 1u + other_variants());
    assert_ptr_equal(find_case(&all, both[0]), &all.cases[0]);
    assert_int_equal(find_case(&all, both[1])->result, KVANT_CASE_PASSED);
    kvant_conformance_release(&all);
    assert_int_equal(launches[0], other_variants());
    assert_int_equal(launches[1], 1);
    launches[0] = 1;
    check_names(run(&capable, "=" ATTENTION), 1u, both);
    check_names(run(&capable, "=" ATTENTION "/variant=mma"), 1u, &both[1]);
    assert_int_equal(launches[0], 2);
    assert_int_equal(launches[1], 2);
    check_names(run(&kvant_backend_host, ATTENTION), 1u, both);
    const char *const other[] = {APPEND};
    check_names(run(&capable, APPEND), 1u, other);
}

static void variants_have_the_same_inputs(void **state)
{
    (void)state;
    kvant_conformance_report report = run(&capable, ATTENTION);
    assert_true(report.case_count > 1u);
    for (size_t i = 1; i < report.case_count; i++) {
        assert_true(report.cases[i].digest == report.cases[0].digest);
    }
    kvant_conformance_release(&report);
}

static void one_can_be_asked_for(void **state)
{
    (void)state;
    const char *const names[] = {ATTENTION, ATTENTION "/variant=mma", APPEND};
    setenv("KVANT_VARIANT", "mma", 1);
    check_names(run(&capable, ATTENTION), 1u, &names[1]);
    check_names(run(&capable, APPEND), 1u, &names[2]);
    assert_int_equal(launches[0], 0);
    setenv("KVANT_VARIANT", "baseline", 1);
    check_names(run(&capable, ATTENTION), 1u, &names[0]);
    check_names(run(&kvant_backend_host, ATTENTION), 1u, &names[0]);
}

static void a_device_may_lack_it(void **state)
{
    (void)state;
    kvant_conformance_options options = KVANT_CONFORMANCE_OPTIONS_INIT;
    options.backend = &kvant_backend_host;
    kvant_conformance_report report;
    setenv("KVANT_VARIANT", "mma", 1);
    assert_int_equal(kvant_conformance_run(&options, &report), KVANT_ERROR_UNSUPPORTED);
    assert_true(report.lacks_variant);
    assert_non_null(strstr(report.error, "the variant mma needs"));
    kvant_conformance_release(&report);
    setenv("KVANT_VARIANT", "nonsense", 1);
    assert_int_equal(kvant_conformance_run(&options, &report), KVANT_ERROR_UNSUPPORTED);
    assert_false(report.lacks_variant);
    kvant_conformance_release(&report);
    options.list_only = 1;
    assert_int_equal(kvant_conformance_run(&options, &report), KVANT_ERROR_INVALID_ARGUMENT);
    assert_non_null(strstr(report.error, "unknown variant \"nonsense\""));
    kvant_conformance_release(&report);
}

static void a_wrong_variant_fails_by_its_name(void **state)
{
    (void)state;
    is_wrong = 1;
    kvant_conformance_report report = run(&capable, ATTENTION);
    assert_int_equal(report.counts[KVANT_CASE_FAILED], 1);
    const kvant_case_record *record = find_case(&report, ATTENTION "/variant=mma");
    assert_int_equal(record->result, KVANT_CASE_FAILED);
    char command[640];
    kvant_conformance_command(&report, record, command, sizeof command);
    assert_string_equal(command, "KVANT_VARIANT=mma kvant conform --backend host --device 0 "
                                 "--repeat 1 --seed 0 --filter '=" ATTENTION "/variant=mma'");
    char *texts[2] = {NULL, NULL};
    size_t sizes[2];
    void (*const writers[2])(const kvant_conformance_report *, size_t, FILE *) = {
        kvant_conformance_write_json, kvant_conformance_write_junit};
    for (int i = 0; i < 2; i++) {
        FILE *file = open_memstream(&texts[i], &sizes[i]);
        assert_non_null(file);
        writers[i](&report, 1u, file);
        fclose(file);
        assert_non_null(strstr(texts[i], "\"" ATTENTION "/variant=mma\""));
        free(texts[i]);
    }
    kvant_conformance_release(&report);
}

/* Shards of a device with variants have the cases of those without, and their variants. */
static void shards_do_not_depend_on_the_device(void **state)
{
    (void)state;
    enum { SHARDS = 3 };
    size_t total = 0;
    for (uint32_t shard = 1; shard <= SHARDS; shard++) {
        kvant_conformance_options options = KVANT_CONFORMANCE_OPTIONS_INIT;
        kvant_conformance_report with;
        kvant_conformance_report without;
        options.backend = &capable;
        options.quick = 1;
        options.filter = "attention*/*";
        options.shard = shard;
        options.shards = SHARDS;
        assert_int_equal(kvant_conformance_run(&options, &with), KVANT_OK);
        options.backend = &kvant_backend_host;
        assert_int_equal(kvant_conformance_run(&options, &without), KVANT_OK);
        size_t at = 0;
        for (size_t i = 0; i < with.case_count; i++) {
            if (kvant_case_variant(with.cases[i].name) == NULL) {
                assert_true(at < without.case_count);
                assert_string_equal(with.cases[i].name, without.cases[at++].name);
            } else {
                total++;
            }
        }
        assert_int_equal(at, without.case_count);
        kvant_conformance_release(&with);
        kvant_conformance_release(&without);
    }
    assert_true(total > 10u);
}

static void lists_name_variants(void **state)
{
    (void)state;
    kvant_profile profile = {0};
    char message[300];
    static const char text[] =
        "for: host | * | *\n*/variant=mma # not yet\nattention/none/variant=mma # none\n";
    assert_true(kvant_profile_add_text(&profile, KVANT_LIST_EXCLUSIONS, "list", text,
                                       sizeof text - 1u, message, sizeof message));
    kvant_conformance_options options = KVANT_CONFORMANCE_OPTIONS_INIT;
    options.filter = ATTENTION;
    options.profile = &profile;
    const size_t excluded[] = {1u, 0u};
    const kvant_backend *const backends[] = {&capable, &kvant_backend_host};
    for (size_t i = 0; i < 2u; i++) {
        kvant_conformance_report report;
        options.backend = backends[i];
        assert_int_equal(kvant_conformance_run(&options, &report), KVANT_OK);
        assert_int_equal(report.counts[KVANT_CASE_EXCLUDED], excluded[i]);
        assert_int_equal(report.counts[KVANT_CASE_PASSED],
                         i == 0u ? other_variants() : 1u); /* the baseline, and all but mma */
        assert_int_equal(report.warning_count, 2u - excluded[i]); /* rows that match no case */
        kvant_conformance_release(&report);
    }
    kvant_profile_release(&profile);
}

static void whole_caches_are_planned(void **state)
{
    (void)state;
    const char *const name = "scenario/kivi4/layers1/seq1";
    const kvant_variant_choice none = {0, KVANT_VARIANT_baseline};
    const kvant_variant_choice mma = {1, KVANT_VARIANT_mma};
    const kvant_variant_choice baseline = {1, KVANT_VARIANT_baseline};
    kvant_case_instance instances[KVANT_CASE_INSTANCES];
    assert_int_equal(kvant_case_instances(name, none, UINT32_MAX, instances), 1);
    assert_string_equal(instances[0].name, name);
    assert_false(instances[0].choice.is_forced);
    assert_int_equal(kvant_case_instances(name, mma, UINT32_MAX, instances), 1);
    assert_string_equal(instances[0].name, "scenario/kivi4/layers1/seq1/variant=mma");
    assert_int_equal(kvant_case_instances(name, baseline, UINT32_MAX, instances), 1);
    assert_string_equal(instances[0].name, "scenario/kivi4/layers1/seq1/variant=baseline");
    assert_int_equal(kvant_case_instances(name, baseline, 0, instances), 1);
    assert_string_equal(instances[0].name, name);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(each_variant_is_a_case, set_up),
        cmocka_unit_test_setup(variants_have_the_same_inputs, set_up),
        cmocka_unit_test_setup(one_can_be_asked_for, set_up),
        cmocka_unit_test_setup(a_device_may_lack_it, set_up),
        cmocka_unit_test_setup(a_wrong_variant_fails_by_its_name, set_up),
        cmocka_unit_test_setup(shards_do_not_depend_on_the_device, set_up),
        cmocka_unit_test_setup(lists_name_variants, set_up),
        cmocka_unit_test_setup(whole_caches_are_planned, set_up),
    };
    return cmocka_run_group_tests_name("conformance-variants", tests, NULL, NULL);
}
