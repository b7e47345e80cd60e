/* SPDX-License-Identifier: MIT
 *
 * What a context and a buffer are, for api/ alone.
 */
#ifndef KVANT_DISPATCH_CONTEXT_INTERNAL_H
#define KVANT_DISPATCH_CONTEXT_INTERNAL_H

#include <stdbool.h>

#include "backend.h"
#include "diag.h"
#include "kvant/buffer.h"
#include "variants.h"

/* What the caller gave a context: memory, a place for messages, a store for kernels. */
typedef struct {
    kvant_services services; /* first: a backend's services pointer is this struct */
    kvant_allocator allocator;
    kvant_diagnostic_fn diagnostic;
    void *diagnostic_user;
    kvant_kernel_cache kernel_cache;
    bool probing; /* failures are candidates passed over, not errors: keep them from the callback */
    uint64_t allocations;
} kvant_host;

void kvant_host_init(kvant_host *host, const kvant_context_desc *desc);
void *kvant_allocate(kvant_host *host, size_t bytes); /* zeroed, or NULL */
void kvant_release(kvant_host *host, void *memory);
void kvant_tell(kvant_host *host, kvant_severity severity, kvant_status status, const char *backend,
                const char *format, ...) KVANT_PRINTF(5, 6);

/* Words of the context's status buffer. */
enum {
    KVANT_STATUS_STRICT = 0,    /* elements that the strict check found */
    KVANT_STATUS_SANITISED = 1, /* elements that sanitise mode changed */
    KVANT_STATUS_UNCOUNTED = 2, /* clamped probe queries, which nobody asks for */
    KVANT_STATUS_WORDS = 64
};

/* Time stamps 0 and 1 are the caller's, the others are pairs around commands. */
enum { KVANT_TIMED_COMMANDS = KVANT_MARKS / 2 - 1 };

typedef struct {
    bool is_on;
    uint32_t read;        /* pairs whose time is in the sums */
    uint32_t pairs;       /* that were set */
    kvant_status refused; /* why a stamp behind a command could not be set */
    kvant_work kinds[KVANT_TIMED_COMMANDS];
    kvant_work_times sums;
} kvant_timing;

struct kvant_context {
    kvant_host host;
    const kvant_backend *backend;
    kvant_backend_device *device;
    kvant_backend_limits limits;
    kvant_device_record record;
    uint32_t device_index;
    bool exact;
    bool lost;
    bool prepared[KVANT_KERNEL_COUNT];
    kvant_variant_choice variant; /* what KVANT_VARIANT asked for */
    kvant_buffer *unused;         /* bound where a kernel does not use a binding */
    bool marked[2];               /* time stamps that were set */
    kvant_context_stats stats;
    kvant_timing timing;
};

struct kvant_buffer {
    kvant_context *context;
    kvant_backend_buffer *native;
    uint64_t bytes;
};

/* Reports a failed native call, and remembers a lost device. */
kvant_status kvant_finish(kvant_context *context, kvant_status status);

/* Fails with DEVICE_LOST once the device is lost. */
kvant_status kvant_require_alive(const kvant_context *context);

/* Plans and enqueues one kernel; a NULL buffer is an unused binding. Arguments are trusted. */
kvant_status kvant_launch_kernel(kvant_context *context, kvant_kernel kernel, const void *params,
                                 kvant_buffer *const *buffers, uint32_t count);
/* The same for a kernel whose time counts as other work than its own. */
kvant_status kvant_launch_as(kvant_context *context, kvant_work work, kvant_kernel kernel,
                             const void *params, kvant_buffer *const *buffers, uint32_t count);

/* Fails with LIMIT where the device cannot take such a launch: asked before the first of several. */
kvant_status kvant_check_launch(const kvant_context *context, kvant_kernel kernel,
                                const void *params);
/* Around every command: counts it, and stamps it while timing is on. */
kvant_status kvant_command_begin(kvant_context *context, kvant_work kind);
kvant_status kvant_command_end(kvant_context *context, kvant_status status);

/* Builds the kernel if that was not done. */
kvant_status kvant_prepare_kernel(kvant_context *context, kvant_kernel kernel);

/* Proves the arithmetic of an opened device; sets context->exact. Fails only if the device does. */
kvant_status kvant_self_test(kvant_context *context);

/* ---- device_select.c, devices.c ---- */

typedef struct {
    const kvant_backend *backend;
    uint32_t index; /* of the backend's enumeration */
    kvant_device_record record;
} kvant_candidate;

/* The backend table of that name, or NULL. */
const kvant_backend *kvant_backend_find(const char *name);

/* Opens the first device that the selection allows, into context->backend, device, record. */
kvant_status kvant_select_device(kvant_context *context, const char *selection, uint32_t flags);

/* Opens one device and runs its self-test. */
kvant_status kvant_open_candidate(kvant_context *context, const kvant_candidate *candidate,
                                  uint32_t flags);

void kvant_fill_info(kvant_device_info *info, const kvant_candidate *candidate);

#endif
