/* SPDX-License-Identifier: MIT
 *
 * select: the `salient` tokens with the largest (score, position), by radix select, and both
 * classes as ascending lists of positions. Ties go to the later token. One work-group does one map.
 *
 * Each lane does one run of tokens, a multiple of 32 of them; lanes exchange how many tokens of
 * their runs lie above the threshold and on it.
 */
#include "kernel.clh"

typedef struct {
    __global kv_u32 *scores;
    kv_u32 begin; /* the lane's run of tokens */
    kv_u32 end;
} kv_run;

KV_FN kv_u32 key_of(const kv_select_params *p, const kv_run *run, kv_u32 token)
{
    if (token < p->forced_first || token + p->forced_last >= p->tokens) {
        return KV_SCORE_FORCED;
    }
    return kv_min_u32(run->scores[token], KV_SCORE_MAX);
}

/* The key of the last token that is taken, and in *ties how many tokens with just that key are. */
KV_FN kv_u32 threshold_of(const kv_select_params *p, const kv_run *run, __local kv_u32 *histogram,
                          kv_u32 *ties)
{
    kv_u32 lane = (kv_u32)get_local_id(0);
    kv_u32 prefix = 0u;
    kv_u32 wanted = p->salient;
    for (kv_u32 pass = 0u; pass < 4u; pass++) {
        kv_u32 shift = 24u - 8u * pass;
        for (kv_u32 digit = lane; digit < 256u; digit += KV_LANES) {
            histogram[digit] = 0u;
        }
        KV_MEET();
        for (kv_u32 token = run->begin; token < run->end; token++) {
            kv_u32 key = key_of(p, run, token);
            if (pass == 0u || key >> (shift + 8u) == prefix) {
                atomic_inc(&histogram[(key >> shift) & 255u]);
            }
        }
        KV_MEET();
        kv_u32 digit = 255u;
        while (histogram[digit] < wanted) {
            wanted -= histogram[digit];
            digit--;
        }
        prefix = (prefix << 8) | digit;
        KV_MEET();
    }
    *ties = wanted;
    return prefix;
}

/* 3. Lists and class map, of the lane's run */
KV_FN void list_run(const kv_select_params *p, const kv_run *run, __global kv_u32 *scratch,
                    __global kv_u32 *store, kv_u32 threshold, kv_u32 passed_over, kv_u32 above,
                    kv_u32 seen)
{
    kv_u32 map = (kv_u32)get_group_id(0);
    kv_u32 class_words = (p->tokens + 31u) / 32u;
    kv_u32 salient = above + (seen > passed_over ? seen - passed_over : 0u);
    kv_u32 regular = run->begin - salient;
    kv_u32 classes = 0u;
    for (kv_u32 token = run->begin; token < run->end; token++) {
        kv_u32 key = key_of(p, run, token);
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
            run->scores[token] = is_salient != 0u ? 0u : kv_min_u32(key, KV_SCORE_MAX - 1u) + 1u;
        }
        salient += is_salient;
        regular += 1u - is_salient;
        classes |= is_salient << (token % 32u);
        if (token % 32u == 31u || token + 1u == p->tokens) {
            if (p->classes_offset != KV_NO_OFFSET) {
                scratch[p->classes_offset + map * class_words + token / 32u] = classes;
            }
            classes = 0u;
        }
    }
}

KV_KERNEL void kvant_select(const kv_select_params p, __global kv_u32 *scratch,
                            __global kv_u32 *store)
{
    __local kv_u32 histogram[256];
    __local kv_u32 run_above[KV_LANES];
    __local kv_u32 run_equal[KV_LANES];
    kv_u32 lane = (kv_u32)get_local_id(0);
    kv_u32 run_tokens = (p.tokens + KV_LANES * 32u - 1u) / (KV_LANES * 32u) * 32u;
    kv_run run;
    run.scores = &scratch[p.scores_offset + (kv_u32)get_group_id(0) * p.tokens];
    run.begin = kv_min_u32(lane * run_tokens, p.tokens);
    run.end = kv_min_u32(run.begin + run_tokens, p.tokens);

    /* 1. Threshold; with nothing to take, a key that none exceeds */
    kv_u32 ties = 0u;
    kv_u32 threshold = KV_SCORE_FORCED;
    if (p.salient != 0u) {
        threshold = threshold_of(&p, &run, histogram, &ties);
    }

    /* 2. Ties: how many equal keys are passed over before the later ones are taken */
    kv_u32 above = 0u;
    kv_u32 equal = 0u;
    for (kv_u32 token = run.begin; token < run.end; token++) {
        kv_u32 key = key_of(&p, &run, token);
        above += key > threshold ? 1u : 0u;
        equal += key == threshold ? 1u : 0u;
    }
    run_above[lane] = above;
    run_equal[lane] = equal;
    KV_MEET();
    kv_u32 above_before = 0u;
    kv_u32 equal_before = 0u;
    kv_u32 all_equal = 0u;
    for (kv_u32 i = 0u; i < KV_LANES; i++) {
        above_before += i < lane ? run_above[i] : 0u;
        equal_before += i < lane ? run_equal[i] : 0u;
        all_equal += run_equal[i];
    }
    list_run(&p, &run, scratch, store, threshold, all_equal - ties, above_before, equal_before);
}
