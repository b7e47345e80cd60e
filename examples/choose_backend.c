/* SPDX-License-Identifier: MIT
 *
 * choose_backend [SELECTION]: lists every device, then opens the one that the selection names and
 * says what was passed over. Without a selection KVANT_BACKEND decides.
 */
#include <stdio.h>

#include "kvant/context.h"

static const char *kind_name(kvant_device_kind kind)
{
    switch (kind) {
    case KVANT_DEVICE_GPU:
        return "GPU";
    case KVANT_DEVICE_CPU:
        return "GPU API on the CPU";
    case KVANT_DEVICE_SIMULATED:
        return "simulated";
    case KVANT_DEVICE_REFERENCE:
        return "scalar reference";
    }
    return "unknown";
}

static int print_device(void *user, const kvant_device_info *info, const char *backend,
                        const char *reason)
{
    (void)user;
    if (info != NULL) {
        printf("  %-12s %s (%s)\n", info->select, info->name, kind_name(info->kind));
    } else {
        printf("  %-12s absent: %s\n", backend, reason);
    }
    return 0;
}

static void print_diagnostic(void *user, kvant_severity severity, kvant_status status,
                             const char *backend, const char *message)
{
    static const char *const words[] = {"note", "warning", "error"};
    (void)user;
    (void)status;
    printf("  %s: %s%s%s\n", words[severity], backend != NULL ? backend : "",
           backend != NULL ? ": " : "", message);
}

int main(int argc, char **argv)
{
    printf("kvant %s sees\n", kvant_version());
    if (kvant_devices(print_device, NULL) != KVANT_OK) {
        fprintf(stderr, "%s\n", kvant_last_message());
        return 1;
    }

    kvant_context_desc desc = KVANT_CONTEXT_DESC_INIT;
    desc.backend = argc > 1 ? argv[1] : NULL;
    desc.diagnostic = print_diagnostic;
    kvant_context *context = NULL;
    printf("opening %s\n", argc > 1 ? argv[1] : "what KVANT_BACKEND says");
    kvant_status status = kvant_context_create(&desc, &context);
    if (status != KVANT_OK) {
        fprintf(stderr, "%s: %s\n%s\n", kvant_status_name(status), kvant_last_message(),
                kvant_status_advice(status));
        return 1;
    }

    kvant_device_info info = KVANT_DEVICE_INFO_INIT;
    status = kvant_context_device(context, &info);
    if (status == KVANT_OK) {
        printf("opened %s: %s, %s, %s\n", info.select, info.name, info.driver,
               info.exact == 1 ? "bit-exact" : "not bit-exact");
    }
    kvant_context_destroy(context);
    return status == KVANT_OK ? 0 : 1;
}
