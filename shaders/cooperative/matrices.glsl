/* SPDX-License-Identifier: MIT
 *
 * The matrices of attention_matrix.comp, by VK_KHR_cooperative_matrix. Its first lines, so that
 * extensions come before anything else.
 */
#extension GL_KHR_cooperative_matrix : require
#extension GL_KHR_memory_scope_semantics : require
#extension GL_EXT_shader_explicit_arithmetic_types_int8 : require
#include "attention_matrix_space.glsl"

#define kv_code_matrix coopmat<uint8_t, gl_ScopeSubgroup, MATRIX_ROWS, MATRIX_DEPTH, gl_MatrixUseA>
#define kv_operand_matrix                                                                          \
    coopmat<uint8_t, gl_ScopeSubgroup, MATRIX_DEPTH, MATRIX_COLUMNS, gl_MatrixUseB>
#define kv_sum_matrix                                                                              \
    coopmat<uint, gl_ScopeSubgroup, MATRIX_ROWS, MATRIX_COLUMNS, gl_MatrixUseAccumulator>

/* Rows of codes that begin at operands[at], operands[at + 2], ... */
kv_code_matrix load_codes(kv_u32 at)
{
    kv_code_matrix codes;
    coopMatLoad(codes, operands, at, 2u, gl_CooperativeMatrixLayoutRowMajor);
    return codes;
}

/* Columns of operands that begin at operands[at], operands[at + 2], ... */
kv_operand_matrix load_operands(kv_u32 at)
{
    kv_operand_matrix columns;
    coopMatLoad(columns, operands, at, 2u, gl_CooperativeMatrixLayoutColumnMajor);
    return columns;
}

kv_sum_matrix no_sums()
{
    return kv_sum_matrix(0u);
}

kv_sum_matrix multiply_add(kv_code_matrix codes, kv_operand_matrix columns, kv_sum_matrix sums)
{
    return coopMatMulAdd(codes, columns, sums);
}

/* Columns of sums to stage[at], stage[at + MATRIX_ROWS], ... */
void store_sums(kv_sum_matrix sums, kv_u32 at)
{
    coopMatStore(sums, stage, at, MATRIX_ROWS, gl_CooperativeMatrixLayoutColumnMajor);
}
