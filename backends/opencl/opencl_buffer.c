/* SPDX-License-Identifier: MIT
 *
 * Buffers and transfers of the OpenCL backend.
 */
#include <string.h>

#include "opencl_internal.h"

kvant_status kvant_opencl_fill(kvant_backend_device *device, kvant_backend_buffer *buffer,
                               uint64_t offset, uint32_t word, uint64_t bytes)
{
    kvant_status status = kvant_opencl_check(device);
    if (status != KVANT_OK || bytes == 0) {
        return status;
    }
    cl_int error =
        device->api.clEnqueueFillBuffer(device->queue, buffer->memory, &word, sizeof word,
                                        (size_t)offset, (size_t)bytes, 0, NULL, NULL);
    return error == CL_SUCCESS ? KVANT_OK : kvant_opencl_fail(device, "clEnqueueFillBuffer", error);
}

kvant_status kvant_opencl_buffer_create(kvant_backend_device *device, uint64_t bytes,
                                        kvant_backend_buffer **out_buffer)
{
    const kvant_services *services = device->services;
    kvant_status status = kvant_opencl_check(device);
    if (status != KVANT_OK) {
        return status;
    }
    if (bytes > SIZE_MAX) {
        return services->report(services, KVANT_ERROR_LIMIT, "opencl",
                                "a buffer of %llu bytes exceeds the address space",
                                (unsigned long long)bytes);
    }
    kvant_backend_buffer *buffer = services->allocate(services, sizeof *buffer);
    if (buffer == NULL) {
        return services->report(services, KVANT_ERROR_OUT_OF_HOST_MEMORY, "opencl",
                                "no memory for a buffer's entry");
    }
    cl_int error = CL_SUCCESS;
    buffer->memory =
        device->api.clCreateBuffer(device->context, CL_MEM_READ_WRITE, (size_t)bytes, NULL, &error);
    if (error != CL_SUCCESS) {
        services->release(services, buffer);
        if (error == CL_DEVICE_NOT_AVAILABLE) {
            return kvant_opencl_fail(device, "clCreateBuffer", error);
        }
        /* here it means what it says */
        kvant_status no_memory = error == CL_OUT_OF_HOST_MEMORY ? KVANT_ERROR_OUT_OF_HOST_MEMORY
                                 : error == CL_INVALID_BUFFER_SIZE
                                     ? KVANT_ERROR_LIMIT
                                     : KVANT_ERROR_OUT_OF_DEVICE_MEMORY;
        return services->report(
            services, no_memory, "opencl", "clCreateBuffer of %llu bytes failed: %s (%d)",
            (unsigned long long)bytes, kvant_opencl_error_name(error), (int)error);
    }
    status = kvant_opencl_fill(device, buffer, 0, 0, bytes);
    if (status != KVANT_OK) {
        kvant_opencl_buffer_destroy(device, buffer);
        return status;
    }
    *out_buffer = buffer;
    return KVANT_OK;
}

/* OpenCL keeps the memory until queued commands that use it are done. */
void kvant_opencl_buffer_destroy(kvant_backend_device *device, kvant_backend_buffer *buffer)
{
    device->api.clReleaseMemObject(buffer->memory);
    device->services->release(device->services, buffer);
}

kvant_status kvant_opencl_make_slots(kvant_backend_device *device)
{
    const kvant_services *services = device->services;
    device->staging =
        services->allocate(services, (size_t)KVANT_OPENCL_SLOTS * KVANT_OPENCL_SLOT_BYTES);
    if (device->staging == NULL) {
        return services->report(services, KVANT_ERROR_OUT_OF_HOST_MEMORY, "opencl",
                                "no memory to stage uploads");
    }
    return KVANT_OK;
}

void kvant_opencl_release_slots(kvant_backend_device *device)
{
    for (uint32_t i = 0; i < KVANT_OPENCL_SLOTS; i++) {
        if (device->written[i] != NULL) {
            device->api.clReleaseEvent(device->written[i]);
        }
    }
    device->services->release(device->services, device->staging);
}

/* Waits for a write, unless it is done already. */
static kvant_status finish_write(kvant_backend_device *device, cl_event written)
{
    cl_int state = CL_QUEUED;
    const char *call = "clGetEventInfo";
    cl_int error = device->api.clGetEventInfo(written, CL_EVENT_COMMAND_EXECUTION_STATUS,
                                              sizeof state, &state, NULL);
    if (error == CL_SUCCESS && state != CL_COMPLETE) {
        call = "clWaitForEvents";
        error = device->api.clWaitForEvents(1, &written);
    }
    return error == CL_SUCCESS ? KVANT_OK : kvant_opencl_fail(device, call, error);
}

/* A slot that no write uses any more. It waits only where as many uploads as there are slots are
 * still queued. */
static kvant_status take_slot(kvant_backend_device *device, uint32_t *out_slot)
{
    uint32_t slot = device->next_slot;
    device->next_slot = (slot + 1u) % KVANT_OPENCL_SLOTS;
    if (device->written[slot] != NULL) {
        kvant_status status = finish_write(device, device->written[slot]);
        device->api.clReleaseEvent(device->written[slot]);
        device->written[slot] = NULL;
        if (status != KVANT_OK) {
            return status;
        }
    }
    *out_slot = slot;
    return KVANT_OK;
}

kvant_status kvant_opencl_upload(kvant_backend_device *device, kvant_backend_buffer *buffer,
                                 uint64_t offset, const void *data, uint64_t bytes)
{
    kvant_status status = kvant_opencl_check(device);
    if (status != KVANT_OK || bytes == 0) {
        return status;
    }
    cl_int error;
    if (bytes > KVANT_OPENCL_SLOT_BYTES) {
        /* a copy of a large tensor would cost more than to wait for its transfer */
        error =
            device->api.clEnqueueWriteBuffer(device->queue, buffer->memory, CL_TRUE, (size_t)offset,
                                             (size_t)bytes, data, 0, NULL, NULL);
    } else {
        uint32_t slot = 0;
        status = take_slot(device, &slot);
        if (status != KVANT_OK) {
            return status;
        }
        unsigned char *staged = device->staging + (size_t)slot * KVANT_OPENCL_SLOT_BYTES;
        memcpy(staged, data, (size_t)bytes);
        error = device->api.clEnqueueWriteBuffer(device->queue, buffer->memory, CL_FALSE,
                                                 (size_t)offset, (size_t)bytes, staged, 0, NULL,
                                                 &device->written[slot]);
        if (error != CL_SUCCESS) {
            device->written[slot] = NULL;
        }
    }
    return error == CL_SUCCESS ? KVANT_OK
                               : kvant_opencl_fail(device, "clEnqueueWriteBuffer", error);
}

kvant_status kvant_opencl_download(kvant_backend_device *device, kvant_backend_buffer *buffer,
                                   uint64_t offset, void *data, uint64_t bytes)
{
    kvant_status status = kvant_opencl_check(device);
    if (status != KVANT_OK || bytes == 0) {
        return status;
    }
    cl_int error = device->api.clEnqueueReadBuffer(
        device->queue, buffer->memory, CL_TRUE, (size_t)offset, (size_t)bytes, data, 0, NULL, NULL);
    return error == CL_SUCCESS ? KVANT_OK : kvant_opencl_fail(device, "clEnqueueReadBuffer", error);
}

kvant_status kvant_opencl_copy(kvant_backend_device *device, kvant_backend_buffer *source,
                               uint64_t source_offset, kvant_backend_buffer *target,
                               uint64_t target_offset, uint64_t bytes)
{
    kvant_status status = kvant_opencl_check(device);
    if (status != KVANT_OK || bytes == 0) {
        return status;
    }
    cl_int error = device->api.clEnqueueCopyBuffer(device->queue, source->memory, target->memory,
                                                   (size_t)source_offset, (size_t)target_offset,
                                                   (size_t)bytes, 0, NULL, NULL);
    return error == CL_SUCCESS ? KVANT_OK : kvant_opencl_fail(device, "clEnqueueCopyBuffer", error);
}
