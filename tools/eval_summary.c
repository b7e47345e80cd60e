/* SPDX-License-Identifier: MIT
 *
 * Windows and cases are the units that intervals resample; differences are taken unit by unit.
 */
#include "eval_summary.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "eval_hash.h"

typedef struct {
    const eval_request *request;
    const eval_text *text;
    const bootstrap_plan *plan;
    const eval_summary *summary;
    double *ones;  /* [units]: the denominators of cases */
    double *units; /* [units] */
    double *sizes; /* [windows]: predicted tokens */
} summary_work;

/* ---- text ---------------------------------------------------------------------------------- */

static int sum_up_text(summary_work *w, eval_measure *m, const eval_measure *f16, eval_row *row,
                       tool_error *error)
{
    size_t windows = w->text->windows;
    estimate change;
    for (size_t i = 0; i < windows; i++) {
        w->units[i] = m->window_nll[i] - f16->window_nll[i];
    }
    if (bootstrap_ratio(m->window_kld, w->sizes, windows, w->plan, &row->kld, error) != 0 ||
        bootstrap_ratio(m->window_same, w->sizes, windows, w->plan, &row->same_top, error) != 0 ||
        bootstrap_ratio(w->units, w->sizes, windows, w->plan, &change, error) != 0) {
        return -1;
    }
    row->perplexity_change =
        (estimate){expm1(change.value), expm1(change.low), expm1(change.high), change.has_interval};
    double nll = 0.0;
    double count = 0.0;
    for (size_t i = 0; i < windows; i++) {
        nll += m->window_nll[i];
        count += w->sizes[i];
    }
    row->perplexity = exp(nll / count);
    row->kld_median = divergence_percentile(&m->kld, 50);
    row->kld_p99 = divergence_percentile(&m->kld, 99);
    return 0;
}

/* ---- heads --------------------------------------------------------------------------------- */

static int sum_up_heads(const summary_work *w, const eval_measure *m, eval_row *row,
                        tool_error *error)
{
    size_t count = w->summary->layers * w->summary->heads;
    double error_sum = 0.0;
    double power_sum = 0.0;
    row->heads = calloc(count, sizeof *row->heads);
    if (row->heads == NULL) {
        return tool_error_memory(error);
    }
    for (size_t i = 0; i < count; i++) {
        row->heads[i] = m->head_power[i] > 0.0 ? m->head_error[i] / m->head_power[i] : 0.0;
        error_sum += m->head_error[i];
        power_sum += m->head_power[i];
        row->worst_head = row->heads[i] > row->heads[row->worst_head] ? i : row->worst_head;
    }
    row->heads_mean = power_sum > 0.0 ? error_sum / power_sum : 0.0;
    return 0;
}

/* ---- cases --------------------------------------------------------------------------------- */

static double share_of_bin(const case_list *cases, const unsigned char *right, const eval_bin *bin)
{
    size_t sum = 0;
    for (size_t i = 0; i < cases->count; i++) {
        uint32_t lines = cases->cases[i].lines;
        sum += lines >= bin->first && lines <= bin->last ? right[i] : 0u;
    }
    return (double)sum / (double)bin->cases;
}

static int sum_up_cases(summary_work *w, const eval_measure *m, const eval_measure *f16,
                        eval_row *row, tool_error *error)
{
    const case_list *cases = w->request->cases;
    for (size_t i = 0; i < cases->count; i++) {
        w->units[i] = m->right[i];
    }
    if (bootstrap_ratio(w->units, w->ones, cases->count, w->plan, &row->accuracy, error) != 0) {
        return -1;
    }
    for (size_t i = 0; i < cases->count; i++) {
        w->units[i] -= f16->right[i];
    }
    for (size_t i = 0; i < w->summary->bin_count; i++) {
        row->bins[i] = share_of_bin(cases, m->right, &w->summary->bins[i]);
    }
    return bootstrap_ratio(w->units, w->ones, cases->count, w->plan, &row->accuracy_change, error);
}

/* ---- rows ---------------------------------------------------------------------------------- */

static eval_agreement compare(const eval_measure *m, const eval_measure *first, size_t cases)
{
    return (eval_agreement){
        .bytes = m->digest == first->digest && m->case_digest == first->case_digest,
        .logits = m->logits == first->logits,
        .right = memcmp(m->right, first->right, cases) == 0,
    };
}

static int sum_up(summary_work *w, const eval_recipes *recipes, eval_results *results,
                  size_t device, size_t recipe, eval_row *row, tool_error *error)
{
    eval_measure *m = &results->devices[device].measures[recipe];
    const eval_measure *f16 = &results->devices[device].measures[0];
    row->recipe = recipes->list.entries[recipe].text;
    row->device = &results->devices[device].info;
    row->bytes = &m->bytes;
    row->case_bytes = &m->case_bytes;
    row->same = compare(m, &results->devices[0].measures[recipe], w->summary->case_count);
    row->digest = eval_hash(m->digest, &m->case_digest, sizeof m->case_digest);
    row->logits_hash = m->logits;
    if (sum_up_text(w, m, f16, row, error) != 0) {
        return -1;
    }
    if (w->request->head_windows != 0u && sum_up_heads(w, m, row, error) != 0) {
        return -1;
    }
    return w->request->cases != NULL ? sum_up_cases(w, m, f16, row, error) : 0;
}

static int allocate(summary_work *w, eval_summary *s, size_t rows, tool_error *error)
{
    size_t windows = w->text->windows;
    size_t units = windows > s->case_count ? windows : s->case_count;
    s->rows = calloc(rows, sizeof *s->rows);
    w->ones = calloc(units, sizeof(double));
    w->units = calloc(units, sizeof(double));
    w->sizes = calloc(windows, sizeof(double));
    if (s->rows == NULL || w->ones == NULL || w->units == NULL || w->sizes == NULL) {
        return tool_error_memory(error);
    }
    for (size_t i = 0; i < units; i++) {
        w->ones[i] = 1.0;
    }
    for (size_t i = 0; i < windows; i++) {
        w->sizes[i] = eval_text_predicted(w->text);
    }
    return 0;
}

int eval_summarise(const eval_request *request, const eval_recipes *recipes, const eval_text *text,
                   eval_results *results, const bootstrap_plan *plan, eval_summary *out_summary,
                   tool_error *error)
{
    eval_summary *s = out_summary;
    memset(s, 0, sizeof *s);
    s->recipes = results->recipe_count;
    s->layers = request->model->shape.layers;
    s->heads = request->model->shape.heads;
    if (request->cases != NULL) {
        s->case_count = request->cases->count;
        s->bin_count = eval_bins_of(request->cases, s->bins);
    }
    summary_work w = {request, text, plan, s, NULL, NULL, NULL};
    size_t rows = results->device_count * results->recipe_count;
    int result = allocate(&w, s, rows, error);
    for (; s->count < rows && result == 0; s->count++) {
        result = sum_up(&w, recipes, results, s->count / s->recipes, s->count % s->recipes,
                        &s->rows[s->count], error);
    }
    free(w.ones);
    free(w.units);
    free(w.sizes);
    if (result != 0) {
        eval_summary_release(s);
    }
    return result;
}

void eval_summary_release(eval_summary *s)
{
    for (size_t i = 0; i < s->count; i++) {
        free(s->rows[i].heads);
    }
    free(s->rows);
    memset(s, 0, sizeof *s);
}
