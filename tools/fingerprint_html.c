/* SPDX-License-Identifier: MIT
 *
 * Fingerprints as one page that needs nothing else.
 */
#include <inttypes.h>

#include "fingerprint_report.h"
#include "html_page.h"

static void put_subject(const fingerprint_report *r, FILE *file)
{
    const eval_text *t = r->text;
    fputs("<p>", file);
    html_text(file, r->model_path);
    fputs(", ", file);
    html_text(file, r->text_path != NULL ? r->text_path : "text that the model wrote");
    fprintf(file,
            ": %u windows of %u tokens, %u of them the prompt, seed %" PRIu64
            "; %zu windows to learn from, %zu to tell. kvant %s.</p>\n",
            t->windows, t->length, t->prompt, r->plan->seed, r->results->learnt,
            r->results->windows - r->results->learnt, kvant_version());
}

/* ---- statistics ---------------------------------------------------------------------------- */

static void put_features(const fingerprint_report *r, FILE *file)
{
    const fingerprint_results *results = r->results;
    fputs("<h2>Statistics</h2>\n<p>Means over all windows, on the first device, with the standard "
          "deviation from window to window in brackets.</p>\n<div class=\"wide\"><table>\n"
          "<tr><th>recipe</th>",
          file);
    for (size_t i = 0; i < results->features; i++) {
        char name[64];
        fingerprint_feature_name(i, name, sizeof name);
        fprintf(file, "<th>%s</th>", name);
    }
    fputs("</tr>\n", file);
    for (size_t recipe = 0; recipe < results->recipes; recipe++) {
        fputs("<tr><td>", file);
        html_text(file, r->recipes->list.entries[recipe].text);
        fputs("</td>", file);
        for (size_t i = 0; i < results->features; i++) {
            fingerprint_spread s = fingerprint_spread_of(results, 0, recipe, i);
            fprintf(file, "<td>%.4f (%.4f)</td>", s.mean, s.deviation);
        }
        fputs("</tr>\n", file);
    }
    fputs("</table></div>\n", file);
}

/* ---- what was told ------------------------------------------------------------------------- */

enum { LEFT = 230, TOP = 26, CELL = 26, TEXT_DROP = 17 };

static void put_confusion_row(const fingerprint_report *r, const size_t *row, size_t served,
                              FILE *file)
{
    const fingerprint_results *results = r->results;
    double asked = (double)(results->windows - results->learnt);
    const char *name = r->recipes->list.entries[served].text;
    char shown[25];
    snprintf(shown, sizeof shown, "%s", name);
    fprintf(file, "<text class=\"name\" x=\"%d\" y=\"%zu\" text-anchor=\"end\">", LEFT - 8,
            TOP + CELL * served + TEXT_DROP);
    html_text(file, shown);
    fprintf(file, " %zu</text>\n", served + 1u);
    for (size_t told = 0; told < results->recipes; told++) {
        fprintf(file,
                "<rect class=\"cell\" x=\"%zu\" y=\"%zu\" width=\"%d\" height=\"%d\" "
                "fill-opacity=\"%.3f\"><title>",
                LEFT + CELL * told, TOP + CELL * served, CELL - 2, CELL - 2,
                (double)row[told] / asked);
        html_text(file, name);
        fputs(" served, told as ", file);
        html_text(file, r->recipes->list.entries[told].text);
        fprintf(file, ": %zu of %.0f</title></rect>\n", row[told], asked);
    }
}

static void put_confusion(const fingerprint_report *r, fingerprint_kind kind, FILE *file)
{
    const fingerprint_results *results = r->results;
    const fingerprint_telling *t = &results->devices[0].tellings[kind];
    size_t width = LEFT + CELL * results->recipes + 10u;
    fprintf(file, "<h2>Told from %s</h2>\n<p>%.1f %% are right", fingerprint_kind_name(kind),
            100.0 * t->accuracy.value);
    if (t->accuracy.has_interval) {
        fprintf(file, " (%.1f…%.1f)", 100.0 * t->accuracy.low, 100.0 * t->accuracy.high);
    }
    fprintf(file,
            "; by chance %.1f %%. A row is what served, a column what it was taken for.</p>\n"
            "<div class=\"wide\"><svg viewBox=\"0 0 %zu %zu\" style=\"max-width:%zupx\" "
            "role=\"img\" aria-label=\"confusion\">\n",
            100.0 / (double)results->recipes, width, TOP + CELL * results->recipes + 8u, width);
    for (size_t i = 0; i < results->recipes; i++) {
        fprintf(file, "<text x=\"%zu\" y=\"%d\" text-anchor=\"middle\">%zu</text>\n",
                LEFT + CELL * i + CELL / 2u - 1u, TOP - 8, i + 1u);
    }
    for (size_t i = 0; i < results->recipes; i++) {
        put_confusion_row(r, t->confusion + i * results->recipes, i, file);
    }
    fputs("</svg></div>\n", file);
}

static void put_devices(const fingerprint_report *r, FILE *file)
{
    const fingerprint_results *results = r->results;
    fputs("<h2>Devices</h2>\n<p>Recipes told on each device with what was learnt on the first; how "
          "many fingerprints are the first device's bit for bit; and the share of windows whose "
          "device is told, for the recipe where it is largest (by chance 50 %).</p>\n"
          "<div class=\"wide\"><table>\n<tr><th>device</th><th>name</th><th>logits, %</th>"
          "<th>attention output, %</th><th>both, %</th><th>the same</th><th>device told, %</th>"
          "</tr>\n",
          file);
    for (size_t i = 0; i < results->device_count; i++) {
        const fingerprint_device *d = &results->devices[i];
        fputs("<tr><td>", file);
        html_text(file, d->info.select);
        fputs("</td><td>", file);
        html_text(file, d->info.name);
        fputs("</td>", file);
        for (size_t kind = 0; kind < FINGERPRINT_KINDS; kind++) {
            fprintf(file, "<td>%.1f</td>", 100.0 * d->tellings[kind].accuracy.value);
        }
        if (i == 0u) {
            fputs("<td>–</td><td>–</td></tr>\n", file);
        } else {
            fprintf(file, "<td>%zu of %zu</td><td>%.1f</td></tr>\n",
                    fingerprint_equal_recipes(results, i), results->recipes,
                    100.0 * fingerprint_most_told_apart(results, i));
        }
    }
    fputs("</table></div>\n", file);
}

static void put_left_out(const fingerprint_report *r, FILE *file)
{
    for (size_t i = 0; i < r->recipes->left_out_count; i++) {
        fputs("<p>Left out: ", file);
        html_text(file, r->recipes->left_out[i].recipe);
        fputs(": ", file);
        html_text(file, r->recipes->left_out[i].reason);
        fputs("</p>\n", file);
    }
}

int fingerprint_report_html(const fingerprint_report *report, FILE *file)
{
    html_begin(file, "kvant fingerprint");
    put_subject(report, file);
    for (size_t kind = 0; kind < FINGERPRINT_KINDS; kind++) {
        put_confusion(report, (fingerprint_kind)kind, file);
    }
    put_devices(report, file);
    put_features(report, file);
    put_left_out(report, file);
    html_end(file);
    return ferror(file) ? -1 : 0;
}
