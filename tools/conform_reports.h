/* SPDX-License-Identifier: MIT
 *
 * Reports of the conformance suite in files: written in several formats, read back from JSON.
 */
#ifndef KVANT_TOOLS_CONFORM_REPORTS_H
#define KVANT_TOOLS_CONFORM_REPORTS_H

#include "conformance.h"
#include "tool_error.h"

/* Files that were asked for; NULL: not that one. */
typedef struct {
    const char *json;
    const char *junit;
    const char *html;
} conform_files;

/* Refuses what cannot be opened for writing, before a run that takes long; changes no file. */
int conform_files_check(const conform_files *files, tool_error *error);

int conform_files_write(const conform_files *files, const kvant_conformance_report *reports,
                        size_t count, tool_error *error);

/* A growing list of reports. */
typedef struct {
    kvant_conformance_report *reports;
    size_t count;
} conform_list;

/* Adds the reports of a JSON file. On failure the sentence names the file and what is wrong; the
 * list may have grown, and is released as always. */
int conform_list_read(conform_list *list, const char *path, tool_error *error);

/* Joins reports that are shards of one run: same device, driver, version, seed, tier, filter and
 * number of shards, and no case in common. */
int conform_list_join(conform_list *list, tool_error *error);

/* The next report, zeroed; NULL without memory. */
kvant_conformance_report *conform_list_add(conform_list *list);
void conform_list_release(conform_list *list);

#endif
