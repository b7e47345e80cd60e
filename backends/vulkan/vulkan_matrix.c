/* SPDX-License-Identifier: MIT
 *
 * The matrices that subgroups of a device multiply (VK_KHR_cooperative_matrix), for attention's variant
 * `matrix`: unsigned by unsigned bytes into 32 bits, in a shape that the shader can take.
 */
#include "embedded.h"
#include "vulkan_internal.h"

/* Shapes that are looked at: room for all that a device may have, without an allocation that may fail. */
enum { MOST_SHAPES = 128 };

extern const kvant_embedded kvant_vulkan_shaders[];

/* The shader needs an extension of GLSL, so a build may be without it (CMakeLists.txt). */
static int has_shader(void)
{
    return kvant_embedded_find(kvant_vulkan_shaders, "attention_matrix.spv") != NULL;
}

static int has_extensions(const kvant_vulkan_instance *instance, VkPhysicalDevice physical)
{
    return kvant_vulkan_has_extension(instance, physical,
                                      VK_KHR_COOPERATIVE_MATRIX_EXTENSION_NAME) &&
           kvant_vulkan_has_extension(instance, physical,
                                      VK_KHR_VULKAN_MEMORY_MODEL_EXTENSION_NAME) &&
           kvant_vulkan_has_extension(instance, physical,
                                      VK_KHR_SHADER_FLOAT16_INT8_EXTENSION_NAME);
}

static int has_features(const kvant_vulkan_instance *instance, VkPhysicalDevice physical)
{
    VkPhysicalDeviceShaderFloat16Int8FeaturesKHR bytes = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SHADER_FLOAT16_INT8_FEATURES_KHR,
    };
    VkPhysicalDeviceVulkanMemoryModelFeaturesKHR memory_model = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_MEMORY_MODEL_FEATURES_KHR,
        .pNext = &bytes,
    };
    VkPhysicalDeviceCooperativeMatrixFeaturesKHR matrices = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_COOPERATIVE_MATRIX_FEATURES_KHR,
        .pNext = &memory_model,
    };
    VkPhysicalDeviceFeatures2 features = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_FEATURES_2,
        .pNext = &matrices,
    };
    instance->vk.vkGetPhysicalDeviceFeatures2(physical, &features);
    return matrices.cooperativeMatrix && memory_model.vulkanMemoryModel && bytes.shaderInt8;
}

/* Whether compute shaders have matrices, and a work-group is made of whole subgroups. */
static int has_subgroups(const kvant_vulkan_instance *instance, VkPhysicalDevice physical,
                         uint32_t lanes)
{
    VkPhysicalDeviceSubgroupProperties subgroup = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SUBGROUP_PROPERTIES,
    };
    VkPhysicalDeviceCooperativeMatrixPropertiesKHR matrices = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_COOPERATIVE_MATRIX_PROPERTIES_KHR,
        .pNext = &subgroup,
    };
    VkPhysicalDeviceProperties2 properties = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_PROPERTIES_2,
        .pNext = &matrices,
    };
    instance->vk.vkGetPhysicalDeviceProperties2(physical, &properties);
    VkShaderStageFlags stages =
        subgroup.supportedStages & matrices.cooperativeMatrixSupportedStages;
    return (stages & VK_SHADER_STAGE_COMPUTE_BIT) != 0 && subgroup.subgroupSize != 0 &&
           lanes % subgroup.subgroupSize == 0;
}

static int is_either(uint32_t x, uint32_t a, uint32_t b)
{
    return x == a || x == b;
}

/* Whether the shader can take it: see shaders/attention_matrix_space.glsl. */
static int is_fit(const VkCooperativeMatrixPropertiesKHR *entry)
{
    return entry->AType == VK_COMPONENT_TYPE_UINT8_KHR &&
           entry->BType == VK_COMPONENT_TYPE_UINT8_KHR &&
           entry->CType == VK_COMPONENT_TYPE_UINT32_KHR &&
           entry->ResultType == VK_COMPONENT_TYPE_UINT32_KHR && !entry->saturatingAccumulation &&
           entry->scope == VK_SCOPE_SUBGROUP_KHR && is_either(entry->MSize, 8u, 16u) &&
           is_either(entry->NSize, 8u, 16u) && is_either(entry->KSize, 16u, 32u);
}

/* The shape of most products that fits. */
static kvant_vulkan_matrix largest_fit(const VkCooperativeMatrixPropertiesKHR *list, uint32_t count)
{
    kvant_vulkan_matrix best = {0, 0, 0};
    for (uint32_t i = 0; i < count; i++) {
        const VkCooperativeMatrixPropertiesKHR *entry = &list[i];
        if (is_fit(entry) &&
            entry->MSize * entry->NSize * entry->KSize > best.rows * best.columns * best.depth) {
            best = (kvant_vulkan_matrix){entry->MSize, entry->NSize, entry->KSize};
        }
    }
    return best;
}

kvant_vulkan_matrix kvant_vulkan_find_matrix(const kvant_vulkan_instance *instance,
                                             VkPhysicalDevice physical, uint32_t lanes)
{
    kvant_vulkan_matrix best = {0, 0, 0};
    if (!has_shader() || !has_extensions(instance, physical) || !has_features(instance, physical) ||
        !has_subgroups(instance, physical, lanes)) {
        return best;
    }
    PFN_vkGetPhysicalDeviceCooperativeMatrixPropertiesKHR list_matrices =
        (PFN_vkGetPhysicalDeviceCooperativeMatrixPropertiesKHR)instance->vk.vkGetInstanceProcAddr(
            instance->handle, "vkGetPhysicalDeviceCooperativeMatrixPropertiesKHR");
    if (list_matrices == NULL) {
        return best;
    }
    VkCooperativeMatrixPropertiesKHR list[MOST_SHAPES];
    uint32_t count = MOST_SHAPES;
    for (uint32_t i = 0; i < count; i++) {
        list[i] = (VkCooperativeMatrixPropertiesKHR){
            .sType = VK_STRUCTURE_TYPE_COOPERATIVE_MATRIX_PROPERTIES_KHR,
        };
    }
    /* VK_INCOMPLETE, of more shapes, is no error */
    return list_matrices(physical, &count, list) >= VK_SUCCESS ? largest_fit(list, count) : best;
}
