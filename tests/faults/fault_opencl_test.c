/* SPDX-License-Identifier: MIT
 *
 * Failing calls of OpenCL: the wrappers. An injected failure does not reach the driver.
 */
#include "fault_points.h"

#include <string.h>

#include "opencl_internal.h"

static cl_command_queue last_queue; /* of the one context that is open */
static bool is_waited_for;          /* since the last command */
static bool was_closed_early;

static cl_int code(void)
{
    static const cl_int codes[FAULT_KINDS] = {
        [FAULT_MEMORY] = CL_OUT_OF_HOST_MEMORY,
        [FAULT_LOSS] = CL_DEVICE_NOT_AVAILABLE,
        [FAULT_OTHER] = CL_INVALID_VALUE,
    };
    return codes[fault_which()];
}

/* X(name, waits, parameters, arguments) of the functions that return their error ... */
#define STATUS_CALLS(X)                                                                            \
    X(clBuildProgram, 0,                                                                           \
      (cl_program a, cl_uint b, const cl_device_id *c, const char *d,                              \
       void(CL_CALLBACK * e)(cl_program, void *), void *f),                                        \
      (a, b, c, d, e, f))                                                                          \
    X(clCompileProgram, 0,                                                                         \
      (cl_program a, cl_uint b, const cl_device_id *c, const char *d, cl_uint e,                   \
       const cl_program *f, const char **g, void(CL_CALLBACK * h)(cl_program, void *), void *i),   \
      (a, b, c, d, e, f, g, h, i))                                                                 \
    X(clEnqueueCopyBuffer, 0,                                                                      \
      (cl_command_queue a, cl_mem b, cl_mem c, size_t d, size_t e, size_t f, cl_uint g,            \
       const cl_event *h, cl_event *i),                                                            \
      (a, b, c, d, e, f, g, h, i))                                                                 \
    X(clEnqueueFillBuffer, 0,                                                                      \
      (cl_command_queue a, cl_mem b, const void *c, size_t d, size_t e, size_t f, cl_uint g,       \
       const cl_event *h, cl_event *i),                                                            \
      (a, b, c, d, e, f, g, h, i))                                                                 \
    X(clEnqueueNDRangeKernel, 0,                                                                   \
      (cl_command_queue a, cl_kernel b, cl_uint c, const size_t *d, const size_t *e,               \
       const size_t *f, cl_uint g, const cl_event *h, cl_event *i),                                \
      (a, b, c, d, e, f, g, h, i))                                                                 \
    X(clEnqueueReadBuffer, 0,                                                                      \
      (cl_command_queue a, cl_mem b, cl_bool c, size_t d, size_t e, void *f, cl_uint g,            \
       const cl_event *h, cl_event *i),                                                            \
      (a, b, c, d, e, f, g, h, i))                                                                 \
    X(clFinish, 1, (cl_command_queue a), (a))                                                      \
    X(clFlush, 0, (cl_command_queue a), (a))                                                       \
    X(clGetDeviceIDs, 0,                                                                           \
      (cl_platform_id a, cl_device_type b, cl_uint c, cl_device_id * d, cl_uint * e),              \
      (a, b, c, d, e))                                                                             \
    X(clGetDeviceInfo, 0, (cl_device_id a, cl_device_info b, size_t c, void *d, size_t *e),        \
      (a, b, c, d, e))                                                                             \
    X(clGetEventInfo, 0, (cl_event a, cl_event_info b, size_t c, void *d, size_t *e),              \
      (a, b, c, d, e))                                                                             \
    X(clGetEventProfilingInfo, 0, (cl_event a, cl_profiling_info b, size_t c, void *d, size_t *e), \
      (a, b, c, d, e))                                                                             \
    X(clGetKernelWorkGroupInfo, 0,                                                                 \
      (cl_kernel a, cl_device_id b, cl_kernel_work_group_info c, size_t d, void *e, size_t *f),    \
      (a, b, c, d, e, f))                                                                          \
    X(clGetPlatformIDs, 0, (cl_uint a, cl_platform_id * b, cl_uint * c), (a, b, c))                \
    X(clGetPlatformInfo, 0, (cl_platform_id a, cl_platform_info b, size_t c, void *d, size_t *e),  \
      (a, b, c, d, e))                                                                             \
    X(clGetProgramBuildInfo, 0,                                                                    \
      (cl_program a, cl_device_id b, cl_program_build_info c, size_t d, void *e, size_t *f),       \
      (a, b, c, d, e, f))                                                                          \
    X(clGetProgramInfo, 0, (cl_program a, cl_program_info b, size_t c, void *d, size_t *e),        \
      (a, b, c, d, e))                                                                             \
    X(clSetKernelArg, 0, (cl_kernel a, cl_uint b, size_t c, const void *d), (a, b, c, d))          \
    X(clWaitForEvents, 1, (cl_uint a, const cl_event *b), (a, b))

/* ... and X(type, name, parameters, arguments) of those that return an object; `z` is the place of
 * the error. */
#define OBJECT_CALLS(X)                                                                            \
    X(cl_mem, clCreateBuffer, (cl_context a, cl_mem_flags b, size_t c, void *d, cl_int *z),        \
      (a, b, c, d, z))                                                                             \
    X(cl_context, clCreateContext,                                                                 \
      (const cl_context_properties *a, cl_uint b, const cl_device_id *c,                           \
       void(CL_CALLBACK * d)(const char *, const void *, size_t, void *), void *e, cl_int *z),     \
      (a, b, c, d, e, z))                                                                          \
    X(cl_kernel, clCreateKernel, (cl_program a, const char *b, cl_int *z), (a, b, z))              \
    X(cl_program, clCreateProgramWithBinary,                                                       \
      (cl_context a, cl_uint b, const cl_device_id *c, const size_t *d, const unsigned char **e,   \
       cl_int *f, cl_int *z),                                                                      \
      (a, b, c, d, e, f, z))                                                                       \
    X(cl_program, clCreateProgramWithSource,                                                       \
      (cl_context a, cl_uint b, const char **c, const size_t *d, cl_int *z), (a, b, c, d, z))      \
    X(cl_program, clLinkProgram,                                                                   \
      (cl_context a, cl_uint b, const cl_device_id *c, const char *d, cl_uint e,                   \
       const cl_program *f, void(CL_CALLBACK * g)(cl_program, void *), void *h, cl_int *z),        \
      (a, b, c, d, e, f, g, h, z))

static kvant_opencl_api real;

/* What is queued, and that somebody waits for it. */
static void note(const char *name)
{
    if (strncmp(name, "clEnqueue", strlen("clEnqueue")) == 0) {
        is_waited_for = false;
    } else if (strcmp(name, "clFinish") == 0) {
        is_waited_for = true;
    }
}

#define STATUS_WRAPPER(name, waits, parameters, arguments)                                         \
    static cl_int CL_API_CALL fail_##name parameters                                               \
    {                                                                                              \
        note(#name);                                                                               \
        return fault_is_due(#name, waits) ? code() : real.name arguments;                          \
    }
STATUS_CALLS(STATUS_WRAPPER)

#define OBJECT_WRAPPER(type, name, parameters, arguments)                                          \
    static type CL_API_CALL fail_##name parameters                                                 \
    {                                                                                              \
        if (fault_is_due(#name, false)) {                                                          \
            *z = code();                                                                           \
            return NULL;                                                                           \
        }                                                                                          \
        type object = real.name arguments;                                                         \
        fault_count_object(object != NULL ? 1 : 0);                                                \
        return object;                                                                             \
    }
OBJECT_CALLS(OBJECT_WRAPPER)

static cl_command_queue CL_API_CALL fail_clCreateCommandQueue(cl_context a, cl_device_id b,
                                                              cl_command_queue_properties c,
                                                              cl_int *z)
{
    if (fault_is_due("clCreateCommandQueue", false)) {
        *z = code();
        return NULL;
    }
    last_queue = real.clCreateCommandQueue(a, b, c, z);
    fault_count_object(last_queue != NULL ? 1 : 0);
    is_waited_for = true;
    return last_queue;
}

static cl_int CL_API_CALL note_clReleaseCommandQueue(cl_command_queue a)
{
    last_queue = NULL;
    was_closed_early = was_closed_early || !is_waited_for;
    fault_count_object(-1);
    return real.clReleaseCommandQueue(a);
}

static cl_int count_event(cl_int error, const cl_event *event)
{
    fault_count_object(error == CL_SUCCESS && event != NULL ? 1 : 0);
    return error;
}

static cl_int CL_API_CALL fail_clEnqueueMarkerWithWaitList(cl_command_queue a, cl_uint b,
                                                           const cl_event *c, cl_event *d)
{
    note("clEnqueueMarkerWithWaitList");
    return fault_is_due("clEnqueueMarkerWithWaitList", false)
               ? code()
               : count_event(real.clEnqueueMarkerWithWaitList(a, b, c, d), d);
}

static cl_int CL_API_CALL fail_clEnqueueWriteBuffer(cl_command_queue a, cl_mem b, cl_bool c,
                                                    size_t d, size_t e, const void *f, cl_uint g,
                                                    const cl_event *h, cl_event *i)
{
    note("clEnqueueWriteBuffer");
    return fault_is_due("clEnqueueWriteBuffer", false)
               ? code()
               : count_event(real.clEnqueueWriteBuffer(a, b, c, d, e, f, g, h, i), i);
}

/* What gives objects back does not fail: it is counted. */
#define RELEASES(X)                                                                                \
    X(clReleaseContext, cl_context)                                                                \
    X(clReleaseEvent, cl_event)                                                                    \
    X(clReleaseKernel, cl_kernel)                                                                  \
    X(clReleaseMemObject, cl_mem)                                                                  \
    X(clReleaseProgram, cl_program)

#define RELEASE_WRAPPER(name, type)                                                                \
    static cl_int CL_API_CALL note_##name(type a)                                                  \
    {                                                                                              \
        fault_count_object(-1);                                                                    \
        return real.name(a);                                                                       \
    }
RELEASES(RELEASE_WRAPPER)

/* Commands may still read the memory that the device stages uploads in. */
static const char *objection(void)
{
    bool was_early = was_closed_early;
    was_closed_early = false;
    return was_early ? "the queue is released without waiting for it" : NULL;
}

static void quiesce(void)
{
    if (last_queue != NULL) {
        real.clFinish(last_queue);
    }
}

/* To build the kernels again would take seconds for each point. */
static void revive(kvant_backend_device *device)
{
    device->is_lost = 0;
}

int main(int argc, char **argv)
{
#define STATUS_ENTRY(name, waits, parameters, arguments)                                           \
    {#name, (kvant_symbol)fail_##name, &real.name},
#define OBJECT_ENTRY(type, name, parameters, arguments)                                            \
    {#name, (kvant_symbol)fail_##name, &real.name},
#define RELEASE_ENTRY(name, type) {#name, (kvant_symbol)note_##name, &real.name},
    static const fault_symbol symbols[] = {
        STATUS_CALLS(STATUS_ENTRY) OBJECT_CALLS(OBJECT_ENTRY)
            RELEASES(RELEASE_ENTRY){"clCreateCommandQueue", (kvant_symbol)fail_clCreateCommandQueue,
                                    &real.clCreateCommandQueue},
        {"clReleaseCommandQueue", (kvant_symbol)note_clReleaseCommandQueue,
         &real.clReleaseCommandQueue},
        {"clEnqueueMarkerWithWaitList", (kvant_symbol)fail_clEnqueueMarkerWithWaitList,
         &real.clEnqueueMarkerWithWaitList},
        {"clEnqueueWriteBuffer", (kvant_symbol)fail_clEnqueueWriteBuffer,
         &real.clEnqueueWriteBuffer},
    };
    static const char *const harmless[] = {NULL};
    static const fault_subject subject = {
        .backend = "opencl",
        .symbols = symbols,
        .count = sizeof symbols / sizeof symbols[0],
        .harmless = harmless,
        .quiesce = quiesce,
        .revive = revive,
        .objection = objection,
    };
    return fault_main(&subject, argc, argv);
}
