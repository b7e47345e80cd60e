/* SPDX-License-Identifier: MIT
 *
 * Between host and buffers, and between buffers. Small uploads travel in the command buffer, larger
 * ones through a ring of mapped memory; downloads through a mapped buffer of their own.
 */
#include <string.h>

#include "vulkan_internal.h"

/* A contiguous piece of the upload ring, at most `bytes` long. Waits only when the ring is full. */
static kvant_status take_staging(kvant_backend_device *device, uint64_t bytes, uint64_t *out_offset,
                                 uint64_t *out_bytes)
{
    uint64_t size = device->staging_bytes;
    kvant_status status = KVANT_OK;
    while (status == KVANT_OK && device->upload_head - device->upload_tail == size) {
        /* every byte is in a batch that is pending or being recorded */
        status = kvant_vulkan_flush(device);
        if (status == KVANT_OK && device->upload_head - device->upload_tail == size) {
            status = kvant_vulkan_wait(device, device->done_serial + 1u);
        }
    }
    uint64_t offset = device->upload_head % size;
    uint64_t room = size - (device->upload_head - device->upload_tail);
    room = room < size - offset ? room : size - offset;
    *out_offset = offset;
    *out_bytes = bytes < room ? bytes : room;
    return status;
}

static kvant_status upload_piece(kvant_backend_device *device, kvant_backend_buffer *buffer,
                                 uint64_t offset, const void *data, uint64_t bytes,
                                 uint64_t *out_bytes)
{
    const kvant_vulkan_symbols *vk = &device->instance.vk;
    uint64_t at = 0;
    kvant_status status = take_staging(device, bytes, &at, out_bytes);
    if (status == KVANT_OK) {
        status = kvant_vulkan_begin_command(device);
    }
    if (status != KVANT_OK) {
        return status;
    }
    memcpy(device->upload.mapped + at, data, (size_t)*out_bytes);
    device->upload_head += *out_bytes;
    kvant_vulkan_order(device, 1, &buffer, 1u);
    VkBufferCopy region = {.srcOffset = at, .dstOffset = offset, .size = *out_bytes};
    vk->vkCmdCopyBuffer(device->batches[device->current].commands, device->upload.buffer.handle,
                        buffer->handle, 1, &region);
    return KVANT_OK;
}

kvant_status kvant_vulkan_upload(kvant_backend_device *device, kvant_backend_buffer *buffer,
                                 uint64_t offset, const void *data, uint64_t bytes)
{
    const unsigned char *next = data;
    if (bytes != 0 && bytes <= KVANT_VULKAN_UPDATE_BYTES) {
        kvant_status status = kvant_vulkan_begin_command(device);
        if (status == KVANT_OK) {
            kvant_vulkan_order(device, 1, &buffer, 1u);
            device->instance.vk.vkCmdUpdateBuffer(device->batches[device->current].commands,
                                                  buffer->handle, offset, bytes, data);
        }
        return status;
    }
    kvant_status status = kvant_vulkan_alive(device);
    while (bytes != 0 && status == KVANT_OK) {
        uint64_t taken = 0;
        status = upload_piece(device, buffer, offset, next, bytes, &taken);
        next += taken;
        offset += taken;
        bytes -= taken;
    }
    return status;
}

static kvant_status download_piece(kvant_backend_device *device, kvant_backend_buffer *buffer,
                                   uint64_t offset, void *data, uint64_t bytes)
{
    const kvant_vulkan_symbols *vk = &device->instance.vk;
    kvant_status status = kvant_vulkan_begin_command(device);
    if (status != KVANT_OK) {
        return status;
    }
    VkCommandBuffer commands = device->batches[device->current].commands;
    struct kvant_backend_buffer *used[] = {buffer, &device->download.buffer};
    kvant_vulkan_order(device, 2, used, 2u);
    VkBufferCopy region = {.srcOffset = offset, .size = bytes};
    vk->vkCmdCopyBuffer(commands, buffer->handle, device->download.buffer.handle, 1, &region);
    VkMemoryBarrier barrier = {
        .sType = VK_STRUCTURE_TYPE_MEMORY_BARRIER,
        .srcAccessMask = VK_ACCESS_TRANSFER_WRITE_BIT,
        .dstAccessMask = VK_ACCESS_HOST_READ_BIT,
    };
    vk->vkCmdPipelineBarrier(commands, VK_PIPELINE_STAGE_TRANSFER_BIT, VK_PIPELINE_STAGE_HOST_BIT,
                             0, 1, &barrier, 0, NULL, 0, NULL);
    status = kvant_vulkan_synchronize(device);
    if (status == KVANT_OK) {
        memcpy(data, device->download.mapped, (size_t)bytes);
    }
    return status;
}

kvant_status kvant_vulkan_download(kvant_backend_device *device, kvant_backend_buffer *buffer,
                                   uint64_t offset, void *data, uint64_t bytes)
{
    unsigned char *next = data;
    kvant_status status = kvant_vulkan_alive(device);
    while (bytes != 0 && status == KVANT_OK) {
        uint64_t piece = bytes < device->staging_bytes ? bytes : device->staging_bytes;
        status = download_piece(device, buffer, offset, next, piece);
        next += piece;
        offset += piece;
        bytes -= piece;
    }
    return status;
}

kvant_status kvant_vulkan_copy(kvant_backend_device *device, kvant_backend_buffer *source,
                               uint64_t source_offset, kvant_backend_buffer *target,
                               uint64_t target_offset, uint64_t bytes)
{
    if (bytes == 0) {
        return kvant_vulkan_alive(device);
    }
    kvant_status status = kvant_vulkan_begin_command(device);
    if (status != KVANT_OK) {
        return status;
    }
    struct kvant_backend_buffer *used[] = {source, target};
    kvant_vulkan_order(device, 2, used, 2u);
    VkBufferCopy region = {.srcOffset = source_offset, .dstOffset = target_offset, .size = bytes};
    device->instance.vk.vkCmdCopyBuffer(device->batches[device->current].commands, source->handle,
                                        target->handle, 1, &region);
    return KVANT_OK;
}

kvant_status kvant_vulkan_fill(kvant_backend_device *device, kvant_backend_buffer *buffer,
                               uint64_t offset, uint32_t word, uint64_t bytes)
{
    if (bytes == 0) {
        return kvant_vulkan_alive(device);
    }
    kvant_status status = kvant_vulkan_begin_command(device);
    if (status != KVANT_OK) {
        return status;
    }
    kvant_vulkan_order(device, 1, &buffer, 1u);
    device->instance.vk.vkCmdFillBuffer(device->batches[device->current].commands, buffer->handle,
                                        offset, bytes, word);
    return KVANT_OK;
}
