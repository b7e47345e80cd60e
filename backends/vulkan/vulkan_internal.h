/* SPDX-License-Identifier: MIT
 *
 * The Vulkan backend's objects, and what its files offer to each other.
 *
 * Commands are recorded into the current batch; a batch is one command buffer with its fence and
 * its descriptor pool, and batches form a ring. Each batch that is submitted has a serial number:
 * whatever a batch uses is kept until that serial is done.
 */
#ifndef KVANT_BACKENDS_VULKAN_INTERNAL_H
#define KVANT_BACKENDS_VULKAN_INTERNAL_H

#include "backend.h"
#include "vulkan_cooperative.h"
#include "vulkan_symbols.h"

#define KVANT_VULKAN_BATCHES 8u          /* in flight, at most */
#define KVANT_VULKAN_BATCH_COMMANDS 256u /* then the batch is submitted */
#define KVANT_VULKAN_BATCH_SETS 256u     /* descriptor sets of a batch */
#define KVANT_VULKAN_SET_CACHE 256u      /* slots of a batch's table of sets; a power of 2 */
#define KVANT_VULKAN_STAGING_BYTES (UINT64_C(4) << 20) /* less where an allocation takes less */
#define KVANT_VULKAN_UPDATE_BYTES 4096u /* uploads up to this size travel in the command buffer */
#define KVANT_VULKAN_PUSH_BYTES 128u
#define KVANT_VULKAN_SHARED_BYTES 32768u /* shared memory that the kernels may need */
#define KVANT_VULKAN_CHOICES 4u          /* pipelines of one module, at most */
#define KVANT_VULKAN_NARROW_LANES 8u     /* a work-group that is one vector of a CPU */

/* The shape of the matrices that a subgroup multiplies: codes are rows by depth, operands depth by
 * columns. No rows: the device has none that fit. */
typedef struct {
    uint32_t rows;
    uint32_t columns;
    uint32_t depth;
} kvant_vulkan_matrix;

typedef struct {
    const kvant_services *services;
    void *library;
    VkInstance handle;
    kvant_vulkan_symbols vk;
} kvant_vulkan_instance;

struct kvant_backend_buffer {
    VkBuffer handle;
    VkDeviceMemory memory;
    uint64_t bytes;
    uint64_t last_use;   /* serial of the batch that used it last */
    uint64_t last_read;  /* number of the command that read it last ... */
    uint64_t last_write; /* ... and wrote it last: a barrier after that makes it safe */
    struct kvant_backend_buffer *next_condemned;
};

/* Host-visible memory that stays mapped. */
typedef struct {
    struct kvant_backend_buffer buffer;
    unsigned char *mapped;
} kvant_vulkan_staging;

typedef struct {
    VkDescriptorSet set;
    uint32_t count; /* 0: empty slot */
    VkBuffer buffers[KVANT_MAX_BINDINGS];
} kvant_vulkan_set;

typedef struct {
    VkCommandPool pool;
    VkCommandBuffer commands;
    VkDescriptorPool sets;
    VkFence fence;
    uint64_t serial;
    uint64_t staging_end; /* of the ring, once the batch is done everything before it is free */
    uint32_t set_count;
    int is_recording;
    int is_pending; /* submitted, and not known to be done */
    kvant_vulkan_set cache[KVANT_VULKAN_SET_CACHE];
} kvant_vulkan_batch;

struct kvant_backend_device {
    const kvant_services *services;
    kvant_vulkan_instance instance;
    VkPhysicalDevice physical;
    VkDevice handle;
    VkQueue queue;
    uint32_t family;
    uint32_t timestamp_bits;
    double timestamp_nanoseconds; /* of one unit */
    VkPhysicalDeviceProperties properties;
    VkPhysicalDeviceMemoryProperties memory;
    uint32_t lanes;
    int has_dot_products;
    kvant_vulkan_matrix matrix;
    int is_lost;

    kvant_vulkan_batch batches[KVANT_VULKAN_BATCHES];
    uint32_t current;          /* batch */
    uint32_t command_count;    /* of the current batch */
    uint64_t recording_serial; /* of the current batch */
    uint64_t done_serial;      /* everything up to here is done */
    uint64_t command;          /* number of the command recorded last, over all batches */
    uint64_t barrier;          /* commands up to this one are behind a barrier */
    struct kvant_backend_buffer *condemned; /* destroyed by the caller, perhaps in use */

    uint64_t staging_bytes;
    kvant_vulkan_staging upload; /* a ring */
    uint64_t upload_head;        /* bytes ever taken ... */
    uint64_t upload_tail;        /* ... and given back */
    kvant_vulkan_staging download;

    VkDescriptorSetLayout set_layouts[KVANT_MAX_BINDINGS + 1u]; /* by the number of bindings */
    VkPipelineLayout layouts[KVANT_MAX_BINDINGS + 1u];
    VkPipeline pipelines[KVANT_KERNEL_COUNT][KVANT_VARIANT_COUNT][KVANT_VULKAN_CHOICES];
    VkPipelineCache cache;
    uint64_t cache_hash; /* of what was loaded */

    VkQueryPool queries;
    double host_marks[KVANT_MARKS]; /* where the device has no time stamps */
};

/* ---- vulkan_loader.c ---- */

kvant_status kvant_vulkan_instance_open(const kvant_services *services,
                                        kvant_vulkan_instance *instance);
void kvant_vulkan_instance_close(kvant_vulkan_instance *instance);

/* The physical devices that have Vulkan 1.1 and a compute queue. *count: room, then number. */
kvant_status kvant_vulkan_physical_devices(const kvant_vulkan_instance *instance,
                                           VkPhysicalDevice *devices, uint32_t capacity,
                                           uint32_t *out_count);
/* A queue family with compute, or UINT32_MAX. */
uint32_t kvant_vulkan_queue_family(const kvant_vulkan_instance *instance, VkPhysicalDevice physical,
                                   uint32_t *out_timestamp_bits);
int kvant_vulkan_has_extension(const kvant_vulkan_instance *instance, VkPhysicalDevice physical,
                               const char *name);
void kvant_vulkan_describe(const kvant_vulkan_instance *instance, VkPhysicalDevice physical,
                           kvant_device_record *record);
kvant_status kvant_vulkan_device_symbols(kvant_backend_device *device);

/* ---- vulkan_device.c ---- */

/* Reports that `call` returned `result`, and remembers a lost device. */
kvant_status kvant_vulkan_failed(kvant_backend_device *device, const char *call, VkResult result);
/* KVANT_OK, or KVANT_ERROR_DEVICE_LOST once the device is lost. */
kvant_status kvant_vulkan_alive(kvant_backend_device *device);

/* ---- vulkan_extensions.c ---- */

/* What vkCreateDevice is asked for beyond Vulkan 1.1. It points into itself. */
typedef struct {
    uint32_t count;
    const char *extensions[4];
    void *features; /* for pNext */
    VkPhysicalDeviceShaderIntegerDotProductFeaturesKHR dot_products;
    VkPhysicalDeviceCooperativeMatrixFeaturesKHR matrices;
    VkPhysicalDeviceVulkanMemoryModelFeaturesKHR memory_model;
    VkPhysicalDeviceShaderFloat16Int8FeaturesKHR bytes;
} kvant_vulkan_request;

/* Finds what variants need, for a physical device whose lanes are known. */
void kvant_vulkan_find_extensions(kvant_backend_device *device);
void kvant_vulkan_ask_for_extensions(const kvant_backend_device *device,
                                     kvant_vulkan_request *request);
uint32_t kvant_vulkan_capabilities(const kvant_backend_device *device,
                                   const VkPhysicalDeviceSubgroupProperties *subgroup);

/* ---- vulkan_matrix.c ---- */

/* The shape to use, or one without rows. */
kvant_vulkan_matrix kvant_vulkan_find_matrix(const kvant_vulkan_instance *instance,
                                             VkPhysicalDevice physical, uint32_t lanes);

/* ---- vulkan_memory.c ---- */

kvant_status kvant_vulkan_allocate(kvant_backend_device *device, uint64_t bytes,
                                   VkBufferUsageFlags usage, VkMemoryPropertyFlags required,
                                   VkMemoryPropertyFlags preferred,
                                   struct kvant_backend_buffer *buffer);
void kvant_vulkan_free(kvant_backend_device *device, struct kvant_backend_buffer *buffer);
kvant_status kvant_vulkan_staging_create(kvant_backend_device *device,
                                         kvant_vulkan_staging *staging, VkBufferUsageFlags usage,
                                         VkMemoryPropertyFlags preferred);
kvant_status kvant_vulkan_buffer_create(kvant_backend_device *device, uint64_t bytes,
                                        kvant_backend_buffer **out_buffer);
void kvant_vulkan_buffer_destroy(kvant_backend_device *device, kvant_backend_buffer *buffer);
/* Frees the condemned buffers that are not in use any more; with `all` set, every one. */
void kvant_vulkan_reap(kvant_backend_device *device, int all);

/* ---- vulkan_queue.c ---- */

kvant_status kvant_vulkan_queue_create(kvant_backend_device *device);
void kvant_vulkan_queue_destroy(kvant_backend_device *device);
/* Makes sure that the current batch takes one more command. */
kvant_status kvant_vulkan_begin_command(kvant_backend_device *device);
/* Puts a barrier before the next command where one of its buffers needs it, then counts the
 * command. `writes` is a bit mask over the buffers. Call after kvant_vulkan_begin_command. */
void kvant_vulkan_order(kvant_backend_device *device, uint32_t count,
                        struct kvant_backend_buffer *const *buffers, uint32_t writes);
kvant_status kvant_vulkan_flush(kvant_backend_device *device);
/* Submits, and waits until the batch with that serial is done. */
kvant_status kvant_vulkan_wait(kvant_backend_device *device, uint64_t serial);
kvant_status kvant_vulkan_synchronize(kvant_backend_device *device);
kvant_status kvant_vulkan_mark(kvant_backend_device *device, uint32_t slot);
kvant_status kvant_vulkan_elapsed(kvant_backend_device *device, uint32_t from, uint32_t to,
                                  double *out_microseconds);
uint64_t kvant_vulkan_submissions(const kvant_backend_device *device);

/* ---- vulkan_transfer.c ---- */

kvant_status kvant_vulkan_upload(kvant_backend_device *device, kvant_backend_buffer *buffer,
                                 uint64_t offset, const void *data, uint64_t bytes);
kvant_status kvant_vulkan_download(kvant_backend_device *device, kvant_backend_buffer *buffer,
                                   uint64_t offset, void *data, uint64_t bytes);
kvant_status kvant_vulkan_copy(kvant_backend_device *device, kvant_backend_buffer *source,
                               uint64_t source_offset, kvant_backend_buffer *target,
                               uint64_t target_offset, uint64_t bytes);
kvant_status kvant_vulkan_fill(kvant_backend_device *device, kvant_backend_buffer *buffer,
                               uint64_t offset, uint32_t word, uint64_t bytes);

/* ---- vulkan_pipeline.c ---- */

kvant_status kvant_vulkan_pipelines_create(kvant_backend_device *device);
void kvant_vulkan_pipelines_destroy(kvant_backend_device *device);
kvant_status kvant_vulkan_prepare(kvant_backend_device *device, kvant_kernel kernel,
                                  uint32_t variants);
kvant_status kvant_vulkan_launch(kvant_backend_device *device, const kvant_launch *launch);
/* The same by a pipeline of the caller's choice. */
kvant_status kvant_vulkan_dispatch(kvant_backend_device *device, const kvant_launch *launch,
                                   VkPipeline pipeline);

/* ---- vulkan_choice.c ---- */

/* Whether a kernel has pipeline number `choice` on this device, its specialization constant 1, and
 * the number of the one that a launch takes. */
int kvant_vulkan_has_choice(const kvant_backend_device *device, kvant_kernel kernel,
                            kvant_variant variant, uint32_t choice);
uint32_t kvant_vulkan_constant(kvant_kernel kernel, uint32_t choice);
uint32_t kvant_vulkan_choice(const kvant_backend_device *device, const kvant_launch *launch);

/* ---- vulkan_warm_up.c ---- */

/* Dispatches a kernel that is built with nothing to do, and waits. */
kvant_status kvant_vulkan_warm_up(kvant_backend_device *device, kvant_kernel kernel,
                                  kvant_variant variant, uint32_t binding_count);

#endif
