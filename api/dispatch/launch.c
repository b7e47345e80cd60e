/* SPDX-License-Identifier: MIT
 *
 * One launch: build the kernel if need be, choose its variant, plan the grid, enqueue.
 */
#include "context_internal.h"
#include "params.h"
#include "plan.h"

static const struct {
    const char *name;
    uint32_t params_bytes;
} kernels[KVANT_KERNEL_COUNT] = {
#define KVANT_KERNEL(name, params, count, names, shape, exactness) {#name, sizeof(params)},
#include "kernels.def"
#undef KVANT_KERNEL
};

#define KVANT_KERNEL(name, params, count, names, shape, exactness)                                 \
    _Static_assert(sizeof(params) <= 128 && (count) <= KVANT_MAX_BINDINGS,                         \
                   "kernel " #name " exceeds the contract");
#include "kernels.def"
#undef KVANT_KERNEL

kvant_status kvant_finish(kvant_context *context, kvant_status status)
{
    if (status == KVANT_ERROR_DEVICE_LOST) {
        context->lost = true;
    }
    return status;
}

kvant_status kvant_require_alive(const kvant_context *context)
{
    if (context->lost) {
        return kvant_fail(KVANT_ERROR_DEVICE_LOST,
                          "the device was lost; destroy the context and what was made from it");
    }
    return KVANT_OK;
}

kvant_status kvant_prepare_kernel(kvant_context *context, kvant_kernel kernel)
{
    if (context->prepared[kernel]) {
        return KVANT_OK;
    }
    kvant_status status = kvant_finish(
        context, context->backend->prepare(
                     context->device, kernel,
                     kvant_variant_set(kernel, context->limits.capabilities, context->variant)));
    if (status == KVANT_OK) {
        context->prepared[kernel] = true;
        context->stats.kernels_built++;
    }
    return status;
}

kvant_status kvant_check_launch(const kvant_context *context, kvant_kernel kernel,
                                const void *params)
{
    uint32_t groups[3];
    if (!kvant_plan_groups(kernel, params, &context->limits, groups)) {
        return kvant_fail(KVANT_ERROR_LIMIT,
                          "%s: the launch exceeds the %u work-groups of this device",
                          kernels[kernel].name, context->limits.max_groups);
    }
    return KVANT_OK;
}

/* What a kernel's time counts as. */
static kvant_work work_of(kvant_kernel kernel)
{
    switch (kernel) {
    case KVANT_KERNEL_finite:
    case KVANT_KERNEL_append:
        return KVANT_WORK_APPEND;
    case KVANT_KERNEL_probe_rows:
    case KVANT_KERNEL_saliency_queries:
    case KVANT_KERNEL_saliency_rows:
    case KVANT_KERNEL_saliency_merge:
    case KVANT_KERNEL_saliency_columns:
    case KVANT_KERNEL_saliency_scores:
    case KVANT_KERNEL_saliency_pool:
    case KVANT_KERNEL_saliency_magnitudes:
    case KVANT_KERNEL_saliency_percentile:
    case KVANT_KERNEL_saliency_range:
    case KVANT_KERNEL_saliency_ranks:
        return KVANT_WORK_SALIENCY;
    case KVANT_KERNEL_select:
    case KVANT_KERNEL_positions:
    case KVANT_KERNEL_locate:
        return KVANT_WORK_SELECT;
    case KVANT_KERNEL_extrema:
    case KVANT_KERNEL_channel_scale:
    case KVANT_KERNEL_parameters:
    case KVANT_KERNEL_encode:
    case KVANT_KERNEL_encode_codebook:
    case KVANT_KERNEL_encode_norm:
    case KVANT_KERNEL_gather:
    case KVANT_KERNEL_codebook_histogram:
    case KVANT_KERNEL_codebook_levels:
    case KVANT_KERNEL_transcode:
        return KVANT_WORK_QUANTIZE;
    case KVANT_KERNEL_attention:
    case KVANT_KERNEL_attention_general:
    case KVANT_KERNEL_attention_latent:
        return KVANT_WORK_ATTENTION;
    case KVANT_KERNEL_attention_merge:
        return KVANT_WORK_MERGE;
    case KVANT_KERNEL_arithmetic:
    case KVANT_KERNEL_exchange:
    case KVANT_KERNEL_dequantize:
    case KVANT_KERNEL_rotate: /* the cache says what its rotations belong to */
    case KVANT_KERNEL_prefill:
    case KVANT_KERNEL_COUNT:
        break;
    }
    return KVANT_WORK_OTHER;
}

kvant_status kvant_launch_as(kvant_context *context, kvant_work work, kvant_kernel kernel,
                             const void *params, kvant_buffer *const *buffers, uint32_t count)
{
    kvant_status status = kvant_require_alive(context);
    if (status == KVANT_OK) {
        status = kvant_prepare_kernel(context, kernel);
    }
    if (status != KVANT_OK) {
        return status;
    }
    kvant_launch launch = {
        .kernel = kernel,
        .params = params,
        .variant =
            kvant_variant_of_launch(kernel, params, context->limits.capabilities, context->variant),
        .params_bytes = kernels[kernel].params_bytes,
        .binding_count = count,
    };
    if (!kvant_plan_groups(kernel, params, &context->limits, launch.groups)) {
        return kvant_check_launch(context, kernel, params);
    }
    if (launch.groups[0] == 0 || launch.groups[1] == 0 || launch.groups[2] == 0) {
        return KVANT_OK;
    }
    for (uint32_t i = 0; i < count; i++) {
        launch.bindings[i] = buffers[i] != NULL ? buffers[i]->native : context->unused->native;
    }
    context->stats.launches++;
    status = kvant_command_begin(context, work);
    if (status == KVANT_OK) {
        status = context->backend->launch(context->device, &launch);
    }
    return kvant_command_end(context, status);
}

kvant_status kvant_launch_kernel(kvant_context *context, kvant_kernel kernel, const void *params,
                                 kvant_buffer *const *buffers, uint32_t count)
{
    return kvant_launch_as(context, work_of(kernel), kernel, params, buffers, count);
}
