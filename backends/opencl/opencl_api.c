/* SPDX-License-Identifier: MIT
 *
 * Opening libOpenCL and resolving its functions; the names of its errors.
 */
#include "opencl_api.h"

#include <string.h>

#include "dynlib.h"

kvant_status kvant_opencl_load(const kvant_services *services, kvant_opencl_api *out_api)
{
    const char *reason = "";
    kvant_opencl_api api;
    memset(&api, 0, sizeof api);
    api.library = kvant_dynlib_open("libOpenCL.so.1", &reason);
    if (api.library == NULL) {
        return services->report(services, KVANT_ERROR_BACKEND_UNAVAILABLE, "opencl",
                                "libOpenCL.so.1 cannot be opened: %s", reason);
    }
    const char *missing = NULL;
#define KVANT_OPENCL_RESOLVE(name)                                                                 \
    api.name = (__typeof__(&name))kvant_dynlib_symbol(api.library, #name);                         \
    if (api.name == NULL) {                                                                        \
        missing = #name;                                                                           \
    }
    KVANT_OPENCL_SYMBOLS(KVANT_OPENCL_RESOLVE)
#undef KVANT_OPENCL_RESOLVE
    if (missing != NULL) {
        kvant_opencl_unload(&api);
        return services->report(services, KVANT_ERROR_BACKEND_UNAVAILABLE, "opencl",
                                "libOpenCL.so.1 has no %s: OpenCL 1.2 is needed", missing);
    }
    *out_api = api;
    return KVANT_OK;
}

void kvant_opencl_unload(kvant_opencl_api *api)
{
    kvant_dynlib_close(api->library);
    api->library = NULL;
}

const char *kvant_opencl_error_name(cl_int error)
{
#define KVANT_OPENCL_ERRORS(X)                                                                     \
    X(CL_DEVICE_NOT_FOUND)                                                                         \
    X(CL_DEVICE_NOT_AVAILABLE)                                                                     \
    X(CL_COMPILER_NOT_AVAILABLE)                                                                   \
    X(CL_MEM_OBJECT_ALLOCATION_FAILURE)                                                            \
    X(CL_OUT_OF_RESOURCES)                                                                         \
    X(CL_OUT_OF_HOST_MEMORY)                                                                       \
    X(CL_PROFILING_INFO_NOT_AVAILABLE)                                                             \
    X(CL_MEM_COPY_OVERLAP)                                                                         \
    X(CL_BUILD_PROGRAM_FAILURE)                                                                    \
    X(CL_MAP_FAILURE)                                                                              \
    X(CL_EXEC_STATUS_ERROR_FOR_EVENTS_IN_WAIT_LIST)                                                \
    X(CL_COMPILE_PROGRAM_FAILURE)                                                                  \
    X(CL_LINKER_NOT_AVAILABLE)                                                                     \
    X(CL_LINK_PROGRAM_FAILURE)                                                                     \
    X(CL_INVALID_VALUE)                                                                            \
    X(CL_INVALID_DEVICE_TYPE)                                                                      \
    X(CL_INVALID_PLATFORM)                                                                         \
    X(CL_INVALID_DEVICE)                                                                           \
    X(CL_INVALID_CONTEXT)                                                                          \
    X(CL_INVALID_QUEUE_PROPERTIES)                                                                 \
    X(CL_INVALID_COMMAND_QUEUE)                                                                    \
    X(CL_INVALID_MEM_OBJECT)                                                                       \
    X(CL_INVALID_BINARY)                                                                           \
    X(CL_INVALID_BUILD_OPTIONS)                                                                    \
    X(CL_INVALID_PROGRAM)                                                                          \
    X(CL_INVALID_PROGRAM_EXECUTABLE)                                                               \
    X(CL_INVALID_KERNEL_NAME)                                                                      \
    X(CL_INVALID_KERNEL_DEFINITION)                                                                \
    X(CL_INVALID_KERNEL)                                                                           \
    X(CL_INVALID_ARG_INDEX)                                                                        \
    X(CL_INVALID_ARG_VALUE)                                                                        \
    X(CL_INVALID_ARG_SIZE)                                                                         \
    X(CL_INVALID_KERNEL_ARGS)                                                                      \
    X(CL_INVALID_WORK_DIMENSION)                                                                   \
    X(CL_INVALID_WORK_GROUP_SIZE)                                                                  \
    X(CL_INVALID_WORK_ITEM_SIZE)                                                                   \
    X(CL_INVALID_EVENT_WAIT_LIST)                                                                  \
    X(CL_INVALID_EVENT)                                                                            \
    X(CL_INVALID_OPERATION)                                                                        \
    X(CL_INVALID_BUFFER_SIZE)                                                                      \
    X(CL_INVALID_GLOBAL_WORK_SIZE)                                                                 \
    X(CL_INVALID_COMPILER_OPTIONS)                                                                 \
    X(CL_INVALID_LINKER_OPTIONS)                                                                   \
    X(CL_PLATFORM_NOT_FOUND_KHR)
    switch (error) {
#define KVANT_OPENCL_ERROR_NAME(name)                                                              \
    case name:                                                                                     \
        return #name;
        KVANT_OPENCL_ERRORS(KVANT_OPENCL_ERROR_NAME)
#undef KVANT_OPENCL_ERROR_NAME
#undef KVANT_OPENCL_ERRORS
    default:
        return "an unknown error";
    }
}
