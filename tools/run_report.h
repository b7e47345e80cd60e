/* SPDX-License-Identifier: MIT
 *
 * The results of `kvant run` as a table and as JSON.
 */
#ifndef KVANT_TOOLS_RUN_REPORT_H
#define KVANT_TOOLS_RUN_REPORT_H

#include "model_run.h"

void run_report_table(const model_run *run, FILE *file);
int run_report_json(const model_run *run, FILE *file);

#endif
