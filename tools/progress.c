/* SPDX-License-Identifier: MIT
 *
 * Progress on a terminal.
 */
#include "progress.h"

#include <stdio.h>
#include <time.h>
#include <unistd.h>

double tool_seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

void progress_start(progress *p, int quiet)
{
    *p = (progress){!quiet && isatty(STDERR_FILENO), 0.0};
}

void progress_show(progress *p, const char *what, uint64_t done, uint64_t total)
{
    double now = tool_seconds();
    if (!p->is_shown || now - p->last < 0.1) {
        return;
    }
    p->last = now;
    fprintf(stderr, "\r\033[K%s %llu/%llu", what, (unsigned long long)done,
            (unsigned long long)total);
    fflush(stderr);
}

void progress_end(progress *p)
{
    if (p->is_shown && p->last != 0.0) {
        fputs("\r\033[K", stderr);
        fflush(stderr);
    }
    p->last = 0.0;
}
