/* SPDX-License-Identifier: MIT
 *
 * The queue: batches of commands, barriers between commands that depend on each other, submission,
 * waiting, time stamps.
 */
#include <time.h>

#include "vulkan_internal.h"

static kvant_status create_batch(kvant_backend_device *device, kvant_vulkan_batch *batch)
{
    const kvant_vulkan_symbols *vk = &device->instance.vk;
    VkCommandPoolCreateInfo pool = {
        .sType = VK_STRUCTURE_TYPE_COMMAND_POOL_CREATE_INFO,
        .flags = VK_COMMAND_POOL_CREATE_TRANSIENT_BIT,
        .queueFamilyIndex = device->family,
    };
    VkResult result = vk->vkCreateCommandPool(device->handle, &pool, NULL, &batch->pool);
    if (result != VK_SUCCESS) {
        batch->pool = VK_NULL_HANDLE;
        return kvant_vulkan_failed(device, "vkCreateCommandPool", result);
    }
    VkCommandBufferAllocateInfo commands = {
        .sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_ALLOCATE_INFO,
        .commandPool = batch->pool,
        .level = VK_COMMAND_BUFFER_LEVEL_PRIMARY,
        .commandBufferCount = 1,
    };
    result = vk->vkAllocateCommandBuffers(device->handle, &commands, &batch->commands);
    if (result != VK_SUCCESS) {
        return kvant_vulkan_failed(device, "vkAllocateCommandBuffers", result);
    }
    VkFenceCreateInfo fence = {.sType = VK_STRUCTURE_TYPE_FENCE_CREATE_INFO};
    result = vk->vkCreateFence(device->handle, &fence, NULL, &batch->fence);
    if (result != VK_SUCCESS) {
        batch->fence = VK_NULL_HANDLE;
        return kvant_vulkan_failed(device, "vkCreateFence", result);
    }
    VkDescriptorPoolSize size = {
        .type = VK_DESCRIPTOR_TYPE_STORAGE_BUFFER,
        .descriptorCount = KVANT_VULKAN_BATCH_SETS * KVANT_MAX_BINDINGS,
    };
    VkDescriptorPoolCreateInfo sets = {
        .sType = VK_STRUCTURE_TYPE_DESCRIPTOR_POOL_CREATE_INFO,
        .maxSets = KVANT_VULKAN_BATCH_SETS,
        .poolSizeCount = 1,
        .pPoolSizes = &size,
    };
    result = vk->vkCreateDescriptorPool(device->handle, &sets, NULL, &batch->sets);
    if (result != VK_SUCCESS) {
        batch->sets = VK_NULL_HANDLE;
        return kvant_vulkan_failed(device, "vkCreateDescriptorPool", result);
    }
    return KVANT_OK;
}

kvant_status kvant_vulkan_queue_create(kvant_backend_device *device)
{
    device->recording_serial = 1;
    kvant_status status = KVANT_OK;
    for (uint32_t i = 0; i < KVANT_VULKAN_BATCHES && status == KVANT_OK; i++) {
        status = create_batch(device, &device->batches[i]);
    }
    if (status == KVANT_OK) {
        status = kvant_vulkan_staging_create(device, &device->upload,
                                             VK_BUFFER_USAGE_TRANSFER_SRC_BIT, 0);
    }
    if (status == KVANT_OK) {
        status =
            kvant_vulkan_staging_create(device, &device->download, VK_BUFFER_USAGE_TRANSFER_DST_BIT,
                                        VK_MEMORY_PROPERTY_HOST_CACHED_BIT);
    }
    if (status == KVANT_OK && device->timestamp_bits != 0) {
        VkQueryPoolCreateInfo queries = {
            .sType = VK_STRUCTURE_TYPE_QUERY_POOL_CREATE_INFO,
            .queryType = VK_QUERY_TYPE_TIMESTAMP,
            .queryCount = KVANT_MARKS,
        };
        VkResult result =
            device->instance.vk.vkCreateQueryPool(device->handle, &queries, NULL, &device->queries);
        if (result != VK_SUCCESS) {
            device->queries = VK_NULL_HANDLE;
            status = kvant_vulkan_failed(device, "vkCreateQueryPool", result);
        }
    }
    return status;
}

void kvant_vulkan_queue_destroy(kvant_backend_device *device)
{
    const kvant_vulkan_symbols *vk = &device->instance.vk;
    for (uint32_t i = 0; i < KVANT_VULKAN_BATCHES; i++) {
        kvant_vulkan_batch *batch = &device->batches[i];
        vk->vkDestroyDescriptorPool(device->handle, batch->sets, NULL); /* null handles are fine */
        vk->vkDestroyFence(device->handle, batch->fence, NULL);
        vk->vkDestroyCommandPool(device->handle, batch->pool, NULL);
    }
    vk->vkDestroyQueryPool(device->handle, device->queries, NULL);
}

/* What a finished batch used is free again. */
static void retire(kvant_backend_device *device, kvant_vulkan_batch *batch)
{
    batch->is_pending = 0;
    device->done_serial = batch->serial;
    device->upload_tail = batch->staging_end;
}

/* Waits for a batch and for those before it: the queue ends them in order. */
static kvant_status wait_for_batch(kvant_backend_device *device, kvant_vulkan_batch *batch)
{
    if (!batch->is_pending) {
        return KVANT_OK;
    }
    const kvant_vulkan_symbols *vk = &device->instance.vk;
    VkResult result = vk->vkWaitForFences(device->handle, 1, &batch->fence, VK_TRUE, UINT64_MAX);
    if (result != VK_SUCCESS) {
        return kvant_vulkan_failed(device, "vkWaitForFences", result);
    }
    for (uint32_t i = 0; i < KVANT_VULKAN_BATCHES; i++) { /* the oldest first */
        kvant_vulkan_batch *other = &device->batches[(device->current + i) % KVANT_VULKAN_BATCHES];
        if (other->is_pending && other->serial <= batch->serial) {
            retire(device, other);
        }
    }
    kvant_vulkan_reap(device, 0);
    return KVANT_OK;
}

static kvant_status start_batch(kvant_backend_device *device, kvant_vulkan_batch *batch)
{
    const kvant_vulkan_symbols *vk = &device->instance.vk;
    kvant_status status = wait_for_batch(device, batch);
    if (status != KVANT_OK) {
        return status;
    }
    VkResult result = vk->vkResetCommandPool(device->handle, batch->pool, 0);
    if (result != VK_SUCCESS) {
        return kvant_vulkan_failed(device, "vkResetCommandPool", result);
    }
    result = vk->vkResetDescriptorPool(device->handle, batch->sets, 0);
    if (result != VK_SUCCESS) {
        return kvant_vulkan_failed(device, "vkResetDescriptorPool", result);
    }
    VkCommandBufferBeginInfo begin = {
        .sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_BEGIN_INFO,
        .flags = VK_COMMAND_BUFFER_USAGE_ONE_TIME_SUBMIT_BIT,
    };
    result = vk->vkBeginCommandBuffer(batch->commands, &begin);
    if (result != VK_SUCCESS) {
        return kvant_vulkan_failed(device, "vkBeginCommandBuffer", result);
    }
    for (uint32_t i = 0; i < KVANT_VULKAN_SET_CACHE; i++) {
        batch->cache[i].count = 0;
    }
    batch->set_count = 0;
    batch->serial = device->recording_serial;
    batch->is_recording = 1;
    device->command_count = 0;
    return KVANT_OK;
}

kvant_status kvant_vulkan_begin_command(kvant_backend_device *device)
{
    kvant_status status = kvant_vulkan_alive(device);
    kvant_vulkan_batch *batch = &device->batches[device->current];
    if (status == KVANT_OK && batch->is_recording &&
        (device->command_count >= KVANT_VULKAN_BATCH_COMMANDS ||
         batch->set_count >= KVANT_VULKAN_BATCH_SETS)) {
        status = kvant_vulkan_flush(device);
        batch = &device->batches[device->current];
    }
    if (status == KVANT_OK && !batch->is_recording) {
        status = start_batch(device, batch);
    }
    return status;
}

void kvant_vulkan_order(kvant_backend_device *device, uint32_t count,
                        struct kvant_backend_buffer *const *buffers, uint32_t writes)
{
    kvant_vulkan_batch *batch = &device->batches[device->current];
    int is_needed = 0;
    for (uint32_t i = 0; i < count; i++) {
        is_needed |= buffers[i]->last_write > device->barrier;
        is_needed |= (writes >> i & 1u) != 0 && buffers[i]->last_read > device->barrier;
    }
    if (is_needed) {
        VkMemoryBarrier barrier = {
            .sType = VK_STRUCTURE_TYPE_MEMORY_BARRIER,
            .srcAccessMask = VK_ACCESS_SHADER_WRITE_BIT | VK_ACCESS_TRANSFER_WRITE_BIT,
            .dstAccessMask = VK_ACCESS_SHADER_READ_BIT | VK_ACCESS_SHADER_WRITE_BIT |
                             VK_ACCESS_TRANSFER_READ_BIT | VK_ACCESS_TRANSFER_WRITE_BIT,
        };
        VkPipelineStageFlags stages =
            VK_PIPELINE_STAGE_COMPUTE_SHADER_BIT | VK_PIPELINE_STAGE_TRANSFER_BIT;
        device->instance.vk.vkCmdPipelineBarrier(batch->commands, stages, stages, 0, 1, &barrier, 0,
                                                 NULL, 0, NULL);
        device->barrier = device->command;
    }
    device->command++;
    device->command_count++;
    for (uint32_t i = 0; i < count; i++) {
        buffers[i]->last_use = batch->serial;
        if ((writes >> i & 1u) != 0) {
            buffers[i]->last_write = device->command;
        } else {
            buffers[i]->last_read = device->command;
        }
    }
}

/* Notices, without waiting, which batches are done. */
static kvant_status poll_batches(kvant_backend_device *device)
{
    for (uint32_t i = 0; i < KVANT_VULKAN_BATCHES; i++) { /* the oldest first */
        kvant_vulkan_batch *batch = &device->batches[(device->current + i) % KVANT_VULKAN_BATCHES];
        if (!batch->is_pending) {
            continue;
        }
        VkResult result = device->instance.vk.vkGetFenceStatus(device->handle, batch->fence);
        if (result == VK_NOT_READY) {
            break;
        }
        if (result != VK_SUCCESS) {
            return kvant_vulkan_failed(device, "vkGetFenceStatus", result);
        }
        retire(device, batch);
    }
    kvant_vulkan_reap(device, 0);
    return KVANT_OK;
}

kvant_status kvant_vulkan_flush(kvant_backend_device *device)
{
    const kvant_vulkan_symbols *vk = &device->instance.vk;
    kvant_status status = kvant_vulkan_alive(device);
    kvant_vulkan_batch *batch = &device->batches[device->current];
    if (status != KVANT_OK || !batch->is_recording) {
        return status;
    }
    batch->is_recording = 0;
    const char *call = "vkEndCommandBuffer";
    VkResult result = vk->vkEndCommandBuffer(batch->commands);
    if (result == VK_SUCCESS) {
        call = "vkResetFences";
        result = vk->vkResetFences(device->handle, 1, &batch->fence);
    }
    if (result == VK_SUCCESS) {
        VkSubmitInfo submit = {
            .sType = VK_STRUCTURE_TYPE_SUBMIT_INFO,
            .commandBufferCount = 1,
            .pCommandBuffers = &batch->commands,
        };
        call = "vkQueueSubmit";
        result = vk->vkQueueSubmit(device->queue, 1, &submit, batch->fence);
    }
    if (result != VK_SUCCESS) {
        device->is_lost = 1; /* commands that were accepted will never be executed */
        return kvant_vulkan_failed(device, call, result);
    }
    batch->is_pending = 1;
    batch->staging_end = device->upload_head;
    device->recording_serial++;
    device->current = (device->current + 1u) % KVANT_VULKAN_BATCHES;
    return poll_batches(device);
}

kvant_status kvant_vulkan_wait(kvant_backend_device *device, uint64_t serial)
{
    kvant_status status = KVANT_OK;
    if (serial >= device->recording_serial) {
        status = kvant_vulkan_flush(device);
    }
    for (uint32_t i = 0; i < KVANT_VULKAN_BATCHES && status == KVANT_OK; i++) {
        if (device->batches[i].serial == serial) {
            status = wait_for_batch(device, &device->batches[i]);
        }
    }
    return status;
}

kvant_status kvant_vulkan_synchronize(kvant_backend_device *device)
{
    kvant_status status = kvant_vulkan_flush(device);
    if (status == KVANT_OK) {
        status = kvant_vulkan_wait(device, device->recording_serial - 1u);
    }
    return status;
}

static double host_microseconds(void)
{
    struct timespec now;
    timespec_get(&now, TIME_UTC);
    return (double)now.tv_sec * 1e6 + (double)now.tv_nsec * 1e-3;
}

kvant_status kvant_vulkan_mark(kvant_backend_device *device, uint32_t slot)
{
    const kvant_vulkan_symbols *vk = &device->instance.vk;
    if (device->timestamp_bits == 0) {
        kvant_status status = kvant_vulkan_synchronize(device);
        if (status == KVANT_OK) {
            device->host_marks[slot] = host_microseconds();
        }
        return status;
    }
    kvant_status status = kvant_vulkan_begin_command(device);
    if (status != KVANT_OK) {
        return status;
    }
    VkCommandBuffer commands = device->batches[device->current].commands;
    vk->vkCmdResetQueryPool(commands, device->queries, slot, 1);
    vk->vkCmdWriteTimestamp(commands, VK_PIPELINE_STAGE_BOTTOM_OF_PIPE_BIT, device->queries, slot);
    device->command_count++;
    return KVANT_OK;
}

kvant_status kvant_vulkan_elapsed(kvant_backend_device *device, uint32_t from, uint32_t to,
                                  double *out_microseconds)
{
    if (device->timestamp_bits == 0) {
        *out_microseconds = device->host_marks[to] - device->host_marks[from];
        return KVANT_OK;
    }
    kvant_status status = kvant_vulkan_synchronize(device);
    if (status != KVANT_OK) {
        return status;
    }
    const uint32_t slots[2] = {from, to};
    uint64_t stamps[2];
    VkResult result = VK_SUCCESS;
    for (int i = 0; i < 2 && result == VK_SUCCESS; i++) {
        result = device->instance.vk.vkGetQueryPoolResults(
            device->handle, device->queries, slots[i], 1, sizeof stamps[i], &stamps[i],
            sizeof stamps[i], VK_QUERY_RESULT_64_BIT);
    }
    if (result == VK_NOT_READY) {
        const kvant_services *services = device->services;
        return services->report(services, KVANT_ERROR_INVALID_STATE, "vulkan",
                                "both marks must be set before the time between them is asked for");
    }
    if (result != VK_SUCCESS) {
        return kvant_vulkan_failed(device, "vkGetQueryPoolResults", result);
    }
    uint64_t ticks = stamps[1] - stamps[0];
    if (device->timestamp_bits < 64u) {
        ticks &= (UINT64_C(1) << device->timestamp_bits) - 1u; /* the counter wraps */
    }
    *out_microseconds = (double)ticks * device->timestamp_nanoseconds * 1e-3;
    return KVANT_OK;
}

uint64_t kvant_vulkan_submissions(const kvant_backend_device *device)
{
    return device->recording_serial - 1u;
}
