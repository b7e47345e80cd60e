/* SPDX-License-Identifier: MIT
 *
 * The function table between dispatch and a backend. Dispatch has checked every argument: a backend
 * trusts what it gets, executes, and reports failures of the native API. One device is used by one
 * thread at a time. backends/null is the template; CONTRIBUTING.md has the recipe.
 *
 * All work goes to one in-order queue: each call sees the effects of the calls before it. Nothing
 * waits for the device except download, synchronize and close.
 */
#ifndef KVANT_BACKENDS_BACKEND_H
#define KVANT_BACKENDS_BACKEND_H

#include <stddef.h>
#include <stdint.h>

#include "kvant/context.h"
#include "kvant/status.h"

/* Every kernel of the manifest, in its order. */
typedef enum {
#define KVANT_KERNEL(name, params, count, names, shape, exactness) KVANT_KERNEL_##name,
#include "kernels.def"
#undef KVANT_KERNEL
    KVANT_KERNEL_COUNT
} kvant_kernel;

#define KVANT_MAX_BINDINGS 5u

/* The ways to compute a kernel: the baseline, and those that variants.def gives to some. */
typedef enum {
    KVANT_VARIANT_baseline,
    KVANT_VARIANT_mma,
    KVANT_VARIANT_async,
    KVANT_VARIANT_bulk,
    KVANT_VARIANT_dot,
    KVANT_VARIANT_subgroup,
    KVANT_VARIANT_vnni,
    KVANT_VARIANT_matrix,
    KVANT_VARIANT_COUNT
} kvant_variant;

/* What a device can do that variants ask for: bits of kvant_backend_limits.capabilities. */
#define KVANT_CAPABILITY_INT8_MMA 1u      /* a warp multiplies matrices of 8-bit integers */
#define KVANT_CAPABILITY_SUBGROUP_OF_8 2u /* a work-group's 8 lanes are a subgroup that shuffles */
#define KVANT_CAPABILITY_AVX512_VNNI 4u   /* kernels may use vpdpwssd of 512 bits */
#define KVANT_CAPABILITY_INT8_DOT 8u      /* dot products of four 8-bit integers are instructions */
#define KVANT_CAPABILITY_BULK_COPY 16u    /* a copy unit fills shared memory */
#define KVANT_CAPABILITY_CL_INT8_DOT 32u  /* INT8_DOT in OpenCL C, on a GPU */
#define KVANT_CAPABILITY_CL_SHUFFLE 64u   /* sub-groups of 8 lanes and more shuffle in OpenCL C */
#define KVANT_CAPABILITY_VK_MATRIX 128u   /* INT8_MMA of a subgroup in SPIR-V */
/* Added to a capability: the device has it, but is no faster for it. */
#define KVANT_CAPABILITY_SLOW(capability) ((capability) << 16)

/* What dispatch offers to a backend. */
typedef struct kvant_services {
    void *(*allocate)(const struct kvant_services *services, size_t bytes); /* zeroed, or NULL */
    void (*release)(const struct kvant_services *services, void *memory);   /* NULL is fine */
    /* Stores the sentence as the last message and passes it to the diagnostic callback. Returns
     * `status`, so that a failure is one line. */
    kvant_status (*report)(const struct kvant_services *services, kvant_status status,
                           const char *backend, const char *format, ...)
#if defined(__GNUC__)
        __attribute__((format(printf, 4, 5)))
#endif
        ;
    /* The caller's cache of compiled kernels; both may be NULL. load returns the bytes that the
     * blob has (0: unknown) and fills at most `capacity` of them. */
    size_t (*cache_load)(const struct kvant_services *services, const char *key, void *bytes,
                         size_t capacity);
    void (*cache_store)(const struct kvant_services *services, const char *key, const void *bytes,
                        size_t size);
    void *self; /* dispatch's own */
} kvant_services;

/* One device as enumeration finds it, before it is opened. */
typedef struct {
    kvant_device_kind kind;
    char name[128];
    char driver[64]; /* API and driver version */
    char uuid[33];   /* 32 hex digits, or empty */
    char pci[16];    /* dddd:bb:dd.f, or empty */
} kvant_device_record;

/* What dispatch must know to plan. */
typedef struct {
    uint64_t max_buffer_bytes;   /* of one allocation that a kernel can bind whole */
    uint64_t total_memory_bytes; /* 0: unknown */
    uint32_t lanes;              /* of a work-group; the backend chooses, kernels work with any */
    uint32_t max_groups;         /* of a launch, along each dimension */
    uint32_t parallel_groups;    /* work-groups that keep the device busy, about */
    uint32_t capabilities;       /* KVANT_CAPABILITY_*, beyond what every kernel needs */
    /* What the driver says, for reports alone; 0: it does not say. */
    uint64_t max_binding_bytes; /* that a kernel reaches through one binding */
    uint32_t max_lanes;         /* of a work-group */
    uint32_t shared_bytes;      /* of shared memory that a work-group has at most */
    uint32_t subgroup_lanes;    /* that execute together: a warp, a wave */
} kvant_backend_limits;

typedef struct kvant_backend_device kvant_backend_device; /* each backend's own */
typedef struct kvant_backend_buffer kvant_backend_buffer; /* each backend's own */

typedef struct {
    kvant_kernel kernel;
    kvant_variant variant; /* the baseline, or one that the device is capable of */
    const void *params;    /* the kernel's struct of params.h, copied by the call */
    uint32_t params_bytes;
    uint32_t groups[3]; /* work-groups of limits.lanes lanes */
    uint32_t binding_count;
    kvant_backend_buffer *bindings[KVANT_MAX_BINDINGS];
} kvant_launch;

/* Time stamps that a device keeps at once. */
#define KVANT_MARKS 1024u

#define KVANT_BACKEND_VERSION 3u

typedef struct {
    uint32_t version; /* KVANT_BACKEND_VERSION */
    const char *name;

    /* Lists the devices: cheap, creates nothing that lasts. On KVANT_OK *out_count devices (at most
     * `capacity` are written). A missing library or driver is KVANT_ERROR_BACKEND_UNAVAILABLE with
     * the reason reported. */
    kvant_status (*enumerate)(const kvant_services *services, kvant_device_record *out_records,
                              uint32_t capacity, uint32_t *out_count);

    /* Opens device `index` of the enumeration. `services` outlives the device. */
    kvant_status (*open)(const kvant_services *services, uint32_t index,
                         kvant_backend_device **out_device, kvant_backend_limits *out_limits);

    /* Waits for the queue where the device is not lost, then frees everything. */
    void (*close)(kvant_backend_device *device);

    /* A buffer of `bytes` (a multiple of 4, not 0), zeroed. */
    kvant_status (*buffer_create)(kvant_backend_device *device, uint64_t bytes,
                                  kvant_backend_buffer **out_buffer);

    /* The queue may still use the buffer: the backend waits or defers. */
    void (*buffer_destroy)(kvant_backend_device *device, kvant_backend_buffer *buffer);

    /* Host to buffer; `data` may be reused when the call returns. Offsets and sizes are multiples
     * of 4. */
    kvant_status (*upload)(kvant_backend_device *device, kvant_backend_buffer *buffer,
                           uint64_t offset, const void *data, uint64_t bytes);

    /* Buffer to host; waits. */
    kvant_status (*download)(kvant_backend_device *device, kvant_backend_buffer *buffer,
                             uint64_t offset, void *data, uint64_t bytes);

    /* Buffer to buffer; ranges of one buffer do not overlap. */
    kvant_status (*copy)(kvant_backend_device *device, kvant_backend_buffer *source,
                         uint64_t source_offset, kvant_backend_buffer *target,
                         uint64_t target_offset, uint64_t bytes);

    /* Repeats a word over a range. */
    kvant_status (*fill)(kvant_backend_device *device, kvant_backend_buffer *buffer,
                         uint64_t offset, uint32_t word, uint64_t bytes);

    /* Builds a kernel in the variants whose bits (1 << kvant_variant) are set, so that launching one
     * of them compiles nothing; what is built already stays. Called before the first launch. */
    kvant_status (*prepare)(kvant_backend_device *device, kvant_kernel kernel, uint32_t variants);

    /* Enqueues one launch. */
    kvant_status (*launch)(kvant_backend_device *device, const kvant_launch *launch);

    /* Hands queued work to the device without waiting for it. */
    kvant_status (*flush)(kvant_backend_device *device);

    /* Waits until everything is done. */
    kvant_status (*synchronize)(kvant_backend_device *device);

    /* Time stamps. mark enqueues a stamp, taken when all work before it is done, into a slot below
     * KVANT_MARKS; elapsed waits and returns the microseconds from one slot to another, both set.
     * Without device stamps: wait and read the host's clock. Who sets none pays nothing. */
    kvant_status (*mark)(kvant_backend_device *device, uint32_t slot);
    kvant_status (*elapsed)(kvant_backend_device *device, uint32_t from, uint32_t to,
                            double *out_microseconds);

    /* Times that work was handed to the driver since the device was opened. NULL: each command is
     * handed over by itself. */
    uint64_t (*submissions)(const kvant_backend_device *device);
} kvant_backend;

/* The table that backends.def lists. */
#define KVANT_BACKEND(name) extern const kvant_backend kvant_backend_##name;
#include "backends.def"
#undef KVANT_BACKEND

#endif
