/* SPDX-License-Identifier: MIT
 *
 * What must hold after a call has failed. Each check fails the test.
 */
#ifndef KVANT_TESTS_FAULT_CHECKS_H
#define KVANT_TESTS_FAULT_CHECKS_H

#include <stdbool.h>

#include "fault_session.h"

/* What is counted over points instead, and fails the test at the end. */
enum { FAULT_OTHER_STATUS, FAULT_HALF_PROMPT, FAULT_OTHER_RESULTS, FAULT_WRONGS };

typedef struct {
    long calls;  /* what an undisturbed run makes */
    long points; /* tried */
    long failed; /* of them, reported by a call */
    long resumed;
    long reset;
    long lost;
    long wrong[FAULT_WRONGS];
} fault_tally;

/* The status tells the caller something true. */
void fault_assert_sensible(kvant_status status, bool opening);

/* The session has the undisturbed run's results. */
void fault_assert_results(const fault_session *s);

/* The device is lost for every call. */
void fault_assert_lost(kvant_context *context, fault_session *s);

/* Some calls lose the device without saying so: the next one to reach it tells. */
bool fault_finds_loss(kvant_context *context);

/* A call of the session failed, and nothing fails any more: it goes on from there, or wants a reset. */
void fault_recover(kvant_context *context, fault_session *s, fault_tally *t);

void fault_report_wrongs(const fault_tally *t);

#endif
