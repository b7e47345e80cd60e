#version 450
#extension GL_GOOGLE_include_directive : require
/* SPDX-License-Identifier: MIT
 *
 * select: the `salient` tokens with the largest (score, position), by radix select, and both
 * classes as ascending lists of positions. Ties go to the later token. One work-group does one map;
 * a lane lists the 32 tokens of one word of the class map, and a prefix sum tells it where.
 */
#include "kernel.glsl"

KV_BINDING(0, , scratch);
KV_BINDING(1, writeonly, store);
KV_PARAMS(kv_select_params);

shared kv_u32 histogram[256];
shared kv_u32 found[3]; /* prefix, wanted, tokens with just that key */
shared uvec2 counts[KV_LANES];

kv_u32 key_of(kv_u32 map, kv_u32 token)
{
    if (token < p.forced_first || token + p.forced_last >= p.tokens) {
        return KV_SCORE_FORCED;
    }
    return kv_min_u32(scratch[p.scores_offset + map * p.tokens + token], KV_SCORE_MAX);
}

/* found = the key of the last token that is taken, how many with just that key are, and how many
 * there are. */
void find_threshold(kv_u32 map)
{
    for (kv_u32 pass = 0u; pass < 4u; pass++) {
        kv_u32 shift = 24u - 8u * pass;
        kv_u32 prefix = pass == 0u ? 0u : found[0];
        KV_FOR_LANES(digit, 256u)
        {
            histogram[digit] = 0u;
        }
        barrier();
        KV_FOR_LANES(token, p.tokens)
        {
            kv_u32 key = key_of(map, token);
            if (pass == 0u || key >> (shift + 8u) == prefix) {
                atomicAdd(histogram[(key >> shift) & 255u], 1u);
            }
        }
        barrier();
        if (KV_LANE == 0u) {
            kv_u32 wanted = pass == 0u ? p.salient : found[1];
            kv_u32 digit = 255u;
            while (histogram[digit] < wanted) {
                wanted -= histogram[digit];
                digit--;
            }
            found[0] = (prefix << 8) | digit;
            found[1] = wanted;
            found[2] = histogram[digit];
        }
        barrier();
    }
}

/* counts[i] becomes the sum of counts[0..i]. */
void prefix_sum()
{
    barrier();
    for (kv_u32 distance = 1u; distance < KV_LANES; distance <<= 1) {
        uvec2 other = KV_LANE >= distance ? counts[KV_LANE - distance] : uvec2(0u);
        barrier();
        counts[KV_LANE] += other;
        barrier();
    }
}

/* Writes one lane's 32 tokens. `above` tokens before them have larger keys than the threshold,
 * `seen` have just that key. */
void list_tokens(kv_u32 map, kv_u32 first, kv_u32 threshold, kv_u32 passed_over, kv_u32 above,
                 kv_u32 seen)
{
    kv_u32 salient = above + (seen > passed_over ? seen - passed_over : 0u);
    kv_u32 classes = 0u;
    for (kv_u32 token = first; token < kv_min_u32(first + 32u, p.tokens); token++) {
        kv_u32 key = key_of(map, token);
        kv_u32 is_salient = key > threshold ? 1u : 0u;
        if (key == threshold) {
            is_salient = seen >= passed_over ? 1u : 0u;
            seen++;
        }
        kv_u32 list = is_salient != 0u
                          ? p.salient_offset + map * p.salient_stride + salient
                          : p.regular_offset + map * p.regular_stride + token - salient;
        if ((is_salient != 0u ? p.salient_offset : p.regular_offset) != KV_NO_OFFSET) {
            store[list] = p.first_position + token;
        }
        /* 4. Scores that are left */
        if (p.is_taking != 0u) {
            scratch[p.scores_offset + map * p.tokens + token] =
                is_salient != 0u ? 0u : kv_min_u32(key, KV_SCORE_MAX - 1u) + 1u;
        }
        salient += is_salient;
        classes |= is_salient << (token % 32u);
    }
    if (first < p.tokens && p.classes_offset != KV_NO_OFFSET) {
        kv_u32 class_words = (p.tokens + 31u) / 32u;
        scratch[p.classes_offset + map * class_words + first / 32u] = classes;
    }
}

void main()
{
    kv_u32 map = gl_WorkGroupID.x;

    /* 1. Threshold; with nothing to take, a key that none exceeds
     * 2. Ties: how many equal keys are passed over before the later ones are taken */
    kv_u32 threshold = KV_SCORE_FORCED;
    kv_u32 passed_over = 0xffffffffu;
    if (p.salient != 0u) {
        find_threshold(map);
        threshold = found[0];
        passed_over = found[2] - found[1];
    }

    /* 3. Lists and class map */
    uvec2 before = uvec2(0u); /* tokens above the threshold, and at it */
    for (kv_u32 base = 0u; base < p.tokens; base += 32u * KV_LANES) {
        kv_u32 first = base + 32u * KV_LANE;
        uvec2 mine = uvec2(0u);
        for (kv_u32 token = first; token < kv_min_u32(first + 32u, p.tokens); token++) {
            kv_u32 key = key_of(map, token);
            mine += uvec2(key > threshold ? 1u : 0u, key == threshold ? 1u : 0u);
        }
        counts[KV_LANE] = mine;
        prefix_sum();
        uvec2 start = before + counts[KV_LANE] - mine;
        before += counts[KV_LANES - 1u];
        barrier();
        list_tokens(map, first, threshold, passed_over, start.x, start.y);
    }
}
