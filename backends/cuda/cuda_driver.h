/* SPDX-License-Identifier: MIT
 *
 * The CUDA driver library: its types as far as the backend needs them, its functions, opened at run
 * time, and what its error codes mean. No header of the CUDA toolkit is used.
 */
#ifndef KVANT_BACKENDS_CUDA_DRIVER_H
#define KVANT_BACKENDS_CUDA_DRIVER_H

#include "backend.h"

typedef int cuda_ordinal;
typedef struct cuda_context_object *cuda_context;
typedef struct cuda_stream_object *cuda_stream;
typedef struct cuda_event_object *cuda_event;
typedef struct cuda_module_object *cuda_module;
typedef struct cuda_function_object *cuda_function;
typedef unsigned long long cuda_address;
typedef struct {
    unsigned char bytes[16];
} cuda_uuid;

enum {
    CUDA_OK = 0,
    CUDA_INVALID_VALUE = 1,
    CUDA_OUT_OF_MEMORY = 2,
    CUDA_NO_DEVICE = 100,
    CUDA_INVALID_IMAGE = 200,
    CUDA_NO_BINARY_FOR_GPU = 209,
    CUDA_ECC_UNCORRECTABLE = 214,
    CUDA_INVALID_PTX = 218,
    CUDA_UNSUPPORTED_PTX_VERSION = 222,
    CUDA_JIT_COMPILATION_DISABLED = 223,
    CUDA_CONTAINED = 226,
    CUDA_NOT_FOUND = 500,
    CUDA_NOT_READY = 600,
    CUDA_ILLEGAL_ADDRESS = 700,
    CUDA_LAUNCH_OUT_OF_RESOURCES = 701,
    CUDA_LAUNCH_TIMEOUT = 702,
    CUDA_CONTEXT_IS_DESTROYED = 709,
    CUDA_HARDWARE_STACK_ERROR = 714,
    CUDA_LAUNCH_FAILED = 719,
    CUDA_UNKNOWN = 999
};

enum {
    CUDA_ATTRIBUTE_MAX_THREADS_PER_BLOCK = 1,
    CUDA_ATTRIBUTE_MAX_GRID_X = 5,
    CUDA_ATTRIBUTE_MAX_GRID_Y = 6,
    CUDA_ATTRIBUTE_MAX_GRID_Z = 7,
    CUDA_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK = 8,
    CUDA_ATTRIBUTE_WARP_SIZE = 10,
    CUDA_ATTRIBUTE_MULTIPROCESSORS = 16,
    CUDA_ATTRIBUTE_COMPUTE_MAJOR = 75,
    CUDA_ATTRIBUTE_COMPUTE_MINOR = 76
};

enum { CUDA_STREAM_NON_BLOCKING = 1 };

typedef struct {
    void *library;
#define REQUIRED(name, parameters) int(*name) parameters;
#define OPTIONAL(name, parameters) int(*name) parameters;
#include "cuda_symbols.def"
#undef REQUIRED
#undef OPTIONAL
} cuda_driver;

/* Opens the library and initialises the driver. A failure is reported, and leaves nothing open. */
kvant_status kvant_cuda_driver_open(const kvant_services *services, cuda_driver *out_driver);
void kvant_cuda_driver_close(cuda_driver *driver);

/* The status of a driver result; nothing is reported. */
kvant_status kvant_cuda_status_of(int result);

/* Reports a failed call with its code, and returns the status. CUDA_OK is KVANT_OK. */
kvant_status kvant_cuda_check(const kvant_services *services, const cuda_driver *driver, int result,
                              const char *call);

#endif
