/* SPDX-License-Identifier: MIT
 *
 * The four kernel languages, made to look alike. This is the only file of the project that asks
 * which language is compiling it: C11 (host_ref, dispatch), OpenCL C 1.2, GLSL 450 and CUDA C++.
 *
 *   KV_FN      qualifier of a function that every language compiles
 *   KV_EXACT   qualifier of a float whose operations must not be contracted or reassociated
 *   kv_u32, kv_i32, kv_f32; KV_U32(x), KV_I32(x), KV_F32(x) convert to them
 *   kv_bits(f), kv_float(u)   the 32 bits of a float, and the float of 32 bits
 *   kv_rint(f)                to the nearest integer, half to even
 *
 * Contraction of a*b+c is off everywhere: -ffp-contract=off (C), FP_CONTRACT OFF (OpenCL),
 * precise (GLSL), --fmad=false (CUDA). Division, sqrt and exp of the languages are never used.
 *
 * GLSL has no pointers, no typedef and no stray semicolons at file scope: the headers keep to the
 * common subset, functions over scalars.
 */
#ifndef KVANT_CONTRACT_LANG_H
#define KVANT_CONTRACT_LANG_H

#if defined(VULKAN)

#define KV_FN
#define KV_EXACT precise
#define KV_STRUCT_BEGIN(name) struct name {
#define KV_STRUCT_END(name) };
#define kv_u32 uint
#define kv_i32 int
#define kv_f32 float
#define KV_U32(x) uint(x)
#define KV_I32(x) int(x)
#define KV_F32(x) float(x)
#define kv_bits(f) floatBitsToUint(f)
#define kv_float(u) uintBitsToFloat(u)
#define kv_rint(f) roundEven(f)

#elif defined(__OPENCL_C_VERSION__)

#pragma OPENCL FP_CONTRACT OFF
#define KV_FN static inline
#define KV_EXACT
#define KV_STRUCT_BEGIN(name)                                                                      \
    typedef struct name {
#define KV_STRUCT_END(name)                                                                        \
    }                                                                                              \
    name;
#define kv_u32 uint
#define kv_i32 int
#define kv_f32 float
#define KV_U32(x) ((kv_u32)(x))
#define KV_I32(x) ((kv_i32)(x))
#define KV_F32(x) ((kv_f32)(x))
#define kv_bits(f) as_uint(f)
#define kv_float(u) as_float(u)
#define kv_rint(f) rint(f)

#elif defined(__CUDACC__)

#define KV_FN static __device__ __forceinline__
#define KV_EXACT
#define KV_STRUCT_BEGIN(name) struct name {
#define KV_STRUCT_END(name)                                                                        \
    }                                                                                              \
    ;
typedef unsigned int kv_u32;
typedef int kv_i32;
typedef float kv_f32;
#define KV_U32(x) ((kv_u32)(x))
#define KV_I32(x) ((kv_i32)(x))
#define KV_F32(x) ((kv_f32)(x))
#define kv_bits(f) __float_as_uint(f)
#define kv_float(u) __uint_as_float(u)
#define kv_rint(f) rintf(f)

#else /* C11, and C++11 for tests of the headers */

#include <math.h>
#include <stdint.h>
#include <string.h>
#define KV_FN static inline
#define KV_EXACT
#define KV_STRUCT_BEGIN(name)                                                                      \
    typedef struct name {
#define KV_STRUCT_END(name)                                                                        \
    }                                                                                              \
    name;
typedef uint32_t kv_u32;
typedef int32_t kv_i32;
typedef float kv_f32;
#define KV_U32(x) ((kv_u32)(x))
#define KV_I32(x) ((kv_i32)(x))
#define KV_F32(x) ((kv_f32)(x))

static inline kv_u32 kv_bits(kv_f32 f)
{
    kv_u32 u;
    memcpy(&u, &f, sizeof u);
    return u;
}

static inline kv_f32 kv_float(kv_u32 u)
{
    kv_f32 f;
    memcpy(&f, &u, sizeof f);
    return f;
}

#define kv_rint(f) rintf(f)

#endif

#endif
