/* SPDX-License-Identifier: MIT
 *
 * The plots of an eval's page, of the first device's rows.
 */
#ifndef KVANT_TOOLS_EVAL_PLOTS_H
#define KVANT_TOOLS_EVAL_PLOTS_H

#include "eval_report.h"

/* One mark a recipe, the same in all plots. */
void eval_put_key(const eval_report *report, FILE *file);

/* Divergence, and accuracy where there are cases, against real bytes, with the Pareto line. Return
 * 0, or -1 when memory fails. */
int eval_put_divergence(const eval_report *report, FILE *file);
int eval_put_accuracy(const eval_report *report, FILE *file);

/* Accuracy by lines. */
void eval_put_lines(const eval_report *report, FILE *file);

/* The error of every layer and head. */
void eval_put_heads(const eval_report *report, FILE *file);

#endif
