/* SPDX-License-Identifier: MIT
 *
 * The device under test: opened through the backend's table, with services that keep its message.
 */
#include <stdarg.h>
#include <stdlib.h>

#include "env.h"
#include "kvant/context.h"
#include "trial.h"

static void *service_allocate(const kvant_services *services, size_t bytes)
{
    (void)services;
    return calloc(1, bytes != 0u ? bytes : 1u);
}

static void service_release(const kvant_services *services, void *memory)
{
    (void)services;
    free(memory);
}

static kvant_status service_report(const kvant_services *services, kvant_status status,
                                   const char *backend, const char *format, ...)
{
    kvant_test_device *device = services->self;
    int used = snprintf(device->message, sizeof device->message, "%s: ", backend);
    if (used > 0 && (size_t)used < sizeof device->message) {
        va_list arguments;
        va_start(arguments, format);
        vsnprintf(device->message + used, sizeof device->message - (size_t)used, format, arguments);
        va_end(arguments);
    }
    return status;
}

kvant_status kvant_test_device_open(kvant_test_device *device, const kvant_backend *backend,
                                    uint32_t index)
{
    *device = (kvant_test_device){.backend = backend, .index = index};
    device->services = (kvant_services){
        .allocate = service_allocate,
        .release = service_release,
        .report = service_report,
        .self = device,
    };
    if (backend->version != KVANT_BACKEND_VERSION) {
        snprintf(device->message, sizeof device->message, "%s has table version %u, not %u",
                 backend->name, backend->version, KVANT_BACKEND_VERSION);
        return KVANT_ERROR_INTERNAL;
    }
    kvant_device_record records[16];
    uint32_t count = 0;
    kvant_status status = backend->enumerate(&device->services, records, 16u, &count);
    if (status != KVANT_OK) {
        return status;
    }
    if (index >= count || index >= 16u) {
        snprintf(device->message, sizeof device->message, "%s has %u devices, no device %u",
                 backend->name, count, index);
        return KVANT_ERROR_NO_DEVICE;
    }
    device->record = records[index];
    status = backend->open(&device->services, index, &device->device, &device->limits);
    if (status == KVANT_OK &&
        !kvant_variant_read(kvant_env_variant(), device->limits.capabilities, &device->variant,
                            device->message, sizeof device->message)) {
        kvant_test_device_close(device);
        device->lacks_variant =
            kvant_variant_read(kvant_env_variant(), UINT32_MAX, &device->variant, NULL, 0);
        status = KVANT_ERROR_UNSUPPORTED;
    }
    return status;
}

void kvant_test_device_close(kvant_test_device *device)
{
    for (int i = 0; i < 2; i++) {
        kvant_context_destroy(device->contexts[i]);
        device->contexts[i] = NULL;
    }
    if (device->device != NULL) {
        device->backend->close(device->device);
        device->device = NULL;
    }
}
