/* SPDX-License-Identifier: MIT
 *
 * Launches, waiting and time stamps of the OpenCL backend.
 */
#include "opencl_internal.h"

enum { ITEMS = 1, GROUPS = 0 };

static const unsigned char shapes[KVANT_KERNEL_COUNT] = {
#define KVANT_KERNEL(name, params, count, names, shape, exactness) shape,
#include "kernels.def"
#undef KVANT_KERNEL
};

kvant_status kvant_opencl_launch(kvant_backend_device *device, const kvant_launch *launch)
{
    kvant_status status = kvant_opencl_prepare(device, launch->kernel, 1u << launch->variant);
    if (status != KVANT_OK) {
        return status;
    }
    size_t global[3];
    const size_t local[3] = {device->lanes, 1, 1};
    for (int i = 0; i < 3; i++) {
        size_t groups = launch->groups[i];
        if (groups == 0) {
            return KVANT_OK;
        }
        if (i == 0 && shapes[launch->kernel] == ITEMS && device->item_groups != 0 &&
            groups > device->item_groups) {
            groups = device->item_groups; /* the kernel's loop takes the rest */
        }
        global[i] = groups * local[i];
    }

    cl_kernel kernel = device->kernels[launch->kernel][launch->variant];
    cl_int error = device->api.clSetKernelArg(kernel, 0, launch->params_bytes, launch->params);
    for (cl_uint i = 0; error == CL_SUCCESS && i < launch->binding_count; i++) {
        error = device->api.clSetKernelArg(kernel, i + 1u, sizeof(cl_mem),
                                           &launch->bindings[i]->memory);
    }
    if (error != CL_SUCCESS) {
        return kvant_opencl_fail(device, "clSetKernelArg", error);
    }
    error = device->api.clEnqueueNDRangeKernel(device->queue, kernel, 3, NULL, global, local, 0,
                                               NULL, NULL);
    return error == CL_SUCCESS ? KVANT_OK
                               : kvant_opencl_fail(device, "clEnqueueNDRangeKernel", error);
}

kvant_status kvant_opencl_flush(kvant_backend_device *device)
{
    kvant_status status = kvant_opencl_check(device);
    if (status != KVANT_OK) {
        return status;
    }
    cl_int error = device->api.clFlush(device->queue);
    return error == CL_SUCCESS ? KVANT_OK : kvant_opencl_fail(device, "clFlush", error);
}

kvant_status kvant_opencl_synchronize(kvant_backend_device *device)
{
    kvant_status status = kvant_opencl_check(device);
    if (status != KVANT_OK) {
        return status;
    }
    cl_int error = device->api.clFinish(device->queue);
    return error == CL_SUCCESS ? KVANT_OK : kvant_opencl_fail(device, "clFinish", error);
}

kvant_status kvant_opencl_mark(kvant_backend_device *device, uint32_t slot)
{
    kvant_status status = kvant_opencl_check(device);
    if (status != KVANT_OK) {
        return status;
    }
    cl_event mark = NULL;
    cl_int error = device->api.clEnqueueMarkerWithWaitList(device->queue, 0, NULL, &mark);
    if (error != CL_SUCCESS) {
        return kvant_opencl_fail(device, "clEnqueueMarkerWithWaitList", error);
    }
    if (device->marks[slot] != NULL) {
        device->api.clReleaseEvent(device->marks[slot]);
    }
    device->marks[slot] = mark;
    return KVANT_OK;
}

kvant_status kvant_opencl_elapsed(kvant_backend_device *device, uint32_t from, uint32_t to,
                                  double *out_microseconds)
{
    kvant_status status = kvant_opencl_check(device);
    if (status != KVANT_OK) {
        return status;
    }
    const cl_event marks[2] = {device->marks[from], device->marks[to]};
    if (marks[0] == NULL || marks[1] == NULL) {
        return device->services->report(device->services, KVANT_ERROR_INVALID_STATE, "opencl",
                                        "both time stamps must be set before they are compared");
    }
    cl_int error = device->api.clWaitForEvents(2, marks);
    if (error != CL_SUCCESS) {
        return kvant_opencl_fail(device, "clWaitForEvents", error);
    }
    cl_ulong nanoseconds[2] = {0, 0};
    for (int i = 0; i < 2; i++) {
        error = device->api.clGetEventProfilingInfo(marks[i], CL_PROFILING_COMMAND_END,
                                                    sizeof nanoseconds[i], &nanoseconds[i], NULL);
        if (error != CL_SUCCESS) {
            return kvant_opencl_fail(device, "clGetEventProfilingInfo", error);
        }
    }
    *out_microseconds = ((double)nanoseconds[1] - (double)nanoseconds[0]) * 1e-3;
    return KVANT_OK;
}
