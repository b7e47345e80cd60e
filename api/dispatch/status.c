/* SPDX-License-Identifier: MIT
 *
 * Names, messages and advice of the status list, and the version.
 */
#include "kvant/status.h"

#include "kvant/context.h"

#define STATUS_NAME(name, value, message, advice)                                                  \
    case KVANT_##name:                                                                             \
        return "KVANT_" #name;
#define STATUS_MESSAGE(name, value, message, advice)                                               \
    case KVANT_##name:                                                                             \
        return message;
#define STATUS_ADVICE(name, value, message, advice)                                                \
    case KVANT_##name:                                                                             \
        return advice;

const char *kvant_status_name(kvant_status status)
{
    switch (status) {
        KVANT_STATUS_LIST(STATUS_NAME)
    default:
        return "unknown status";
    }
}

const char *kvant_status_message(kvant_status status)
{
    switch (status) {
        KVANT_STATUS_LIST(STATUS_MESSAGE)
    default:
        return "unknown status";
    }
}

const char *kvant_status_advice(kvant_status status)
{
    switch (status) {
        KVANT_STATUS_LIST(STATUS_ADVICE)
    default:
        return "";
    }
}

const char *kvant_version(void)
{
    return KVANT_VERSION;
}
