/* SPDX-License-Identifier: MIT
 *
 * The exact products of saliency by dot products of four 8-bit integers: a quad stays the word that it is.
 */
#ifndef KVANT_SHADERS_SALIENCY_DOT_GLSL
#define KVANT_SHADERS_SALIENCY_DOT_GLSL

#define kv_quad kv_u32
#define kv_narrow_quad kv_u32
#define kv_narrow_sum kv_i32

#define PACKED_4X8 0 /* PackedVectorFormat4x8Bit: a vector is the four bytes of a word */

/* OpSDot: signed by signed bytes. 6018 and 6019 are the capabilities DotProductInput4x8BitPacked and
 * DotProduct. */
spirv_instruction(extensions = ["SPV_KHR_integer_dot_product"], capabilities = [6018, 6019],
                  id = 4450) kv_i32 signed_dot(kv_u32 x, kv_u32 y, spirv_literal int format);

kv_quad kv_quad_of(kv_u32 signed_bytes)
{
    return signed_bytes;
}

kv_i32 kv_dot(kv_quad x, kv_quad y)
{
    return signed_dot(x, y, PACKED_4X8);
}

kv_narrow_quad kv_narrow_quad_of(kv_u32 signed_bytes)
{
    return signed_bytes;
}

kv_narrow_sum kv_narrow_dot(kv_narrow_quad x, kv_narrow_quad y)
{
    return signed_dot(x, y, PACKED_4X8);
}

#endif
