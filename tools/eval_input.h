/* SPDX-License-Identifier: MIT
 *
 * What the commands that feed windows to a model read before a device is opened.
 */
#ifndef KVANT_TOOLS_EVAL_INPUT_H
#define KVANT_TOOLS_EVAL_INPUT_H

#include "eval_recipes.h"
#include "eval_text.h"

/* As the options say it. */
typedef struct {
    const char *model;
    const char *tokenizer;
    const char *text;  /* NULL: the model writes it */
    const char *cases; /* NULL: none */
    const char *recipes;
    uint32_t windows;
    uint32_t length; /* 0: 512, or what the model takes */
    uint32_t prompt; /* 0: half of the length */
} eval_source;

typedef struct {
    checkpoint model;
    tokenizer words;
    case_list cases;
    eval_recipes recipes;
    eval_text text; /* its sizes, and its tokens where they come from a file */
} eval_input;

/* Refuses bad input. eval_input_release follows, whatever comes back. */
int eval_input_read(const eval_source *source, eval_input *out_input, tool_error *error);
void eval_input_release(eval_input *in);

#endif
