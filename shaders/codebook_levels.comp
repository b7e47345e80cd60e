#version 450
#extension GL_GOOGLE_include_directive : require
/* SPDX-License-Identifier: MIT
 *
 * codebook_levels: the levels of a learned codebook from the histogram of an event: by k-means in
 * integers, or the extremes and the two highest modes. One item does it all.
 */
#include "kernel.glsl"

KV_BINDING(0, readonly, scratch);
KV_BINDING(1, , store);
KV_PARAMS(kv_quantize_params);

/* Values with a byte, in units of 2^shift. */
kv_u32 values_of(kv_u32 byte, kv_u32 shift)
{
    return scratch[p.keys_offset + byte] >> shift;
}

/* The unit in which all values are less than 2^24, so that sums of bytes stay below 2^32. */
kv_u32 unit_of()
{
    kv_u32 total = 0u;
    for (kv_u32 byte = 0u; byte < 256u; byte++) {
        total += values_of(byte, 0u);
    }
    kv_u32 shift = 0u;
    while ((total >> shift) >= 0x1000000u) {
        shift += 1u;
    }
    return shift;
}

/* 2. Means: where the shares 1/2k, 3/2k, ... of the values lie, then rounds of k-means; a byte belongs to
 * the nearest level, between two to the lower */
void find_means(kv_u32 shift, kv_u32 count, inout kv_u32 levels[16])
{
    kv_u32 total = 0u;
    for (kv_u32 byte = 0u; byte < 256u; byte++) {
        total += values_of(byte, shift);
    }
    kv_u32 sum = 0u;
    kv_u32 level = 0u;
    for (kv_u32 byte = 0u; byte < 256u; byte++) {
        sum += values_of(byte, shift);
        while (level < count && sum * (2u * count) >= (2u * level + 1u) * total) {
            levels[level] = byte;
            level += 1u;
        }
    }
    for (kv_u32 round = 0u; round < KV_MEANS_ROUNDS; round++) {
        kv_u32 byte = 0u;
        for (kv_u32 i = 0u; i < count; i++) {
            kv_u32 end = i + 1u < count ? (levels[i] + levels[i + 1u]) / 2u : 255u;
            kv_u32 values = 0u;
            kv_u32 weight = 0u;
            for (; byte <= end; byte++) {
                kv_u32 n = values_of(byte, shift);
                values += n;
                weight += n * byte;
            }
            levels[i] = values != 0u ? (weight + values / 2u) / values : levels[i];
        }
    }
}

/* How high the histogram is about a byte, smoothed. */
kv_u32 height_of(kv_u32 byte, kv_u32 shift)
{
    return values_of(byte - 1u, shift) + 2u * values_of(byte, shift) +
           values_of(byte + 1u, shift);
}

/* 3. Modes: the highest byte, then the highest that is not near it; the first of equals. Both are away
 * from the extremes, which every group has */
void find_modes(kv_u32 shift, inout kv_u32 levels[16])
{
    kv_u32 first = KV_MODE_DISTANCE;
    for (kv_u32 byte = first; byte <= 255u - KV_MODE_DISTANCE; byte++) {
        first = height_of(byte, shift) > height_of(first, shift) ? byte : first;
    }
    kv_u32 second = first >= 128u ? KV_MODE_DISTANCE : 255u - KV_MODE_DISTANCE;
    for (kv_u32 byte = KV_MODE_DISTANCE; byte <= 255u - KV_MODE_DISTANCE; byte++) {
        kv_u32 distance = byte > first ? byte - first : first - byte;
        if (distance >= KV_MODE_DISTANCE &&
            height_of(byte, shift) > height_of(second, shift)) {
            second = byte;
        }
    }
    levels[0] = 0u;
    levels[1] = first < second ? first : second;
    levels[2] = first < second ? second : first;
    levels[3] = 255u;
}

void main()
{
    if (gl_GlobalInvocationID.x != 0u || p.tokens == 0u) {
        return;
    }
    /* 1. Unit */
    kv_u32 shift = unit_of();
    kv_u32 count = 1u << kv_codec_bits(p.codec);
    kv_u32 levels[16];
    for (kv_u32 i = 0u; i < 16u; i++) {
        levels[i] = 0u;
    }
    if (p.codec == KV_CODEC_INTRINSIC || p.codec == KV_CODEC_INTRINSIC_LITERAL) {
        find_modes(shift, levels);
    } else {
        find_means(shift, count, levels);
    }
    /* 4. Store */
    for (kv_u32 i = 0u; i < KV_CODEBOOK_WORDS; i++) {
        store[p.levels_offset + i] = levels[4u * i] | (levels[4u * i + 1u] << 8) |
                                 (levels[4u * i + 2u] << 16) | (levels[4u * i + 3u] << 24);
    }
}
