/* SPDX-License-Identifier: MIT
 *
 * The text's own tokens through every recipe's cache, and how far the logits are from f16's.
 */
#include "eval_hash.h"
#include "eval_measure.h"
#include "eval_passes.h"

typedef struct {
    const eval_passes *passes;
    eval_measure *measures;
} windows_work;

static int measure_step(void *self, size_t recipe, uint32_t window, uint32_t step,
                        const float *base, const float *logits, tool_error *error)
{
    const windows_work *w = self;
    const eval_text *text = w->passes->text;
    uint32_t vocab_size = w->passes->run->model->shape.vocab_size;
    eval_measure *m = &w->measures[recipe];
    uint32_t next = eval_text_window(text, window)[text->prompt + step + 1u];
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

static int take_digests(const windows_work *w, tool_error *error)
{
    kvant_status status = KVANT_OK;
    for (size_t i = 0; i < w->passes->caches.count && status == KVANT_OK; i++) {
        uint64_t digest = 0;
        status = kvant_cache_digest(w->passes->caches.caches[i], &digest);
        w->measures[i].digest = eval_hash(w->measures[i].digest, &digest, sizeof digest);
    }
    return status == KVANT_OK ? 0 : tool_error_library(error, status, "a cache was not measured");
}

static int take_usage(const windows_work *w, tool_error *error)
{
    kvant_status status = KVANT_OK;
    for (size_t i = 0; i < w->passes->caches.count && status == KVANT_OK; i++) {
        status = kvant_cache_usage(w->passes->caches.caches[i], &w->measures[i].bytes);
    }
    return status == KVANT_OK ? 0 : tool_error_library(error, status, "a cache was not measured");
}

int eval_windows(model_run *run, const eval_text *text, eval_measure *measures, tool_error *error)
{
    eval_passes passes;
    windows_work w = {&passes, measures};
    const logits_visitor visitor = {measure_step, &w};
    int result = eval_passes_create(run, text, &passes, error);
    for (uint32_t window = 0; window < text->windows && result == 0; window++) {
        result = eval_logits_pass(&passes, window, &visitor, error);
        if (result == 0) {
            result = take_digests(&w, error);
        }
    }
    if (result == 0) {
        result = take_usage(&w, error);
    }
    progress_end(&run->bar);
    eval_passes_release(&passes);
    return result;
}
