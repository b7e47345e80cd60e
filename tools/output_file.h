/* SPDX-License-Identifier: MIT
 *
 * Files that a command writes beside its output: opened before the work, so that a path that cannot
 * be written is refused at once.
 */
#ifndef KVANT_TOOLS_OUTPUT_FILE_H
#define KVANT_TOOLS_OUTPUT_FILE_H

#include <stdio.h>

#include "tool_error.h"

/* NULL for a NULL path. */
int output_open(const char *path, FILE **out_file, tool_error *error);

/* Closes; `result` is that of the work before, which is not hidden. */
int output_close(const char *path, FILE *file, int result, tool_error *error);

#endif
