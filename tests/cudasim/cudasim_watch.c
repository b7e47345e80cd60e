/* SPDX-License-Identifier: MIT
 *
 * Watches every access of a kernel. Kernels are compiled with the compiler's calls before loads and
 * stores (-fsanitize=kernel-address, whose run-time library this file is): an access outside of all
 * allocations, a read of shared memory that no thread of the block has written, and any access to bytes
 * that an asynchronous copy is still to bring, end the launch.
 */
#include "cudasim_watch.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "cudasim.h"
#include "cudasim_fiber.h"

enum { SHARED_PATTERN = 0xcd, GUARD = 1 << 10, RECENT = 4 };

/* What a byte of shared memory is. */
enum { UNWRITTEN, WRITTEN, ARRIVING /* a copy into it is under way */ };

/* Shared memory of a block. */
typedef struct {
    const char *kind;
    uintptr_t start;
    size_t bytes;
    unsigned char state[CUDASIM_MAX_SHARED_BYTES];
} shared_memory;

/* Dynamic shared memory, with room on both sides that is nobody's. */
static _Alignas(16) char dynamic_room[GUARD + CUDASIM_MAX_SHARED_BYTES + GUARD];
char *const cudasim_dynamic_shared = &dynamic_room[GUARD];

static struct {
    shared_memory fixed, dynamic;
    struct {
        uintptr_t first, end;
    } recent[RECENT]; /* allocations that were used last */
    unsigned int next_recent;
    uintptr_t params, params_end; /* values that the launch passes */
    uintptr_t list, list_end;     /* pointers to them */
    size_t arriving;              /* bytes into which copies are under way */
} watch;

static void begin_shared(shared_memory *shared, const char *kind, const char *start, size_t bytes)
{
    shared->kind = kind;
    shared->start = (uintptr_t)start;
    shared->bytes = bytes;
}

void cudasim_watch_launch(const cudasim_kernel *kernel, size_t dynamic_bytes, void *const *params)
{
    begin_shared(&watch.fixed, "shared", kernel->shared, kernel->shared_bytes);
    begin_shared(&watch.dynamic, "dynamic shared", cudasim_dynamic_shared, dynamic_bytes);
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
}

/* What a kernel has not written is not 0. */
static void forget(shared_memory *shared)
{
    if (shared->bytes != 0) {
        memset((void *)shared->start, SHARED_PATTERN, shared->bytes);
        memset(shared->state, UNWRITTEN, shared->bytes);
    }
}

void cudasim_watch_block(void)
{
    forget(&watch.fixed);
    forget(&watch.dynamic);
    watch.arriving = 0;
}

static void shared_access(shared_memory *shared, uintptr_t address, size_t bytes, int is_write)
{
    size_t offset = address - shared->start; /* huge when the access is before the start */
    const char *verb = is_write ? "writes" : "reads";
    if (offset > shared->bytes || bytes > shared->bytes - offset) {
        cudasim_stop(CUDASIM_ILLEGAL_ADDRESS, "%s %zu bytes at byte %lld of %zu of %s memory", verb,
                     bytes, (long long)offset, shared->bytes, shared->kind);
    }
    unsigned char *state = &shared->state[offset];
    if (watch.arriving != 0 && memchr(state, ARRIVING, bytes) != NULL) {
        cudasim_stop(CUDASIM_LAUNCH_FAILED,
                     "%s %zu bytes at byte %zu of %zu of %s memory, into which a copy is under way",
                     verb, bytes, offset, shared->bytes, shared->kind);
    } else if (is_write) {
        memset(state, WRITTEN, bytes);
    } else if (memchr(state, UNWRITTEN, bytes) != NULL) {
        cudasim_stop(CUDASIM_LAUNCH_FAILED,
                     "reads %zu bytes at byte %zu of %zu of %s memory, which were not written",
                     bytes, offset, shared->bytes, shared->kind);
    }
}

/* The shared memory that the address belongs to, or NULL. */
static shared_memory *shared_at(uintptr_t address)
{
    if (address >= watch.fixed.start && address - watch.fixed.start < watch.fixed.bytes) {
        return &watch.fixed;
    }
    return address >= (uintptr_t)dynamic_room &&
                   address - (uintptr_t)dynamic_room < sizeof dynamic_room
               ? &watch.dynamic
               : NULL;
}

/* The linker's names for where this library begins and ends: constants, and the thread's place. */
extern const char __ehdr_start[] __attribute__((visibility("hidden")));
extern const char _end[] __attribute__((visibility("hidden")));

static void access_memory(uintptr_t address, size_t bytes, int is_write)
{
    shared_memory *shared = shared_at(address);
    if (shared != NULL) {
        shared_access(shared, address, bytes, is_write);
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

/* ---- copies to shared memory ---- */

void cudasim_watch_copy(const void *to, const void *from, size_t bytes)
{
    uintptr_t target = (uintptr_t)to;
    shared_memory *shared = shared_at(target);
    if (shared == NULL) {
        cudasim_stop(CUDASIM_ILLEGAL_ADDRESS,
                     "begins a copy of %zu bytes to memory that is not shared", bytes);
    }
    size_t block_bytes = 0;
    const void *block = cudasim_find((uintptr_t)from, &block_bytes);
    if (block == NULL || bytes > (uintptr_t)block + block_bytes - (uintptr_t)from) {
        cudasim_stop_outside((uintptr_t)from, bytes, 0);
    }
    shared_access(shared, target, bytes, 1);
    memset((void *)target, SHARED_PATTERN, bytes);
    memset(&shared->state[target - shared->start], ARRIVING, bytes);
    watch.arriving += bytes;
}

void cudasim_watch_arrival(const void *to, size_t bytes)
{
    shared_memory *shared = shared_at((uintptr_t)to);
    memset(&shared->state[(uintptr_t)to - shared->start], WRITTEN, bytes);
    watch.arriving -= bytes;
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
