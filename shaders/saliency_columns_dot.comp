#version 450
#extension GL_GOOGLE_include_directive : require
/* SPDX-License-Identifier: MIT
 *
 * The variant of saliency_columns for devices with dot products of four 8-bit integers: one
 * instruction for four products and their sum, and operands that stay bytes.
 */
#extension GL_EXT_spirv_intrinsics : require
#include "kernel.glsl"

KV_BINDING(0, , scratch);
KV_PARAMS(kv_saliency_params);

#include "saliency_dot.glsl"
#include "saliency_columns.glsl"

void main()
{
    sum_columns();
}
