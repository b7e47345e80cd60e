/* SPDX-License-Identifier: MIT
 *
 * Writes the reports of the conformance suite to files, and keeps lists of them.
 */
#define _POSIX_C_SOURCE 200809L
#include "conform_reports.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

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

/* A file that was not there is not left behind; what is no plain file may not bear being opened
 * twice. */
static int check_file(const char *path, tool_error *error)
{
    struct stat found;
    int is_there = path != NULL && stat(path, &found) == 0;
    if (path == NULL || (is_there && !S_ISREG(found.st_mode) && !S_ISDIR(found.st_mode))) {
        return 0;
    }
    FILE *file = fopen(path, "a");
    if (file == NULL) {
        return tool_error_input(error, "%.200s cannot be written", path);
    }
    fclose(file);
    if (!is_there) {
        remove(path);
    }
    return 0;
}

int conform_files_check(const conform_files *files, tool_error *error)
{
    return check_file(files->json, error) != 0 || check_file(files->junit, error) != 0 ||
                   check_file(files->html, error) != 0
               ? -1
               : 0;
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
