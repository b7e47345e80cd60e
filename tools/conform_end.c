/* SPDX-License-Identifier: MIT
 *
 * kvant conform: how a run or a merge ends, and reports of others.
 */
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "conform_work.h"
#include "conformance_totals.h"

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

int conform_no_case(tool_error *error)
{
    return tool_error_input(error, "no case matches what was asked for: does the filter match a "
                                   "name that --list prints?");
}

int conform_conclude(const conform_work *w, const conform_list *list, tool_error *error)
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
               ? conform_no_case(error)
               : tool_error_input(error,
                                  "no case passed: %zu excluded, %zu skipped, %zu failed as "
                                  "expected",
                                  counts[KVANT_CASE_EXCLUDED], counts[KVANT_CASE_SKIPPED],
                                  counts[KVANT_CASE_EXPECTED]);
}

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

int conform_merge(const conform_work *w, char *const *paths, size_t count, tool_error *error)
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
        result = conform_conclude(w, &list, error);
    }
    conform_list_release(&list);
    return result;
}
