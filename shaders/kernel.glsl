/* SPDX-License-Identifier: MIT
 *
 * What every compute shader shares: lanes, bindings, parameters, and the way caller tensors and
 * arrays of halves are read. The sibling of host_ref/reference.h.
 *
 * Specialization constant 0 is the number of lanes of a work-group, a multiple of 8.
 */
#ifndef KVANT_SHADERS_KERNEL_GLSL
#define KVANT_SHADERS_KERNEL_GLSL

#include "arith.h"
#include "codebook.h"
#include "layout.h"
#include "params.h"

layout(local_size_x_id = 0) in;

#define KV_LANES gl_WorkGroupSize.x
#define KV_LANE gl_LocalInvocationIndex

/* Storage buffer `number` of the manifest, as words. */
#define KV_BINDING(number, access, name)                                                           \
    layout(std430, set = 0, binding = number) restrict access buffer kv_binding_##name             \
    {                                                                                              \
        kv_u32 name[];                                                                             \
    }

/* The same storage buffer, which is read only, in units of 16 bytes. */
#define KV_OCTETS(number, name)                                                                    \
    layout(std430, set = 0, binding = number) restrict readonly buffer kv_octets_##name            \
    {                                                                                              \
        uvec4 name##_octets[];                                                                     \
    }

/* The launch's parameters, as p. */
#define KV_PARAMS(type)                                                                            \
    layout(push_constant) uniform kv_push_constants                                                \
    {                                                                                              \
        type p;                                                                                    \
    }

/* The same in variables, which KV_TAKE_PARAMS() fills, the first statement of main. Each use of a push
 * constant may be a load; on a CPU loops are full of them. */
#define KV_PARAMS_TO_TAKE(type)                                                                    \
    layout(push_constant) uniform kv_push_constants                                                \
    {                                                                                              \
        type kv_pushed;                                                                            \
    };                                                                                             \
    type p
#define KV_TAKE_PARAMS() p = kv_pushed

/* A grid-stride loop over independent items. */
#define KV_FOR_ITEMS(item, count)                                                                  \
    for (kv_u32 item = gl_GlobalInvocationID.x; item < (count);                                    \
         item += gl_NumWorkGroups.x * KV_LANES)

/* Work shared by the lanes of a work-group. */
#define KV_FOR_LANES(i, count) for (kv_u32 i = KV_LANE; i < (count); i += KV_LANES)

/* Element index of (row, head, channel) in a caller's tensor. */
kv_u32 kv_view_index(kv_view view, kv_u32 row, kv_u32 head, kv_u32 channel)
{
    kv_u32 token = view.first + row;
    if (token >= view.wrap) {
        token -= view.wrap;
    }
    return view.offset + token * view.token_stride + head * view.head_stride +
           channel * view.channel_stride;
}

/* Element i of a caller's tensor, before any rounding. GLSL passes no buffers to functions. */
#define KV_LOAD(words, i, dtype) kv_element(words[kv_element_word(i, dtype)], i, dtype)

/* Half i of an array of halves that starts at a word. */
#define KV_LOAD_HALF(words, offset, i)                                                             \
    kv_f16_to_f32((words[(offset) + (i) / 2u] >> (((i) & 1u) * 16u)) & 0xffffu)

#endif
