/* SPDX-License-Identifier: MIT
 *
 * The null backend: the smallest table that dispatch accepts, and the template for a new backend. It
 * keeps buffers and executes no kernel, so its device fails the exactness self-test and a context
 * opens it only with KVANT_CONTEXT_ALLOW_INEXACT: for dry runs of a caller's own code.
 */
#include <string.h>

#include "backend.h"

struct kvant_backend_device {
    const kvant_services *services;
};

struct kvant_backend_buffer {
    unsigned char *bytes;
};

static kvant_status null_enumerate(const kvant_services *services, kvant_device_record *out_records,
                                   uint32_t capacity, uint32_t *out_count)
{
    (void)services;
    if (capacity > 0) {
        out_records[0] = (kvant_device_record){
            .kind = KVANT_DEVICE_SIMULATED,
            .name = "null device, executes nothing",
            .driver = "none",
        };
    }
    *out_count = 1;
    return KVANT_OK;
}

static kvant_status null_open(const kvant_services *services, uint32_t index,
                              kvant_backend_device **out_device, kvant_backend_limits *out_limits)
{
    (void)index;
    kvant_backend_device *device = services->allocate(services, sizeof *device);
    if (device == NULL) {
        return services->report(services, KVANT_ERROR_OUT_OF_HOST_MEMORY, "null",
                                "no memory for the device");
    }
    device->services = services;
    *out_device = device;
    *out_limits = (kvant_backend_limits){
        .max_buffer_bytes = UINT64_C(1) << 34,
        .lanes = 1,
        .max_groups = UINT32_MAX,
        .parallel_groups = 1,
    };
    return KVANT_OK;
}

static void null_close(kvant_backend_device *device)
{
    device->services->release(device->services, device);
}

static kvant_status null_buffer_create(kvant_backend_device *device, uint64_t bytes,
                                       kvant_backend_buffer **out_buffer)
{
    const kvant_services *services = device->services;
    kvant_backend_buffer *buffer = services->allocate(services, sizeof *buffer);
    void *memory = bytes <= SIZE_MAX ? services->allocate(services, (size_t)bytes) : NULL;
    if (buffer == NULL || memory == NULL) {
        services->release(services, buffer);
        services->release(services, memory);
        return services->report(services, KVANT_ERROR_OUT_OF_DEVICE_MEMORY, "null",
                                "no memory for a buffer of %llu bytes", (unsigned long long)bytes);
    }
    buffer->bytes = memory;
    *out_buffer = buffer;
    return KVANT_OK;
}

static void null_buffer_destroy(kvant_backend_device *device, kvant_backend_buffer *buffer)
{
    device->services->release(device->services, buffer->bytes);
    device->services->release(device->services, buffer);
}

static kvant_status null_upload(kvant_backend_device *device, kvant_backend_buffer *buffer,
                                uint64_t offset, const void *data, uint64_t bytes)
{
    (void)device;
    memcpy(buffer->bytes + offset, data, (size_t)bytes);
    return KVANT_OK;
}

static kvant_status null_download(kvant_backend_device *device, kvant_backend_buffer *buffer,
                                  uint64_t offset, void *data, uint64_t bytes)
{
    (void)device;
    memcpy(data, buffer->bytes + offset, (size_t)bytes);
    return KVANT_OK;
}

static kvant_status null_copy(kvant_backend_device *device, kvant_backend_buffer *source,
                              uint64_t source_offset, kvant_backend_buffer *target,
                              uint64_t target_offset, uint64_t bytes)
{
    (void)device;
    memmove(target->bytes + target_offset, source->bytes + source_offset, (size_t)bytes);
    return KVANT_OK;
}

static kvant_status null_fill(kvant_backend_device *device, kvant_backend_buffer *buffer,
                              uint64_t offset, uint32_t word, uint64_t bytes)
{
    (void)device;
    for (uint64_t i = 0; i < bytes; i += sizeof word) {
        memcpy(buffer->bytes + offset + i, &word, sizeof word);
    }
    return KVANT_OK;
}

static kvant_status null_prepare(kvant_backend_device *device, kvant_kernel kernel,
                                 uint32_t variants)
{
    (void)variants;
    (void)device;
    (void)kernel;
    return KVANT_OK;
}

static kvant_status null_launch(kvant_backend_device *device, const kvant_launch *launch)
{
    (void)device;
    (void)launch;
    return KVANT_OK;
}

static kvant_status null_wait(kvant_backend_device *device)
{
    (void)device;
    return KVANT_OK;
}

static kvant_status null_mark(kvant_backend_device *device, uint32_t slot)
{
    (void)device;
    (void)slot;
    return KVANT_OK;
}

static kvant_status null_elapsed(kvant_backend_device *device, uint32_t from, uint32_t to,
                                 double *out_microseconds)
{
    (void)device;
    (void)from;
    (void)to;
    *out_microseconds = 0.0;
    return KVANT_OK;
}

const kvant_backend kvant_backend_null = {
    .version = KVANT_BACKEND_VERSION,
    .name = "null",
    .enumerate = null_enumerate,
    .open = null_open,
    .close = null_close,
    .buffer_create = null_buffer_create,
    .buffer_destroy = null_buffer_destroy,
    .upload = null_upload,
    .download = null_download,
    .copy = null_copy,
    .fill = null_fill,
    .prepare = null_prepare,
    .launch = null_launch,
    .flush = null_wait,
    .synchronize = null_wait,
    .mark = null_mark,
    .elapsed = null_elapsed,
};
