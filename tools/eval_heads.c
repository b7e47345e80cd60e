/* SPDX-License-Identifier: MIT
 *
 * The attention's error layer by layer and head by head. All caches get what f16's pass computes,
 * so that no layer's error comes from the layers before it.
 */
#include <stdlib.h>
#include <string.h>

#include "eval_caches.h"
#include "eval_measure.h"

typedef struct {
    const checkpoint_shape *shape;
    eval_measure *measures;
    size_t count;
    float *outputs; /* of one layer, [count][heads][head_dim]; f16's is the last */
} heads_work;

/* The last cache is recipe 0, f16; before it come recipes 1, 2 ... */
static void add_errors(heads_work *w, uint32_t layer)
{
    size_t dim = w->shape->dim;
    size_t head_dim = w->shape->head_dim;
    const float *base = w->outputs + (w->count - 1u) * dim;
    for (size_t recipe = 0; recipe < w->count; recipe++) {
        const float *out = recipe == 0u ? base : w->outputs + (recipe - 1u) * dim;
        for (size_t at = 0; at < dim; at++) {
            size_t head = (size_t)layer * w->shape->heads + at / head_dim;
            double error = (double)out[at] - (double)base[at];
            w->measures[recipe].head_error[head] += error * error;
            w->measures[recipe].head_power[head] += (double)base[at] * (double)base[at];
        }
    }
}

static void take_output(void *self, size_t cache, uint32_t layer, const float *out)
{
    heads_work *w = self;
    memcpy(w->outputs + cache * w->shape->dim, out, w->shape->dim * sizeof *out);
    if (cache + 1u == w->count) {
        add_errors(w, layer);
    }
}

/* recipe 0 to the end */
static void put_base_last(kvant_cache **caches, size_t count)
{
    kvant_cache *base = caches[0];
    for (size_t i = 1; i < count; i++) {
        caches[i - 1u] = caches[i];
    }
    caches[count - 1u] = base;
}

static int run_window(model_run *run, const eval_text *text, uint32_t window, eval_caches *c,
                      heads_work *w, float *logits, tool_error *error)
{
    const uint32_t *tokens = eval_text_window(text, window);
    int result = eval_caches_fill(run, text, window, c, error);
    run->attention.watch = (attention_watch){take_output, w};
    for (uint32_t at = text->prompt; at < text->length && result == 0; at++) {
        progress_show(&run->bar, "attention of each head", at - text->prompt,
                      eval_text_predicted(text));
        attention_port port = kv_attention_port(&run->attention);
        result = transformer_forward(&run->engine, &port, &tokens[at], at, 1, logits, error);
    }
    run->attention.watch = (attention_watch){NULL, NULL};
    return result;
}

int eval_heads(model_run *run, const eval_text *text, uint32_t windows, eval_measure *measures,
               tool_error *error)
{
    const checkpoint_shape *shape = &run->model->shape;
    heads_work w = {shape, measures, run->recipes->count, NULL};
    w.outputs = calloc(w.count * shape->dim, sizeof(float));
    float *logits = calloc(shape->vocab_size, sizeof(float));
    eval_caches caches = {NULL, NULL, 0};
    int result = -1;
    if (w.outputs == NULL || logits == NULL) {
        tool_error_memory(error);
    } else {
        result = eval_caches_create(run, text, &caches, error);
    }
    if (result == 0) {
        put_base_last(caches.caches, caches.count);
    }
    for (uint32_t i = 0; i < windows && i < text->windows && result == 0; i++) {
        result = run_window(run, text, i, &caches, &w, logits, error);
    }
    progress_end(&run->bar);
    eval_caches_release(&caches);
    free(w.outputs);
    free(logits);
    return result;
}
