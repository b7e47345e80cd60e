/* SPDX-License-Identifier: MIT
 *
 * Finding OpenCL devices, and opening and closing one. Usable is a GPU or CPU device with OpenCL 1.2,
 * a compiler, little-endian words and enough local memory; nothing optional is needed.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "opencl_internal.h"

#define MAX_PLATFORMS 16u
#define MAX_DEVICES 64u

/* Local memory that the kernels need, at most. */
#define LOCAL_BYTES 32768u
/* Lanes of a work-group on a GPU. A CPU gets one, and vectors inside it. */
#define GPU_LANES 128u
/* What OpenCL drivers take along each dimension of a grid. */
#define MAX_GROUPS 65535u
/* Word offsets of 32 bits reach no farther. */
#define MAX_BUFFER_BYTES (UINT64_C(1) << 34)

/* NVIDIA's numbers, from its extension cl_nv_device_attribute_query. */
#define INFO_PCI_BUS_NV 0x4008u
#define INFO_PCI_SLOT_NV 0x4009u
#define INFO_PCI_DOMAIN_NV 0x400au
/* cl_khr_device_uuid, cl_khr_pci_bus_info */
#define INFO_UUID_KHR 0x106au
#define INFO_PCI_KHR 0x410fu

typedef struct {
    cl_platform_id platform;
    cl_device_id id;
    cl_device_type type;
} found_device;

static void device_text(const kvant_opencl_api *api, cl_device_id id, cl_device_info what,
                        char *text, size_t size)
{
    char long_text[1024] = "";
    if (api->clGetDeviceInfo(id, what, sizeof long_text - 1u, long_text, NULL) != CL_SUCCESS) {
        long_text[0] = '\0';
    }
    size_t length = strlen(long_text);
    length = length < size - 1u ? length : size - 1u;
    memcpy(text, long_text, length);
    text[length] = '\0';
}

static cl_ulong device_number(const kvant_opencl_api *api, cl_device_id id, cl_device_info what,
                              size_t size)
{
    cl_ulong number = 0; /* little-endian: a shorter number fills the low bytes */
    if (api->clGetDeviceInfo(id, what, size, &number, NULL) != CL_SUCCESS) {
        return 0;
    }
    return number;
}

int kvant_opencl_has_extension(const kvant_services *services, const kvant_opencl_api *api,
                               cl_device_id id, const char *name)
{
    size_t size = 0;
    if (api->clGetDeviceInfo(id, CL_DEVICE_EXTENSIONS, 0, NULL, &size) != CL_SUCCESS) {
        return 0;
    }
    char *list = services->allocate(services, size + 1u);
    if (list == NULL) {
        return 0;
    }
    int found = 0;
    if (api->clGetDeviceInfo(id, CL_DEVICE_EXTENSIONS, size, list, NULL) == CL_SUCCESS) {
        size_t length = strlen(name);
        for (const char *at = list; !found && (at = strstr(at, name)) != NULL; at += length) {
            int starts = at == list || at[-1] == ' ';
            found = starts && (at[length] == ' ' || at[length] == '\0');
        }
    }
    services->release(services, list);
    return found;
}

/* "OpenCL 1.2 ...": the form that the standard gives a device's version. */
static int has_version_1_2(const char *version)
{
    static const char prefix[] = "OpenCL ";
    if (strncmp(version, prefix, sizeof prefix - 1u) != 0) {
        return 0;
    }
    char *end = NULL;
    long major = strtol(version + sizeof prefix - 1u, &end, 10);
    long minor = *end == '.' ? strtol(end + 1, NULL, 10) : 0;
    return major > 1 || (major == 1 && minor >= 2);
}

/* NULL where the device can be used, else why not. */
static const char *objection(const kvant_opencl_api *api, cl_device_id id)
{
    char version[64];
    device_text(api, id, CL_DEVICE_VERSION, version, sizeof version);
    if (!has_version_1_2(version)) {
        return "it has no OpenCL 1.2";
    }
    cl_device_type type = device_number(api, id, CL_DEVICE_TYPE, sizeof type);
    if ((type & (CL_DEVICE_TYPE_GPU | CL_DEVICE_TYPE_CPU)) == 0) {
        return "it is neither a GPU nor a CPU";
    }
    if (device_number(api, id, CL_DEVICE_AVAILABLE, sizeof(cl_bool)) == 0) {
        return "it is not available";
    }
    if (device_number(api, id, CL_DEVICE_COMPILER_AVAILABLE, sizeof(cl_bool)) == 0) {
        return "it has no compiler";
    }
    if (device_number(api, id, CL_DEVICE_ENDIAN_LITTLE, sizeof(cl_bool)) == 0) {
        return "it is big-endian";
    }
    if (device_number(api, id, CL_DEVICE_LOCAL_MEM_SIZE, sizeof(cl_ulong)) < LOCAL_BYTES) {
        return "it has less than 32 KiB of local memory";
    }
    return NULL;
}

/* All usable devices of all platforms. */
static kvant_status find_devices(const kvant_services *services, const kvant_opencl_api *api,
                                 found_device *found, uint32_t *out_count)
{
    cl_platform_id platforms[MAX_PLATFORMS];
    cl_uint platform_count = 0;
    cl_int error = api->clGetPlatformIDs(MAX_PLATFORMS, platforms, &platform_count);
    if (error != CL_SUCCESS && error != CL_PLATFORM_NOT_FOUND_KHR) {
        return services->report(services, KVANT_ERROR_BACKEND_UNAVAILABLE, "opencl",
                                "clGetPlatformIDs failed: %s (%d)", kvant_opencl_error_name(error),
                                (int)error);
    }
    if (error != CL_SUCCESS || platform_count == 0) {
        return services->report(services, KVANT_ERROR_BACKEND_UNAVAILABLE, "opencl",
                                "no OpenCL driver is installed");
    }
    platform_count = platform_count < MAX_PLATFORMS ? platform_count : MAX_PLATFORMS;
    uint32_t count = 0;
    const char *reason = "there is none";
    for (cl_uint i = 0; i < platform_count; i++) {
        cl_device_id ids[MAX_DEVICES];
        cl_uint id_count = 0;
        if (api->clGetDeviceIDs(platforms[i], CL_DEVICE_TYPE_ALL, MAX_DEVICES, ids, &id_count) !=
            CL_SUCCESS) {
            continue; /* a platform without devices */
        }
        for (cl_uint j = 0; j < id_count && j < MAX_DEVICES && count < MAX_DEVICES; j++) {
            const char *why_not = objection(api, ids[j]);
            if (why_not != NULL) {
                reason = why_not;
                continue;
            }
            found[count++] = (found_device){
                .platform = platforms[i],
                .id = ids[j],
                .type = device_number(api, ids[j], CL_DEVICE_TYPE, sizeof(cl_device_type)),
            };
        }
    }
    *out_count = count;
    if (count == 0) {
        return services->report(services, KVANT_ERROR_BACKEND_UNAVAILABLE, "opencl",
                                "no OpenCL device can be used: %s", reason);
    }
    return KVANT_OK;
}

static void describe_pci(const kvant_services *services, const kvant_opencl_api *api,
                         cl_device_id id, char pci[16])
{
    cl_uint place[4] = {0, 0, 0, 0}; /* domain, bus, device, function */
    if (kvant_opencl_has_extension(services, api, id, "cl_khr_pci_bus_info")) {
        if (api->clGetDeviceInfo(id, INFO_PCI_KHR, sizeof place, place, NULL) != CL_SUCCESS) {
            return;
        }
    } else if (kvant_opencl_has_extension(services, api, id, "cl_nv_device_attribute_query")) {
        cl_uint slot = (cl_uint)device_number(api, id, INFO_PCI_SLOT_NV, sizeof slot);
        place[0] = (cl_uint)device_number(api, id, INFO_PCI_DOMAIN_NV, sizeof slot);
        place[1] = (cl_uint)device_number(api, id, INFO_PCI_BUS_NV, sizeof slot);
        place[2] = slot >> 3;
        place[3] = slot & 7u;
    } else {
        return;
    }
    snprintf(pci, 16, "%04x:%02x:%02x.%x", place[0] & 0xffffu, place[1] & 0xffu, place[2] & 0xffu,
             place[3] & 0xfu);
}

static void describe(const kvant_services *services, const kvant_opencl_api *api,
                     const found_device *device, kvant_device_record *record)
{
    memset(record, 0, sizeof *record);
    record->kind = (device->type & CL_DEVICE_TYPE_GPU) != 0 ? KVANT_DEVICE_GPU : KVANT_DEVICE_CPU;
    device_text(api, device->id, CL_DEVICE_NAME, record->name, sizeof record->name);
    char version[11]; /* "OpenCL 3.0" */
    char driver[48];
    device_text(api, device->id, CL_DEVICE_VERSION, version, sizeof version);
    device_text(api, device->id, CL_DRIVER_VERSION, driver, sizeof driver);
    snprintf(record->driver, sizeof record->driver, "%s, %s", version, driver);
    unsigned char uuid[16];
    if (kvant_opencl_has_extension(services, api, device->id, "cl_khr_device_uuid") &&
        api->clGetDeviceInfo(device->id, INFO_UUID_KHR, sizeof uuid, uuid, NULL) == CL_SUCCESS) {
        for (size_t i = 0; i < sizeof uuid; i++) {
            snprintf(&record->uuid[2u * i], 3, "%02x", uuid[i]);
        }
    }
    describe_pci(services, api, device->id, record->pci);
}

kvant_status kvant_opencl_enumerate(const kvant_services *services,
                                    kvant_device_record *out_records, uint32_t capacity,
                                    uint32_t *out_count)
{
    kvant_opencl_api api;
    kvant_status status = kvant_opencl_load(services, &api);
    if (status != KVANT_OK) {
        return status;
    }
    found_device found[MAX_DEVICES];
    uint32_t count = 0;
    status = find_devices(services, &api, found, &count);
    if (status == KVANT_OK) {
        for (uint32_t i = 0; i < count && i < capacity; i++) {
            describe(services, &api, &found[i], &out_records[i]);
        }
        *out_count = count;
    }
    kvant_opencl_unload(&api);
    return status;
}

/* Everything that tells one compiler from another. */
static void identify(kvant_backend_device *device, cl_platform_id platform)
{
    char platform_version[128] = "";
    char name[128];
    char version[128];
    char driver[64];
    device->api.clGetPlatformInfo(platform, CL_PLATFORM_VERSION, sizeof platform_version - 1u,
                                  platform_version, NULL);
    device_text(&device->api, device->id, CL_DEVICE_NAME, name, sizeof name);
    device_text(&device->api, device->id, CL_DEVICE_VERSION, version, sizeof version);
    device_text(&device->api, device->id, CL_DRIVER_VERSION, driver, sizeof driver);
    snprintf(device->identity, sizeof device->identity, "%s|%s|%s|%s", platform_version, name,
             version, driver);
}

/* The most lanes that a work-group along the first dimension can have. */
static size_t most_lanes(const kvant_opencl_api *api, cl_device_id id)
{
    size_t sizes[16] = {0};
    size_t most = (size_t)device_number(api, id, CL_DEVICE_MAX_WORK_GROUP_SIZE, sizeof most);
    most = most > 0 && most < GPU_LANES ? most : GPU_LANES;
    if (api->clGetDeviceInfo(id, CL_DEVICE_MAX_WORK_ITEM_SIZES, sizeof sizes, sizes, NULL) ==
            CL_SUCCESS &&
        sizes[0] > 0 && sizes[0] < most) {
        most = sizes[0];
    }
    return most;
}

static void choose_limits(kvant_backend_device *device, cl_device_type type,
                          kvant_backend_limits *limits)
{
    const kvant_opencl_api *api = &device->api;
    cl_uint units =
        (cl_uint)device_number(api, device->id, CL_DEVICE_MAX_COMPUTE_UNITS, sizeof units);
    units = units > 0 ? units : 1u;
    int is_gpu = (type & CL_DEVICE_TYPE_GPU) != 0;
    device->is_cpu = !is_gpu;
    device->lanes = is_gpu ? (uint32_t)most_lanes(api, device->id) : 1u;
    device->item_groups = is_gpu ? 0u : 16u * units;
    cl_ulong largest = device_number(api, device->id, CL_DEVICE_MAX_MEM_ALLOC_SIZE, sizeof largest);
    *limits = (kvant_backend_limits){
        .max_buffer_bytes =
            (largest < MAX_BUFFER_BYTES ? largest : MAX_BUFFER_BYTES) & ~(cl_ulong)3,
        .total_memory_bytes =
            device_number(api, device->id, CL_DEVICE_GLOBAL_MEM_SIZE, sizeof largest),
        .lanes = device->lanes,
        .max_groups = MAX_GROUPS,
        .parallel_groups = is_gpu ? 8u * units : units,
        .max_binding_bytes = largest,
        .max_lanes =
            (uint32_t)device_number(api, device->id, CL_DEVICE_MAX_WORK_GROUP_SIZE, sizeof(size_t)),
        .shared_bytes =
            (uint32_t)device_number(api, device->id, CL_DEVICE_LOCAL_MEM_SIZE, sizeof(cl_ulong)),
    };
}

static kvant_status open_queue(kvant_backend_device *device, cl_platform_id platform)
{
    const cl_context_properties properties[] = {CL_CONTEXT_PLATFORM,
                                                (cl_context_properties)platform, 0};
    cl_int error = CL_SUCCESS;
    device->context = device->api.clCreateContext(properties, 1, &device->id, NULL, NULL, &error);
    if (error != CL_SUCCESS) {
        device->context = NULL;
        return kvant_opencl_fail(device, "clCreateContext", error);
    }
    device->queue = device->api.clCreateCommandQueue(device->context, device->id,
                                                     CL_QUEUE_PROFILING_ENABLE, &error);
    if (error != CL_SUCCESS) {
        device->queue = NULL;
        return kvant_opencl_fail(device, "clCreateCommandQueue", error);
    }
    return KVANT_OK;
}

kvant_status kvant_opencl_open(const kvant_services *services, uint32_t index,
                               kvant_backend_device **out_device, kvant_backend_limits *out_limits)
{
    kvant_backend_device *device = services->allocate(services, sizeof *device);
    if (device == NULL) {
        return services->report(services, KVANT_ERROR_OUT_OF_HOST_MEMORY, "opencl",
                                "no memory for the device");
    }
    device->services = services;
    kvant_status status = kvant_opencl_load(services, &device->api);
    found_device found[MAX_DEVICES];
    uint32_t count = 0;
    if (status == KVANT_OK) {
        status = find_devices(services, &device->api, found, &count);
    }
    if (status == KVANT_OK && index >= count) {
        status = services->report(services, KVANT_ERROR_NO_DEVICE, "opencl",
                                  "there is no device %u, there are %u", (unsigned)index,
                                  (unsigned)count);
    }
    if (status == KVANT_OK) {
        device->id = found[index].id;
        identify(device, found[index].platform);
        choose_limits(device, found[index].type, out_limits);
        status = open_queue(device, found[index].platform);
    }
    if (status == KVANT_OK) {
        status = kvant_opencl_make_slots(device);
    }
    if (status == KVANT_OK) {
        status = kvant_opencl_probe(device, found[index].platform, &out_limits->capabilities);
    }
    if (status != KVANT_OK) {
        kvant_opencl_close(device);
        return status;
    }
    *out_device = device;
    return KVANT_OK;
}

void kvant_opencl_close(kvant_backend_device *device)
{
    const kvant_services *services = device->services;
    if (device->queue != NULL) {
        /* a lost device refuses; one that only seemed lost may still read the staging memory */
        (void)device->api.clFinish(device->queue);
    }
    for (uint32_t i = 0; i < KVANT_MARKS; i++) {
        if (device->marks[i] != NULL) {
            device->api.clReleaseEvent(device->marks[i]);
        }
    }
    kvant_opencl_release_slots(device);
    kvant_opencl_release_programs(device);
    if (device->queue != NULL) {
        device->api.clReleaseCommandQueue(device->queue);
    }
    if (device->context != NULL) {
        device->api.clReleaseContext(device->context);
    }
    kvant_opencl_unload(&device->api);
    services->release(services, device);
}
