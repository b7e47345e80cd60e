/* SPDX-License-Identifier: MIT
 *
 * Opening the CUDA driver library, and its error codes.
 */
#include "cuda_driver.h"

#include <string.h>

#include "dynlib.h"

#define LIBRARY "libcuda.so.1"

/* Stores a function pointer of any type. Returns whether there is one. */
static int load(void *library, const char *name, void *out_function, size_t bytes)
{
    kvant_symbol symbol = kvant_dynlib_symbol(library, name);
    memcpy(out_function, &symbol, bytes);
    return symbol != NULL;
}

/* The first required function that is missing, or NULL. */
static const char *load_all(cuda_driver *driver)
{
    _Static_assert(sizeof(kvant_symbol) == sizeof driver->cuInit, "function pointers differ");
#define REQUIRED(name, parameters)                                                                 \
    if (!load(driver->library, #name, &driver->name, sizeof driver->name)) {                       \
        return #name;                                                                              \
    }
#define OPTIONAL(name, parameters)                                                                 \
    (void)load(driver->library, #name, &driver->name, sizeof driver->name);
#include "cuda_symbols.def"
#undef REQUIRED
#undef OPTIONAL
    return NULL;
}

kvant_status kvant_cuda_driver_open(const kvant_services *services, cuda_driver *out_driver)
{
    memset(out_driver, 0, sizeof *out_driver);
    const char *reason = NULL;
    out_driver->library = kvant_dynlib_open(LIBRARY, &reason);
    if (out_driver->library == NULL) {
        return services->report(services, KVANT_ERROR_BACKEND_UNAVAILABLE, "cuda",
                                "the NVIDIA driver's library could not be opened: %s", reason);
    }
    kvant_status status = KVANT_OK;
    const char *missing = load_all(out_driver);
    if (missing != NULL) {
        status = services->report(services, KVANT_ERROR_BACKEND_UNAVAILABLE, "cuda",
                                  LIBRARY " has no function %s: the driver is too old", missing);
    } else {
        int result = out_driver->cuInit(0);
        if (result == CUDA_NO_DEVICE) {
            status = services->report(services, KVANT_ERROR_BACKEND_UNAVAILABLE, "cuda",
                                      "the driver finds no CUDA device (cuInit: code %d)", result);
        } else if (result != CUDA_OK) {
            (void)kvant_cuda_check(services, out_driver, result, "cuInit");
            status = KVANT_ERROR_BACKEND_UNAVAILABLE;
        }
    }
    if (status != KVANT_OK) {
        kvant_cuda_driver_close(out_driver);
    }
    return status;
}

void kvant_cuda_driver_close(cuda_driver *driver)
{
    kvant_dynlib_close(driver->library);
    memset(driver, 0, sizeof *driver);
}

kvant_status kvant_cuda_status_of(int result)
{
    switch (result) {
    case CUDA_OK:
        return KVANT_OK;
    case CUDA_OUT_OF_MEMORY:
        return KVANT_ERROR_OUT_OF_DEVICE_MEMORY;
    case CUDA_NO_DEVICE:
        return KVANT_ERROR_NO_DEVICE;
    case CUDA_INVALID_IMAGE:
    case CUDA_NO_BINARY_FOR_GPU:
    case CUDA_INVALID_PTX:
    case CUDA_UNSUPPORTED_PTX_VERSION:
    case CUDA_JIT_COMPILATION_DISABLED:
    case CUDA_NOT_FOUND:
        return KVANT_ERROR_KERNEL_BUILD;
    /* after these every call on the context fails: the device is lost to this process */
    case CUDA_ECC_UNCORRECTABLE:
    case CUDA_CONTAINED:
    case CUDA_ILLEGAL_ADDRESS:
    case CUDA_LAUNCH_TIMEOUT:
    case CUDA_CONTEXT_IS_DESTROYED:
    case CUDA_UNKNOWN:
        return KVANT_ERROR_DEVICE_LOST;
    default:
        /* assertions, stack errors, illegal instructions and other faults of a running kernel */
        return result >= CUDA_HARDWARE_STACK_ERROR && result <= CUDA_LAUNCH_FAILED
                   ? KVANT_ERROR_DEVICE_LOST
                   : KVANT_ERROR_INTERNAL;
    }
}

kvant_status kvant_cuda_check(const kvant_services *services, const cuda_driver *driver, int result,
                              const char *call)
{
    if (result == CUDA_OK) {
        return KVANT_OK;
    }
    const char *name = NULL;
    if (driver->cuGetErrorName == NULL || driver->cuGetErrorName(result, &name) != CUDA_OK) {
        name = NULL;
    }
    return services->report(services, kvant_cuda_status_of(result), "cuda",
                            "%s failed: %s (code %d)", call, name != NULL ? name : "unknown error",
                            result);
}
