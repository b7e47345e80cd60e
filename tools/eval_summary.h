/* SPDX-License-Identifier: MIT
 *
 * From measures to figures: means, intervals, differences from f16, agreement of devices.
 */
#ifndef KVANT_TOOLS_EVAL_SUMMARY_H
#define KVANT_TOOLS_EVAL_SUMMARY_H

#include "bootstrap.h"
#include "eval_session.h"

enum { EVAL_MOST_BINS = 8 };

/* Cases whose prompts have `first` to `last` lines. */
typedef struct {
    uint32_t first;
    uint32_t last;
    size_t cases;
} eval_bin;

/* What is the same bit for bit as on the first device of the run. */
typedef struct {
    int bytes;  /* of all caches */
    int logits; /* of all decode steps of the text */
    int right;  /* every case has the same outcome */
} eval_agreement;

typedef struct {
    const char *recipe;
    const kvant_device_info *device;
    const kvant_cache_bytes *bytes;
    estimate kld; /* mean, in nats */
    double kld_median;
    double kld_p99;
    estimate same_top; /* share */
    double perplexity;
    estimate perplexity_change; /* to that of f16, as a share of it */
    double *heads;              /* squared error over f16's power, [layers][heads]; NULL: none */
    double heads_mean;
    size_t worst_head; /* layer * heads + head */
    const kvant_cache_bytes *case_bytes;
    estimate accuracy;
    estimate accuracy_change;    /* to that of f16 */
    double bins[EVAL_MOST_BINS]; /* accuracy by lines */
    eval_agreement same;
    uint64_t digest;      /* of the bytes of all caches */
    uint64_t logits_hash; /* of the logits of all decode steps */
} eval_row;

typedef struct {
    eval_row *rows; /* [devices][recipes] */
    size_t count;
    size_t recipes;
    size_t layers;
    size_t heads; /* query heads */
    size_t case_count;
    eval_bin bins[EVAL_MOST_BINS];
    size_t bin_count;
} eval_summary;

/* Points into `results`, whose divergences are sorted by it. */
int eval_summarise(const eval_request *request, const eval_recipes *recipes, const eval_text *text,
                   eval_results *results, const bootstrap_plan *plan, eval_summary *out_summary,
                   tool_error *error);
void eval_summary_release(eval_summary *s);

/* Cases by their lines, in at most EVAL_MOST_BINS bins of equal width without empty ones. */
size_t eval_bins_of(const case_list *cases, eval_bin out_bins[EVAL_MOST_BINS]);

#endif
