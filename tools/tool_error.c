/* SPDX-License-Identifier: MIT
 *
 * Failures of the tool as one sentence and an exit code.
 */
#include "tool_error.h"

#include <stdarg.h>
#include <stdio.h>

int tool_error_input(tool_error *error, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(error->text, sizeof error->text, format, arguments);
    va_end(arguments);
    error->code = TOOL_BAD_INPUT;
    return -1;
}

int tool_error_library(tool_error *error, kvant_status status, const char *what)
{
    const char *message = kvant_last_message();
    if (message[0] == '\0') {
        message = kvant_status_message(status);
    }
    snprintf(error->text, sizeof error->text, "%s%s%s (%s)", what != NULL ? what : "",
             what != NULL ? ": " : "", message, kvant_status_name(status));
    error->code = tool_status_exit_code(status);
    return -1;
}

int tool_error_memory(tool_error *error)
{
    snprintf(error->text, sizeof error->text, "host memory is exhausted");
    error->code = TOOL_CHECK_FAILED;
    return -1;
}

int tool_status_exit_code(kvant_status status)
{
    switch (status) {
    case KVANT_OK:
        return TOOL_DONE;
    case KVANT_ERROR_INVALID_ARGUMENT:
    case KVANT_ERROR_UNSUPPORTED:
    case KVANT_ERROR_UNKNOWN_BACKEND:
    case KVANT_ERROR_UNKNOWN_RECIPE:
    case KVANT_ERROR_NOT_FINITE:
    case KVANT_ERROR_CAPACITY:
    case KVANT_ERROR_LIMIT:
        return TOOL_BAD_INPUT;
    case KVANT_ERROR_BACKEND_UNAVAILABLE:
    case KVANT_ERROR_NO_DEVICE:
    case KVANT_ERROR_NOT_EXACT:
        return TOOL_NO_DEVICE;
    default:
        return TOOL_CHECK_FAILED;
    }
}
