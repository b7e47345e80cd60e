/* SPDX-License-Identifier: MIT
 *
 * The host backend: the scalar reference of host_ref/ as a device. It is always there, single
 * threaded, and executes each call at once.
 */
#include <string.h>
#include <time.h>

#include "backend.h"
#include "reference.h"

struct kvant_backend_device {
    const kvant_services *services;
    double marks[KVANT_MARKS]; /* microseconds */
};

struct kvant_backend_buffer {
    kv_u32 *words;
};

typedef void (*reference_fn)(const void *params, kv_u32 *const *bindings);

static const reference_fn reference_kernels[KVANT_KERNEL_COUNT] = {
#define KVANT_KERNEL(name, params, count, names, shape, exactness) kvant_ref_##name,
#include "kernels.def"
#undef KVANT_KERNEL
};

static kvant_status host_enumerate(const kvant_services *services, kvant_device_record *out_records,
                                   uint32_t capacity, uint32_t *out_count)
{
    (void)services;
    if (capacity > 0) {
        kvant_device_record record = {.kind = KVANT_DEVICE_REFERENCE};
        strcpy(record.name, "scalar host reference");
        strcpy(record.driver, "C11");
        out_records[0] = record;
    }
    *out_count = 1;
    return KVANT_OK;
}

static kvant_status host_open(const kvant_services *services, uint32_t index,
                              kvant_backend_device **out_device, kvant_backend_limits *out_limits)
{
    (void)index;
    kvant_backend_device *device = services->allocate(services, sizeof *device);
    if (device == NULL) {
        return services->report(services, KVANT_ERROR_OUT_OF_HOST_MEMORY, "host",
                                "no memory for the device");
    }
    device->services = services;
    *out_device = device;
    *out_limits = (kvant_backend_limits){
        .max_buffer_bytes = UINT64_C(1) << 34, /* what a word offset of 32 bits reaches */
        .lanes = 1,
        .max_groups = UINT32_MAX,
        .parallel_groups = 1,
        .max_lanes = 1,
        .subgroup_lanes = 1,
    };
    return KVANT_OK;
}

static void host_close(kvant_backend_device *device)
{
    device->services->release(device->services, device);
}

static kvant_status host_buffer_create(kvant_backend_device *device, uint64_t bytes,
                                       kvant_backend_buffer **out_buffer)
{
    const kvant_services *services = device->services;
    kvant_backend_buffer *buffer = services->allocate(services, sizeof *buffer);
    kv_u32 *words = bytes <= SIZE_MAX ? services->allocate(services, (size_t)bytes) : NULL;
    if (buffer == NULL || words == NULL) {
        services->release(services, buffer);
        services->release(services, words);
        return services->report(services, KVANT_ERROR_OUT_OF_DEVICE_MEMORY, "host",
                                "no memory for a buffer of %llu bytes", (unsigned long long)bytes);
    }
    buffer->words = words;
    *out_buffer = buffer;
    return KVANT_OK;
}

static void host_buffer_destroy(kvant_backend_device *device, kvant_backend_buffer *buffer)
{
    device->services->release(device->services, buffer->words);
    device->services->release(device->services, buffer);
}

static kvant_status host_upload(kvant_backend_device *device, kvant_backend_buffer *buffer,
                                uint64_t offset, const void *data, uint64_t bytes)
{
    (void)device;
    memcpy(&buffer->words[offset / 4u], data, (size_t)bytes);
    return KVANT_OK;
}

static kvant_status host_download(kvant_backend_device *device, kvant_backend_buffer *buffer,
                                  uint64_t offset, void *data, uint64_t bytes)
{
    (void)device;
    memcpy(data, &buffer->words[offset / 4u], (size_t)bytes);
    return KVANT_OK;
}

static kvant_status host_copy(kvant_backend_device *device, kvant_backend_buffer *source,
                              uint64_t source_offset, kvant_backend_buffer *target,
                              uint64_t target_offset, uint64_t bytes)
{
    (void)device;
    memmove(&target->words[target_offset / 4u], &source->words[source_offset / 4u], (size_t)bytes);
    return KVANT_OK;
}

static kvant_status host_fill(kvant_backend_device *device, kvant_backend_buffer *buffer,
                              uint64_t offset, uint32_t word, uint64_t bytes)
{
    (void)device;
    for (uint64_t i = 0; i < bytes / 4u; i++) {
        buffer->words[offset / 4u + i] = word;
    }
    return KVANT_OK;
}

static kvant_status host_prepare(kvant_backend_device *device, kvant_kernel kernel,
                                 uint32_t variants)
{
    (void)variants;
    (void)device;
    (void)kernel;
    return KVANT_OK;
}

static kvant_status host_launch(kvant_backend_device *device, const kvant_launch *launch)
{
    (void)device;
    kv_u32 *words[KVANT_MAX_BINDINGS] = {NULL};
    for (uint32_t i = 0; i < launch->binding_count; i++) {
        words[i] = launch->bindings[i]->words;
    }
    reference_kernels[launch->kernel](launch->params, words);
    return KVANT_OK;
}

static kvant_status host_nothing(kvant_backend_device *device)
{
    (void)device;
    return KVANT_OK;
}

static kvant_status host_mark(kvant_backend_device *device, uint32_t slot)
{
    struct timespec now;
    timespec_get(&now, TIME_UTC);
    device->marks[slot] = (double)now.tv_sec * 1e6 + (double)now.tv_nsec * 1e-3;
    return KVANT_OK;
}

static kvant_status host_elapsed(kvant_backend_device *device, uint32_t from, uint32_t to,
                                 double *out_microseconds)
{
    *out_microseconds = device->marks[to] - device->marks[from];
    return KVANT_OK;
}

const kvant_backend kvant_backend_host = {
    .version = KVANT_BACKEND_VERSION,
    .name = "host",
    .enumerate = host_enumerate,
    .open = host_open,
    .close = host_close,
    .buffer_create = host_buffer_create,
    .buffer_destroy = host_buffer_destroy,
    .upload = host_upload,
    .download = host_download,
    .copy = host_copy,
    .fill = host_fill,
    .prepare = host_prepare,
    .launch = host_launch,
    .flush = host_nothing,
    .synchronize = host_nothing,
    .mark = host_mark,
    .elapsed = host_elapsed,
};
