/* SPDX-License-Identifier: MIT
 *
 * The report of a run as text, JSON (schema 1) and JUnit XML.
 */
#include <string.h>

#include "conformance.h"

static const char *const result_names[] = {"pass", "fail", "skip"};

/* The first part of a case's name: its kernel. For `oracle/` the first two parts. */
static size_t kernel_length(const char *name)
{
    size_t length = strcspn(name, "/");
    if (strncmp(name, "oracle/", 7u) == 0) {
        length += 1u + strcspn(name + length + 1u, "/");
    }
    return length;
}

/* ---- text ---------------------------------------------------------------------------------- */

typedef struct {
    size_t passed;
    size_t failed;
    size_t skipped;
    uint64_t words;
    double worst;
    const char *metric_name;
} totals;

static int is_share(const char *metric_name)
{
    return strcmp(metric_name, "overlap") == 0; /* smaller is worse */
}

static void add(totals *sum, const kvant_case_record *record)
{
    sum->passed += record->result == KVANT_CASE_PASSED;
    sum->failed += record->result == KVANT_CASE_FAILED;
    sum->skipped += record->result == KVANT_CASE_SKIPPED;
    sum->words += record->words;
    if (record->metric_name != NULL) {
        int is_first = sum->metric_name == NULL;
        int is_worse = is_share(record->metric_name) ? record->metric < sum->worst
                                                     : record->metric > sum->worst;
        if (is_first || is_worse) {
            sum->worst = record->metric;
            sum->metric_name = record->metric_name;
        }
    }
}

static void write_line(FILE *file, const char *name, size_t length, const totals *sum)
{
    fprintf(file, "%-28.*s %7zu %7zu %7zu %13llu", (int)length, name, sum->passed, sum->failed,
            sum->skipped, (unsigned long long)sum->words);
    if (sum->metric_name != NULL) {
        fprintf(file, "  %s %.4g", sum->metric_name, sum->worst);
    }
    fputc('\n', file);
}

void kvant_conformance_write_text(const kvant_conformance_report *report, FILE *file)
{
    fprintf(file, "%s:%u  %s  (%s), %u lanes\n", report->backend, report->device_index,
            report->device, report->driver, report->lanes);
    fprintf(file, "%-28s %7s %7s %7s %13s\n", "kernel", "passed", "failed", "skipped", "words");
    for (size_t i = 0; i < report->case_count;) {
        const char *name = report->cases[i].name;
        size_t length = kernel_length(name);
        totals sum = {0};
        int is_first = 1;
        for (size_t j = 0; j < report->case_count; j++) {
            const char *other = report->cases[j].name;
            if (kernel_length(other) == length && strncmp(name, other, length) == 0) {
                is_first = is_first && j >= i;
                add(&sum, &report->cases[j]);
            }
        }
        if (is_first) {
            write_line(file, name, length, &sum);
        }
        i++;
        while (i < report->case_count && kernel_length(report->cases[i].name) == length &&
               strncmp(name, report->cases[i].name, length) == 0) {
            i++;
        }
    }
    totals all = {report->passed, report->failed, report->skipped, report->words, 0.0, NULL};
    write_line(file, "all", 3u, &all);
    fprintf(file, "%.1f s\n", report->seconds);
}

/* ---- JSON ---------------------------------------------------------------------------------- */

static void write_json_text(FILE *file, const char *text)
{
    fputc('"', file);
    for (; *text != '\0'; text++) {
        unsigned char c = (unsigned char)*text;
        if (c == '"' || c == '\\') {
            fprintf(file, "\\%c", c);
        } else if (c < 0x20u) {
            fprintf(file, "\\u%04x", c);
        } else {
            fputc(c, file);
        }
    }
    fputc('"', file);
}

void kvant_conformance_write_json(const kvant_conformance_report *report, FILE *file)
{
    fprintf(file, "{\"schema\": 1,\n \"contract_hash\": \"%016llx\",\n \"backend\": ",
            (unsigned long long)report->contract_hash);
    write_json_text(file, report->backend);
    fprintf(file, ",\n \"device_index\": %u,\n \"device\": ", report->device_index);
    write_json_text(file, report->device);
    fputs(",\n \"driver\": ", file);
    write_json_text(file, report->driver);
    fprintf(file,
            ",\n \"lanes\": %u,\n \"seed\": %llu,\n \"seconds\": %.3f,\n \"words\": %llu,\n"
            " \"passed\": %zu,\n \"failed\": %zu,\n \"skipped\": %zu,\n \"cases\": [",
            report->lanes, (unsigned long long)report->seed, report->seconds,
            (unsigned long long)report->words, report->passed, report->failed, report->skipped);
    for (size_t i = 0; i < report->case_count; i++) {
        const kvant_case_record *record = &report->cases[i];
        fprintf(file, "%s\n  {\"name\": ", i != 0u ? "," : "");
        write_json_text(file, record->name);
        fprintf(file, ", \"result\": \"%s\", \"words\": %llu, \"ms\": %.3f",
                result_names[record->result], (unsigned long long)record->words,
                record->milliseconds);
        if (record->metric_name != NULL) {
            fprintf(file, ", \"metric_name\": \"%s\", \"metric\": %.9g", record->metric_name,
                    record->metric);
        }
        if (record->message != NULL) {
            fputs(", \"message\": ", file);
            write_json_text(file, record->message);
        }
        fputc('}', file);
    }
    fputs("\n ]}\n", file);
}

/* ---- JUnit --------------------------------------------------------------------------------- */

static void write_xml_text(FILE *file, const char *text)
{
    for (; *text != '\0'; text++) {
        unsigned char c = (unsigned char)*text;
        switch (c) {
        case '&':
            fputs("&amp;", file);
            break;
        case '<':
            fputs("&lt;", file);
            break;
        case '>':
            fputs("&gt;", file);
            break;
        case '"':
            fputs("&quot;", file);
            break;
        default:
            fputc(c < 0x20u ? ' ' : c, file);
        }
    }
}

void kvant_conformance_write_junit(const kvant_conformance_report *report, FILE *file)
{
    fputs("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuite name=\"kvant-conformance ", file);
    write_xml_text(file, report->backend);
    fprintf(file, ":%u\" tests=\"%zu\" failures=\"%zu\" skipped=\"%zu\" time=\"%.3f\">\n",
            report->device_index, report->case_count, report->failed, report->skipped,
            report->seconds);
    for (size_t i = 0; i < report->case_count; i++) {
        const kvant_case_record *record = &report->cases[i];
        fprintf(file, " <testcase classname=\"%.*s\" name=\"", (int)kernel_length(record->name),
                record->name);
        write_xml_text(file, record->name);
        fprintf(file, "\" time=\"%.6f\"", record->milliseconds * 1e-3);
        if (record->result == KVANT_CASE_PASSED) {
            fputs("/>\n", file);
            continue;
        }
        fprintf(file, "><%s message=\"",
                record->result == KVANT_CASE_FAILED ? "failure" : "skipped");
        write_xml_text(file, record->message != NULL ? record->message : "");
        fputs("\"/></testcase>\n", file);
    }
    fputs("</testsuite>\n", file);
}
