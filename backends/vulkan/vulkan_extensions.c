/* SPDX-License-Identifier: MIT
 *
 * What a device has beyond Vulkan 1.1, which variants of kernels rely on, and how it is asked for.
 */
#include "vulkan_internal.h"

void kvant_vulkan_find_extensions(kvant_backend_device *device)
{
    /* who has the extension has its feature */
    device->has_dot_products = kvant_vulkan_has_extension(
        &device->instance, device->physical, VK_KHR_SHADER_INTEGER_DOT_PRODUCT_EXTENSION_NAME);
    device->matrix = kvant_vulkan_find_matrix(&device->instance, device->physical, device->lanes);
}

void kvant_vulkan_ask_for_extensions(const kvant_backend_device *device,
                                     kvant_vulkan_request *request)
{
    *request = (kvant_vulkan_request){.count = 0};
    request->dot_products = (VkPhysicalDeviceShaderIntegerDotProductFeaturesKHR){
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SHADER_INTEGER_DOT_PRODUCT_FEATURES_KHR,
        .shaderIntegerDotProduct = VK_TRUE,
    };
    request->bytes = (VkPhysicalDeviceShaderFloat16Int8FeaturesKHR){
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SHADER_FLOAT16_INT8_FEATURES_KHR,
        .shaderInt8 = VK_TRUE,
    };
    request->memory_model = (VkPhysicalDeviceVulkanMemoryModelFeaturesKHR){
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_MEMORY_MODEL_FEATURES_KHR,
        .pNext = &request->bytes,
        .vulkanMemoryModel = VK_TRUE,
    };
    request->matrices = (VkPhysicalDeviceCooperativeMatrixFeaturesKHR){
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_COOPERATIVE_MATRIX_FEATURES_KHR,
        .pNext = &request->memory_model,
        .cooperativeMatrix = VK_TRUE,
    };
    if (device->matrix.rows != 0u) {
        request->features = &request->matrices;
        request->extensions[request->count++] = VK_KHR_COOPERATIVE_MATRIX_EXTENSION_NAME;
        request->extensions[request->count++] = VK_KHR_VULKAN_MEMORY_MODEL_EXTENSION_NAME;
        request->extensions[request->count++] = VK_KHR_SHADER_FLOAT16_INT8_EXTENSION_NAME;
    }
    if (device->has_dot_products) {
        request->dot_products.pNext = request->features;
        request->features = &request->dot_products;
        request->extensions[request->count++] = VK_KHR_SHADER_INTEGER_DOT_PRODUCT_EXTENSION_NAME;
    }
}

uint32_t kvant_vulkan_capabilities(const kvant_backend_device *device,
                                   const VkPhysicalDeviceSubgroupProperties *subgroup)
{
    uint32_t capabilities = device->matrix.rows != 0u ? KVANT_CAPABILITY_VK_MATRIX : 0u;
    if (device->lanes == KVANT_VULKAN_NARROW_LANES && subgroup->subgroupSize == device->lanes &&
        (subgroup->supportedStages & VK_SHADER_STAGE_COMPUTE_BIT) != 0 &&
        (subgroup->supportedOperations & VK_SUBGROUP_FEATURE_SHUFFLE_BIT) != 0) {
        capabilities |= KVANT_CAPABILITY_SUBGROUP_OF_8;
    }
    if (device->has_dot_products) {
        VkPhysicalDeviceShaderIntegerDotProductPropertiesKHR dot_products = {
            .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SHADER_INTEGER_DOT_PRODUCT_PROPERTIES_KHR,
        };
        VkPhysicalDeviceProperties2 properties = {
            .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_PROPERTIES_2,
            .pNext = &dot_products,
        };
        device->instance.vk.vkGetPhysicalDeviceProperties2(device->physical, &properties);
        capabilities |= KVANT_CAPABILITY_INT8_DOT;
        if (!dot_products.integerDotProduct4x8BitPackedUnsignedAccelerated ||
            !dot_products.integerDotProduct4x8BitPackedSignedAccelerated ||
            !dot_products.integerDotProduct4x8BitPackedMixedSignednessAccelerated) {
            capabilities |= KVANT_CAPABILITY_SLOW(KVANT_CAPABILITY_INT8_DOT);
        }
    }
    return capabilities;
}
