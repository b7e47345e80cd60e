/* SPDX-License-Identifier: MIT
 *
 * A line of progress on a terminal, for work that takes a while. Silent when stderr is no terminal.
 */
#ifndef KVANT_TOOLS_PROGRESS_H
#define KVANT_TOOLS_PROGRESS_H

#include <stdint.h>

typedef struct {
    int is_shown;
    double last; /* when it was drawn */
} progress;

void progress_start(progress *p, int quiet);
void progress_show(progress *p, const char *what, uint64_t done, uint64_t total);
/* Removes the line. */
void progress_end(progress *p);

/* Seconds of a clock that only goes forward. */
double tool_seconds(void);

#endif
