/* SPDX-License-Identifier: MIT
 *
 * Matrix products of bytes by a warp together, from compute capability 8.0 on:
 *   sums += A B, A of 16 x 32 unsigned codes, B of 32 x 8 bytes, sums of 16 x 8 int32.
 * With g = lane / 4 and t = lane % 4 a lane holds
 *   a[0], a[1]         row g and row g + 8 of A, columns 4t .. 4t + 3; a[2], a[3]: 16 columns on
 *   b[0], b[1]         column g of B, rows 4t .. 4t + 3, and 16 rows on
 *   sums[0], sums[1]   row g, columns 2t and 2t + 1; sums[2], sums[3]: row g + 8
 * Code for older devices traps here; dispatch never sends it there.
 */
#ifndef KVANT_CUDA_MMA_CUH
#define KVANT_CUDA_MMA_CUH

#include "kernel.cuh"

/* B of signed bytes. */
KV_FN void kv_mma_signed(kv_i32 sums[4], const kv_u32 a[4], const kv_u32 b[2])
{
#if __CUDA_ARCH__ >= 800
    asm("mma.sync.aligned.m16n8k32.row.col.s32.u8.s8.s32 "
        "{%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
        : "+r"(sums[0]), "+r"(sums[1]), "+r"(sums[2]), "+r"(sums[3])
        : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
#else
    __trap();
#endif
}

/* B of unsigned bytes. */
KV_FN void kv_mma_unsigned(kv_i32 sums[4], const kv_u32 a[4], const kv_u32 b[2])
{
#if __CUDA_ARCH__ >= 800
    asm("mma.sync.aligned.m16n8k32.row.col.s32.u8.u8.s32 "
        "{%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
        : "+r"(sums[0]), "+r"(sums[1]), "+r"(sums[2]), "+r"(sums[3])
        : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
#else
    __trap();
#endif
}

#endif
