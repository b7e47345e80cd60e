/* SPDX-License-Identifier: MIT
 *
 * Copies of whole rows from global to shared memory by the copy unit of a multiprocessor, from
 * compute capability 9.0 on. A barrier in shared memory counts the bytes: its phase ends when one
 * lane has said how many to expect and all of them have come, and then they are visible to whoever
 * has waited for that phase. Phases alternate in parity; the first is 0.
 * Code for older devices traps here; dispatch never sends it there.
 */
#ifndef KVANT_CUDA_COPY_BULK_CUH
#define KVANT_CUDA_COPY_BULK_CUH

#include "kernel.cuh"

typedef unsigned long long kv_barrier;

/* By one lane; a barrier of the block follows. */
KV_FN void kv_barrier_begin(kv_barrier *barrier)
{
#if __CUDA_ARCH__ >= 900
    asm volatile("mbarrier.init.shared::cta.b64 [%0], 1;\n\t"
                 "fence.proxy.async.shared::cta;"
                 :
                 : "r"((kv_u32)__cvta_generic_to_shared(barrier))
                 : "memory");
#else
    __trap();
#endif
}

/* Once a phase. */
KV_FN void kv_barrier_expect(kv_barrier *barrier, kv_u32 bytes)
{
#if __CUDA_ARCH__ >= 900
    asm volatile("mbarrier.arrive.expect_tx.shared::cta.b64 _, [%0], %1;"
                 :
                 : "r"((kv_u32)__cvta_generic_to_shared(barrier)), "r"(bytes)
                 : "memory");
#else
    __trap();
#endif
}

/* Until the phase of that parity is over. */
KV_FN void kv_barrier_wait(kv_barrier *barrier, kv_u32 parity)
{
#if __CUDA_ARCH__ >= 900
    kv_u32 is_over = 0u;
    while (is_over == 0u) {
        asm volatile("{\n\t"
                     ".reg .pred over;\n\t"
                     "mbarrier.try_wait.parity.shared::cta.b64 over, [%1], %2;\n\t"
                     "selp.u32 %0, 1, 0, over;\n\t"
                     "}"
                     : "=r"(is_over)
                     : "r"((kv_u32)__cvta_generic_to_shared(barrier)), "r"(parity)
                     : "memory");
    }
#else
    __trap();
#endif
}

/* Both addresses and the length are multiples of 16 bytes. */
KV_FN void kv_bulk_copy(kv_u32 *to, const kv_u32 *from, kv_u32 bytes, kv_barrier *barrier)
{
#if __CUDA_ARCH__ >= 900
    asm volatile("cp.async.bulk.shared::cluster.global.mbarrier::complete_tx::bytes "
                 "[%0], [%1], %2, [%3];"
                 :
                 : "r"((kv_u32)__cvta_generic_to_shared(to)), "l"(__cvta_generic_to_global(from)),
                   "r"(bytes), "r"((kv_u32)__cvta_generic_to_shared(barrier))
                 : "memory");
#else
    __trap();
#endif
}

/* Orders the lane's own writes to shared memory before bulk copies that follow a barrier. */
KV_FN void kv_bulk_after_writes()
{
#if __CUDA_ARCH__ >= 900
    asm volatile("fence.proxy.async.shared::cta;" : : : "memory");
#else
    __trap();
#endif
}

#endif
