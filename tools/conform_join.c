/* SPDX-License-Identifier: MIT
 *
 * Joins reports of the same device that are shards of one list of cases, so that they become one
 * column of the page.
 */
#include <stdlib.h>
#include <string.h>

#include "conform_reports.h"

/* Shards of one list, run with the same version on the same device. */
static int is_same_run(const kvant_conformance_report *a, const kvant_conformance_report *b)
{
    return a->shards != 0u && a->shards == b->shards && a->device_index == b->device_index &&
           a->seed == b->seed && a->repeat == b->repeat && strcmp(a->backend, b->backend) == 0 &&
           strcmp(a->device, b->device) == 0 && strcmp(a->driver, b->driver) == 0 &&
           strcmp(a->uuid, b->uuid) == 0 && strcmp(a->variants, b->variants) == 0 &&
           strcmp(a->version, b->version) == 0 && strcmp(a->contract_hash, b->contract_hash) == 0 &&
           strcmp(a->tier, b->tier) == 0 && strcmp(a->filter, b->filter) == 0;
}

static int have_common_case(const kvant_conformance_report *a, const kvant_conformance_report *b)
{
    for (size_t i = 0; i < a->case_count; i++) {
        for (size_t j = 0; j < b->case_count; j++) {
            if (strcmp(a->cases[i].name, b->cases[j].name) == 0) {
                return 1;
            }
        }
    }
    return 0;
}

static int has_warning(const kvant_conformance_report *report, const char *text)
{
    for (size_t i = 0; i < report->warning_count; i++) {
        if (strcmp(report->warnings[i], text) == 0) {
            return 1;
        }
    }
    return 0;
}

/* Moves the cases of `from` to the end of `into`. */
static int take_cases(kvant_conformance_report *into, kvant_conformance_report *from)
{
    for (size_t i = 0; i < from->warning_count; i++) {
        if (!has_warning(into, from->warnings[i]) &&
            !kvant_conformance_warn(into, "%s", from->warnings[i])) {
            return 0;
        }
    }
    for (size_t i = 0; i < from->case_count; i++) {
        if (!kvant_conformance_add(into, &from->cases[i])) {
            return 0;
        }
        from->cases[i] = (kvant_case_record){0};
    }
    into->seconds += from->seconds;
    if (strcmp(from->started, into->started) < 0) {
        memcpy(into->started, from->started, sizeof into->started);
    }
    return 1;
}

static void drop(conform_list *list, size_t index)
{
    kvant_conformance_release(&list->reports[index]);
    list->count--;
    memmove(&list->reports[index], &list->reports[index + 1u],
            (list->count - index) * sizeof *list->reports);
}

/* Adds to the report at `index` all later ones that are other shards of its run. */
static int join_into(conform_list *list, size_t index, tool_error *error)
{
    kvant_conformance_report *into = &list->reports[index];
    uint32_t joined = into->shard != 0u ? 1u : 0u; /* whole shards; 0: some, of an earlier join */
    int is_joined = 0;
    for (size_t i = index + 1u; i < list->count;) {
        kvant_conformance_report *from = &list->reports[i];
        if (!is_same_run(into, from) || (into->shard != 0u && into->shard == from->shard) ||
            have_common_case(into, from)) {
            i++;
            continue;
        }
        joined = joined != 0u && from->shard != 0u ? joined + 1u : 0u;
        if (!take_cases(into, from)) {
            return tool_error_memory(error);
        }
        is_joined = 1;
        drop(list, i);
    }
    if (is_joined) {
        into->shard = 0;
        into->shards = joined == into->shards ? 0u : into->shards;
    }
    return 0;
}

int conform_list_join(conform_list *list, tool_error *error)
{
    for (size_t i = 0; i < list->count; i++) {
        if (join_into(list, i, error) != 0) {
            return -1;
        }
    }
    return 0;
}
