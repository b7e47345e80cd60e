/* SPDX-License-Identifier: MIT
 *
 * A Vulkan driver's answers about VK_KHR_cooperative_matrix, changed: a device that lacks the extension
 * calls itself a GPU that has it. Its shader is an emulation (matrices.glsl), so kernels run.
 */
#ifndef KVANT_TESTS_FORCED_VULKAN_H
#define KVANT_TESTS_FORCED_VULKAN_H

#include "vulkan_cooperative.h"

typedef struct {
    int is_on; /* 0: nothing is changed */
    int is_cpu;
    int has_extension;
    VkBool32 has_matrices; /* features */
    VkBool32 has_memory_model;
    VkBool32 has_bytes;
    VkShaderStageFlags stages;
    uint32_t subgroup_lanes; /* 0: as they are */
    uint32_t count;          /* of the list of matrices */
    VkCooperativeMatrixPropertiesKHR list[4];
} forced_vulkan_answers;

extern forced_vulkan_answers forced_vulkan;

/* What the last vkCreateDevice was asked for: each an extension with its feature. */
extern struct forced_vulkan_asked {
    int matrices;
    int memory_model;
    int bytes;
} forced_vulkan_asked;

/* A device that has everything, and one shape of matrices. */
forced_vulkan_answers forced_vulkan_device(uint32_t rows, uint32_t columns, uint32_t depth);

#endif
