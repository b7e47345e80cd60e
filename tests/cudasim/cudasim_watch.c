/* SPDX-License-Identifier: MIT
 *
 * Watches every access of a kernel. Kernels are compiled with the compiler's calls before loads and
 * stores (-fsanitize=kernel-address, whose run-time library this file is): an access outside of all
 * allocations, and a read of shared memory that no thread of the block has written, end the launch.
 */
#include "cudasim_watch.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "cudasim.h"
#include "cudasim_fiber.h"

enum { MOST_SHARED = 96 << 10, RECENT = 4 };

/* kvant_attention computes four rows at a time, of which the last may not exist; what it reads for
 * those was not written, and what comes of it is not stored. */
static const char reads_missing_rows[] = "kvant_attention";

static struct {
    int is_strict; /* what was not written must not be read */
    uintptr_t shared;
    size_t shared_bytes;
    unsigned char is_written[MOST_SHARED];
    struct {
        uintptr_t first, end;
    } recent[RECENT]; /* allocations that were used last */
    unsigned int next_recent;
    uintptr_t params, params_end; /* values that the launch passes */
    uintptr_t list, list_end;     /* pointers to them */
} watch;

int cudasim_watch_launch(const cudasim_kernel *kernel, void *const *params)
{
    watch.is_strict = strcmp(kernel->name, reads_missing_rows) != 0;
    watch.shared = (uintptr_t)kernel->shared;
    watch.shared_bytes = kernel->shared_bytes;
    memset(watch.recent, 0, sizeof watch.recent);
    watch.list = (uintptr_t)params;
    watch.list_end = (uintptr_t)(params + kernel->param_count);
    watch.params = UINTPTR_MAX;
    watch.params_end = 0;
    for (unsigned int i = 0; i < kernel->param_count; i++) {
        uintptr_t start = (uintptr_t)params[i];
        uintptr_t end = start + kernel->param_bytes[i];
        watch.params = start < watch.params ? start : watch.params;
        watch.params_end = end > watch.params_end ? end : watch.params_end;
    }
    return kernel->shared_bytes <= MOST_SHARED;
}

void cudasim_watch_block(void)
{
    memset(watch.is_written, 0, watch.shared_bytes);
}

static void shared_access(uintptr_t address, size_t bytes, int is_write)
{
    size_t offset = address - watch.shared;
    if (bytes > watch.shared_bytes - offset) {
        cudasim_stop(CUDASIM_ILLEGAL_ADDRESS, "%s %zu bytes at byte %zu of %zu of shared memory",
                     is_write ? "writes" : "reads", bytes, offset, watch.shared_bytes);
    } else if (is_write) {
        memset(&watch.is_written[offset], 1, bytes);
    } else if (watch.is_strict && memchr(&watch.is_written[offset], 0, bytes) != NULL) {
        cudasim_stop(CUDASIM_LAUNCH_FAILED,
                     "reads %zu bytes at byte %zu of %zu of shared memory, which were not written",
                     bytes, offset, watch.shared_bytes);
    }
}

/* The linker's names for where this library begins and ends: constants, and the thread's place. */
extern const char __ehdr_start[] __attribute__((visibility("hidden")));
extern const char _end[] __attribute__((visibility("hidden")));

static void access_memory(uintptr_t address, size_t bytes, int is_write)
{
    if (address >= watch.shared && address - watch.shared < watch.shared_bytes) {
        shared_access(address, bytes, is_write);
        return;
    }
    for (unsigned int i = 0; i < RECENT; i++) {
        if (address >= watch.recent[i].first && address < watch.recent[i].end &&
            bytes <= watch.recent[i].end - address) {
            return;
        }
    }
    if (cudasim_is_stack((const void *)address)) {
        return;
    }
    size_t block_bytes = 0;
    const void *block = cudasim_find(address, &block_bytes);
    if (block != NULL && bytes <= (uintptr_t)block + block_bytes - address) {
        unsigned int i = watch.next_recent++ % RECENT;
        watch.recent[i].first = (uintptr_t)block;
        watch.recent[i].end = (uintptr_t)block + block_bytes;
        return;
    }
    if ((address >= watch.params && address < watch.params_end) ||
        (address >= watch.list && address < watch.list_end) ||
        (!is_write && address >= (uintptr_t)__ehdr_start && address < (uintptr_t)_end)) {
        return;
    }
    cudasim_stop_outside(address, bytes, is_write);
}

/* ---- what compilers call ---- */

#define WATCH(bytes)                                                                               \
    void __asan_load##bytes##_noabort(uintptr_t address);                                          \
    void __asan_load##bytes##_noabort(uintptr_t address)                                           \
    {                                                                                              \
        access_memory(address, bytes, 0);                                                          \
    }                                                                                              \
    void __asan_store##bytes##_noabort(uintptr_t address);                                         \
    void __asan_store##bytes##_noabort(uintptr_t address)                                          \
    {                                                                                              \
        access_memory(address, bytes, 1);                                                          \
    }

WATCH(1)
WATCH(2)
WATCH(4)
WATCH(8)
WATCH(16)

void __asan_loadN_noabort(uintptr_t address, size_t bytes);
void __asan_loadN_noabort(uintptr_t address, size_t bytes)
{
    access_memory(address, bytes, 0);
}

void __asan_storeN_noabort(uintptr_t address, size_t bytes);
void __asan_storeN_noabort(uintptr_t address, size_t bytes)
{
    access_memory(address, bytes, 1);
}

void __asan_handle_no_return(void);
void __asan_handle_no_return(void)
{
}

void __asan_before_dynamic_init(const char *module);
void __asan_before_dynamic_init(const char *module)
{
    (void)module;
}

void __asan_after_dynamic_init(void);
void __asan_after_dynamic_init(void)
{
}

void *__asan_memcpy(void *to, const void *from, size_t bytes);
void *__asan_memcpy(void *to, const void *from, size_t bytes)
{
    access_memory((uintptr_t)from, bytes, 0);
    access_memory((uintptr_t)to, bytes, 1);
    return memcpy(to, from, bytes);
}

void *__asan_memset(void *to, int value, size_t bytes);
void *__asan_memset(void *to, int value, size_t bytes)
{
    access_memory((uintptr_t)to, bytes, 1);
    return memset(to, value, bytes);
}
