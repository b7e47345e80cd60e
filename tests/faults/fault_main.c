/* SPDX-License-Identifier: MIT
 *
 * The parts of a backend as tests, or every point of them in processes of their own.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cmocka_headers.h"
#include "fault_tries.h"

/* Ways 0 and 1: out of memory; 2 and 3: device loss; 4 and 5: another error. */
static const fault_part parts[] = {
    {"opening, allocations", FAULT_OPENING, true, 2, {0, 1}},
    {"using, allocations", FAULT_USING, true, 2, {0, 1}},
    {"opening", FAULT_OPENING, false, 6, {0, 1, 2, 3, 4, 5}},
    {"using", FAULT_USING, false, 4, {0, 1, 4, 5}},
    {"using, device loss", FAULT_USING, false, 2, {2, 3}},
    {"timing", FAULT_TIMING, false, 4, {0, 1, 4, 5}},
    {"timing, device loss", FAULT_TIMING, false, 2, {2, 3}},
};
enum { PARTS = sizeof parts / sizeof parts[0] };

static fault_plan plan;
static const fault_part *current;

static void try_part(void **state)
{
    (void)state;
    fault_try_part(&plan, current);
}

/* Without a driver only allocations can fail. */
static int run_part(const fault_part *part)
{
    if (plan.subject->symbols == NULL && !part->of_allocations) {
        return 0;
    }
    char name[64];
    (void)snprintf(name, sizeof name, "%s, %s", plan.subject->backend, part->name);
    const struct CMUnitTest one[] = {{.name = name, .test_func = try_part}};
    current = part;
    return cmocka_run_group_tests_name(name, one, NULL, NULL);
}

static int skip_all(void)
{
    fprintf(stderr, "skipped: %s\n", kvant_last_message());
    return 77;
}

/* A process of fault_supervise. */
static int run_watched(int part, fault_progress *progress)
{
    plan.progress = progress;
    plan.first = progress->first;
    return fault_learn_results(&plan) ? run_part(&parts[part]) : skip_all();
}

/* Every point of all parts, or the share of them that the plan asks for. */
static int run_supervised(void)
{
    fault_totals totals = {0};
    int result = 0;
    long first = plan.first;
    for (int i = 0; i < PARTS && result == 0; i++) {
        if (plan.subject->symbols != NULL || parts[i].of_allocations) {
            result = fault_supervise(run_watched, i, first, plan.step, &totals);
        }
    }
    printf("%s points %ld crashes %ld leaks %ld hangs %ld wrong %ld\n", plan.subject->backend,
           totals.points, totals.crashes, totals.leaks, totals.hangs, totals.wrong);
    return result != 0 ? result : totals.crashes + totals.leaks + totals.hangs + totals.wrong != 0;
}

/* "2/4": the second of four shares. */
static bool read_share(const char *text)
{
    char *end = NULL;
    long share = strtol(text, &end, 10);
    plan.step = *end == '/' ? strtol(end + 1, &end, 10) : 0;
    plan.first = share - 1;
    return *end == '\0' && share >= 1 && share <= plan.step;
}

int fault_main(const fault_subject *tested, int argc, char **argv)
{
    plan.subject = tested;
    if (argc > 1 && strcmp(argv[1], "--all") == 0 && argc < 4) {
        if (!read_share(argc > 2 ? argv[2] : "1/1")) {
            fprintf(stderr, "usage: %s [--all [SHARE/SHARES]]\n", argv[0]);
            return 2;
        }
        return run_supervised();
    }
    if (!fault_learn_results(&plan)) {
        return skip_all();
    }
    int failed = 0;
    for (int i = 0; i < PARTS; i++) {
        failed += run_part(&parts[i]);
    }
    return failed;
}
