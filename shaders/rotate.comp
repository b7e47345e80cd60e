#version 450
#extension GL_GOOGLE_include_directive : require
/* SPDX-License-Identifier: MIT
 *
 * rotate: rows of one or two tensors times a Hadamard matrix with signs, or back. A lane of a CPU takes
 * a row, so that all lanes use one place of it at a time, which is a vector there. On a GPU a work-group
 * takes a tile of rows into shared memory; its lanes take pairs of channels, neighbouring lanes
 * neighbouring ones.
 */
#include "kernel.glsl"

KV_BINDING(0, readonly, source);
KV_BINDING(1, readonly, second);
KV_BINDING(2, writeonly, target);
KV_BINDING(3, , status);
KV_PARAMS(kv_rotate_params);

const bool IS_NARROW = KV_IS_NARROW(KV_LANES);
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

/* The element of a tensor where a row begins. */
kv_u32 source_row(kv_u32 is_second, kv_u32 row)
{
    return is_second != 0u ? kv_view_index(p.second, row / p.heads, row % p.heads, 0u)
                           : kv_view_index(p.source, row / p.heads, row % p.heads, 0u);
}

/* 1. Load one channel of the row that begins at element `first` */
kv_f32 load_channel(kv_u32 is_second, kv_u32 first, kv_u32 channel, inout kv_u32 clamped)
{
    kv_f32 element;
    if (is_second != 0u) {
        kv_u32 at = first + channel * p.second.channel_stride;
        element = KV_LOAD(second, at, p.second.dtype);
    } else {
        kv_u32 at = first + channel * p.source.channel_stride;
        element = KV_LOAD(source, at, p.source.dtype);
    }
    return input_value(element, channel, clamped);
}

/* The element of target where a row begins. */
kv_u32 target_row(kv_u32 is_second, kv_u32 row)
{
    if (is_second != 0u) {
        return p.target_offset + p.tokens * p.target_token_stride + row * p.second_dim;
    }
    return p.target_offset + row / p.heads * p.target_token_stride +
           row % p.heads * p.target_head_stride;
}

/* 3. Store two channels, of which the first is element `at` */
void store_pair(kv_f32 first, kv_f32 next, kv_f32 scale, kv_u32 channel, kv_u32 at,
                inout kv_u32 clamped)
{
    kv_f32 low = output_value(first, scale, channel);
    kv_f32 high = output_value(next, scale, channel + 1u);
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

/* ---- a lane a row ---- */

void rotate_row(kv_u32 is_second, kv_u32 row, kv_u32 dim, inout kv_u32 clamped)
{
    kv_f32 own[KV_MAX_HEAD_DIM];
    kv_u32 block = kv_rotate_block(dim);
    kv_u32 first = source_row(is_second, row);
    for (kv_u32 channel = 0u; channel < dim; channel++) {
        own[channel] = load_channel(is_second, first, channel, clamped);
    }
    for (kv_u32 stride = 1u; stride < block; stride *= 2u) {
        for (kv_u32 begin = 0u; begin < dim; begin += 2u * stride) {
            for (kv_u32 low = begin; low < begin + stride; low++) {
                KV_EXACT kv_f32 sum = own[low] + own[low + stride];
                KV_EXACT kv_f32 difference = own[low] - own[low + stride];
                own[low] = sum;
                own[low + stride] = difference;
            }
        }
    }
    kv_u32 at = target_row(is_second, row);
    for (kv_u32 channel = 0u; channel < dim; channel += 2u) {
        store_pair(own[channel], own[channel + 1u], kv_rotate_scale(block), channel, at + channel,
                   clamped);
    }
}

/* Rows of one tensor to a work-group. */
void rotate_rows(inout kv_u32 clamped)
{
    kv_u32 rows = p.tokens * p.heads;
    kv_u32 runs = (rows + KV_LANES - 1u) / KV_LANES;
    kv_u32 all_runs = p.second_dim != 0u ? 2u * runs : runs;
    for (kv_u32 run = gl_WorkGroupID.x; run < all_runs; run += gl_NumWorkGroups.x) {
        kv_u32 is_second = run < runs ? 0u : 1u;
        kv_u32 row = (run - is_second * runs) * KV_LANES + KV_LANE;
        if (row < rows) {
            rotate_row(is_second, row, is_second != 0u ? p.second_dim : p.dim, clamped);
        }
    }
}

/* ---- a work-group a tile ---- */

void rotate_tile(kv_tile tile, inout kv_u32 clamped)
{
    KV_FOR_LANES(i, tile.rows * tile.dim)
    {
        kv_u32 first = source_row(tile.is_second, tile.first_row + i / tile.dim);
        x[i] = load_channel(tile.is_second, first, i % tile.dim, clamped);
    }
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
    KV_FOR_LANES(i, tile.rows * tile.dim / 2u)
    {
        kv_u32 channel = 2u * i % tile.dim;
        kv_u32 at = target_row(tile.is_second, tile.first_row + 2u * i / tile.dim) + channel;
        store_pair(x[2u * i], x[2u * i + 1u], kv_rotate_scale(block), channel, at, clamped);
    }
    barrier();
}

void rotate_tiles(inout kv_u32 clamped)
{
    kv_u32 rows = p.tokens * p.heads;
    kv_u32 first_height = rows_of_tile(p.dim);
    kv_u32 second_height = rows_of_tile(p.second_dim);
    kv_u32 first_tiles = (rows + first_height - 1u) / first_height;
    kv_u32 second_tiles =
        p.second_dim != 0u ? (rows + second_height - 1u) / second_height : 0u;
    for (kv_u32 i = gl_WorkGroupID.x; i < first_tiles + second_tiles; i += gl_NumWorkGroups.x) {
        kv_tile tile;
        tile.is_second = i < first_tiles ? 0u : 1u;
        tile.dim = tile.is_second != 0u ? p.second_dim : p.dim;
        kv_u32 height = tile.is_second != 0u ? second_height : first_height;
        tile.first_row = (i - tile.is_second * first_tiles) * height;
        tile.rows = kv_min_u32(rows - tile.first_row, height);
        rotate_tile(tile, clamped);
    }
}

void main()
{
    kv_u32 clamped = 0u;
    if (IS_NARROW) {
        rotate_rows(clamped);
    } else {
        rotate_tiles(clamped);
    }
    /* 4. What had to be clamped */
    if (clamped != 0u && p.status_offset != KV_NO_OFFSET) {
        atomicAdd(status[p.status_offset], clamped);
    }
}
