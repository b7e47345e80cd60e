/* SPDX-License-Identifier: MIT
 *
 * Kernels of a CUDA device: loading, launching, waiting, time stamps.
 */
#include "cuda_internal.h"

#include <string.h>

#include "contract_hash.h"

static const char *const function_names[KVANT_KERNEL_COUNT][KVANT_VARIANT_COUNT] = {
#define KVANT_KERNEL(name, params, count, names, shape, exactness)                                 \
    [KVANT_KERNEL_##name][KVANT_VARIANT_baseline] = "kvant_" #name,
#include "kernels.def"
#undef KVANT_KERNEL
#define KVANT_TUNED_CUDA(kernel, variant, capability, least_rows, why)                             \
    [KVANT_KERNEL_##kernel][KVANT_VARIANT_##variant] = "kvant_" #kernel "_" #variant,
#include "variants.def"
};

/* The image carries the hash of the contract that it was compiled with. */
static kvant_status check_contract(kvant_backend_device *device, cuda_module module)
{
    char hash[sizeof KVANT_CONTRACT_HASH] = "";
    cuda_address address = 0;
    size_t bytes = 0;
    kvant_status status =
        CUDA_CALL(device, cuModuleGetGlobal_v2, &address, &bytes, module, "kvant_contract_hash");
    if (status != KVANT_OK) {
        return status;
    }
    if (bytes == sizeof hash) {
        status = CUDA_CALL(device, cuMemcpyDtoHAsync_v2, hash, address, bytes, device->stream);
        if (status == KVANT_OK) {
            status = CUDA_CALL(device, cuStreamSynchronize, device->stream);
        }
        if (status != KVANT_OK) {
            return status;
        }
    }
    if (memcmp(hash, KVANT_CONTRACT_HASH, sizeof hash) != 0) {
        return device->services->report(device->services, KVANT_ERROR_KERNEL_BUILD, "cuda",
                                        "the CUDA kernels are stale: they were compiled with "
                                        "another version of api/contract; build again");
    }
    return KVANT_OK;
}

static kvant_status load_module(kvant_backend_device *device)
{
    const kvant_embedded *image = kvant_embedded_find(kvant_cuda_images, "kvant.fatbin");
    if (image == NULL) {
        image = kvant_cuda_images; /* a simulated device: it brings its own kernels */
    }
    cuda_module module = NULL;
    kvant_status status = CUDA_CALL(device, cuModuleLoadData, &module, image->bytes);
    if (status != KVANT_OK) {
        return status;
    }
    status = check_contract(device, module);
    if (status != KVANT_OK) {
        (void)device->driver.cuModuleUnload(module);
        return status;
    }
    device->module = module;
    return KVANT_OK;
}

kvant_status kvant_cuda_prepare(kvant_backend_device *device, kvant_kernel kernel,
                                uint32_t variants)
{
    kvant_status status = kvant_cuda_enter(device);
    if (status != KVANT_OK) {
        return status;
    }
    if (device->module == NULL) {
        status = load_module(device);
    }
    for (int i = 0; status == KVANT_OK && i < KVANT_VARIANT_COUNT; i++) {
        if ((variants >> i & 1u) != 0u && device->functions[kernel][i] == NULL) {
            status = CUDA_CALL(device, cuModuleGetFunction, &device->functions[kernel][i],
                               device->module, function_names[kernel][i]);
        }
    }
    kvant_cuda_leave(device);
    return status;
}

kvant_status kvant_cuda_launch(kvant_backend_device *device, const kvant_launch *launch)
{
    kvant_status status = kvant_cuda_enter(device);
    if (status != KVANT_OK) {
        return status;
    }
    if (launch->groups[0] != 0 && launch->groups[1] != 0 && launch->groups[2] != 0) {
        /* the driver copies all parameters before the call returns, and writes none of them */
        unsigned char params[128];
        void *arguments[1u + KVANT_MAX_BINDINGS] = {params};
        memcpy(params, launch->params, launch->params_bytes);
        for (uint32_t i = 0; i < launch->binding_count; i++) {
            arguments[1u + i] = &launch->bindings[i]->address;
        }
        status = kvant_cuda_result(
            device,
            device->driver.cuLaunchKernel(device->functions[launch->kernel][launch->variant],
                                          launch->groups[0], launch->groups[1], launch->groups[2],
                                          device->lanes, 1, 1, 0, device->stream, arguments, NULL),
            function_names[launch->kernel][launch->variant]);
    }
    kvant_cuda_leave(device);
    return status;
}

kvant_status kvant_cuda_flush(kvant_backend_device *device)
{
    /* launches are handed over at once; this shows early whether one of them failed */
    kvant_status status = kvant_cuda_enter(device);
    if (status != KVANT_OK) {
        return status;
    }
    int result = device->driver.cuStreamQuery(device->stream);
    status =
        result == CUDA_NOT_READY ? KVANT_OK : kvant_cuda_result(device, result, "cuStreamQuery");
    kvant_cuda_leave(device);
    return status;
}

kvant_status kvant_cuda_synchronize(kvant_backend_device *device)
{
    kvant_status status = kvant_cuda_enter(device);
    if (status != KVANT_OK) {
        return status;
    }
    status = CUDA_CALL(device, cuStreamSynchronize, device->stream);
    kvant_cuda_leave(device);
    return status;
}

kvant_status kvant_cuda_mark(kvant_backend_device *device, uint32_t slot)
{
    kvant_status status = kvant_cuda_enter(device);
    if (status != KVANT_OK) {
        return status;
    }
    if (device->marks[slot] == NULL) {
        status = CUDA_CALL(device, cuEventCreate, &device->marks[slot], 0);
    }
    if (status == KVANT_OK) {
        status = CUDA_CALL(device, cuEventRecord, device->marks[slot], device->stream);
    }
    kvant_cuda_leave(device);
    return status;
}

kvant_status kvant_cuda_elapsed(kvant_backend_device *device, uint32_t from, uint32_t to,
                                double *out_microseconds)
{
    *out_microseconds = 0.0;
    if (device->marks[from] == NULL || device->marks[to] == NULL) {
        return device->services->report(device->services, KVANT_ERROR_INVALID_STATE, "cuda",
                                        "both time stamps must be set before they are compared");
    }
    kvant_status status = kvant_cuda_enter(device);
    if (status != KVANT_OK) {
        return status;
    }
    float milliseconds = 0.0f;
    status = CUDA_CALL(device, cuEventSynchronize, device->marks[to]);
    if (status == KVANT_OK) {
        status = CUDA_CALL(device, cuEventElapsedTime, &milliseconds, device->marks[from],
                           device->marks[to]);
    }
    if (status == KVANT_OK) {
        *out_microseconds = (double)milliseconds * 1e3;
    }
    kvant_cuda_leave(device);
    return status;
}
