/* SPDX-License-Identifier: MIT
 *
 * The devices of an eval: all are opened and asked before the first one works.
 */
#ifndef KVANT_TOOLS_EVAL_DEVICES_H
#define KVANT_TOOLS_EVAL_DEVICES_H

#include "eval_recipes.h"
#include "eval_text.h"
#include "tool_device.h"

typedef struct {
    const char *command; /* that warnings of the library name */
    const checkpoint *model;
    const tokenizer *words;
    const case_list *cases; /* NULL: none */
    uint64_t text_seed;     /* of what the model writes where there is no text */
    uint32_t head_windows;  /* 0: no errors by head */
    const char *backends;   /* with commas between them; NULL: KVANT_BACKEND, or auto */
    int quiet;
} eval_request;

/* What is done on one device: `run` is prepared, the text is there. */
typedef struct {
    int (*begin)(void *self, size_t device_count, tool_error *error);
    int (*work)(void *self, size_t device, model_run *run, tool_error *error);
    void *self;
} eval_device_work;

/* Opens all devices and checks all recipes, of which some may be left out, before anything runs.
 * `text` has its sizes; where it has no tokens, the model writes them on the first device. */
int eval_each_device(const eval_request *request, eval_recipes *recipes, eval_text *text,
                     const eval_device_work *work, tool_error *error);

#endif
