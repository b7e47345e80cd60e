/* SPDX-License-Identifier: MIT
 *
 * The backend's objects that are linked with this file ask it for functions of the Vulkan loader
 * (CMakeLists.txt). The environment variable FORCED_MATRIX = ROWSxCOLUMNSxDEPTH, with "cpu" behind for
 * a CPU's work-groups, forces matrices of that shape.
 */
#include "forced_vulkan.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dynlib.h"

#define EXTENSION "VK_KHR_cooperative_matrix"

forced_vulkan_answers forced_vulkan;
struct forced_vulkan_asked forced_vulkan_asked;

static struct {
    PFN_vkGetInstanceProcAddr vkGetInstanceProcAddr;
    PFN_vkEnumerateDeviceExtensionProperties vkEnumerateDeviceExtensionProperties;
    PFN_vkGetPhysicalDeviceFeatures2 vkGetPhysicalDeviceFeatures2;
    PFN_vkGetPhysicalDeviceProperties2 vkGetPhysicalDeviceProperties2;
    PFN_vkCreateDevice vkCreateDevice;
} real;

forced_vulkan_answers forced_vulkan_device(uint32_t rows, uint32_t columns, uint32_t depth)
{
    return (forced_vulkan_answers){
        .is_on = 1,
        .has_extension = 1,
        .has_matrices = VK_TRUE,
        .has_memory_model = VK_TRUE,
        .has_bytes = VK_TRUE,
        .stages = VK_SHADER_STAGE_COMPUTE_BIT,
        .count = 1,
        .list = {{.MSize = rows,
                  .NSize = columns,
                  .KSize = depth,
                  .AType = VK_COMPONENT_TYPE_UINT8_KHR,
                  .BType = VK_COMPONENT_TYPE_UINT8_KHR,
                  .CType = VK_COMPONENT_TYPE_UINT32_KHR,
                  .ResultType = VK_COMPONENT_TYPE_UINT32_KHR,
                  .scope = VK_SCOPE_SUBGROUP_KHR}},
    };
}

static void read_environment(void)
{
    const char *text = getenv("FORCED_MATRIX");
    if (text == NULL || forced_vulkan.is_on) {
        return;
    }
    char *end;
    uint32_t rows = (uint32_t)strtoul(text, &end, 10);
    uint32_t columns = (uint32_t)strtoul(*end == 'x' ? end + 1 : end, &end, 10);
    uint32_t depth = (uint32_t)strtoul(*end == 'x' ? end + 1 : end, &end, 10);
    forced_vulkan = forced_vulkan_device(rows, columns, depth);
    forced_vulkan.is_cpu = strcmp(end, "cpu") == 0;
}

/* The structure of that type in a chain, or NULL. */
static void *find(const void *chain, VkStructureType type)
{
    const VkBaseInStructure *next = chain;
    while (next != NULL && next->sType != type) {
        next = next->pNext;
    }
    union {
        const void *is_const;
        void *is_not;
    } found = {next};
    return found.is_not;
}

static VkResult VKAPI_CALL forced_vkEnumerateDeviceExtensionProperties(VkPhysicalDevice physical,
                                                                       const char *layer,
                                                                       uint32_t *count,
                                                                       VkExtensionProperties *list)
{
    uint32_t room = *count;
    VkResult result = real.vkEnumerateDeviceExtensionProperties(physical, layer, count, list);
    if (!forced_vulkan.has_extension || result < VK_SUCCESS) {
        return result;
    }
    if (list != NULL && *count < room) {
        snprintf(list[*count].extensionName, sizeof list[*count].extensionName, EXTENSION);
    }
    *count += list == NULL || *count < room;
    return result;
}

static void VKAPI_CALL forced_vkGetPhysicalDeviceFeatures2(VkPhysicalDevice physical,
                                                           VkPhysicalDeviceFeatures2 *features)
{
    VkPhysicalDeviceCooperativeMatrixFeaturesKHR *matrices =
        find(features->pNext, VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_COOPERATIVE_MATRIX_FEATURES_KHR);
    VkPhysicalDeviceVulkanMemoryModelFeatures *memory_model =
        find(features->pNext, VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_MEMORY_MODEL_FEATURES);
    VkPhysicalDeviceShaderFloat16Int8Features *bytes =
        find(features->pNext, VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SHADER_FLOAT16_INT8_FEATURES);
    real.vkGetPhysicalDeviceFeatures2(physical, features);
    if (forced_vulkan.is_on && matrices != NULL && memory_model != NULL && bytes != NULL) {
        matrices->cooperativeMatrix = forced_vulkan.has_matrices;
        memory_model->vulkanMemoryModel = forced_vulkan.has_memory_model;
        bytes->shaderInt8 = forced_vulkan.has_bytes;
    }
}

static void VKAPI_CALL forced_vkGetPhysicalDeviceProperties2(VkPhysicalDevice physical,
                                                             VkPhysicalDeviceProperties2 *out)
{
    real.vkGetPhysicalDeviceProperties2(physical, out);
    if (!forced_vulkan.is_on) {
        return;
    }
    if (!forced_vulkan.is_cpu) {
        out->properties.deviceType = VK_PHYSICAL_DEVICE_TYPE_DISCRETE_GPU;
    }
    VkPhysicalDeviceCooperativeMatrixPropertiesKHR *matrices =
        find(out->pNext, VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_COOPERATIVE_MATRIX_PROPERTIES_KHR);
    VkPhysicalDeviceSubgroupProperties *subgroup =
        find(out->pNext, VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SUBGROUP_PROPERTIES);
    if (matrices != NULL) {
        matrices->cooperativeMatrixSupportedStages = forced_vulkan.stages;
    }
    if (subgroup != NULL && forced_vulkan.subgroup_lanes != 0u) {
        subgroup->subgroupSize = forced_vulkan.subgroup_lanes;
    }
}

static VkResult VKAPI_CALL list_matrices(VkPhysicalDevice physical, uint32_t *count,
                                         VkCooperativeMatrixPropertiesKHR *list)
{
    (void)physical;
    for (uint32_t i = 0; list != NULL && i < *count && i < forced_vulkan.count; i++) {
        list[i] = forced_vulkan.list[i];
    }
    *count = list != NULL && *count < forced_vulkan.count ? *count : forced_vulkan.count;
    return VK_SUCCESS;
}

static int is_listed(const VkDeviceCreateInfo *info, const char *name)
{
    for (uint32_t i = 0; i < info->enabledExtensionCount; i++) {
        if (strcmp(info->ppEnabledExtensionNames[i], name) == 0) {
            return 1;
        }
    }
    return 0;
}

/* The chain without one of its structures. */
static const void *without(const void *chain, const void *unwanted)
{
    if (chain == NULL || chain == unwanted) {
        return chain == NULL ? NULL : ((const VkBaseInStructure *)chain)->pNext;
    }
    VkBaseOutStructure *at = find(chain, ((const VkBaseInStructure *)chain)->sType);
    while (at->pNext != NULL && (const void *)at->pNext != unwanted) {
        at = at->pNext;
    }
    at->pNext = at->pNext != NULL ? at->pNext->pNext : NULL;
    return chain;
}

/* The device that there is knows nothing of the extension: it is left out. */
static VkResult VKAPI_CALL forced_vkCreateDevice(VkPhysicalDevice physical,
                                                 const VkDeviceCreateInfo *info,
                                                 const VkAllocationCallbacks *callbacks,
                                                 VkDevice *device)
{
    const VkPhysicalDeviceCooperativeMatrixFeaturesKHR *matrices =
        find(info->pNext, VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_COOPERATIVE_MATRIX_FEATURES_KHR);
    const VkPhysicalDeviceVulkanMemoryModelFeatures *memory_model =
        find(info->pNext, VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_MEMORY_MODEL_FEATURES);
    const VkPhysicalDeviceShaderFloat16Int8Features *bytes =
        find(info->pNext, VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SHADER_FLOAT16_INT8_FEATURES);
    forced_vulkan_asked = (struct forced_vulkan_asked){
        .matrices = is_listed(info, EXTENSION) && matrices != NULL && matrices->cooperativeMatrix,
        .memory_model = is_listed(info, "VK_KHR_vulkan_memory_model") && memory_model != NULL &&
                        memory_model->vulkanMemoryModel,
        .bytes =
            is_listed(info, "VK_KHR_shader_float16_int8") && bytes != NULL && bytes->shaderInt8,
    };
    VkDeviceCreateInfo changed = *info;
    const char *names[8];
    changed.ppEnabledExtensionNames = names;
    changed.enabledExtensionCount = 0;
    for (uint32_t i = 0; i < info->enabledExtensionCount && i < 8u; i++) {
        if (strcmp(info->ppEnabledExtensionNames[i], EXTENSION) != 0) {
            names[changed.enabledExtensionCount++] = info->ppEnabledExtensionNames[i];
        }
    }
    changed.pNext = without(info->pNext, matrices);
    return real.vkCreateDevice(physical, &changed, callbacks, device);
}

#define FORCE(function)                                                                            \
    if (strcmp(name, #function) == 0) {                                                            \
        memcpy(&real.function, &symbol, sizeof symbol);                                            \
        return (PFN_vkVoidFunction)forced_##function;                                              \
    }

static PFN_vkVoidFunction VKAPI_CALL forced_vkGetInstanceProcAddr(VkInstance instance,
                                                                  const char *name)
{
    PFN_vkVoidFunction symbol = real.vkGetInstanceProcAddr(instance, name);
    if (strcmp(name, "vkGetPhysicalDeviceCooperativeMatrixPropertiesKHR") == 0) {
        return (PFN_vkVoidFunction)list_matrices;
    }
    if (symbol == NULL) {
        return NULL;
    }
    FORCE(vkEnumerateDeviceExtensionProperties)
    FORCE(vkGetPhysicalDeviceFeatures2)
    FORCE(vkGetPhysicalDeviceProperties2)
    FORCE(vkCreateDevice)
    return symbol;
}

/* What the backend calls in the place of kvant_dynlib_symbol. */
kvant_symbol forced_vulkan_symbol(void *library, const char *name);

kvant_symbol forced_vulkan_symbol(void *library, const char *name)
{
    kvant_symbol symbol = kvant_dynlib_symbol(library, name);
    read_environment();
    if (symbol != NULL && strcmp(name, "vkGetInstanceProcAddr") == 0) {
        memcpy(&real.vkGetInstanceProcAddr, &symbol, sizeof symbol);
        return (kvant_symbol)forced_vkGetInstanceProcAddr;
    }
    return symbol;
}
