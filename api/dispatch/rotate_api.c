/* SPDX-License-Identifier: MIT
 *
 * The entry point of kvant/ops.h for rotations.
 */
#include "arith.h"
#include "kvant/ops.h"
#include "layout.h"
#include "ops_internal.h"
#include "validate.h"

static kvant_status check_rotate(const kvant_context *context, const kvant_rotate_desc *desc,
                                 kvant_tensor *source, kvant_tensor *target)
{
    if (desc == NULL || desc->struct_size != sizeof *desc) {
        return kvant_fail(KVANT_ERROR_INVALID_ARGUMENT,
                          "a kvant_rotate_desc with its struct_size is needed");
    }
    if (desc->tokens == 0 || desc->heads == 0 || desc->heads > 4096) {
        return kvant_fail(KVANT_ERROR_INVALID_ARGUMENT,
                          "tokens or heads is 0, or above 4096 heads");
    }
    if (desc->is_inverse > 1u || desc->is_cached > 1u) {
        return kvant_fail(KVANT_ERROR_INVALID_ARGUMENT,
                          "is_inverse is %u and is_cached %u, neither 0 nor 1", desc->is_inverse,
                          desc->is_cached);
    }
    kvant_shape shape = {1, desc->tokens, desc->heads, desc->dim};
    kvant_status status = kvant_check_dim("dim", desc->dim);
    if (status == KVANT_OK) {
        status = kvant_check_tensor(context, "source", &desc->source, shape, 0, source);
    }
    if (status == KVANT_OK) {
        status = kvant_check_tensor(context, "target", &desc->target, shape,
                                    KVANT_TENSOR_OUTPUT | KVANT_TENSOR_CONTIGUOUS, target);
    }
    if (status == KVANT_OK && source->buffer == target->buffer) {
        status = kvant_fail(KVANT_ERROR_INVALID_ARGUMENT, "source and target are the same buffer");
    }
    return status;
}

kvant_status kvant_rotate(kvant_context *context, const kvant_rotate_desc *desc)
{
    if (context == NULL) {
        return kvant_fail(KVANT_ERROR_INVALID_ARGUMENT, "context is NULL");
    }
    kvant_tensor source;
    kvant_tensor target;
    kvant_status status = kvant_require_alive(context);
    if (status == KVANT_OK) {
        status = check_rotate(context, desc, &source, &target);
    }
    if (status != KVANT_OK) {
        return status;
    }
    kv_rotate_params p = {
        .source = kvant_view_of(&source, 0, 0),
        .tokens = desc->tokens,
        .heads = desc->heads,
        .dim = desc->dim,
        .target_offset = (uint32_t)target.offset,
        .target_token_stride = (uint32_t)target.token_stride,
        .target_head_stride = (uint32_t)target.head_stride,
        .target_dtype = (uint32_t)target.dtype,
        .form = (desc->is_inverse != 0u ? KV_ROTATE_INVERSE : 0u) |
                (desc->is_cached != 0u ? KV_ROTATE_CACHED : 0u),
        .status_offset = KV_NO_OFFSET,
    };
    kvant_rotation_signs(desc->seed, p.signs);
    kvant_buffer *buffers[4] = {source.buffer, NULL, target.buffer, NULL};
    return kvant_launch_kernel(context, KVANT_KERNEL_rotate, &p, buffers, 4);
}
