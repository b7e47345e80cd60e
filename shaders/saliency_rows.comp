#version 450
#extension GL_GOOGLE_include_directive : require
/* SPDX-License-Identifier: MIT
 *
 * saliency_rows: for each probe row and each split of tokens, the largest score and the sum of the
 * exponentials relative to it, in units of 2^-23. Integer sums: any order. One work-group does one
 * split of one KV head for KV_ROWS (probe, head) pairs.
 */
#include "kernel.glsl"

KV_BINDING(0, , scratch);
KV_PARAMS(kv_saliency_params);

#include "saliency_products.glsl"
#include "saliency_rows.glsl"

void main()
{
    sum_split();
}
