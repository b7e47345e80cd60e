/* SPDX-License-Identifier: MIT
 *
 * Reports and their records: adding, releasing, names, and the command that repeats a case.
 */
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "conformance.h"
#include "conformance_variants.h"

const char *kvant_case_result_name(kvant_case_result result)
{
    static const char *const names[KVANT_CASE_RESULT_COUNT] = {
        [KVANT_CASE_PASSED] = "pass",
        [KVANT_CASE_FAILED] = "fail",
        [KVANT_CASE_SKIPPED] = "skip",
        [KVANT_CASE_EXCLUDED] = "excluded",
        [KVANT_CASE_EXPECTED] = "expected-failure",
    };
    return names[result];
}

/* Room for one more element where `count` is a power of two that is filled: doubles. */
static int reserve(void **elements, size_t count, size_t size)
{
    if ((count & (count - 1u)) != 0u) {
        return 1;
    }
    void *moved = realloc(*elements, (count != 0u ? count * 2u : 1u) * size);
    if (moved != NULL) {
        *elements = moved;
    }
    return moved != NULL;
}

int kvant_conformance_add(kvant_conformance_report *report, const kvant_case_record *record)
{
    void *cases = report->cases;
    int has_room = reserve(&cases, report->case_count, sizeof *record);
    report->cases = cases;
    if (!has_room) {
        return 0;
    }
    report->cases[report->case_count++] = *record;
    report->counts[record->result]++;
    report->words += record->words;
    return 1;
}

int kvant_conformance_warn(kvant_conformance_report *report, const char *format, ...)
{
    char text[1024];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    void *warnings = report->warnings;
    int has_room = reserve(&warnings, report->warning_count, sizeof *report->warnings);
    report->warnings = warnings;
    char *copy = has_room ? malloc(strlen(text) + 1u) : NULL;
    if (copy == NULL) {
        return 0;
    }
    strcpy(copy, text);
    report->warnings[report->warning_count++] = copy;
    return 1;
}

void kvant_case_record_release(kvant_case_record *record)
{
    free(record->name);
    free(record->rule);
    free(record->reason);
    free(record->message);
    memset(record, 0, sizeof *record);
}

void kvant_conformance_release(kvant_conformance_report *report)
{
    for (size_t i = 0; i < report->case_count; i++) {
        kvant_case_record_release(&report->cases[i]);
    }
    for (size_t i = 0; i < report->warning_count; i++) {
        free(report->warnings[i]);
    }
    free(report->cases);
    free(report->warnings);
    report->cases = NULL;
    report->warnings = NULL;
    report->case_count = 0;
    report->warning_count = 0;
}

void kvant_conformance_command(const kvant_conformance_report *report,
                               const kvant_case_record *record, char *command, size_t size)
{
    const char *variant = kvant_case_variant(record->name);
    snprintf(command, size,
             "%s%s%s%s --backend %s --device %u%s --repeat 1 --seed %llu --filter '=%s'",
             variant != NULL ? "KVANT_VARIANT=" : "", variant != NULL ? variant : "",
             variant != NULL ? " " : "", report->program, report->backend, report->device_index,
             record->is_full ? " --full" : "", (unsigned long long)record->seed, record->name);
}
