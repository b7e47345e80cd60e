/* SPDX-License-Identifier: MIT
 *
 * What shaders/cooperative/matrices.glsl gives, by shared memory alone. Matrices remember where they are,
 * and are multiplied when their sums are stored, which is after all 32 products of each: small code, which a
 * CPU's driver compiles soon. The lanes of a subgroup take the sums in turn. The loop over products is
 * unrolled because llvmpipe ends all loops of a shader after 65535 rounds in all.
 */
#extension GL_EXT_control_flow_attributes : require
#include "attention_matrix_space.glsl"

#define kv_code_matrix kv_u32
#define kv_operand_matrix kv_u32

struct kv_sum_matrix {
    uvec2 codes; /* of one or two products */
    uvec2 columns;
};

kv_code_matrix load_codes(kv_u32 at)
{
    return at;
}

kv_operand_matrix load_operands(kv_u32 at)
{
    return at;
}

kv_sum_matrix no_sums()
{
    return kv_sum_matrix(uvec2(0u), uvec2(0u));
}

kv_sum_matrix multiply_add(kv_code_matrix codes, kv_operand_matrix columns, kv_sum_matrix sums)
{
    return kv_sum_matrix(uvec2(codes, sums.codes.x), uvec2(columns, sums.columns.x));
}

/* The products of four bytes with four. */
kv_u32 emulated_dot(kv_u32 x, kv_u32 y)
{
    uvec4 products = (uvec4(x, x >> 8, x >> 16, x >> 24) & 255u) *
                     (uvec4(y, y >> 8, y >> 16, y >> 24) & 255u);
    return products.x + products.y + products.z + products.w;
}

void store_sums(kv_sum_matrix sums, kv_u32 at)
{
    [[dont_unroll]] for (kv_u32 i = gl_SubgroupInvocationID; i < MATRIX_ROWS * MATRIX_COLUMNS;
                         i += gl_SubgroupSize)
    {
        kv_u32 sum = 0u;
        [[unroll]] for (kv_u32 n = 0u; n < KV_CHUNK / 4u; n++)
        {
            kv_u32 product = n / (MATRIX_DEPTH / 4u);
            kv_u32 word = n % (MATRIX_DEPTH / 4u);
            kv_u32 row = sums.codes[product] + 2u * (i % MATRIX_ROWS) + word / 4u;
            kv_u32 column = sums.columns[product] + 2u * (i / MATRIX_ROWS) + word / 4u;
            sum += emulated_dot(KV_U32(operands[row][word % 4u]),
                                KV_U32(operands[column][word % 4u]));
        }
        stage[at + i] = sum;
    }
}
