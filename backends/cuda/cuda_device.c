/* SPDX-License-Identifier: MIT
 *
 * Listing, opening and closing CUDA devices. A device is used through its primary context, which is
 * current only while a call of the backend runs.
 */
#include "cuda_internal.h"

#include <stdio.h>
#include <string.h>

/* Names of devices of the simulated driver of the tests begin so. */
#define SIMULATED_PREFIX "simulated "

static int is_simulated(const char *name)
{
    return strncmp(name, SIMULATED_PREFIX, strlen(SIMULATED_PREFIX)) == 0;
}

static int attribute_of(const cuda_driver *driver, cuda_ordinal ordinal, int attribute)
{
    int value = 0;
    return driver->cuDeviceGetAttribute(&value, attribute, ordinal) == CUDA_OK ? value : 0;
}

static void write_uuid(const cuda_driver *driver, cuda_ordinal ordinal, char out_hex[33])
{
    cuda_uuid uuid = {{0}};
    int result = CUDA_NOT_FOUND;
    if (driver->cuDeviceGetUuid_v2 != NULL) {
        result = driver->cuDeviceGetUuid_v2(&uuid, ordinal);
    } else if (driver->cuDeviceGetUuid != NULL) {
        result = driver->cuDeviceGetUuid(&uuid, ordinal);
    }
    out_hex[0] = '\0';
    for (size_t i = 0; result == CUDA_OK && i < sizeof uuid.bytes; i++) {
        snprintf(&out_hex[2u * i], 3, "%02x", uuid.bytes[i]);
    }
}

static int describe(const cuda_driver *driver, int index, kvant_device_record *out_record)
{
    cuda_ordinal ordinal = 0;
    int version = 0;
    memset(out_record, 0, sizeof *out_record);
    int result = driver->cuDeviceGet(&ordinal, index);
    if (result == CUDA_OK) {
        result = driver->cuDeviceGetName(out_record->name, (int)sizeof out_record->name, ordinal);
    }
    if (result == CUDA_OK) {
        result = driver->cuDriverGetVersion(&version);
    }
    if (result != CUDA_OK) {
        return result;
    }
    out_record->kind = is_simulated(out_record->name) ? KVANT_DEVICE_SIMULATED : KVANT_DEVICE_GPU;
    snprintf(out_record->driver, sizeof out_record->driver, "CUDA %d.%d, sm_%d%d", version / 1000,
             version % 1000 / 10, attribute_of(driver, ordinal, CUDA_ATTRIBUTE_COMPUTE_MAJOR),
             attribute_of(driver, ordinal, CUDA_ATTRIBUTE_COMPUTE_MINOR));
    write_uuid(driver, ordinal, out_record->uuid);
    if (driver->cuDeviceGetPCIBusId == NULL ||
        driver->cuDeviceGetPCIBusId(out_record->pci, (int)sizeof out_record->pci, ordinal) !=
            CUDA_OK) {
        out_record->pci[0] = '\0';
    }
    return CUDA_OK;
}

/* Without nvcc at build time there is nothing that a GPU could run; the simulated driver of the
 * tests brings its own kernels. */
static kvant_status check_images(const kvant_services *services, int simulated)
{
    if (simulated || kvant_embedded_find(kvant_cuda_images, "kvant.fatbin") != NULL) {
        return KVANT_OK;
    }
    return services->report(services, KVANT_ERROR_BACKEND_UNAVAILABLE, "cuda",
                            "this library was built without nvcc and holds no CUDA kernels: "
                            "build it where the CUDA toolkit is installed");
}

kvant_status kvant_cuda_enumerate(const kvant_services *services, kvant_device_record *out_records,
                                  uint32_t capacity, uint32_t *out_count)
{
    *out_count = 0;
    cuda_driver driver;
    kvant_status status = kvant_cuda_driver_open(services, &driver);
    if (status != KVANT_OK) {
        return status;
    }
    int count = 0;
    status =
        kvant_cuda_check(services, &driver, driver.cuDeviceGetCount(&count), "cuDeviceGetCount");
    for (int i = 0; status == KVANT_OK && i < count; i++) {
        kvant_device_record record;
        status = kvant_cuda_check(services, &driver, describe(&driver, i, &record), "cuDeviceGet");
        if (status == KVANT_OK) {
            status = check_images(services, record.kind == KVANT_DEVICE_SIMULATED);
        }
        if (status == KVANT_OK && (uint32_t)i < capacity) {
            out_records[i] = record;
        }
    }
    kvant_cuda_driver_close(&driver);
    if (status == KVANT_OK && count <= 0) {
        status = services->report(services, KVANT_ERROR_BACKEND_UNAVAILABLE, "cuda",
                                  "the driver finds no CUDA device");
    }
    if (status == KVANT_OK) {
        *out_count = (uint32_t)count;
    }
    return status;
}

/* ---- opening ---- */

static uint32_t smallest(uint32_t a, int b)
{
    return b > 0 && (uint32_t)b < a ? (uint32_t)b : a;
}

/* A GPU gets the code compiled for the newest compute capability up to its own, so what a variant
 * needs must be in an image of this build too. The simulator has it all. */
static uint32_t capabilities_of(const kvant_backend_device *device, int compute_capability)
{
    int first_mma = device->is_simulated ? CUDA_MMA_CAPABILITY : KVANT_CUDA_FIRST_MMA_IMAGE;
    int first_bulk = device->is_simulated ? CUDA_BULK_CAPABILITY : KVANT_CUDA_FIRST_BULK_IMAGE;
    return (compute_capability >= first_mma ? KVANT_CAPABILITY_INT8_MMA : 0u) |
           (compute_capability >= first_bulk ? KVANT_CAPABILITY_BULK_COPY : 0u);
}

/* Finds the device and what it can do, before anything is created on it. */
static kvant_status examine(kvant_backend_device *device, uint32_t index,
                            kvant_backend_limits *out_limits)
{
    const cuda_driver *driver = &device->driver;
    char name[128] = "";
    size_t total = 0;
    kvant_status status = CUDA_CALL(device, cuDeviceGet, &device->ordinal, (int)index);
    if (status == KVANT_OK) {
        status = CUDA_CALL(device, cuDeviceGetName, name, (int)sizeof name, device->ordinal);
    }
    if (status == KVANT_OK) {
        status = CUDA_CALL(device, cuDeviceTotalMem_v2, &total, device->ordinal);
    }
    if (status == KVANT_OK) {
        device->is_simulated = is_simulated(name);
        status = check_images(device->services, device->is_simulated);
    }
    if (status != KVANT_OK) {
        return status;
    }
    int major = attribute_of(driver, device->ordinal, CUDA_ATTRIBUTE_COMPUTE_MAJOR);
    int minor = attribute_of(driver, device->ordinal, CUDA_ATTRIBUTE_COMPUTE_MINOR);
    int threads = attribute_of(driver, device->ordinal, CUDA_ATTRIBUTE_MAX_THREADS_PER_BLOCK);
    device->lanes = smallest(CUDA_LANES, threads) / CUDA_WARP * CUDA_WARP;
    if (major * 10 + minor < 75) {
        return device->services->report(device->services, KVANT_ERROR_UNSUPPORTED, "cuda",
                                        "%s has compute capability %d.%d; the kernels need 7.5",
                                        name, major, minor);
    }
    if (device->lanes == 0) {
        return device->services->report(device->services, KVANT_ERROR_UNSUPPORTED, "cuda",
                                        "%s takes blocks of %d threads; the kernels need %u", name,
                                        threads, CUDA_WARP);
    }
    int processors = attribute_of(driver, device->ordinal, CUDA_ATTRIBUTE_MULTIPROCESSORS);
    uint32_t groups = 65535;
    groups = smallest(groups, attribute_of(driver, device->ordinal, CUDA_ATTRIBUTE_MAX_GRID_X));
    groups = smallest(groups, attribute_of(driver, device->ordinal, CUDA_ATTRIBUTE_MAX_GRID_Y));
    groups = smallest(groups, attribute_of(driver, device->ordinal, CUDA_ATTRIBUTE_MAX_GRID_Z));
    *out_limits = (kvant_backend_limits){
        .max_buffer_bytes = UINT64_C(1) << 34, /* what a word offset of 32 bits reaches */
        .total_memory_bytes = total,
        .lanes = device->lanes,
        .max_groups = groups,
        .parallel_groups = processors > 0 ? (uint32_t)processors * 4u : 1u,
        .capabilities = capabilities_of(device, major * 10 + minor),
        .max_binding_bytes = total, /* an address: the whole memory */
        .max_lanes = (uint32_t)threads,
        .shared_bytes = (uint32_t)attribute_of(driver, device->ordinal,
                                               CUDA_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK),
        .subgroup_lanes = (uint32_t)attribute_of(driver, device->ordinal, CUDA_ATTRIBUTE_WARP_SIZE),
    };
    if (total < out_limits->max_buffer_bytes) {
        out_limits->max_buffer_bytes = total;
    }
    return KVANT_OK;
}

/* The queue and the staging memory. */
static kvant_status create_objects(kvant_backend_device *device)
{
    kvant_status status =
        CUDA_CALL(device, cuStreamCreate, &device->stream, CUDA_STREAM_NON_BLOCKING);
    if (status == KVANT_OK) {
        status = kvant_cuda_staging_create(device);
    }
    return status;
}

kvant_status kvant_cuda_open(const kvant_services *services, uint32_t index,
                             kvant_backend_device **out_device, kvant_backend_limits *out_limits)
{
    *out_device = NULL;
    kvant_backend_device *device = services->allocate(services, sizeof *device);
    if (device == NULL) {
        return services->report(services, KVANT_ERROR_OUT_OF_HOST_MEMORY, "cuda",
                                "no memory for the device");
    }
    device->services = services;
    kvant_status status = kvant_cuda_driver_open(services, &device->driver);
    if (status == KVANT_OK) {
        status = examine(device, index, out_limits);
    }
    if (status == KVANT_OK) {
        status = CUDA_CALL(device, cuDevicePrimaryCtxRetain, &device->context, device->ordinal);
    }
    if (status == KVANT_OK) {
        status = kvant_cuda_enter(device);
        if (status == KVANT_OK) {
            status = create_objects(device);
            kvant_cuda_leave(device);
        }
    }
    if (status != KVANT_OK) {
        kvant_cuda_close(device);
        return status;
    }
    *out_device = device;
    return KVANT_OK;
}

void kvant_cuda_close(kvant_backend_device *device)
{
    cuda_driver *driver = &device->driver;
    /* a lost device refuses all of this, which is as good */
    if (device->context != NULL && driver->cuCtxPushCurrent_v2(device->context) == CUDA_OK) {
        if (device->stream != NULL) {
            (void)driver->cuStreamSynchronize(device->stream);
        }
        kvant_cuda_staging_destroy(device);
        for (uint32_t i = 0; i < KVANT_MARKS; i++) {
            if (device->marks[i] != NULL) {
                (void)driver->cuEventDestroy_v2(device->marks[i]);
            }
        }
        if (device->module != NULL) {
            (void)driver->cuModuleUnload(device->module);
        }
        if (device->stream != NULL) {
            (void)driver->cuStreamDestroy_v2(device->stream);
        }
        kvant_cuda_leave(device);
    }
    if (device->context != NULL) {
        (void)driver->cuDevicePrimaryCtxRelease_v2(device->ordinal);
    }
    kvant_cuda_driver_close(driver);
    device->services->release(device->services, device);
}

/* ---- the current context ---- */

kvant_status kvant_cuda_enter(kvant_backend_device *device)
{
    if (device->is_lost) {
        return device->services->report(device->services, KVANT_ERROR_DEVICE_LOST, "cuda",
                                        "the device was lost in an earlier call");
    }
    return CUDA_CALL(device, cuCtxPushCurrent_v2, device->context);
}

void kvant_cuda_leave(kvant_backend_device *device)
{
    cuda_context context = NULL;
    (void)device->driver.cuCtxPopCurrent_v2(&context);
}

kvant_status kvant_cuda_result(kvant_backend_device *device, int result, const char *call)
{
    if (result == CUDA_OK) {
        return KVANT_OK;
    }
    kvant_status status = kvant_cuda_check(device->services, &device->driver, result, call);
    if (status == KVANT_ERROR_DEVICE_LOST) {
        device->is_lost = 1;
    }
    return status;
}
