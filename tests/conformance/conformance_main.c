/* SPDX-License-Identifier: MIT
 *
 * The conformance suite as a program of its own, for work on a backend or its kernels.
 *
 *   conformance --backend opencl --device 0 --filter 'attention/?*' [--quick|--full] [--list]
 *               [--json F] [--junit F] [--seed N] [--repeat N] [--max-failures N]
 *               [--verbose]
 *
 * Exit 0 only if every case passed; 1: a case failed, or none matches; 2: bad usage; 3: no device.
 */
#include <stdlib.h>
#include <string.h>

#include "conformance.h"

typedef struct {
    kvant_conformance_options options;
    const char *backend;
    const char *json;
    const char *junit;
} arguments;

/* Options with a value. Returns 0 when the name is not one of them. */
static int take_value(arguments *a, const char *name, const char *value)
{
    if (strcmp(name, "--backend") == 0) {
        a->backend = value;
    } else if (strcmp(name, "--device") == 0) {
        a->options.device_index = (uint32_t)strtoul(value, NULL, 10);
    } else if (strcmp(name, "--filter") == 0) {
        a->options.filter = value;
    } else if (strcmp(name, "--seed") == 0) {
        a->options.seed = strtoull(value, NULL, 10);
    } else if (strcmp(name, "--repeat") == 0) {
        a->options.repeat = (uint32_t)strtoul(value, NULL, 10);
    } else if (strcmp(name, "--max-failures") == 0) {
        a->options.max_failures = (uint32_t)strtoul(value, NULL, 10);
    } else if (strcmp(name, "--json") == 0) {
        a->json = value;
    } else if (strcmp(name, "--junit") == 0) {
        a->junit = value;
    } else {
        return 0;
    }
    return 1;
}

static int parse(arguments *a, int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--list") == 0) {
            a->options.list_only = 1;
        } else if (strcmp(argv[i], "--quick") == 0) {
            a->options.quick = 1;
        } else if (strcmp(argv[i], "--full") == 0) {
            a->options.full = 1;
        } else if (strcmp(argv[i], "--verbose") == 0) {
            a->options.verbose = 1;
        } else if (i + 1 < argc && take_value(a, argv[i], argv[i + 1])) {
            i++;
        } else {
            return 0;
        }
    }
    return 1;
}

static int write_file(const char *path, const kvant_conformance_report *report,
                      void (*write)(const kvant_conformance_report *reports, size_t count,
                                    FILE *file))
{
    if (path == NULL) {
        return 1;
    }
    FILE *file = fopen(path, "w");
    if (file == NULL) {
        fprintf(stderr, "cannot write %s\n", path);
        return 0;
    }
    write(report, 1u, file);
    return fclose(file) == 0;
}

int main(int argc, char **argv)
{
    arguments a = {.options = KVANT_CONFORMANCE_OPTIONS_INIT, .backend = "host"};
    a.options.log = stdout;
    a.options.program = argv[0];
    if (!parse(&a, argc, argv)) {
        fprintf(
            stderr,
            "usage: %s [--backend NAME] [--device N] [--filter GLOB|PART|=NAME] [--quick|--full]\n"
            "       [--list] [--json FILE] [--junit FILE] [--seed N] [--repeat N]\n"
            "       [--max-failures N] [--verbose]\n",
            argv[0]);
        return 2;
    }
    a.options.backend = kvant_conformance_backend(a.backend, strlen(a.backend));
    if (a.options.backend == NULL) {
        fprintf(stderr, "this build has no backend '%s'\n", a.backend);
        return 2;
    }
    kvant_conformance_report report;
    kvant_status status = kvant_conformance_run(&a.options, &report);
    int result = 3;
    if (status != KVANT_OK) {
        fprintf(stderr, "the suite did not run (status %d): %s\n", (int)status, report.error);
    } else if (a.options.list_only && report.listed == 0u) {
        fprintf(stderr, "no case matches\n");
        result = 1;
    } else if (a.options.list_only) {
        result = 0;
    } else {
        kvant_conformance_write_text(&report, stdout);
        result = report.counts[KVANT_CASE_FAILED] == 0u && report.counts[KVANT_CASE_PASSED] != 0u
                     ? 0
                     : 1;
        if (!write_file(a.json, &report, kvant_conformance_write_json) ||
            !write_file(a.junit, &report, kvant_conformance_write_junit)) {
            result = 2;
        }
    }
    kvant_conformance_release(&report);
    return result;
}
