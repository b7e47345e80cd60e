/* SPDX-License-Identifier: MIT
 *
 * Timing of operations beside each other: repetitions take turns, so that drift hits all.
 */
#ifndef KVANT_TOOLS_BENCH_MEASURE_H
#define KVANT_TOOLS_BENCH_MEASURE_H

#include "bench_work.h"
#include "step_times.h"

enum { BENCH_MOST_SAMPLES = 201, BENCH_MOST_LANES = 3 };

/* An operation and its samples: microseconds of one run. */
typedef struct {
    bench_operation *operation;
    double samples[BENCH_MOST_SAMPLES];
    size_t count;
    uint32_t inner; /* runs a sample */
    sample_stats us;
} bench_lane;

/* Device time; about `seconds` for all lanes together. Checks each output after the first run. */
int bench_measure(bench_lane *lanes, size_t count, double seconds, tool_error *error);

/* A device-to-device copy as an operation: its bytes are those read and written. */
int bench_prepare_copy(bench_operation *o, uint64_t bytes, tool_error *error);

/* A decode step's lane. */
typedef struct {
    bench_operation *operation;
    step_times plain;   /* host time, nothing else running */
    step_times stamped; /* the same steps with time stamps */
} bench_step_lane;

/* Steps in turn, at most as many as the operations were prepared for less the first, which warms
 * up; then the steps of the last lane once more with time stamps. */
int bench_measure_steps(bench_step_lane *lanes, size_t count, double seconds, tool_error *error);
void bench_step_lane_release(bench_step_lane *lane);

#endif
