/* SPDX-License-Identifier: MIT
 *
 * saliency_scores: column sums to scores: reduced over all heads where asked, divided by the chosen
 * normaliser in integers, saturated to 32 bits. A token that no probe row sees gets KV_SCORE_MAX.
 * One item is one token of one map.
 */
#include "reference.h"

/* The number of probe rows that see the token: probes are ascending. */
static kv_u32 probes_that_see(const kv_saliency_params *p, const kv_u32 *scratch, kv_u32 token)
{
    kv_u32 low = 0;
    kv_u32 high = p->probes;
    while (low < high) {
        kv_u32 middle = (low + high) / 2u;
        if (scratch[p->probes_offset + middle] < p->first_position + token) {
            low = middle + 1u;
        } else {
            high = middle;
        }
    }
    return p->probes - low;
}

/* floor((high : low) / divisor), at most KV_SCORE_MAX. divisor < 2^31. */
static kv_u32 divide(kv_u32 high, kv_u32 low, kv_u32 divisor)
{
    if (high >= divisor) {
        return KV_SCORE_MAX;
    }
    kv_u32 rest = high;
    kv_u32 quotient = 0;
    for (kv_u32 bit = 0; bit < 32u; bit++) {
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

void kvant_ref_saliency_scores(const void *params_words, kv_u32 *const *bindings)
{
    const kv_saliency_params *p = params_words;
    kv_u32 *scratch = bindings[0];
    kv_u32 maps = p->all_heads != 0u ? 1u : p->kv_heads;

    for (kv_u32 map = 0; map < maps; map++) {
        for (kv_u32 token = 0; token < p->tokens; token++) {
            /* 1. Head reduction */
            kv_u32 low = 0;
            kv_u32 high = 0;
            kv_u32 first = p->all_heads != 0u ? 0u : map;
            kv_u32 end = p->all_heads != 0u ? p->kv_heads : map + 1u;
            for (kv_u32 head = first; head < end; head++) {
                kv_u32 at = p->sums_offset + 2u * (head * p->tokens + token);
                low += scratch[at];
                high += scratch[at + 1u] + (low < scratch[at] ? 1u : 0u);
            }

            /* 2. Normaliser */
            kv_u32 seen_by = probes_that_see(p, scratch, token);
            kv_u32 divisor = p->probes;
            if (p->normalise == KV_NORMALISE_CAUSAL) {
                divisor = p->tokens - token;
            } else if (p->normalise == KV_NORMALISE_PROBES) {
                divisor = seen_by;
            }

            /* 3. Store */
            scratch[p->scores_offset + map * p->tokens + token] =
                seen_by == 0u ? KV_SCORE_MAX : divide(high, low, divisor);
        }
    }
}
