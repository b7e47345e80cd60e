/* SPDX-License-Identifier: MIT
 *
 * Kernels for the simulator's test, written as those of cuda/ are: some right, some wrong on
 * purpose.
 */
#define CUDASIM_SHARED_SECTION "cudasim_shared_test"
#include "cudasim_prelude.h"

typedef unsigned int word;

#define ALL 0xffffffffu

/* Each thread adds its number in four ways; all results are one block's. */
__global__ static void sums(word *out)
{
    __shared__ word total, least, most;
    if (threadIdx.x == 0u) {
        total = 0u;
        least = ALL;
        most = 0u;
    }
    __syncthreads();
    atomicAdd(&total, threadIdx.x);
    atomicMin(&least, threadIdx.x + 5u);
    atomicMax(&most, threadIdx.x);
    word sum = threadIdx.x;
    for (word distance = 16u; distance != 0u; distance /= 2u) {
        sum += __shfl_xor_sync(ALL, sum, distance);
    }
    word before = __shfl_up_sync(ALL, threadIdx.x, 1u);
    word first = __shfl_sync(ALL, threadIdx.x, 0u);
    word odd = __ballot_sync(ALL, threadIdx.x % 2u == 1u);
    bool votes = __any_sync(ALL, threadIdx.x == first) && !__any_sync(ALL, threadIdx.x > 1023u) &&
                 __all_sync(ALL, threadIdx.x < 1024u) && !__all_sync(ALL, threadIdx.x == first);
    __syncthreads();
    word *row = &out[8u * (blockIdx.x * blockDim.x + threadIdx.x)];
    row[0] = total;
    row[1] = least;
    row[2] = most;
    row[3] = sum;
    row[4] = before;
    row[5] = first;
    row[6] = odd;
    row[7] = votes ? 1u : 0u;
}

/* Reads or writes word `index`, counted in words from the start of the buffer. */
__global__ static void touch(word *buffer, word *out, int index, word is_write)
{
    if (blockIdx.x == 1u && threadIdx.x == 7u) {
        if (is_write != 0u) {
            buffer[index] = 1u;
        } else {
            out[0] = buffer[index];
        }
    }
}

__global__ static void unwritten(word *out, word count)
{
    __shared__ word words[64];
    for (word i = threadIdx.x; i < count; i += blockDim.x) {
        words[i] = i;
    }
    __syncthreads();
    out[threadIdx.x] = words[threadIdx.x];
}

__global__ static void beyond_shared(word *out, word index)
{
    __shared__ word words[16];
    words[threadIdx.x % 16u] = 1u;
    __syncthreads();
    out[threadIdx.x] = words[index];
}

/* Each thread leaves its number for the one before; the last reads word `last`. */
__global__ static void dynamic(word *out, int last, word is_write)
{
    CUDASIM_EXTERN_SHARED(word, words);
    words[threadIdx.x] = threadIdx.x + 100u * blockIdx.x;
    __syncthreads();
    int i = threadIdx.x + 1u < blockDim.x ? static_cast<int>(threadIdx.x) + 1 : last;
    if (is_write != 0u && i == last) {
        words[i] = 1u;
    }
    out[blockIdx.x * blockDim.x + threadIdx.x] = words[i];
}

__global__ static void divergent(word *out)
{
    if (threadIdx.x != 3u) {
        __syncthreads();
    }
    out[threadIdx.x] = 1u;
}

__global__ static void two_places(word *out)
{
    if (threadIdx.x < 3u) {
        __syncthreads();
        out[threadIdx.x] = 1u;
    } else {
        __syncthreads();
        out[threadIdx.x] = 2u;
    }
}

/* Each thread copies two units of 16 bytes in a group each, leaves `pending` of the groups under way,
 * and reads words of its neighbour: of the first unit, and of the second if `read_second` is set. */
__global__ static void copies(word *out, const word *in, word shift, word pending, word read_second,
                              word write_early)
{
    __shared__ __align__(16) word units[2][32][4];
    for (word i = 0u; i < 2u; i++) {
        kv_copy_four(units[i][threadIdx.x], in + 4u * (32u * i + threadIdx.x) + shift);
        kv_copy_commit();
    }
    if (write_early != 0u) {
        units[1][threadIdx.x][3] = 0u;
    }
    if (pending == 0u) {
        kv_copy_wait<0u>();
    } else if (pending == 1u) {
        kv_copy_wait<1u>();
    } else {
        kv_copy_wait<2u>();
    }
    __syncthreads();
    word neighbour = (threadIdx.x + 1u) % 32u;
    out[threadIdx.x] = units[0][neighbour][0] + (read_second != 0u ? units[1][neighbour][3] : 0u);
}

/* Twice, one after the other: thread 0 copies 32 units of 16 bytes in one go, says how many bytes to
 * expect, and all wait for the phase of the parity that `parity` makes of the round. */
__global__ static void bulk_copies(word *out, const word *in, word shift, word expected,
                                   word parity)
{
    __shared__ __align__(16) word units[32][4];
    __shared__ kv_barrier arrived;
    if (threadIdx.x == 0u) {
        kv_barrier_begin(&arrived);
    }
    __syncthreads();
    word sum = 0u;
    for (word round = 0u; round < 2u; round++) {
        if (threadIdx.x == 0u) {
            kv_bulk_copy(units[0], in + 128u * round + shift, 512u, &arrived);
            kv_barrier_expect(&arrived, expected);
        }
        kv_barrier_wait(&arrived, round ^ parity);
        sum += units[31u - threadIdx.x][round];
        __syncthreads();
    }
    out[threadIdx.x] = sum;
}

extern "C" char __start_cudasim_shared_test[];
extern "C" char __stop_cudasim_shared_test[];

#define KERNEL(name)                                                                               \
    static void run_##name(void *const *params)                                                    \
    {                                                                                              \
        cudasim_call(name, params);                                                                \
    }                                                                                              \
    extern "C" const cudasim_kernel cudasim_test_##name = cudasim_describe(                        \
        name, #name, run_##name, __start_cudasim_shared_test, __stop_cudasim_shared_test);

KERNEL(sums)
KERNEL(touch)
KERNEL(unwritten)
KERNEL(beyond_shared)
KERNEL(dynamic)
KERNEL(divergent)
KERNEL(two_places)
KERNEL(copies)
KERNEL(bulk_copies)
