/* SPDX-License-Identifier: MIT
 *
 * What the files of the OpenCL backend share: the device, its buffers, and how a failed native call
 * becomes a status.
 */
#ifndef KVANT_BACKENDS_OPENCL_INTERNAL_H
#define KVANT_BACKENDS_OPENCL_INTERNAL_H

#include "embedded.h"
#include "opencl_api.h"

/* Small uploads are copied to a slot of a ring, so that the caller's memory is free at once and
 * nothing waits. */
#define KVANT_OPENCL_SLOTS 16u
#define KVANT_OPENCL_SLOT_BYTES 65536u

/* Kernels and headers, as text (written by the build). */
extern const kvant_embedded kvant_opencl_texts[];

struct kvant_backend_device {
    const kvant_services *services;
    kvant_opencl_api api;
    cl_device_id id;
    cl_context context;
    cl_command_queue queue;
    char identity[512]; /* platform, device and driver versions: part of the cache's keys */
    const char *standards[KVANT_VARIANT_COUNT]; /* of OpenCL C; NULL: 1.2 */
    uint32_t lanes;
    uint32_t item_groups; /* at most that many work-groups for an ITEMS kernel; 0: any number */
    int is_cpu; /* compiles at the first launch, and keeps what it compiled on disk itself */
    int is_lost;
    cl_program *headers; /* as many as header_names; made for the first kernel */
    const char **header_names;
    cl_uint header_count;
    cl_program programs[KVANT_KERNEL_COUNT][KVANT_VARIANT_COUNT];
    cl_kernel kernels[KVANT_KERNEL_COUNT][KVANT_VARIANT_COUNT];
    cl_event marks[KVANT_MARKS];
    unsigned char *staging;               /* the slots, one after the other */
    cl_event written[KVANT_OPENCL_SLOTS]; /* when a slot's write is done; NULL: it is free */
    uint32_t next_slot;
};

struct kvant_backend_buffer {
    cl_mem memory;
};

/* Reports that `call` failed. A lost device stays lost. */
kvant_status kvant_opencl_fail(kvant_backend_device *device, const char *call, cl_int error);

/* DEVICE_LOST once the device is lost, else OK. */
kvant_status kvant_opencl_check(kvant_backend_device *device);

kvant_status kvant_opencl_enumerate(const kvant_services *services,
                                    kvant_device_record *out_records, uint32_t capacity,
                                    uint32_t *out_count);
kvant_status kvant_opencl_open(const kvant_services *services, uint32_t index,
                               kvant_backend_device **out_device, kvant_backend_limits *out_limits);
void kvant_opencl_close(kvant_backend_device *device);

kvant_status kvant_opencl_buffer_create(kvant_backend_device *device, uint64_t bytes,
                                        kvant_backend_buffer **out_buffer);
void kvant_opencl_buffer_destroy(kvant_backend_device *device, kvant_backend_buffer *buffer);
kvant_status kvant_opencl_upload(kvant_backend_device *device, kvant_backend_buffer *buffer,
                                 uint64_t offset, const void *data, uint64_t bytes);
kvant_status kvant_opencl_download(kvant_backend_device *device, kvant_backend_buffer *buffer,
                                   uint64_t offset, void *data, uint64_t bytes);
kvant_status kvant_opencl_copy(kvant_backend_device *device, kvant_backend_buffer *source,
                               uint64_t source_offset, kvant_backend_buffer *target,
                               uint64_t target_offset, uint64_t bytes);
kvant_status kvant_opencl_fill(kvant_backend_device *device, kvant_backend_buffer *buffer,
                               uint64_t offset, uint32_t word, uint64_t bytes);
kvant_status kvant_opencl_make_slots(kvant_backend_device *device);
void kvant_opencl_release_slots(kvant_backend_device *device);

kvant_status kvant_opencl_prepare(kvant_backend_device *device, kvant_kernel kernel,
                                  uint32_t variants);
void kvant_opencl_release_programs(kvant_backend_device *device);

/* Options to compile for a standard ("CL1.2") with. */
#define KVANT_OPENCL_OPTIONS "-cl-std=%s -D KV_LANES=%u"

int kvant_opencl_has_extension(const kvant_services *services, const kvant_opencl_api *api,
                               cl_device_id id, const char *name);

/* KVANT_CAPABILITY_* of a device whose queue is open. A compiler that refuses means none. */
kvant_status kvant_opencl_probe(kvant_backend_device *device, cl_platform_id platform,
                                uint32_t *out_capabilities);

/* Launches a kernel that is built with nothing to do, and waits. */
kvant_status kvant_opencl_warm_up(kvant_backend_device *device, kvant_kernel kernel,
                                  kvant_variant variant);

kvant_status kvant_opencl_launch(kvant_backend_device *device, const kvant_launch *launch);
kvant_status kvant_opencl_flush(kvant_backend_device *device);
kvant_status kvant_opencl_synchronize(kvant_backend_device *device);
kvant_status kvant_opencl_mark(kvant_backend_device *device, uint32_t slot);
kvant_status kvant_opencl_elapsed(kvant_backend_device *device, uint32_t from, uint32_t to,
                                  double *out_microseconds);

#endif
