/* SPDX-License-Identifier: MIT
 *
 * Failing calls of Vulkan: the wrappers. An injected failure does not reach the driver.
 */
#include "fault_points.h"

#include <string.h>

#include "vulkan_symbols.h"

static VkDevice last_device; /* the one that is open */

static VkResult code(void)
{
    static const VkResult codes[FAULT_KINDS] = {
        [FAULT_MEMORY] = VK_ERROR_OUT_OF_DEVICE_MEMORY,
        [FAULT_LOSS] = VK_ERROR_DEVICE_LOST,
        [FAULT_OTHER] = VK_ERROR_UNKNOWN,
    };
    return codes[fault_which()];
}

typedef const VkAllocationCallbacks *callbacks;

/* X(name, waits, parameters, arguments) */
#define STATUS_CALLS(X)                                                                            \
    X(vkEnumerateInstanceVersion, 0, (uint32_t * a), (a))                                          \
    X(vkCreateInstance, 0, (const VkInstanceCreateInfo *a, callbacks b, VkInstance *c), (a, b, c)) \
    X(vkEnumerateDeviceExtensionProperties, 0,                                                     \
      (VkPhysicalDevice a, const char *b, uint32_t *c, VkExtensionProperties *d), (a, b, c, d))    \
    X(vkEnumeratePhysicalDevices, 0, (VkInstance a, uint32_t * b, VkPhysicalDevice * c),           \
      (a, b, c))                                                                                   \
    X(vkAllocateCommandBuffers, 0,                                                                 \
      (VkDevice a, const VkCommandBufferAllocateInfo *b, VkCommandBuffer *c), (a, b, c))           \
    X(vkAllocateDescriptorSets, 0,                                                                 \
      (VkDevice a, const VkDescriptorSetAllocateInfo *b, VkDescriptorSet *c), (a, b, c))           \
    X(vkAllocateMemory, 0,                                                                         \
      (VkDevice a, const VkMemoryAllocateInfo *b, callbacks c, VkDeviceMemory *d), (a, b, c, d))   \
    X(vkBeginCommandBuffer, 0, (VkCommandBuffer a, const VkCommandBufferBeginInfo *b), (a, b))     \
    X(vkBindBufferMemory, 0, (VkDevice a, VkBuffer b, VkDeviceMemory c, VkDeviceSize d),           \
      (a, b, c, d))                                                                                \
    X(vkCreateBuffer, 0, (VkDevice a, const VkBufferCreateInfo *b, callbacks c, VkBuffer *d),      \
      (a, b, c, d))                                                                                \
    X(vkCreateCommandPool, 0,                                                                      \
      (VkDevice a, const VkCommandPoolCreateInfo *b, callbacks c, VkCommandPool *d), (a, b, c, d)) \
    X(vkCreateComputePipelines, 0,                                                                 \
      (VkDevice a, VkPipelineCache b, uint32_t c, const VkComputePipelineCreateInfo *d,            \
       callbacks e, VkPipeline *f),                                                                \
      (a, b, c, d, e, f))                                                                          \
    X(vkCreateDescriptorPool, 0,                                                                   \
      (VkDevice a, const VkDescriptorPoolCreateInfo *b, callbacks c, VkDescriptorPool *d),         \
      (a, b, c, d))                                                                                \
    X(vkCreateDescriptorSetLayout, 0,                                                              \
      (VkDevice a, const VkDescriptorSetLayoutCreateInfo *b, callbacks c,                          \
       VkDescriptorSetLayout *d),                                                                  \
      (a, b, c, d))                                                                                \
    X(vkCreateFence, 0, (VkDevice a, const VkFenceCreateInfo *b, callbacks c, VkFence *d),         \
      (a, b, c, d))                                                                                \
    X(vkCreatePipelineCache, 0,                                                                    \
      (VkDevice a, const VkPipelineCacheCreateInfo *b, callbacks c, VkPipelineCache *d),           \
      (a, b, c, d))                                                                                \
    X(vkCreatePipelineLayout, 0,                                                                   \
      (VkDevice a, const VkPipelineLayoutCreateInfo *b, callbacks c, VkPipelineLayout *d),         \
      (a, b, c, d))                                                                                \
    X(vkCreateQueryPool, 0,                                                                        \
      (VkDevice a, const VkQueryPoolCreateInfo *b, callbacks c, VkQueryPool *d), (a, b, c, d))     \
    X(vkCreateShaderModule, 0,                                                                     \
      (VkDevice a, const VkShaderModuleCreateInfo *b, callbacks c, VkShaderModule *d),             \
      (a, b, c, d))                                                                                \
    X(vkDeviceWaitIdle, 1, (VkDevice a), (a))                                                      \
    X(vkEndCommandBuffer, 0, (VkCommandBuffer a), (a))                                             \
    X(vkGetFenceStatus, 0, (VkDevice a, VkFence b), (a, b))                                        \
    X(vkGetPipelineCacheData, 0, (VkDevice a, VkPipelineCache b, size_t * c, void *d),             \
      (a, b, c, d))                                                                                \
    X(vkGetQueryPoolResults, 0,                                                                    \
      (VkDevice a, VkQueryPool b, uint32_t c, uint32_t d, size_t e, void *f, VkDeviceSize g,       \
       VkQueryResultFlags h),                                                                      \
      (a, b, c, d, e, f, g, h))                                                                    \
    X(vkMapMemory, 0,                                                                              \
      (VkDevice a, VkDeviceMemory b, VkDeviceSize c, VkDeviceSize d, VkMemoryMapFlags e,           \
       void **f),                                                                                  \
      (a, b, c, d, e, f))                                                                          \
    X(vkQueueSubmit, 0, (VkQueue a, uint32_t b, const VkSubmitInfo *c, VkFence d), (a, b, c, d))   \
    X(vkResetCommandPool, 0, (VkDevice a, VkCommandPool b, VkCommandPoolResetFlags c), (a, b, c))  \
    X(vkResetDescriptorPool, 0, (VkDevice a, VkDescriptorPool b, VkDescriptorPoolResetFlags c),    \
      (a, b, c))                                                                                   \
    X(vkResetFences, 0, (VkDevice a, uint32_t b, const VkFence *c), (a, b, c))                     \
    X(vkWaitForFences, 1, (VkDevice a, uint32_t b, const VkFence *c, VkBool32 d, uint64_t e),      \
      (a, b, c, d, e))

static kvant_vulkan_symbols real;

/* Passes the result of a call on; what it made is counted. */
static VkResult count(const char *name, VkResult result)
{
    static const char create[] = "vkCreate";
    bool is_made =
        strncmp(name, create, sizeof create - 1) == 0 || strcmp(name, "vkAllocateMemory") == 0;
    fault_count_object(is_made && result == VK_SUCCESS ? 1 : 0);
    return result;
}

#define STATUS_WRAPPER(name, waits, parameters, arguments)                                         \
    static VkResult VKAPI_CALL fail_##name parameters                                              \
    {                                                                                              \
        return fault_is_due(#name, waits) ? code() : count(#name, real.name arguments);            \
    }
STATUS_CALLS(STATUS_WRAPPER)

static VkResult VKAPI_CALL fail_vkCreateDevice(VkPhysicalDevice a, const VkDeviceCreateInfo *b,
                                               callbacks c, VkDevice *d)
{
    if (fault_is_due("vkCreateDevice", false)) {
        return code();
    }
    VkResult result = real.vkCreateDevice(a, b, c, d);
    last_device = result == VK_SUCCESS ? *d : VK_NULL_HANDLE;
    return count("vkCreateDevice", result);
}

static void VKAPI_CALL note_vkDestroyDevice(VkDevice a, callbacks b)
{
    last_device = VK_NULL_HANDLE;
    fault_count_object(-1);
    real.vkDestroyDevice(a, b);
}

static void VKAPI_CALL note_vkDestroyInstance(VkInstance a, callbacks b)
{
    fault_count_object(-1);
    real.vkDestroyInstance(a, b);
}

/* What gives objects back does not fail: it is counted. Null handles are fine. */
#define RELEASES(X)                                                                                \
    X(vkDestroyBuffer, VkBuffer)                                                                   \
    X(vkDestroyCommandPool, VkCommandPool)                                                         \
    X(vkDestroyDescriptorPool, VkDescriptorPool)                                                   \
    X(vkDestroyDescriptorSetLayout, VkDescriptorSetLayout)                                         \
    X(vkDestroyFence, VkFence)                                                                     \
    X(vkDestroyPipeline, VkPipeline)                                                               \
    X(vkDestroyPipelineCache, VkPipelineCache)                                                     \
    X(vkDestroyPipelineLayout, VkPipelineLayout)                                                   \
    X(vkDestroyQueryPool, VkQueryPool)                                                             \
    X(vkDestroyShaderModule, VkShaderModule)                                                       \
    X(vkFreeMemory, VkDeviceMemory)

#define RELEASE_WRAPPER(name, type)                                                                \
    static void VKAPI_CALL note_##name(VkDevice a, type b, callbacks c)                            \
    {                                                                                              \
        fault_count_object(b != VK_NULL_HANDLE ? -1 : 0);                                          \
        real.name(a, b, c);                                                                        \
    }
RELEASES(RELEASE_WRAPPER)

/* The loader's way to its functions. */
static PFN_vkVoidFunction VKAPI_CALL wrap_vkGetInstanceProcAddr(VkInstance a, const char *name)
{
    return fault_symbol_of(name, real.vkGetInstanceProcAddr(a, name));
}

static PFN_vkVoidFunction VKAPI_CALL wrap_vkGetDeviceProcAddr(VkDevice a, const char *name)
{
    return fault_symbol_of(name, real.vkGetDeviceProcAddr(a, name));
}

static void quiesce(void)
{
    if (last_device != VK_NULL_HANDLE) {
        (void)real.vkDeviceWaitIdle(last_device);
    }
}

int main(int argc, char **argv)
{
#define STATUS_ENTRY(name, waits, parameters, arguments)                                           \
    {#name, (kvant_symbol)fail_##name, &real.name},
#define RELEASE_ENTRY(name, type) {#name, (kvant_symbol)note_##name, &real.name},
    static const fault_symbol symbols[] = {
        STATUS_CALLS(STATUS_ENTRY) RELEASES(RELEASE_ENTRY){
            "vkCreateDevice", (kvant_symbol)fail_vkCreateDevice, &real.vkCreateDevice},
        {"vkDestroyInstance", (kvant_symbol)note_vkDestroyInstance, &real.vkDestroyInstance},
        {"vkDestroyDevice", (kvant_symbol)note_vkDestroyDevice, &real.vkDestroyDevice},
        {"vkGetInstanceProcAddr", (kvant_symbol)wrap_vkGetInstanceProcAddr,
         &real.vkGetInstanceProcAddr},
        {"vkGetDeviceProcAddr", (kvant_symbol)wrap_vkGetDeviceProcAddr, &real.vkGetDeviceProcAddr},
    };
    static const char *const harmless[] = {
        "vkCmd",
        "vkGetBufferMemoryRequirements",
        "vkGetDeviceQueue",
        "vkGetPhysicalDevice",
        "vkUpdateDescriptorSets",
        NULL,
    };
    static const fault_subject subject = {
        .backend = "vulkan",
        .symbols = symbols,
        .count = sizeof symbols / sizeof symbols[0],
        .harmless = harmless,
        .quiesce = quiesce,
    };
    return fault_main(&subject, argc, argv);
}
