/* SPDX-License-Identifier: MIT
 *
 * The list of devices, in the order in which `auto` prefers them. Opens none.
 */
#include <stdio.h>
#include <string.h>

#include "context_internal.h"

enum { MAX_DEVICES = 16, MAX_BACKENDS = 4 };

typedef struct {
    const char *name;
    const kvant_backend *backend; /* NULL: not in this build */
    kvant_status status;
    char reason[KVANT_MESSAGE_BYTES];
    kvant_device_record records[MAX_DEVICES];
    uint32_t count;
} listing;

void kvant_fill_info(kvant_device_info *info, const kvant_candidate *candidate)
{
    const kvant_device_record *record = &candidate->record;
    size_t size = info->struct_size;
    *info = (kvant_device_info){.struct_size = size, .kind = record->kind, .exact = -1};
    snprintf(info->select, sizeof info->select, "%s:%u", candidate->backend->name,
             candidate->index);
    snprintf(info->backend, sizeof info->backend, "%s", candidate->backend->name);
    memcpy(info->name, record->name, sizeof info->name);
    memcpy(info->driver, record->driver, sizeof info->driver);
    memcpy(info->uuid, record->uuid, sizeof info->uuid);
    memcpy(info->pci, record->pci, sizeof info->pci);
}

static void enumerate(listing *list, kvant_host *host)
{
    list->backend = kvant_backend_find(list->name);
    if (list->backend == NULL) {
        list->status = KVANT_ERROR_BACKEND_UNAVAILABLE;
        snprintf(list->reason, sizeof list->reason, "this build of kvant does not contain it");
        return;
    }
    list->status =
        list->backend->enumerate(&host->services, list->records, MAX_DEVICES, &list->count);
    if (list->status != KVANT_OK) {
        list->count = 0;
        snprintf(list->reason, sizeof list->reason, "%s", kvant_last_message());
    } else if (list->count == 0) {
        snprintf(list->reason, sizeof list->reason, "it has no devices");
    }
    if (list->count > MAX_DEVICES) {
        list->count = MAX_DEVICES;
    }
}

static int list_kind(const listing *list, kvant_device_kind kind, kvant_device_fn each, void *user)
{
    for (uint32_t i = 0; i < list->count; i++) {
        if (list->records[i].kind != kind) {
            continue;
        }
        kvant_candidate candidate = {
            .backend = list->backend, .index = i, .record = list->records[i]};
        kvant_device_info info = KVANT_DEVICE_INFO_INIT;
        kvant_fill_info(&info, &candidate);
        int stop = each(user, &info, list->name, NULL);
        if (stop != 0) {
            return stop;
        }
    }
    return 0;
}

kvant_status kvant_devices(kvant_device_fn each, void *user)
{
    static const struct {
        int list;
        kvant_device_kind kind;
    } order[] = {
        {0, KVANT_DEVICE_GPU},       {1, KVANT_DEVICE_GPU}, {2, KVANT_DEVICE_GPU},
        {2, KVANT_DEVICE_CPU},       {1, KVANT_DEVICE_CPU}, {0, KVANT_DEVICE_SIMULATED},
        {3, KVANT_DEVICE_REFERENCE},
    };
    if (each == NULL) {
        return kvant_fail(KVANT_ERROR_INVALID_ARGUMENT, "each is NULL");
    }
    kvant_context_desc desc = KVANT_CONTEXT_DESC_INIT;
    kvant_host host;
    kvant_host_init(&host, &desc);
    host.probing = true;

    listing lists[MAX_BACKENDS] = {
        {.name = "cuda"}, {.name = "vulkan"}, {.name = "opencl"}, {.name = "host"}};
    for (int i = 0; i < MAX_BACKENDS; i++) {
        enumerate(&lists[i], &host);
    }
    for (size_t i = 0; i < sizeof order / sizeof order[0]; i++) {
        if (list_kind(&lists[order[i].list], order[i].kind, each, user) != 0) {
            return KVANT_OK;
        }
    }
    for (int i = 0; i < MAX_BACKENDS; i++) {
        if (lists[i].count == 0 && each(user, NULL, lists[i].name, lists[i].reason) != 0) {
            return KVANT_OK;
        }
    }
    return KVANT_OK;
}
