/* SPDX-License-Identifier: MIT
 *
 * Every Vulkan function that the backend calls: one list declares the table and loads it.
 */
#ifndef KVANT_BACKENDS_VULKAN_SYMBOLS_H
#define KVANT_BACKENDS_VULKAN_SYMBOLS_H

#define VK_NO_PROTOTYPES
#include <vulkan/vulkan.h>

#define KVANT_VULKAN_GLOBAL_SYMBOLS(X)                                                             \
    X(vkCreateInstance)                                                                            \
    X(vkEnumerateInstanceVersion)

#define KVANT_VULKAN_INSTANCE_SYMBOLS(X)                                                           \
    X(vkCreateDevice)                                                                              \
    X(vkDestroyInstance)                                                                           \
    X(vkEnumerateDeviceExtensionProperties)                                                        \
    X(vkEnumeratePhysicalDevices)                                                                  \
    X(vkGetDeviceProcAddr)                                                                         \
    X(vkGetPhysicalDeviceFeatures2)                                                                \
    X(vkGetPhysicalDeviceMemoryProperties)                                                         \
    X(vkGetPhysicalDeviceProperties2)                                                              \
    X(vkGetPhysicalDeviceQueueFamilyProperties)

#define KVANT_VULKAN_DEVICE_SYMBOLS(X)                                                             \
    X(vkAllocateCommandBuffers)                                                                    \
    X(vkAllocateDescriptorSets)                                                                    \
    X(vkAllocateMemory)                                                                            \
    X(vkBeginCommandBuffer)                                                                        \
    X(vkBindBufferMemory)                                                                          \
    X(vkCmdBindDescriptorSets)                                                                     \
    X(vkCmdBindPipeline)                                                                           \
    X(vkCmdCopyBuffer)                                                                             \
    X(vkCmdDispatch)                                                                               \
    X(vkCmdFillBuffer)                                                                             \
    X(vkCmdPipelineBarrier)                                                                        \
    X(vkCmdPushConstants)                                                                          \
    X(vkCmdResetQueryPool)                                                                         \
    X(vkCmdUpdateBuffer)                                                                           \
    X(vkCmdWriteTimestamp)                                                                         \
    X(vkCreateBuffer)                                                                              \
    X(vkCreateCommandPool)                                                                         \
    X(vkCreateComputePipelines)                                                                    \
    X(vkCreateDescriptorPool)                                                                      \
    X(vkCreateDescriptorSetLayout)                                                                 \
    X(vkCreateFence)                                                                               \
    X(vkCreatePipelineCache)                                                                       \
    X(vkCreatePipelineLayout)                                                                      \
    X(vkCreateQueryPool)                                                                           \
    X(vkCreateShaderModule)                                                                        \
    X(vkDestroyBuffer)                                                                             \
    X(vkDestroyCommandPool)                                                                        \
    X(vkDestroyDescriptorPool)                                                                     \
    X(vkDestroyDescriptorSetLayout)                                                                \
    X(vkDestroyDevice)                                                                             \
    X(vkDestroyFence)                                                                              \
    X(vkDestroyPipeline)                                                                           \
    X(vkDestroyPipelineCache)                                                                      \
    X(vkDestroyPipelineLayout)                                                                     \
    X(vkDestroyQueryPool)                                                                          \
    X(vkDestroyShaderModule)                                                                       \
    X(vkDeviceWaitIdle)                                                                            \
    X(vkEndCommandBuffer)                                                                          \
    X(vkFreeMemory)                                                                                \
    X(vkGetBufferMemoryRequirements)                                                               \
    X(vkGetDeviceQueue)                                                                            \
    X(vkGetFenceStatus)                                                                            \
    X(vkGetPipelineCacheData)                                                                      \
    X(vkGetQueryPoolResults)                                                                       \
    X(vkMapMemory)                                                                                 \
    X(vkQueueSubmit)                                                                               \
    X(vkResetCommandPool)                                                                          \
    X(vkResetDescriptorPool)                                                                       \
    X(vkResetFences)                                                                               \
    X(vkUpdateDescriptorSets)                                                                      \
    X(vkWaitForFences)

typedef struct {
    PFN_vkGetInstanceProcAddr vkGetInstanceProcAddr;
#define KVANT_VULKAN_DECLARE(name) PFN_##name name;
    KVANT_VULKAN_GLOBAL_SYMBOLS(KVANT_VULKAN_DECLARE)
    KVANT_VULKAN_INSTANCE_SYMBOLS(KVANT_VULKAN_DECLARE)
    KVANT_VULKAN_DEVICE_SYMBOLS(KVANT_VULKAN_DECLARE)
#undef KVANT_VULKAN_DECLARE
} kvant_vulkan_symbols;

#endif
