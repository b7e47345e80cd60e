/* SPDX-License-Identifier: MIT
 *
 * Trying points: one after the other, with what must hold behind each.
 */
#include "fault_tries.h"

#include <time.h>

#include "cmocka_headers.h"
#include "context_internal.h"
#include "fault_checks.h"
#include "fault_session.h"

/* Points are thinned out so that a part takes about this long. */
static const double part_seconds = 8.0;

static double now(void)
{
    struct timespec t;
    timespec_get(&t, TIME_UTC);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

/* Counts from here on, and lets the n-th fail; 0: none. */
static void arm(const fault_plan *plan, const fault_part *part, long n, int way)
{
    if (part->of_allocations) {
        fault_arm_allocations(plan->subject, n, way % 2 != 0);
    } else {
        fault_arm_calls(plan->subject, n, (fault_kind)(way / 2), way % 2 != 0);
    }
}

static bool is_loss(const fault_part *part)
{
    return !part->of_allocations && fault_which() == FAULT_LOSS;
}

static void close_context(const fault_plan *plan, kvant_context **context)
{
    kvant_context_destroy(*context);
    *context = NULL;
    long left = fault_live_allocations() + fault_live_objects();
    if (left != 0) {
        if (plan->progress != NULL) {
            plan->progress->leaks += left;
        }
        fail_msg("%ld allocations and %ld native objects are left after a failure of %s",
                 fault_live_allocations(), fault_live_objects(), fault_where());
    }
    const char *objection = plan->subject->objection != NULL ? plan->subject->objection() : NULL;
    if (objection != NULL) {
        fail_msg("after a failure of %s %s", fault_where(), objection);
    }
}

/* Tells who watches which point comes now. */
static void begin_point(const fault_plan *plan, long i, fault_tally *t)
{
    t->points++;
    if (plan->progress != NULL) {
        plan->progress->at = i;
        plan->progress->points++;
    }
}

/* A kernel that the self-test does not need. */
static kvant_status build_a_kernel(kvant_context *context)
{
    return kvant_prepare_kernel(context, KVANT_KERNEL_append);
}

/* Opening and preparing, with one point. Failures go on while it is closed. */
static void try_opening(const fault_plan *plan, const fault_part *part, long n, int way,
                        fault_tally *t)
{
    kvant_context *context = NULL;
    arm(plan, part, n, way);
    kvant_status status = fault_open(plan->subject->backend, &context);
    bool is_open = status == KVANT_OK;
    if (is_open) {
        status = build_a_kernel(context);
    }
    if (status != KVANT_OK) {
        t->failed++;
        assert_true(fault_injected() > 0);
        fault_assert_sensible(status, !is_open);
    }
    if (is_open && status == KVANT_ERROR_DEVICE_LOST) {
        fault_session none = {0};
        fault_assert_lost(context, &none);
        t->lost++;
    } else if (is_open && status != KVANT_OK && way % 2 == 0 && !fault_finds_loss(context)) {
        kvant_status again = build_a_kernel(context);
        if (again != KVANT_OK) {
            fail_msg("prepare, after %s failed once: %s", fault_where(), kvant_last_message());
        }
        t->resumed++;
    } else if (is_open && is_loss(part) && status != KVANT_OK) {
        t->wrong[FAULT_OTHER_STATUS]++;
    }
    close_context(plan, &context);
    fault_disarm();
}

static void reopen(const fault_plan *plan, kvant_context **context)
{
    fault_disarm();
    if (*context == NULL) {
        assert_int_equal(fault_open(plan->subject->backend, context), KVANT_OK);
    }
}

/* A whole session of which the part's own calls are counted. */
static kvant_status use(const fault_plan *plan, const fault_part *part, long n, int way,
                        kvant_context *context, fault_session *s)
{
    s->is_timed = part->what == FAULT_TIMING;
    kvant_status status = KVANT_OK;
    if (s->is_timed) {
        assert_int_equal(fault_session_create(s, context), KVANT_OK);
        arm(plan, part, n, way);
        status = fault_session_time(s);
        if (status == KVANT_OK) {
            fault_disarm();
        }
    } else {
        arm(plan, part, n, way);
        status = fault_session_create(s, context);
    }
    return status == KVANT_OK ? fault_session_go_on(s) : status;
}

/* Using a cache, with one point; kernels that were not built yet get built on the way. */
static void try_using(const fault_plan *plan, const fault_part *part, kvant_context **context,
                      long n, int way, fault_tally *t)
{
    fault_session s = {0};
    reopen(plan, context);
    kvant_status status = use(plan, part, n, way, *context, &s);
    if (status == KVANT_OK) {
        fault_assert_results(&s);
    } else {
        t->failed++;
        assert_true(fault_injected() > 0);
        fault_assert_sensible(status, false);
        t->wrong[FAULT_OTHER_STATUS] += is_loss(part) && status != KVANT_ERROR_DEVICE_LOST ? 1 : 0;
    }
    if (status == KVANT_ERROR_DEVICE_LOST) {
        fault_assert_lost(*context, &s);
    }
    /* destroyed while calls fail, or after */
    bool in_failure = way % 2 != 0 && is_loss(part) && n % 2 == 0;
    if (!in_failure) {
        fault_disarm();
    }
    if (kvant_context_is_lost(*context) || in_failure || fault_finds_loss(*context)) {
        t->lost += kvant_context_is_lost(*context) ? 1 : 0;
        fault_session_destroy(&s);
        if (plan->subject->revive != NULL && t->points % 128 != 127) {
            plan->subject->revive((*context)->device);
            (*context)->lost = false;
        } else {
            close_context(plan, context);
        }
    } else if (status != KVANT_OK) {
        fault_recover(*context, &s, t);
    }
    fault_disarm();
    fault_session_destroy(&s);
}

/* Every call in every way; where that takes too long, every stride-th pair of them. The ways
 * rotate, so that a stride of up to 6 still meets every call. */
static long stride_for(const fault_plan *plan, long calls, int ways, double seconds)
{
    if (plan->step != 0) {
        return plan->step;
    }
    static const long strides[] = {1, 5, 7, 11, 13, 17, 23, 29, 37, 47, 59, 73, 97, 131, 173, 227};
    size_t i = 0;
    while (i + 1 < sizeof strides / sizeof strides[0] &&
           (double)(calls * ways) / (double)strides[i] * seconds > part_seconds) {
        i++;
    }
    return strides[i];
}

static void report(const fault_plan *plan, const fault_part *part, const fault_tally *t,
                   long stride, double seconds)
{
    print_message("%s, %s: %ld calls, %ld points tried (stride %ld), %ld reported by a call, %ld "
                  "lost the device, %ld went on, %ld after a reset; %.1f s\n",
                  plan->subject->backend, part->name, t->calls, t->points, stride, t->failed,
                  t->lost, t->resumed, t->reset, seconds);
    fault_report_wrongs(t);
    if (plan->progress != NULL) {
        plan->progress->is_finished = true;
    }
}

static void try_all_of_opening(const fault_plan *plan, const fault_part *part)
{
    fault_tally t = {0};
    double start = now();
    kvant_context *context = NULL;
    arm(plan, part, 0, 0);
    assert_int_equal(fault_open(plan->subject->backend, &context), KVANT_OK);
    assert_int_equal(build_a_kernel(context), KVANT_OK);
    t.calls = fault_counted();
    close_context(plan, &context);
    /* a point ends where its call fails: half of an undisturbed run, on average */
    long stride = stride_for(plan, t.calls, part->ways, 0.5 * (now() - start));
    start = now();
    for (long i = plan->first, step; i < t.calls * part->ways; i += step) {
        double point = now();
        begin_point(plan, i, &t);
        try_opening(plan, part, i / part->ways + 1, part->way[i % part->ways], &t);
        /* before kernels are built points cost little */
        step = plan->step == 0 && now() - point < 0.01 ? 1 : stride;
    }
    report(plan, part, &t, stride, now() - start);
}

/* What a point costs: a session, another after a failure, and now and then a new device. */
static double seconds_of_using(const fault_plan *plan, const fault_part *part, double opening,
                               double building, double using)
{
    bool is_only_losses = part->ways == 2;
    double share = 0.0; /* of the points that end with a new device */
    if (!part->of_allocations && plan->subject->revive == NULL) {
        share = is_only_losses ? 1.0 : 0.25;
    } else if (!part->of_allocations && is_only_losses) {
        share = 1.0 / 64.0;
    }
    return 2.5 * using + share * (opening + 0.5 * building);
}

static void try_all_of_using(const fault_plan *plan, const fault_part *part)
{
    fault_tally t = {0};
    kvant_context *context = NULL;
    double start = now();
    reopen(plan, &context);
    double opening = now() - start;
    double seconds[2]; /* of a session that builds kernels, and of one that does not */
    for (int i = 0; i < 2; i++) {
        fault_session s = {0};
        start = now();
        assert_int_equal(use(plan, part, 0, 0, context, &s), KVANT_OK);
        t.calls = fault_counted();
        fault_assert_results(&s);
        fault_session_destroy(&s);
        seconds[i] = now() - start;
    }
    long stride = stride_for(plan, t.calls, part->ways,
                             seconds_of_using(plan, part, opening, seconds[0], seconds[1]));
    start = now();
    for (long i = plan->first; i < t.calls * part->ways; i += stride) {
        begin_point(plan, i, &t);
        try_using(plan, part, &context, i / part->ways + 1, part->way[i % part->ways], &t);
    }
    reopen(plan, &context);
    close_context(plan, &context);
    report(plan, part, &t, stride, now() - start);
}

void fault_try_part(const fault_plan *plan, const fault_part *part)
{
    if (part->what == FAULT_OPENING) {
        try_all_of_opening(plan, part);
        assert_int_equal(fault_unknown_symbols(), 0);
    } else {
        try_all_of_using(plan, part);
    }
}

bool fault_learn_results(const fault_plan *plan)
{
    kvant_context *context = NULL;
    fault_arm_calls(plan->subject, 0, FAULT_MEMORY, false);
    if (fault_open(plan->subject->backend, &context) != KVANT_OK) {
        return false;
    }
    fault_session s = {0};
    assert_int_equal(fault_session_create(&s, context), KVANT_OK);
    assert_int_equal(fault_session_go_on(&s), KVANT_OK);
    fault_session_expect(&s);
    fault_session_destroy(&s);
    close_context(plan, &context);
    return true;
}
