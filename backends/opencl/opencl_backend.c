/* SPDX-License-Identifier: MIT
 *
 * The OpenCL backend's table, and how a failed native call becomes a status.
 */
#include "opencl_internal.h"

static int means_lost(cl_int error)
{
    switch (error) {
    case CL_DEVICE_NOT_AVAILABLE:
    case CL_OUT_OF_RESOURCES:      /* NVIDIA, after a kernel failed */
    case CL_INVALID_COMMAND_QUEUE: /* NVIDIA, in every call after that */
    case CL_EXEC_STATUS_ERROR_FOR_EVENTS_IN_WAIT_LIST:
        return 1;
    default:
        return error < -1100; /* NVIDIA's own codes, such as -9999 for an illegal access */
    }
}

static kvant_status status_of(cl_int error)
{
    switch (error) {
    case CL_MEM_OBJECT_ALLOCATION_FAILURE:
        return KVANT_ERROR_OUT_OF_DEVICE_MEMORY;
    case CL_OUT_OF_HOST_MEMORY:
        return KVANT_ERROR_OUT_OF_HOST_MEMORY;
    case CL_INVALID_BUFFER_SIZE:
        return KVANT_ERROR_LIMIT;
    case CL_PROFILING_INFO_NOT_AVAILABLE:
        return KVANT_ERROR_UNSUPPORTED;
    default:
        return means_lost(error) ? KVANT_ERROR_DEVICE_LOST : KVANT_ERROR_INTERNAL;
    }
}

kvant_status kvant_opencl_fail(kvant_backend_device *device, const char *call, cl_int error)
{
    kvant_status status = status_of(error);
    if (status == KVANT_ERROR_DEVICE_LOST) {
        device->is_lost = 1;
    }
    return device->services->report(device->services, status, "opencl", "%s failed: %s (%d)", call,
                                    kvant_opencl_error_name(error), (int)error);
}

kvant_status kvant_opencl_check(kvant_backend_device *device)
{
    if (!device->is_lost) {
        return KVANT_OK;
    }
    return device->services->report(device->services, KVANT_ERROR_DEVICE_LOST, "opencl",
                                    "the device was lost in an earlier call");
}

const kvant_backend kvant_backend_opencl = {
    .version = KVANT_BACKEND_VERSION,
    .name = "opencl",
    .enumerate = kvant_opencl_enumerate,
    .open = kvant_opencl_open,
    .close = kvant_opencl_close,
    .buffer_create = kvant_opencl_buffer_create,
    .buffer_destroy = kvant_opencl_buffer_destroy,
    .upload = kvant_opencl_upload,
    .download = kvant_opencl_download,
    .copy = kvant_opencl_copy,
    .fill = kvant_opencl_fill,
    .prepare = kvant_opencl_prepare,
    .launch = kvant_opencl_launch,
    .flush = kvant_opencl_flush,
    .synchronize = kvant_opencl_synchronize,
    .mark = kvant_opencl_mark,
    .elapsed = kvant_opencl_elapsed,
};
