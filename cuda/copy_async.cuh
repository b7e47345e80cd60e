/* SPDX-License-Identifier: MIT
 *
 * Copies from global to shared memory that go on while the lane computes, from compute capability
 * 8.0 on. A lane's copies since its last commit are a group; waiting for groups makes their bytes
 * visible to that lane, and a barrier then to the others.
 * Code for older devices traps here; dispatch never sends it there.
 */
#ifndef KVANT_CUDA_COPY_ASYNC_CUH
#define KVANT_CUDA_COPY_ASYNC_CUH

#include "kernel.cuh"

/* Four words; both addresses are multiples of 16. Past the first-level cache: read once. */
KV_FN void kv_copy_four(kv_u32 *to, const kv_u32 *from)
{
#if __CUDA_ARCH__ >= 800
    asm volatile("cp.async.cg.shared.global [%0], [%1], 16;"
                 :
                 : "r"((kv_u32)__cvta_generic_to_shared(to)), "l"(__cvta_generic_to_global(from))
                 : "memory");
#else
    __trap();
#endif
}

KV_FN void kv_copy_commit()
{
#if __CUDA_ARCH__ >= 800
    asm volatile("cp.async.commit_group;" : : : "memory");
#else
    __trap();
#endif
}

/* Until no more than PENDING of the lane's groups are under way. */
template <kv_u32 PENDING> KV_FN void kv_copy_wait()
{
#if __CUDA_ARCH__ >= 800
    asm volatile("cp.async.wait_group %0;" : : "n"(PENDING) : "memory");
#else
    __trap();
#endif
}

#endif
