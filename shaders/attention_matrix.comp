#version 450
#extension GL_GOOGLE_include_directive : require
/* SPDX-License-Identifier: MIT
 *
 * The variant of attention for devices whose subgroups multiply matrices of bytes. The same steps,
 * operands and sums as attention.comp, so the same bits. Codes are the rows of one matrix, tokens of
 * K or channels of V, 32 to a row; the columns of the other are operands. An operand and 32768 is
 * 256 * high + low, two unsigned bytes and two columns; the codes times a column of ones give what the
 * 32768 was too much. So unsigned by unsigned bytes are all that is asked of a device.
 *
 * matrices.glsl, which the compiler finds through its include path, says what a matrix is:
 * cooperative/ has VK_KHR_cooperative_matrix, tests/extensions an emulation.
 *
 * Specialization constant 1 is the number of query rows that there is room for: 1, 2, 4 or 8;
 * constants 2 to 4 are the shape of matrices that the device has.
 */
#extension GL_KHR_shader_subgroup_basic : require
#include "matrices.glsl"

KV_BINDING(0, readonly, store);
KV_BINDING(1, readonly, queries);
KV_BINDING(2, readonly, positions);
KV_BINDING(3, writeonly, partials);
KV_PARAMS(kv_attention_params);

#include "attention_matrix_lanes.glsl"

#include "attention_steps.glsl"

void main()
{
    attend_split();
}
