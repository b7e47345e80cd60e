#version 450
#extension GL_GOOGLE_include_directive : require
/* SPDX-License-Identifier: MIT
 *
 * The variant of attention for work-groups of 8 lanes that are one subgroup: the vector of a CPU.
 * The same steps, operands and sums as attention.comp, so the same bits.
 *
 * There every load of memory, shared or not, is a loop over the lanes, and a shuffle is one
 * instruction. So a lane keeps its part of what all lanes need (the operands of one quad, the unit of
 * one row) in registers and hands it out by shuffles; sums of scores and of outputs stay in
 * registers until they are finished; and each word of codes is loaded once for up to four rows.
 * Both sides of a branch are executed, so the width of the codes is chosen once a split.
 *
 * Specialization constant 1 is the number of query rows that there is room for: 1, 2, 4 or 8.
 */
#extension GL_EXT_control_flow_attributes : require
#extension GL_KHR_shader_subgroup_basic : require
#extension GL_KHR_shader_subgroup_shuffle : require
#include "kernel.glsl"

layout(constant_id = 1) const kv_u32 ROWS = KV_ROWS;

KV_BINDING(0, readonly, store);
KV_BINDING(1, readonly, queries);
KV_BINDING(2, readonly, positions);
KV_BINDING(3, writeonly, partials);
KV_PARAMS(kv_attention_params);

/* All lanes of the work-group have come here, and see what the others wrote. */
void meet()
{
    subgroupBarrier();
}

#include "attention_split.glsl"

#include "attention_vector.glsl"
#include "attention_vector_fold.glsl"
#include "attention_vector_f16.glsl"

#define BITS 2u
#define NAMED(name) name##_2
#include "attention_vector_codes.glsl"
#undef BITS
#undef NAMED
#define BITS 4u
#define NAMED(name) name##_4
#include "attention_vector_codes.glsl"
#undef BITS
#undef NAMED
#define BITS 8u
#define NAMED(name) name##_8
#include "attention_vector_codes.glsl"
#undef BITS
#undef NAMED

#include "attention_vector_quantized.glsl"

#include "attention_steps.glsl"

void main()
{
    attend_split();
}
