/* SPDX-License-Identifier: MIT
 *
 * The text's own tokens through every recipe's cache, and how far the logits are from f16's.
 */
#include <stdlib.h>

#include "eval_caches.h"
#include "eval_hash.h"
#include "eval_measure.h"

typedef struct {
    model_run *run;
    const eval_text *text;
    eval_measure *measures;
    eval_caches caches;
    float *base; /* f16's logits of a window, [predicted][vocab_size] */
    float *logits;
} windows_work;

/* The logits after token `step` of those that follow the prompt. */
static int measure_step(windows_work *w, size_t recipe, uint32_t window, uint32_t step,
                        const float *logits, tool_error *error)
{
    uint32_t vocab_size = w->run->model->shape.vocab_size;
    eval_measure *m = &w->measures[recipe];
    const float *base = w->base + step * (size_t)vocab_size;
    uint32_t next = eval_text_window(w->text, window)[w->text->prompt + step + 1u];
    size_t same_before = m->kld.same_top;
    if (divergence_add(&m->kld, base, logits, vocab_size, error) != 0) {
        return -1;
    }
    m->window_kld[window] += m->kld.values[m->kld.count - 1u];
    m->window_same[window] += (double)(m->kld.same_top - same_before);
    m->window_nll[window] += logits_surprise(logits, vocab_size, next);
    m->logits = eval_hash(m->logits, logits, vocab_size * sizeof *logits);
    return 0;
}

/* Decodes a window with one recipe; f16 leaves its logits for the others. */
static int decode(windows_work *w, size_t recipe, uint32_t window, tool_error *error)
{
    size_t vocab_size = w->run->model->shape.vocab_size;
    const uint32_t *tokens = eval_text_window(w->text, window);
    for (uint32_t step = 0; step < eval_text_predicted(w->text); step++) {
        float *logits = recipe == 0u ? w->base + step * vocab_size : w->logits;
        uint32_t position = w->text->prompt + step;
        if (model_run_step(w->run, w->caches.caches[recipe], tokens[position], position, logits,
                           error) != 0 ||
            measure_step(w, recipe, window, step, logits, error) != 0) {
            return -1;
        }
    }
    uint64_t digest = 0;
    kvant_status status = kvant_cache_digest(w->caches.caches[recipe], &digest);
    w->measures[recipe].digest = eval_hash(w->measures[recipe].digest, &digest, sizeof digest);
    return status == KVANT_OK ? 0 : tool_error_library(error, status, "a cache was not measured");
}

static int run_window(windows_work *w, uint32_t window, tool_error *error)
{
    size_t recipes = w->run->recipes->count;
    if (eval_caches_fill(w->run, w->text, window, &w->caches, error) != 0) {
        return -1;
    }
    for (size_t i = 0; i < recipes; i++) {
        char what[200];
        snprintf(what, sizeof what, "%.60s, %.100s: windows", w->run->device.select,
                 w->run->recipes->entries[i].text);
        progress_show(&w->run->bar, what, window * recipes + i, w->text->windows * recipes);
        if (decode(w, i, window, error) != 0) {
            return -1;
        }
    }
    return 0;
}

static int take_usage(windows_work *w, tool_error *error)
{
    kvant_status status = KVANT_OK;
    for (size_t i = 0; i < w->caches.count && status == KVANT_OK; i++) {
        status = kvant_cache_usage(w->caches.caches[i], &w->measures[i].bytes);
    }
    return status == KVANT_OK ? 0 : tool_error_library(error, status, "a cache was not measured");
}

int eval_windows(model_run *run, const eval_text *text, eval_measure *measures, tool_error *error)
{
    size_t vocab_size = run->model->shape.vocab_size;
    windows_work w = {.run = run, .text = text, .measures = measures};
    w.base = calloc(eval_text_predicted(text) * vocab_size, sizeof(float));
    w.logits = calloc(vocab_size, sizeof(float));
    int result = -1;
    if (w.base == NULL || w.logits == NULL) {
        tool_error_memory(error);
    } else {
        result = eval_caches_create(run, text, &w.caches, error);
    }
    for (uint32_t window = 0; window < text->windows && result == 0; window++) {
        result = run_window(&w, window, error);
    }
    if (result == 0) {
        result = take_usage(&w, error);
    }
    progress_end(&run->bar);
    eval_caches_release(&w.caches);
    free(w.base);
    free(w.logits);
    return result;
}
