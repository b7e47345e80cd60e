/* SPDX-License-Identifier: MIT
 *
 * Watching the accesses of a kernel, and ending a launch for what they show.
 */
#ifndef KVANT_TESTS_CUDASIM_WATCH_H
#define KVANT_TESTS_CUDASIM_WATCH_H

#include <stddef.h>
#include <stdint.h>

#include "cudasim.h"

/* Begins a launch, a block, whose shared memory then counts as not written. */
void cudasim_watch_launch(const cudasim_kernel *kernel, size_t dynamic_bytes, void *const *params);
void cudasim_watch_block(void);

/* A copy from device to shared memory begins, or its bytes have arrived. In between nothing may
 * touch them. */
void cudasim_watch_copy(const void *to, const void *from, size_t bytes);
void cudasim_watch_arrival(const void *to, size_t bytes);

/* The device allocation that holds the address, with its size, or NULL. */
const void *cudasim_find(uintptr_t address, size_t *out_bytes);
/* The allocation that ends before the address or begins after it, whichever is nearer. */
const void *cudasim_find_nearest(uintptr_t address, size_t *out_bytes);

/* Copies of the block: forgets those of the last one; how many are under way. */
void cudasim_copies_begin(void);
unsigned int cudasim_copies_under_way(void);

/* Called by the running thread, which does not go on: the launch fails with that code. */
void cudasim_stop(int code, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* The same for an access outside of all allocations: names the nearest one. */
void cudasim_stop_outside(uintptr_t address, size_t bytes, int is_write);

/* What ended the last launch: kernel, block, thread and reason, or "". */
const char *cudasim_last_reason(void);

#endif
