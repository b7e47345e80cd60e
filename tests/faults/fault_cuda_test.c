/* SPDX-License-Identifier: MIT
 *
 * Failing calls of the CUDA driver, on the simulator: the wrappers. An injected failure does not
 * reach the driver.
 */
#include "fault_points.h"

#include <string.h>

#include "cuda_internal.h"

static cuda_stream last_stream; /* of the one device that is open */

static int code(void)
{
    static const int codes[FAULT_KINDS] = {
        [FAULT_MEMORY] = CUDA_OUT_OF_MEMORY,
        [FAULT_LOSS] = CUDA_LAUNCH_FAILED,
        [FAULT_OTHER] = CUDA_INVALID_VALUE,
    };
    return codes[fault_which()];
}

/* X(name, waits, parameters, arguments) */
#define CALLS(X)                                                                                   \
    X(cuInit, 0, (unsigned int a), (a))                                                            \
    X(cuDriverGetVersion, 0, (int *a), (a))                                                        \
    X(cuDeviceGetCount, 0, (int *a), (a))                                                          \
    X(cuDeviceGet, 0, (cuda_ordinal * a, int b), (a, b))                                           \
    X(cuDeviceGetName, 0, (char *a, int b, cuda_ordinal c), (a, b, c))                             \
    X(cuDeviceGetAttribute, 0, (int *a, int b, cuda_ordinal c), (a, b, c))                         \
    X(cuDeviceTotalMem_v2, 0, (size_t * a, cuda_ordinal b), (a, b))                                \
    X(cuDeviceGetUuid_v2, 0, (cuda_uuid * a, cuda_ordinal b), (a, b))                              \
    X(cuDeviceGetPCIBusId, 0, (char *a, int b, cuda_ordinal c), (a, b, c))                         \
    X(cuDevicePrimaryCtxRetain, 0, (cuda_context * a, cuda_ordinal b), (a, b))                     \
    X(cuStreamSynchronize, 1, (cuda_stream a), (a))                                                \
    X(cuStreamQuery, 0, (cuda_stream a), (a))                                                      \
    X(cuEventCreate, 0, (cuda_event * a, unsigned int b), (a, b))                                  \
    X(cuEventRecord, 0, (cuda_event a, cuda_stream b), (a, b))                                     \
    X(cuEventQuery, 0, (cuda_event a), (a))                                                        \
    X(cuEventSynchronize, 1, (cuda_event a), (a))                                                  \
    X(cuEventElapsedTime, 0, (float *a, cuda_event b, cuda_event c), (a, b, c))                    \
    X(cuMemAlloc_v2, 0, (cuda_address * a, size_t b), (a, b))                                      \
    X(cuMemAllocHost_v2, 0, (void **a, size_t b), (a, b))                                          \
    X(cuMemsetD32Async, 0, (cuda_address a, unsigned int b, size_t c, cuda_stream d),              \
      (a, b, c, d))                                                                                \
    X(cuMemcpyHtoDAsync_v2, 0, (cuda_address a, const void *b, size_t c, cuda_stream d),           \
      (a, b, c, d))                                                                                \
    X(cuMemcpyDtoHAsync_v2, 0, (void *a, cuda_address b, size_t c, cuda_stream d), (a, b, c, d))   \
    X(cuMemcpyDtoDAsync_v2, 0, (cuda_address a, cuda_address b, size_t c, cuda_stream d),          \
      (a, b, c, d))                                                                                \
    X(cuModuleLoadData, 0, (cuda_module * a, const void *b), (a, b))                               \
    X(cuModuleGetFunction, 0, (cuda_function * a, cuda_module b, const char *c), (a, b, c))        \
    X(cuModuleGetGlobal_v2, 0, (cuda_address * a, size_t * b, cuda_module c, const char *d),       \
      (a, b, c, d))                                                                                \
    X(cuLaunchKernel, 0,                                                                           \
      (cuda_function a, unsigned int b, unsigned int c, unsigned int d, unsigned int e,            \
       unsigned int f, unsigned int g, unsigned int h, cuda_stream i, void **j, void **k),         \
      (a, b, c, d, e, f, g, h, i, j, k))

static cuda_driver real;

/* Passes the result of a call on; what it made is counted. */
static int count(const char *name, int result)
{
    static const char *const makers[] = {
        "cuDevicePrimaryCtxRetain", "cuEventCreate",    "cuMemAlloc_v2",
        "cuMemAllocHost_v2",        "cuModuleLoadData",
    };
    for (size_t i = 0; result == CUDA_OK && i < sizeof makers / sizeof makers[0]; i++) {
        fault_count_object(strcmp(name, makers[i]) == 0 ? 1 : 0);
    }
    return result;
}

#define WRAPPER(name, waits, parameters, arguments)                                                \
    static int fail_##name parameters                                                              \
    {                                                                                              \
        return fault_is_due(#name, waits) ? code() : count(#name, real.name arguments);            \
    }
CALLS(WRAPPER)

static int fail_cuStreamCreate(cuda_stream *a, unsigned int b)
{
    if (fault_is_due("cuStreamCreate", false)) {
        return code();
    }
    int result = real.cuStreamCreate(a, b);
    last_stream = result == CUDA_OK ? *a : NULL;
    fault_count_object(result == CUDA_OK ? 1 : 0);
    return result;
}

static int note_cuStreamDestroy_v2(cuda_stream a)
{
    last_stream = NULL;
    fault_count_object(-1);
    return real.cuStreamDestroy_v2(a);
}

/* What gives objects back does not fail: it is counted. */
#define RELEASES(X)                                                                                \
    X(cuEventDestroy_v2, cuda_event)                                                               \
    X(cuMemFree_v2, cuda_address)                                                                  \
    X(cuMemFreeHost, void *)                                                                       \
    X(cuModuleUnload, cuda_module)

#define RELEASE_WRAPPER(name, type)                                                                \
    static int note_##name(type a)                                                                 \
    {                                                                                              \
        fault_count_object(-1);                                                                    \
        return real.name(a);                                                                       \
    }
RELEASES(RELEASE_WRAPPER)

/* Where the context cannot be made current, nothing in it can be given back one by one. */
static bool is_out_of_reach;

static int fail_cuCtxPushCurrent_v2(cuda_context a)
{
    bool is_due = fault_is_due("cuCtxPushCurrent_v2", false);
    is_out_of_reach = is_out_of_reach || is_due;
    return is_due ? code() : real.cuCtxPushCurrent_v2(a);
}

static int note_cuDevicePrimaryCtxRelease_v2(cuda_ordinal a)
{
    fault_count_object(is_out_of_reach ? -(int)fault_live_objects() : -1);
    is_out_of_reach = false;
    last_stream = NULL;
    return real.cuDevicePrimaryCtxRelease_v2(a);
}

static void quiesce(void)
{
    if (last_stream != NULL) {
        (void)real.cuStreamSynchronize(last_stream);
    }
}

int main(int argc, char **argv)
{
#define ENTRY(name, waits, parameters, arguments) {#name, (kvant_symbol)fail_##name, &real.name},
#define RELEASE_ENTRY(name, type) {#name, (kvant_symbol)note_##name, &real.name},
    static const fault_symbol symbols[] = {
        CALLS(ENTRY) RELEASES(RELEASE_ENTRY){"cuStreamCreate", (kvant_symbol)fail_cuStreamCreate,
                                             &real.cuStreamCreate},
        {"cuCtxPushCurrent_v2", (kvant_symbol)fail_cuCtxPushCurrent_v2, &real.cuCtxPushCurrent_v2},
        {"cuDevicePrimaryCtxRelease_v2", (kvant_symbol)note_cuDevicePrimaryCtxRelease_v2,
         &real.cuDevicePrimaryCtxRelease_v2},
        {"cuStreamDestroy_v2", (kvant_symbol)note_cuStreamDestroy_v2, &real.cuStreamDestroy_v2},
    };
    static const char *const harmless[] = {"cuGetErrorName", "cuDeviceGetUuid",
                                           "cuCtxPopCurrent_v2", NULL};
    static const fault_subject subject = {
        .backend = "cuda",
        .symbols = symbols,
        .count = sizeof symbols / sizeof symbols[0],
        .harmless = harmless,
        .quiesce = quiesce,
    };
    return fault_main(&subject, argc, argv);
}
