/* SPDX-License-Identifier: MIT
 *
 * Everything that needs no device, so that bad input is refused before one is opened.
 */
#include "eval_input.h"

#include <string.h>

enum { DEFAULT_LENGTH = 512 };

static int size_text(const eval_source *s, uint32_t seq_len, eval_text *text, tool_error *error)
{
    text->windows = s->windows;
    text->length = s->length != 0u ? s->length : DEFAULT_LENGTH;
    if (s->length == 0u && text->length > seq_len) {
        text->length = seq_len;
    }
    text->prompt = s->prompt != 0u ? s->prompt : text->length / 2u;
    if (text->length > seq_len || text->length < 2u) {
        return tool_error_input(error, "windows of %u tokens: the model takes 2 to %u",
                                text->length, seq_len);
    }
    if (text->prompt >= text->length) {
        return tool_error_input(error, "a prompt of %u tokens leaves nothing of windows of %u",
                                text->prompt, text->length);
    }
    return 0;
}

int eval_input_read(const eval_source *source, eval_input *out_input, tool_error *error)
{
    eval_input *in = out_input;
    memset(in, 0, sizeof *in);
    int result = eval_recipes_parse(source->recipes, &in->recipes, error);
    if (result == 0) {
        result = checkpoint_load(source->model, &in->model, error);
    }
    if (result == 0) {
        result = tokenizer_load(source->tokenizer, in->model.shape.vocab_size, &in->words, error);
    }
    if (result == 0) {
        result = size_text(source, in->model.shape.seq_len, &in->text, error);
    }
    if (result == 0) {
        result = eval_recipes_check(&in->recipes, &in->model.shape, NULL, in->text.prompt,
                                    eval_text_predicted(&in->text), error);
    }
    if (result == 0 && source->text != NULL) {
        result = eval_text_read(source->text, &in->words, &in->text, error);
    }
    if (result == 0 && source->cases != NULL) {
        result =
            case_list_load(source->cases, &in->words, in->model.shape.seq_len, &in->cases, error);
    }
    return result;
}

void eval_input_release(eval_input *in)
{
    checkpoint_release(&in->model);
    tokenizer_release(&in->words);
    case_list_release(&in->cases);
    eval_recipes_release(&in->recipes);
    eval_text_release(&in->text);
}
