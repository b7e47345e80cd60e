/* SPDX-License-Identifier: MIT
 *
 * kvant/buffer.h: device memory, and tensors that lie in it.
 *
 * All calls belong to the thread that uses the context. Work is queued in order: a call sees the
 * effects of the calls before it.
 */
#ifndef KVANT_BUFFER_H
#define KVANT_BUFFER_H

#include "kvant/context.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct kvant_buffer kvant_buffer;

/* `bytes` (not 0) of zeroed device memory, rounded up to a multiple of 4.
 * Errors: OUT_OF_DEVICE_MEMORY, LIMIT (more than a kernel of this device can bind). */
KVANT_API kvant_status kvant_buffer_create(kvant_context *context, uint64_t bytes,
                                           kvant_buffer **out_buffer) KVANT_CHECK_RESULT;
KVANT_API void kvant_buffer_destroy(kvant_buffer *buffer);
KVANT_API uint64_t kvant_buffer_size(const kvant_buffer *buffer);

/* Host to device; `data` may be reused at once. Offset and size in bytes, multiples of 4. */
KVANT_API kvant_status kvant_buffer_write(kvant_buffer *buffer, uint64_t offset, const void *data,
                                          uint64_t bytes) KVANT_CHECK_RESULT;

/* Device to host; waits for all queued work. */
KVANT_API kvant_status kvant_buffer_read(kvant_buffer *buffer, uint64_t offset, void *out_data,
                                         uint64_t bytes) KVANT_CHECK_RESULT;

/* Device to device; ranges of one buffer must not overlap. */
KVANT_API kvant_status kvant_buffer_copy(kvant_buffer *source, uint64_t source_offset,
                                         kvant_buffer *target, uint64_t target_offset,
                                         uint64_t bytes) KVANT_CHECK_RESULT;

/* Repeats a 32-bit word. */
KVANT_API kvant_status kvant_buffer_fill(kvant_buffer *buffer, uint64_t offset, uint32_t word,
                                         uint64_t bytes) KVANT_CHECK_RESULT;

typedef enum kvant_dtype { KVANT_F16 = 0, KVANT_BF16 = 1, KVANT_F32 = 2 } kvant_dtype;

/*
 * A tensor [token][head][channel] in a buffer. Offset and strides are in elements; a stride of 0
 * means contiguous: channel_stride 1, head_stride D, token_stride heads * D. Where a tensor has
 * several sequences, sequence_stride 0 means tokens * token_stride.
 */
typedef struct kvant_tensor {
    kvant_buffer *buffer;
    kvant_dtype dtype;
    uint64_t offset;
    uint64_t sequence_stride;
    uint64_t token_stride;
    uint64_t head_stride;
    uint64_t channel_stride;
} kvant_tensor;

#ifdef __cplusplus
}
#endif

#endif
