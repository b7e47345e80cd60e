/* SPDX-License-Identifier: MIT
 *
 * The tables of the conformance page: devices, kernels by devices, agreement of pairs.
 */
#include <inttypes.h>
#include <string.h>

#include "conformance_escape.h"
#include "conformance_html.h"
#include "conformance_totals.h"

/* ---- devices ------------------------------------------------------------------------------- */

static void write_row(FILE *file, const char *term, const char *text)
{
    fprintf(file, "<dt>%s</dt><dd>", term);
    kvant_write_xml_text(file, text);
    fputs("</dd>\n", file);
}

static void write_bytes(FILE *file, const char *term, uint64_t bytes)
{
    char text[40] = "unknown";
    if (bytes >= UINT64_C(1) << 30) {
        snprintf(text, sizeof text, "%.1f GiB", (double)bytes * 0x1p-30);
    } else if (bytes >= UINT64_C(1) << 20) {
        snprintf(text, sizeof text, "%.1f MiB", (double)bytes * 0x1p-20);
    } else if (bytes != 0u) {
        snprintf(text, sizeof text, "%.1f KiB", (double)bytes * 0x1p-10);
    }
    write_row(file, term, text);
}

static void write_number(FILE *file, const char *term, uint64_t number)
{
    fprintf(file, "<dt>%s</dt><dd>", term);
    kvant_html_count(file, number);
    fputs("</dd>\n", file);
}

/* 0: the driver does not say. */
static void write_known_number(FILE *file, const char *term, uint64_t number)
{
    if (number != 0u) {
        write_number(file, term, number);
    } else {
        write_row(file, term, "unknown");
    }
}

static void write_limits(FILE *file, const kvant_backend_limits *limits)
{
    write_number(file, "lanes of a work-group", limits->lanes);
    write_known_number(file, "largest work-group", limits->max_lanes);
    write_known_number(file, "lanes of a subgroup", limits->subgroup_lanes);
    write_bytes(file, "shared memory of a work-group", limits->shared_bytes);
    write_number(file, "parallel work-groups", limits->parallel_groups);
    write_number(file, "most work-groups", limits->max_groups);
    write_bytes(file, "largest buffer", limits->max_buffer_bytes);
    write_bytes(file, "range of a binding", limits->max_binding_bytes);
    write_bytes(file, "memory", limits->total_memory_bytes);
}

/* "default, seed 0, shard 2/5, 4 times, encode/?*" */
static void write_run(FILE *file, const kvant_conformance_report *report)
{
    fputs("<dt>run</dt><dd>", file);
    kvant_write_xml_text(file, report->tier);
    fprintf(file, ", seed %" PRIu64, report->seed);
    if (report->shards != 0u && report->shard == 0u) {
        fprintf(file, ", not all of %" PRIu32 " shards", report->shards);
    } else if (report->shards != 0u) {
        fprintf(file, ", shard %" PRIu32 "/%" PRIu32, report->shard, report->shards);
    }
    if (report->repeat != 0u) {
        fprintf(file, ", %" PRIu32 " times", report->repeat);
    }
    if (report->filter[0] != '\0') {
        fputs(", ", file);
        kvant_write_xml_text(file, report->filter);
    }
    fputs("</dd>\n", file);
}

static void write_card(const kvant_conformance_report *report, FILE *file)
{
    int is_good =
        report->counts[KVANT_CASE_FAILED] == 0u && report->counts[KVANT_CASE_PASSED] != 0u;
    fputs("<div class=\"card\"><div class=\"head\"><h3>", file);
    kvant_html_select(file, report);
    fprintf(file, "</h3><span class=\"pill %s\">", is_good ? "good" : "bad");
    kvant_html_count(file, report->counts[is_good ? KVANT_CASE_PASSED : KVANT_CASE_FAILED]);
    fprintf(file, "%s</span></div>\n<p class=\"name\">", is_good ? " passed" : " failed");
    kvant_write_xml_text(file, report->device);
    fputs("</p>\n<dl>\n", file);
    write_row(file, "driver", report->driver);
    write_row(file, "kind", report->kind);
    write_row(file, "tuned kernels", report->variants);
    write_limits(file, &report->limits);
    if (report->pci[0] != '\0') {
        write_row(file, "PCI", report->pci);
    }
    if (report->uuid[0] != '\0') {
        write_row(file, "UUID", report->uuid);
    }
    write_row(file, "kvant", report->version);
    fputs("<dt>contract</dt><dd title=\"", file);
    kvant_write_xml_text(file, report->contract_hash);
    fprintf(file, "\"><code>%.12s</code></dd>\n", report->contract_hash);
    write_run(file, report);
    write_row(file, "started", report->started);
    write_number(file, "cases", report->case_count);
    write_number(file, "words compared", report->words);
    char seconds[32];
    snprintf(seconds, sizeof seconds, "%.1f s", report->seconds);
    write_row(file, "took", seconds);
    fputs("</dl></div>\n", file);
}

void kvant_html_devices(const kvant_conformance_report *reports, size_t count, FILE *file)
{
    fputs(
        "<section id=\"devices\"><h2>Devices</h2>\n<p class=\"lead\">What ran, where. The "
        "contract is the hash of the text that all kernels share; kernels are chosen by the lanes "
        "of a work-group.</p>\n<div class=\"cards\">\n",
        file);
    for (size_t i = 0; i < count; i++) {
        write_card(&reports[i], file);
    }
    fputs("</div></section>\n", file);
}

/* ---- kernels by devices -------------------------------------------------------------------- */

static void write_heads(const kvant_conformance_report *reports, size_t count, FILE *file)
{
    for (size_t i = 0; i < count; i++) {
        fputs("<th class=\"count\">", file);
        kvant_html_select(file, &reports[i]);
        fputs("</th>", file);
    }
}

/* A small line where the number is not 0. */
static void write_share(FILE *file, size_t number, const char *what)
{
    if (number != 0u) {
        fputs("<small>", file);
        kvant_html_count(file, number);
        fprintf(file, " %s</small>", what);
    }
}

static void write_cell(const kvant_kernel_totals *sum, size_t device, FILE *file)
{
    size_t failed = sum->counts[KVANT_CASE_FAILED];
    if (sum->cases == 0u) {
        fputs("<td class=\"count\">–</td>", file);
        return;
    }
    if (failed != 0u) {
        fprintf(file, "<td class=\"count bad\"><a href=\"#failures-%zu\">", device);
        kvant_html_count(file, failed);
        fputs(" of ", file);
        kvant_html_count(file, sum->cases);
        fputs(" failed</a>", file);
    } else {
        fprintf(file, "<td class=\"count%s\">",
                sum->counts[KVANT_CASE_PASSED] != 0u ? " good" : "");
        kvant_html_count(file, sum->counts[KVANT_CASE_PASSED]);
    }
    write_share(file, sum->counts[KVANT_CASE_SKIPPED], "skipped");
    write_share(file, sum->counts[KVANT_CASE_EXCLUDED], "excluded");
    write_share(file, sum->counts[KVANT_CASE_EXPECTED], "failed as expected");
    if (sum->worst.name[0] != '\0') {
        fputs("<small>", file);
        kvant_html_measure(file, &sum->worst);
        fputs("</small>", file);
    }
    fputs("</td>", file);
}

/* Each rule of the kernel's cases once, in order of appearance. */
static void write_rules(const kvant_conformance_report *reports, size_t count,
                        const kvant_kernel_totals *kernel, FILE *file)
{
    enum { MOST_RULES = 8 };
    const kvant_case_record *known[MOST_RULES];
    size_t known_count = 0;
    for (size_t i = 0; i < count; i++) {
        const kvant_case_record *record;
        for (size_t at = 0; (record = kvant_next_case(&reports[i], kernel, &at)) != NULL;) {
            size_t j = 0;
            while (j < known_count && strcmp(known[j]->rule, record->rule) != 0) {
                j++;
            }
            if (j < known_count || known_count == MOST_RULES) {
                continue;
            }
            known[known_count++] = record;
            fputs("<small>", file);
            kvant_write_xml_text(file, record->rule);
            fputs("; because ", file);
            kvant_write_xml_text(file, record->reason);
            fputs("</small>", file);
        }
    }
}

static void write_kernel(const kvant_conformance_report *reports, size_t count,
                         const kvant_kernel_totals *kernel, FILE *file)
{
    char name[80];
    snprintf(name, sizeof name, "%.*s", (int)kernel->length, kernel->name);
    fputs("<tr><td class=\"kernel\">", file);
    kvant_write_xml_text(file, name);
    write_rules(reports, count, kernel, file);
    fputs("</td>", file);
    for (size_t i = 0; i < count; i++) {
        kvant_kernel_totals sum = *kernel;
        kvant_sum_kernel(&reports[i], &sum);
        write_cell(&sum, i, file);
    }
    fputs("</tr>\n", file);
}

void kvant_html_matrix(const kvant_conformance_report *reports, size_t count, FILE *file)
{
    fputs("<section id=\"passes\"><h2>Passes</h2>\n<p class=\"lead\">Cases that passed, by kernel "
          "and kind of case; where something is measured, the worst measure and its bound.</p>\n"
          "<div class=\"table\"><table><thead><tr><th>kernel, rule and reason</th>",
          file);
    write_heads(reports, count, file);
    fputs("</tr></thead>\n<tbody>\n", file);
    kvant_kernel_totals kernels[KVANT_MOST_KERNELS];
    size_t kernel_count = 0;
    for (size_t i = 0; i < count; i++) {
        kernel_count = kvant_list_kernels(&reports[i], kernels, kernel_count);
    }
    for (size_t i = 0; i < kernel_count; i++) {
        write_kernel(reports, count, &kernels[i], file);
    }
    fputs("<tr class=\"sum\"><td>all</td>", file);
    for (size_t i = 0; i < count; i++) {
        kvant_kernel_totals all = {.cases = reports[i].case_count};
        memcpy(all.counts, reports[i].counts, sizeof all.counts);
        write_cell(&all, i, file);
    }
    fputs("</tr>\n</tbody></table></div></section>\n", file);
}

/* ---- agreement ----------------------------------------------------------------------------- */

static void write_agreement(const kvant_agreement *group, int with_measure, FILE *file)
{
    if (group->compared == 0u) {
        fputs("<td class=\"count\">–</td>", file);
        return;
    }
    fprintf(file, "<td class=\"count %s\">", group->differing == 0u ? "good" : "bad");
    kvant_html_count(file, group->differing);
    fputs(" of ", file);
    kvant_html_count(file, group->compared);
    if (group->differing != 0u) {
        fputs("<small>", file);
        kvant_html_count(file, group->words);
        fputs(" words off the reference</small><small title=\"", file);
        kvant_write_xml_text(file, group->first);
        fprintf(file, "\">first: %.28s…</small>", group->first);
    }
    if (with_measure && group->worst.name[0] != '\0') {
        fputs("<small>", file);
        kvant_html_measure(file, &group->worst);
        fputs("</small>", file);
    }
    fputs("</td>", file);
}

/* The worst measure of the attention cases of both devices beside its bound. */
static void write_attention_error(const kvant_measure *worst, FILE *file)
{
    if (worst->name[0] == '\0') {
        fputs("<td class=\"count\">–</td>", file);
        return;
    }
    int is_held =
        worst->kind == KVANT_AT_MOST ? worst->value <= worst->bound : worst->value >= worst->bound;
    fprintf(file, "<td class=\"count %s\">", is_held ? "good" : "bad");
    kvant_html_measure(file, worst);
    fputs("</td>", file);
}

/* Whether any device ran cases of the group. */
static int is_used(const kvant_conformance_report *reports, size_t count, kvant_case_group group)
{
    for (size_t i = 0; i < count; i++) {
        for (size_t j = 0; j < reports[i].case_count; j++) {
            if (kvant_case_group_of(reports[i].cases[j].name) == group) {
                return 1;
            }
        }
    }
    return 0;
}

static void write_pair(const kvant_conformance_report *a, const kvant_conformance_report *b,
                       const int *used, FILE *file)
{
    kvant_agreement groups[KVANT_CASE_GROUP_COUNT];
    const char *reason = kvant_agree(a, b, groups);
    fputs("<tr><td class=\"kernel\">", file);
    kvant_html_select(file, a);
    fputs(" × ", file);
    kvant_html_select(file, b);
    fputs("<small>", file);
    kvant_write_xml_text(file, a->device);
    fputs(" × ", file);
    kvant_write_xml_text(file, b->device);
    fputs("</small></td>", file);
    if (reason != NULL) {
        fprintf(file, "<td colspan=\"%d\">cannot be compared: %s</td>", KVANT_CASE_GROUP_COUNT + 1,
                reason);
    } else {
        for (int i = 0; i < KVANT_CASE_GROUP_COUNT; i++) {
            if (used[i]) {
                write_agreement(&groups[i], i != KVANT_CASES_ATTENTION, file);
            }
            if (used[i] && i == KVANT_CASES_ATTENTION) {
                write_attention_error(&groups[i].worst, file);
            }
        }
    }
    fputs("</tr>\n", file);
}

void kvant_html_agreement(const kvant_conformance_report *reports, size_t count, FILE *file)
{
    fputs("<section id=\"agreement\"><h2>Agreement</h2>\n", file);
    if (count < 2u) {
        fputs("<p class=\"lead\">One device ran; two can be compared with each other.</p>"
              "</section>\n",
              file);
        return;
    }
    fputs("<p class=\"lead\">Devices compared with each other: cases in which what they computed "
          "differs in any word, of the cases that both ran with the same inputs; and the worst "
          "measure of either device beside its bound.</p>\n"
          "<div class=\"table\"><table><thead><tr><th>devices</th>",
          file);
    int used[KVANT_CASE_GROUP_COUNT];
    for (int i = 0; i < KVANT_CASE_GROUP_COUNT; i++) {
        used[i] = is_used(reports, count, (kvant_case_group)i);
        if (used[i]) {
            fprintf(file, "<th class=\"count\">%s</th>",
                    kvant_case_group_name((kvant_case_group)i));
        }
        if (used[i] && i == KVANT_CASES_ATTENTION) {
            fputs("<th class=\"count\">attention: worst error against its bound</th>", file);
        }
    }
    fputs("</tr></thead>\n<tbody>\n", file);
    for (size_t i = 0; i < count; i++) {
        for (size_t j = i + 1u; j < count; j++) {
            write_pair(&reports[i], &reports[j], used, file);
        }
    }
    fputs("</tbody></table></div></section>\n", file);
}
