/* SPDX-License-Identifier: MIT
 *
 * Writes the reports of the conformance suite to files, and keeps lists of them.
 */
#include "conform_reports.h"

#include <stdlib.h>
#include <string.h>

typedef void (*report_writer)(const kvant_conformance_report *reports, size_t count, FILE *file);

static int write_file(const char *path, report_writer write,
                      const kvant_conformance_report *reports, size_t count, tool_error *error)
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

int conform_files_write(const conform_files *files, const kvant_conformance_report *reports,
                        size_t count, tool_error *error)
{
    if (write_file(files->json, kvant_conformance_write_json, reports, count, error) != 0 ||
        write_file(files->junit, kvant_conformance_write_junit, reports, count, error) != 0) {
        return -1;
    }
    return write_file(files->html, kvant_conformance_write_html, reports, count, error);
}

kvant_conformance_report *conform_list_add(conform_list *list)
{
    kvant_conformance_report *moved =
        realloc(list->reports, (list->count + 1u) * sizeof *list->reports);
    if (moved == NULL) {
        return NULL;
    }
    list->reports = moved;
    memset(&moved[list->count], 0, sizeof *moved);
    return &moved[list->count++];
}

void conform_list_release(conform_list *list)
{
    for (size_t i = 0; i < list->count; i++) {
        kvant_conformance_release(&list->reports[i]);
    }
    free(list->reports);
    *list = (conform_list){NULL, 0};
}
