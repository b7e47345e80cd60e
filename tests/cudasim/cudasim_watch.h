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

/* The device allocation that holds the address, with its size, or NULL. */
const void *cudasim_find(uintptr_t address, size_t *out_bytes);
/* The allocation that ends before the address or begins after it, whichever is nearer. */
const void *cudasim_find_nearest(uintptr_t address, size_t *out_bytes);

/* Called by the running thread, which does not go on: the launch fails with that code. */
void cudasim_stop(int code, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* The same for an access outside of all allocations: names the nearest one. */
void cudasim_stop_outside(uintptr_t address, size_t bytes, int is_write);

/* What ended the last launch: kernel, block, thread and reason, or "". */
const char *cudasim_last_reason(void);

#endif
