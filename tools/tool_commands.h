/* SPDX-License-Identifier: MIT
 *
 * The sub-commands of the kvant tool. Each parses argv[1] ... and returns the exit code.
 */
#ifndef KVANT_TOOLS_TOOL_COMMANDS_H
#define KVANT_TOOLS_TOOL_COMMANDS_H

#include "tool_options.h"

int command_devices(tool_globals *globals, int argc, char **argv);
int command_run(tool_globals *globals, int argc, char **argv);
int command_plan(tool_globals *globals, int argc, char **argv);
int command_conform(tool_globals *globals, int argc, char **argv);
int command_eval(tool_globals *globals, int argc, char **argv);
int command_fingerprint(tool_globals *globals, int argc, char **argv);
int command_bench(tool_globals *globals, int argc, char **argv);

/* Prints "kvant NAME: sentence" to stderr and returns the exit code. */
int command_fail(const char *name, const tool_error *error);

#endif
