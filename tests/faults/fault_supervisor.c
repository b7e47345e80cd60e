/* SPDX-License-Identifier: MIT
 *
 * A parent that watches the processes which try the points.
 */
#include "fault_supervisor.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { SKIPPED = 77, HANGS_AFTER_SECONDS = 120, POLLS_A_SECOND = 20 };

/* Waits for a child that goes from point to point. False: it stood still, and was ended. */
static bool wait_for(pid_t child, const volatile fault_progress *progress, int *out_status)
{
    const struct timespec pause = {.tv_nsec = 1000000000L / POLLS_A_SECOND};
    long last = -1;
    int polls = 0;
    while (waitpid(child, out_status, WNOHANG) == 0) {
        polls = progress->at == last ? polls + 1 : 0;
        last = progress->at;
        if (polls >= HANGS_AFTER_SECONDS * POLLS_A_SECOND) {
            (void)kill(child, SIGKILL);
            (void)waitpid(child, out_status, 0);
            return false;
        }
        (void)nanosleep(&pause, NULL);
    }
    return true;
}

static void judge(int status, bool has_ended, long at, long leaks, fault_totals *totals)
{
    const char *what = "something does not hold after";
    if (!has_ended) {
        totals->hangs++;
        what = "a hang at";
    } else if (WIFSIGNALED(status)) {
        totals->crashes++;
        what = "a crash at";
    } else if (leaks != 0) {
        totals->wrong++;
        what = "a leak after";
    } else {
        totals->wrong++;
    }
    fprintf(stderr, "%s point %ld\n", what, at);
}

int fault_supervise(int (*child)(int part, fault_progress *progress), int part, long first,
                    long step, fault_totals *totals)
{
    fault_progress *progress =
        mmap(NULL, sizeof *progress, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (progress == MAP_FAILED) {
        perror("mmap");
        return 1;
    }
    progress->first = first;
    int result = 0;
    while (result == 0 && !progress->is_finished) {
        (void)fflush(NULL);
        progress->at = progress->first;
        long leaks = progress->leaks;
        pid_t process = fork();
        if (process == 0) {
            exit(child(part, progress));
        }
        int status = 0;
        bool has_ended = process > 0 && wait_for(process, progress, &status);
        if (process < 0) {
            perror("fork");
            result = 1;
        } else if (has_ended && WIFEXITED(status) && WEXITSTATUS(status) == SKIPPED) {
            result = SKIPPED;
        } else if (!progress->is_finished || status != 0) {
            judge(status, has_ended, progress->at, progress->leaks - leaks, totals);
            progress->first = progress->at + step;
        }
    }
    totals->points += progress->points;
    totals->leaks += progress->leaks;
    (void)munmap(progress, sizeof *progress);
    return result;
}
