/* SPDX-License-Identifier: MIT
 *
 * What the cases of a report add up to, by kernel, and how far two devices agree.
 */
#include "conformance_totals.h"

#include <string.h>

size_t kvant_kernel_name_length(const char *name)
{
    size_t length = strcspn(name, "/");
    if (strncmp(name, "oracle/", 7u) == 0 || strncmp(name, "golden/", 7u) == 0) {
        length += 1u + strcspn(name + length + 1u, "/");
    }
    return length;
}

static int is_of_kernel(const char *name, const kvant_kernel_totals *kernel)
{
    return kvant_kernel_name_length(name) == kernel->length &&
           memcmp(name, kernel->name, kernel->length) == 0;
}

size_t kvant_list_kernels(const kvant_conformance_report *report, kvant_kernel_totals *kernels,
                          size_t count)
{
    for (size_t i = 0; i < report->case_count; i++) {
        const kvant_case_record *record = &report->cases[i];
        size_t known = count; /* the last ones first: neighbours are of one kernel */
        while (known != 0u && !is_of_kernel(record->name, &kernels[known - 1u])) {
            known--;
        }
        if (known == 0u && count < KVANT_MOST_KERNELS) {
            kernels[count++] = (kvant_kernel_totals){
                .name = record->name, .length = kvant_kernel_name_length(record->name)};
        }
    }
    return count;
}

static void take_worst(kvant_measure *worst, const kvant_measure *measure)
{
    if (measure->name[0] != '\0' && kvant_measure_is_worse(measure, worst)) {
        *worst = *measure;
    }
}

const kvant_case_record *kvant_next_case(const kvant_conformance_report *report,
                                         const kvant_kernel_totals *kernel, size_t *at)
{
    while (*at < report->case_count) {
        const kvant_case_record *record = &report->cases[(*at)++];
        if (is_of_kernel(record->name, kernel)) {
            return record;
        }
    }
    return NULL;
}

void kvant_sum_kernel(const kvant_conformance_report *report, kvant_kernel_totals *kernel)
{
    const kvant_case_record *record;
    for (size_t at = 0; (record = kvant_next_case(report, kernel, &at)) != NULL;) {
        kernel->counts[record->result]++;
        kernel->cases++;
        kernel->words += record->words;
        take_worst(&kernel->worst, &record->measure);
    }
}

/* ---- agreement ----------------------------------------------------------------------------- */

static int has_run(const kvant_case_record *record)
{
    return record->result == KVANT_CASE_PASSED || record->result == KVANT_CASE_FAILED ||
           record->result == KVANT_CASE_EXPECTED;
}

/* The record of that name, searched from `start` on, where it mostly is. */
static const kvant_case_record *find_case(const kvant_conformance_report *report, const char *name,
                                          size_t *start)
{
    for (size_t i = 0; i < report->case_count; i++) {
        size_t at = (*start + i) % report->case_count;
        if (strcmp(report->cases[at].name, name) == 0) {
            *start = at + 1u;
            return &report->cases[at];
        }
    }
    return NULL;
}

static void compare_cases(const kvant_case_record *a, const kvant_case_record *b,
                          kvant_agreement *group)
{
    group->compared++;
    if (a->measure.kind != KVANT_UNBOUNDED) {
        take_worst(&group->worst, &a->measure);
    }
    if (b->measure.kind != KVANT_UNBOUNDED) {
        take_worst(&group->worst, &b->measure);
    }
    if (a->digest != b->digest) {
        group->differing++;
        group->words += (uint64_t)a->mismatch.differing + b->mismatch.differing;
        group->first = group->first == NULL ? a->name : group->first;
    }
}

const char *kvant_agree(const kvant_conformance_report *a, const kvant_conformance_report *b,
                        kvant_agreement out_groups[KVANT_CASE_GROUP_COUNT])
{
    memset(out_groups, 0, KVANT_CASE_GROUP_COUNT * sizeof *out_groups);
    if (strcmp(a->contract_hash, b->contract_hash) != 0) {
        return "their contracts differ";
    }
    if (a->seed != b->seed) {
        return "their seeds differ";
    }
    size_t at = 0;
    for (size_t i = 0; i < a->case_count; i++) {
        const kvant_case_record *mine = &a->cases[i];
        const kvant_case_record *other = find_case(b, mine->name, &at);
        if (other != NULL && has_run(mine) && has_run(other) &&
            mine->repetitions == other->repetitions) {
            compare_cases(mine, other, &out_groups[kvant_case_group_of(mine->name)]);
        }
    }
    return NULL;
}
