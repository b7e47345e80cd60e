#version 450
#extension GL_GOOGLE_include_directive : require
/* SPDX-License-Identifier: MIT
 *
 * saliency_scores: column sums to scores: reduced over all heads where asked, divided by the chosen
 * normaliser in integers, saturated to 32 bits. A token that no probe row sees gets KV_SCORE_MAX.
 * One item is one token of one map.
 */
#include "kernel.glsl"

KV_BINDING(0, , scratch);
KV_PARAMS(kv_saliency_params);

/* The number of probe rows that see the token: probes are ascending. */
kv_u32 probes_that_see(kv_u32 token)
{
    kv_u32 low = 0u;
    kv_u32 high = p.probes;
    while (low < high) {
        kv_u32 middle = (low + high) / 2u;
        if (scratch[p.probes_offset + middle] < p.first_position + token) {
            low = middle + 1u;
        } else {
            high = middle;
        }
    }
    return p.probes - low;
}

/* floor((high : low) / divisor), at most KV_SCORE_MAX. divisor < 2^31. */
kv_u32 divide(kv_u32 high, kv_u32 low, kv_u32 divisor)
{
    if (high >= divisor) {
        return KV_SCORE_MAX;
    }
    kv_u32 rest = high;
    kv_u32 quotient = 0u;
    for (kv_u32 bit = 0u; bit < 32u; bit++) {
        rest = (rest << 1) | (low >> 31);
        low <<= 1;
        quotient <<= 1;
        if (rest >= divisor) {
            rest -= divisor;
            quotient |= 1u;
        }
    }
    return kv_min_u32(quotient, KV_SCORE_MAX);
}

void main()
{
    kv_u32 maps = p.all_heads != 0u ? 1u : p.kv_heads;
    KV_FOR_ITEMS(item, maps * p.tokens)
    {
        kv_u32 map = item / p.tokens;
        kv_u32 token = item % p.tokens;

        /* 1. Head reduction */
        kv_u32 low = 0u;
        kv_u32 high = 0u;
        kv_u32 first = p.all_heads != 0u ? 0u : map;
        kv_u32 end = p.all_heads != 0u ? p.kv_heads : map + 1u;
        for (kv_u32 head = first; head < end; head++) {
            kv_u32 at = p.sums_offset + 2u * (head * p.tokens + token);
            kv_u32 term = scratch[at];
            low += term;
            high += scratch[at + 1u] + (low < term ? 1u : 0u);
        }

        /* 2. Normaliser */
        kv_u32 seen_by = probes_that_see(token);
        kv_u32 divisor = p.probes;
        if (p.normalise == KV_NORMALISE_CAUSAL) {
            divisor = p.tokens - token;
        } else if (p.normalise == KV_NORMALISE_PROBES) {
            divisor = seen_by;
        }

        /* 3. Store */
        scratch[p.scores_offset + item] =
            seen_by == 0u ? KV_SCORE_MAX : divide(high, low, divisor);
    }
}
