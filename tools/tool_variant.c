/* SPDX-License-Identifier: MIT
 *
 * KVANT_VARIANT, as the commands that go through several devices see it.
 */
#include "tool_variant.h"

#include "env.h"
#include "variants.h"

int tool_check_variant(tool_error *error)
{
    kvant_variant_choice choice;
    char reason[300];
    if (!kvant_variant_read(kvant_env_variant(), UINT32_MAX, &choice, reason, sizeof reason)) {
        return tool_error_input(error, "KVANT_VARIANT: %s", reason);
    }
    return 0;
}
