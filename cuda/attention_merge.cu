/* SPDX-License-Identifier: MIT
 *
 * attention_merge: the partial results of a query row's splits, joined in index order into the
 * output and, where asked, its log-sum-exp. A row that sees no token gives 0 and minus infinity.
 * One work-group does one query row; a lane has a few pairs of channels. The splits go by in
 * batches, whose factors the lanes compute together.
 */
#include "kernel.cuh"

#define KV_MERGE_BATCH KV_MAX_LANES
#define KV_MERGE_PAIRS (KV_MAX_LATENT_DIM / 2u / KV_WARP)

struct kv_merge_shared {
    kv_f32 largest[KV_MAX_WARPS];
    kv_f32 factors[KV_MERGE_BATCH]; /* -1: the split holds nothing for this row */
    kv_f32 parts[KV_MERGE_BATCH];
};

/* One row's accumulators: pair i of a lane is channels 2 (i * lanes + lane) and the next. */
struct kv_merge_row {
    kv_f32 output[KV_MERGE_PAIRS][2];
    kv_f32 sum;
};

/* 1. Largest score */
KV_FN kv_f32 kv_merge_largest(const kv_u32 *partials, kv_u32 splits, kv_u32 stride,
                              kv_merge_shared &shared)
{
    kv_f32 largest = KV_MASKED;
    for (kv_u32 split = threadIdx.x; split < splits; split += blockDim.x) {
        const kv_u32 *partial = &partials[split * stride];
        if (partial[1] != 0u) {
            largest = kv_max(largest, kv_float(partial[0]));
        }
    }
    largest = kv_warp_max_float(largest);
    if (kv_lane() == 0u) {
        shared.largest[kv_warp()] = largest;
    }
    __syncthreads();
    for (kv_u32 warp = 0u; warp < kv_warps(); warp++) {
        largest = kv_max(largest, shared.largest[warp]);
    }
    return largest;
}

/* The factor of each split of a batch, and its part of the sum */
KV_FN void kv_merge_factors(const kv_u32 *partials, kv_u32 count, kv_u32 stride, kv_f32 largest,
                            kv_merge_shared &shared)
{
    for (kv_u32 i = threadIdx.x; i < count; i += blockDim.x) {
        const kv_u32 *partial = &partials[i * stride];
        kv_f32 factor = -1.0f;
        KV_EXACT kv_f32 part = 0.0f;
        if (partial[1] != 0u) {
            KV_EXACT kv_f32 difference = kv_float(partial[0]) - largest;
            factor = kv_exp(difference);
            part = kv_uint_to_float(partial[1]) * KV_WEIGHT_STEP;
            part = part * factor;
        }
        shared.factors[i] = factor;
        shared.parts[i] = part;
    }
}

/* 2. Sums in index order */
KV_FN void kv_merge_batch(const kv_attention_params &p, const kv_u32 *partials, kv_u32 count,
                          kv_u32 stride, const kv_merge_shared &shared, kv_merge_row &row)
{
    for (kv_u32 i = 0u; i < count; i++) {
        kv_f32 factor = shared.factors[i];
        if (factor < 0.0f) {
            continue;
        }
        row.sum = row.sum + shared.parts[i];
#pragma unroll
        for (kv_u32 j = 0u; j < KV_MERGE_PAIRS; j++) {
            kv_u32 channel = 2u * (j * blockDim.x + threadIdx.x);
            if (channel < p.v_dim) {
                const kv_u32 *values = &partials[i * stride + 2u + channel];
                KV_EXACT kv_f32 low = kv_float(values[0]) * factor;
                KV_EXACT kv_f32 high = kv_float(values[1]) * factor;
                row.output[j][0] = row.output[j][0] + kv_flush(low);
                row.output[j][1] = row.output[j][1] + kv_flush(high);
            }
        }
    }
}

/* 3. Normalise. Returns the log-sum-exp. */
KV_FN kv_f32 kv_merge_normalise(kv_merge_row &row, kv_f32 largest)
{
    if (!(row.sum > 0.0f)) {
        return kv_float(0xff800000u);
    }
    kv_f32 inverse = kv_reciprocal(row.sum);
#pragma unroll
    for (kv_u32 j = 0u; j < KV_MERGE_PAIRS; j++) {
        row.output[j][0] = kv_flush(row.output[j][0] * inverse);
        row.output[j][1] = kv_flush(row.output[j][1] * inverse);
    }
    KV_EXACT kv_f32 log_sum = largest + kv_log(row.sum);
    return log_sum;
}

/* 4. Store */
KV_FN void kv_merge_store(const kv_attention_params &p, const kv_merge_row &row, kv_u32 at,
                          kv_u32 *out)
{
#pragma unroll
    for (kv_u32 j = 0u; j < KV_MERGE_PAIRS; j++) {
        kv_u32 channel = 2u * (j * blockDim.x + threadIdx.x);
        if (channel >= p.v_dim) {
            continue;
        }
        if (p.out_dtype == KV_DTYPE_F32) {
            out[at + channel] = kv_bits(row.output[j][0]);
            out[at + channel + 1u] = kv_bits(row.output[j][1]);
        } else {
            out[(at + channel) / 2u] =
                kv_f32_to_f16(row.output[j][0]) | (kv_f32_to_f16(row.output[j][1]) << 16);
        }
    }
}

extern "C" __global__ void __launch_bounds__(KV_MAX_LANES)
kvant_attention_merge(const kv_attention_params p, const kv_u32 *__restrict__ store,
                      const kv_u32 *__restrict__ partials, kv_u32 *out, kv_u32 *lse)
{
    __shared__ kv_merge_shared shared;
    kv_u32 line = blockIdx.x; /* q_head * queries + query */
    kv_u32 sequence = blockIdx.z;
    kv_u32 lines = p.q_heads * p.queries;
    kv_u32 stride = lines * (p.v_dim + 2u);
    kv_u32 splits = kv_min_u32(
        store[p.sequence_offset + sequence * p.sequence_stride + KV_HEADER_SPLITS], p.max_splits);
    partials += p.partials_offset + (sequence * p.max_splits * lines + line) * (p.v_dim + 2u);

    kv_f32 largest = kv_merge_largest(partials, splits, stride, shared);
    kv_merge_row row = {};
    for (kv_u32 first = 0u; first < splits; first += KV_MERGE_BATCH) {
        kv_u32 count = kv_min_u32(KV_MERGE_BATCH, splits - first);
        __syncthreads();
        kv_merge_factors(partials + first * stride, count, stride, largest, shared);
        __syncthreads();
        kv_merge_batch(p, partials + first * stride, count, stride, shared, row);
    }
    kv_f32 log_sum = kv_merge_normalise(row, largest);
    kv_merge_store(p, row,
                   p.out_offset + sequence * p.out_sequence_stride +
                       line / p.queries * p.out_head_stride + line % p.queries * p.out_row_stride,
                   out);
    if (threadIdx.x == 0u && p.lse_offset != KV_NO_OFFSET) {
        lse[p.lse_offset + sequence * lines + line] = kv_bits(log_sum);
    }
}
