/* SPDX-License-Identifier: MIT
 *
 * What the parts of kvant conform share: its options, its devices, and how it ends.
 */
#ifndef KVANT_TOOLS_CONFORM_WORK_H
#define KVANT_TOOLS_CONFORM_WORK_H

#include "conform_reports.h"
#include "tool_options.h"

enum { CONFORM_MOST_DEVICES = 64 };

#define CONFORM_NO_INDEX UINT32_MAX

typedef struct {
    kvant_conformance_options suite;
    kvant_profile profile;
    conform_files files;
    const char *exclusions;
    const char *expected_failures;
    const char *shard;
    uint32_t device; /* CONFORM_NO_INDEX: not given */
    uint32_t max_failures;
    int quick;
    int full;
    int list;
    int verbose;
    int merge;
    int is_selected;                         /* one device is, by its name */
    char selects[CONFORM_MOST_DEVICES][160]; /* "backend:index" */
    size_t device_count;
} conform_work;

/* The devices to test: the one that is selected, or all. */
int conform_choose_devices(conform_work *w, const tool_globals *globals, tool_error *error);

/* The built-in lists of what a device need not pass, and those of the user. */
int conform_read_profile(conform_work *w, tool_error *error);

/* Runs the suite on the chosen devices, prints totals and writes the reports. */
int conform_run(conform_work *w, tool_error *error);

/* Prints how far devices agree, writes the files and sums up: 0 only if cases passed and none
 * failed. */
int conform_conclude(const conform_work *w, const conform_list *list, tool_error *error);

/* The same for reports that others have sent in. */
int conform_merge(const conform_work *w, char *const *paths, size_t count, tool_error *error);

/* The failure of a run for which no case was chosen. */
int conform_no_case(tool_error *error);

#endif
