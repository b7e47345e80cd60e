/* SPDX-License-Identifier: MIT
 *
 * The report of a run as JUnit XML, a suite a device. Excluded cases and failures that are expected count as
 * skipped there.
 */
#include "conformance_escape.h"
#include "conformance_totals.h"

static void write_property(FILE *file, const char *name, const char *value)
{
    fprintf(file, "<property name=\"%s\" value=\"", name);
    kvant_write_xml_text(file, value);
    fputs("\"/>", file);
}

static void write_properties(const kvant_case_record *record, FILE *file)
{
    char text[80];
    fputs("<properties>", file);
    write_property(file, "rule", record->rule);
    write_property(file, "reason", record->reason);
    if (record->measure.name[0] != '\0') {
        snprintf(text, sizeof text, "%s %.6g", record->measure.name, record->measure.value);
        write_property(file, "measured", text);
    }
    if (record->measure.name[0] != '\0' && record->measure.kind != KVANT_UNBOUNDED) {
        snprintf(text, sizeof text, "%s %.6g",
                 record->measure.kind == KVANT_AT_MOST ? "at most" : "at least",
                 record->measure.bound);
        write_property(file, "bound", text);
    }
    if (record->repetitions > 1u) {
        snprintf(text, sizeof text, "%u, of which %u failed", record->repetitions,
                 record->failed_repetitions);
        write_property(file, "repetitions", text);
    }
    fputs("</properties>", file);
}

static void write_outcome(const kvant_conformance_report *report, const kvant_case_record *record,
                          FILE *file)
{
    int is_failure = record->result == KVANT_CASE_FAILED;
    fprintf(file, "<%s message=\"", is_failure ? "failure" : "skipped");
    kvant_write_xml_text(file, record->message != NULL ? record->message : "");
    fputs("\"/>", file);
    if (is_failure || record->result == KVANT_CASE_EXPECTED) {
        char command[640];
        kvant_conformance_command(report, record, command, sizeof command);
        fputs("<system-out>repeat: ", file);
        kvant_write_xml_text(file, command);
        fputs("</system-out>", file);
    }
}

static void write_suite(const kvant_conformance_report *report, FILE *file)
{
    const size_t *counts = report->counts;
    fputs("<testsuite name=\"kvant-conformance ", file);
    kvant_write_xml_text(file, report->backend);
    fprintf(file, ":%u\" tests=\"%zu\" failures=\"%zu\" skipped=\"%zu\" time=\"%.3f\">\n",
            report->device_index, report->case_count, counts[KVANT_CASE_FAILED],
            counts[KVANT_CASE_SKIPPED] + counts[KVANT_CASE_EXCLUDED] + counts[KVANT_CASE_EXPECTED],
            report->seconds);
    for (size_t i = 0; i < report->case_count; i++) {
        const kvant_case_record *record = &report->cases[i];
        char kernel[64];
        snprintf(kernel, sizeof kernel, "%.*s", (int)kvant_kernel_name_length(record->name),
                 record->name);
        fputs(" <testcase classname=\"", file);
        kvant_write_xml_text(file, kernel);
        fputs("\" name=\"", file);
        kvant_write_xml_text(file, record->name);
        fprintf(file, "\" time=\"%.6f\">", record->milliseconds * 1e-3);
        write_properties(record, file);
        if (record->result != KVANT_CASE_PASSED) {
            write_outcome(report, record, file);
        }
        fputs("</testcase>\n", file);
    }
    fputs("</testsuite>\n", file);
}

void kvant_conformance_write_junit(const kvant_conformance_report *reports, size_t count,
                                   FILE *file)
{
    fputs("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites>\n", file);
    for (size_t i = 0; i < count; i++) {
        write_suite(&reports[i], file);
    }
    fputs("</testsuites>\n", file);
}
