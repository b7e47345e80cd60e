/* SPDX-License-Identifier: MIT
 *
 * Device after device; all are opened and asked before the first one works.
 */
#include "eval_session.h"

#include <stdlib.h>
#include <string.h>

enum { MOST_DEVICES = 16 };

typedef struct {
    const eval_request *request;
    eval_recipes *recipes;
    eval_text *text;
    tool_device *devices;
    size_t device_count;
} session;

/* ---- devices ------------------------------------------------------------------------------- */

static int open_device(session *s, const char *select, tool_error *error)
{
    if (s->device_count == MOST_DEVICES) {
        return tool_error_input(error, "--backend takes at most %d devices", MOST_DEVICES);
    }
    tool_device *device = &s->devices[s->device_count];
    const char *command = s->request->quiet ? NULL : "eval";
    if (tool_device_open(device, command, select, 0, error) != 0) {
        return -1;
    }
    s->device_count++;
    return 0;
}

/* Each item of the list is a device of its own, not a second choice. */
static int open_devices(session *s, tool_error *error)
{
    const char *at = s->request->backends;
    if (at == NULL) {
        return open_device(s, NULL, error);
    }
    for (;;) {
        char item[256];
        size_t length = strcspn(at, ",");
        if (length == 0u || length >= sizeof item) {
            tool_error_input(error, "--backend \"%.100s\": item %zu %s", s->request->backends,
                             s->device_count + 1u, length == 0u ? "is empty" : "is too long");
            return -1;
        }
        memcpy(item, at, length);
        item[length] = '\0';
        if (open_device(s, item, error) != 0) {
            return -1;
        }
        if (at[length] == '\0') {
            return 0;
        }
        at += length + 1u;
    }
}

static int check_recipes(session *s, tool_error *error)
{
    const eval_request *r = s->request;
    const checkpoint_shape *shape = &r->model->shape;
    for (size_t i = 0; i < s->device_count; i++) {
        kvant_context *context = s->devices[i].context;
        if (eval_recipes_check(s->recipes, shape, context, s->text->prompt,
                               eval_text_predicted(s->text), error) != 0 ||
            (r->cases != NULL &&
             eval_recipes_check(s->recipes, shape, context, r->cases->longest_prompt,
                                r->cases->longest_answer, error) != 0)) {
            return -1;
        }
    }
    return 0;
}

/* ---- work ---------------------------------------------------------------------------------- */

static int prepare_run(const session *s, tool_device *device, model_run *run, tool_error *error)
{
    const eval_request *r = s->request;
    memset(run, 0, sizeof *run);
    run->model = r->model;
    run->words = r->words;
    run->recipes = &s->recipes->list;
    run->device = device->info;
    progress_start(&run->bar, r->quiet);
    uint32_t prompt = s->text->prompt;
    if (r->cases != NULL && r->cases->longest_prompt > prompt) {
        prompt = r->cases->longest_prompt;
    }
    return model_run_prepare(run, device->context, prompt, error);
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

/* The text is there from the first device on. */
static int run_device(session *s, size_t index, eval_device_results *results, tool_error *error)
{
    const eval_request *r = s->request;
    model_run run;
    int result = prepare_run(s, &s->devices[index], &run, error);
    if (result == 0 && s->text->tokens == NULL) {
        result = eval_text_write(&run, r->text_seed, s->text, error);
    }
    if (result == 0) {
        result = allocate_measures(s, results, error);
    }
    if (result == 0) {
        results->info = s->devices[index].info;
        result = eval_windows(&run, s->text, results->measures, error);
    }
    if (result == 0 && r->head_windows != 0u) {
        result = eval_heads(&run, s->text, r->head_windows, results->measures, error);
    }
    if (result == 0 && r->cases != NULL) {
        result = eval_tasks(&run, r->cases, results->measures, error);
    }
    model_run_release(&run);
    return result;
}

static int run_devices(session *s, eval_results *results, tool_error *error)
{
    results->recipe_count = s->recipes->list.count;
    results->devices = calloc(s->device_count, sizeof *results->devices);
    if (results->devices == NULL) {
        return tool_error_memory(error);
    }
    int result = 0;
    for (size_t i = 0; i < s->device_count && result == 0; i++) {
        results->device_count++;
        result = run_device(s, i, &results->devices[i], error);
    }
    return result;
}

int eval_session(const eval_request *request, eval_recipes *recipes, eval_text *text,
                 eval_results *out_results, tool_error *error)
{
    memset(out_results, 0, sizeof *out_results);
    session s = {request, recipes, text, calloc(MOST_DEVICES, sizeof(tool_device)), 0};
    int result = -1;
    if (s.devices == NULL) {
        tool_error_memory(error);
    } else {
        result = open_devices(&s, error);
    }
    if (result == 0) {
        result = check_recipes(&s, error);
    }
    if (result == 0) {
        result = run_devices(&s, out_results, error);
    }
    for (size_t i = 0; i < s.device_count; i++) {
        tool_device_close(&s.devices[i]);
    }
    free(s.devices);
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
