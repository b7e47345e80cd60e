/* SPDX-License-Identifier: MIT
 *
 * kvant conform: the conformance suite, on one device or on all.
 */
#include <stdlib.h>
#include <string.h>

#include "conformance.h"
#include "env.h"
#include "tool_commands.h"
#include "tool_device.h"

enum { MOST_DEVICES = 64 };

typedef struct {
    kvant_conformance_options suite;
    const char *json;
    const char *junit;
    uint32_t device;
    uint32_t max_failures;
    int quick;
    int full;
    int list;
    int verbose;
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

/* ---- reports ------------------------------------------------------------------------------- */

/* One device: its report. Several: an array of them. */
static void write_json(const kvant_conformance_report *reports, size_t count, FILE *file)
{
    if (count != 1u) {
        fputs("[\n", file);
    }
    for (size_t i = 0; i < count; i++) {
        fputs(i != 0u ? ",\n" : "", file);
        kvant_conformance_write_json(&reports[i], file);
    }
    if (count != 1u) {
        fputs("]\n", file);
    }
}

/* The suites of all devices under one root. */
static void write_junit(const kvant_conformance_report *reports, size_t count, FILE *file)
{
    fputs("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites>\n", file);
    for (size_t i = 0; i < count; i++) {
        char *text = NULL;
        size_t size = 0;
        FILE *memory = open_memstream(&text, &size);
        if (memory == NULL) {
            continue;
        }
        kvant_conformance_write_junit(&reports[i], memory);
        fclose(memory);
        const char *suite = text != NULL ? strstr(text, "<testsuite ") : NULL;
        fputs(suite != NULL ? suite : "", file);
        free(text);
    }
    fputs("</testsuites>\n", file);
}

static int write_file(const char *path, const kvant_conformance_report *reports, size_t count,
                      void (*write)(const kvant_conformance_report *, size_t, FILE *),
                      tool_error *error)
{
    if (path == NULL) {
        return 0;
    }
    FILE *file = fopen(path, "w");
    if (file == NULL) {
        return tool_error_input(error, "%.200s cannot be written", path);
    }
    write(reports, count, file);
    int failed = ferror(file);
    failed = fclose(file) != 0 || failed;
    return failed ? tool_error_input(error, "%.200s could not be written to its end", path) : 0;
}

/* Exit code: 0 only if every device ran and no case failed. */
static int run_all(conform_work *w, tool_error *error)
{
    kvant_conformance_report *reports = calloc(w->device_count, sizeof *reports);
    if (reports == NULL) {
        return tool_error_memory(error);
    }
    size_t ran = 0;
    uint64_t failed = 0;
    uint64_t passed = 0;
    int result = 0;
    tool_error failure;
    for (size_t i = 0; i < w->device_count; i++) {
        if (run_device(w, i, &reports[ran], &failure) != 0) {
            command_fail("conform", &failure);
            kvant_conformance_release(&reports[ran]);
            result = -1;
            *error = failure;
            continue;
        }
        passed += reports[ran].passed;
        failed += reports[ran].failed;
        ran++;
    }
    if (write_file(w->json, reports, ran, write_json, &failure) != 0 ||
        write_file(w->junit, reports, ran, write_junit, &failure) != 0) {
        result = -1;
        *error = failure;
    } else if (result != 0) {
        snprintf(error->text, sizeof error->text, "%zu of %zu devices could not be tested",
                 w->device_count - ran, w->device_count);
    } else if (failed != 0u) {
        snprintf(error->text, sizeof error->text, "%llu cases failed", (unsigned long long)failed);
        error->code = TOOL_CHECK_FAILED;
        result = -1;
    } else if (passed == 0u) {
        result = tool_error_input(error, "no case ran: does the filter match a name that --list "
                                         "prints?");
    } else {
        printf("conformance: %zu of %zu devices passed, %llu cases\n", ran, w->device_count,
               (unsigned long long)passed);
    }
    for (size_t i = 0; i < ran; i++) {
        kvant_conformance_release(&reports[i]);
    }
    free(reports);
    return result;
}

static options_result parse(tool_globals *globals, int argc, char **argv, conform_work *w,
                            tool_error *error)
{
    const option_spec specs[] = {
        {"filter", OPTION_TEXT, &w->suite.filter, 0, 0, NULL, "GLOB",
         "cases by a glob, by a part of the name, or =NAME"},
        {"list", OPTION_FLAG, &w->list, 0, 0, NULL, NULL, "print the names of the cases, run none"},
        {"quick", OPTION_FLAG, &w->quick, 0, 0, NULL, NULL, "the quick subset"},
        {"full", OPTION_FLAG, &w->full, 0, 0, NULL, NULL, "also what takes long"},
        {"seed", OPTION_U64, &w->suite.seed, 0, 0, NULL, "N", "of the inputs (0)"},
        {"device", OPTION_U32, &w->device, 0, 999999, NULL, "N", "index, with --backend NAME"},
        {"max-failures", OPTION_U32, &w->max_failures, 0, 4294967295.0, NULL, "N",
         "stop after so many (0: never)"},
        {"verbose", OPTION_FLAG, &w->verbose, 0, 0, NULL, NULL, "a line for every case"},
        {"json", OPTION_TEXT, &w->json, 0, 0, NULL, "FILE",
         "report as JSON; an array when several devices ran"},
        {"junit", OPTION_TEXT, &w->junit, 0, 0, NULL, "FILE", "report as JUnit XML"},
    };
    const command_description command = {
        "conform",
        "[options]",
        "Compares every kernel with the scalar reference, word by word, and with double precision\n"
        "under derived bounds. Runs on the device that --backend or KVANT_BACKEND selects, else "
        "on\n"
        "every device that there is. Exit code 0 only if every case passed.",
        specs,
        sizeof specs / sizeof specs[0],
        NULL};
    options_result result = options_parse(&command, globals, argc, argv, NULL, error);
    if (result == OPTIONS_GO && w->quick && w->full) {
        tool_error_input(error, "--quick and --full exclude each other");
        return OPTIONS_BAD;
    }
    return result;
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
    int code = TOOL_DONE;
    options_result parsed = parse(globals, argc, argv, w, &error);
    if (parsed != OPTIONS_GO) {
        code = parsed == OPTIONS_DONE ? TOOL_DONE : command_fail("conform", &error);
        free(w);
        return code;
    }
    w->suite.log = stdout;
    w->suite.quick = w->quick;
    w->suite.full = w->full;
    w->suite.list_only = w->list;
    w->suite.verbose = w->verbose;
    w->suite.max_failures = w->max_failures;
    if (w->list) {
        kvant_conformance_report report;
        kvant_status status = kvant_conformance_run(&w->suite, &report);
        kvant_conformance_release(&report);
        if (status != KVANT_OK) {
            tool_error_library(&error, status, "the cases cannot be listed");
            code = command_fail("conform", &error);
        }
    } else if (choose_devices(w, globals, &error) != 0 || run_all(w, &error) != 0) {
        code = command_fail("conform", &error);
    }
    free(w);
    return code;
}
