/* SPDX-License-Identifier: MIT
 *
 * Samples of several operations in turn.
 */
#include "bench_measure.h"

#include "progress.h"

enum { LEAST_SAMPLES = 7, SLOW_SAMPLES = 3, MOST_INNER = 1000 };

/* A sample lasts at least so many microseconds. */
#define LEAST_SAMPLE 1000.0
/* After so many times the seconds that were given no more samples are waited for. */
#define MOST_OVERRUN 2.0

/* Device time of a run, as a mean of `inner` runs in a row. */
static kvant_status time_runs(bench_operation *o, uint32_t inner, double *out_us)
{
    *out_us = 0.0;
    kvant_status status = o->reset != NULL ? o->reset(o) : KVANT_OK;
    if (status == KVANT_OK) {
        status = kvant_context_mark(o->context, 0);
    }
    for (uint32_t i = 0; i < inner && status == KVANT_OK; i++) {
        status = o->run(o);
    }
    if (status == KVANT_OK) {
        status = kvant_context_mark(o->context, 1);
    }
    if (status == KVANT_OK) {
        status = kvant_context_elapsed(o->context, out_us);
    }
    *out_us /= inner;
    return status;
}

/* The first run warms up and is checked; the next says how many runs make a sample. */
static int warm_up(bench_lane *lane, tool_error *error)
{
    bench_operation *o = lane->operation;
    double once = 0.0;
    lane->count = 0;
    lane->inner = 1;
    kvant_status status = time_runs(o, 1, &once);
    if (status == KVANT_OK && o->checked_rows != 0u &&
        bench_data_check_out(o->data, o->shape, o->checked_rows, error) != 0) {
        return -1;
    }
    if (status == KVANT_OK && once < 1e6) {
        status = time_runs(o, 1, &once);
    }
    if (o->reset == NULL && once > 0.0 && once < LEAST_SAMPLE) {
        double wanted = LEAST_SAMPLE / once + 1.0;
        lane->inner = wanted < MOST_INNER ? (uint32_t)wanted : MOST_INNER;
    }
    return status == KVANT_OK ? 0 : tool_error_library(error, status, "the operation failed");
}

static int is_enough(size_t samples, double spent, double seconds)
{
    return samples == BENCH_MOST_SAMPLES || (samples >= LEAST_SAMPLES && spent >= seconds) ||
           (samples >= SLOW_SAMPLES && spent >= MOST_OVERRUN * seconds) ||
           spent >= 2.0 * MOST_OVERRUN * seconds;
}

int bench_measure(bench_lane *lanes, size_t count, double seconds, tool_error *error)
{
    for (size_t i = 0; i < count; i++) {
        if (warm_up(&lanes[i], error) != 0) {
            return -1;
        }
    }
    double start = tool_seconds();
    for (size_t samples = 1;; samples++) {
        for (size_t i = 0; i < count; i++) {
            bench_lane *lane = &lanes[i];
            kvant_status status =
                time_runs(lane->operation, lane->inner, &lane->samples[lane->count++]);
            if (status != KVANT_OK) {
                return tool_error_library(error, status, "the operation failed");
            }
        }
        if (is_enough(samples, tool_seconds() - start, seconds)) {
            break;
        }
    }
    for (size_t i = 0; i < count; i++) {
        lanes[i].us = sample_stats_of(lanes[i].samples, lanes[i].count);
    }
    return 0;
}

/* ---- the copy ------------------------------------------------------------------------------ */

static kvant_status run_copy(bench_operation *o)
{
    return kvant_buffer_copy(o->store, 0, o->target, 0, kvant_buffer_size(o->store));
}

int bench_prepare_copy(bench_operation *o, uint64_t bytes, tool_error *error)
{
    o->run = run_copy;
    o->bytes = 2u * bytes;
    o->turns = 1;
    kvant_status status = kvant_buffer_create(o->context, bytes, &o->store);
    if (status == KVANT_OK) {
        status = kvant_buffer_create(o->context, bytes, &o->target);
    }
    if (status == KVANT_OK) {
        status = kvant_buffer_fill(o->store, 0, 0x3c00bc01u, bytes);
    }
    return status == KVANT_OK ? 0 : tool_error_library(error, status, "no memory for the copy");
}

/* ---- decode steps -------------------------------------------------------------------------- */

/* One step, until the device has done all of it, by the host's clock. */
static int time_step(bench_operation *o, step_times *times, tool_error *error)
{
    double start = tool_seconds();
    kvant_status status = o->run(o);
    if (status == KVANT_OK) {
        status = kvant_context_synchronize(o->context);
    }
    double us = 1e6 * (tool_seconds() - start);
    if (status != KVANT_OK) {
        return tool_error_library(error, status, "the decode step failed");
    }
    return times != NULL ? step_times_add(times, us, error) : 0;
}

static int one_step(bench_step_lane *lane, int with_stamps, tool_error *error)
{
    step_times *times = with_stamps ? &lane->stamped : &lane->plain;
    if (step_times_resume(times, lane->operation->context, with_stamps, error) != 0 ||
        time_step(lane->operation, times, error) != 0) {
        return -1;
    }
    return step_times_pause(times, error);
}

int bench_measure_steps(bench_step_lane *lanes, size_t count, double seconds, tool_error *error)
{
    uint32_t steps = lanes[0].operation->steps - 1u;
    for (size_t i = 0; i < count; i++) {
        bench_operation *o = lanes[i].operation;
        if (time_step(o, NULL, error) != 0 ||
            bench_data_check_out(o->data, o->shape, o->checked_rows, error) != 0) {
            return -1;
        }
    }
    double start = tool_seconds();
    for (uint32_t step = 0; step < steps; step++) {
        for (size_t i = 0; i < count; i++) {
            if (one_step(&lanes[i], 0, error) != 0) {
                return -1;
            }
        }
        if (step + 1u >= SLOW_SAMPLES && tool_seconds() - start >= seconds) {
            break;
        }
    }
    bench_step_lane *last = &lanes[count - 1u];
    kvant_status status = bench_step_again(last->operation);
    if (status != KVANT_OK) {
        return tool_error_library(error, status, "the cache was not filled");
    }
    if (time_step(last->operation, NULL, error) != 0) {
        return -1;
    }
    for (size_t i = 0; i < last->plain.count; i++) {
        if (one_step(last, 1, error) != 0) {
            return -1;
        }
    }
    return 0;
}

void bench_step_lane_release(bench_step_lane *lane)
{
    step_times_release(&lane->plain);
    step_times_release(&lane->stamped);
}
