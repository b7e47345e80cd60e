/* SPDX-License-Identifier: MIT
 *
 * The functions of libOpenCL that the backend calls, resolved at run time: one list declares and
 * loads them. OpenCL 1.2.
 */
#ifndef KVANT_BACKENDS_OPENCL_API_H
#define KVANT_BACKENDS_OPENCL_API_H

#define CL_TARGET_OPENCL_VERSION 120
#include <CL/cl.h>
#include <CL/cl_ext.h>

#include "backend.h"

#define KVANT_OPENCL_SYMBOLS(X)                                                                    \
    X(clBuildProgram)                                                                              \
    X(clCompileProgram)                                                                            \
    X(clCreateBuffer)                                                                              \
    X(clCreateCommandQueue)                                                                        \
    X(clCreateContext)                                                                             \
    X(clCreateKernel)                                                                              \
    X(clCreateProgramWithBinary)                                                                   \
    X(clCreateProgramWithSource)                                                                   \
    X(clEnqueueCopyBuffer)                                                                         \
    X(clEnqueueFillBuffer)                                                                         \
    X(clEnqueueMarkerWithWaitList)                                                                 \
    X(clEnqueueNDRangeKernel)                                                                      \
    X(clEnqueueReadBuffer)                                                                         \
    X(clEnqueueWriteBuffer)                                                                        \
    X(clFinish)                                                                                    \
    X(clFlush)                                                                                     \
    X(clGetDeviceIDs)                                                                              \
    X(clGetDeviceInfo)                                                                             \
    X(clGetEventInfo)                                                                              \
    X(clGetEventProfilingInfo)                                                                     \
    X(clGetKernelWorkGroupInfo)                                                                    \
    X(clGetPlatformIDs)                                                                            \
    X(clGetPlatformInfo)                                                                           \
    X(clGetProgramBuildInfo)                                                                       \
    X(clGetProgramInfo)                                                                            \
    X(clLinkProgram)                                                                               \
    X(clReleaseCommandQueue)                                                                       \
    X(clReleaseContext)                                                                            \
    X(clReleaseEvent)                                                                              \
    X(clReleaseKernel)                                                                             \
    X(clReleaseMemObject)                                                                          \
    X(clReleaseProgram)                                                                            \
    X(clSetKernelArg)                                                                              \
    X(clWaitForEvents)

typedef struct {
    void *library;
#define KVANT_OPENCL_DECLARE(name) __typeof__(&name) name;
    KVANT_OPENCL_SYMBOLS(KVANT_OPENCL_DECLARE)
#undef KVANT_OPENCL_DECLARE
} kvant_opencl_api;

/* Opens the library. A missing library or function is KVANT_ERROR_BACKEND_UNAVAILABLE. */
kvant_status kvant_opencl_load(const kvant_services *services, kvant_opencl_api *out_api);
void kvant_opencl_unload(kvant_opencl_api *api);

/* "CL_OUT_OF_RESOURCES"; "an unknown error" for codes that OpenCL 1.2 does not have. */
const char *kvant_opencl_error_name(cl_int error);

#endif
