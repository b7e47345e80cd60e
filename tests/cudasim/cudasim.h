/* SPDX-License-Identifier: MIT
 *
 * cudasim: a libcuda.so.1 for tests. It has the driver functions that the CUDA backend calls and
 * runs the kernels of cuda/, compiled as C++, on the CPU: blocks in turn, the threads of a block as
 * fibers that meet at barriers and warp operations. What it computes says nothing about a GPU's
 * speed and is never a GPU's result; its devices are named "simulated ...".
 *
 * Variables, read by the simulator alone:
 *   CUDASIM_DEVICES   devices to offer, 1 unless set
 *   CUDASIM_THREADS   most threads a block can have, 32 unless set, a multiple of 32 up to 1024
 *   CUDASIM_CAPABILITY  compute capability, 75 unless set
 *   CUDASIM_CAPTURE   set: the streams count as under capture, and calls that it forbids return 900
 *   CUDASIM_ORDER     reverse: the last thread of a block goes first, which shows other races
 *   CUDASIM_NAME      another name for the devices, to see how a real driver's are treated
 *   CUDASIM_CONTRACT  set: the kernels count as compiled with another contract
 *   CUDASIM_FAIL      FUNCTION:N:CODE: the N-th call of that driver function (*: any) returns CODE
 */
#ifndef KVANT_TESTS_CUDASIM_H
#define KVANT_TESTS_CUDASIM_H

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

#define CUDASIM_MAX_THREADS 1024u
#define CUDASIM_WARP 32u
#define CUDASIM_POSTED_WORDS 6u /* that a lane posts at a meeting, at most */
#define CUDASIM_MAX_PARAMS 16u
#define CUDASIM_MAX_PARAM_BYTES 256u
#define CUDASIM_MAX_SHARED_BYTES ((size_t)48 << 10) /* without asking for more */

#define CUDASIM_ILLEGAL_ADDRESS 700
#define CUDASIM_LAUNCH_FAILED 719

typedef struct {
    unsigned int x, y, z;
} cudasim_index;

/* Where the running thread is; the kernels read it as threadIdx, blockIdx, blockDim, gridDim. */
typedef struct {
    cudasim_index thread, block, block_size, grid_size;
} cudasim_place;

extern cudasim_place cudasim_here;

/* The launch's dynamic shared memory, which begins anew with each block. */
extern char *const cudasim_dynamic_shared;

/* A kernel, as its generated file describes it. */
typedef struct {
    const char *name; /* kvant_... */
    void (*run)(void *const *params);
    unsigned int param_count;
    size_t param_bytes[CUDASIM_MAX_PARAMS];
    char *shared; /* its __shared__ variables, or NULL */
    size_t shared_bytes;
} cudasim_kernel;

const cudasim_kernel *cudasim_find_kernel(const char *name);

/* ---- cudasim_blocks.c: threads of a block ---- */

/* Runs a launch. Returns 0 or the driver's error code; the reason goes to standard error. All shared
 * memory of a block, the kernel's own and the dynamic, is at most CUDASIM_MAX_SHARED_BYTES. */
int cudasim_run(const cudasim_kernel *kernel, cudasim_index grid, cudasim_index block,
                size_t dynamic_bytes, void *const *params);

/* Called by a thread: waits until all threads of its block, or of its warp, have arrived. `line`
 * tells places apart: all have to be at the same one. */
void cudasim_meet_block(int line);

/* The same for a warp; posts a value first. cudasim_posted reads what a lane of the warp posted at
 * the meeting, or 0 for a lane that the warp has not. */
void cudasim_meet_warp(unsigned int value, int line);
unsigned int cudasim_posted(unsigned int lane);

/* The same with several values. */
void cudasim_meet_warp_with(const unsigned int *values, unsigned int count, int line);
unsigned int cudasim_posted_word(unsigned int lane, unsigned int i);
unsigned int cudasim_lane(void);
unsigned int cudasim_thread(void); /* of the block */

/* Waits until another thread has changed the count. */
void cudasim_wait_for_change(const unsigned int *count, int line);

/* ---- cudasim_copies.c: asynchronous copies from device to shared memory ---- */

/* Nothing arrives before the wait that asks for it. In groups, as cp.async: the thread's copies since
 * its last commit are one; cudasim_copy_wait leaves no more than `pending` groups under way. */
void cudasim_copy(void *to, const void *from, size_t bytes);
void cudasim_copy_commit(void);
void cudasim_copy_wait(unsigned int pending);

/* By barriers in shared memory that count bytes, as cp.async.bulk: a phase ends when one thread has
 * said how many bytes to expect and copies have brought them. */
void cudasim_barrier_begin(const void *barrier);
void cudasim_barrier_expect(const void *barrier, unsigned int bytes);
void cudasim_barrier_wait(const void *barrier, unsigned int parity, int line);
void cudasim_bulk_copy(void *to, const void *from, size_t bytes, const void *barrier);

/* ---- cudasim_memory.c: device memory ---- */

/* Memory that ends at a page which cannot be touched, filled with a pattern. NULL: none left. */
void *cudasim_allocate(size_t bytes);
/* Whether the address is an allocation's. One that was written beyond its end is reported. */
int cudasim_free(void *memory);
/* Whether [memory, memory + bytes) lies within one allocation. */
int cudasim_contains(const void *memory, size_t bytes);
/* Pinned host memory is known by address. */
void *cudasim_allocate_pinned(size_t bytes);
int cudasim_free_pinned(void *memory);
int cudasim_is_pinned(const void *memory, size_t bytes);
/* Zeroed memory for what the driver keeps of its own. NULL: none left. */
void *cudasim_new(size_t bytes);
void cudasim_delete(void *memory);
/* Everything of all kinds, as when the last context goes. */
void cudasim_free_all(void);

/* ---- for tests, which find them with dlsym ---- */

/* Allocations of both kinds, and contexts on the calling thread's stack. */
__attribute__((visibility("default"))) unsigned int cudasim_live_allocations(void);
__attribute__((visibility("default"))) int cudasim_context_depth(void);

#ifdef __cplusplus
}
#endif

#endif
