/* SPDX-License-Identifier: MIT
 *
 * Random numbers that a seed repeats on every machine.
 */
#ifndef KVANT_TOOLS_TOOL_RANDOM_H
#define KVANT_TOOLS_TOOL_RANDOM_H

#include <stdint.h>

/* The next 64 bits of the splitmix64 sequence; any state is a good seed. */
uint64_t tool_random_next(uint64_t *state);

#endif
