#version 450
#extension GL_GOOGLE_include_directive : require
/* SPDX-License-Identifier: MIT
 *
 * parameters: the extrema of each group of an event to its stored scale and minimum. One item is
 * one group, one word.
 */
#include "kernel.glsl"

KV_BINDING(0, readonly, scratch);
KV_BINDING(1, writeonly, store);
KV_PARAMS(kv_parameters_params);

void main()
{
    KV_FOR_ITEMS(group, p.groups)
    {
        /* 1. Load the keys */
        kv_u32 low_key = scratch[p.keys_offset + group];
        kv_u32 high_key = scratch[p.keys_offset + p.groups + group];
        /* 2. Scale and minimum */
        kv_u32 word = 0u;
        if (low_key <= high_key) {
            kv_f32 low = kv_from_sortable(low_key);
            kv_f32 high = kv_from_sortable(high_key);
            word = p.codec == KV_CODEC_INT8_SYMMETRIC
                       ? kv_symmetric_param(low, high)
                       : kv_asymmetric_param(low, high,
                                             kv_reciprocal_of_qmax(kv_codec_bits(p.codec)));
        }
        /* 3. Store */
        kv_u32 row = group / p.row_length;
        kv_u32 column = group % p.row_length;
        store[p.params_offset + row * p.row_stride + p.row_first + column] = word;
    }
}
