#version 450
#extension GL_GOOGLE_include_directive : require
/* SPDX-License-Identifier: MIT
 *
 * rotate: rows of one or two tensors times a Hadamard matrix with signs, or back. A work-group takes
 * a tile of rows into shared memory; its lanes take pairs of channels, neighbouring lanes
 * neighbouring ones.
 */
#include "kernel.glsl"

KV_BINDING(0, readonly, source);
KV_BINDING(1, readonly, second);
KV_BINDING(2, writeonly, target);
KV_BINDING(3, , status);
KV_PARAMS(kv_rotate_params);

const kv_u32 ROOM = KV_LANES > 32u ? KV_LANES * 8u : KV_MAX_HEAD_DIM;
shared kv_f32 x[ROOM];

/* Rows first_row .. first_row + rows - 1 of one tensor. */
struct kv_tile {
    kv_u32 first_row;
    kv_u32 rows;
    kv_u32 is_second;
    kv_u32 dim;
};

/* Rows of a tile: as many as the lanes have octets of channels, and a whole one at least. */
kv_u32 rows_of_tile(kv_u32 dim)
{
    return KV_TILE_HEADS(KV_LANES, max(dim / 8u, 1u));
}

/* A channel as K and V, or as a query; in the first place with its sign. */
kv_f32 input_value(kv_f32 element, kv_u32 channel, inout kv_u32 clamped)
{
    kv_u32 signs = (p.form & KV_ROTATE_INVERSE) != 0u ? 0u : p.signs[channel / 32u];
    kv_f32 value;
    if ((p.form & KV_ROTATE_CACHED) != 0u) {
        clamped += kv_is_unrepresentable(element);
        value = kv_cache_value(element);
    } else {
        value = kv_query_value(element);
    }
    return kv_rotate_sign(value, signs, channel % 32u);
}

kv_f32 output_value(kv_f32 value, kv_f32 scale, kv_u32 channel)
{
    kv_u32 signs = (p.form & KV_ROTATE_INVERSE) != 0u ? p.signs[channel / 32u] : 0u;
    KV_EXACT kv_f32 scaled = value * scale;
    return kv_rotate_sign(scaled, signs, channel % 32u);
}

/* 1. Load */
void load_tile(kv_tile tile, inout kv_u32 clamped)
{
    KV_FOR_LANES(i, tile.rows * tile.dim)
    {
        kv_u32 row = tile.first_row + i / tile.dim;
        kv_u32 channel = i % tile.dim;
        kv_f32 element;
        if (tile.is_second != 0u) {
            kv_u32 at = kv_view_index(p.second, row / p.heads, row % p.heads, channel);
            element = KV_LOAD(second, at, p.second.dtype);
        } else {
            kv_u32 at = kv_view_index(p.source, row / p.heads, row % p.heads, channel);
            element = KV_LOAD(source, at, p.source.dtype);
        }
        x[i] = input_value(element, channel, clamped);
    }
}

/* 3. Store */
void store_tile(kv_tile tile, kv_f32 scale, inout kv_u32 clamped)
{
    kv_u32 offset = p.target_offset;
    kv_u32 token_stride = p.target_token_stride;
    kv_u32 head_stride = p.target_head_stride;
    if (tile.is_second != 0u) {
        offset += p.tokens * token_stride;
        token_stride = p.heads * tile.dim;
        head_stride = tile.dim;
    }
    KV_FOR_LANES(i, tile.rows * tile.dim / 2u)
    {
        kv_u32 row = tile.first_row + 2u * i / tile.dim;
        kv_u32 channel = 2u * i % tile.dim;
        kv_u32 at = offset + row / p.heads * token_stride + row % p.heads * head_stride + channel;
        kv_f32 low = output_value(x[2u * i], scale, channel);
        kv_f32 high = output_value(x[2u * i + 1u], scale, channel + 1u);
        if (p.target_dtype == KV_DTYPE_F32) {
            target[at] = kv_bits(low);
            target[at + 1u] = kv_bits(high);
        } else {
            target[at / 2u] = kv_cache_half(low) | (kv_cache_half(high) << 16);
            if ((p.form & KV_ROTATE_CACHED) != 0u) {
                clamped += kv_is_unrepresentable(low) + kv_is_unrepresentable(high);
            }
        }
    }
}

void main()
{
    kv_u32 rows = p.tokens * p.heads;
    kv_u32 first_height = rows_of_tile(p.dim);
    kv_u32 second_height = rows_of_tile(p.second_dim);
    kv_u32 first_tiles = (rows + first_height - 1u) / first_height;
    kv_u32 second_tiles =
        p.second_dim != 0u ? (rows + second_height - 1u) / second_height : 0u;
    kv_u32 clamped = 0u;
    for (kv_u32 i = gl_WorkGroupID.x; i < first_tiles + second_tiles; i += gl_NumWorkGroups.x) {
        kv_tile tile;
        tile.is_second = i < first_tiles ? 0u : 1u;
        tile.dim = tile.is_second != 0u ? p.second_dim : p.dim;
        kv_u32 height = tile.is_second != 0u ? second_height : first_height;
        tile.first_row = (i - tile.is_second * first_tiles) * height;
        tile.rows = kv_min_u32(rows - tile.first_row, height);
        load_tile(tile, clamped);
        barrier();
        /* 2. Butterflies */
        kv_u32 block = kv_rotate_block(tile.dim);
        for (kv_u32 stride = 1u; stride < block; stride *= 2u) {
            KV_FOR_LANES(pair, tile.rows * tile.dim / 2u)
            {
                kv_u32 low = pair / stride * stride * 2u + pair % stride;
                KV_EXACT kv_f32 sum = x[low] + x[low + stride];
                KV_EXACT kv_f32 difference = x[low] - x[low + stride];
                x[low] = sum;
                x[low + stride] = difference;
            }
            barrier();
        }
        store_tile(tile, kv_rotate_scale(block), clamped);
        barrier();
    }
    /* 4. What had to be clamped */
    if (clamped != 0u && p.status_offset != KV_NO_OFFSET) {
        atomicAdd(status[p.status_offset], clamped);
    }
}
