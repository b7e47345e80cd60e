/* SPDX-License-Identifier: MIT
 *
 * Buffers of a CUDA device, and copies to, from and between them.
 */
#include "cuda_internal.h"

#include <string.h>

/* ---- staging ---- */

kvant_status kvant_cuda_staging_create(kvant_backend_device *device)
{
    cuda_staging *staging = &device->staging;
    void *memory = NULL;
    kvant_status status = CUDA_CALL(device, cuMemAllocHost_v2, &memory,
                                    (size_t)(CUDA_STAGING_SLOTS * CUDA_STAGING_BYTES));
    staging->memory = memory;
    for (uint32_t i = 0; status == KVANT_OK && i < CUDA_STAGING_SLOTS; i++) {
        status = CUDA_CALL(device, cuEventCreate, &staging->events[i], 0);
    }
    return status;
}

void kvant_cuda_staging_destroy(kvant_backend_device *device)
{
    cuda_staging *staging = &device->staging;
    for (uint32_t i = 0; i < CUDA_STAGING_SLOTS; i++) {
        if (staging->events[i] != NULL) {
            (void)device->driver.cuEventDestroy_v2(staging->events[i]);
        }
    }
    if (staging->memory != NULL) {
        (void)device->driver.cuMemFreeHost(staging->memory);
    }
}

/* Goes on to the next slot, once what was uploaded from it has arrived. */
static kvant_status next_slot(kvant_backend_device *device)
{
    cuda_staging *staging = &device->staging;
    kvant_status status =
        CUDA_CALL(device, cuEventRecord, staging->events[staging->slot], device->stream);
    if (status != KVANT_OK) {
        return status;
    }
    staging->slot = (staging->slot + 1u) % CUDA_STAGING_SLOTS;
    staging->used = 0;
    /* an event that was never recorded counts as come by */
    int result = device->driver.cuEventQuery(staging->events[staging->slot]);
    return result == CUDA_NOT_READY
               ? CUDA_CALL(device, cuEventSynchronize, staging->events[staging->slot])
               : kvant_cuda_result(device, result, "cuEventQuery");
}

/* ---- the function table ---- */

static kvant_status create_buffer(kvant_backend_device *device, uint64_t bytes,
                                  kvant_backend_buffer *buffer)
{
    kvant_status status = CUDA_CALL(device, cuMemAlloc_v2, &buffer->address, (size_t)bytes);
    if (status != KVANT_OK) {
        return status;
    }
    status = CUDA_CALL(device, cuMemsetD32Async, buffer->address, 0, (size_t)(bytes / 4u),
                       device->stream);
    if (status != KVANT_OK) {
        (void)device->driver.cuMemFree_v2(buffer->address);
    }
    return status;
}

kvant_status kvant_cuda_buffer_create(kvant_backend_device *device, uint64_t bytes,
                                      kvant_backend_buffer **out_buffer)
{
    const kvant_services *services = device->services;
    *out_buffer = NULL;
    kvant_backend_buffer *buffer = services->allocate(services, sizeof *buffer);
    if (buffer == NULL) {
        return services->report(services, KVANT_ERROR_OUT_OF_HOST_MEMORY, "cuda",
                                "no memory for the handle of a buffer");
    }
    kvant_status status = kvant_cuda_enter(device);
    if (status == KVANT_OK) {
        status = create_buffer(device, bytes, buffer);
        kvant_cuda_leave(device);
    }
    if (status != KVANT_OK) {
        services->release(services, buffer);
        return status;
    }
    *out_buffer = buffer;
    return KVANT_OK;
}

void kvant_cuda_buffer_destroy(kvant_backend_device *device, kvant_backend_buffer *buffer)
{
    const cuda_driver *driver = &device->driver;
    /* on a lost device the driver refuses, and the memory goes with the context */
    if (driver->cuCtxPushCurrent_v2(device->context) == CUDA_OK) {
        if (!device->is_lost) {
            (void)CUDA_CALL(device, cuStreamSynchronize, device->stream);
        }
        (void)driver->cuMemFree_v2(buffer->address);
        kvant_cuda_leave(device);
    }
    device->services->release(device->services, buffer);
}

kvant_status kvant_cuda_upload(kvant_backend_device *device, kvant_backend_buffer *buffer,
                               uint64_t offset, const void *data, uint64_t bytes)
{
    cuda_staging *staging = &device->staging;
    const unsigned char *from = data;
    kvant_status status = kvant_cuda_enter(device);
    if (status != KVANT_OK) {
        return status;
    }
    while (status == KVANT_OK && bytes != 0) {
        if (staging->used == CUDA_STAGING_BYTES) {
            status = next_slot(device);
            continue;
        }
        uint64_t room = CUDA_STAGING_BYTES - staging->used;
        uint64_t part = bytes < room ? bytes : room;
        unsigned char *place = staging->memory + staging->slot * CUDA_STAGING_BYTES + staging->used;
        memcpy(place, from, (size_t)part);
        staging->used += part;
        status = CUDA_CALL(device, cuMemcpyHtoDAsync_v2, buffer->address + offset, place,
                           (size_t)part, device->stream);
        from += part;
        offset += part;
        bytes -= part;
    }
    kvant_cuda_leave(device);
    return status;
}

kvant_status kvant_cuda_download(kvant_backend_device *device, kvant_backend_buffer *buffer,
                                 uint64_t offset, void *data, uint64_t bytes)
{
    kvant_status status = kvant_cuda_enter(device);
    if (status != KVANT_OK) {
        return status;
    }
    if (bytes != 0) {
        status = CUDA_CALL(device, cuMemcpyDtoHAsync_v2, data, buffer->address + offset,
                           (size_t)bytes, device->stream);
    }
    if (status == KVANT_OK) {
        status = CUDA_CALL(device, cuStreamSynchronize, device->stream);
    }
    kvant_cuda_leave(device);
    return status;
}

kvant_status kvant_cuda_copy(kvant_backend_device *device, kvant_backend_buffer *source,
                             uint64_t source_offset, kvant_backend_buffer *target,
                             uint64_t target_offset, uint64_t bytes)
{
    kvant_status status = kvant_cuda_enter(device);
    if (status != KVANT_OK) {
        return status;
    }
    if (bytes != 0) {
        status = CUDA_CALL(device, cuMemcpyDtoDAsync_v2, target->address + target_offset,
                           source->address + source_offset, (size_t)bytes, device->stream);
    }
    kvant_cuda_leave(device);
    return status;
}

kvant_status kvant_cuda_fill(kvant_backend_device *device, kvant_backend_buffer *buffer,
                             uint64_t offset, uint32_t word, uint64_t bytes)
{
    kvant_status status = kvant_cuda_enter(device);
    if (status != KVANT_OK) {
        return status;
    }
    if (bytes != 0) {
        status = CUDA_CALL(device, cuMemsetD32Async, buffer->address + offset, word,
                           (size_t)(bytes / 4u), device->stream);
    }
    kvant_cuda_leave(device);
    return status;
}
