/* SPDX-License-Identifier: MIT
 *
 * Gathers the features device by device.
 */
#include "fingerprint_session.h"

#include <stdlib.h>
#include <string.h>

#include "eval_passes.h"

typedef struct {
    const checkpoint *model;
    const eval_recipes *recipes;
    const eval_text *text;
    fingerprint_results *results;
    fingerprint_sums **sums; /* one a recipe */
} session;

static int take_logits(void *self, size_t recipe, uint32_t window, uint32_t step, const float *base,
                       const float *logits, tool_error *error)
{
    const session *s = self;
    (void)window;
    (void)step;
    return fingerprint_add_logits(s->sums[recipe], base, logits, error);
}

static void take_output(void *self, size_t recipe, uint32_t layer, const float *base,
                        const float *out)
{
    const session *s = self;
    fingerprint_add_output(s->sums[recipe], layer, base, out);
}

static int run_window(session *s, size_t device, eval_passes *passes, uint32_t window,
                      tool_error *error)
{
    const fingerprint_results *r = s->results;
    const logits_visitor logits = {take_logits, s};
    const outputs_visitor outputs = {take_output, s};
    for (size_t i = 0; i < r->recipes; i++) {
        fingerprint_sums_reset(s->sums[i]);
    }
    if (eval_logits_pass(passes, window, &logits, error) != 0 ||
        eval_outputs_pass(passes, window, &outputs, error) != 0) {
        return -1;
    }
    for (size_t i = 0; i < r->recipes; i++) {
        double *features = r->devices[device].features;
        fingerprint_features(s->sums[i], features + (i * r->windows + window) * r->features);
    }
    return 0;
}

static int begin(void *self, size_t device_count, tool_error *error)
{
    session *s = self;
    fingerprint_results *r = s->results;
    r->recipes = s->recipes->list.count;
    r->windows = s->text->windows;
    r->learnt = r->windows / 2u;
    r->features = fingerprint_feature_count(s->model->shape.layers);
    if (r->recipes < 2u) {
        return tool_error_input(error, "there is no recipe but f16 to tell");
    }
    return fingerprint_results_allocate(r, device_count, error);
}

static int run_device(void *self, size_t device, model_run *run, tool_error *error)
{
    session *s = self;
    const checkpoint_shape *shape = &run->model->shape;
    size_t recipes = s->results->recipes;
    eval_passes passes;
    s->results->devices[device].info = run->device;
    int result = eval_passes_create(run, s->text, &passes, error);
    s->sums = calloc(recipes, sizeof *s->sums);
    if (result == 0 && s->sums == NULL) {
        result = tool_error_memory(error);
    }
    for (size_t i = 0; i < recipes && result == 0; i++) {
        s->sums[i] = fingerprint_sums_create(shape->vocab_size, shape->layers, shape->heads,
                                             shape->head_dim, eval_text_predicted(s->text), error);
        result = s->sums[i] != NULL ? 0 : -1;
    }
    for (uint32_t window = 0; window < s->text->windows && result == 0; window++) {
        result = run_window(s, device, &passes, window, error);
    }
    progress_end(&run->bar);
    for (size_t i = 0; s->sums != NULL && i < recipes; i++) {
        fingerprint_sums_release(s->sums[i]);
    }
    free(s->sums);
    s->sums = NULL;
    eval_passes_release(&passes);
    return result;
}

int fingerprint_session(const eval_request *request, eval_recipes *recipes, eval_text *text,
                        const bootstrap_plan *plan, fingerprint_results *out_results,
                        tool_error *error)
{
    memset(out_results, 0, sizeof *out_results);
    session s = {request->model, recipes, text, out_results, NULL};
    const eval_device_work work = {begin, run_device, &s};
    int result = eval_each_device(request, recipes, text, &work, error);
    if (result == 0) {
        result = fingerprint_judge(out_results, plan, error);
    }
    if (result != 0) {
        fingerprint_results_release(out_results);
    }
    return result;
}
