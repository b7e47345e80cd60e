/* SPDX-License-Identifier: MIT
 *
 * Watching the driver: smaller limits than it has, checks that no call exceeds them, and counts of
 * what allocates, compiles and waits. The linker option --wrap sends the backends' uses of
 * kvant_dynlib_symbol here, so that their own symbol tables hold the wrappers.
 */
#ifndef KVANT_TESTS_NATIVE_WATCH_H
#define KVANT_TESTS_NATIVE_WATCH_H

#include <stdbool.h>
#include <stdint.h>

#include "dynlib.h"

/* What the driver says instead of its own limits, and is held to. 0: its own. */
typedef struct {
    uint64_t binding_bytes;    /* of a buffer that a kernel binds (Vulkan) */
    uint64_t allocation_bytes; /* of one allocation; CUDA: of the device's memory */
    uint32_t lanes;            /* of a work-group */
    uint32_t groups;           /* of a launch, along each dimension; OpenCL has no such limit */
    uint32_t shared_bytes;     /* of a work-group's shared memory */
    bool is_gpu;               /* a CPU device calls itself a GPU, and gets a GPU's work-groups */
} native_limits;

typedef struct {
    uint64_t allocations; /* of device or pinned memory */
    uint64_t compiles;
    uint64_t waits; /* calls in which the host waits for the device */
    uint64_t launches;
    uint64_t largest_allocation;
    uint64_t largest_binding;
    uint32_t largest_group; /* lanes */
    uint32_t most_groups;   /* of a launch along one dimension */
    uint64_t violations;
    char violation[160]; /* the first */
} native_counts;

/* Before a device is listed or opened, until the next call. NULL: the driver's own. */
void native_force(const native_limits *limits);

/* Counts since the last native_forget. */
const native_counts *native_counted(void);
void native_forget(void);

/* ---- for the wrappers ---- */

const native_limits *native_forced(void);
native_counts *native_counter(void);
uint64_t native_least(uint64_t own, uint64_t forced); /* forced 0: own */
/* Counts a violation where the value exceeds a limit that is not 0. */
void native_check(const char *what, uint64_t value, uint64_t limit);

/* Stores the real function, and returns the wrapper, or the real one where there is none. */
typedef struct {
    const char *name;
    kvant_symbol wrapper;
    void *real; /* place of a function pointer */
} native_symbol;

kvant_symbol native_find(const native_symbol *symbols, const char *name, kvant_symbol real);

kvant_symbol native_opencl_symbol(const char *name, kvant_symbol real);
kvant_symbol native_vulkan_symbol(const char *name, kvant_symbol real);
kvant_symbol native_cuda_symbol(const char *name, kvant_symbol real);

#endif
