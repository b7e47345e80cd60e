/* SPDX-License-Identifier: MIT
 *
 * The watch on the CUDA driver, which the simulator plays.
 */
#include "native_watch.h"

#include <string.h>

#include "../cudasim/cudasim.h"
#include "cuda_driver.h"

static cuda_driver real;

static bool is_simulated;

static int watch_cuDeviceGetName(char *name, int length, cuda_ordinal device)
{
    static const char prefix[] = "simulated ";
    int result = real.cuDeviceGetName(name, length, device);
    is_simulated = result == CUDA_OK && strncmp(name, prefix, sizeof prefix - 1) == 0;
    return result;
}

static int watch_cuDeviceGetAttribute(int *value, int attribute, cuda_ordinal device)
{
    const native_limits *forced = native_forced();
    int result = real.cuDeviceGetAttribute(value, attribute, device);
    uint64_t limit = 0;
    if (attribute == CUDA_ATTRIBUTE_MAX_THREADS_PER_BLOCK) {
        limit = forced->lanes;
    } else if (attribute >= CUDA_ATTRIBUTE_MAX_GRID_X && attribute <= CUDA_ATTRIBUTE_MAX_GRID_Z) {
        limit = forced->groups;
    }
    if (result == CUDA_OK && *value > 0) {
        *value = (int)native_least((uint64_t)*value, limit);
    }
    return result;
}

static int watch_cuDeviceTotalMem_v2(size_t *bytes, cuda_ordinal device)
{
    int result = real.cuDeviceTotalMem_v2(bytes, device);
    *bytes = (size_t)native_least(*bytes, native_forced()->allocation_bytes);
    return result;
}

static int watch_cuMemAlloc_v2(cuda_address *address, size_t bytes)
{
    native_counts *counts = native_counter();
    counts->allocations++;
    counts->largest_allocation =
        bytes > counts->largest_allocation ? bytes : counts->largest_allocation;
    native_check("cuMemAlloc", bytes, native_forced()->allocation_bytes);
    return real.cuMemAlloc_v2(address, bytes);
}

/* A function of the simulator tells how much shared memory it takes. */
static int watch_cuModuleGetFunction(cuda_function *function, cuda_module module, const char *name)
{
    native_counter()->compiles++;
    int result = real.cuModuleGetFunction(function, module, name);
    if (result == CUDA_OK && is_simulated) {
        const cudasim_kernel *kernel = (const void *)*function;
        native_check("shared memory of a kernel", kernel->shared_bytes,
                     native_forced()->shared_bytes);
    }
    return result;
}

static int watch_cuLaunchKernel(cuda_function a, unsigned int x, unsigned int y, unsigned int z,
                                unsigned int lanes, unsigned int f, unsigned int g, unsigned int h,
                                cuda_stream i, void **j, void **k)
{
    native_counts *counts = native_counter();
    unsigned int most = x > y ? x : y;
    most = most > z ? most : z;
    counts->launches++;
    counts->most_groups = most > counts->most_groups ? most : counts->most_groups;
    counts->largest_group = lanes > counts->largest_group ? lanes : counts->largest_group;
    native_check("work-groups", most, native_forced()->groups);
    native_check("lanes of a work-group", (uint64_t)lanes * f * g, native_forced()->lanes);
    return real.cuLaunchKernel(a, x, y, z, lanes, f, g, h, i, j, k);
}

/* X(name, what is counted, parameters, arguments) */
#define COUNTED(X)                                                                                 \
    X(cuMemAllocHost_v2, allocations, (void **a, size_t b), (a, b))                                \
    X(cuModuleLoadData, compiles, (cuda_module * a, const void *b), (a, b))                        \
    X(cuStreamSynchronize, waits, (cuda_stream a), (a))                                            \
    X(cuEventSynchronize, waits, (cuda_event a), (a))

#define COUNTING_WRAPPER(name, what, parameters, arguments)                                        \
    static int watch_##name parameters                                                             \
    {                                                                                              \
        native_counter()->what++;                                                                  \
        return real.name arguments;                                                                \
    }
COUNTED(COUNTING_WRAPPER)

kvant_symbol native_cuda_symbol(const char *name, kvant_symbol symbol)
{
#define COUNTED_ENTRY(name, what, parameters, arguments) ENTRY(name)
#define ENTRY(name) {#name, (kvant_symbol)watch_##name, &real.name},
    static const native_symbol symbols[] = {
        COUNTED(COUNTED_ENTRY)                            /**/
        ENTRY(cuDeviceGetAttribute)                       /**/
        ENTRY(cuDeviceGetName) ENTRY(cuDeviceTotalMem_v2) /**/
        ENTRY(cuMemAlloc_v2)                              /**/
        ENTRY(cuModuleGetFunction)                        /**/
        ENTRY(cuLaunchKernel){NULL, NULL, NULL},
    };
    return native_find(symbols, name, symbol);
}
