/* SPDX-License-Identifier: MIT
 *
 * One sentence about what went wrong, carried from where it happened to the command that prints it;
 * and the exit codes of the tool.
 */
#ifndef KVANT_TOOLS_TOOL_ERROR_H
#define KVANT_TOOLS_TOOL_ERROR_H

#include "kvant/status.h"

enum { TOOL_DONE = 0, TOOL_CHECK_FAILED = 1, TOOL_BAD_INPUT = 2, TOOL_NO_DEVICE = 3 };

typedef struct {
    int code; /* the exit code that fits */
    char text[600];
} tool_error;

/* Both return -1, so that a failure is one line. The first is about what the user gave
 * (TOOL_BAD_INPUT); the second adds the message of the last failed library call to `what`, which
 * may be NULL where that says it all. */
int tool_error_input(tool_error *error, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
int tool_error_library(tool_error *error, kvant_status status, const char *what);
int tool_error_memory(tool_error *error);

int tool_status_exit_code(kvant_status status);

#endif
