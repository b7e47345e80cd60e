/* SPDX-License-Identifier: MIT
 *
 * exchange: what lanes of a work-group tell each other, through shared memory and barriers, by
 * atomics and by the operations of a warp. No other kernel needs it: the conformance suite tests
 * here, in small, what the kernels rely on. One work-group does one row of input.
 */
#include "kernel.cuh"

struct kv_exchange_shared {
    kv_u32 slots[2][KV_EXCHANGE_SLOTS];
    kv_u32 flags[KV_EXCHANGE_SLOTS / KV_WARP];
    kv_u32 sums[KV_EXCHANGE_SLOTS / KV_WARP]; /* of the slots of each word of flags */
    kv_u32 totals[3];
};

KV_FN void kv_load_slots(const kv_exchange_params &p, const kv_u32 *input,
                         kv_exchange_shared &shared)
{
    if (threadIdx.x == 0u) {
        shared.totals[0] = 0xffffffffu;
        shared.totals[1] = 0u;
        shared.totals[2] = 0u;
    }
    for (kv_u32 i = threadIdx.x; i < KV_EXCHANGE_SLOTS; i += blockDim.x) {
        shared.slots[0][i] = input[p.input_offset + blockIdx.x * KV_EXCHANGE_SLOTS + i];
    }
    __syncthreads();
}

/* The sum of x over this lane and those before it. */
KV_FN kv_u32 kv_warp_prefix(kv_u32 x)
{
    for (kv_u32 distance = 1u; distance < KV_WARP; distance *= 2u) {
        kv_u32 before = __shfl_up_sync(KV_ALL_LANES, x, distance);
        x += kv_lane() >= distance ? before : 0u;
    }
    return x;
}

/* 5. Store, and totals of all groups */
KV_FN void kv_store_totals(const kv_exchange_params &p, kv_u32 *output, kv_u32 *out,
                           const kv_exchange_shared &shared)
{
    for (kv_u32 i = threadIdx.x; i < KV_EXCHANGE_SLOTS; i += blockDim.x) {
        for (kv_u32 word = 0u; word < i / KV_WARP; word++) {
            out[KV_EXCHANGE_SUMS + i] += shared.sums[word];
        }
    }
    for (kv_u32 i = threadIdx.x; i < KV_EXCHANGE_SLOTS / KV_WARP; i += blockDim.x) {
        out[KV_EXCHANGE_FLAGS + i] = shared.flags[i];
    }
    if (threadIdx.x == 0u) {
        for (kv_u32 i = 0u; i < 3u; i++) {
            out[KV_EXCHANGE_TOTALS + i] = shared.totals[i];
        }
        atomicMin(&output[p.totals_offset], shared.totals[0]);
        atomicMax(&output[p.totals_offset + 1u], shared.totals[1]);
        atomicAdd(&output[p.totals_offset + 2u], shared.totals[2]);
    }
}

extern "C" __global__ void __launch_bounds__(KV_MAX_LANES)
kvant_exchange(const kv_exchange_params p, const kv_u32 *__restrict__ input, kv_u32 *output)
{
    __shared__ kv_exchange_shared shared;
    kv_u32 *out = &output[p.output_offset + blockIdx.x * KV_EXCHANGE_WORDS];
    if (blockIdx.x >= p.groups) {
        return;
    }
    kv_load_slots(p, input, shared);

    /* 1. Rounds: each slot reads another one's old value */
    kv_u32 now = 0u;
    for (kv_u32 round = 0u; round < p.rounds; round++) {
        kv_u32 distance = 37u * round + 1u;
        for (kv_u32 i = threadIdx.x; i < KV_EXCHANGE_SLOTS; i += blockDim.x) {
            shared.slots[1u - now][i] = shared.slots[now][i] * 5u +
                                        shared.slots[now][(i + distance) % KV_EXCHANGE_SLOTS];
        }
        now = 1u - now;
        __syncthreads();
    }

    for (kv_u32 word = kv_warp(); word < KV_EXCHANGE_SLOTS / KV_WARP; word += kv_warps()) {
        kv_u32 slot = shared.slots[now][word * KV_WARP + kv_lane()];
        out[word * KV_WARP + kv_lane()] = slot;
        /* 2. Lowest, highest and sum */
        kv_u32 lowest = kv_warp_min(slot);
        kv_u32 highest = kv_warp_max(slot);
        kv_u32 sum = kv_warp_sum(slot);
        /* 3. Prefix sums, within 32 slots as yet */
        out[KV_EXCHANGE_SUMS + word * KV_WARP + kv_lane()] = kv_warp_prefix(slot);
        /* 4. Odd slots, a bit each */
        kv_u32 flags = __ballot_sync(KV_ALL_LANES, (slot & 1u) != 0u);
        if (kv_lane() == 0u) {
            shared.sums[word] = sum;
            shared.flags[word] = flags;
            atomicMin(&shared.totals[0], lowest);
            atomicMax(&shared.totals[1], highest);
            atomicAdd(&shared.totals[2], sum);
        }
    }
    __syncthreads();
    kv_store_totals(p, output, out, shared);
}
