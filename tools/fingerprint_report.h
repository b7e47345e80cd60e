/* SPDX-License-Identifier: MIT
 *
 * Fingerprints for people and for programs.
 */
#ifndef KVANT_TOOLS_FINGERPRINT_REPORT_H
#define KVANT_TOOLS_FINGERPRINT_REPORT_H

#include <stdio.h>

#include "fingerprint_session.h"

typedef struct {
    const eval_request *request;
    const eval_recipes *recipes;
    const eval_text *text;
    const fingerprint_results *results;
    const bootstrap_plan *plan;
    const char *model_path;
    const char *text_path; /* NULL: the model wrote it */
} fingerprint_report;

/* Recipes of a device that have the same fingerprint, bit for bit, as on the first. */
size_t fingerprint_equal_recipes(const fingerprint_results *r, size_t device);
/* The largest share of windows that were given to the right one of two devices. */
double fingerprint_most_told_apart(const fingerprint_results *r, size_t device);

void fingerprint_report_table(const fingerprint_report *report, FILE *file);
/* Return 0, or -1 when memory or the file fails. */
int fingerprint_report_json(const fingerprint_report *report, FILE *file);
int fingerprint_report_html(const fingerprint_report *report, FILE *file);

#endif
