/* SPDX-License-Identifier: MIT
 *
 * The attention's error layer by layer and head by head.
 */
#include "eval_measure.h"
#include "eval_passes.h"

typedef struct {
    const checkpoint_shape *shape;
    eval_measure *measures;
} heads_work;

static void add_errors(void *self, size_t recipe, uint32_t layer, const float *base,
                       const float *out)
{
    const heads_work *w = self;
    for (size_t at = 0; at < w->shape->dim; at++) {
        size_t head = (size_t)layer * w->shape->heads + at / w->shape->head_dim;
        double error = (double)out[at] - (double)base[at];
        w->measures[recipe].head_error[head] += error * error;
        w->measures[recipe].head_power[head] += (double)base[at] * (double)base[at];
    }
}

int eval_heads(model_run *run, const eval_text *text, uint32_t windows, eval_measure *measures,
               tool_error *error)
{
    heads_work w = {&run->model->shape, measures};
    const outputs_visitor visitor = {add_errors, &w};
    eval_passes passes;
    int result = eval_passes_create(run, text, &passes, error);
    for (uint32_t i = 0; i < windows && i < text->windows && result == 0; i++) {
        result = eval_outputs_pass(&passes, i, &visitor, error);
    }
    progress_end(&run->bar);
    eval_passes_release(&passes);
    return result;
}
