/* SPDX-License-Identifier: MIT
 *
 * How the conformance suite picks and repeats cases, and what it says about a failure.
 */
#include "cmocka_headers.h"

#include <stdlib.h>
#include <string.h>

#include "conformance.h"
#include "conformance_choice.h"
#include "conformance_rules.h"
#include "conformance_variants.h"
#include "faulty_backend.h"

/* The names that --list prints, one a line; the caller frees them. */
static char *list_names(const kvant_conformance_options *chosen)
{
    char *text = NULL;
    size_t size = 0;
    kvant_conformance_options options = *chosen;
    options.list_only = 1;
    options.log = open_memstream(&text, &size);
    assert_non_null(options.log);
    kvant_conformance_report report;
    assert_int_equal(kvant_conformance_run(&options, &report), KVANT_OK);
    fclose(options.log);
    kvant_conformance_release(&report);
    return text;
}

static size_t count_lines(const char *text)
{
    size_t count = 0;
    for (; *text != '\0'; text++) {
        count += *text == '\n';
    }
    return count;
}

/* Takes one line off the text; NULL at its end. */
static char *next_line(char **text)
{
    char *line = *text;
    char *end = strchr(line, '\n');
    if (end == NULL) {
        return NULL;
    }
    *end = '\0';
    *text = end + 1;
    return line;
}

/* Dealing the shards out in turn gives the list again: nothing is missing, nothing twice. */
static void check_shards(kvant_conformance_options options)
{
    enum { SHARDS = 7 };
    char *all = list_names(&options);
    char *parts[SHARDS];
    char *at[SHARDS];
    options.shards = SHARDS;
    for (uint32_t i = 0; i < SHARDS; i++) {
        options.shard = i + 1u;
        parts[i] = at[i] = list_names(&options);
    }
    char *rest = all;
    size_t turn = 0;
    for (const char *name = next_line(&rest); name != NULL; name = next_line(&rest)) {
        turn += kvant_case_variant(name) == NULL; /* variants go with their case */
        const char *dealt = next_line(&at[(turn - 1u) % SHARDS]);
        assert_non_null(dealt);
        assert_string_equal(dealt, name);
    }
    assert_true(turn > SHARDS);
    for (size_t i = 0; i < SHARDS; i++) {
        assert_string_equal(at[i], "");
        free(parts[i]);
    }
    free(all);
}

static void shards_are_the_list(void **state)
{
    (void)state;
    kvant_conformance_options options = KVANT_CONFORMANCE_OPTIONS_INIT;
    check_shards(options);
    options.filter = "attention";
    check_shards(options);
    options.quick = 1;
    options.filter = "?ncode/*";
    check_shards(options);
}

static void refuses_bad_shards(void **state)
{
    (void)state;
    static const char *const bad[] = {"",     "1",         "/",    "1/",   "/2",   "0/2",
                                      "3/2",  "0/0",       "1/0",  "-1/2", "+1/2", "1/2 ",
                                      " 1/2", "1/9999999", "1//2", "a/b"};
    uint32_t shard = 77u;
    uint32_t shards = 77u;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_false(kvant_shard_parse(bad[i], &shard, &shards));
        assert_int_equal(shard + shards, 154u);
    }
    assert_true(kvant_shard_parse("3/12", &shard, &shards));
    assert_int_equal(shard, 3);
    assert_int_equal(shards, 12);
}

static void tiers_grow(void **state)
{
    (void)state;
    kvant_conformance_options options = KVANT_CONFORMANCE_OPTIONS_INIT;
    options.quick = 1;
    char *quick = list_names(&options);
    options.quick = 0;
    char *plain = list_names(&options);
    options.full = 1;
    char *full = list_names(&options);
    assert_true(count_lines(quick) * 2u < count_lines(plain));
    assert_true(count_lines(plain) <= count_lines(full));
    free(quick);
    free(plain);
    free(full);
}

static void every_case_has_a_rule(void **state)
{
    (void)state;
    kvant_conformance_options options = KVANT_CONFORMANCE_OPTIONS_INIT;
    options.full = 1;
    char *all = list_names(&options);
    char *rest = all;
    for (const char *name = next_line(&rest); name != NULL; name = next_line(&rest)) {
        kvant_case_rule rule;
        if (!kvant_case_rule_find(name, &rule)) {
            print_error("conformance_rules.c has no rule for %s\n", name);
            fail();
        }
        assert_true(rule.rule[0] != '\0' && rule.reason[0] != '\0');
        assert_int_not_equal(rule.group, KVANT_CASES_OTHER);
    }
    kvant_case_rule rule;
    assert_false(kvant_case_rule_find("encoder/k", &rule));
    assert_false(kvant_case_rule_find("encode", &rule));
    free(all);
}

/* ---- repetitions --------------------------------------------------------------------------- */

#define PHILOX "=arithmetic/philox/random/count31"

/* The host backend, but the download of that number (from 1) comes with a wrong bit. */
static unsigned download_count;
static unsigned bad_download;

static kvant_status late_download(kvant_backend_device *device, kvant_backend_buffer *buffer,
                                  uint64_t offset, void *data, uint64_t bytes)
{
    kvant_status status = kvant_backend_host.download(device, buffer, offset, data, bytes);
    if (++download_count == bad_download) {
        ((uint32_t *)data)[1] ^= 0x100u;
    }
    return status;
}

static kvant_conformance_report run(const kvant_backend *backend, const char *filter,
                                    uint32_t repeat, uint64_t seed, int full)
{
    kvant_conformance_options options = KVANT_CONFORMANCE_OPTIONS_INIT;
    options.backend = backend;
    options.filter = filter;
    options.repeat = repeat;
    options.seed = seed;
    options.full = full;
    kvant_conformance_report report;
    assert_int_equal(kvant_conformance_run(&options, &report), KVANT_OK);
    assert_true(report.case_count > 0u);
    return report;
}

static uint64_t digest_of(const char *filter, uint32_t repeat, uint64_t seed)
{
    kvant_conformance_report report = run(&kvant_backend_host, filter, repeat, seed, 0);
    uint64_t digest = report.cases[0].digest;
    kvant_conformance_release(&report);
    return digest;
}

static void repetitions_have_their_own_seeds(void **state)
{
    (void)state;
    assert_true(digest_of(PHILOX, 1, 5) == digest_of(PHILOX, 1, 5));
    assert_true(digest_of(PHILOX, 1, 5) != digest_of(PHILOX, 1, 6));
    assert_true(digest_of(PHILOX, 2, 5) != digest_of(PHILOX, 2, 6));
    assert_true(digest_of(PHILOX, 2, 5) != digest_of(PHILOX, 1, 5));
}

/* Two buffers are read back in each repetition: the third download is the second repetition. */
static void says_which_repetition_failed(void **state)
{
    (void)state;
    kvant_backend late = kvant_backend_host;
    late.download = late_download;
    download_count = 0;
    bad_download = 3;
    kvant_conformance_report report = run(&late, PHILOX, 4, 40, 0);
    const kvant_case_record *record = &report.cases[0];
    assert_int_equal(record->result, KVANT_CASE_FAILED);
    assert_int_equal(record->repetitions, 4);
    assert_int_equal(record->failed_repetitions, 1);
    assert_int_equal(record->seed, 41);
    assert_non_null(strstr(record->message, "1 of 4 repetitions failed, the first with seed 41"));
    assert_int_equal(record->mismatch.word, 1);
    assert_int_equal(record->mismatch.differing, 1);
    assert_int_equal(record->mismatch.expected ^ record->mismatch.got, 0x100u);
    assert_string_equal(record->mismatch.buffer, "arithmetic, input");
    char command[640];
    kvant_conformance_command(&report, record, command, sizeof command);
    assert_string_equal(command, "kvant conform --backend host --device 0 --repeat 1 --seed 41 "
                                 "--filter '" PHILOX "'");
    uint32_t expected = record->mismatch.expected;
    kvant_conformance_release(&report);

    /* the command's seed alone gives the same inputs */
    download_count = 0;
    bad_download = 1;
    report = run(&late, PHILOX, 1, 41, 0);
    assert_int_equal(report.cases[0].mismatch.expected, expected);
    kvant_conformance_release(&report);
}

static void full_draws_more_where_inputs_are_random(void **state)
{
    (void)state;
    kvant_conformance_report report = run(&kvant_backend_host, PHILOX, 0, 0, 1);
    assert_int_equal(report.cases[0].repetitions, KVANT_FULL_DRAWS);
    kvant_conformance_release(&report);
    report = run(&kvant_backend_host, "=golden/append/f16", 0, 0, 1);
    assert_int_equal(report.cases[0].repetitions, 1);
    kvant_conformance_release(&report);
    report = run(&kvant_backend_host, PHILOX, 1, 0, 1);
    assert_int_equal(report.cases[0].repetitions, 1);
    kvant_conformance_release(&report);
}

/* ---- failures ------------------------------------------------------------------------------ */

/* The fault flips the lowest bit of one word of the output. */
static void names_the_first_word(void **state)
{
    (void)state;
    kvant_conformance_report report =
        run(&kvant_backend_faulty_flip, "parameters/k/int4/channel-segment/*", 0, 3, 0);
    assert_true(report.counts[KVANT_CASE_FAILED] > 0u);
    for (size_t i = 0; i < report.case_count; i++) {
        const kvant_case_record *record = &report.cases[i];
        if (record->result != KVANT_CASE_FAILED) {
            continue;
        }
        assert_string_equal(record->mismatch.buffer, "parameters, store");
        assert_int_equal(record->mismatch.differing, 1);
        assert_int_equal(record->mismatch.expected ^ record->mismatch.got, 1);
        assert_true(record->mismatch.word < record->mismatch.compared);
        char text[160];
        snprintf(text, sizeof text, "parameters, store word %u: expected 0x%08x, got 0x%08x",
                 record->mismatch.word, record->mismatch.expected, record->mismatch.got);
        assert_non_null(strstr(record->message, text));
        assert_non_null(strstr(record->rule, "equals the scalar reference"));
    }
    kvant_conformance_release(&report);
    report = run(&kvant_backend_faulty_flip, "=golden/append/f16", 0, 0, 0);
    assert_string_equal(report.cases[0].mismatch.buffer, "the golden bytes,");
    assert_int_equal(report.cases[0].mismatch.differing, 1);
    kvant_conformance_release(&report);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(shards_are_the_list),
        cmocka_unit_test(refuses_bad_shards),
        cmocka_unit_test(tiers_grow),
        cmocka_unit_test(every_case_has_a_rule),
        cmocka_unit_test(repetitions_have_their_own_seeds),
        cmocka_unit_test(says_which_repetition_failed),
        cmocka_unit_test(full_draws_more_where_inputs_are_random),
        cmocka_unit_test(names_the_first_word),
    };
    return cmocka_run_group_tests_name("conformance-runs", tests, NULL, NULL);
}
