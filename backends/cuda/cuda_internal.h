/* SPDX-License-Identifier: MIT
 *
 * What the files of the CUDA backend share: one opened device, its buffers and its staging memory.
 */
#ifndef KVANT_BACKENDS_CUDA_INTERNAL_H
#define KVANT_BACKENDS_CUDA_INTERNAL_H

#include "cuda_driver.h"
#include "embedded.h"

#define CUDA_LANES 128u
#define CUDA_WARP 32u
#define CUDA_MMA_CAPABILITY 80  /* mma.sync.m16n8k32 on 8-bit integers, cp.async */
#define CUDA_BULK_CAPABILITY 90 /* cp.async.bulk */
#define CUDA_STAGING_SLOTS 4u
#define CUDA_STAGING_BYTES (UINT64_C(256) << 10) /* of a slot */

/* The compiled kernels: "kvant.fatbin", or "no-nvcc.txt" where the build had no nvcc. */
extern const kvant_embedded kvant_cuda_images[];

/* Pinned memory that uploads pass through, so that the caller's memory is free at once. Uploads are
 * appended to a slot; a full one gets an event and is used again when that has come by. */
typedef struct {
    unsigned char *memory;
    cuda_event events[CUDA_STAGING_SLOTS];
    uint32_t slot;
    uint64_t used; /* bytes of the slot */
} cuda_staging;

struct kvant_backend_device {
    const kvant_services *services;
    cuda_driver driver;
    cuda_ordinal ordinal;
    cuda_context context;
    cuda_stream stream;
    cuda_event marks[KVANT_MARKS]; /* made when they are first set */
    cuda_staging staging;
    cuda_module module;
    cuda_function functions[KVANT_KERNEL_COUNT][KVANT_VARIANT_COUNT];
    uint32_t lanes;
    int is_simulated;
    int is_lost;
};

struct kvant_backend_buffer {
    cuda_address address;
};

/* Makes the device's context current; kvant_cuda_leave restores the caller's. Every entry of the
 * function table works between the two. A lost device is refused. */
kvant_status kvant_cuda_enter(kvant_backend_device *device);
void kvant_cuda_leave(kvant_backend_device *device);

/* The status of a call on an opened device: reported, and remembered where the device is lost. */
kvant_status kvant_cuda_result(kvant_backend_device *device, int result, const char *call);

/* A call through the device's driver, checked. */
#define CUDA_CALL(device, name, ...)                                                               \
    kvant_cuda_result(device, (device)->driver.name(__VA_ARGS__), #name)

kvant_status kvant_cuda_staging_create(kvant_backend_device *device);
void kvant_cuda_staging_destroy(kvant_backend_device *device);

/* The entries of the function table. */
kvant_status kvant_cuda_enumerate(const kvant_services *services, kvant_device_record *out_records,
                                  uint32_t capacity, uint32_t *out_count);
kvant_status kvant_cuda_open(const kvant_services *services, uint32_t index,
                             kvant_backend_device **out_device, kvant_backend_limits *out_limits);
void kvant_cuda_close(kvant_backend_device *device);
kvant_status kvant_cuda_buffer_create(kvant_backend_device *device, uint64_t bytes,
                                      kvant_backend_buffer **out_buffer);
void kvant_cuda_buffer_destroy(kvant_backend_device *device, kvant_backend_buffer *buffer);
kvant_status kvant_cuda_upload(kvant_backend_device *device, kvant_backend_buffer *buffer,
                               uint64_t offset, const void *data, uint64_t bytes);
kvant_status kvant_cuda_download(kvant_backend_device *device, kvant_backend_buffer *buffer,
                                 uint64_t offset, void *data, uint64_t bytes);
kvant_status kvant_cuda_copy(kvant_backend_device *device, kvant_backend_buffer *source,
                             uint64_t source_offset, kvant_backend_buffer *target,
                             uint64_t target_offset, uint64_t bytes);
kvant_status kvant_cuda_fill(kvant_backend_device *device, kvant_backend_buffer *buffer,
                             uint64_t offset, uint32_t word, uint64_t bytes);
kvant_status kvant_cuda_prepare(kvant_backend_device *device, kvant_kernel kernel,
                                uint32_t variants);
kvant_status kvant_cuda_launch(kvant_backend_device *device, const kvant_launch *launch);
kvant_status kvant_cuda_flush(kvant_backend_device *device);
kvant_status kvant_cuda_synchronize(kvant_backend_device *device);
kvant_status kvant_cuda_mark(kvant_backend_device *device, uint32_t slot);
kvant_status kvant_cuda_elapsed(kvant_backend_device *device, uint32_t from, uint32_t to,
                                double *out_microseconds);

#endif
