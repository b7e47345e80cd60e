/* SPDX-License-Identifier: MIT
 *
 * An eval as one page that needs nothing else.
 */
#include <inttypes.h>

#include "eval_plots.h"
#include "html_page.h"

static void put_subject(const eval_report *r, FILE *file)
{
    const eval_text *t = r->text;
    const checkpoint_shape *s = &r->request->model->shape;
    fputs("<p>", file);
    html_text(file, r->model_path);
    fprintf(file, ": %u layers, %u query and %u KV heads of %u channels. ", s->layers, s->heads,
            s->kv_heads, s->head_dim);
    if (r->text_path != NULL) {
        fputs("Text of ", file);
        html_text(file, r->text_path);
    } else {
        fprintf(file, "Text that the model wrote, seed %" PRIu64, r->request->text_seed);
    }
    fprintf(file, ": %u windows of %u tokens, %u of them the prompt. ", t->windows, t->length,
            t->prompt);
    if (r->cases_path != NULL) {
        fprintf(file, "%zu cases of ", r->summary->case_count);
        html_text(file, r->cases_path);
        fputs(". ", file);
    }
    if (r->plan->resamples != 0u) {
        fprintf(file,
                "In brackets, and as lines through marks: 95 %% intervals of %u resamples, seed "
                "%" PRIu64 ". ",
                r->plan->resamples, r->plan->seed);
    }
    fprintf(file, "kvant %s.</p>\n<p>", kvant_version());
    for (size_t i = 0; i < r->summary->count; i += r->summary->recipes) {
        const kvant_device_info *device = r->summary->rows[i].device;
        fputs(i != 0u ? "; " : "Devices: ", file);
        html_text(file, device->select);
        fputs(", ", file);
        html_text(file, device->name);
        fprintf(file, " (%s)", tool_kind_name(device->kind));
    }
    fputs(". The plots are of the first; the table has them all.</p>\n", file);
}

/* ---- the table ----------------------------------------------------------------------------- */

static void put_interval(FILE *file, const estimate *e, double factor, const char *format)
{
    fputs("<td>", file);
    fprintf(file, format, factor * e->value);
    if (e->has_interval) {
        fputs(" (", file);
        fprintf(file, format, factor * e->low);
        fputs("…", file);
        fprintf(file, format, factor * e->high);
        fputs(")", file);
    }
    fputs("</td>", file);
}

static void put_row(const eval_report *r, const eval_row *row, FILE *file)
{
    char same[32] = "–";
    if (!eval_is_first_device(r, row)) {
        eval_agreement_text(r, row, same);
    }
    fputs("<tr><td>", file);
    html_text(file, row->device->select);
    fputs("</td><td>", file);
    html_text(file, row->recipe);
    fprintf(file, "</td><td>%.2f</td><td>%.2f</td>", row->bytes->bits_per_value, row->bytes->ratio);
    put_interval(file, &row->kld, 1.0, "%.2e");
    fprintf(file, "<td>%.2e</td><td>%.2e</td>", row->kld_median, row->kld_p99);
    put_interval(file, &row->same_top, 100.0, "%.2f");
    fprintf(file, "<td>%.4g</td>", row->perplexity);
    put_interval(file, &row->perplexity_change, 100.0, "%+.2f");
    if (row->heads != NULL) {
        fprintf(file, "<td>%.2e</td><td>%.2e</td>", row->heads_mean, row->heads[row->worst_head]);
    }
    if (r->request->cases != NULL) {
        fprintf(file, "<td>%.2f</td>", row->case_bytes->bits_per_value);
        put_interval(file, &row->accuracy, 100.0, "%.1f");
        put_interval(file, &row->accuracy_change, 100.0, "%+.1f");
    }
    fprintf(file, "<td>%s</td></tr>\n", same);
}

static void put_table(const eval_report *r, FILE *file)
{
    const eval_summary *s = r->summary;
    fputs("<h2>Rows</h2>\n<div class=\"wide\"><table>\n<tr><th>device</th><th>recipe</th>"
          "<th>bits</th><th>ratio</th><th>KLD mean</th><th>median</th><th>99 %</th>"
          "<th>same top, %</th><th>perplexity</th><th>change, %</th>",
          file);
    if (s->rows[0].heads != NULL) {
        fputs("<th>heads</th><th>worst head</th>", file);
    }
    if (r->request->cases != NULL) {
        fputs("<th>bits, cases</th><th>accuracy, %</th><th>points</th>", file);
    }
    fputs("<th>same as the first</th></tr>\n", file);
    for (size_t i = 0; i < s->count; i++) {
        put_row(r, &s->rows[i], file);
    }
    fputs("</table></div>\n", file);
}

static void put_left_out(const eval_report *r, FILE *file)
{
    if (r->recipes->left_out_count == 0u) {
        return;
    }
    fprintf(file, "<h2>Left out</h2>\n<p>%zu of %zu recipes cannot be run on this model.</p><ul>\n",
            r->recipes->left_out_count, r->recipes->left_out_count + r->summary->recipes);
    for (size_t i = 0; i < r->recipes->left_out_count; i++) {
        fputs("<li>", file);
        html_text(file, r->recipes->left_out[i].recipe);
        fputs(": ", file);
        html_text(file, r->recipes->left_out[i].reason);
        fputs("</li>\n", file);
    }
    fputs("</ul>\n", file);
}

int eval_report_html(const eval_report *report, FILE *file)
{
    html_begin(file, "kvant eval");
    put_subject(report, file);
    eval_put_key(report, file);
    int result = eval_put_divergence(report, file);
    if (result == 0 && report->request->cases != NULL) {
        result = eval_put_accuracy(report, file);
        eval_put_lines(report, file);
    }
    if (report->summary->rows[0].heads != NULL) {
        eval_put_heads(report, file);
    }
    put_table(report, file);
    put_left_out(report, file);
    html_end(file);
    return result == 0 && fflush(file) == 0 && !ferror(file) ? 0 : -1;
}
