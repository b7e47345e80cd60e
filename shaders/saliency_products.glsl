/* SPDX-License-Identifier: MIT
 *
 * The exact products of saliency, a quad of channels at a time: as integers on wide work-groups, on a CPU
 * in floats, which hold every sum exactly, because its vectors multiply them faster.
 */
#ifndef KVANT_SHADERS_SALIENCY_PRODUCTS_GLSL
#define KVANT_SHADERS_SALIENCY_PRODUCTS_GLSL

#define kv_quad ivec4   /* four numbers of a wide work-group's lane */
#define kv_narrow_quad vec4
#define kv_narrow_sum kv_f32

/* The four signed bytes of a word. */
ivec4 kv_signed_bytes(kv_u32 word)
{
    return ivec4((uvec4(word) >> uvec4(0u, 8u, 16u, 24u)) & 255u ^ 128u) - 128;
}

kv_quad kv_quad_of(kv_u32 signed_bytes)
{
    return kv_signed_bytes(signed_bytes);
}

kv_i32 kv_dot(kv_quad x, kv_quad y)
{
    ivec4 products = x * y;
    return products.x + products.y + products.z + products.w;
}

kv_narrow_quad kv_narrow_quad_of(kv_u32 signed_bytes)
{
    return vec4(kv_signed_bytes(signed_bytes));
}

kv_narrow_sum kv_narrow_dot(kv_narrow_quad x, kv_narrow_quad y)
{
    KV_EXACT vec4 products = x * y;
    KV_EXACT kv_f32 sum = (products.x + products.y) + (products.z + products.w);
    return sum;
}

#endif
