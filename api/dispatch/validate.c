/* SPDX-License-Identifier: MIT
 *
 * Checks of caller tensors and buffers.
 */
#include "validate.h"

#include "checked.h"
#include "layout.h"

kvant_status kvant_check_dim(const char *name, uint32_t dim)
{
    if (dim < 8 || dim > KV_MAX_HEAD_DIM || dim % 8 != 0) {
        return kvant_fail(KVANT_ERROR_INVALID_ARGUMENT,
                          "%s is %u, not a multiple of 8 from 8 to %u", name, dim, KV_MAX_HEAD_DIM);
    }
    return KVANT_OK;
}

kvant_status kvant_check_scale(float scale)
{
    /* below that, folded queries would come near the subnormal floats */
    if (scale != 0.0f && !(scale >= 9.5367431640625e-7f && scale <= 1024.0f)) {
        return kvant_fail(KVANT_ERROR_INVALID_ARGUMENT,
                          "scale is %g, neither 0 (the default) nor from 2^-20 to 1024",
                          (double)scale);
    }
    return KVANT_OK;
}

kvant_status kvant_check_pooling(kvant_pooling pooling, uint32_t tokens)
{
    if (pooling == KVANT_POOLING_NONE && tokens == 0) {
        return KVANT_OK;
    }
    if (pooling == KVANT_POOLING_NONE || (uint32_t)pooling > KVANT_POOLING_MAX || tokens < 3 ||
        tokens > KV_POOL_MAX || tokens % 2 == 0) {
        return kvant_fail(KVANT_ERROR_INVALID_ARGUMENT,
                          "pool takes an odd number of tokens, 3 to 63; without pooling none");
    }
    return KVANT_OK;
}

bool kvant_is_quantized_codec(kvant_codec codec)
{
    return (codec >= KVANT_CODEC_INT2 && codec <= KVANT_CODEC_INT4) || codec == KVANT_CODEC_INT8 ||
           codec == KVANT_CODEC_INT8_SYMMETRIC || codec == KVANT_CODEC_INT1 ||
           (codec >= KVANT_CODEC_NF4 && codec <= KVANT_CODEC_LLOYD4);
}

bool kvant_keeps_norm_of(kvant_grouping grouping)
{
    return grouping == KVANT_GROUPING_TOKEN_HEAD || grouping == KVANT_GROUPING_TOKEN_CHANNELS;
}

bool kvant_is_group_length(kvant_grouping grouping, uint32_t length)
{
    if (grouping == KVANT_GROUPING_TOKEN_CHANNELS) {
        return length == 8 || length == 16 ||
               (length != 0 && length % KV_CHUNK == 0 && length <= KV_MAX_HEAD_DIM);
    }
    if (grouping == KVANT_GROUPING_CHANNEL_TOKENS) {
        return length != 0 && length % KV_CHUNK == 0 && length <= KVANT_MAX_TOKEN_GROUP;
    }
    return length == 0;
}

kvant_status kvant_check_words(const kvant_context *context, const char *name,
                               const kvant_buffer *buffer, uint64_t offset, uint64_t words)
{
    if (buffer == NULL || buffer->context != context) {
        return kvant_fail(KVANT_ERROR_INVALID_ARGUMENT, "%s: %s", name,
                          buffer == NULL ? "the buffer is NULL"
                                         : "the buffer belongs to another context");
    }
    uint64_t end = kvant_multiply(kvant_add(offset, words), 4);
    if (end > buffer->bytes) {
        return kvant_fail(KVANT_ERROR_INVALID_ARGUMENT,
                          "%s: needs %llu bytes of a buffer that has %llu", name,
                          (unsigned long long)end, (unsigned long long)buffer->bytes);
    }
    return KVANT_OK;
}

static uint64_t last_element(const kvant_tensor *t, kvant_shape shape)
{
    uint64_t last = t->offset;
    last = kvant_add(last, kvant_multiply(shape.sequences - 1u, t->sequence_stride));
    last = kvant_add(last, kvant_multiply(shape.tokens - 1u, t->token_stride));
    last = kvant_add(last, kvant_multiply(shape.heads - 1u, t->head_stride));
    return kvant_add(last, kvant_multiply(shape.dim - 1u, t->channel_stride));
}

kvant_status kvant_check_tensor(const kvant_context *context, const char *name,
                                const kvant_tensor *tensor, kvant_shape shape, unsigned flags,
                                kvant_tensor *out_resolved)
{
    if (tensor == NULL) {
        return kvant_fail(KVANT_ERROR_INVALID_ARGUMENT, "%s: the tensor is NULL", name);
    }
    if (tensor->dtype != KVANT_F16 && tensor->dtype != KVANT_F32 &&
        (tensor->dtype != KVANT_BF16 || (flags & KVANT_TENSOR_OUTPUT) != 0)) {
        return kvant_fail(KVANT_ERROR_INVALID_ARGUMENT, "%s: dtype %d is not possible here", name,
                          (int)tensor->dtype);
    }
    kvant_tensor t = *tensor;
    t.channel_stride = t.channel_stride != 0 ? t.channel_stride : 1;
    t.head_stride =
        t.head_stride != 0 ? t.head_stride : kvant_multiply(shape.dim, t.channel_stride);
    t.token_stride =
        t.token_stride != 0 ? t.token_stride : kvant_multiply(shape.heads, t.head_stride);
    t.sequence_stride =
        t.sequence_stride != 0 ? t.sequence_stride : kvant_multiply(shape.tokens, t.token_stride);
    if ((flags & KVANT_TENSOR_CONTIGUOUS) != 0 && t.channel_stride != 1) {
        return kvant_fail(KVANT_ERROR_INVALID_ARGUMENT, "%s: channel_stride must be 1 here", name);
    }
    if ((flags & KVANT_TENSOR_OUTPUT) != 0 && t.dtype == KVANT_F16 &&
        (t.offset | t.sequence_stride | t.token_stride | t.head_stride) % 2 != 0) {
        return kvant_fail(KVANT_ERROR_INVALID_ARGUMENT,
                          "%s: an f16 output needs an even offset and even strides", name);
    }
    uint64_t elements = kvant_add(last_element(&t, shape), 1);
    if (elements > UINT32_MAX) {
        return kvant_fail(KVANT_ERROR_LIMIT, "%s: more than 2^32 elements are addressed", name);
    }
    uint64_t words = t.dtype == KVANT_F32 ? elements : (elements + 1) / 2;
    kvant_status status = kvant_check_words(context, name, t.buffer, 0, words);
    if (status == KVANT_OK) {
        *out_resolved = t;
    }
    return status;
}

kv_view kvant_view_of(const kvant_tensor *resolved, uint32_t sequence, uint32_t first)
{
    return (kv_view){
        .offset = (uint32_t)(resolved->offset + sequence * resolved->sequence_stride),
        .token_stride = (uint32_t)resolved->token_stride,
        .head_stride = (uint32_t)resolved->head_stride,
        .channel_stride = (uint32_t)resolved->channel_stride,
        .dtype = (uint32_t)resolved->dtype,
        .first = first,
        .wrap = KV_NO_OFFSET,
    };
}
