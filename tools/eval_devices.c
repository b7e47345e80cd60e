/* SPDX-License-Identifier: MIT
 *
 * Device after device.
 */
#include "eval_devices.h"

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
    const char *command = s->request->quiet ? NULL : s->request->command;
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

/* The text is there from the first device on. */
static int run_device(session *s, size_t index, const eval_device_work *work, tool_error *error)
{
    model_run run;
    int result = prepare_run(s, &s->devices[index], &run, error);
    if (result == 0 && s->text->tokens == NULL) {
        result = eval_text_write(&run, s->request->text_seed, s->text, error);
    }
    if (result == 0) {
        result = work->work(work->self, index, &run, error);
    }
    model_run_release(&run);
    return result;
}

int eval_each_device(const eval_request *request, eval_recipes *recipes, eval_text *text,
                     const eval_device_work *work, tool_error *error)
{
    session s = {request, recipes, text, calloc(MOST_DEVICES, sizeof(tool_device)), 0};
    int result = s.devices != NULL ? open_devices(&s, error) : tool_error_memory(error);
    if (result == 0) {
        result = check_recipes(&s, error);
    }
    if (result == 0) {
        result = work->begin(work->self, s.device_count, error);
    }
    for (size_t i = 0; i < s.device_count && result == 0; i++) {
        result = run_device(&s, i, work, error);
    }
    for (size_t i = 0; i < s.device_count; i++) {
        tool_device_close(&s.devices[i]);
    }
    free(s.devices);
    return result;
}
