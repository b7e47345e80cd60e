/* SPDX-License-Identifier: MIT
 *
 * One run of `kvant bench` on one device, and what it found.
 */
#ifndef KVANT_TOOLS_BENCH_SESSION_H
#define KVANT_TOOLS_BENCH_SESSION_H

#include "bench_measure.h"
#include "bench_plan.h"
#include "progress.h"

typedef struct {
    const bench_entry *entry;
    bench_shape shape;
    sample_stats us;
    uint64_t bytes;   /* that one run must move */
    double work;      /* operations of one run */
    uint64_t rotated; /* bytes gone through before anything is read again */
    double copy_gb_s; /* of the copies in between */
    double f16_us;    /* negative: there is no such thing for f16 */
    int has_steps;
    step_summary steps;
} bench_row;

typedef struct {
    kvant_device_info device;
    uint64_t seed;
    uint64_t copy_bytes; /* read and written by a copy */
    bench_row *rows;
    size_t count;
    size_t skipped; /* rows that no time was left for */
    double roof;    /* multiply-adds per nanosecond (bench_measure_roof); 0: not measured */
} bench_results;

typedef struct {
    uint64_t seed;
    uint32_t steps;  /* decode steps */
    double seconds;  /* for all rows together; 0: one for each */
    uint64_t rotate; /* bytes to go through in turn */
    int has_rotate;  /* else what the device's caches ask for */
    int has_roof;    /* the arithmetic roof is asked for */
} bench_settings;

/* Measures every entry. `reference` is a context of the host backend, for the check before. */
int bench_session_run(kvant_context *context, kvant_context *reference, const bench_entry *entries,
                      size_t count, const bench_settings *settings, progress *bar,
                      bench_results *out_results, tool_error *error);
void bench_results_release(bench_results *results);

/* Multiply-adds per nanosecond of attention whose bytes stay in the caches. */
int bench_measure_roof(kvant_context *context, kvant_context *reference, kvant_device_kind kind,
                       uint64_t seed, double *out_per_ns, tool_error *error);

/* bytes over time, and that over the copy's; how many times f16's time this takes less */
double bench_row_gb_s(const bench_row *row);
double bench_row_fraction(const bench_row *row);
double bench_row_factor(const bench_row *row); /* negative: none */

#endif
