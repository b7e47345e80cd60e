/* SPDX-License-Identifier: MIT
 *
 * Opens devices for the commands.
 */
#include "tool_device.h"

#include <stdio.h>
#include <string.h>

const char *tool_kind_name(kvant_device_kind kind)
{
    switch (kind) {
    case KVANT_DEVICE_GPU:
        return "gpu";
    case KVANT_DEVICE_CPU:
        return "cpu";
    case KVANT_DEVICE_SIMULATED:
        return "simulated";
    default:
        return "reference";
    }
}

/* Errors are not printed here: the call that fails returns them. */
static void take_warning(void *user, kvant_severity severity, kvant_status status,
                         const char *backend, const char *message)
{
    (void)status;
    (void)backend;
    tool_device *device = user;
    if (severity != KVANT_SEVERITY_WARNING || device->command == NULL) {
        return;
    }
    size_t room = sizeof device->warnings - device->warning_length;
    if (device->context != NULL) {
        fprintf(stderr, "kvant %s: %s\n", device->command, message);
    } else {
        int length = snprintf(device->warnings + device->warning_length, room, "kvant %s: %s\n",
                              device->command, message);
        device->warning_length += (size_t)length < room ? (size_t)length : room - 1u;
    }
}

int tool_device_open(tool_device *device, const char *command, const char *selection,
                     uint32_t flags, tool_error *error)
{
    memset(device, 0, sizeof *device);
    device->command = command;
    device->info = (kvant_device_info)KVANT_DEVICE_INFO_INIT;
    kvant_context_desc desc = KVANT_CONTEXT_DESC_INIT;
    desc.backend = selection;
    desc.flags = flags;
    desc.diagnostic = take_warning;
    desc.diagnostic_user = device;
    kvant_context *context = NULL;
    kvant_status status = kvant_context_create(&desc, &context);
    if (status == KVANT_OK) {
        status = kvant_context_device(context, &device->info);
    }
    if (status != KVANT_OK) {
        kvant_context_destroy(context);
        return tool_error_library(error, status, NULL);
    }
    device->context = context;
    fputs(device->warnings, stderr);
    return 0;
}

void tool_device_close(tool_device *device)
{
    kvant_context_destroy(device->context);
    device->context = NULL;
}
