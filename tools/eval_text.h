/* SPDX-License-Identifier: MIT
 *
 * What an eval feeds to the models: windows of tokens, of a file or written by the model itself.
 */
#ifndef KVANT_TOOLS_EVAL_TEXT_H
#define KVANT_TOOLS_EVAL_TEXT_H

#include "model_run.h"

/* Each window is BOS and `length` tokens: all but the last are fed, `prompt` of them as one prompt;
 * what comes after the prompt and its next token is predicted. */
typedef struct {
    uint32_t windows;
    uint32_t length;
    uint32_t prompt;
    uint32_t *tokens; /* [windows][length + 1] */
} eval_text;

/* Tokens that are predicted, a window. */
uint32_t eval_text_predicted(const eval_text *text);
const uint32_t *eval_text_window(const eval_text *text, uint32_t window);
/* The same text has the same digest. */
uint64_t eval_text_digest(const eval_text *text);

/* Cuts a file into windows, each from the beginning of a word, one after the other: at most
 * text->windows of them, and text->windows becomes how many there are. A file that is too short
 * for one is refused. */
int eval_text_read(const char *path, const tokenizer *words, eval_text *text, tool_error *error);

/* Lets the model write each window from BOS on, with f16 and a temperature of 1. The run is
 * prepared. */
int eval_text_write(model_run *run, uint64_t seed, eval_text *text, tool_error *error);

void eval_text_release(eval_text *text);

#endif
