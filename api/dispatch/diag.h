/* SPDX-License-Identifier: MIT
 *
 * Messages: the thread's last sentence, and the caller's diagnostic callback.
 */
#ifndef KVANT_DISPATCH_DIAG_H
#define KVANT_DISPATCH_DIAG_H

#include <stdarg.h>

#include "kvant/context.h"

#define KVANT_MESSAGE_BYTES 1024

#if defined(__GNUC__)
#define KVANT_PRINTF(format_index, first) __attribute__((format(printf, format_index, first)))
#else
#define KVANT_PRINTF(format_index, first)
#endif

/* Keeps the sentence as the thread's last message and returns `status`. */
kvant_status kvant_fail(kvant_status status, const char *format, ...) KVANT_PRINTF(2, 3);
kvant_status kvant_fail_v(kvant_status status, const char *format, va_list arguments)
    KVANT_PRINTF(2, 0);

#endif
