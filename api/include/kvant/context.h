/* SPDX-License-Identifier: MIT
 *
 * kvant/context.h: one opened device of one backend.
 *
 * A context is used by one thread at a time; different contexts are independent. Buffers and caches
 * belong to the context that made them and are destroyed before it.
 */
#ifndef KVANT_CONTEXT_H
#define KVANT_CONTEXT_H

#include "kvant/status.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct kvant_context kvant_context;

typedef enum kvant_device_kind {
    KVANT_DEVICE_GPU = 1,
    KVANT_DEVICE_CPU = 2,       /* a GPU API executed by the CPU: PoCL, lavapipe */
    KVANT_DEVICE_REFERENCE = 3, /* the scalar host reference */
    KVANT_DEVICE_SIMULATED = 4  /* a simulated driver, for tests */
} kvant_device_kind;

typedef enum kvant_severity {
    KVANT_SEVERITY_INFO = 0,
    KVANT_SEVERITY_WARNING = 1,
    KVANT_SEVERITY_ERROR = 2
} kvant_severity;

/* Called on the thread that is inside a library call, never from another one; it must not call the
 * library. `backend` may be NULL. The strings live for the call. */
typedef void (*kvant_diagnostic_fn)(void *user, kvant_severity severity, kvant_status status,
                                    const char *backend, const char *message);

/* Host memory. `allocate` returns NULL when it has none. */
typedef struct kvant_allocator {
    void *(*allocate)(void *user, size_t bytes);
    void (*release)(void *user, void *memory);
    void *user;
} kvant_allocator;

/* The caller's store for compiled kernels. `load` returns the size of the blob under that key (0: none)
 * and writes at most `capacity` bytes of it. A damaged blob is treated as none. */
typedef struct kvant_kernel_cache {
    size_t (*load)(void *user, const char *key, void *bytes, size_t capacity);
    void (*store)(void *user, const char *key, const void *bytes, size_t size);
    void *user;
} kvant_kernel_cache;

/*
 * backend   the selection, in the grammar of KVANT_BACKEND; NULL or "" reads that variable, and
 *           where it is unset or empty means "auto":
 *             selection = item ("," item)*     item = name [":" device]
 *             name = auto | cuda | vulkan | opencl | host | null
 *             device = index | uuid=HEX | pci=DDDD:BB:DD.F | name=SUBSTRING
 *           Order is priority; a named backend never falls back to another one.
 * flags     KVANT_CONTEXT_*
 */
typedef struct kvant_context_desc {
    size_t struct_size;
    const char *backend;
    uint32_t flags;
    kvant_diagnostic_fn diagnostic; /* may be NULL */
    void *diagnostic_user;
    kvant_allocator allocator;      /* all NULL: malloc and free */
    kvant_kernel_cache kernel_cache; /* all NULL: none */
} kvant_context_desc;

#define KVANT_CONTEXT_DESC_INIT {sizeof(kvant_context_desc), 0, 0, 0, 0, {0, 0, 0}, {0, 0, 0}}

/* Open a device even if it fails the exactness self-test (kvant_device_info.exact tells). */
#define KVANT_CONTEXT_ALLOW_INEXACT 1u

typedef struct kvant_device_info {
    size_t struct_size;
    char select[160]; /* what KVANT_BACKEND takes to get just this device, e.g. "opencl:0" */
    char backend[16];
    char name[128];
    char driver[64];
    char uuid[33];
    char pci[16];
    kvant_device_kind kind;
    int exact; /* 1: passed the self-test; 0: failed; -1: not opened yet */
    uint64_t max_buffer_bytes;
    uint64_t memory_bytes; /* 0: unknown */
    uint32_t lanes;
    char variants[64]; /* tuned kernels: "attention=mma from 3 rows", "baseline"; "" until opened */
} kvant_device_info;

#define KVANT_DEVICE_INFO_INIT                                                                     \
    {sizeof(kvant_device_info), "", "", "", "", "", "", KVANT_DEVICE_REFERENCE, -1, 0, 0, 0, ""}

/* Selects and opens a device, and proves its arithmetic exact. Every item of the selection that is
 * passed over is reported through the diagnostic callback, and so is what was chosen.
 * Errors: UNKNOWN_BACKEND, NO_DEVICE, NOT_EXACT, KERNEL_BUILD, out of memory. Thread-safe. */
KVANT_API kvant_status kvant_context_create(const kvant_context_desc *desc,
                                            kvant_context **out_context) KVANT_CHECK_RESULT;

/* NULL is fine; a lost device is fine. Buffers and caches must be gone. */
KVANT_API void kvant_context_destroy(kvant_context *context);

/* The device that was opened. `out_info->struct_size` is set by the caller (the _INIT macro). */
KVANT_API kvant_status kvant_context_device(const kvant_context *context,
                                            kvant_device_info *out_info) KVANT_CHECK_RESULT;

/* Waits until all queued work is done. Errors: DEVICE_LOST. */
KVANT_API kvant_status kvant_context_synchronize(kvant_context *context) KVANT_CHECK_RESULT;

/* Builds every kernel now, so that no later call compiles. */
KVANT_API kvant_status kvant_context_prepare(kvant_context *context) KVANT_CHECK_RESULT;

/* 1 once the device is lost: every call then returns DEVICE_LOST, destroying stays safe. */
KVANT_API int kvant_context_is_lost(const kvant_context *context);

/* Counters since creation, for tests and monitoring. */
typedef struct kvant_context_stats {
    size_t struct_size;
    uint64_t host_allocations;
    uint64_t device_allocations;
    uint64_t kernels_built;
    uint64_t launches;
    uint64_t synchronizations; /* calls that waited, and commands that did: see timing */
    uint64_t commands;    /* launches, copies, fills, writes and reads */
    uint64_t submissions; /* times that commands were handed to the driver */
} kvant_context_stats;

#define KVANT_CONTEXT_STATS_INIT {sizeof(kvant_context_stats), 0, 0, 0, 0, 0, 0, 0}

KVANT_API kvant_status kvant_context_get_stats(const kvant_context *context,
                                               kvant_context_stats *out_stats) KVANT_CHECK_RESULT;

/* Device time, for benches: mark(0), work, mark(1), then elapsed, which waits. */
KVANT_API kvant_status kvant_context_mark(kvant_context *context, uint32_t slot) KVANT_CHECK_RESULT;
KVANT_API kvant_status kvant_context_elapsed(kvant_context *context,
                                             double *out_microseconds) KVANT_CHECK_RESULT;

/* What device time is spent on. */
typedef enum kvant_work {
    KVANT_WORK_APPEND = 0,    /* checking K and V, and storing them in f16 */
    KVANT_WORK_SALIENCY = 1,  /* scores of tokens, with the int8 keys made for them */
    KVANT_WORK_SELECT = 2,    /* choosing classes, listing their tokens */
    KVANT_WORK_QUANTIZE = 3,  /* parameters and codes */
    KVANT_WORK_ATTENTION = 4, /* partial results of every split */
    KVANT_WORK_MERGE = 5,     /* and their sum */
    KVANT_WORK_OTHER = 6,     /* prompt attention, dequantization, copies and fills on the device */
    KVANT_WORK_KINDS = 7
} kvant_work;

typedef struct kvant_work_times {
    size_t struct_size;
    double microseconds[KVANT_WORK_KINDS];
    uint64_t commands[KVANT_WORK_KINDS];
} kvant_work_times;

#define KVANT_WORK_TIMES_INIT                                                                      \
    {sizeof(kvant_work_times), {0, 0, 0, 0, 0, 0, 0}, {0, 0, 0, 0, 0, 0, 0}}

/* Device time by the kind of work: each kernel, copy and fill gets a time stamp before and behind
 * it, which costs time itself. Writes and reads are not counted. timing(1) empties the sums;
 * timing(0) stops; while it is off it costs nothing. work_times waits for the commands that it was
 * not asked about before; so does one command in 511, since no more stamps are kept. A command does
 * not fail because the stamp behind it was refused: work_times then fails, once. */
KVANT_API kvant_status kvant_context_timing(kvant_context *context, int is_on) KVANT_CHECK_RESULT;
KVANT_API kvant_status kvant_context_work_times(kvant_context *context,
                                                kvant_work_times *out_times) KVANT_CHECK_RESULT;

/* ---- listing ---- */

/* Called once per device that exists, and once per backend that has none (`info` is then NULL and
 * `reason` says why). Returning non-zero stops. */
typedef int (*kvant_device_fn)(void *user, const kvant_device_info *info, const char *backend,
                               const char *reason);

/* Lists all devices of all backends in the order in which `auto` would prefer them. Opens none.
 * Thread-safe. */
KVANT_API kvant_status kvant_devices(kvant_device_fn each, void *user) KVANT_CHECK_RESULT;

/* "0.1.0" */
KVANT_API const char *kvant_version(void);

#ifdef __cplusplus
}
#endif

#endif
