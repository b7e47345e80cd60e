/* SPDX-License-Identifier: MIT
 *
 * What an eval does on each device.
 */
#include "eval_session.h"

#include <stdlib.h>
#include <string.h>

typedef struct {
    const eval_request *request;
    const eval_recipes *recipes;
    const eval_text *text;
    eval_results *results;
} session;

static int begin(void *self, size_t device_count, tool_error *error)
{
    const session *s = self;
    s->results->recipe_count = s->recipes->list.count;
    s->results->devices = calloc(device_count, sizeof *s->results->devices);
    return s->results->devices != NULL ? 0 : tool_error_memory(error);
}

static int allocate_measures(const session *s, eval_device_results *device, tool_error *error)
{
    size_t count = s->recipes->list.count;
    device->measures = calloc(count, sizeof *device->measures);
    if (device->measures == NULL) {
        return tool_error_memory(error);
    }
    size_t cases = s->request->cases != NULL ? s->request->cases->count : 0u;
    for (size_t i = 0; i < count; i++) {
        if (eval_measure_create(&s->request->model->shape, s->text->windows, cases,
                                &device->measures[i], error) != 0) {
            return -1;
        }
    }
    return 0;
}

static int run_device(void *self, size_t index, model_run *run, tool_error *error)
{
    const session *s = self;
    const eval_request *r = s->request;
    eval_device_results *results = &s->results->devices[index];
    s->results->device_count = index + 1u;
    int result = allocate_measures(s, results, error);
    if (result == 0) {
        results->info = run->device;
        result = eval_windows(run, s->text, results->measures, error);
    }
    if (result == 0 && r->head_windows != 0u) {
        result = eval_heads(run, s->text, r->head_windows, results->measures, error);
    }
    if (result == 0 && r->cases != NULL) {
        result = eval_tasks(run, r->cases, results->measures, error);
    }
    return result;
}

int eval_session(const eval_request *request, eval_recipes *recipes, eval_text *text,
                 eval_results *out_results, tool_error *error)
{
    memset(out_results, 0, sizeof *out_results);
    session s = {request, recipes, text, out_results};
    const eval_device_work work = {begin, run_device, &s};
    int result = eval_each_device(request, recipes, text, &work, error);
    if (result != 0) {
        eval_results_release(out_results);
    }
    return result;
}

void eval_results_release(eval_results *r)
{
    for (size_t i = 0; i < r->device_count; i++) {
        for (size_t j = 0; r->devices[i].measures != NULL && j < r->recipe_count; j++) {
            eval_measure_release(&r->devices[i].measures[j]);
        }
        free(r->devices[i].measures);
    }
    free(r->devices);
    memset(r, 0, sizeof *r);
}
