/* SPDX-License-Identifier: MIT
 *
 * saliency_rows: for each probe row and each split of tokens, the largest score and the sum of the
 * exponentials relative to it, in units of 2^-23. Integer sums: any order. One work-group does one
 * split of one KV head for KV_ROWS of the (probe, head of the group) pairs: a lane reads the words
 * of its token once for all of them.
 */
#include "saliency.cuh"

struct kv_saliency_rows_shared {
    kv_u32 operands[KV_ROWS][KV_MAX_HEAD_DIM / 4u];
    kv_f32 steps[KV_ROWS];
    kv_f32 scores[KV_ROWS][KV_SPLIT_TOKENS];
};

/* (probe, q_head) of pair `pair` of a KV head. */
KV_FN kv_u32 kv_pair_item(const kv_saliency_params &p, kv_u32 kv_head, kv_u32 pair)
{
    kv_u32 group = p.q_heads / p.kv_heads;
    return pair / group * p.q_heads + kv_head * group + pair % group;
}

/* 0. The rows' operands; rows that do not exist get zeros. */
KV_FN void kv_load_rows(const kv_saliency_params &p, const kv_u32 *scratch, kv_u32 kv_head,
                        kv_u32 first_pair, kv_u32 pairs, kv_saliency_rows_shared &shared)
{
    kv_u32 words = p.dim / 4u;
    for (kv_u32 i = threadIdx.x; i < KV_ROWS * words; i += blockDim.x) {
        kv_u32 row = i / words;
        kv_u32 item = kv_pair_item(p, kv_head, first_pair + row);
        shared.operands[row][i % words] =
            row < pairs ? scratch[p.operands_offset + item * words + i % words] : 0u;
        if (i % words == 0u) {
            shared.steps[row] = row < pairs ? kv_float(scratch[p.steps_offset + item]) : 0.0f;
        }
    }
}

/* 1. Scores of one token */
KV_FN void kv_score_token(const kv_saliency_params &p, const kv_u32 *keys, kv_u32 at,
                          kv_saliency_rows_shared &shared)
{
    kv_i32 dots[KV_ROWS] = {0, 0, 0, 0, 0, 0, 0, 0};
    kv_u32 words = p.dim / 4u;
    for (kv_u32 first = 0u; first < words; first += 8u) {
        kv_u32 count = kv_min_u32(8u, words - first);
        kv_u32 loaded[8];
        kv_load_words(keys + first, count, loaded);
#pragma unroll
        for (kv_u32 i = 0u; i < 8u; i++) {
            if (i < count) {
#pragma unroll
                for (kv_u32 row = 0u; row < KV_ROWS; row++) {
                    dots[row] = __dp4a(KV_I32(shared.operands[row][first + i]),
                                       kv_signed_keys(loaded[i]), dots[row]);
                }
            }
        }
    }
#pragma unroll
    for (kv_u32 row = 0u; row < KV_ROWS; row++) {
        shared.scores[row][at] = kv_saliency_score(dots[row], shared.steps[row]);
    }
}

/* 2. Largest score and sum of the exponentials of one row, by one warp */
KV_FN void kv_reduce_row(const kv_saliency_params &p, kv_u32 *scratch, kv_u32 split, kv_u32 item,
                         const kv_f32 *scores)
{
    kv_u32 first = split * KV_SPLIT_TOKENS;
    kv_u32 end = kv_min_u32(first + KV_SPLIT_TOKENS, p.tokens);
    kv_u32 probe = item / p.q_heads;
    kv_f32 largest = KV_MASKED;
    for (kv_u32 token = first + kv_lane(); token < end; token += KV_WARP) {
        if (kv_saliency_visible(p, scratch, probe, token) != 0u) {
            largest = kv_max(largest, scores[token - first]);
        }
    }
    largest = kv_warp_max_float(largest);
    kv_u32 sum = 0u;
    for (kv_u32 token = first + kv_lane(); token < end; token += KV_WARP) {
        if (kv_saliency_visible(p, scratch, probe, token) != 0u) {
            KV_EXACT kv_f32 difference = scores[token - first] - largest;
            KV_EXACT kv_f32 weight = kv_exp(difference) * KV_WEIGHT_ONE;
            sum += KV_U32(KV_I32(kv_rint(weight)));
        }
    }
    sum = kv_warp_sum(sum);

    /* 3. Store */
    if (kv_lane() == 0u) {
        kv_u32 splits = (p.tokens + KV_SPLIT_TOKENS - 1u) / KV_SPLIT_TOKENS;
        kv_u32 *partial = &scratch[p.partials_offset + 2u * (item * splits + split)];
        partial[0] = kv_bits(largest);
        partial[1] = sum;
    }
}

extern "C" __global__ void __launch_bounds__(KV_MAX_LANES)
kvant_saliency_rows(const kv_saliency_params p, kv_u32 *scratch)
{
    __shared__ kv_saliency_rows_shared shared;
    kv_u32 split = blockIdx.x;
    kv_u32 kv_head = blockIdx.y;
    kv_u32 first_pair = blockIdx.z * KV_ROWS;
    kv_u32 pairs = kv_min_u32(KV_ROWS, p.probes * (p.q_heads / p.kv_heads) - first_pair);
    kv_u32 first = split * KV_SPLIT_TOKENS;
    kv_u32 end = kv_min_u32(first + KV_SPLIT_TOKENS, p.tokens);

    kv_load_rows(p, scratch, kv_head, first_pair, pairs, shared);
    __syncthreads();
    for (kv_u32 token = first + threadIdx.x; token < end; token += blockDim.x) {
        kv_score_token(p, kv_saliency_keys(p, scratch, kv_head, token), token - first, shared);
    }
    __syncthreads();
    for (kv_u32 row = kv_warp(); row < pairs; row += kv_warps()) {
        kv_reduce_row(p, scratch, split, kv_pair_item(p, kv_head, first_pair + row),
                      shared.scores[row]);
    }
}
