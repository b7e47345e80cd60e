/* SPDX-License-Identifier: MIT
 *
 * The time that decode steps spend in the library, and what it goes to: for `kvant run` and
 * `kvant bench step`.
 */
#ifndef KVANT_TOOLS_STEP_TIMES_H
#define KVANT_TOOLS_STEP_TIMES_H

#include "kvant/context.h"
#include "sample_stats.h"
#include "text_table.h"
#include "tool_error.h"

typedef struct {
    double *us; /* of each step */
    size_t count;
    size_t capacity;
    double work_us[KVANT_WORK_KINDS]; /* of all steps, on the device; zeros without stamps */
    kvant_context_stats counters;     /* of all steps */
    /* while running */
    kvant_context *context;
    kvant_context_stats start;
    int with_stamps;
} step_times;

/* Means of one step. */
typedef struct {
    sample_stats us;
    double split_us; /* the mean that the parts below add up to: of the steps with time stamps */
    double work_us[KVANT_WORK_KINDS];
    double rest_us; /* that the device did nothing of it: submission, transfers, waiting */
    double launches;
    double commands;
    double submissions;
    double waits;
} step_summary;

/* Counting starts, and stops; the steps between the two belong to `t`. */
int step_times_resume(step_times *t, kvant_context *context, int with_stamps, tool_error *error);
int step_times_pause(step_times *t, tool_error *error);
/* One step took so long. */
int step_times_add(step_times *t, double us, tool_error *error);
/* Sorts the steps. */
step_summary step_times_summary(const step_times *t);
void step_times_release(step_times *t);

/* "append", "saliency" ... */
const char *work_name(kvant_work kind);
/* The summary as named numbers, for JSON and CSV. */
enum { STEP_SUMMARY_VALUES = 19 };
typedef struct {
    char name[24];
    double value;
} named_number;
void step_summary_values(const step_summary *summary, named_number out[STEP_SUMMARY_VALUES]);

/* The summary as cells of a table: the mean and its parts, which add up to it; then single steps. */
enum { STEP_TABLE_CELLS = 15 };
void step_summary_headers(text_table *table);
void step_summary_cells(text_table *table, const step_summary *summary);

#endif
