/* SPDX-License-Identifier: MIT
 *
 * select: the `salient` tokens with the largest (score, position), by radix select, and both
 * classes as ascending lists of positions. Ties go to the later token. One work-group does one map.
 *
 * Each warp has a run of consecutive words of the class map, 32 tokens a word; what the warps
 * before it hold says where its part of the lists begins.
 */
#include "kernel.cuh"

struct kv_select_shared {
    kv_u32 histogram[256];
    kv_u32 digit;
    kv_u32 wanted;
    kv_u32 above[KV_MAX_WARPS]; /* tokens of each warp above the threshold */
    kv_u32 equal[KV_MAX_WARPS]; /* and at the threshold */
};

KV_FN kv_u32 kv_key_of(const kv_select_params &p, const kv_u32 *scores, kv_u32 token)
{
    if (token < p.forced_first || token + p.forced_last >= p.tokens) {
        return KV_SCORE_FORCED;
    }
    return kv_min_u32(scores[token], KV_SCORE_MAX);
}

/* The largest digit whose tokens, with those of larger digits, are `wanted` or more. By one warp: a
 * lane has eight digits, the first lane the largest. */
KV_FN void kv_find_digit(kv_select_shared &shared, kv_u32 wanted)
{
    kv_u32 own = 0u;
    for (kv_u32 i = 0u; i < 8u; i++) {
        own += shared.histogram[255u - 8u * kv_lane() - i];
    }
    kv_u32 through = own; /* tokens of this lane's digits and of all larger ones */
    for (kv_u32 distance = 1u; distance < KV_WARP; distance *= 2u) {
        kv_u32 before = __shfl_up_sync(KV_ALL_LANES, through, distance);
        through += kv_lane() >= distance ? before : 0u;
    }
    kv_u32 larger = through - own;
    if (larger < wanted && wanted <= through) {
        kv_u32 digit = 255u - 8u * kv_lane();
        wanted -= larger;
        while (shared.histogram[digit] < wanted) {
            wanted -= shared.histogram[digit];
            digit--;
        }
        shared.digit = digit;
        shared.wanted = wanted;
    }
}

/* The key of the last token that is taken, and in *ties how many tokens with just that key are. */
KV_FN kv_u32 kv_threshold_of(const kv_select_params &p, const kv_u32 *scores,
                             kv_select_shared &shared, kv_u32 *ties)
{
    kv_u32 prefix = 0u;
    kv_u32 wanted = p.salient;
    for (kv_u32 pass = 0u; pass < 4u; pass++) {
        kv_u32 shift = 24u - 8u * pass;
        for (kv_u32 i = threadIdx.x; i < 256u; i += blockDim.x) {
            shared.histogram[i] = 0u;
        }
        __syncthreads();
        for (kv_u32 token = threadIdx.x; token < p.tokens; token += blockDim.x) {
            kv_u32 key = kv_key_of(p, scores, token);
            if (pass == 0u || key >> (shift + 8u) == prefix) {
                atomicAdd(&shared.histogram[(key >> shift) & 255u], 1u);
            }
        }
        __syncthreads();
        if (kv_warp() == 0u) {
            kv_find_digit(shared, wanted);
        }
        __syncthreads();
        prefix = (prefix << 8) | shared.digit;
        wanted = shared.wanted;
    }
    *ties = wanted;
    return prefix;
}

/* The words of the class map that this warp has. */
KV_FN void kv_words_of_warp(kv_u32 tokens, kv_u32 *first, kv_u32 *end)
{
    kv_u32 words = (tokens + 31u) / 32u;
    kv_u32 each = (words + kv_warps() - 1u) / kv_warps();
    *first = kv_min_u32(kv_warp() * each, words);
    *end = kv_min_u32(*first + each, words);
}

/* 2. Ties: how many keys above and at the threshold each warp has */
KV_FN void kv_count_classes(const kv_select_params &p, const kv_u32 *scores, kv_u32 threshold,
                            kv_select_shared &shared)
{
    kv_u32 first, end;
    kv_words_of_warp(p.tokens, &first, &end);
    kv_u32 above = 0u;
    kv_u32 equal = 0u;
    for (kv_u32 word = first; word < end; word++) {
        kv_u32 token = word * 32u + kv_lane();
        if (token < p.tokens) {
            kv_u32 key = kv_key_of(p, scores, token);
            above += key > threshold ? 1u : 0u;
            equal += key == threshold ? 1u : 0u;
        }
    }
    above = kv_warp_sum(above);
    equal = kv_warp_sum(equal);
    if (kv_lane() == 0u) {
        shared.above[kv_warp()] = above;
        shared.equal[kv_warp()] = equal;
    }
}

/* 3. Lists and class map */
KV_FN void kv_write_classes(const kv_select_params &p, kv_u32 *scratch, kv_u32 *store,
                            const kv_u32 *scores, kv_u32 map, kv_u32 threshold, kv_u32 ties,
                            const kv_select_shared &shared)
{
    kv_u32 above = 0u; /* before this warp */
    kv_u32 seen = 0u;
    kv_u32 equal = 0u; /* of all warps */
    for (kv_u32 warp = 0u; warp < kv_warps(); warp++) {
        above += warp < kv_warp() ? shared.above[warp] : 0u;
        seen += warp < kv_warp() ? shared.equal[warp] : 0u;
        equal += shared.equal[warp];
    }
    kv_u32 passed_over = equal - ties;
    kv_u32 first, end;
    kv_words_of_warp(p.tokens, &first, &end);
    kv_u32 salient = above + (seen > passed_over ? seen - passed_over : 0u);
    kv_u32 regular = first * 32u - salient;
    kv_u32 lanes_before = (1u << kv_lane()) - 1u;

    for (kv_u32 word = first; word < end; word++) {
        kv_u32 token = word * 32u + kv_lane();
        kv_u32 key = token < p.tokens ? kv_key_of(p, scores, token) : 0u;
        kv_u32 is_equal = token < p.tokens && key == threshold ? 1u : 0u;
        kv_u32 equals = __ballot_sync(KV_ALL_LANES, is_equal != 0u);
        kv_u32 rank = seen + KV_U32(__popc(equals & lanes_before));
        kv_u32 is_salient = token < p.tokens && key > threshold ? 1u : 0u;
        if (is_equal != 0u) {
            is_salient = rank >= passed_over ? 1u : 0u;
        }
        kv_u32 classes = __ballot_sync(KV_ALL_LANES, is_salient != 0u);
        kv_u32 salient_before = KV_U32(__popc(classes & lanes_before));
        kv_u32 list = is_salient != 0u ? p.salient_offset + map * p.salient_stride + salient +
                                             salient_before
                                       : p.regular_offset + map * p.regular_stride + regular +
                                             kv_lane() - salient_before;
        kv_u32 offset = is_salient != 0u ? p.salient_offset : p.regular_offset;
        if (token < p.tokens && offset != KV_NO_OFFSET) {
            store[list] = p.first_position + token;
        }
        /* 4. Scores that are left */
        if (token < p.tokens && p.is_taking != 0u) {
            scratch[p.scores_offset + map * p.tokens + token] =
                is_salient != 0u ? 0u : kv_min_u32(key, KV_SCORE_MAX - 1u) + 1u;
        }
        if (kv_lane() == 0u && p.classes_offset != KV_NO_OFFSET) {
            scratch[p.classes_offset + map * ((p.tokens + 31u) / 32u) + word] = classes;
        }
        seen += KV_U32(__popc(equals));
        salient += KV_U32(__popc(classes));
        regular += 32u - KV_U32(__popc(classes));
    }
}

extern "C" __global__ void __launch_bounds__(KV_MAX_LANES)
kvant_select(const kv_select_params p, kv_u32 *scratch, kv_u32 *store)
{
    __shared__ kv_select_shared shared;
    kv_u32 map = blockIdx.x;
    const kv_u32 *scores = &scratch[p.scores_offset + map * p.tokens];

    /* 1. Threshold; with nothing to take, a key that none exceeds */
    kv_u32 ties = 0u;
    kv_u32 threshold = KV_SCORE_FORCED;
    if (p.salient != 0u) {
        threshold = kv_threshold_of(p, scores, shared, &ties);
    }

    kv_count_classes(p, scores, threshold, shared);
    __syncthreads();
    kv_write_classes(p, scratch, store, scores, map, threshold, ties, shared);
}
