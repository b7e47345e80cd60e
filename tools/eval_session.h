/* SPDX-License-Identifier: MIT
 *
 * A whole eval: every recipe on every device, on one text and one list of cases.
 */
#ifndef KVANT_TOOLS_EVAL_SESSION_H
#define KVANT_TOOLS_EVAL_SESSION_H

#include "eval_measure.h"
#include "eval_recipes.h"
#include "tool_device.h"

typedef struct {
    const checkpoint *model;
    const tokenizer *words;
    const case_list *cases; /* NULL: none */
    uint64_t text_seed;     /* of what the model writes where there is no text */
    uint32_t head_windows;  /* 0: no errors by head */
    const char *backends;   /* with commas between them; NULL: KVANT_BACKEND, or auto */
    int quiet;
} eval_request;

typedef struct {
    kvant_device_info info;
    eval_measure *measures; /* one a recipe */
} eval_device_results;

typedef struct {
    eval_device_results *devices;
    size_t device_count;
    size_t recipe_count;
} eval_results;

/* Opens all devices and checks all recipes, of which some may be left out, before anything runs.
 * `text` has its sizes; where it has no tokens, the model writes them on the first device. */
int eval_session(const eval_request *request, eval_recipes *recipes, eval_text *text,
                 eval_results *out_results, tool_error *error);
void eval_results_release(eval_results *r);

#endif
