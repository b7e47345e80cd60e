/* SPDX-License-Identifier: MIT
 *
 * Kernels: pipelines made from the embedded SPIR-V, the caller's cache of them, descriptor sets,
 * launches.
 */
#include <stdio.h>
#include <string.h>

#include "contract_hash.h"
#include "embedded.h"
#include "params.h"
#include "layout.h"
#include "vulkan_internal.h"

extern const kvant_embedded kvant_vulkan_shaders[];

typedef struct {
    uint32_t binding_count;
    const char *bindings; /* "name:access ..." */
} kernel_entry;

static const kernel_entry kernels[KVANT_KERNEL_COUNT] = {
#define KVANT_KERNEL(name, params, count, names, shape, exactness) {count, names},
#include "kernels.def"
#undef KVANT_KERNEL
};

/* The embedded files. */
static const char *const module_names[KVANT_KERNEL_COUNT][KVANT_VARIANT_COUNT] = {
#define KVANT_KERNEL(name, params, count, names, shape, exactness)                                 \
    [KVANT_KERNEL_##name][KVANT_VARIANT_baseline] = #name ".spv",
#include "kernels.def"
#undef KVANT_KERNEL
#define KVANT_TUNED_VULKAN(kernel, variant, capability, least_rows, why)                           \
    [KVANT_KERNEL_##kernel][KVANT_VARIANT_##variant] = #kernel "_" #variant ".spv",
#include "variants.def"
};

/* Bit i: the kernel writes binding i. */
static uint32_t written_bindings(kvant_kernel kernel)
{
    uint32_t writes = 0;
    uint32_t binding = 0;
    for (const char *c = kernels[kernel].bindings; *c != '\0'; c++) {
        if (*c == ' ') {
            binding++;
        } else if (*c == ':' && strcspn(c, "w") < strcspn(c, " ")) {
            writes |= 1u << binding;
        }
    }
    return writes;
}

/* ---- the cache of compiled pipelines ---- */

#define CACHE_MAGIC 0x3143564bu /* "KVC1" */

typedef struct {
    uint32_t magic;
    uint32_t bytes;
    uint64_t hash;
} cache_header;

static uint64_t hash_bytes(const void *data, size_t bytes)
{
    const unsigned char *next = data;
    uint64_t hash = UINT64_C(0xcbf29ce484222325); /* FNV-1a */
    for (size_t i = 0; i < bytes; i++) {
        hash = (hash ^ next[i]) * UINT64_C(0x100000001b3);
    }
    return hash;
}

static void cache_key(const kvant_backend_device *device, char key[128])
{
    char uuid[2 * VK_UUID_SIZE + 1] = "";
    for (size_t i = 0; i < VK_UUID_SIZE; i++) {
        (void)snprintf(&uuid[2 * i], 3, "%02x", device->properties.pipelineCacheUUID[i]);
    }
    (void)snprintf(key, 128, "vulkan-%08x-%08x-%s-%.16s", device->properties.vendorID,
                   device->properties.deviceID, uuid, KVANT_CONTRACT_HASH);
}

/* The payload of a blob that is whole, and made by this very driver; else NULL. */
static const void *checked_payload(const kvant_backend_device *device, const void *blob,
                                   size_t blob_bytes, size_t *out_bytes)
{
    cache_header header;
    VkPipelineCacheHeaderVersionOne native;
    if (blob_bytes < sizeof header + sizeof native) {
        return NULL;
    }
    memcpy(&header, blob, sizeof header);
    const unsigned char *payload = (const unsigned char *)blob + sizeof header;
    if (header.magic != CACHE_MAGIC || header.bytes != blob_bytes - sizeof header ||
        header.hash != hash_bytes(payload, header.bytes)) {
        return NULL;
    }
    memcpy(&native, payload, sizeof native);
    if (native.headerVersion != VK_PIPELINE_CACHE_HEADER_VERSION_ONE ||
        native.vendorID != device->properties.vendorID ||
        native.deviceID != device->properties.deviceID ||
        memcmp(native.pipelineCacheUUID, device->properties.pipelineCacheUUID, VK_UUID_SIZE) != 0) {
        return NULL;
    }
    *out_bytes = header.bytes;
    return payload;
}

static kvant_status create_cache(kvant_backend_device *device)
{
    const kvant_services *services = device->services;
    VkPipelineCacheCreateInfo info = {.sType = VK_STRUCTURE_TYPE_PIPELINE_CACHE_CREATE_INFO};
    char key[128];
    void *blob = NULL;
    if (services->cache_load != NULL) {
        cache_key(device, key);
        size_t bytes = services->cache_load(services, key, NULL, 0);
        blob = bytes != 0 ? services->allocate(services, bytes) : NULL;
        if (blob != NULL && services->cache_load(services, key, blob, bytes) == bytes) {
            info.pInitialData = checked_payload(device, blob, bytes, &info.initialDataSize);
            if (info.pInitialData != NULL) {
                device->cache_hash = hash_bytes(info.pInitialData, info.initialDataSize);
            }
        }
    }
    VkResult result =
        device->instance.vk.vkCreatePipelineCache(device->handle, &info, NULL, &device->cache);
    services->release(services, blob);
    if (result != VK_SUCCESS) {
        device->cache = VK_NULL_HANDLE;
        return kvant_vulkan_failed(device, "vkCreatePipelineCache", result);
    }
    return KVANT_OK;
}

/* Hands the compiled pipelines to the caller, where they are not those that were loaded. A failure
 * costs time at the next start and nothing else. */
static void store_cache(kvant_backend_device *device)
{
    const kvant_services *services = device->services;
    const kvant_vulkan_symbols *vk = &device->instance.vk;
    size_t bytes = 0;
    if (services->cache_store == NULL || device->cache == VK_NULL_HANDLE || device->is_lost ||
        vk->vkGetPipelineCacheData(device->handle, device->cache, &bytes, NULL) != VK_SUCCESS ||
        bytes == 0 || bytes > UINT32_MAX) {
        return;
    }
    unsigned char *blob = services->allocate(services, sizeof(cache_header) + bytes);
    if (blob == NULL) {
        return;
    }
    unsigned char *payload = blob + sizeof(cache_header);
    if (vk->vkGetPipelineCacheData(device->handle, device->cache, &bytes, payload) == VK_SUCCESS) {
        cache_header header = {CACHE_MAGIC, (uint32_t)bytes, hash_bytes(payload, bytes)};
        memcpy(blob, &header, sizeof header);
        if (header.hash != device->cache_hash) {
            char key[128];
            cache_key(device, key);
            services->cache_store(services, key, blob, sizeof header + bytes);
        }
    }
    services->release(services, blob);
}

/* ---- layouts and pipelines ---- */

static kvant_status create_layout(kvant_backend_device *device, uint32_t count)
{
    const kvant_vulkan_symbols *vk = &device->instance.vk;
    VkDescriptorSetLayoutBinding bindings[KVANT_MAX_BINDINGS];
    for (uint32_t i = 0; i < count; i++) {
        bindings[i] = (VkDescriptorSetLayoutBinding){
            .binding = i,
            .descriptorType = VK_DESCRIPTOR_TYPE_STORAGE_BUFFER,
            .descriptorCount = 1,
            .stageFlags = VK_SHADER_STAGE_COMPUTE_BIT,
        };
    }
    VkDescriptorSetLayoutCreateInfo set = {
        .sType = VK_STRUCTURE_TYPE_DESCRIPTOR_SET_LAYOUT_CREATE_INFO,
        .bindingCount = count,
        .pBindings = bindings,
    };
    VkResult result =
        vk->vkCreateDescriptorSetLayout(device->handle, &set, NULL, &device->set_layouts[count]);
    if (result != VK_SUCCESS) {
        device->set_layouts[count] = VK_NULL_HANDLE;
        return kvant_vulkan_failed(device, "vkCreateDescriptorSetLayout", result);
    }
    VkPushConstantRange push = {
        .stageFlags = VK_SHADER_STAGE_COMPUTE_BIT,
        .size = KVANT_VULKAN_PUSH_BYTES,
    };
    VkPipelineLayoutCreateInfo layout = {
        .sType = VK_STRUCTURE_TYPE_PIPELINE_LAYOUT_CREATE_INFO,
        .setLayoutCount = 1,
        .pSetLayouts = &device->set_layouts[count],
        .pushConstantRangeCount = 1,
        .pPushConstantRanges = &push,
    };
    result = vk->vkCreatePipelineLayout(device->handle, &layout, NULL, &device->layouts[count]);
    if (result != VK_SUCCESS) {
        device->layouts[count] = VK_NULL_HANDLE;
        return kvant_vulkan_failed(device, "vkCreatePipelineLayout", result);
    }
    return KVANT_OK;
}

kvant_status kvant_vulkan_pipelines_create(kvant_backend_device *device)
{
    kvant_status status = create_cache(device);
    for (uint32_t i = 1; i <= KVANT_MAX_BINDINGS && status == KVANT_OK; i++) {
        status = create_layout(device, i);
    }
    return status;
}

void kvant_vulkan_pipelines_destroy(kvant_backend_device *device)
{
    const kvant_vulkan_symbols *vk = &device->instance.vk;
    store_cache(device);
    VkPipeline *pipelines = &device->pipelines[0][0][0];
    for (size_t i = 0; i < sizeof device->pipelines / sizeof *pipelines; i++) {
        vk->vkDestroyPipeline(device->handle, pipelines[i], NULL);
    }
    for (uint32_t i = 1; i <= KVANT_MAX_BINDINGS; i++) {
        vk->vkDestroyPipelineLayout(device->handle, device->layouts[i], NULL);
        vk->vkDestroyDescriptorSetLayout(device->handle, device->set_layouts[i], NULL);
    }
    vk->vkDestroyPipelineCache(device->handle, device->cache, NULL);
}

static kvant_status create_pipeline(kvant_backend_device *device, kvant_kernel kernel,
                                    const char *name, VkShaderModule module, uint32_t constant,
                                    VkPipeline *pipeline)
{
    const kvant_services *services = device->services;
    const kvant_vulkan_matrix *matrix = &device->matrix;
    const uint32_t constants[] = {device->lanes, constant, matrix->rows, matrix->columns,
                                  matrix->depth};
    const VkSpecializationMapEntry entries[] = {
        {.constantID = 0, .offset = 0, .size = 4},  {.constantID = 1, .offset = 4, .size = 4},
        {.constantID = 2, .offset = 8, .size = 4},  {.constantID = 3, .offset = 12, .size = 4},
        {.constantID = 4, .offset = 16, .size = 4},
    };
    VkSpecializationInfo specialization = {
        .mapEntryCount = matrix->rows != 0u ? 5u : 2u,
        .pMapEntries = entries,
        .dataSize = sizeof constants,
        .pData = constants,
    };
    VkComputePipelineCreateInfo info = {
        .sType = VK_STRUCTURE_TYPE_COMPUTE_PIPELINE_CREATE_INFO,
        .stage =
            {
                .sType = VK_STRUCTURE_TYPE_PIPELINE_SHADER_STAGE_CREATE_INFO,
                .stage = VK_SHADER_STAGE_COMPUTE_BIT,
                .module = module,
                .pName = "main",
                .pSpecializationInfo = &specialization,
            },
        .layout = device->layouts[kernels[kernel].binding_count],
    };
    VkResult result = device->instance.vk.vkCreateComputePipelines(device->handle, device->cache, 1,
                                                                   &info, NULL, pipeline);
    if (result == VK_SUCCESS) {
        return KVANT_OK;
    }
    *pipeline = VK_NULL_HANDLE;
    kvant_status status = kvant_vulkan_failed(device, "vkCreateComputePipelines", result);
    if (status != KVANT_ERROR_INTERNAL && status != KVANT_ERROR_NO_DEVICE) {
        return status;
    }
    return services->report(services, KVANT_ERROR_KERNEL_BUILD, "vulkan",
                            "vkCreateComputePipelines returned %d for %s with %u lanes",
                            (int)result, name, device->lanes);
}

static kvant_status build(kvant_backend_device *device, kvant_kernel kernel, kvant_variant variant)
{
    const kvant_services *services = device->services;
    const kvant_vulkan_symbols *vk = &device->instance.vk;
    const char *name = module_names[kernel][variant];
    VkPipeline *pipelines = device->pipelines[kernel][variant];
    int is_built = 1;
    for (uint32_t i = 0; i < KVANT_VULKAN_CHOICES; i++) {
        is_built = is_built && (pipelines[i] != VK_NULL_HANDLE ||
                                !kvant_vulkan_has_choice(device, kernel, variant, i));
    }
    if (is_built) {
        return KVANT_OK;
    }
    const kvant_embedded *code = kvant_embedded_find(kvant_vulkan_shaders, name);
    if (code == NULL || strcmp(code->contract_hash, KVANT_CONTRACT_HASH) != 0) {
        return services->report(services, KVANT_ERROR_KERNEL_BUILD, "vulkan", "%s %s", name,
                                code == NULL ? "is not in this build"
                                             : "was compiled against another contract");
    }
    VkShaderModuleCreateInfo info = {
        .sType = VK_STRUCTURE_TYPE_SHADER_MODULE_CREATE_INFO,
        .codeSize = code->size,
        .pCode = (const uint32_t *)(const void *)code->bytes, /* embedded.h: aligned */
    };
    VkShaderModule module;
    VkResult result = vk->vkCreateShaderModule(device->handle, &info, NULL, &module);
    if (result != VK_SUCCESS) {
        return kvant_vulkan_failed(device, "vkCreateShaderModule", result);
    }
    kvant_status status = KVANT_OK;
    for (uint32_t i = 0; i < KVANT_VULKAN_CHOICES && status == KVANT_OK; i++) {
        if (kvant_vulkan_has_choice(device, kernel, variant, i) && pipelines[i] == VK_NULL_HANDLE) {
            status = create_pipeline(device, kernel, name, module, kvant_vulkan_constant(kernel, i),
                                     &pipelines[i]);
        }
    }
    vk->vkDestroyShaderModule(device->handle, module, NULL);
    if (status == KVANT_OK && device->properties.deviceType == VK_PHYSICAL_DEVICE_TYPE_CPU) {
        status = kvant_vulkan_warm_up(device, kernel, variant, kernels[kernel].binding_count);
    }
    return status;
}

kvant_status kvant_vulkan_prepare(kvant_backend_device *device, kvant_kernel kernel,
                                  uint32_t variants)
{
    kvant_status status = kvant_vulkan_alive(device);
    for (int i = 0; status == KVANT_OK && i < KVANT_VARIANT_COUNT; i++) {
        if ((variants >> i & 1u) != 0u) {
            status = build(device, kernel, (kvant_variant)i);
        }
    }
    return status;
}

/* ---- launches ---- */

static kvant_status write_set(kvant_backend_device *device, kvant_vulkan_batch *batch,
                              kvant_vulkan_set *slot)
{
    const kvant_vulkan_symbols *vk = &device->instance.vk;
    VkDescriptorSetAllocateInfo info = {
        .sType = VK_STRUCTURE_TYPE_DESCRIPTOR_SET_ALLOCATE_INFO,
        .descriptorPool = batch->sets,
        .descriptorSetCount = 1,
        .pSetLayouts = &device->set_layouts[slot->count],
    };
    VkResult result = vk->vkAllocateDescriptorSets(device->handle, &info, &slot->set);
    if (result != VK_SUCCESS) {
        slot->count = 0;
        return kvant_vulkan_failed(device, "vkAllocateDescriptorSets", result);
    }
    batch->set_count++;
    VkDescriptorBufferInfo buffers[KVANT_MAX_BINDINGS];
    VkWriteDescriptorSet writes[KVANT_MAX_BINDINGS];
    for (uint32_t i = 0; i < slot->count; i++) {
        buffers[i] = (VkDescriptorBufferInfo){.buffer = slot->buffers[i], .range = VK_WHOLE_SIZE};
        writes[i] = (VkWriteDescriptorSet){
            .sType = VK_STRUCTURE_TYPE_WRITE_DESCRIPTOR_SET,
            .dstSet = slot->set,
            .dstBinding = i,
            .descriptorCount = 1,
            .descriptorType = VK_DESCRIPTOR_TYPE_STORAGE_BUFFER,
            .pBufferInfo = &buffers[i],
        };
    }
    vk->vkUpdateDescriptorSets(device->handle, slot->count, writes, 0, NULL);
    return KVANT_OK;
}

/* The descriptor set of these buffers, from the batch's table. The table never fills up: a batch
 * has as many slots as sets, and is submitted before it needs more. */
static kvant_status find_set(kvant_backend_device *device, kvant_vulkan_batch *batch,
                             const kvant_launch *launch, VkDescriptorSet *out_set)
{
    VkBuffer buffers[KVANT_MAX_BINDINGS] = {VK_NULL_HANDLE};
    for (uint32_t i = 0; i < launch->binding_count; i++) {
        buffers[i] = launch->bindings[i]->handle;
    }
    uint64_t hash = hash_bytes(buffers, sizeof buffers);
    for (uint32_t probe = 0; probe < KVANT_VULKAN_SET_CACHE; probe++) {
        kvant_vulkan_set *slot = &batch->cache[(hash + probe) % KVANT_VULKAN_SET_CACHE];
        if (slot->count == 0) {
            slot->count = launch->binding_count;
            memcpy(slot->buffers, buffers, sizeof buffers);
            kvant_status status = write_set(device, batch, slot);
            *out_set = slot->set;
            return status;
        }
        if (slot->count == launch->binding_count &&
            memcmp(slot->buffers, buffers, sizeof buffers) == 0) {
            *out_set = slot->set;
            return KVANT_OK;
        }
    }
    return kvant_vulkan_failed(device, "the table of descriptor sets", VK_ERROR_OUT_OF_POOL_MEMORY);
}

kvant_status kvant_vulkan_dispatch(kvant_backend_device *device, const kvant_launch *launch,
                                   VkPipeline pipeline)
{
    const kvant_vulkan_symbols *vk = &device->instance.vk;
    kvant_status status = kvant_vulkan_begin_command(device);
    if (status != KVANT_OK) {
        return status;
    }
    kvant_vulkan_batch *batch = &device->batches[device->current];
    VkDescriptorSet set;
    status = find_set(device, batch, launch, &set);
    if (status != KVANT_OK) {
        return status;
    }
    VkPipelineLayout layout = device->layouts[launch->binding_count];
    kvant_vulkan_order(device, launch->binding_count, launch->bindings,
                       written_bindings(launch->kernel));
    vk->vkCmdBindPipeline(batch->commands, VK_PIPELINE_BIND_POINT_COMPUTE, pipeline);
    vk->vkCmdBindDescriptorSets(batch->commands, VK_PIPELINE_BIND_POINT_COMPUTE, layout, 0, 1, &set,
                                0, NULL);
    vk->vkCmdPushConstants(batch->commands, layout, VK_SHADER_STAGE_COMPUTE_BIT, 0,
                           launch->params_bytes, launch->params);
    vk->vkCmdDispatch(batch->commands, launch->groups[0], launch->groups[1], launch->groups[2]);
    return KVANT_OK;
}

kvant_status kvant_vulkan_launch(kvant_backend_device *device, const kvant_launch *launch)
{
    uint32_t choice = kvant_vulkan_choice(device, launch);
    return kvant_vulkan_dispatch(device, launch,
                                 device->pipelines[launch->kernel][launch->variant][choice]);
}
