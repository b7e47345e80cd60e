/* SPDX-License-Identifier: MIT
 *
 * A window through the caches of all recipes: each with its own logits, or all with f16's queries.
 */
#ifndef KVANT_TOOLS_EVAL_PASSES_H
#define KVANT_TOOLS_EVAL_PASSES_H

#include "eval_caches.h"

/* Sees the logits after token `step` of those that follow the prompt; `base` are f16's, which is
 * recipe 0 and comes first. */
typedef struct {
    int (*take)(void *self, size_t recipe, uint32_t window, uint32_t step, const float *base,
                const float *logits, tool_error *error);
    void *self;
} logits_visitor;

/* Sees the attention's output of a layer, [heads][head_dim], recipe by recipe. */
typedef struct {
    void (*take)(void *self, size_t recipe, uint32_t layer, const float *base, const float *out);
    void *self;
} outputs_visitor;

typedef struct {
    model_run *run;
    const eval_text *text;
    eval_caches caches;
    float *base;    /* f16's logits of a window, [predicted][vocab_size] */
    float *logits;  /* of one token */
    float *outputs; /* of one layer, [recipes][heads][head_dim] */
} eval_passes;

/* eval_passes_release follows, whatever comes back. */
int eval_passes_create(model_run *run, const eval_text *text, eval_passes *out_passes,
                       tool_error *error);
void eval_passes_release(eval_passes *p);

/* The prompt at once, then token by token with each recipe; the caches stay as they are then. */
int eval_logits_pass(eval_passes *p, uint32_t window, const logits_visitor *visitor,
                     tool_error *error);

/* All caches get f16's queries, keys and values, so that no layer's error comes from the layers
 * before it. */
int eval_outputs_pass(eval_passes *p, uint32_t window, const outputs_visitor *visitor,
                      tool_error *error);

#endif
