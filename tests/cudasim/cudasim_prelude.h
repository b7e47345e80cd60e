/* SPDX-License-Identifier: MIT
 *
 * As much of CUDA C++ as the kernels of cuda/ use, for an ordinary C++ compiler. The kernels
 * include nothing of this: the generated file of each kernel does, before it includes the kernel.
 * CUDASIM_SHARED_SECTION names the section where the kernel's __shared__ variables lie.
 */
#ifndef KVANT_TESTS_CUDASIM_PRELUDE_H
#define KVANT_TESTS_CUDASIM_PRELUDE_H

#include <cmath>
#include <cstring>
#include <utility>

#include "cudasim.h"

#define __CUDACC__ 1
#define __device__
#define __global__
#define __forceinline__ inline __attribute__((always_inline))
#define __launch_bounds__(...)
#define __align__(bytes) __attribute__((aligned(bytes)))
#define __shared__ static __attribute__((section(CUDASIM_SHARED_SECTION)))
/* `extern __shared__ type name[]`, which no macro named __shared__ can stand for. */
#define CUDASIM_EXTERN_SHARED(type, name)                                                          \
    type *const name = reinterpret_cast<type *>(cudasim_dynamic_shared)

#define threadIdx (cudasim_here.thread)
#define blockIdx (cudasim_here.block)
#define blockDim (cudasim_here.block_size)
#define gridDim (cudasim_here.grid_size)

struct alignas(8) int2 {
    int x, y;
};

struct alignas(8) uint2 {
    unsigned int x, y;
};

struct alignas(16) uint4 {
    unsigned int x, y, z, w;
};

/* ---- bits ---- */

template <class To, class From> static inline To cudasim_bits(From from)
{
    static_assert(sizeof(To) == sizeof(From), "sizes differ");
    To to;
    std::memcpy(&to, &from, sizeof to);
    return to;
}

static inline unsigned int __float_as_uint(float f)
{
    return cudasim_bits<unsigned int>(f);
}

static inline float __uint_as_float(unsigned int u)
{
    return cudasim_bits<float>(u);
}

static inline int __popc(unsigned int u)
{
    return __builtin_popcount(u);
}

/* Four of the eight bytes of x and y, chosen by the low three bits of the nibbles of `selector`. */
static inline unsigned int __byte_perm(unsigned int x, unsigned int y, unsigned int selector)
{
    unsigned long long bytes = static_cast<unsigned long long>(y) << 32 | x;
    unsigned int chosen = 0u;
    for (int i = 0; i < 4; i++) {
        unsigned int byte = selector >> (4 * i) & 7u;
        chosen |= static_cast<unsigned int>(bytes >> (8u * byte) & 255u) << (8 * i);
    }
    return chosen;
}

/* ---- products of packed integers ---- */

static inline int cudasim_signed_byte(int word, int i)
{
    return static_cast<signed char>(static_cast<unsigned int>(word) >> (8 * i) & 255u);
}

static inline int cudasim_signed_half(int word, int i)
{
    return static_cast<short>(static_cast<unsigned int>(word) >> (16 * i) & 65535u);
}

static inline int __dp4a(int a, int b, int sum)
{
    for (int i = 0; i < 4; i++) {
        sum += cudasim_signed_byte(a, i) * cudasim_signed_byte(b, i);
    }
    return sum;
}

static inline int __dp2a_lo(int a, int b, int sum)
{
    return sum + cudasim_signed_half(a, 0) * cudasim_signed_byte(b, 0) +
           cudasim_signed_half(a, 1) * cudasim_signed_byte(b, 1);
}

static inline int __dp2a_hi(int a, int b, int sum)
{
    return sum + cudasim_signed_half(a, 0) * cudasim_signed_byte(b, 2) +
           cudasim_signed_half(a, 1) * cudasim_signed_byte(b, 3);
}

/* ---- atomics: threads take turns, so plain operations do ---- */

static inline unsigned int atomicAdd(unsigned int *address, unsigned int value)
{
    unsigned int old = *address;
    *address = old + value;
    return old;
}

static inline unsigned int atomicMin(unsigned int *address, unsigned int value)
{
    unsigned int old = *address;
    *address = value < old ? value : old;
    return old;
}

static inline unsigned int atomicMax(unsigned int *address, unsigned int value)
{
    unsigned int old = *address;
    *address = value > old ? value : old;
    return old;
}

/* ---- meetings; all lanes of a warp take part ---- */

#define __syncthreads() cudasim_meet_block(__LINE__)
#define __syncwarp() cudasim_meet_warp(0u, __LINE__)
#define __shfl_sync(mask, value, lane)                                                             \
    cudasim_shuffle(mask, value, static_cast<unsigned int>(lane) % 32u, __LINE__)
#define __shfl_xor_sync(mask, value, lanes)                                                        \
    cudasim_shuffle(mask, value, cudasim_lane() ^ (lanes), __LINE__)
#define __shfl_up_sync(mask, value, lanes)                                                         \
    cudasim_shuffle(mask, value, cudasim_lane() - (cudasim_lane() < (lanes) ? 0u : (lanes)),       \
                    __LINE__)
#define __ballot_sync(mask, predicate) cudasim_ballot(mask, predicate, __LINE__)

template <class T>
static inline T cudasim_shuffle(unsigned int, T value, unsigned int lane, int line)
{
    cudasim_meet_warp(cudasim_bits<unsigned int>(value), line);
    return cudasim_bits<T>(cudasim_posted(lane));
}

static inline unsigned int cudasim_ballot(unsigned int, bool predicate, int line)
{
    cudasim_meet_warp(predicate ? 1u : 0u, line);
    unsigned int votes = 0u;
    for (unsigned int lane = 0u; lane < CUDASIM_WARP; lane++) {
        votes |= cudasim_posted(lane) << lane;
    }
    return votes;
}

#define __any_sync(mask, predicate) (cudasim_ballot(mask, predicate, __LINE__) != 0u)
#define __all_sync(mask, predicate) (cudasim_ballot(mask, !(predicate), __LINE__) == 0u)

/* ---- products of matrices, in the place of cuda/mma.cuh, which describes them ---- */

#define KVANT_CUDA_MMA_CUH
#define kv_mma_signed(sums, a, b) cudasim_mma<signed char>(sums, a, b, __LINE__)
#define kv_mma_unsigned(sums, a, b) cudasim_mma<unsigned char>(sums, a, b, __LINE__)

static inline unsigned int cudasim_posted_byte(unsigned int lane, unsigned int i, unsigned int byte)
{
    return cudasim_posted_word(lane, i) >> (8u * byte) & 255u;
}

template <class B>
static inline void cudasim_mma(int sums[4], const unsigned int a[4], const unsigned int b[2],
                               int line)
{
    const unsigned int words[6] = {a[0], a[1], a[2], a[3], b[0], b[1]};
    cudasim_meet_warp_with(words, 6u, line);
    for (unsigned int i = 0u; i < 4u; i++) {
        unsigned int row = cudasim_lane() / 4u; /* and row + 8 from i = 2 on */
        unsigned int column = cudasim_lane() % 4u * 2u + i % 2u;
        for (unsigned int k = 0u; k < 32u; k++) {
            unsigned int code =
                cudasim_posted_byte(row * 4u + k % 16u / 4u, k / 16u * 2u + i / 2u, k % 4u);
            unsigned int other =
                cudasim_posted_byte(column * 4u + k % 16u / 4u, 4u + k / 16u, k % 4u);
            sums[i] += static_cast<int>(code) * static_cast<B>(other);
        }
    }
}

/* ---- asynchronous copies, in the place of cuda/copy_async.cuh ---- */

#define KVANT_CUDA_COPY_ASYNC_CUH

static inline void kv_copy_four(unsigned int *to, const unsigned int *from)
{
    cudasim_copy(to, from, 16u);
}

static inline void kv_copy_commit()
{
    cudasim_copy_commit();
}

template <unsigned int PENDING> static inline void kv_copy_wait()
{
    cudasim_copy_wait(PENDING);
}

/* ---- copies counted by barriers, in the place of cuda/copy_bulk.cuh ---- */

#define KVANT_CUDA_COPY_BULK_CUH
#define kv_barrier_wait(barrier, parity) cudasim_barrier_wait(barrier, parity, __LINE__)

typedef unsigned long long kv_barrier;

static inline void kv_barrier_begin(kv_barrier *barrier)
{
    cudasim_barrier_begin(barrier);
}

static inline void kv_barrier_expect(kv_barrier *barrier, unsigned int bytes)
{
    cudasim_barrier_expect(barrier, bytes);
}

static inline void kv_bulk_copy(unsigned int *to, const unsigned int *from, unsigned int bytes,
                                kv_barrier *barrier)
{
    cudasim_bulk_copy(to, from, bytes, barrier);
}

static inline void kv_bulk_after_writes()
{
}

/* ---- calling a kernel with the driver's array of pointers to its parameters ---- */

template <class... Params, std::size_t... I>
static inline void cudasim_call(void (*kernel)(Params...), void *const *params,
                                std::index_sequence<I...>)
{
    kernel(*static_cast<typename std::remove_const<Params>::type *>(params[I])...);
}

template <class... Params>
static inline void cudasim_call(void (*kernel)(Params...), void *const *params)
{
    cudasim_call(kernel, params, std::index_sequence_for<Params...>());
}

template <class... Params>
static inline cudasim_kernel cudasim_describe(void (*)(Params...), const char *name,
                                              void (*run)(void *const *), char *shared,
                                              const char *shared_end)
{
    static_assert(sizeof...(Params) <= CUDASIM_MAX_PARAMS, "too many parameters");
    return {name,
            run,
            sizeof...(Params),
            {sizeof(Params)...},
            shared,
            shared != nullptr ? static_cast<size_t>(shared_end - shared) : 0u};
}

#endif
