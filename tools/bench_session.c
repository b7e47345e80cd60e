/* SPDX-License-Identifier: MIT
 *
 * Row by row: check the operation, prepare it and its f16 counterpart, time both and a copy in turn.
 */
#include "bench_session.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { MEGABYTE = 1 << 20 };

typedef struct {
    kvant_context *context;
    kvant_context *reference;
    const bench_settings *settings;
    bench_results *results;
    uint64_t beyond;
    bench_operation copy;
    bench_data data;
    bench_shape data_shape; /* that the data was made for */
} session;

/* ---- how much is enough -------------------------------------------------------------------- */

/* Bytes after which the device's caches hold nothing of the first. A GPU's last-level cache is
 * tens of megabytes; a CPU tells its own, and is asked for twice that. */
static uint64_t beyond_caches(const kvant_device_info *device)
{
    if (device->kind == KVANT_DEVICE_GPU) {
        return UINT64_C(256) * MEGABYTE;
    }
    if (device->kind != KVANT_DEVICE_CPU) {
        return 0; /* the reference is far from any cache's bandwidth */
    }
    long cache = sysconf(_SC_LEVEL3_CACHE_SIZE);
    uint64_t bytes = cache > 0 ? 2u * (uint64_t)cache : UINT64_C(64) * MEGABYTE;
    return bytes < UINT64_C(512) * MEGABYTE ? bytes : UINT64_C(512) * MEGABYTE;
}

static uint64_t copy_size(const kvant_device_info *device, uint64_t beyond)
{
    uint64_t least = (uint64_t)(device->kind == KVANT_DEVICE_GPU ? 512 : 32) * MEGABYTE;
    uint64_t size = beyond / 2u > least ? beyond / 2u : least;
    if (device->max_buffer_bytes != 0u && size > device->max_buffer_bytes) {
        size = device->max_buffer_bytes;
    }
    return size / 4u * 4u;
}

/* ---- one row ------------------------------------------------------------------------------- */

static int need_data(session *s, const bench_shape *shape, tool_error *error)
{
    bench_shape wanted = *shape;
    wanted.layers = 0; /* makes no difference to the data */
    if (s->data.k.buffer != NULL && memcmp(&s->data_shape, &wanted, sizeof wanted) == 0) {
        return 0;
    }
    bench_data_release(&s->data);
    s->data_shape = wanted;
    return bench_data_create(s->context, shape, s->beyond, s->settings->seed, &s->data, error);
}

static int prepare(session *s, const bench_kind *kind, const kvant_recipe *recipe,
                   const bench_row *row, double seconds, bench_operation *out, tool_error *error)
{
    memset(out, 0, sizeof *out);
    out->context = s->context;
    out->kind = kind;
    out->shape = &row->shape;
    out->data = &s->data;
    out->recipe = *recipe;
    out->beyond = s->beyond;
    out->patience = 2.0 * seconds;
    out->steps = s->settings->steps + 1u;
    return bench_operation_prepare(out, error);
}

/* Of the operations that were made, the last is the recipe's. */
static int time_operations(session *s, bench_operation *operations, size_t count, double seconds,
                           bench_row *row, tool_error *error)
{
    bench_lane lanes[BENCH_MOST_LANES];
    lanes[0].operation = &s->copy;
    for (size_t i = 0; i < count; i++) {
        lanes[i + 1u].operation = &operations[i];
    }
    if (bench_measure(lanes, count + 1u, seconds, error) != 0) {
        return -1;
    }
    row->copy_gb_s = (double)s->copy.bytes / (lanes[0].us.median * 1e3);
    row->us = lanes[count].us;
    row->f16_us = count == 2u ? lanes[1].us.median : -1.0;
    row->rotated = row->bytes * operations[count - 1u].turns;
    return 0;
}

static int time_steps(session *s, bench_operation *operations, size_t count, double seconds,
                      bench_row *row, tool_error *error)
{
    bench_lane copy = {.operation = &s->copy};
    bench_step_lane lanes[BENCH_MOST_LANES];
    memset(lanes, 0, sizeof lanes);
    for (size_t i = 0; i < count; i++) {
        lanes[i].operation = &operations[i];
    }
    int result = bench_measure(&copy, 1, 0.1 * seconds, error);
    if (result == 0) {
        result = bench_measure_steps(lanes, count, seconds, error);
    }
    if (result == 0) {
        const bench_step_lane *last = &lanes[count - 1u];
        step_summary stamped = step_times_summary(&last->stamped);
        row->steps = step_times_summary(&last->plain);
        memcpy(row->steps.work_us, stamped.work_us, sizeof stamped.work_us);
        row->steps.split_us = stamped.split_us;
        row->steps.rest_us = stamped.rest_us;
        row->has_steps = 1;
        row->us = row->steps.us;
        row->copy_gb_s = (double)s->copy.bytes / (copy.us.median * 1e3);
        row->f16_us = count == 2u ? step_times_summary(&lanes[0].plain).us.median : -1.0;
        row->rotated = row->bytes;
    }
    for (size_t i = 0; i < count; i++) {
        bench_step_lane_release(&lanes[i]);
    }
    return result;
}

static int measure_row(session *s, const bench_entry *entry, double seconds, bench_row *row,
                       tool_error *error)
{
    const bench_kind *kind = entry->kind;
    *row = (bench_row){.entry = entry, .shape = entry->shape};
    if (bench_gate(s->context, s->reference, kind, entry->recipe, &row->shape, s->settings->seed,
                   error) != 0 ||
        need_data(s, &row->shape, error) != 0) {
        return -1;
    }
    bench_operation operations[2];
    memset(operations, 0, sizeof operations);
    size_t count = 0;
    int result = 0;
    if (kind->baseline != NULL) {
        kvant_recipe f16;
        result = recipe_f16(&f16, error);
        if (result == 0) {
            result = prepare(s, bench_kind_named(kind->baseline), &f16, row, seconds,
                             &operations[count++], error);
        }
    }
    if (result == 0) {
        result = prepare(s, kind, entry->recipe, row, seconds, &operations[count++], error);
    }
    if (result == 0) {
        row->bytes = operations[count - 1u].bytes;
        row->work = kind->work(&row->shape) * row->shape.batch;
        row->work *= kind->is_step ? row->shape.layers : 1.0;
        result = kind->is_step ? time_steps(s, operations, count, seconds, row, error)
                               : time_operations(s, operations, count, seconds, row, error);
    }
    bench_operation_release(&operations[0]);
    bench_operation_release(&operations[1]);
    return result;
}

/* ---- all rows ------------------------------------------------------------------------------ */

static int measure_all(session *s, const bench_entry *entries, size_t count, progress *bar,
                       tool_error *error)
{
    double end = tool_seconds() + s->settings->seconds;
    for (size_t i = 0; i < count; i++) {
        double share = 1.0;
        progress_show(bar, entries[i].kind->name, i, count);
        if (s->settings->seconds > 0.0) {
            double left = end - tool_seconds();
            if (left <= 0.0) {
                s->results->skipped = count - i;
                break;
            }
            /* checks and fillings take about as long as the measuring */
            share = 0.5 * left / (double)(count - i);
        }
        if (measure_row(s, &entries[i], share, &s->results->rows[s->results->count], error) != 0) {
            return -1;
        }
        s->results->count++;
    }
    return 0;
}

int bench_session_run(kvant_context *context, kvant_context *reference, const bench_entry *entries,
                      size_t count, const bench_settings *settings, progress *bar,
                      bench_results *out_results, tool_error *error)
{
    memset(out_results, 0, sizeof *out_results);
    out_results->device = (kvant_device_info)KVANT_DEVICE_INFO_INIT;
    out_results->seed = settings->seed;
    kvant_status status = kvant_context_device(context, &out_results->device);
    if (status == KVANT_OK) {
        status = kvant_context_prepare(context);
    }
    if (status != KVANT_OK) {
        return tool_error_library(error, status, "the kernels were not built");
    }
    out_results->rows = calloc(count != 0u ? count : 1u, sizeof *out_results->rows);
    if (out_results->rows == NULL) {
        return tool_error_memory(error);
    }
    session s = {.context = context,
                 .reference = reference,
                 .settings = settings,
                 .results = out_results,
                 .beyond =
                     settings->has_rotate ? settings->rotate : beyond_caches(&out_results->device),
                 .copy = {.context = context}};
    int result = bench_prepare_copy(&s.copy, copy_size(&out_results->device, s.beyond), error);
    out_results->copy_bytes = s.copy.bytes;
    if (result == 0) {
        result = measure_all(&s, entries, count, bar, error);
    }
    if (result == 0 && settings->has_roof && out_results->count != 0u) {
        result = bench_measure_roof(context, reference, out_results->device.kind, settings->seed,
                                    &out_results->roof, error);
    }
    progress_end(bar);
    bench_operation_release(&s.copy);
    bench_data_release(&s.data);
    return result;
}

void bench_results_release(bench_results *results)
{
    free(results->rows);
    memset(results, 0, sizeof *results);
}

double bench_row_gb_s(const bench_row *row)
{
    return (double)row->bytes / (row->us.median * 1e3);
}

double bench_row_fraction(const bench_row *row)
{
    return bench_row_gb_s(row) / row->copy_gb_s;
}

double bench_row_factor(const bench_row *row)
{
    return row->f16_us >= 0.0 ? row->f16_us / row->us.median : -1.0;
}
