/* SPDX-License-Identifier: MIT
 *
 * kvant conform: the conformance suite, on one device or on all; and reports of it put together.
 */
#include <stdlib.h>

#include "conform_work.h"
#include "conformance_choice.h"
#include "tool_commands.h"
#include "tool_variant.h"

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
    return report.listed != 0u ? 0 : conform_no_case(error);
}

static int work(conform_work *w, const tool_globals *globals, tool_error *error)
{
    w->suite.log = stdout;
    w->suite.quick = w->quick;
    w->suite.full = w->full;
    w->suite.list_only = w->list;
    w->suite.verbose = w->verbose;
    w->suite.max_failures = w->max_failures;
    if (tool_check_variant(error) != 0) {
        return -1;
    }
    if (w->list) {
        return list_cases(w, error);
    }
    if (conform_files_check(&w->files, error) != 0 || conform_read_profile(w, error) != 0 ||
        conform_choose_devices(w, globals, error) != 0) {
        return -1;
    }
    return conform_run(w, error);
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
    w->device = CONFORM_NO_INDEX;
    int first = argc;
    int result = 0;
    options_result parsed = parse(globals, argc, argv, w, &first, &error);
    if (parsed == OPTIONS_BAD) {
        result = -1;
    } else if (parsed == OPTIONS_GO && w->merge) {
        result = conform_merge(w, argv + first, (size_t)(argc - first), &error);
    } else if (parsed == OPTIONS_GO) {
        result = work(w, globals, &error);
    }
    kvant_profile_release(&w->profile);
    free(w);
    return result == 0 ? TOOL_DONE : command_fail("conform", &error);
}
