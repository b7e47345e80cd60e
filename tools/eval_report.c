/* SPDX-License-Identifier: MIT
 *
 * An eval on a terminal.
 */
#include "eval_report.h"

#include <inttypes.h>

#include "text_table.h"

enum { CELL = 64 };

static void interval_cell(text_table *table, const estimate *e, double factor, const char *format,
                          const char *unit)
{
    char value[CELL / 4];
    char low[CELL / 4];
    char high[CELL / 4];
    snprintf(value, sizeof value, format, factor * e->value);
    if (!e->has_interval) {
        text_table_cell(table, "%s%s", value, unit);
        return;
    }
    snprintf(low, sizeof low, format, factor * e->low);
    snprintf(high, sizeof high, format, factor * e->high);
    text_table_cell(table, "%s%s (%s..%s)", value, unit, low, high);
}

static void print_subject(const eval_report *r, FILE *file)
{
    const eval_text *t = r->text;
    fprintf(file, "%s; %s: %u windows of %u tokens, %u of them the prompt", r->model_path,
            r->text_path != NULL ? r->text_path : "text of the model's own", t->windows, t->length,
            t->prompt);
    if (r->text_path == NULL) {
        fprintf(file, ", seed %" PRIu64, r->request->text_seed);
    }
    if (r->cases_path != NULL) {
        fprintf(file, "; %s: %zu cases", r->cases_path, r->summary->case_count);
    }
    fprintf(file, "; %u resamples, seed %" PRIu64 "\n", r->plan->resamples, r->plan->seed);
}

static void print_row(text_table *table, const eval_report *r, const eval_row *row)
{
    text_table_cell(table, "%s", row->recipe);
    text_table_cell(table, "%.2f", row->bytes->bits_per_value);
    text_table_cell(table, "%.2f", row->bytes->ratio);
    interval_cell(table, &row->kld, 1.0, "%.2e", "");
    text_table_cell(table, "%.2e", row->kld_median);
    text_table_cell(table, "%.2e", row->kld_p99);
    interval_cell(table, &row->same_top, 100.0, "%.2f", " %");
    text_table_cell(table, "%.4g", row->perplexity);
    interval_cell(table, &row->perplexity_change, 100.0, "%+.2f", " %");
    if (row->heads != NULL) {
        text_table_cell(table, "%.2e", row->heads_mean);
        text_table_cell(table, "%.2e at %zu/%zu", row->heads[row->worst_head],
                        row->worst_head / r->summary->heads, row->worst_head % r->summary->heads);
    }
    if (r->request->cases != NULL) {
        text_table_cell(table, "%.2f", row->case_bytes->bits_per_value);
        interval_cell(table, &row->accuracy, 100.0, "%.1f", " %");
        interval_cell(table, &row->accuracy_change, 100.0, "%+.1f", "");
    }
    if (!eval_is_first_device(r, row)) {
        char same[32];
        eval_agreement_text(r, row, same);
        text_table_cell(table, "%s", same);
    }
}

static void print_device(const eval_report *r, const eval_row *rows, FILE *file)
{
    static const char *const plain[] = {"recipe", "bits",     "ratio",      "KLD mean", "median",
                                        "99 %",   "same top", "perplexity", "change"};
    enum { PLAIN = sizeof plain / sizeof plain[0] };
    size_t has_heads = rows->heads != NULL;
    size_t has_cases = r->request->cases != NULL;
    size_t is_other = !eval_is_first_device(r, rows);
    text_table table;
    text_table_init(&table, PLAIN + 2u * has_heads + 3u * has_cases + is_other, 1);
    for (size_t i = 0; i < PLAIN; i++) {
        text_table_cell(&table, "%s", plain[i]);
    }
    if (has_heads) {
        text_table_cell(&table, "heads");
        text_table_cell(&table, "worst");
    }
    if (has_cases) {
        text_table_cell(&table, "bits, cases");
        text_table_cell(&table, "accuracy");
        text_table_cell(&table, "points");
    }
    if (is_other) {
        text_table_cell(&table, "same as %s", r->summary->rows[0].device->select);
    }
    for (size_t i = 0; i < r->summary->recipes; i++) {
        print_row(&table, r, &rows[i]);
    }
    fprintf(file, "\n%s, %s (%s)\n", rows->device->select, rows->device->name,
            tool_kind_name(rows->device->kind));
    text_table_print(&table, file);
    text_table_release(&table);
}

static void print_lines(const eval_report *r, const eval_row *rows, FILE *file)
{
    const eval_summary *s = r->summary;
    text_table table;
    text_table_init(&table, 1u + s->bin_count, 1);
    text_table_cell(&table, "accuracy by lines");
    for (size_t i = 0; i < s->bin_count; i++) {
        if (s->bins[i].first == s->bins[i].last) {
            text_table_cell(&table, "%u", s->bins[i].first);
        } else {
            text_table_cell(&table, "%u-%u", s->bins[i].first, s->bins[i].last);
        }
    }
    text_table_cell(&table, "cases");
    for (size_t i = 0; i < s->bin_count; i++) {
        text_table_cell(&table, "%zu", s->bins[i].cases);
    }
    for (size_t recipe = 0; recipe < s->recipes; recipe++) {
        text_table_cell(&table, "%s", rows[recipe].recipe);
        for (size_t i = 0; i < s->bin_count; i++) {
            text_table_cell(&table, "%.1f %%", 100.0 * rows[recipe].bins[i]);
        }
    }
    fputc('\n', file);
    text_table_print(&table, file);
    text_table_release(&table);
}

void eval_report_table(const eval_report *report, FILE *file)
{
    const eval_summary *s = report->summary;
    print_subject(report, file);
    for (size_t i = 0; i < s->count; i += s->recipes) {
        print_device(report, &s->rows[i], file);
        if (s->bin_count != 0u) {
            print_lines(report, &s->rows[i], file);
        }
    }
    for (size_t i = 0; i < report->recipes->left_out_count; i++) {
        const eval_left_out *left = &report->recipes->left_out[i];
        fprintf(file, "%s%s: left out: %s\n", i == 0u ? "\n" : "", left->recipe, left->reason);
    }
    if (report->recipes->left_out_count != 0u) {
        fprintf(file, "%zu recipes left out of %zu\n", report->recipes->left_out_count,
                s->recipes + report->recipes->left_out_count);
    }
}
