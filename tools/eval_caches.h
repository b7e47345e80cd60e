/* SPDX-License-Identifier: MIT
 *
 * One cache a recipe, for windows of a text.
 */
#ifndef KVANT_TOOLS_EVAL_CACHES_H
#define KVANT_TOOLS_EVAL_CACHES_H

#include "eval_text.h"

typedef struct {
    kvant_cache **caches; /* one a recipe of the run */
    float *prompt_logits; /* [caches][vocab_size], as model_run_prompt leaves them */
    size_t count;
} eval_caches;

int eval_caches_create(const model_run *run, const eval_text *text, eval_caches *out_caches,
                       tool_error *error);
void eval_caches_release(eval_caches *c);

/* Empties all caches and fills them with the prompt of a window. */
int eval_caches_fill(model_run *run, const eval_text *text, uint32_t window, eval_caches *c,
                     tool_error *error);

#endif
