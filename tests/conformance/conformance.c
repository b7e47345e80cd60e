/* SPDX-License-Identifier: MIT
 *
 * The runner: walks the list of cases, picks by filter, runs each on the device, keeps the results.
 */
#include "conformance.h"

#include <stdarg.h>
#include <stdlib.h>
#include <time.h>

#include "cases.h"

typedef struct {
    kvant_case_sink sink; /* first: the sink is the runner */
    const kvant_conformance_options *options;
    kvant_conformance_report *report;
    kvant_test_device *device;
    kvant_trial *trial;
    size_t capacity;
    int is_out_of_memory;
} runner;

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

/* ---- filters ------------------------------------------------------------------------------- */

/* Glob with * and ?; * also crosses slashes. */
static int matches_glob(const char *pattern, const char *text)
{
    const char *star = NULL;
    const char *resume = NULL;
    while (*text != '\0') {
        if (*pattern == '*') {
            star = pattern++;
            resume = text;
        } else if (*pattern == '?' || *pattern == *text) {
            pattern++;
            text++;
        } else if (star != NULL) {
            pattern = star + 1;
            text = ++resume;
        } else {
            return 0;
        }
    }
    while (*pattern == '*') {
        pattern++;
    }
    return *pattern == '\0';
}

static int is_chosen(const kvant_conformance_options *options, const char *name,
                     kvant_case_tier tier)
{
    const char *filter = options->filter;
    if (options->quick ? tier != KVANT_TIER_QUICK : tier == KVANT_TIER_FULL && !options->full) {
        return 0;
    }
    if (filter == NULL || filter[0] == '\0') {
        return 1;
    }
    if (filter[0] == '=') {
        return strcmp(filter + 1, name) == 0;
    }
    if (strpbrk(filter, "*?") != NULL) {
        return matches_glob(filter, name);
    }
    return strstr(name, filter) != NULL;
}

/* ---- exclusions and expected failures ------------------------------------------------------ */

typedef struct {
    const char *backend;
    const char *cases;
    const char *reason;
    int is_excluded;
} profile_row;

static const profile_row profile[] = {
#define KVANT_EXCLUDED(backend, cases, reason) {backend, cases, reason, 1},
#define KVANT_EXPECTED_FAILURE(backend, cases, reason) {backend, cases, reason, 0},
#include "conformance_profile.def"
#undef KVANT_EXCLUDED
#undef KVANT_EXPECTED_FAILURE
    {"", "", "", 0}, /* matches no name */
};

static const profile_row *find_row(const char *backend, const char *name)
{
    for (size_t i = 0; i < sizeof profile / sizeof profile[0]; i++) {
        if (matches_glob(profile[i].backend, backend) && matches_glob(profile[i].cases, name)) {
            return &profile[i];
        }
    }
    return NULL;
}

/* A failure that is expected becomes a skip, a pass that is not becomes a failure. */
static void apply_row(kvant_trial *trial, const profile_row *row)
{
    if (trial->result == KVANT_CASE_FAILED) {
        char found[sizeof trial->message];
        memcpy(found, trial->message, sizeof found);
        snprintf(trial->message, sizeof trial->message, "expected: %s (%.800s)", row->reason,
                 found);
        trial->result = KVANT_CASE_SKIPPED;
    } else if (trial->result == KVANT_CASE_PASSED) {
        snprintf(trial->message, sizeof trial->message,
                 "passes, although conformance_profile.def expects a failure: %s", row->reason);
        trial->result = KVANT_CASE_FAILED;
    }
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

static void log_case(const runner *r, const kvant_case_record *record)
{
    static const char *const words[] = {"pass", "FAIL", "skip"};
    FILE *log = r->options->log;
    if (log == NULL || (!r->options->verbose && record->result != KVANT_CASE_FAILED)) {
        return;
    }
    fprintf(log, "%s  %s  %.1f ms", words[record->result], record->name, record->milliseconds);
    if (record->metric_name != NULL) {
        fprintf(log, "  %s %.3g", record->metric_name, record->metric);
    }
    fputc('\n', log);
    if (record->message != NULL) {
        fprintf(log, "      %s\n", record->message);
    }
    if (record->result == KVANT_CASE_FAILED) {
        fprintf(log, "      repeat: %s --backend %s --device %u --seed %llu --filter '=%s'\n",
                r->options->program, r->report->backend, r->options->device_index,
                (unsigned long long)r->options->seed, record->name);
    }
    fflush(log);
}

static void keep(runner *r, const char *name, double milliseconds)
{
    kvant_conformance_report *report = r->report;
    const kvant_trial *trial = r->trial;
    if (report->case_count == r->capacity) {
        size_t capacity = r->capacity == 0u ? 256u : r->capacity * 2u;
        kvant_case_record *moved = realloc(report->cases, capacity * sizeof *moved);
        if (moved == NULL) {
            r->is_out_of_memory = 1;
            return;
        }
        report->cases = moved;
        r->capacity = capacity;
    }
    kvant_case_record record = {
        .name = copy_text(name),
        .message = trial->message[0] != '\0' ? copy_text(trial->message) : NULL,
        .result = trial->result,
        .words = trial->words,
        .metric = trial->metric,
        .metric_name = trial->metric_name,
        .milliseconds = milliseconds,
    };
    if (record.name == NULL) {
        free(record.message);
        r->is_out_of_memory = 1;
        return;
    }
    report->cases[report->case_count++] = record;
    report->passed += record.result == KVANT_CASE_PASSED;
    report->failed += record.result == KVANT_CASE_FAILED;
    report->skipped += record.result == KVANT_CASE_SKIPPED;
    report->words += record.words;
    log_case(r, &record);
}

static void visit(kvant_case_sink *sink, const char *name, kvant_case_tier tier, kvant_case_fn run,
                  const void *data)
{
    runner *r = (runner *)sink;
    const kvant_conformance_options *options = r->options;
    if (r->is_out_of_memory || !is_chosen(options, name, tier)) {
        return;
    }
    if (options->list_only) {
        if (options->log != NULL) {
            fprintf(options->log, "%s\n", name);
        }
        return;
    }
    if (options->max_failures != 0u && r->report->failed >= options->max_failures) {
        return;
    }
    double start = now();
    kvant_trial_begin(r->trial, r->device, name, options->seed);
    const profile_row *row = find_row(r->report->backend, name);
    if (row != NULL && row->is_excluded) {
        snprintf(r->trial->message, sizeof r->trial->message, "excluded: %s", row->reason);
        r->trial->result = KVANT_CASE_SKIPPED;
    } else {
        execute(r->trial, run, data);
    }
    if (row != NULL && !row->is_excluded) {
        apply_row(r->trial, row);
    }
    kvant_trial_end(r->trial);
    keep(r, name, (now() - start) * 1e3);
}

/* ---- the suite ----------------------------------------------------------------------------- */

static void walk(runner *r)
{
#define KVANT_CASE_FAMILY(name) kvant_cases_##name(&r->sink);
    KVANT_CASE_FAMILIES(KVANT_CASE_FAMILY)
#undef KVANT_CASE_FAMILY
}

static void describe(kvant_conformance_report *report, const kvant_test_device *device)
{
    snprintf(report->device, sizeof report->device, "%s", device->record.name);
    snprintf(report->driver, sizeof report->driver, "%s", device->record.driver);
    report->lanes = device->limits.lanes;
}

kvant_status kvant_conformance_run(const kvant_conformance_options *options,
                                   kvant_conformance_report *out_report)
{
    memset(out_report, 0, sizeof *out_report);
    out_report->seed = options->seed;
    out_report->device_index = options->device_index;
    out_report->contract_hash = kvant_manifest_hash();

    runner r = {.sink = {visit}, .options = options, .report = out_report};
    if (options->list_only) {
        walk(&r);
        return KVANT_OK;
    }
    snprintf(out_report->backend, sizeof out_report->backend, "%s", options->backend->name);
    r.device = malloc(sizeof *r.device);
    r.trial = malloc(sizeof *r.trial);
    kvant_status status = KVANT_ERROR_OUT_OF_HOST_MEMORY;
    if (r.device != NULL && r.trial != NULL) {
        status = kvant_test_device_open(r.device, options->backend, options->device_index);
        if (status == KVANT_OK) {
            describe(out_report, r.device);
            double start = now();
            walk(&r);
            out_report->seconds = now() - start;
            kvant_test_device_close(r.device);
        } else {
            snprintf(out_report->error, sizeof out_report->error, "%s", r.device->message);
        }
    }
    if (r.is_out_of_memory) {
        status = KVANT_ERROR_OUT_OF_HOST_MEMORY;
    }
    free(r.device);
    free(r.trial);
    return status;
}

void kvant_conformance_release(kvant_conformance_report *report)
{
    for (size_t i = 0; i < report->case_count; i++) {
        free(report->cases[i].name);
        free(report->cases[i].message);
    }
    free(report->cases);
    report->cases = NULL;
    report->case_count = 0;
}
