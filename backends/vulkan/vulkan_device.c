/* SPDX-License-Identifier: MIT
 *
 * Opening and closing a device, its limits, native errors, and the backend's table.
 */
#include <string.h>

#include "vulkan_internal.h"

#define MAX_DEVICES 16u
#define GPU_LANES 128u
#ifndef KVANT_VULKAN_CPU_LANES /* tests build the backend with 128, too: what a GPU executes */
#define KVANT_VULKAN_CPU_LANES KVANT_VULKAN_NARROW_LANES
#endif
#define CPU_GROUPS 16u /* that keep the device busy */
#define GPU_GROUPS 1024u

kvant_status kvant_vulkan_failed(kvant_backend_device *device, const char *call, VkResult result)
{
    const kvant_services *services = device->services;
    kvant_status status = KVANT_ERROR_INTERNAL;
    const char *meaning = "";
    switch (result) {
    case VK_ERROR_OUT_OF_HOST_MEMORY:
        status = KVANT_ERROR_OUT_OF_HOST_MEMORY;
        meaning = ": host memory is exhausted";
        break;
    case VK_ERROR_OUT_OF_DEVICE_MEMORY:
    case VK_ERROR_OUT_OF_POOL_MEMORY:
    case VK_ERROR_TOO_MANY_OBJECTS:
        status = KVANT_ERROR_OUT_OF_DEVICE_MEMORY;
        meaning = ": device memory is exhausted";
        break;
    case VK_ERROR_DEVICE_LOST:
        status = KVANT_ERROR_DEVICE_LOST;
        meaning = ": the device is lost";
        device->is_lost = 1;
        break;
    case VK_ERROR_INITIALIZATION_FAILED:
        status = KVANT_ERROR_NO_DEVICE;
        meaning = ": the driver could not initialise";
        break;
    default:
        break;
    }
    return services->report(services, status, "vulkan", "%s returned %d%s", call, (int)result,
                            meaning);
}

kvant_status kvant_vulkan_alive(kvant_backend_device *device)
{
    const kvant_services *services = device->services;
    if (device->is_lost) {
        return services->report(services, KVANT_ERROR_DEVICE_LOST, "vulkan",
                                "the device was lost before this call");
    }
    return KVANT_OK;
}

static kvant_status vulkan_enumerate(const kvant_services *services,
                                     kvant_device_record *out_records, uint32_t capacity,
                                     uint32_t *out_count)
{
    kvant_vulkan_instance instance;
    kvant_status status = kvant_vulkan_instance_open(services, &instance);
    if (status != KVANT_OK) {
        return status;
    }
    VkPhysicalDevice devices[MAX_DEVICES];
    status = kvant_vulkan_physical_devices(&instance, devices, MAX_DEVICES, out_count);
    if (status == KVANT_OK) {
        for (uint32_t i = 0; i < *out_count && i < capacity && i < MAX_DEVICES; i++) {
            kvant_vulkan_describe(&instance, devices[i], &out_records[i]);
        }
    }
    kvant_vulkan_instance_close(&instance);
    return status;
}

static kvant_status create_device(kvant_backend_device *device)
{
    kvant_vulkan_symbols *vk = &device->instance.vk;
    VkPhysicalDeviceProperties2 properties = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_PROPERTIES_2,
    };
    vk->vkGetPhysicalDeviceProperties2(device->physical, &properties);
    device->properties = properties.properties;
    vk->vkGetPhysicalDeviceMemoryProperties(device->physical, &device->memory);
    device->timestamp_nanoseconds = (double)properties.properties.limits.timestampPeriod;
    device->family =
        kvant_vulkan_queue_family(&device->instance, device->physical, &device->timestamp_bits);

    int is_cpu = device->properties.deviceType == VK_PHYSICAL_DEVICE_TYPE_CPU;
    device->lanes = is_cpu ? KVANT_VULKAN_CPU_LANES : GPU_LANES;
    kvant_vulkan_request request;
    kvant_vulkan_find_extensions(device);
    kvant_vulkan_ask_for_extensions(device, &request);
    float priority = 1.0f;
    VkDeviceQueueCreateInfo queue = {
        .sType = VK_STRUCTURE_TYPE_DEVICE_QUEUE_CREATE_INFO,
        .queueFamilyIndex = device->family,
        .queueCount = 1,
        .pQueuePriorities = &priority,
    };
    VkDeviceCreateInfo info = {
        .sType = VK_STRUCTURE_TYPE_DEVICE_CREATE_INFO,
        .pNext = request.features,
        .queueCreateInfoCount = 1,
        .pQueueCreateInfos = &queue,
        .enabledExtensionCount = request.count,
        .ppEnabledExtensionNames = request.extensions,
    };
    VkResult result = vk->vkCreateDevice(device->physical, &info, NULL, &device->handle);
    if (result != VK_SUCCESS) {
        device->handle = VK_NULL_HANDLE;
        return kvant_vulkan_failed(device, "vkCreateDevice", result);
    }
    kvant_status status = kvant_vulkan_device_symbols(device);
    if (status == KVANT_OK) {
        vk->vkGetDeviceQueue(device->handle, device->family, 0, &device->queue);
    }
    return status;
}

static uint64_t smaller(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

/* What the kernels need of every device, and what dispatch must know of this one. */
static kvant_status take_limits(kvant_backend_device *device, kvant_backend_limits *out_limits)
{
    const kvant_services *services = device->services;
    const VkPhysicalDeviceLimits *limits = &device->properties.limits;
    int is_cpu = device->properties.deviceType == VK_PHYSICAL_DEVICE_TYPE_CPU;
    if (limits->maxComputeWorkGroupInvocations < device->lanes ||
        limits->maxComputeWorkGroupSize[0] < device->lanes ||
        limits->maxPushConstantsSize < KVANT_VULKAN_PUSH_BYTES ||
        limits->maxComputeSharedMemorySize < KVANT_VULKAN_SHARED_BYTES ||
        limits->maxPerStageDescriptorStorageBuffers < KVANT_MAX_BINDINGS) {
        return services->report(
            services, KVANT_ERROR_UNSUPPORTED, "vulkan",
            "%s offers too little: %u lanes, %u bytes of shared memory, %u bytes of push constants "
            "and %u storage buffers; %u, %u, %u and %u are needed",
            device->properties.deviceName, limits->maxComputeWorkGroupInvocations,
            limits->maxComputeSharedMemorySize, limits->maxPushConstantsSize,
            limits->maxPerStageDescriptorStorageBuffers, device->lanes, KVANT_VULKAN_SHARED_BYTES,
            KVANT_VULKAN_PUSH_BYTES, KVANT_MAX_BINDINGS);
    }

    VkPhysicalDeviceSubgroupProperties subgroup = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SUBGROUP_PROPERTIES,
    };
    VkPhysicalDeviceMaintenance3Properties sizes = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_MAINTENANCE_3_PROPERTIES,
        .pNext = &subgroup,
    };
    VkPhysicalDeviceProperties2 properties = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_PROPERTIES_2,
        .pNext = &sizes,
    };
    device->instance.vk.vkGetPhysicalDeviceProperties2(device->physical, &properties);
    uint64_t largest_heap = 0;
    uint64_t total = 0;
    for (uint32_t i = 0; i < device->memory.memoryHeapCount; i++) {
        const VkMemoryHeap *heap = &device->memory.memoryHeaps[i];
        if ((heap->flags & VK_MEMORY_HEAP_DEVICE_LOCAL_BIT) != 0) {
            largest_heap = heap->size > largest_heap ? heap->size : largest_heap;
            total += heap->size;
        }
    }
    uint64_t allocation = sizes.maxMemoryAllocationSize & ~UINT64_C(255); /* room to align */
    device->staging_bytes = smaller(KVANT_VULKAN_STAGING_BYTES, allocation);
    uint64_t bytes = smaller(limits->maxStorageBufferRange, largest_heap);
    uint32_t groups = limits->maxComputeWorkGroupCount[0];
    for (int i = 1; i < 3; i++) {
        groups = (uint32_t)smaller(groups, limits->maxComputeWorkGroupCount[i]);
    }
    *out_limits = (kvant_backend_limits){
        .max_buffer_bytes = smaller(bytes, allocation) & ~UINT64_C(3),
        .total_memory_bytes = total,
        .lanes = device->lanes,
        .max_groups = groups,
        .parallel_groups = is_cpu ? CPU_GROUPS : GPU_GROUPS,
        .capabilities = kvant_vulkan_capabilities(device, &subgroup),
        .max_binding_bytes = limits->maxStorageBufferRange,
        .max_lanes = limits->maxComputeWorkGroupInvocations,
        .shared_bytes = limits->maxComputeSharedMemorySize,
        .subgroup_lanes = subgroup.subgroupSize,
    };
    return KVANT_OK;
}

static void vulkan_close(kvant_backend_device *device)
{
    const kvant_services *services = device->services;
    kvant_vulkan_symbols *vk = &device->instance.vk;
    if (device->handle != VK_NULL_HANDLE) {
        if (!device->is_lost) {
            (void)kvant_vulkan_flush(device);
        }
        /* returns in finite time on a lost device, too; nothing is left to do about an error */
        (void)vk->vkDeviceWaitIdle(device->handle);
        kvant_vulkan_pipelines_destroy(device);
        kvant_vulkan_queue_destroy(device);
        kvant_vulkan_reap(device, 1);
        kvant_vulkan_free(device, &device->upload.buffer);
        kvant_vulkan_free(device, &device->download.buffer);
        vk->vkDestroyDevice(device->handle, NULL);
    }
    kvant_vulkan_instance_close(&device->instance);
    services->release(services, device);
}

static kvant_status find_physical(kvant_backend_device *device, uint32_t index)
{
    const kvant_services *services = device->services;
    VkPhysicalDevice devices[MAX_DEVICES];
    uint32_t count = 0;
    kvant_status status =
        kvant_vulkan_physical_devices(&device->instance, devices, MAX_DEVICES, &count);
    if (status == KVANT_OK && (index >= count || index >= MAX_DEVICES)) {
        status = services->report(services, KVANT_ERROR_NO_DEVICE, "vulkan",
                                  "there is no Vulkan device %u, there are %u", index, count);
    }
    if (status == KVANT_OK) {
        device->physical = devices[index];
    }
    return status;
}

static kvant_status vulkan_open(const kvant_services *services, uint32_t index,
                                kvant_backend_device **out_device, kvant_backend_limits *out_limits)
{
    kvant_backend_device *device = services->allocate(services, sizeof *device);
    if (device == NULL) {
        return services->report(services, KVANT_ERROR_OUT_OF_HOST_MEMORY, "vulkan",
                                "no memory for the device");
    }
    device->services = services;
    kvant_status status = kvant_vulkan_instance_open(services, &device->instance);
    if (status == KVANT_OK) {
        status = find_physical(device, index);
    }
    if (status == KVANT_OK) {
        status = create_device(device);
    }
    if (status == KVANT_OK) {
        status = take_limits(device, out_limits);
    }
    if (status == KVANT_OK) {
        status = kvant_vulkan_queue_create(device);
    }
    if (status == KVANT_OK) {
        status = kvant_vulkan_pipelines_create(device);
    }
    if (status != KVANT_OK) {
        vulkan_close(device);
        return status;
    }
    *out_device = device;
    return KVANT_OK;
}

const kvant_backend kvant_backend_vulkan = {
    .version = KVANT_BACKEND_VERSION,
    .name = "vulkan",
    .enumerate = vulkan_enumerate,
    .open = vulkan_open,
    .close = vulkan_close,
    .buffer_create = kvant_vulkan_buffer_create,
    .buffer_destroy = kvant_vulkan_buffer_destroy,
    .upload = kvant_vulkan_upload,
    .download = kvant_vulkan_download,
    .copy = kvant_vulkan_copy,
    .fill = kvant_vulkan_fill,
    .prepare = kvant_vulkan_prepare,
    .launch = kvant_vulkan_launch,
    .flush = kvant_vulkan_flush,
    .synchronize = kvant_vulkan_synchronize,
    .mark = kvant_vulkan_mark,
    .elapsed = kvant_vulkan_elapsed,
    .submissions = kvant_vulkan_submissions,
};
