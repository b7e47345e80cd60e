/* SPDX-License-Identifier: MIT
 *
 * Trying points. A point is one counted call or allocation, one kind of error, and whether it fails
 * once or from then on; a part is all points of one thing that is done with a device.
 */
#ifndef KVANT_TESTS_FAULT_TRIES_H
#define KVANT_TESTS_FAULT_TRIES_H

#include <stdbool.h>

#include "fault_points.h"
#include "fault_supervisor.h"

typedef struct {
    const char *name;
    enum {
        FAULT_OPENING, /* a device is opened, a kernel built: a device for each point */
        FAULT_USING,   /* a cache is created and used: one device for as long as it is not lost */
        FAULT_TIMING   /* a cache that exists is used while device time is measured */
    } what;
    bool of_allocations; /* or of the driver's calls */
    int ways;            /* of failing, twice the kind of error, plus 1 where it goes on */
    int way[2 * FAULT_KINDS];
} fault_part;

typedef struct {
    const fault_subject *subject;
    long first;               /* every step-th point from this one on is tried; */
    long step;                /* 0: as many as some seconds allow */
    fault_progress *progress; /* NULL: nobody watches */
} fault_plan;

/* An undisturbed session: the results that every other one must have. False: there is no device. */
bool fault_learn_results(const fault_plan *plan);

/* All points of a part that the plan asks for; fails the test for what does not hold. */
void fault_try_part(const fault_plan *plan, const fault_part *part);

#endif
