/* SPDX-License-Identifier: MIT
 *
 * Results of an eval for people and for programs.
 */
#ifndef KVANT_TOOLS_EVAL_REPORT_H
#define KVANT_TOOLS_EVAL_REPORT_H

#include <stdio.h>

#include "eval_summary.h"
#include "report_fields.h"

typedef struct {
    const eval_request *request;
    const eval_recipes *recipes;
    const eval_text *text;
    const eval_summary *summary;
    const bootstrap_plan *plan;
    const char *model_path;
    const char *text_path;  /* NULL: the model wrote it */
    const char *cases_path; /* NULL: none */
} eval_report;

enum { EVAL_MOST_FIELDS = 48 };

/* The row's values under the names that CSV and JSON give them, as many for every row; texts point
 * into `texts`. Returns how many. */
typedef struct {
    char digest[17];
    char logits[17];
} eval_field_texts;
size_t eval_row_fields(const eval_report *report, const eval_row *row, eval_field_texts *texts,
                       report_field out[EVAL_MOST_FIELDS]);

/* Whether the row is of the first device, which the others are compared with. */
int eval_is_first_device(const eval_report *report, const eval_row *row);
/* "bytes, logits, answers", as far as they are the same as on the first device; "none". */
void eval_agreement_text(const eval_report *report, const eval_row *row, char out[32]);

void eval_report_table(const eval_report *report, FILE *file);
/* Return 0, or -1 when memory or the file fails. */
int eval_report_json(const eval_report *report, FILE *file);
int eval_report_csv(const eval_report *report, FILE *file);
int eval_report_html(const eval_report *report, FILE *file);

#endif
