/* SPDX-License-Identifier: MIT
 *
 * The watch on OpenCL.
 */
#include "native_watch.h"

#include "opencl_api.h"

/* What the backend itself promises for a grid, which OpenCL does not limit. */
enum { MOST_GROUPS = 65535 };

static kvant_opencl_api real;

static void shrink(cl_device_info what, size_t size, void *value)
{
    const native_limits *limits = native_forced();
    cl_ulong *number = value;
    size_t *sizes = value;
    switch (what) {
    case CL_DEVICE_TYPE:
        *number = limits->is_gpu ? CL_DEVICE_TYPE_GPU : *number;
        break;
    case CL_DEVICE_MAX_MEM_ALLOC_SIZE:
        *number = native_least(*number, limits->allocation_bytes);
        break;
    case CL_DEVICE_LOCAL_MEM_SIZE:
        *number = native_least(*number, limits->shared_bytes);
        break;
    case CL_DEVICE_MAX_WORK_GROUP_SIZE:
    case CL_DEVICE_MAX_WORK_ITEM_SIZES:
        for (size_t i = 0; i < size / sizeof *sizes; i++) {
            sizes[i] = (size_t)native_least(sizes[i], limits->lanes);
        }
        break;
    default:
        break;
    }
}

static cl_int CL_API_CALL watch_clGetDeviceInfo(cl_device_id id, cl_device_info what, size_t size,
                                                void *value, size_t *out_size)
{
    cl_int error = real.clGetDeviceInfo(id, what, size, value, out_size);
    if (error == CL_SUCCESS && value != NULL) {
        shrink(what, size, value);
    }
    return error;
}

static cl_mem CL_API_CALL watch_clCreateBuffer(cl_context context, cl_mem_flags flags, size_t size,
                                               void *host, cl_int *out_error)
{
    native_counts *counts = native_counter();
    counts->allocations++;
    counts->largest_allocation =
        size > counts->largest_allocation ? size : counts->largest_allocation;
    native_check("clCreateBuffer", size, native_forced()->allocation_bytes);
    return real.clCreateBuffer(context, flags, size, host, out_error);
}

static cl_int CL_API_CALL watch_clGetKernelWorkGroupInfo(cl_kernel kernel, cl_device_id id,
                                                         cl_kernel_work_group_info what,
                                                         size_t size, void *value, size_t *out_size)
{
    cl_ulong local = 0;
    if (real.clGetKernelWorkGroupInfo(kernel, id, CL_KERNEL_LOCAL_MEM_SIZE, sizeof local, &local,
                                      NULL) == CL_SUCCESS) {
        native_check("local memory of a kernel", local, native_forced()->shared_bytes);
    }
    return real.clGetKernelWorkGroupInfo(kernel, id, what, size, value, out_size);
}

static cl_int CL_API_CALL watch_clEnqueueNDRangeKernel(cl_command_queue queue, cl_kernel kernel,
                                                       cl_uint dimensions, const size_t *offset,
                                                       const size_t *global, const size_t *local,
                                                       cl_uint count, const cl_event *events,
                                                       cl_event *event)
{
    native_counts *counts = native_counter();
    size_t lanes = 1;
    counts->launches++;
    for (cl_uint i = 0; i < dimensions; i++) {
        uint32_t groups = (uint32_t)(global[i] / local[i]);
        lanes *= local[i];
        counts->most_groups = groups > counts->most_groups ? groups : counts->most_groups;
        native_check("work-groups", groups, MOST_GROUPS);
    }
    counts->largest_group = lanes > counts->largest_group ? (uint32_t)lanes : counts->largest_group;
    native_check("lanes of a work-group", lanes, native_forced()->lanes);
    return real.clEnqueueNDRangeKernel(queue, kernel, dimensions, offset, global, local, count,
                                       events, event);
}

static cl_int CL_API_CALL watch_clEnqueueWriteBuffer(cl_command_queue a, cl_mem b, cl_bool blocking,
                                                     size_t d, size_t e, const void *f, cl_uint g,
                                                     const cl_event *h, cl_event *i)
{
    native_counter()->waits += blocking ? 1u : 0u;
    return real.clEnqueueWriteBuffer(a, b, blocking, d, e, f, g, h, i);
}

static cl_int CL_API_CALL watch_clEnqueueReadBuffer(cl_command_queue a, cl_mem b, cl_bool blocking,
                                                    size_t d, size_t e, void *f, cl_uint g,
                                                    const cl_event *h, cl_event *i)
{
    native_counter()->waits += blocking ? 1u : 0u;
    return real.clEnqueueReadBuffer(a, b, blocking, d, e, f, g, h, i);
}

/* X(name, what is counted, type, parameters, arguments) */
#define COUNTED(X)                                                                                 \
    X(clFinish, waits, cl_int, (cl_command_queue a), (a))                                          \
    X(clWaitForEvents, waits, cl_int, (cl_uint a, const cl_event *b), (a, b))                      \
    X(clCreateProgramWithSource, compiles, cl_program,                                             \
      (cl_context a, cl_uint b, const char **c, const size_t *d, cl_int *e), (a, b, c, d, e))      \
    X(clCreateProgramWithBinary, compiles, cl_program,                                             \
      (cl_context a, cl_uint b, const cl_device_id *c, const size_t *d, const unsigned char **e,   \
       cl_int *f, cl_int *g),                                                                      \
      (a, b, c, d, e, f, g))                                                                       \
    X(clCreateKernel, compiles, cl_kernel, (cl_program a, const char *b, cl_int *c), (a, b, c))

#define COUNTING_WRAPPER(name, what, type, parameters, arguments)                                  \
    static type CL_API_CALL watch_##name parameters                                                \
    {                                                                                              \
        native_counter()->what++;                                                                  \
        return real.name arguments;                                                                \
    }
COUNTED(COUNTING_WRAPPER)

kvant_symbol native_opencl_symbol(const char *name, kvant_symbol symbol)
{
#define ENTRY(name) {#name, (kvant_symbol)watch_##name, &real.name},
#define COUNTED_ENTRY(name, what, type, parameters, arguments) ENTRY(name)
    static const native_symbol symbols[] = {
        COUNTED(COUNTED_ENTRY)          /**/
        ENTRY(clGetDeviceInfo)          /**/
        ENTRY(clCreateBuffer)           /**/
        ENTRY(clGetKernelWorkGroupInfo) /**/
        ENTRY(clEnqueueNDRangeKernel)   /**/
        ENTRY(clEnqueueWriteBuffer)     /**/
        ENTRY(clEnqueueReadBuffer){NULL, NULL, NULL},
    };
    return native_find(symbols, name, symbol);
}
