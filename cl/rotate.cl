/* SPDX-License-Identifier: MIT
 *
 * rotate: rows of one or two tensors times a Hadamard matrix with signs, or back.
 */
#if KV_LANES == 1
#include "rotate_line.clh"
#else
#include "rotate_lanes.clh"
#endif

KV_KERNEL void kvant_rotate(const kv_rotate_params p, __global const kv_u32 *source,
                            __global const kv_u32 *second, __global kv_u32 *target,
                            __global kv_u32 *status)
{
    KV_ROOM kv_f32 room[KV_ROTATE_ROOM];
    kv_rotation first = {&p.source, source, p.dim, p.target_offset, p.target_token_stride,
                         p.target_head_stride};
    kv_rotation rest = {&p.second, second, p.second_dim,
                        p.target_offset + p.tokens * p.target_token_stride,
                        p.heads * p.second_dim, p.second_dim};
    kv_u32 clamped = rotate_rows(&p, &first, &rest, target, room);
    /* 4. What had to be clamped */
    if (clamped != 0u && p.status_offset != KV_NO_OFFSET) {
        atomic_add(&status[p.status_offset], clamped);
    }
}
