/* SPDX-License-Identifier: MIT
 *
 * Results of a bench for people and for programs.
 */
#ifndef KVANT_TOOLS_BENCH_REPORT_H
#define KVANT_TOOLS_BENCH_REPORT_H

#include <stdio.h>

#include "bench_session.h"
#include "report_fields.h"

enum { BENCH_FIELDS = 27 };

void bench_row_fields(const bench_results *results, const bench_row *row,
                      report_field out[BENCH_FIELDS]);

/* Decimals of a time that are worth printing. */
int bench_decimals(double us);

void bench_report_table(const bench_results *results, FILE *file);
int bench_report_json(const bench_results *results, FILE *file);
/* Return 0, or -1 when the file could not be written. */
int bench_report_csv(const bench_results *results, FILE *file);
/* One page that needs nothing else: the rows over the ceilings, and the table. */
int bench_report_html(const bench_results *results, FILE *file);

#endif
