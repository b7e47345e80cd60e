#version 450
#extension GL_GOOGLE_include_directive : require
/* SPDX-License-Identifier: MIT
 *
 * The variant of attention for devices with dot products of four 8-bit integers. The same steps,
 * operands and sums as attention.comp, so the same bits: an operand is 256 * high + low, a signed and
 * an unsigned byte, so two dot products with the four codes of a word are the products of all 16
 * bits.
 *
 * Specialization constant 1 is the number of query rows that there is room for: 1, 2, 4 or 8.
 */
#extension GL_EXT_spirv_intrinsics : require
#include "kernel.glsl"

layout(constant_id = 1) const kv_u32 ROWS = KV_ROWS;

KV_BINDING(0, readonly, store);
KV_BINDING(1, readonly, queries);
KV_BINDING(2, readonly, positions);
KV_BINDING(3, writeonly, partials);
KV_PARAMS(kv_attention_params);

#define PACKED_4X8 0 /* PackedVectorFormat4x8Bit: a vector is the four bytes of a word */

/* OpSUDot: signed by unsigned bytes; OpUDot: unsigned by unsigned. 6018 and 6019 are the capabilities
 * DotProductInput4x8BitPacked and DotProduct. */
spirv_instruction(extensions = ["SPV_KHR_integer_dot_product"], capabilities = [6018, 6019],
                  id = 4452) kv_i32 signed_dot(kv_u32 x, kv_u32 y, spirv_literal int format);
spirv_instruction(extensions = ["SPV_KHR_integer_dot_product"], capabilities = [6018, 6019],
                  id = 4451) kv_u32 unsigned_dot(kv_u32 x, kv_u32 y, spirv_literal int format);

kv_u32 packed_bytes(uvec4 x)
{
    x &= 255u;
    return x.x | x.y << 8 | x.z << 16 | x.w << 24;
}

/* Four operands as they lie in shared memory: the high bytes, the low bytes. */
ivec4 stored_operands(ivec4 x)
{
    return ivec4(KV_I32(packed_bytes(uvec4(x >> 8))), KV_I32(packed_bytes(uvec4(x))), 0, 0);
}

/* The sum of four products; the codes are the bytes of a word. */
kv_i32 dot_of_quads(ivec4 stored, kv_u32 codes)
{
    return (signed_dot(KV_U32(stored.x), codes, PACKED_4X8) << 8) +
           KV_I32(unsigned_dot(KV_U32(stored.y), codes, PACKED_4X8));
}

#include "attention_lanes.glsl"

#include "attention_steps.glsl"

void main()
{
    attend_split();
}
