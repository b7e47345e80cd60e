#version 450
#extension GL_GOOGLE_include_directive : require
/* SPDX-License-Identifier: MIT
 *
 * attention_general: attention for caches of which some part is beyond attention, which is tuned; the
 * steps and sums are those of attention.
 *   Codes that are numbers of levels: a level is a byte and takes the place of the code.
 *   Segments of some heads alone: rows of another head see no token of them.
 *
 * Specialization constant 1 is the number of query rows that there is room for: 1, 2, 4 or 8.
 */
#define KV_CODEBOOKS
#include "kernel.glsl"

layout(constant_id = 1) const kv_u32 ROWS = KV_ROWS;

KV_BINDING(0, readonly, store);
KV_BINDING(1, readonly, queries);
KV_BINDING(2, readonly, positions);
KV_BINDING(3, writeonly, partials);
KV_PARAMS(kv_attention_params);

/* Four operands as they lie in shared memory. */
ivec4 stored_operands(ivec4 x)
{
    return x;
}

/* The sum of four products; the codes are the bytes of a word. */
kv_i32 dot_of_quads(ivec4 stored, kv_u32 codes)
{
    ivec4 y = stored * ivec4((uvec4(codes) >> uvec4(0u, 8u, 16u, 24u)) & 255u);
    return y.x + y.y + y.z + y.w;
}

#include "attention_lanes.glsl"

#include "attention_steps.glsl"

void main()
{
    attend_split();
}
