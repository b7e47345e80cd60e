/* SPDX-License-Identifier: MIT
 *
 * Backends with a planted bug: the host backend inside, damage after each launch.
 */
#include "faulty_backend.h"

#include <string.h>

typedef enum {
#define FAULT_ENUM(name, text) FAULT_##name,
    KVANT_FAULTS(FAULT_ENUM)
#undef FAULT_ENUM
} fault;

struct kvant_backend_device {
    const kvant_services *services;
    kvant_backend_device *inner;
    fault fault;
};

struct kvant_backend_buffer {
    kvant_backend_buffer *inner;
    uint64_t bytes;
};

static const kvant_backend *const host = &kvant_backend_host;

static const char *const binding_lists[KVANT_KERNEL_COUNT] = {
#define KVANT_KERNEL(name, params, count, names, shape, exactness) names,
#include "kernels.def"
#undef KVANT_KERNEL
};

static kvant_status open_with(fault planted, const kvant_services *services,
                              kvant_backend_device **out_device, kvant_backend_limits *out_limits)
{
    kvant_backend_device *device = services->allocate(services, sizeof *device);
    if (device == NULL) {
        return KVANT_ERROR_OUT_OF_HOST_MEMORY;
    }
    device->services = services;
    device->fault = planted;
    *out_device = device;
    return host->open(services, 0, &device->inner, out_limits);
}

static void faulty_close(kvant_backend_device *device)
{
    host->close(device->inner);
    device->services->release(device->services, device);
}

static kvant_status faulty_create(kvant_backend_device *device, uint64_t bytes,
                                  kvant_backend_buffer **out_buffer)
{
    kvant_backend_buffer *buffer = device->services->allocate(device->services, sizeof *buffer);
    if (buffer == NULL) {
        return KVANT_ERROR_OUT_OF_HOST_MEMORY;
    }
    buffer->bytes = bytes;
    *out_buffer = buffer;
    return host->buffer_create(device->inner, bytes, &buffer->inner);
}

static void faulty_destroy(kvant_backend_device *device, kvant_backend_buffer *buffer)
{
    host->buffer_destroy(device->inner, buffer->inner);
    device->services->release(device->services, buffer);
}

static kvant_status faulty_upload(kvant_backend_device *device, kvant_backend_buffer *buffer,
                                  uint64_t offset, const void *data, uint64_t bytes)
{
    return host->upload(device->inner, buffer->inner, offset, data, bytes);
}

static kvant_status faulty_download(kvant_backend_device *device, kvant_backend_buffer *buffer,
                                    uint64_t offset, void *data, uint64_t bytes)
{
    return host->download(device->inner, buffer->inner, offset, data, bytes);
}

static kvant_status faulty_copy(kvant_backend_device *device, kvant_backend_buffer *source,
                                uint64_t source_offset, kvant_backend_buffer *target,
                                uint64_t target_offset, uint64_t bytes)
{
    return host->copy(device->inner, source->inner, source_offset, target->inner, target_offset,
                      bytes);
}

static kvant_status faulty_fill(kvant_backend_device *device, kvant_backend_buffer *buffer,
                                uint64_t offset, uint32_t word, uint64_t bytes)
{
    return host->fill(device->inner, buffer->inner, offset, word, bytes);
}

static kvant_status faulty_prepare(kvant_backend_device *device, kvant_kernel kernel,
                                   uint32_t variants)
{
    return host->prepare(device->inner, kernel, variants);
}

/* ---- damage -------------------------------------------------------------------------------- */

/* Whether binding `index` of the kernel is written: "input:r output:w". */
static int is_written(kvant_kernel kernel, uint32_t index)
{
    const char *list = binding_lists[kernel];
    for (; index != 0u; index--) {
        list += strcspn(list, " ");
        list += strspn(list, " ");
    }
    list += strcspn(list, ":");
    return memchr(list, 'w', strcspn(list, " ")) != NULL;
}

static void damage(fault planted, uint32_t *after, const uint32_t *before, uint64_t count)
{
    uint64_t first = count;
    uint64_t last = count;
    for (uint64_t i = 0; i < count; i++) {
        if (after[i] != before[i]) {
            first = first == count ? i : first;
            last = i;
        }
    }
    if (last == count) {
        return; /* nothing was written */
    }
    if (planted == FAULT_flip) {
        after[(first + last) / 2u] ^= 1u;
    } else if (planted == FAULT_overrun && last + 1u < count) {
        after[last + 1u] = ~after[last + 1u];
    } else if (planted == FAULT_skip) {
        after[last] = before[last];
    }
}

static kvant_status launch_inner(kvant_backend_device *device, const kvant_launch *launch)
{
    kvant_launch inner = *launch;
    for (uint32_t i = 0; i < launch->binding_count; i++) {
        inner.bindings[i] = launch->bindings[i]->inner;
    }
    return host->launch(device->inner, &inner);
}

/* Launches, then damages the last written binding; no other binding is the same buffer. */
static kvant_status launch_damaged(kvant_backend_device *device, const kvant_launch *launch)
{
    const kvant_services *services = device->services;
    uint32_t victim = launch->binding_count;
    for (uint32_t i = 0; i < launch->binding_count; i++) {
        int is_output = is_written(launch->kernel, i);
        if (device->fault == FAULT_input ? !is_output : is_output) {
            victim = i;
            if (device->fault == FAULT_input || launch->kernel == KVANT_KERNEL_append) {
                break;
            }
        }
    }
    if (victim == launch->binding_count) {
        return launch_inner(device, launch);
    }
    const kvant_backend_buffer *buffer = launch->bindings[victim];
    uint32_t *before = services->allocate(services, (size_t)buffer->bytes);
    uint32_t *after = services->allocate(services, (size_t)buffer->bytes);
    kvant_status status = KVANT_ERROR_OUT_OF_HOST_MEMORY;
    if (before != NULL && after != NULL) {
        status = host->download(device->inner, buffer->inner, 0, before, buffer->bytes);
    }
    if (status == KVANT_OK) {
        status = launch_inner(device, launch);
    }
    if (status == KVANT_OK) {
        status = host->download(device->inner, buffer->inner, 0, after, buffer->bytes);
        if (device->fault == FAULT_input) {
            after[buffer->bytes / 8u] ^= 0x100u;
        } else {
            damage(device->fault, after, before, buffer->bytes / 4u);
        }
        status = host->upload(device->inner, buffer->inner, 0, after, buffer->bytes);
    }
    services->release(services, before);
    services->release(services, after);
    return status;
}

static kvant_status faulty_launch(kvant_backend_device *device, const kvant_launch *launch)
{
    if (device->fault == FAULT_none) {
        return launch_inner(device, launch);
    }
    if (device->fault == FAULT_launch) {
        return device->services->report(device->services, KVANT_ERROR_DEVICE_LOST, "faulty",
                                        "the planted failure of a launch");
    }
    return launch_damaged(device, launch);
}

static kvant_status faulty_nothing(kvant_backend_device *device)
{
    (void)device;
    return KVANT_OK;
}

static kvant_status faulty_mark(kvant_backend_device *device, uint32_t slot)
{
    return host->mark(device->inner, slot);
}

static kvant_status faulty_elapsed(kvant_backend_device *device, uint32_t from, uint32_t to,
                                   double *out_microseconds)
{
    return host->elapsed(device->inner, from, to, out_microseconds);
}

static kvant_status faulty_enumerate(const kvant_services *services,
                                     kvant_device_record *out_records, uint32_t capacity,
                                     uint32_t *out_count)
{
    return host->enumerate(services, out_records, capacity, out_count);
}

#define FAULTY_TABLE(fault_name, text)                                                             \
    static kvant_status open_##fault_name(const kvant_services *services, uint32_t index,          \
                                          kvant_backend_device **out_device,                       \
                                          kvant_backend_limits *out_limits)                        \
    {                                                                                              \
        (void)index;                                                                               \
        return open_with(FAULT_##fault_name, services, out_device, out_limits);                    \
    }                                                                                              \
    const kvant_backend kvant_backend_faulty_##fault_name = {                                      \
        .version = KVANT_BACKEND_VERSION,                                                          \
        .name = "faulty-" #fault_name,                                                             \
        .enumerate = faulty_enumerate,                                                             \
        .open = open_##fault_name,                                                                 \
        .close = faulty_close,                                                                     \
        .buffer_create = faulty_create,                                                            \
        .buffer_destroy = faulty_destroy,                                                          \
        .upload = faulty_upload,                                                                   \
        .download = faulty_download,                                                               \
        .copy = faulty_copy,                                                                       \
        .fill = faulty_fill,                                                                       \
        .prepare = faulty_prepare,                                                                 \
        .launch = faulty_launch,                                                                   \
        .flush = faulty_nothing,                                                                   \
        .synchronize = faulty_nothing,                                                             \
        .mark = faulty_mark,                                                                       \
        .elapsed = faulty_elapsed,                                                                 \
    };
KVANT_FAULTS(FAULTY_TABLE)
