/* SPDX-License-Identifier: MIT
 *
 * The conformance page: one file without scripts that loads nothing. Here its frame and the cases
 * that did not simply pass; the tables are in conformance_html_tables.c.
 */
#include "conformance_html.h"

#include <inttypes.h>
#include <string.h>

#include "conformance_escape.h"
#include "embedded.h"

extern const kvant_embedded kvant_conformance_files[];

void kvant_html_count(FILE *file, uint64_t count)
{
    if (count >= 1000u) {
        kvant_html_count(file, count / 1000u);
        fprintf(file, ",%03u", (unsigned)(count % 1000u));
    } else {
        fprintf(file, "%u", (unsigned)count);
    }
}

void kvant_html_measure(FILE *file, const kvant_measure *measure)
{
    kvant_write_xml_text(file, measure->name);
    fprintf(file, " %.3g", measure->value);
    if (measure->kind != KVANT_UNBOUNDED) {
        fprintf(file, " %s %.3g", measure->kind == KVANT_AT_MOST ? "≤" : "≥", measure->bound);
    }
}

void kvant_html_select(FILE *file, const kvant_conformance_report *report)
{
    kvant_write_xml_text(file, report->backend);
    fprintf(file, ":%u", report->device_index);
}

static void write_paragraph(FILE *file, const char *class_name, const char *text)
{
    fprintf(file, "<p class=\"%s\">", class_name);
    kvant_write_xml_text(file, text);
    fputs("</p>\n", file);
}

/* ---- cases that did not pass --------------------------------------------------------------- */

static void write_mismatch(FILE *file, const kvant_mismatch *mismatch)
{
    fputs("<div class=\"words\"><div><span>buffer</span> ", file);
    kvant_write_xml_text(file, mismatch->buffer);
    fprintf(file,
            "</div><div><span>word</span> %" PRIu32
            "</div><div><span>expected</span> <code>0x%08" PRIx32
            "</code></div><div><span>got</span> <code>0x%08" PRIx32
            "</code></div><div><span>differing</span> ",
            mismatch->word, mismatch->expected, mismatch->got);
    kvant_html_count(file, mismatch->differing);
    fputs(" of ", file);
    kvant_html_count(file, mismatch->compared);
    fputs(" words</div></div>\n", file);
}

static void write_case(const kvant_conformance_report *report, const kvant_case_record *record,
                       FILE *file)
{
    int has_failed = record->result == KVANT_CASE_FAILED || record->result == KVANT_CASE_EXPECTED;
    fprintf(file, "<article%s><h3>", record->result == KVANT_CASE_FAILED ? "" : " class=\"note\"");
    kvant_write_xml_text(file, record->name);
    fputs("</h3>\n<p class=\"where\">", file);
    kvant_html_select(file, report);
    fputs(" · ", file);
    kvant_write_xml_text(file, report->device);
    fprintf(file, " · %s</p>\n", kvant_case_result_name(record->result));
    write_paragraph(file, "message", record->message != NULL ? record->message : "");
    if (record->mismatch.differing != 0u) {
        write_mismatch(file, &record->mismatch);
    }
    fputs("<p class=\"rule\">Rule: ", file);
    kvant_write_xml_text(file, record->rule);
    fputs("; because ", file);
    kvant_write_xml_text(file, record->reason);
    if (record->measure.name[0] != '\0') {
        fputs(" · measured ", file);
        kvant_html_measure(file, &record->measure);
    }
    fputs("</p>\n", file);
    if (has_failed) {
        char command[640];
        kvant_conformance_command(report, record, command, sizeof command);
        fputs("<pre><code>", file);
        kvant_write_xml_text(file, command);
        fputs("</code></pre>\n", file);
    }
    fputs("</article>\n", file);
}

/* Cases whose result is one of the two. */
static size_t write_cases(const kvant_conformance_report *reports, size_t count,
                          kvant_case_result first, kvant_case_result last, FILE *file)
{
    size_t written = 0;
    for (size_t i = 0; i < count; i++) {
        int has_anchor = 0;
        for (size_t j = 0; j < reports[i].case_count; j++) {
            const kvant_case_record *record = &reports[i].cases[j];
            if (record->result < first || record->result > last) {
                continue;
            }
            if (!has_anchor && first == KVANT_CASE_FAILED) {
                fprintf(file, "<div id=\"failures-%zu\"></div>\n", i);
            }
            has_anchor = 1;
            write_case(&reports[i], record, file);
            written++;
        }
    }
    return written;
}

static void write_failures(const kvant_conformance_report *reports, size_t count, FILE *file)
{
    fputs("<section id=\"failures\"><h2>Failures</h2>\n", file);
    fputs("<p class=\"lead\">The first word that differs, the rule, and the command that repeats "
          "the case with the same inputs.</p>\n",
          file);
    if (write_cases(reports, count, KVANT_CASE_FAILED, KVANT_CASE_FAILED, file) == 0u) {
        fputs("<p class=\"good\">No case failed.</p>\n", file);
    }
    fputs("</section>\n<section id=\"left-out\"><h2>Skipped, excluded, expected to fail</h2>\n",
          file);
    fputs("<p class=\"lead\">What a device need not pass, and why.</p>\n", file);
    size_t written = write_cases(reports, count, KVANT_CASE_SKIPPED, KVANT_CASE_EXPECTED, file);
    for (size_t i = 0; i < count; i++) {
        for (size_t j = 0; j < reports[i].warning_count; j++) {
            fputs("<p class=\"warning\">", file);
            kvant_html_select(file, &reports[i]);
            fputs(": ", file);
            kvant_write_xml_text(file, reports[i].warnings[j]);
            fputs("</p>\n", file);
            written++;
        }
    }
    fputs(written == 0u ? "<p>None.</p>\n</section>\n" : "</section>\n", file);
}

/* ---- the frame ----------------------------------------------------------------------------- */

static void write_head(const kvant_conformance_report *reports, size_t count, FILE *file)
{
    const kvant_embedded *style =
        kvant_embedded_find(kvant_conformance_files, "conformance_page.css");
    fputs("<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
          "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
          "<title>kvant conformance</title>\n<style>\n",
          file);
    if (style != NULL) {
        fwrite(style->bytes, 1, style->size, file);
    }
    fputs("</style>\n</head>\n<body>\n<header><h1>kvant conformance</h1>\n"
          "<nav><a href=\"#devices\">Devices</a><a href=\"#passes\">Passes</a>"
          "<a href=\"#agreement\">Agreement</a><a href=\"#failures\">Failures</a>"
          "<a href=\"#left-out\">Left out</a></nav>\n",
          file);
    uint64_t passed = 0;
    uint64_t failed = 0;
    for (size_t i = 0; i < count; i++) {
        passed += reports[i].counts[KVANT_CASE_PASSED];
        failed += reports[i].counts[KVANT_CASE_FAILED];
    }
    fprintf(file, "<p class=\"verdict %s\">%zu device%s · ",
            failed == 0u && passed != 0u ? "good" : "bad", count, count == 1u ? "" : "s");
    kvant_html_count(file, passed);
    fputs(" passed · ", file);
    kvant_html_count(file, failed);
    fputs(" failed</p>\n</header>\n<main>\n", file);
}

void kvant_conformance_write_html(const kvant_conformance_report *reports, size_t count, FILE *file)
{
    write_head(reports, count, file);
    kvant_html_devices(reports, count, file);
    kvant_html_matrix(reports, count, file);
    kvant_html_agreement(reports, count, file);
    write_failures(reports, count, file);
    fputs("</main>\n<footer>The digest of a case covers every word that was read back from the "
          "device; equal digests are taken for equal words. A device marked simulated is no GPU."
          "</footer>\n</body>\n</html>\n",
          file);
}
