#version 450
#extension GL_GOOGLE_include_directive : require
/* SPDX-License-Identifier: MIT
 *
 * finite: counts the elements of a K or V tensor that no finite half can hold. One item is one
 * token of one head.
 */
#include "kernel.glsl"

KV_BINDING(0, readonly, source);
KV_BINDING(1, , status);
KV_PARAMS(kv_finite_params);

void main()
{
    kv_u32 count = 0u;
    KV_FOR_ITEMS(item, p.tokens * p.heads)
    {
        for (kv_u32 channel = 0u; channel < p.dim; channel++) {
            kv_u32 i = kv_view_index(p.source, item / p.heads, item % p.heads, channel);
            count += kv_is_unrepresentable(KV_LOAD(source, i, p.source.dtype));
        }
    }
    if (count != 0u) {
        atomicAdd(status[p.status_offset], count);
    }
}
