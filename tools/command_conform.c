/* SPDX-License-Identifier: MIT
 *
 * kvant conform: the conformance suite, on one device or on all; and reports of it put together.
 */
#define _POSIX_C_SOURCE 200809L
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "conform_reports.h"
#include "conformance_choice.h"
#include "conformance_totals.h"
#include "env.h"
#include "tool_commands.h"
#include "tool_device.h"

enum { MOST_DEVICES = 64 };

typedef struct {
    kvant_conformance_options suite;
    kvant_profile profile;
    conform_files files;
    const char *exclusions;
    const char *expected_failures;
    const char *shard;
    uint32_t device;
    uint32_t max_failures;
    int quick;
    int full;
    int list;
    int verbose;
    int merge;
    char selects[MOST_DEVICES][160]; /* "backend:index" */
    size_t device_count;
} conform_work;

#define NO_INDEX UINT32_MAX

/* ---- which devices ------------------------------------------------------------------------- */

static int collect(void *user, const kvant_device_info *info, const char *backend,
                   const char *reason)
{
    (void)backend;
    (void)reason;
    conform_work *w = user;
    if (info != NULL && w->device_count < MOST_DEVICES) {
        snprintf(w->selects[w->device_count++], sizeof w->selects[0], "%s", info->select);
    }
    return 0;
}

/* The devices to test: the one that is selected, or all. */
static int choose_devices(conform_work *w, const tool_globals *globals, tool_error *error)
{
    const char *selection = globals->backend != NULL ? globals->backend : kvant_env_backend();
    char with_index[200];
    if (w->device != NO_INDEX) {
        if (selection == NULL || strpbrk(selection, ":,") != NULL) {
            return tool_error_input(error, "--device goes with a --backend that is a plain name");
        }
        snprintf(with_index, sizeof with_index, "%.100s:%u", selection, w->device);
        selection = with_index;
    }
    if (selection == NULL) {
        kvant_status status = kvant_devices(collect, w);
        return status == KVANT_OK
                   ? 0
                   : tool_error_library(error, status, "the devices cannot be listed");
    }
    tool_device device;
    if (tool_device_open(&device, globals->quiet ? NULL : "conform", selection,
                         KVANT_CONTEXT_ALLOW_INEXACT, error) != 0) {
        return -1;
    }
    tool_device_close(&device);
    snprintf(w->selects[w->device_count++], sizeof w->selects[0], "%s", device.info.select);
    return 0;
}

static const kvant_backend *find_backend(const char *name, size_t length)
{
    static const kvant_backend *const backends[] = {
#define KVANT_BACKEND(backend) &kvant_backend_##backend,
#include "backends.def"
#undef KVANT_BACKEND
    };
    for (size_t i = 0; i < sizeof backends / sizeof backends[0]; i++) {
        if (strlen(backends[i]->name) == length && memcmp(backends[i]->name, name, length) == 0) {
            return backends[i];
        }
    }
    return NULL;
}

/* ---- running ------------------------------------------------------------------------------- */

/* The built-in lists and those of the user. */
static int read_profile(conform_work *w, tool_error *error)
{
    const struct {
        const char *path;
        kvant_list_kind kind;
    } files[] = {{w->exclusions, KVANT_LIST_EXCLUSIONS},
                 {w->expected_failures, KVANT_LIST_EXPECTED_FAILURES}};
    char message[500];
    if (!kvant_profile_add_built_in(&w->profile, message, sizeof message)) {
        return tool_error_input(error, "%s", message);
    }
    for (size_t i = 0; i < 2u; i++) {
        if (files[i].path != NULL &&
            !kvant_profile_add_file(&w->profile, files[i].kind, files[i].path, message,
                                    sizeof message)) {
            return tool_error_input(error, "%s", message);
        }
    }
    w->suite.profile = &w->profile;
    return 0;
}

/* Runs the suite on device `index` of the list and prints its totals. */
static int run_device(conform_work *w, size_t index, kvant_conformance_report *out_report,
                      tool_error *error)
{
    const char *select = w->selects[index];
    size_t name_length = strcspn(select, ":");
    uint64_t device_index = 0;
    w->suite.backend = find_backend(select, name_length);
    if (w->suite.backend == NULL || select[name_length] == '\0' ||
        options_read_u64(select + name_length + 1u, &device_index) != 0) {
        return tool_error_input(error, "the suite does not know the device \"%s\"", select);
    }
    w->suite.device_index = (uint32_t)device_index;
    kvant_status status = kvant_conformance_run(&w->suite, out_report);
    if (status != KVANT_OK) {
        snprintf(error->text, sizeof error->text, "%s: %.380s (%s)", select,
                 out_report->error[0] != '\0' ? out_report->error : "the suite did not run",
                 kvant_status_name(status));
        error->code = TOOL_NO_DEVICE;
        return -1;
    }
    kvant_conformance_write_text(out_report, stdout);
    fflush(stdout);
    return 0;
}

/* A list of the user that is for none of the devices is probably a mistake. */
static void warn_of_idle_lists(const conform_work *w, const conform_list *list)
{
    for (size_t i = 0; i < w->profile.list_count; i++) {
        const kvant_profile_list *given = &w->profile.lists[i];
        int is_used = given->is_built_in;
        for (size_t j = 0; j < list->count; j++) {
            const kvant_conformance_report *report = &list->reports[j];
            const kvant_profile_device device = {report->backend, report->device, report->driver};
            is_used = is_used || kvant_profile_list_is_for(given, &device);
        }
        if (!is_used) {
            printf("warning: %s is for %s | %s | %s, which no device here is\n", given->file,
                   given->backend, given->device, given->driver);
        }
    }
}

/* A line for each pair of devices. */
static void print_agreement(const conform_list *list)
{
    for (size_t i = 0; i < list->count; i++) {
        for (size_t j = i + 1u; j < list->count; j++) {
            const kvant_conformance_report *a = &list->reports[i];
            const kvant_conformance_report *b = &list->reports[j];
            kvant_agreement groups[KVANT_CASE_GROUP_COUNT];
            const char *reason = kvant_agree(a, b, groups);
            size_t compared = 0;
            size_t differing = 0;
            for (int k = 0; k < KVANT_CASE_GROUP_COUNT; k++) {
                compared += groups[k].compared;
                differing += groups[k].differing;
            }
            printf("%s:%u and %s:%u: ", a->backend, a->device_index, b->backend, b->device_index);
            if (reason != NULL) {
                printf("cannot be compared, %s\n", reason);
            } else if (compared == 0u) {
                printf("no case that both ran\n");
            } else {
                printf("the same words in %zu of %zu cases\n", compared - differing, compared);
            }
        }
    }
}

static int no_case(tool_error *error)
{
    return tool_error_input(error, "no case matches what was asked for: does the filter match a "
                                   "name that --list prints?");
}

/* Writes the files and sums up. Exit code 0 only if cases passed and none failed. */
static int conclude(const conform_work *w, const conform_list *list, tool_error *error)
{
    size_t counts[KVANT_CASE_RESULT_COUNT] = {0};
    for (size_t i = 0; i < list->count; i++) {
        for (int j = 0; j < KVANT_CASE_RESULT_COUNT; j++) {
            counts[j] += list->reports[i].counts[j];
        }
    }
    print_agreement(list);
    if (conform_files_write(&w->files, list->reports, list->count, error) != 0) {
        return -1;
    }
    size_t failed = counts[KVANT_CASE_FAILED];
    if (failed != 0u) {
        snprintf(error->text, sizeof error->text, "%zu case%s failed", failed,
                 failed != 1u ? "s" : "");
        error->code = TOOL_CHECK_FAILED;
        return -1;
    }
    if (counts[KVANT_CASE_PASSED] != 0u) {
        return 0;
    }
    size_t others =
        counts[KVANT_CASE_EXCLUDED] + counts[KVANT_CASE_SKIPPED] + counts[KVANT_CASE_EXPECTED];
    return others == 0u
               ? no_case(error)
               : tool_error_input(error,
                                  "no case passed: %zu excluded, %zu skipped, %zu failed as "
                                  "expected",
                                  counts[KVANT_CASE_EXCLUDED], counts[KVANT_CASE_SKIPPED],
                                  counts[KVANT_CASE_EXPECTED]);
}

static int run_all(conform_work *w, tool_error *error)
{
    conform_list list = {NULL, 0};
    size_t ran = 0;
    int result = 0;
    for (size_t i = 0; i < w->device_count; i++) {
        kvant_conformance_report *report = conform_list_add(&list);
        if (report == NULL) {
            conform_list_release(&list);
            return tool_error_memory(error);
        }
        if (run_device(w, i, report, error) != 0) {
            command_fail("conform", error);
            kvant_conformance_release(report);
            list.count--;
            result = -1;
        } else {
            ran++;
        }
    }
    warn_of_idle_lists(w, &list);
    tool_error failure = {0, ""};
    int concluded = conclude(w, &list, &failure);
    if (result != 0 && (concluded == 0 || failure.code == TOOL_CHECK_FAILED)) {
        snprintf(error->text, sizeof error->text, "%zu of %zu devices could not be tested",
                 w->device_count - ran, w->device_count);
    } else if (concluded != 0) {
        *error = failure;
        result = -1;
    } else {
        uint64_t passed = 0;
        for (size_t i = 0; i < list.count; i++) {
            passed += list.reports[i].counts[KVANT_CASE_PASSED];
        }
        printf("conformance: %zu of %zu devices passed, %llu case%s\n", ran, w->device_count,
               (unsigned long long)passed, passed != 1u ? "s" : "");
    }
    conform_list_release(&list);
    return result;
}

/* ---- reports of others --------------------------------------------------------------------- */

/* The file at `index` is none of those before it. */
static int refuse_twice(char *const *paths, size_t index, tool_error *error)
{
    struct stat mine;
    struct stat other;
    int is_there = stat(paths[index], &mine) == 0;
    for (size_t i = 0; i < index && is_there; i++) {
        if (stat(paths[i], &other) == 0 && mine.st_dev == other.st_dev &&
            mine.st_ino == other.st_ino) {
            return tool_error_input(error, "%.200s is given twice", paths[index]);
        }
    }
    return 0;
}

static int merge(const conform_work *w, char *const *paths, size_t count, tool_error *error)
{
    if (count == 0u) {
        return tool_error_input(error, "--merge needs JSON reports: --merge A.json B.json");
    }
    if (w->files.json == NULL && w->files.junit == NULL && w->files.html == NULL) {
        return tool_error_input(error, "--merge needs --html, --json or --junit");
    }
    conform_list list = {NULL, 0};
    int result = 0;
    for (size_t i = 0; i < count && result == 0; i++) {
        result = refuse_twice(paths, i, error);
        result = result == 0 ? conform_list_read(&list, paths[i], error) : result;
    }
    if (result == 0) {
        result = conform_list_join(&list, error);
    }
    if (result == 0) {
        result = conclude(w, &list, error);
    }
    conform_list_release(&list);
    return result;
}

/* ---- the command --------------------------------------------------------------------------- */

static int check(conform_work *w, tool_error *error)
{
    if (w->quick && w->full) {
        return tool_error_input(error, "--quick and --full exclude each other");
    }
    if (w->shard != NULL && !kvant_shard_parse(w->shard, &w->suite.shard, &w->suite.shards)) {
        return tool_error_input(error, "--shard takes I/N with I from 1 to N, not \"%.100s\"",
                                w->shard);
    }
    return 0;
}

/* *out_first: the first operand in argv. */
static options_result parse(tool_globals *globals, int argc, char **argv, conform_work *w,
                            int *out_first, tool_error *error)
{
    const option_spec specs[] = {
        {"filter", OPTION_TEXT, &w->suite.filter, 0, 0, NULL, "GLOB",
         "cases by a glob, by a part of the name, or =NAME"},
        {"list", OPTION_FLAG, &w->list, 0, 0, NULL, NULL, "print the names of the cases, run none"},
        {"quick", OPTION_FLAG, &w->quick, 0, 0, NULL, NULL, "the quick subset"},
        {"full", OPTION_FLAG, &w->full, 0, 0, NULL, NULL,
         "also what takes long, and more seeds where inputs are random"},
        {"shard", OPTION_TEXT, &w->shard, 0, 0, NULL, "I/N", "every N-th of these cases, from I"},
        {"repeat", OPTION_U32, &w->suite.repeat, 1, 1000000, NULL, "N",
         "each case N times, with the seeds --seed, --seed + 1, ..."},
        {"seed", OPTION_U64, &w->suite.seed, 0, 0, NULL, "N", "of the inputs (0)"},
        {"device", OPTION_U32, &w->device, 0, 999999, NULL, "N", "index, with --backend NAME"},
        {"exclusions", OPTION_TEXT, &w->exclusions, 0, 0, NULL, "FILE",
         "cases that a device does not run, with reasons"},
        {"expected-failures", OPTION_TEXT, &w->expected_failures, 0, 0, NULL, "FILE",
         "cases that fail until they are mended"},
        {"max-failures", OPTION_U32, &w->max_failures, 0, 4294967295.0, NULL, "N",
         "stop after so many (0: never)"},
        {"verbose", OPTION_FLAG, &w->verbose, 0, 0, NULL, NULL, "a line for every case, its rule"},
        {"json", OPTION_TEXT, &w->files.json, 0, 0, NULL, "FILE",
         "report as JSON; an array when several devices ran"},
        {"junit", OPTION_TEXT, &w->files.junit, 0, 0, NULL, "FILE", "report as JUnit XML"},
        {"html", OPTION_TEXT, &w->files.html, 0, 0, NULL, "FILE", "report as one page"},
        {"merge", OPTION_FLAG, &w->merge, 0, 0, NULL, NULL,
         "run nothing: report on the JSON files that follow"},
    };
    const command_description command = {
        .name = "conform",
        .synopsis = "[options]\n       kvant conform --merge A.json B.json ... --html FILE",
        .details =
            "Compares every kernel with the scalar reference, word by word, and with double "
            "precision\n"
            "under derived bounds. Runs on the device that --backend or KVANT_BACKEND selects, "
            "else on\n"
            "every device that there is. Exit code 0 only if every case passed.",
        .specs = specs,
        .spec_count = sizeof specs / sizeof specs[0],
        .operands = options_files};
    options_result result = options_parse(&command, globals, argc, argv, out_first, error);
    if (result == OPTIONS_GO && check(w, error) != 0) {
        return OPTIONS_BAD;
    }
    if (result == OPTIONS_GO && !w->merge && *out_first < argc) {
        tool_error_input(error, "unexpected \"%.100s\"; files go with --merge", argv[*out_first]);
        return OPTIONS_BAD;
    }
    return result;
}

static int list_cases(const conform_work *w, tool_error *error)
{
    kvant_conformance_report report;
    kvant_status status = kvant_conformance_run(&w->suite, &report);
    kvant_conformance_release(&report);
    if (status != KVANT_OK) {
        return tool_error_library(error, status, "the cases cannot be listed");
    }
    return report.listed != 0u ? 0 : no_case(error);
}

static int work(conform_work *w, const tool_globals *globals, tool_error *error)
{
    w->suite.log = stdout;
    w->suite.quick = w->quick;
    w->suite.full = w->full;
    w->suite.list_only = w->list;
    w->suite.verbose = w->verbose;
    w->suite.max_failures = w->max_failures;
    if (w->list) {
        return list_cases(w, error);
    }
    if (conform_files_check(&w->files, error) != 0 || read_profile(w, error) != 0 ||
        choose_devices(w, globals, error) != 0) {
        return -1;
    }
    return run_all(w, error);
}

int command_conform(tool_globals *globals, int argc, char **argv)
{
    tool_error error = {0, ""};
    conform_work *w = calloc(1, sizeof *w);
    if (w == NULL) {
        tool_error_memory(&error);
        return command_fail("conform", &error);
    }
    w->suite = (kvant_conformance_options)KVANT_CONFORMANCE_OPTIONS_INIT;
    w->device = NO_INDEX;
    int first = argc;
    int result = 0;
    options_result parsed = parse(globals, argc, argv, w, &first, &error);
    if (parsed == OPTIONS_BAD) {
        result = -1;
    } else if (parsed == OPTIONS_GO && w->merge) {
        result = merge(w, argv + first, (size_t)(argc - first), &error);
    } else if (parsed == OPTIONS_GO) {
        result = work(w, globals, &error);
    }
    kvant_profile_release(&w->profile);
    free(w);
    return result == 0 ? TOOL_DONE : command_fail("conform", &error);
}
