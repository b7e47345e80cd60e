/* SPDX-License-Identifier: MIT
 *
 * The runner: walks the list of cases, picks by tier, filter and shard, runs each on the device as
 * often as asked for, keeps the results.
 */
#include "conformance.h"

#include <stdarg.h>
#include <stdlib.h>
#include <time.h>

#include "cases.h"
#include "conformance_choice.h"
#include "conformance_rules.h"
#include "conformance_variants.h"
#include "contract_hash.h"
#include "env.h"
#include "kvant/context.h"

typedef struct {
    kvant_case_sink sink; /* first: the sink is the runner */
    const kvant_conformance_options *options;
    const kvant_profile *profile;
    unsigned char *row_is_used; /* of each row of the profile */
    kvant_conformance_report *report;
    kvant_test_device *device;
    kvant_trial *trial;
    kvant_variant_choice asked; /* by KVANT_VARIANT */
    size_t chosen;              /* cases that tier and filter have let through */
    int is_out_of_memory;
} runner;

typedef struct {
    const char *name;
    kvant_case_tier tier;
    kvant_case_fn run;
    const void *data;
} listed_case;

/* ---- emitting ------------------------------------------------------------------------------ */

void kvant_emit(kvant_case_sink *sink, int is_quick, kvant_case_fn run, const void *data,
                const char *format, ...)
{
    char name[256];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(name, sizeof name, format, arguments);
    va_end(arguments);
    sink->visit(sink, name, is_quick ? KVANT_TIER_QUICK : KVANT_TIER_DEFAULT, run, data);
}

void kvant_emit_full(kvant_case_sink *sink, kvant_case_fn run, const void *data, const char *format,
                     ...)
{
    char name[256];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(name, sizeof name, format, arguments);
    va_end(arguments);
    sink->visit(sink, name, KVANT_TIER_FULL, run, data);
}

static int is_of_tier(const kvant_conformance_options *options, kvant_case_tier tier)
{
    return options->quick ? tier == KVANT_TIER_QUICK : tier != KVANT_TIER_FULL || options->full;
}

/* Counts a case that tier and filter let through, then asks the shard. */
static int is_in_shard(runner *r)
{
    const kvant_conformance_options *options = r->options;
    size_t index = r->chosen++;
    return options->shards == 0u || index % options->shards == options->shard - 1u;
}

/* ---- one case ------------------------------------------------------------------------------ */

static double now(void)
{
    struct timespec time;
    timespec_get(&time, TIME_UTC);
    return (double)time.tv_sec + (double)time.tv_nsec * 1e-9;
}

static char *copy_text(const char *text)
{
    size_t size = strlen(text) + 1u;
    char *copy = malloc(size);
    if (copy != NULL) {
        memcpy(copy, text, size);
    }
    return copy;
}

static void execute(kvant_trial *trial, kvant_case_fn run, const void *data)
{
    if (setjmp(trial->abandon) == 0) {
        run(trial, data);
    }
}

/* Adds what one repetition found out. The message is that of the first failure, else of the last
 * repetition. */
static void gather(kvant_case_record *record, const kvant_trial *trial, uint64_t seed,
                   uint64_t *launched, char *message, size_t size)
{
    record->repetitions++;
    record->words += trial->words;
    *launched |= trial->launched;
    record->digest = (record->digest ^ trial->digest) * KVANT_HASH_FACTOR;
    if (trial->measure.name[0] != '\0' &&
        kvant_measure_is_worse(&trial->measure, &record->measure)) {
        record->measure = trial->measure;
    }
    if (trial->result == KVANT_CASE_FAILED) {
        record->failed_repetitions++;
        if (record->failed_repetitions > 1u) {
            return;
        }
        record->seed = seed;
        record->mismatch = trial->mismatch;
        record->result = KVANT_CASE_FAILED;
    } else if (record->failed_repetitions != 0u) {
        return;
    } else {
        record->result = trial->result;
    }
    snprintf(message, size, "%s", trial->message);
}

/* Returns the kernels that were launched. */
static uint64_t repeat(runner *r, kvant_case_record *record, const listed_case *listed,
                       kvant_variant_choice choice, char *message, size_t size)
{
    const kvant_conformance_options *options = r->options;
    uint32_t count = options->repeat != 0u ? options->repeat : 1u;
    uint64_t launched = 0;
    for (uint32_t i = 0; i < count; i++) {
        uint64_t seed = options->seed + i;
        kvant_trial_begin(r->trial, r->device, listed->name, choice, seed);
        execute(r->trial, listed->run, listed->data);
        kvant_trial_end(r->trial);
        gather(record, r->trial, seed, &launched, message, size);
        if (options->full && options->repeat == 0u && r->trial->random != r->trial->first_random) {
            count = KVANT_FULL_DRAWS;
        }
        if (r->trial->result == KVANT_CASE_SKIPPED) {
            break;
        }
    }
    if (record->failed_repetitions != 0u && record->repetitions > 1u) {
        char first[1024];
        snprintf(first, sizeof first, "%.1023s", message);
        snprintf(message, size, "%u of %u repetitions failed, the first with seed %llu: %s",
                 record->failed_repetitions, record->repetitions, (unsigned long long)record->seed,
                 first);
    }
    return launched;
}

/* A case that launches what its kind is not known for would miss variants. */
static void check_kernels(kvant_case_record *record, uint64_t launched, char *message, size_t size)
{
    if ((launched & ~kvant_case_kernels(record->name)) != 0u &&
        record->result == KVANT_CASE_PASSED) {
        record->result = KVANT_CASE_FAILED;
        snprintf(message, size,
                 "conformance_variants.c does not know of a kernel that it launches");
    }
}

/* A failure that is expected is no failure, a pass that is not is one. */
static void apply_row(kvant_case_record *record, const kvant_profile_row *row, const char *file,
                      char *message, size_t size)
{
    char found[1024];
    snprintf(found, sizeof found, "%.1023s", message);
    if (record->result == KVANT_CASE_FAILED) {
        record->result = KVANT_CASE_EXPECTED;
        snprintf(message, size, "expected: %s (%s)", row->reason, found);
    } else if (record->result == KVANT_CASE_PASSED) {
        record->result = KVANT_CASE_FAILED;
        snprintf(message, size, "passes, although %s:%u expects a failure: %s", file, row->line,
                 row->reason);
    }
}

static void log_case(const runner *r, const kvant_case_record *record)
{
    FILE *log = r->options->log;
    if (log == NULL || (!r->options->verbose && record->result != KVANT_CASE_FAILED)) {
        return;
    }
    fprintf(log, "%s  %s  %.1f ms",
            record->result == KVANT_CASE_FAILED ? "FAIL" : kvant_case_result_name(record->result),
            record->name, record->milliseconds);
    if (record->repetitions > 1u) {
        fprintf(log, "  %u times", record->repetitions);
    }
    if (record->measure.name[0] != '\0') {
        fprintf(log, "  %s %.3g", record->measure.name, record->measure.value);
    }
    fputc('\n', log);
    if (record->message != NULL) {
        fprintf(log, "      %s\n", record->message);
    }
    fprintf(log, "      rule: %s; because %s\n", record->rule, record->reason);
    if (record->result == KVANT_CASE_FAILED) {
        char command[640];
        kvant_conformance_command(r->report, record, command, sizeof command);
        fprintf(log, "      repeat: %s\n", command);
    }
    fflush(log);
}

/* Fills in the text of a record and hands it to the report. */
static void keep(runner *r, kvant_case_record *record, const kvant_case_rule *rule,
                 const char *message)
{
    record->name = copy_text(record->name);
    record->rule = copy_text(rule->rule);
    record->reason = copy_text(rule->reason);
    record->message = message[0] != '\0' ? copy_text(message) : NULL;
    if (record->name == NULL || record->rule == NULL || record->reason == NULL ||
        (message[0] != '\0' && record->message == NULL) ||
        !kvant_conformance_add(r->report, record)) {
        kvant_case_record_release(record);
        r->is_out_of_memory = 1;
        return;
    }
    log_case(r, record);
}

/* Notes which rows of the profile name a case that the device has. */
static void use_rows(runner *r, const listed_case *listed)
{
    kvant_case_instance all[KVANT_CASE_INSTANCES];
    size_t count = kvant_case_instances(listed->name, (kvant_variant_choice){0},
                                        r->device->limits.capabilities, all);
    for (size_t i = 0; i < r->profile->row_count; i++) {
        for (size_t j = 0; j < count; j++) {
            if (all[j].is_possible && kvant_glob_matches(r->profile->rows[i].cases, all[j].name)) {
                r->row_is_used[i] = 1;
            }
        }
    }
}

static void run_case(runner *r, const listed_case *listed, const kvant_case_instance *instance)
{
    if (r->options->max_failures != 0u &&
        r->report->counts[KVANT_CASE_FAILED] >= r->options->max_failures) {
        return;
    }
    double start = now();
    char message[2048] = "";
    char name_copy[sizeof instance->name];
    memcpy(name_copy, instance->name, sizeof name_copy);
    kvant_case_record record = {.name = name_copy,
                                .is_full = listed->tier == KVANT_TIER_FULL,
                                .seed = r->options->seed,
                                .digest = KVANT_HASH_START};
    const kvant_profile_device device = {r->report->backend, r->report->device, r->report->driver};
    const kvant_profile_row *row = kvant_profile_find(r->profile, &device, instance->name);
    const kvant_profile_list *list = row != NULL ? &r->profile->lists[row->list] : NULL;
    kvant_case_rule rule = {KVANT_CASES_OTHER, "", ""};
    if (!kvant_case_rule_find(instance->name, &rule)) {
        record.result = KVANT_CASE_FAILED;
        snprintf(message, sizeof message, "conformance_rules.c has no rule for this kind of case");
    } else if (list != NULL && list->kind == KVANT_LIST_EXCLUSIONS) {
        record.result = KVANT_CASE_EXCLUDED;
        snprintf(message, sizeof message, "excluded by %s:%u: %s", list->file, row->line,
                 row->reason);
    } else {
        uint64_t launched = repeat(r, &record, listed, instance->choice, message, sizeof message);
        check_kernels(&record, launched, message, sizeof message);
        if (list != NULL) {
            apply_row(&record, row, list->file, message, sizeof message);
        }
    }
    record.milliseconds = (now() - start) * 1e3;
    keep(r, &record, &rule, message);
}

static void list_case(runner *r, const kvant_case_instance *instance)
{
    r->report->listed++;
    if (r->options->log != NULL) {
        fprintf(r->options->log, "%s\n", instance->name);
    }
}

static void visit(kvant_case_sink *sink, const char *name, kvant_case_tier tier, kvant_case_fn run,
                  const void *data)
{
    runner *r = (runner *)sink;
    const listed_case listed = {name, tier, run, data};
    int list_only = r->options->list_only;
    if (r->is_out_of_memory) {
        return;
    }
    if (!list_only) {
        use_rows(r, &listed);
    }
    kvant_case_instance instances[KVANT_CASE_INSTANCES];
    size_t count = kvant_case_instances(
        name, r->asked, list_only ? UINT32_MAX : r->device->limits.capabilities, instances);
    size_t matching = 0;
    for (size_t i = 0; i < count; i++) {
        if (kvant_filter_matches(r->options->filter, instances[i].name)) {
            instances[matching++] = instances[i];
        }
    }
    if (matching == 0u || !is_of_tier(r->options, tier) || !is_in_shard(r)) {
        return;
    }
    for (size_t i = 0; i < matching; i++) {
        if (list_only) {
            list_case(r, &instances[i]);
        } else if (instances[i].is_possible) {
            run_case(r, &listed, &instances[i]);
        }
    }
}

/* ---- the suite ----------------------------------------------------------------------------- */

static void walk(runner *r)
{
#define KVANT_CASE_FAMILY(name) kvant_cases_##name(&r->sink);
    KVANT_CASE_FAMILIES(KVANT_CASE_FAMILY)
#undef KVANT_CASE_FAMILY
}

/* Rows that are for this device and name no case that there is. */
static void warn_of_unused_rows(runner *r)
{
    const kvant_profile_device device = {r->report->backend, r->report->device, r->report->driver};
    for (size_t i = 0; i < r->profile->row_count; i++) {
        const kvant_profile_row *row = &r->profile->rows[i];
        const kvant_profile_list *list = &r->profile->lists[row->list];
        if (!r->row_is_used[i] && kvant_profile_list_is_for(list, &device) &&
            !kvant_conformance_warn(r->report, "%s:%u: \"%s\" matches no case", list->file,
                                    row->line, row->cases)) {
            r->is_out_of_memory = 1;
        }
    }
}

static const char *kind_name(kvant_device_kind kind)
{
    return kind == KVANT_DEVICE_GPU         ? "gpu"
           : kind == KVANT_DEVICE_CPU       ? "cpu"
           : kind == KVANT_DEVICE_SIMULATED ? "simulated"
                                            : "reference";
}

static void describe_run(kvant_conformance_report *report, const kvant_conformance_options *options)
{
    snprintf(report->version, sizeof report->version, "%s", kvant_version());
    snprintf(report->contract_hash, sizeof report->contract_hash, "%s", KVANT_CONTRACT_HASH);
    snprintf(report->program, sizeof report->program, "%s", options->program);
    snprintf(report->tier, sizeof report->tier, "%s",
             options->quick  ? "quick"
             : options->full ? "full"
                             : "default");
    snprintf(report->filter, sizeof report->filter, "%s",
             options->filter != NULL ? options->filter : "");
    report->device_index = options->device_index;
    report->shard = options->shard;
    report->shards = options->shards;
    report->repeat = options->repeat;
    report->seed = options->seed;
    time_t seconds = time(NULL);
    struct tm parts;
    if (gmtime_r(&seconds, &parts) != NULL) {
        strftime(report->started, sizeof report->started, "%Y-%m-%d %H:%M:%SZ", &parts);
    }
}

static void describe_device(kvant_conformance_report *report, const kvant_test_device *device)
{
    snprintf(report->device, sizeof report->device, "%s", device->record.name);
    snprintf(report->driver, sizeof report->driver, "%s", device->record.driver);
    snprintf(report->kind, sizeof report->kind, "%s", kind_name(device->record.kind));
    snprintf(report->uuid, sizeof report->uuid, "%s", device->record.uuid);
    snprintf(report->pci, sizeof report->pci, "%s", device->record.pci);
    kvant_variant_describe(device->limits.capabilities, device->variant, report->variants,
                           sizeof report->variants);
    report->limits = device->limits;
}

static kvant_status run_on_device(runner *r)
{
    kvant_conformance_report *report = r->report;
    kvant_status status =
        kvant_test_device_open(r->device, r->options->backend, r->options->device_index);
    if (status != KVANT_OK) {
        snprintf(report->error, sizeof report->error, "%s", r->device->message);
        report->lacks_variant = r->device->lacks_variant;
        return status;
    }
    describe_device(report, r->device);
    r->asked = r->device->variant;
    double start = now();
    walk(r);
    report->seconds = now() - start;
    kvant_test_device_close(r->device);
    warn_of_unused_rows(r);
    return r->is_out_of_memory ? KVANT_ERROR_OUT_OF_HOST_MEMORY : KVANT_OK;
}

kvant_status kvant_conformance_run(const kvant_conformance_options *options,
                                   kvant_conformance_report *out_report)
{
    memset(out_report, 0, sizeof *out_report);
    describe_run(out_report, options);
    runner r = {.sink = {visit}, .options = options, .report = out_report};
    if (options->list_only) {
        if (!kvant_variant_read(kvant_env_variant(), UINT32_MAX, &r.asked, out_report->error,
                                sizeof out_report->error)) {
            return KVANT_ERROR_INVALID_ARGUMENT;
        }
        walk(&r);
        return KVANT_OK;
    }
    kvant_profile built_in = {0};
    r.profile = options->profile;
    if (r.profile == NULL) {
        r.profile = &built_in;
        if (!kvant_profile_add_built_in(&built_in, out_report->error, sizeof out_report->error)) {
            kvant_profile_release(&built_in);
            return KVANT_ERROR_INTERNAL;
        }
    }
    snprintf(out_report->backend, sizeof out_report->backend, "%s", options->backend->name);
    r.row_is_used = calloc(r.profile->row_count + 1u, 1u);
    r.device = malloc(sizeof *r.device);
    r.trial = malloc(sizeof *r.trial);
    kvant_status status = KVANT_ERROR_OUT_OF_HOST_MEMORY;
    if (r.row_is_used != NULL && r.device != NULL && r.trial != NULL) {
        status = run_on_device(&r);
    }
    free(r.row_is_used);
    free(r.device);
    free(r.trial);
    kvant_profile_release(&built_in);
    return status;
}
