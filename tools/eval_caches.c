/* SPDX-License-Identifier: MIT
 *
 * The caches of all recipes side by side, so that a prompt is computed once for all of them.
 */
#include "eval_caches.h"

#include <stdlib.h>

int eval_caches_create(const model_run *run, const eval_text *text, eval_caches *out_caches,
                       tool_error *error)
{
    eval_caches *c = out_caches;
    *c = (eval_caches){NULL, NULL, 0};
    size_t count = run->recipes->count;
    c->caches = calloc(count, sizeof(kvant_cache *));
    c->prompt_logits = calloc(count * run->model->shape.vocab_size, sizeof(float));
    if (c->caches == NULL || c->prompt_logits == NULL) {
        eval_caches_release(c);
        tool_error_memory(error);
        return -1;
    }
    int result = 0;
    for (; c->count < count && result == 0; c->count++) {
        result = kv_attention_cache(&run->attention, &run->recipes->entries[c->count].recipe,
                                    text->prompt, eval_text_predicted(text), &c->caches[c->count],
                                    error);
    }
    if (result != 0) {
        eval_caches_release(c);
    }
    return result;
}

void eval_caches_release(eval_caches *c)
{
    for (size_t i = 0; c->caches != NULL && i < c->count; i++) {
        kvant_cache_destroy(c->caches[i]);
    }
    free(c->caches);
    free(c->prompt_logits);
    *c = (eval_caches){NULL, NULL, 0};
}

int eval_caches_fill(model_run *run, const eval_text *text, uint32_t window, eval_caches *c,
                     tool_error *error)
{
    for (size_t i = 0; i < c->count; i++) {
        kvant_status status = kvant_cache_reset(c->caches[i], 0);
        if (status != KVANT_OK) {
            return tool_error_library(error, status, "a cache was not emptied");
        }
    }
    return model_run_prompt(run, c->caches, c->count, eval_text_window(text, window), text->prompt,
                            c->prompt_logits, error);
}
