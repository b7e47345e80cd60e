/* SPDX-License-Identifier: MIT
 *
 * The first dispatch of a kernel, of no work-groups: drivers for CPUs generate machine code when they
 * meet a pipeline in a command buffer, and prepare() must leave nothing to compile.
 */
#include "vulkan_internal.h"

#define WARM_UP_BYTES 256u

static kvant_status dispatch_nothing(kvant_backend_device *device, kvant_kernel kernel,
                                     kvant_variant variant, uint32_t binding_count,
                                     VkPipeline pipeline, kvant_backend_buffer *buffer)
{
    static const unsigned char params[KVANT_VULKAN_PUSH_BYTES];
    kvant_launch launch = {
        .kernel = kernel,
        .variant = variant,
        .params = params,
        .params_bytes = sizeof params,
        .binding_count = binding_count,
    };
    for (uint32_t i = 0; i < binding_count; i++) {
        launch.bindings[i] = buffer;
    }
    return kvant_vulkan_dispatch(device, &launch, pipeline);
}

kvant_status kvant_vulkan_warm_up(kvant_backend_device *device, kvant_kernel kernel,
                                  kvant_variant variant, uint32_t binding_count)
{
    const VkPipeline *pipelines = device->pipelines[kernel][variant];
    kvant_backend_buffer *buffer = NULL;
    kvant_status status = kvant_vulkan_buffer_create(device, WARM_UP_BYTES, &buffer);
    for (uint32_t i = 0; status == KVANT_OK && i < KVANT_VULKAN_CHOICES; i++) {
        if (pipelines[i] != VK_NULL_HANDLE) {
            status = dispatch_nothing(device, kernel, variant, binding_count, pipelines[i], buffer);
        }
    }
    if (status == KVANT_OK) {
        status = kvant_vulkan_synchronize(device);
    }
    if (buffer != NULL) {
        kvant_vulkan_buffer_destroy(device, buffer);
    }
    return status;
}
