/* SPDX-License-Identifier: MIT
 *
 * Every point of a part, in processes of its own: a point that crashes or hangs is counted, and the
 * next process goes on behind it.
 */
#ifndef KVANT_TESTS_FAULT_SUPERVISOR_H
#define KVANT_TESTS_FAULT_SUPERVISOR_H

#include <stdbool.h>

/* What a child tells its parent, in memory that both see. */
typedef struct {
    long first;  /* where this child begins */
    long at;     /* the point that is being tried */
    long points; /* tried */
    long leaks;  /* allocations and native objects that were left */
    bool is_finished;
} fault_progress;

typedef struct {
    long crashes;
    long hangs;
    long wrong; /* points after which something did not hold */
    long points;
    long leaks;
} fault_totals;

/* Runs `child` in processes until it has set is_finished; returns 77 where the child did. Nothing may
 * have been opened before: threads of a driver do not survive a fork. */
int fault_supervise(int (*child)(int part, fault_progress *progress), int part, long first,
                    long step, fault_totals *totals);

#endif
