/* SPDX-License-Identifier: MIT
 *
 * The report of a run as text: the device, totals by kernel, warnings.
 */
#include "conformance_totals.h"

static void write_line(FILE *file, const kvant_kernel_totals *sum)
{
    const size_t *counts = sum->counts;
    fprintf(file, "%-28.*s %7zu %7zu %7zu %13llu", (int)sum->length, sum->name,
            counts[KVANT_CASE_PASSED], counts[KVANT_CASE_FAILED], counts[KVANT_CASE_SKIPPED],
            (unsigned long long)sum->words);
    if (sum->worst.name[0] != '\0') {
        fprintf(file, "  %s %.4g", sum->worst.name, sum->worst.value);
        if (sum->worst.kind != KVANT_UNBOUNDED) {
            fprintf(file, " (%s %.4g)", sum->worst.kind == KVANT_AT_MOST ? "at most" : "at least",
                    sum->worst.bound);
        }
    }
    if (counts[KVANT_CASE_EXCLUDED] != 0u) {
        fprintf(file, "  %zu excluded", counts[KVANT_CASE_EXCLUDED]);
    }
    if (counts[KVANT_CASE_EXPECTED] != 0u) {
        fprintf(file, "  %zu failed as expected", counts[KVANT_CASE_EXPECTED]);
    }
    fputc('\n', file);
}

void kvant_conformance_write_text(const kvant_conformance_report *report, FILE *file)
{
    static const char all_name[] = "all";
    fprintf(file, "%s:%u  %s  (%s), %u lane%s, %s\n", report->backend, report->device_index,
            report->device, report->driver, report->limits.lanes,
            report->limits.lanes != 1u ? "s" : "", report->variants);
    fprintf(file, "%-28s %7s %7s %7s %13s\n", "kernel", "passed", "failed", "skipped", "words");
    kvant_kernel_totals kernels[KVANT_MOST_KERNELS];
    size_t count = kvant_list_kernels(report, kernels, 0u);
    for (size_t i = 0; i < count; i++) {
        kvant_sum_kernel(report, &kernels[i]);
        write_line(file, &kernels[i]);
    }
    kvant_kernel_totals all = {.name = all_name, .length = sizeof all_name - 1u};
    for (int i = 0; i < KVANT_CASE_RESULT_COUNT; i++) {
        all.counts[i] = report->counts[i];
    }
    all.words = report->words;
    write_line(file, &all);
    for (size_t i = 0; i < report->warning_count; i++) {
        fprintf(file, "warning: %s\n", report->warnings[i]);
    }
    fprintf(file, "%.1f s\n", report->seconds);
}
