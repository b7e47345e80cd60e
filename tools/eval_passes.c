/* SPDX-License-Identifier: MIT
 *
 * The two ways through a window.
 */
#include "eval_passes.h"

#include <stdlib.h>
#include <string.h>

int eval_passes_create(model_run *run, const eval_text *text, eval_passes *out_passes,
                       tool_error *error)
{
    eval_passes *p = out_passes;
    const checkpoint_shape *shape = &run->model->shape;
    *p = (eval_passes){.run = run, .text = text};
    p->base = calloc(eval_text_predicted(text) * (size_t)shape->vocab_size, sizeof(float));
    p->logits = calloc(shape->vocab_size, sizeof(float));
    p->outputs = calloc(run->recipes->count * shape->dim, sizeof(float));
    if (p->base == NULL || p->logits == NULL || p->outputs == NULL) {
        return tool_error_memory(error);
    }
    return eval_caches_create(run, text, &p->caches, error);
}

void eval_passes_release(eval_passes *p)
{
    eval_caches_release(&p->caches);
    free(p->base);
    free(p->logits);
    free(p->outputs);
    memset(p, 0, sizeof *p);
}

/* ---- logits -------------------------------------------------------------------------------- */

static int decode(eval_passes *p, size_t recipe, uint32_t window, const logits_visitor *visitor,
                  tool_error *error)
{
    size_t vocab_size = p->run->model->shape.vocab_size;
    const uint32_t *tokens = eval_text_window(p->text, window);
    for (uint32_t step = 0; step < eval_text_predicted(p->text); step++) {
        float *base = p->base + step * vocab_size;
        float *logits = recipe == 0u ? base : p->logits;
        uint32_t position = p->text->prompt + step;
        if (model_run_step(p->run, p->caches.caches[recipe], tokens[position], position, logits,
                           error) != 0 ||
            visitor->take(visitor->self, recipe, window, step, base, logits, error) != 0) {
            return -1;
        }
    }
    return 0;
}

int eval_logits_pass(eval_passes *p, uint32_t window, const logits_visitor *visitor,
                     tool_error *error)
{
    size_t recipes = p->run->recipes->count;
    if (eval_caches_fill(p->run, p->text, window, &p->caches, error) != 0) {
        return -1;
    }
    for (size_t i = 0; i < recipes; i++) {
        char what[200];
        snprintf(what, sizeof what, "%.60s, %.100s: windows", p->run->device.select,
                 p->run->recipes->entries[i].text);
        progress_show(&p->run->bar, what, window * recipes + i, p->text->windows * recipes);
        if (decode(p, i, window, visitor, error) != 0) {
            return -1;
        }
    }
    return 0;
}

/* ---- outputs ------------------------------------------------------------------------------- */

typedef struct {
    eval_passes *passes;
    const outputs_visitor *visitor;
} outputs_watch;

/* The last cache is recipe 0, f16; before it come recipes 1, 2 ... */
static void take_output(void *self, size_t cache, uint32_t layer, const float *out)
{
    const outputs_watch *w = self;
    eval_passes *p = w->passes;
    size_t dim = p->run->model->shape.dim;
    size_t count = p->caches.count;
    memcpy(p->outputs + cache * dim, out, dim * sizeof *out);
    if (cache + 1u < count) {
        return;
    }
    const float *base = p->outputs + (count - 1u) * dim;
    for (size_t recipe = 0; recipe < count; recipe++) {
        const float *own = recipe == 0u ? base : p->outputs + (recipe - 1u) * dim;
        w->visitor->take(w->visitor->self, recipe, layer, base, own);
    }
}

/* The transformer goes on with the last cache's output: recipe 0 goes to the end, or back. */
static void rotate_caches(eval_caches *c, int to_the_end)
{
    size_t last = c->count - 1u;
    kvant_cache *moved = c->caches[to_the_end ? 0u : last];
    if (to_the_end) {
        memmove(c->caches, c->caches + 1, last * sizeof *c->caches);
    } else {
        memmove(c->caches + 1, c->caches, last * sizeof *c->caches);
    }
    c->caches[to_the_end ? last : 0u] = moved;
}

int eval_outputs_pass(eval_passes *p, uint32_t window, const outputs_visitor *visitor,
                      tool_error *error)
{
    outputs_watch watch = {p, visitor};
    model_run *run = p->run;
    const uint32_t *tokens = eval_text_window(p->text, window);
    rotate_caches(&p->caches, 1);
    int result = eval_caches_fill(run, p->text, window, &p->caches, error);
    run->attention.watch = (attention_watch){take_output, &watch};
    for (uint32_t at = p->text->prompt; at < p->text->length && result == 0; at++) {
        progress_show(&run->bar, "attention of each head", at - p->text->prompt,
                      eval_text_predicted(p->text));
        attention_port port = kv_attention_port(&run->attention);
        result = transformer_forward(&run->engine, &port, &tokens[at], at, 1, p->logits, error);
    }
    run->attention.watch = (attention_watch){NULL, NULL};
    rotate_caches(&p->caches, 0);
    return result;
}
