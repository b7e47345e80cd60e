/* SPDX-License-Identifier: MIT
 *
 * Device time by the kind of work: a time stamp before and one behind every command.
 */
#include "context_internal.h"

static uint32_t first_mark(uint32_t pair)
{
    return 2u + 2u * pair;
}

/* Adds the pairs that were set to the sums; waits for the last. After a failure it goes on where it
 * stopped. */
static kvant_status collect(kvant_context *context)
{
    kvant_timing *timing = &context->timing;
    kvant_status status = KVANT_OK;
    context->stats.synchronizations += timing->read < timing->pairs ? 1u : 0u;
    while (timing->read < timing->pairs && status == KVANT_OK) {
        uint32_t mark = first_mark(timing->read);
        kvant_work kind = timing->kinds[timing->read];
        double microseconds = 0.0;
        status = context->backend->elapsed(context->device, mark, mark + 1u, &microseconds);
        if (status == KVANT_OK) {
            timing->sums.microseconds[kind] += microseconds;
            timing->sums.commands[kind]++;
            timing->read++;
        }
    }
    if (status == KVANT_OK) {
        timing->read = timing->pairs = 0;
    }
    return kvant_finish(context, status);
}

kvant_status kvant_command_begin(kvant_context *context, kvant_work kind)
{
    kvant_timing *timing = &context->timing;
    context->stats.commands++;
    if (!timing->is_on) {
        return KVANT_OK;
    }
    kvant_status status = timing->pairs < KVANT_TIMED_COMMANDS ? KVANT_OK : collect(context);
    if (status == KVANT_OK) {
        timing->kinds[timing->pairs] = kind;
        status = context->backend->mark(context->device, first_mark(timing->pairs));
    }
    return status;
}

kvant_status kvant_command_end(kvant_context *context, kvant_status status)
{
    kvant_timing *timing = &context->timing;
    if (status == KVANT_OK && timing->is_on) {
        kvant_status stamped =
            context->backend->mark(context->device, first_mark(timing->pairs) + 1u);
        timing->pairs += stamped == KVANT_OK ? 1u : 0u;
        /* the command was given to the device: it does not fail for want of a stamp */
        if (stamped == KVANT_ERROR_DEVICE_LOST) {
            status = stamped;
        } else if (stamped != KVANT_OK) {
            timing->refused = stamped;
        }
    }
    return kvant_finish(context, status);
}

static kvant_status check_context(const kvant_context *context)
{
    if (context == NULL) {
        return kvant_fail(KVANT_ERROR_INVALID_ARGUMENT, "context is NULL");
    }
    return kvant_require_alive(context);
}

kvant_status kvant_context_timing(kvant_context *context, int is_on)
{
    kvant_status status = check_context(context);
    if (status != KVANT_OK) {
        return status;
    }
    kvant_timing *timing = &context->timing;
    if (is_on != 0) {
        timing->read = timing->pairs = 0;
        timing->refused = KVANT_OK;
        timing->sums = (kvant_work_times)KVANT_WORK_TIMES_INIT;
    }
    timing->is_on = is_on != 0;
    return KVANT_OK;
}

kvant_status kvant_context_work_times(kvant_context *context, kvant_work_times *out_times)
{
    kvant_status status = check_context(context);
    if (status != KVANT_OK) {
        return status;
    }
    if (out_times == NULL || out_times->struct_size != sizeof *out_times) {
        return kvant_fail(KVANT_ERROR_INVALID_ARGUMENT,
                          "a kvant_work_times with its struct_size is needed");
    }
    status = collect(context);
    if (status != KVANT_OK) {
        return status;
    }
    kvant_status refused = context->timing.refused;
    if (refused != KVANT_OK) {
        context->timing.refused = KVANT_OK; /* told once: the next call gives what there is */
        return kvant_fail(refused, "commands have no time: the driver refused a stamp behind them");
    }
    *out_times = context->timing.sums;
    out_times->struct_size = sizeof *out_times;
    return KVANT_OK;
}
