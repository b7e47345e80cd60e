#version 450
#extension GL_GOOGLE_include_directive : require
/* SPDX-License-Identifier: MIT
 *
 * saliency_columns: for each token of each KV head, the sum of its probabilities over the probe
 * rows and the query heads of the group, in units of 2^-28 and 64 bits. One item is one token of
 * one KV head; a work-group takes KV_LANES lanes of tokens of one head at a time.
 */
#include "kernel.glsl"

KV_BINDING(0, , scratch);
KV_PARAMS(kv_saliency_params);

#include "saliency_products.glsl"
#include "saliency_columns.glsl"

void main()
{
    sum_columns();
}
