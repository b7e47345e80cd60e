/* SPDX-License-Identifier: MIT
 *
 * Opening a device for a command, with the library's warnings on stderr.
 */
#ifndef KVANT_TOOLS_TOOL_DEVICE_H
#define KVANT_TOOLS_TOOL_DEVICE_H

#include "kvant/context.h"
#include "tool_options.h"

/* An open device. It must stay where it is until it is closed: the library reports to it. */
typedef struct {
    kvant_context *context;
    kvant_device_info info;
    const char *command; /* the source of warnings; NULL: none are printed */
    size_t warning_length;
    char warnings[4096]; /* of the opening, until it is known whether it succeeds */
} tool_device;

/* "gpu", "cpu", "reference" or "simulated" */
const char *tool_kind_name(kvant_device_kind kind);

/* Opens what `selection` (NULL: KVANT_BACKEND, else auto) chooses. The sentence of a failure names
 * every reason, so warnings are printed on success alone. */
int tool_device_open(tool_device *device, const char *command, const char *selection,
                     uint32_t flags, tool_error *error);
void tool_device_close(tool_device *device);

#endif
