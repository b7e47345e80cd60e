/* SPDX-License-Identifier: MIT
 *
 * Collects the times of decode steps.
 */
#include "step_times.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int step_times_resume(step_times *t, kvant_context *context, int with_stamps, tool_error *error)
{
    t->context = context;
    t->with_stamps = with_stamps;
    t->start = (kvant_context_stats)KVANT_CONTEXT_STATS_INIT;
    kvant_status status = kvant_context_get_stats(context, &t->start);
    if (status == KVANT_OK && with_stamps) {
        status = kvant_context_timing(context, 1);
    }
    return status == KVANT_OK ? 0 : tool_error_library(error, status, "the steps cannot be timed");
}

int step_times_pause(step_times *t, tool_error *error)
{
    kvant_context_stats end = KVANT_CONTEXT_STATS_INIT;
    kvant_status status = kvant_context_get_stats(t->context, &end);
    if (status == KVANT_OK && t->with_stamps) {
        kvant_work_times times = KVANT_WORK_TIMES_INIT;
        status = kvant_context_work_times(t->context, &times);
        for (int kind = 0; kind < KVANT_WORK_KINDS; kind++) {
            t->work_us[kind] += times.microseconds[kind];
        }
        if (status == KVANT_OK) {
            status = kvant_context_timing(t->context, 0);
        }
    }
    t->counters.launches += end.launches - t->start.launches;
    t->counters.commands += end.commands - t->start.commands;
    t->counters.submissions += end.submissions - t->start.submissions;
    t->counters.synchronizations += end.synchronizations - t->start.synchronizations;
    return status == KVANT_OK ? 0 : tool_error_library(error, status, "the steps were not timed");
}

int step_times_add(step_times *t, double us, tool_error *error)
{
    if (t->count == t->capacity) {
        size_t capacity = t->capacity != 0u ? 2u * t->capacity : 64u;
        double *grown = realloc(t->us, capacity * sizeof *grown);
        if (grown == NULL) {
            return tool_error_memory(error);
        }
        t->us = grown;
        t->capacity = capacity;
    }
    t->us[t->count++] = us;
    return 0;
}

step_summary step_times_summary(const step_times *t)
{
    step_summary s;
    memset(&s, 0, sizeof s);
    double steps = t->count != 0u ? (double)t->count : 1.0;
    double device = 0.0;
    s.us = sample_stats_of(t->us, t->count);
    for (int kind = 0; kind < KVANT_WORK_KINDS; kind++) {
        s.work_us[kind] = t->work_us[kind] / steps;
        device += s.work_us[kind];
    }
    s.split_us = s.us.mean;
    s.rest_us = s.us.mean - device;
    s.launches = (double)t->counters.launches / steps;
    s.commands = (double)t->counters.commands / steps;
    s.submissions = (double)t->counters.submissions / steps;
    s.waits = (double)t->counters.synchronizations / steps;
    return s;
}

void step_times_release(step_times *t)
{
    free(t->us);
    memset(t, 0, sizeof *t);
}

const char *work_name(kvant_work kind)
{
    static const char *const names[KVANT_WORK_KINDS] = {
        [KVANT_WORK_APPEND] = "append",       [KVANT_WORK_SALIENCY] = "saliency",
        [KVANT_WORK_SELECT] = "select",       [KVANT_WORK_QUANTIZE] = "quantize",
        [KVANT_WORK_ATTENTION] = "attention", [KVANT_WORK_MERGE] = "merge",
        [KVANT_WORK_OTHER] = "other",
    };
    return names[kind];
}

void step_summary_values(const step_summary *s, named_number out[STEP_SUMMARY_VALUES])
{
    const named_number first[] = {
        {"steps", (double)s->us.count}, {"median_us", s->us.median}, {"p10_us", s->us.p10},
        {"p90_us", s->us.p90},          {"worst_us", s->us.most},    {"mean_us", s->us.mean},
    };
    const named_number last[] = {
        {"submit_wait_us", s->rest_us}, {"split_us", s->split_us},       {"launches", s->launches},
        {"commands", s->commands},      {"submissions", s->submissions}, {"waits", s->waits},
    };
    enum { FIRST = sizeof first / sizeof first[0], LAST = sizeof last / sizeof last[0] };
    _Static_assert(FIRST + KVANT_WORK_KINDS + LAST == STEP_SUMMARY_VALUES, "every value has room");
    memcpy(out, first, sizeof first);
    for (int kind = 0; kind < KVANT_WORK_KINDS; kind++) {
        named_number *to = &out[FIRST + kind];
        snprintf(to->name, sizeof to->name, "%s_us", work_name((kvant_work)kind));
        to->value = s->work_us[kind];
    }
    memcpy(out + FIRST + KVANT_WORK_KINDS, last, sizeof last);
}

void step_summary_headers(text_table *table)
{
    static const char *const last[] = {"submit+wait", "launches", "submits", "median us",
                                       "p90",         "worst",    "x median"};
    enum { LAST = sizeof last / sizeof last[0] };
    _Static_assert(1 + KVANT_WORK_KINDS + LAST == STEP_TABLE_CELLS, "every cell has a header");
    text_table_cell(table, "mean us");
    for (int kind = 0; kind < KVANT_WORK_KINDS; kind++) {
        text_table_cell(table, "%s", work_name((kvant_work)kind));
    }
    for (int i = 0; i < LAST; i++) {
        text_table_cell(table, "%s", last[i]);
    }
}

void step_summary_cells(text_table *table, const step_summary *s)
{
    text_table_cell(table, "%.1f", s->split_us);
    for (int kind = 0; kind < KVANT_WORK_KINDS; kind++) {
        text_table_cell(table, "%.1f", s->work_us[kind]);
    }
    text_table_cell(table, "%.1f", s->rest_us);
    text_table_cell(table, "%.1f", s->launches);
    text_table_cell(table, "%.1f", s->submissions);
    text_table_cell(table, "%.1f", s->us.median);
    text_table_cell(table, "%.1f", s->us.p90);
    text_table_cell(table, "%.1f", s->us.most);
    text_table_cell(table, "%.2f", s->us.median > 0.0 ? s->us.most / s->us.median : 0.0);
}
