/* SPDX-License-Identifier: MIT
 *
 * Fingerprints on a terminal.
 */
#include "fingerprint_report.h"

#include <inttypes.h>

#include "text_table.h"

size_t fingerprint_equal_recipes(const fingerprint_results *r, size_t device)
{
    size_t count = 0;
    for (size_t i = 0; i < r->recipes; i++) {
        count += r->devices[device].is_equal[i];
    }
    return count;
}

double fingerprint_most_told_apart(const fingerprint_results *r, size_t device)
{
    double most = 0.0;
    for (size_t i = 0; i < r->recipes; i++) {
        double share = r->devices[device].told_apart[i];
        most = share > most ? share : most;
    }
    return most;
}

static void print_subject(const fingerprint_report *r, FILE *file)
{
    const eval_text *t = r->text;
    fprintf(file, "%s; %s: %u windows of %u tokens, %u of them the prompt, seed %" PRIu64,
            r->model_path, r->text_path != NULL ? r->text_path : "text of the model's own",
            t->windows, t->length, t->prompt, r->plan->seed);
    fprintf(file, "; %zu windows to learn from, %zu to tell\n", r->results->learnt,
            r->results->windows - r->results->learnt);
}

static void print_features(const fingerprint_report *r, FILE *file)
{
    text_table table;
    char name[64];
    text_table_init(&table, 1u + FINGERPRINT_PLAIN_COUNT, 1);
    text_table_cell(&table, "recipe");
    for (size_t i = 0; i < FINGERPRINT_PLAIN_COUNT; i++) {
        fingerprint_feature_name(i, name, sizeof name);
        text_table_cell(&table, "%s", name);
    }
    for (size_t recipe = 0; recipe < r->results->recipes; recipe++) {
        text_table_cell(&table, "%s", r->recipes->list.entries[recipe].text);
        for (size_t i = 0; i < FINGERPRINT_PLAIN_COUNT; i++) {
            fingerprint_spread s = fingerprint_spread_of(r->results, 0, recipe, i);
            text_table_cell(&table, "%+.4f", s.mean);
        }
    }
    text_table_print(&table, file);
    text_table_release(&table);
}

static void print_accuracy(const fingerprint_report *r, size_t device, FILE *file)
{
    for (size_t kind = 0; kind < FINGERPRINT_KINDS; kind++) {
        const estimate *e = &r->results->devices[device].tellings[kind].accuracy;
        fprintf(file, "%s %s %.1f %%", kind == 0u ? " told from" : ",",
                fingerprint_kind_name((fingerprint_kind)kind), 100.0 * e->value);
        if (e->has_interval) {
            fprintf(file, " (%.1f..%.1f)", 100.0 * e->low, 100.0 * e->high);
        }
    }
    fprintf(file, "; by chance %.1f %%\n", 100.0 / (double)r->results->recipes);
}

/* Columns have the numbers of the rows, for names are long. */
static void print_confusion(const fingerprint_report *r, fingerprint_kind kind, FILE *file)
{
    const fingerprint_results *results = r->results;
    const size_t *confusion = results->devices[0].tellings[kind].confusion;
    text_table table;
    text_table_init(&table, 1u + results->recipes, 1);
    text_table_cell(&table, "served, told from %s", fingerprint_kind_name(kind));
    for (size_t i = 0; i < results->recipes; i++) {
        text_table_cell(&table, "%zu", i + 1u);
    }
    for (size_t served = 0; served < results->recipes; served++) {
        text_table_cell(&table, "%zu %s", served + 1u, r->recipes->list.entries[served].text);
        for (size_t told = 0; told < results->recipes; told++) {
            size_t count = confusion[served * results->recipes + told];
            text_table_cell(&table, count != 0u ? "%zu" : ".", count);
        }
    }
    fputc('\n', file);
    text_table_print(&table, file);
    text_table_release(&table);
}

static void print_device(const fingerprint_report *r, size_t device, FILE *file)
{
    const fingerprint_results *results = r->results;
    const kvant_device_info *info = &results->devices[device].info;
    fprintf(file, "\n%s, %s (%s):", info->select, info->name, tool_kind_name(info->kind));
    print_accuracy(r, device, file);
    if (device == 0u) {
        return;
    }
    fprintf(
        file,
        "  %zu of %zu fingerprints are those of %s bit for bit; a recipe's device is told in at "
        "most %.1f %%; by chance 50.0 %%\n",
        fingerprint_equal_recipes(results, device), results->recipes,
        results->devices[0].info.select, 100.0 * fingerprint_most_told_apart(results, device));
}

static void print_left_out(const fingerprint_report *r, FILE *file)
{
    for (size_t i = 0; i < r->recipes->left_out_count; i++) {
        const eval_left_out *left = &r->recipes->left_out[i];
        fprintf(file, "%s%s: left out: %s\n", i == 0u ? "\n" : "", left->recipe, left->reason);
    }
}

void fingerprint_report_table(const fingerprint_report *report, FILE *file)
{
    print_subject(report, file);
    fputc('\n', file);
    print_features(report, file);
    for (size_t device = 0; device < report->results->device_count; device++) {
        print_device(report, device, file);
    }
    print_confusion(report, FINGERPRINT_OF_LOGITS, file);
    print_confusion(report, FINGERPRINT_OF_BOTH, file);
    print_left_out(report, file);
}
