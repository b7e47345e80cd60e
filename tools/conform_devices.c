/* SPDX-License-Identifier: MIT
 *
 * kvant conform: which devices it tests.
 */
#include <stdio.h>
#include <string.h>

#include "conform_work.h"
#include "env.h"
#include "tool_device.h"

static int collect(void *user, const kvant_device_info *info, const char *backend,
                   const char *reason)
{
    (void)backend;
    (void)reason;
    conform_work *w = user;
    if (info != NULL && w->device_count < CONFORM_MOST_DEVICES) {
        snprintf(w->selects[w->device_count++], sizeof w->selects[0], "%s", info->select);
    }
    return 0;
}

int conform_choose_devices(conform_work *w, const tool_globals *globals, tool_error *error)
{
    const char *selection = globals->backend != NULL ? globals->backend : kvant_env_backend();
    char with_index[200];
    if (w->device != CONFORM_NO_INDEX) {
        if (selection == NULL || strpbrk(selection, ":,") != NULL) {
            return tool_error_input(error, "--device goes with a --backend that is a plain name");
        }
        snprintf(with_index, sizeof with_index, "%.100s:%u", selection, w->device);
        selection = with_index;
    }
    if (selection == NULL) {
        kvant_status status = kvant_devices(collect, w);
        return status == KVANT_OK
                   ? 0
                   : tool_error_library(error, status, "the devices cannot be listed");
    }
    tool_device device;
    if (tool_device_open(&device, globals->quiet ? NULL : "conform", selection,
                         KVANT_CONTEXT_ALLOW_INEXACT, error) != 0) {
        return -1;
    }
    tool_device_close(&device);
    w->is_selected = 1;
    snprintf(w->selects[w->device_count++], sizeof w->selects[0], "%s", device.info.select);
    return 0;
}
