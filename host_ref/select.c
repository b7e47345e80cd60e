/* SPDX-License-Identifier: MIT
 *
 * select: the `salient` tokens with the largest (score, position), by radix select, and both
 * classes as ascending lists of positions. Ties go to the later token. One work-group does one map.
 */
#include "reference.h"

static kv_u32 key_of(const kv_select_params *p, const kv_u32 *scores, kv_u32 token)
{
    if (token < p->forced_first || token + p->forced_last >= p->tokens) {
        return KV_SCORE_FORCED;
    }
    return kv_min_u32(scores[token], KV_SCORE_MAX);
}

/* The key of the last token that is taken, and in *ties how many tokens with just that key are. */
static kv_u32 threshold_of(const kv_select_params *p, const kv_u32 *scores, kv_u32 *ties)
{
    kv_u32 prefix = 0;
    kv_u32 wanted = p->salient;
    for (kv_u32 pass = 0; pass < 4u; pass++) {
        kv_u32 shift = 24u - 8u * pass;
        kv_u32 histogram[256] = {0};
        for (kv_u32 token = 0; token < p->tokens; token++) {
            kv_u32 key = key_of(p, scores, token);
            /* cppcheck-suppress shiftTooManyBits ; pass 0, whose shift is 24, comes first */
            if (pass == 0u || key >> (shift + 8u) == prefix) {
                histogram[(key >> shift) & 255u]++;
            }
        }
        kv_u32 digit = 255u;
        while (histogram[digit] < wanted) {
            wanted -= histogram[digit];
            digit--;
        }
        prefix = (prefix << 8) | digit;
    }
    *ties = wanted;
    return prefix;
}

void kvant_ref_select(const void *params_words, kv_u32 *const *bindings)
{
    const kv_select_params *p = params_words;
    kv_u32 *scratch = bindings[0];
    kv_u32 *store = bindings[1];

    for (kv_u32 map = 0; map < p->maps; map++) {
        kv_u32 *scores = &scratch[p->scores_offset + map * p->tokens];
        kv_u32 class_words = (p->tokens + 31u) / 32u;

        /* 1. Threshold; with nothing to take, a key that none exceeds */
        kv_u32 ties = 0;
        kv_u32 threshold = KV_SCORE_FORCED;
        if (p->salient != 0u) {
            threshold = threshold_of(p, scores, &ties);
        }

        /* 2. Ties: how many equal keys are passed over before the later ones are taken */
        kv_u32 equal = 0;
        for (kv_u32 token = 0; token < p->tokens; token++) {
            equal += key_of(p, scores, token) == threshold ? 1u : 0u;
        }
        kv_u32 passed_over = equal - ties;

        /* 3. Lists and class map */
        kv_u32 salient = 0;
        kv_u32 regular = 0;
        kv_u32 seen = 0;
        kv_u32 classes = 0;
        for (kv_u32 token = 0; token < p->tokens; token++) {
            kv_u32 key = key_of(p, scores, token);
            kv_u32 is_salient = key > threshold ? 1u : 0u;
            if (key == threshold) {
                is_salient = seen >= passed_over ? 1u : 0u;
                seen++;
            }
            kv_u32 list = is_salient != 0u ? p->salient_offset + map * p->salient_stride + salient
                                           : p->regular_offset + map * p->regular_stride + regular;
            if ((is_salient != 0u ? p->salient_offset : p->regular_offset) != KV_NO_OFFSET) {
                store[list] = p->first_position + token;
            }
            /* 4. Scores that are left */
            if (p->is_taking != 0u) {
                scores[token] = is_salient != 0u ? 0u : kv_min_u32(key, KV_SCORE_MAX - 1u) + 1u;
            }
            salient += is_salient;
            regular += 1u - is_salient;
            classes |= is_salient << (token % 32u);
            if (token % 32u == 31u || token + 1u == p->tokens) {
                if (p->classes_offset != KV_NO_OFFSET) {
                    scratch[p->classes_offset + map * class_words + token / 32u] = classes;
                }
                classes = 0;
            }
        }
    }
}
