/* SPDX-License-Identifier: MIT
 *
 * Buffers: one VkBuffer with memory of its own each, because kvant has few and keeps them long.
 */
#include <string.h>

#include "vulkan_internal.h"

/* The first memory type with all required and, where there is one, all preferred properties. */
static uint32_t memory_type(const kvant_backend_device *device, uint32_t allowed,
                            VkMemoryPropertyFlags required, VkMemoryPropertyFlags preferred)
{
    VkMemoryPropertyFlags wanted[] = {required | preferred, required};
    for (size_t round = 0; round < 2; round++) {
        for (uint32_t i = 0; i < device->memory.memoryTypeCount; i++) {
            VkMemoryPropertyFlags flags = device->memory.memoryTypes[i].propertyFlags;
            if ((allowed >> i & 1u) != 0 && (flags & wanted[round]) == wanted[round]) {
                return i;
            }
        }
    }
    return UINT32_MAX;
}

static kvant_status create_handle(kvant_backend_device *device, uint64_t bytes,
                                  VkBufferUsageFlags usage, struct kvant_backend_buffer *buffer)
{
    VkBufferCreateInfo info = {
        .sType = VK_STRUCTURE_TYPE_BUFFER_CREATE_INFO,
        .size = bytes,
        .usage = usage,
        .sharingMode = VK_SHARING_MODE_EXCLUSIVE,
    };
    VkResult result =
        device->instance.vk.vkCreateBuffer(device->handle, &info, NULL, &buffer->handle);
    if (result != VK_SUCCESS) {
        buffer->handle = VK_NULL_HANDLE;
        return kvant_vulkan_failed(device, "vkCreateBuffer", result);
    }
    return KVANT_OK;
}

static kvant_status allocate_memory(kvant_backend_device *device, VkMemoryPropertyFlags required,
                                    VkMemoryPropertyFlags preferred,
                                    struct kvant_backend_buffer *buffer)
{
    const kvant_services *services = device->services;
    const kvant_vulkan_symbols *vk = &device->instance.vk;
    VkMemoryRequirements needs;
    vk->vkGetBufferMemoryRequirements(device->handle, buffer->handle, &needs);
    uint32_t type = memory_type(device, needs.memoryTypeBits, required, preferred);
    if (type == UINT32_MAX) {
        return services->report(services, KVANT_ERROR_UNSUPPORTED, "vulkan",
                                "the device has no memory type with the properties 0x%x",
                                (unsigned)required);
    }
    VkMemoryAllocateInfo info = {
        .sType = VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_INFO,
        .allocationSize = needs.size,
        .memoryTypeIndex = type,
    };
    VkResult result = vk->vkAllocateMemory(device->handle, &info, NULL, &buffer->memory);
    if (result != VK_SUCCESS) {
        buffer->memory = VK_NULL_HANDLE;
        return kvant_vulkan_failed(device, "vkAllocateMemory", result);
    }
    result = vk->vkBindBufferMemory(device->handle, buffer->handle, buffer->memory, 0);
    if (result != VK_SUCCESS) {
        return kvant_vulkan_failed(device, "vkBindBufferMemory", result);
    }
    return KVANT_OK;
}

kvant_status kvant_vulkan_allocate(kvant_backend_device *device, uint64_t bytes,
                                   VkBufferUsageFlags usage, VkMemoryPropertyFlags required,
                                   VkMemoryPropertyFlags preferred,
                                   struct kvant_backend_buffer *buffer)
{
    memset(buffer, 0, sizeof *buffer);
    buffer->bytes = bytes;
    kvant_status status = create_handle(device, bytes, usage, buffer);
    if (status == KVANT_OK) {
        status = allocate_memory(device, required, preferred, buffer);
    }
    if (status != KVANT_OK) {
        kvant_vulkan_free(device, buffer);
    }
    return status;
}

void kvant_vulkan_free(kvant_backend_device *device, struct kvant_backend_buffer *buffer)
{
    const kvant_vulkan_symbols *vk = &device->instance.vk;
    if (buffer->handle != VK_NULL_HANDLE) {
        vk->vkDestroyBuffer(device->handle, buffer->handle, NULL);
    }
    if (buffer->memory != VK_NULL_HANDLE) {
        vk->vkFreeMemory(device->handle, buffer->memory, NULL); /* unmaps it, too */
    }
    memset(buffer, 0, sizeof *buffer);
}

kvant_status kvant_vulkan_staging_create(kvant_backend_device *device,
                                         kvant_vulkan_staging *staging, VkBufferUsageFlags usage,
                                         VkMemoryPropertyFlags preferred)
{
    kvant_status status = kvant_vulkan_allocate(device, device->staging_bytes, usage,
                                                VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT |
                                                    VK_MEMORY_PROPERTY_HOST_COHERENT_BIT,
                                                preferred, &staging->buffer);
    if (status != KVANT_OK) {
        return status;
    }
    void *mapped = NULL;
    VkResult result = device->instance.vk.vkMapMemory(device->handle, staging->buffer.memory, 0,
                                                      VK_WHOLE_SIZE, 0, &mapped);
    if (result != VK_SUCCESS) {
        kvant_vulkan_free(device, &staging->buffer);
        return kvant_vulkan_failed(device, "vkMapMemory", result);
    }
    staging->mapped = mapped;
    return KVANT_OK;
}

kvant_status kvant_vulkan_buffer_create(kvant_backend_device *device, uint64_t bytes,
                                        kvant_backend_buffer **out_buffer)
{
    const kvant_services *services = device->services;
    kvant_status status = kvant_vulkan_alive(device);
    if (status != KVANT_OK) {
        return status;
    }
    kvant_vulkan_reap(device, 0);
    kvant_backend_buffer *buffer = services->allocate(services, sizeof *buffer);
    if (buffer == NULL) {
        return services->report(services, KVANT_ERROR_OUT_OF_HOST_MEMORY, "vulkan",
                                "no memory for a buffer's record");
    }
    status = kvant_vulkan_allocate(device, bytes,
                                   VK_BUFFER_USAGE_STORAGE_BUFFER_BIT |
                                       VK_BUFFER_USAGE_TRANSFER_SRC_BIT |
                                       VK_BUFFER_USAGE_TRANSFER_DST_BIT,
                                   0, VK_MEMORY_PROPERTY_DEVICE_LOCAL_BIT, buffer);
    if (status == KVANT_OK) {
        status = kvant_vulkan_fill(device, buffer, 0, 0, bytes);
    }
    if (status != KVANT_OK) {
        kvant_vulkan_free(device, buffer);
        services->release(services, buffer);
        return status;
    }
    *out_buffer = buffer;
    return KVANT_OK;
}

void kvant_vulkan_buffer_destroy(kvant_backend_device *device, kvant_backend_buffer *buffer)
{
    buffer->next_condemned = device->condemned;
    device->condemned = buffer;
    kvant_vulkan_reap(device, 0);
}

void kvant_vulkan_reap(kvant_backend_device *device, int all)
{
    const kvant_services *services = device->services;
    struct kvant_backend_buffer **link = &device->condemned;
    while (*link != NULL) {
        struct kvant_backend_buffer *buffer = *link;
        if (all || buffer->last_use <= device->done_serial) {
            *link = buffer->next_condemned;
            kvant_vulkan_free(device, buffer);
            services->release(services, buffer);
        } else {
            link = &buffer->next_condemned;
        }
    }
}
