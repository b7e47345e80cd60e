/* SPDX-License-Identifier: MIT
 *
 * Device buffers: checks, then the backend.
 */
#include "checked.h"
#include "context_internal.h"

kvant_status kvant_buffer_create(kvant_context *context, uint64_t bytes, kvant_buffer **out_buffer)
{
    if (out_buffer == NULL) {
        return kvant_fail(KVANT_ERROR_INVALID_ARGUMENT, "out_buffer is NULL");
    }
    *out_buffer = NULL;
    if (context == NULL || bytes == 0) {
        return kvant_fail(KVANT_ERROR_INVALID_ARGUMENT,
                          "a buffer needs a context and a size above 0");
    }
    kvant_status status = kvant_require_alive(context);
    if (status != KVANT_OK) {
        return status;
    }
    bytes = kvant_round_up(bytes, 4);
    if (bytes > context->limits.max_buffer_bytes) {
        return kvant_fail(KVANT_ERROR_LIMIT,
                          "a buffer of %llu bytes is more than the %llu that a kernel of this "
                          "device can bind",
                          (unsigned long long)bytes,
                          (unsigned long long)context->limits.max_buffer_bytes);
    }
    kvant_buffer *buffer = kvant_allocate(&context->host, sizeof *buffer);
    if (buffer == NULL) {
        return kvant_fail(KVANT_ERROR_OUT_OF_HOST_MEMORY, "no memory for a buffer handle");
    }
    buffer->context = context;
    buffer->bytes = bytes;
    status = kvant_finish(context,
                          context->backend->buffer_create(context->device, bytes, &buffer->native));
    if (status != KVANT_OK) {
        kvant_release(&context->host, buffer);
        return status;
    }
    context->stats.device_allocations++;
    *out_buffer = buffer;
    return KVANT_OK;
}

void kvant_buffer_destroy(kvant_buffer *buffer)
{
    if (buffer == NULL) {
        return;
    }
    kvant_context *context = buffer->context;
    context->backend->buffer_destroy(context->device, buffer->native);
    kvant_release(&context->host, buffer);
}

uint64_t kvant_buffer_size(const kvant_buffer *buffer)
{
    return buffer != NULL ? buffer->bytes : 0;
}

static kvant_status check_range(const kvant_buffer *buffer, const char *what, uint64_t offset,
                                uint64_t bytes)
{
    if (buffer == NULL) {
        return kvant_fail(KVANT_ERROR_INVALID_ARGUMENT, "%s is NULL", what);
    }
    if (offset % 4 != 0 || bytes % 4 != 0) {
        return kvant_fail(KVANT_ERROR_INVALID_ARGUMENT,
                          "%s: offset %llu and size %llu must be multiples of 4", what,
                          (unsigned long long)offset, (unsigned long long)bytes);
    }
    if (kvant_add(offset, bytes) > buffer->bytes) {
        return kvant_fail(KVANT_ERROR_INVALID_ARGUMENT,
                          "%s: bytes %llu to %llu lie beyond its %llu", what,
                          (unsigned long long)offset, (unsigned long long)kvant_add(offset, bytes),
                          (unsigned long long)buffer->bytes);
    }
    return kvant_require_alive(buffer->context);
}

kvant_status kvant_buffer_write(kvant_buffer *buffer, uint64_t offset, const void *data,
                                uint64_t bytes)
{
    kvant_status status = check_range(buffer, "buffer", offset, bytes);
    if (status != KVANT_OK || bytes == 0) {
        return status;
    }
    if (data == NULL) {
        return kvant_fail(KVANT_ERROR_INVALID_ARGUMENT, "data is NULL");
    }
    kvant_context *context = buffer->context;
    context->stats.commands++;
    return kvant_finish(
        context, context->backend->upload(context->device, buffer->native, offset, data, bytes));
}

kvant_status kvant_buffer_read(kvant_buffer *buffer, uint64_t offset, void *out_data,
                               uint64_t bytes)
{
    kvant_status status = check_range(buffer, "buffer", offset, bytes);
    if (status != KVANT_OK || bytes == 0) {
        return status;
    }
    if (out_data == NULL) {
        return kvant_fail(KVANT_ERROR_INVALID_ARGUMENT, "out_data is NULL");
    }
    kvant_context *context = buffer->context;
    context->stats.commands++;
    context->stats.synchronizations++;
    return kvant_finish(context, context->backend->download(context->device, buffer->native, offset,
                                                            out_data, bytes));
}

kvant_status kvant_buffer_copy(kvant_buffer *source, uint64_t source_offset, kvant_buffer *target,
                               uint64_t target_offset, uint64_t bytes)
{
    kvant_status status = check_range(source, "source", source_offset, bytes);
    if (status == KVANT_OK) {
        status = check_range(target, "target", target_offset, bytes);
    }
    if (status != KVANT_OK || bytes == 0) {
        return status;
    }
    if (source->context != target->context) {
        return kvant_fail(KVANT_ERROR_INVALID_ARGUMENT,
                          "source and target belong to different contexts");
    }
    if (source == target && source_offset < target_offset + bytes &&
        target_offset < source_offset + bytes) {
        return kvant_fail(KVANT_ERROR_INVALID_ARGUMENT, "source and target overlap");
    }
    kvant_context *context = source->context;
    status = kvant_command_begin(context, KVANT_WORK_OTHER);
    if (status == KVANT_OK) {
        status = context->backend->copy(context->device, source->native, source_offset,
                                        target->native, target_offset, bytes);
    }
    return kvant_command_end(context, status);
}

kvant_status kvant_buffer_fill(kvant_buffer *buffer, uint64_t offset, uint32_t word, uint64_t bytes)
{
    kvant_status status = check_range(buffer, "buffer", offset, bytes);
    if (status != KVANT_OK || bytes == 0) {
        return status;
    }
    kvant_context *context = buffer->context;
    status = kvant_command_begin(context, KVANT_WORK_OTHER);
    if (status == KVANT_OK) {
        status = context->backend->fill(context->device, buffer->native, offset, word, bytes);
    }
    return kvant_command_end(context, status);
}
