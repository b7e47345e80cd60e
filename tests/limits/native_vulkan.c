/* SPDX-License-Identifier: MIT
 *
 * The watch on Vulkan.
 */
#include "native_watch.h"

#include "vulkan_symbols.h"

enum { MOST_BUFFERS = 4096 };

typedef const VkAllocationCallbacks *callbacks;

static kvant_vulkan_symbols real;

static struct {
    VkBuffer handle;
    uint64_t bytes;
} buffers[MOST_BUFFERS];

static void VKAPI_CALL watch_vkGetPhysicalDeviceProperties2(VkPhysicalDevice physical,
                                                            VkPhysicalDeviceProperties2 *out)
{
    const native_limits *forced = native_forced();
    real.vkGetPhysicalDeviceProperties2(physical, out);
    VkPhysicalDeviceLimits *limits = &out->properties.limits;
    limits->maxStorageBufferRange =
        (uint32_t)native_least(limits->maxStorageBufferRange, forced->binding_bytes);
    limits->maxComputeSharedMemorySize =
        (uint32_t)native_least(limits->maxComputeSharedMemorySize, forced->shared_bytes);
    limits->maxComputeWorkGroupInvocations =
        (uint32_t)native_least(limits->maxComputeWorkGroupInvocations, forced->lanes);
    for (int i = 0; i < 3; i++) {
        limits->maxComputeWorkGroupSize[i] =
            (uint32_t)native_least(limits->maxComputeWorkGroupSize[i], forced->lanes);
        limits->maxComputeWorkGroupCount[i] =
            (uint32_t)native_least(limits->maxComputeWorkGroupCount[i], forced->groups);
    }
    if (forced->is_gpu) {
        out->properties.deviceType = VK_PHYSICAL_DEVICE_TYPE_DISCRETE_GPU;
    }
    for (VkBaseOutStructure *next = out->pNext; next != NULL; next = next->pNext) {
        if (next->sType == VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_MAINTENANCE_3_PROPERTIES) {
            VkPhysicalDeviceMaintenance3Properties *sizes = (void *)next;
            sizes->maxMemoryAllocationSize =
                native_least(sizes->maxMemoryAllocationSize, forced->allocation_bytes);
        }
    }
}

static VkResult VKAPI_CALL watch_vkAllocateMemory(VkDevice device, const VkMemoryAllocateInfo *info,
                                                  callbacks unused, VkDeviceMemory *out)
{
    native_counts *counts = native_counter();
    uint64_t bytes = info->allocationSize;
    counts->allocations++;
    counts->largest_allocation =
        bytes > counts->largest_allocation ? bytes : counts->largest_allocation;
    native_check("vkAllocateMemory", bytes, native_forced()->allocation_bytes);
    return real.vkAllocateMemory(device, info, unused, out);
}

static VkResult VKAPI_CALL watch_vkCreateBuffer(VkDevice device, const VkBufferCreateInfo *info,
                                                callbacks unused, VkBuffer *out)
{
    VkResult result = real.vkCreateBuffer(device, info, unused, out);
    int i = 0;
    while (i < MOST_BUFFERS && buffers[i].handle != VK_NULL_HANDLE) {
        i++;
    }
    native_check("buffers that are watched", (uint64_t)i, MOST_BUFFERS - 1);
    if (result == VK_SUCCESS && i < MOST_BUFFERS) {
        buffers[i].handle = *out;
        buffers[i].bytes = info->size;
    }
    return result;
}

static void VKAPI_CALL watch_vkDestroyBuffer(VkDevice device, VkBuffer buffer, callbacks unused)
{
    for (int i = 0; i < MOST_BUFFERS; i++) {
        if (buffers[i].handle == buffer) {
            buffers[i].handle = VK_NULL_HANDLE;
        }
    }
    real.vkDestroyBuffer(device, buffer, unused);
}

static uint64_t bytes_bound(const VkDescriptorBufferInfo *info)
{
    for (int i = 0; info->range == VK_WHOLE_SIZE && i < MOST_BUFFERS; i++) {
        if (buffers[i].handle == info->buffer) {
            return buffers[i].bytes - info->offset;
        }
    }
    return info->range;
}

static void VKAPI_CALL watch_vkUpdateDescriptorSets(VkDevice device, uint32_t count,
                                                    const VkWriteDescriptorSet *writes,
                                                    uint32_t copies,
                                                    const VkCopyDescriptorSet *copied)
{
    native_counts *counts = native_counter();
    for (uint32_t i = 0; i < count; i++) {
        for (uint32_t j = 0; j < writes[i].descriptorCount; j++) {
            uint64_t bytes = bytes_bound(&writes[i].pBufferInfo[j]);
            counts->largest_binding =
                bytes > counts->largest_binding ? bytes : counts->largest_binding;
            native_check("bytes that a kernel binds", bytes, native_forced()->binding_bytes);
        }
    }
    real.vkUpdateDescriptorSets(device, count, writes, copies, copied);
}

static void VKAPI_CALL watch_vkCmdDispatch(VkCommandBuffer commands, uint32_t x, uint32_t y,
                                           uint32_t z)
{
    native_counts *counts = native_counter();
    uint32_t most = x > y ? x : y;
    most = most > z ? most : z;
    counts->launches++;
    counts->most_groups = most > counts->most_groups ? most : counts->most_groups;
    native_check("work-groups", most, native_forced()->groups);
    real.vkCmdDispatch(commands, x, y, z);
}

/* The kernels' first specialization constant is the size of a work-group. */
static VkResult VKAPI_CALL watch_vkCreateComputePipelines(VkDevice device, VkPipelineCache cache,
                                                          uint32_t count,
                                                          const VkComputePipelineCreateInfo *infos,
                                                          callbacks unused, VkPipeline *out)
{
    native_counts *counts = native_counter();
    counts->compiles++;
    for (uint32_t i = 0; i < count; i++) {
        uint32_t lanes = *(const uint32_t *)infos[i].stage.pSpecializationInfo->pData;
        counts->largest_group = lanes > counts->largest_group ? lanes : counts->largest_group;
        native_check("lanes of a work-group", lanes, native_forced()->lanes);
    }
    return real.vkCreateComputePipelines(device, cache, count, infos, unused, out);
}

static VkResult VKAPI_CALL watch_vkWaitForFences(VkDevice a, uint32_t b, const VkFence *c,
                                                 VkBool32 d, uint64_t e)
{
    native_counter()->waits++;
    return real.vkWaitForFences(a, b, c, d, e);
}

static VkResult VKAPI_CALL watch_vkDeviceWaitIdle(VkDevice a)
{
    native_counter()->waits++;
    return real.vkDeviceWaitIdle(a);
}

/* The loader's way to its functions. */
static PFN_vkVoidFunction VKAPI_CALL watch_vkGetInstanceProcAddr(VkInstance a, const char *name)
{
    return native_vulkan_symbol(name, real.vkGetInstanceProcAddr(a, name));
}

static PFN_vkVoidFunction VKAPI_CALL watch_vkGetDeviceProcAddr(VkDevice a, const char *name)
{
    return native_vulkan_symbol(name, real.vkGetDeviceProcAddr(a, name));
}

kvant_symbol native_vulkan_symbol(const char *name, kvant_symbol symbol)
{
#define ENTRY(name)                                                                                \
    {                                                                                              \
#name, (kvant_symbol)watch_##name, &real.name                                              \
    }
    static const native_symbol symbols[] = {
        ENTRY(vkGetInstanceProcAddr),
        ENTRY(vkGetDeviceProcAddr),
        ENTRY(vkGetPhysicalDeviceProperties2),
        ENTRY(vkAllocateMemory),
        ENTRY(vkCreateBuffer),
        ENTRY(vkDestroyBuffer),
        ENTRY(vkUpdateDescriptorSets),
        ENTRY(vkCmdDispatch),
        ENTRY(vkCreateComputePipelines),
        ENTRY(vkWaitForFences),
        ENTRY(vkDeviceWaitIdle),
        {NULL, NULL, NULL},
    };
    return native_find(symbols, name, symbol);
}
