/* SPDX-License-Identifier: MIT
 *
 * The thread's last message. The only state of the library that outlives a call without a handle.
 */
#include "diag.h"

#include <stdio.h>

static _Thread_local char last_message[KVANT_MESSAGE_BYTES];

kvant_status kvant_fail_v(kvant_status status, const char *format, va_list arguments)
{
    /* formatted apart: an argument may be the last message itself */
    char message[KVANT_MESSAGE_BYTES];
    vsnprintf(message, sizeof message, format, arguments);
    snprintf(last_message, sizeof last_message, "%s", message);
    return status;
}

kvant_status kvant_fail(kvant_status status, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    kvant_fail_v(status, format, arguments);
    va_end(arguments);
    return status;
}

const char *kvant_last_message(void)
{
    return last_message;
}
