/* SPDX-License-Identifier: MIT
 *
 * prefill: causal attention of a prompt over its uncompressed K and V, as caller tensors. Keys go
 * by in chunks of 32 with a running maximum (flash attention). The order of every sum is that of
 * the reference, so this baseline agrees to the last bit; the manifest promises the bound alone.
 *
 * One work-group does KV_ROWS query rows of one query head. A chunk's keys are staged once for all
 * rows, as halves; a lane then has a few (row, token) scores, a warp the weights of a row, a lane
 * the channels of the output for all rows.
 */
#include "kernel.cuh"

struct kv_prefill_shared {
    kv_f32 queries[KV_ROWS][KV_MAX_HEAD_DIM];
    kv_f32 output[KV_ROWS][KV_MAX_HEAD_DIM];
    kv_u32 keys[KV_CHUNK][KV_MAX_HEAD_DIM / 2u + 1u]; /* an odd stride: no bank conflicts */
    kv_f32 weights[KV_ROWS][KV_CHUNK]; /* first the scores */
    kv_f32 factors[KV_ROWS];
    kv_f32 largest[KV_ROWS];
    kv_f32 sums[KV_ROWS];
};

/* Keys of the chunk that row `row` of the prompt sees. */
KV_FN kv_u32 kv_prefill_visible(const kv_prefill_params &p, kv_u32 row, kv_u32 chunk)
{
    kv_u32 visible = row < p.queries ? kv_min_u32(p.keys, row + p.first_query + 1u) : 0u;
    return visible > chunk ? kv_min_u32(KV_CHUNK, visible - chunk) : 0u;
}

/* 1. Fold the softmax scale into the queries */
KV_FN void kv_prefill_fold(const kv_prefill_params &p, const kv_u32 *q, kv_u32 first_row,
                           kv_u32 q_head, kv_prefill_shared &shared)
{
    for (kv_u32 i = threadIdx.x; i < KV_ROWS * p.k_dim; i += blockDim.x) {
        kv_u32 row = i / p.k_dim;
        kv_u32 channel = i % p.k_dim;
        KV_EXACT kv_f32 x = 0.0f;
        if (first_row + row < p.queries) {
            kv_u32 at = p.q_offset + (first_row + row) * p.q_token_stride +
                        q_head * p.q_head_stride + channel;
            x = kv_query_value(kv_load_element(q, at, p.q_dtype)) * p.scale;
        }
        shared.queries[row][channel] = x;
    }
    for (kv_u32 i = threadIdx.x; i < KV_ROWS * p.v_dim; i += blockDim.x) {
        shared.output[i / p.v_dim][i % p.v_dim] = 0.0f;
    }
    if (threadIdx.x < KV_ROWS) {
        shared.largest[threadIdx.x] = KV_MASKED;
        shared.sums[threadIdx.x] = 0.0f;
    }
}

KV_FN void kv_prefill_stage_keys(const kv_prefill_params &p, const kv_u32 *k, kv_u32 chunk,
                                 kv_u32 tokens, kv_u32 kv_head, kv_prefill_shared &shared)
{
    kv_u32 pairs = p.k_dim / 2u;
    for (kv_u32 i = threadIdx.x; i < tokens * pairs; i += blockDim.x) {
        kv_u32 token = i / pairs;
        kv_u32 at = p.k_offset + (chunk + token) * p.k_token_stride + kv_head * p.k_head_stride +
                    2u * (i % pairs);
        shared.keys[token][i % pairs] =
            kv_cache_half(kv_load_element(k, at, p.k_dtype)) |
            (kv_cache_half(kv_load_element(k, at + 1u, p.k_dtype)) << 16);
    }
}

/* 2. Scores: eight strided sums, then a fixed tree */
KV_FN void kv_prefill_scores(const kv_prefill_params &p, kv_u32 tokens, kv_prefill_shared &shared)
{
    for (kv_u32 i = threadIdx.x; i < KV_ROWS * tokens; i += blockDim.x) {
        kv_u32 row = i / tokens;
        kv_u32 token = i % tokens;
        KV_EXACT kv_f32 sums[8] = {0.0f, 0.0f, 0.0f, 0.0f, 0.0f, 0.0f, 0.0f, 0.0f};
        for (kv_u32 channel = 0u; channel < p.k_dim; channel += 8u) {
#pragma unroll
            for (kv_u32 j = 0u; j < 8u; j++) {
                KV_EXACT kv_f32 product = shared.queries[row][channel + j] *
                                          kv_load_half(shared.keys[token], 0u, channel + j);
                sums[j] = sums[j] + product;
            }
        }
        KV_EXACT kv_f32 even = (sums[0] + sums[4]) + (sums[2] + sums[6]);
        KV_EXACT kv_f32 odd = (sums[1] + sums[5]) + (sums[3] + sums[7]);
        shared.weights[row][token] = even + odd;
    }
}

/* 3. Rescale what was summed before: the running maximum, and the weights of one row, by one warp;
 * a lane has one token */
KV_FN void kv_prefill_weigh(kv_prefill_shared &shared, kv_u32 row, kv_u32 tokens)
{
    kv_f32 previous = shared.largest[row];
    kv_f32 score = kv_lane() < tokens ? shared.weights[row][kv_lane()] : KV_MASKED;
    kv_f32 largest = kv_max(previous, kv_warp_max_float(score));
    KV_EXACT kv_f32 difference = score - largest;
    kv_f32 weight = kv_lane() < tokens ? kv_exp(difference) : 0.0f;
    shared.weights[row][kv_lane()] = weight;
    __syncwarp();
    if (kv_lane() == 0u) {
        KV_EXACT kv_f32 change = previous - largest;
        kv_f32 factor = tokens != 0u ? kv_exp(change) : 1.0f;
        KV_EXACT kv_f32 sum = shared.sums[row] * factor;
        for (kv_u32 i = 0u; i < tokens; i++) { /* in token order */
            sum = sum + shared.weights[row][i];
        }
        shared.factors[row] = factor;
        shared.largest[row] = largest;
        shared.sums[row] = sum;
    }
}

/* 4. Output in token order: a lane has one channel of all rows */
KV_FN void kv_prefill_output(const kv_prefill_params &p, const kv_u32 *v, kv_u32 first_row,
                             kv_u32 chunk, kv_u32 tokens, kv_u32 kv_head,
                             kv_prefill_shared &shared)
{
    for (kv_u32 channel = threadIdx.x; channel < p.v_dim; channel += blockDim.x) {
        KV_EXACT kv_f32 output[KV_ROWS];
        kv_u32 visible[KV_ROWS];
#pragma unroll
        for (kv_u32 row = 0u; row < KV_ROWS; row++) {
            visible[row] = kv_prefill_visible(p, first_row + row, chunk);
            output[row] = kv_flush(shared.output[row][channel] * shared.factors[row]);
        }
        for (kv_u32 i = 0u; i < tokens; i++) {
            kv_u32 at = p.v_offset + (chunk + i) * p.v_token_stride + kv_head * p.v_head_stride +
                        channel;
            kv_f32 value = kv_cache_value(kv_load_element(v, at, p.v_dtype));
#pragma unroll
            for (kv_u32 row = 0u; row < KV_ROWS; row++) {
                if (i < visible[row]) {
                    KV_EXACT kv_f32 product = shared.weights[row][i] * value;
                    output[row] = output[row] + product;
                }
            }
        }
#pragma unroll
        for (kv_u32 row = 0u; row < KV_ROWS; row++) {
            shared.output[row][channel] = output[row];
        }
    }
}

/* 5. Normalise, 6. store: two channels of one row a lane */
KV_FN void kv_prefill_store(const kv_prefill_params &p, kv_u32 first_row, kv_u32 q_head,
                            const kv_prefill_shared &shared, kv_u32 *out, kv_u32 *lse)
{
    kv_u32 pairs = p.v_dim / 2u;
    for (kv_u32 i = threadIdx.x; i < KV_ROWS * pairs; i += blockDim.x) {
        kv_u32 row = i / pairs;
        kv_u32 channel = i % pairs * 2u;
        if (first_row + row >= p.queries) {
            continue;
        }
        kv_f32 sum = shared.sums[row];
        KV_EXACT kv_f32 low = shared.output[row][channel];
        KV_EXACT kv_f32 high = shared.output[row][channel + 1u];
        KV_EXACT kv_f32 log_sum = kv_float(0xff800000u);
        if (sum > 0.0f) {
            kv_f32 inverse = kv_reciprocal(sum);
            low = kv_flush(low * inverse);
            high = kv_flush(high * inverse);
            log_sum = shared.largest[row] + kv_log(sum);
        }
        kv_u32 at = p.out_offset + (first_row + row) * p.out_token_stride +
                    q_head * p.out_head_stride + channel;
        if (p.out_dtype == KV_DTYPE_F32) {
            out[at] = kv_bits(low);
            out[at + 1u] = kv_bits(high);
        } else {
            out[at / 2u] = kv_f32_to_f16(low) | (kv_f32_to_f16(high) << 16);
        }
        if (channel == 0u && p.lse_offset != KV_NO_OFFSET) {
            lse[p.lse_offset + q_head * p.queries + first_row + row] = kv_bits(log_sum);
        }
    }
}

extern "C" __global__ void __launch_bounds__(KV_MAX_LANES)
kvant_prefill(const kv_prefill_params p, const kv_u32 *__restrict__ q,
              const kv_u32 *__restrict__ k, const kv_u32 *__restrict__ v, kv_u32 *out, kv_u32 *lse)
{
    __shared__ kv_prefill_shared shared;
    kv_u32 first_row = blockIdx.x * KV_ROWS;
    kv_u32 q_head = blockIdx.y;
    kv_u32 kv_head = q_head / (p.q_heads / p.kv_heads);
    kv_u32 last_row = kv_min_u32(first_row + KV_ROWS, p.queries) - 1u;

    kv_prefill_fold(p, q, first_row, q_head, shared);
    kv_u32 visible = kv_min_u32(p.keys, last_row + p.first_query + 1u);
    for (kv_u32 chunk = 0u; chunk < visible; chunk += KV_CHUNK) {
        kv_u32 tokens = kv_min_u32(KV_CHUNK, visible - chunk);
        kv_prefill_stage_keys(p, k, chunk, tokens, kv_head, shared);
        __syncthreads();
        kv_prefill_scores(p, tokens, shared);
        __syncthreads();
        for (kv_u32 row = kv_warp(); row < KV_ROWS; row += kv_warps()) {
            kv_prefill_weigh(shared, row, kv_prefill_visible(p, first_row + row, chunk));
        }
        __syncthreads();
        kv_prefill_output(p, v, first_row, chunk, tokens, kv_head, shared);
        /* the next chunk's keys may come in: the output reads none of them */
    }
    __syncthreads();
    kv_prefill_store(p, first_row, q_head, shared, out, lse);
}
