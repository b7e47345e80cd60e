/* SPDX-License-Identifier: MIT
 *
 * What an eval gathers about one recipe on one device, before any of it is summed up.
 */
#ifndef KVANT_TOOLS_EVAL_MEASURE_H
#define KVANT_TOOLS_EVAL_MEASURE_H

#include "eval_text.h"

typedef struct {
    /* windows */
    divergence kld;      /* of every predicted token */
    double *window_kld;  /* sums of each window, in nats */
    double *window_nll;  /* -log of the probability of the text's own token */
    double *window_same; /* positions that prefer the same token as f16 */
    kvant_cache_bytes bytes;
    uint64_t digest; /* of the caches' bytes at the end of each window */
    uint64_t logits; /* hash of all logits of decode steps */
    /* heads: squared error of the attention's output and squared output of f16 */
    double *head_error; /* [layers][heads] */
    double *head_power;
    /* cases */
    unsigned char *right; /* of each case */
    kvant_cache_bytes case_bytes;
    uint64_t case_digest;
} eval_measure;

int eval_measure_create(const checkpoint_shape *shape, uint32_t windows, size_t cases,
                        eval_measure *out_measure, tool_error *error);
void eval_measure_release(eval_measure *m);

/* Each takes one measure a recipe of run->recipes, the first of which is f16. The run is prepared
 * for prompts as long as theirs. */

/* Feeds every window to every recipe: the prompt at once, then token by token. */
int eval_windows(model_run *run, const eval_text *text, eval_measure *measures, tool_error *error);

/* Feeds the first `windows` windows with f16's queries, keys and values to all recipes at once, so
 * that what a head's output lacks is that head's own error. */
int eval_heads(model_run *run, const eval_text *text, uint32_t windows, eval_measure *measures,
               tool_error *error);

/* Lets every recipe answer every case. */
int eval_tasks(model_run *run, const case_list *cases, eval_measure *measures, tool_error *error);

#endif
