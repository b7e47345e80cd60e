/* SPDX-License-Identifier: MIT
 *
 * KVANT_VARIANT, as the commands that go through several devices see it.
 */
#ifndef KVANT_TOOLS_TOOL_VARIANT_H
#define KVANT_TOOLS_TOOL_VARIANT_H

#include "tool_error.h"

/* Refuses a variant that no kernel has: a mistake of the user, not of each device. */
int tool_check_variant(tool_error *error);

#endif
