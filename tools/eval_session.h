/* SPDX-License-Identifier: MIT
 *
 * A whole eval: every recipe on every device, on one text and one list of cases.
 */
#ifndef KVANT_TOOLS_EVAL_SESSION_H
#define KVANT_TOOLS_EVAL_SESSION_H

#include "eval_devices.h"
#include "eval_measure.h"

typedef struct {
    kvant_device_info info;
    eval_measure *measures; /* one a recipe */
} eval_device_results;

typedef struct {
    eval_device_results *devices;
    size_t device_count;
    size_t recipe_count;
} eval_results;

/* As eval_each_device takes recipes and text. */
int eval_session(const eval_request *request, eval_recipes *recipes, eval_text *text,
                 eval_results *out_results, tool_error *error);
void eval_results_release(eval_results *r);

#endif
