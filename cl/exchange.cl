/* SPDX-License-Identifier: MIT
 *
 * exchange: what lanes of a work-group tell each other, through local memory and barriers and by
 * atomics. No other kernel needs it: the conformance suite tests here, in small, what the kernels
 * rely on. One work-group does one row of input.
 */
#include "kernel.clh"

#define KV_FOR_SLOTS(i) for (kv_u32 i = lane; i < KV_EXCHANGE_SLOTS; i += KV_LANES)

KV_KERNEL void kvant_exchange(const kv_exchange_params p, __global const kv_u32 *input,
                              __global kv_u32 *output)
{
    __local kv_u32 slots[2][KV_EXCHANGE_SLOTS];
    __local kv_u32 flags[KV_EXCHANGE_SLOTS / 32u];
    __local kv_u32 totals[3];
    kv_u32 lane = (kv_u32)get_local_id(0);
    kv_u32 group = (kv_u32)get_group_id(0);
    __global kv_u32 *out = &output[p.output_offset + group * KV_EXCHANGE_WORDS];

    if (group >= p.groups) {
        return;
    }
    if (lane == 0u) {
        totals[0] = 0xffffffffu;
        totals[1] = 0u;
        totals[2] = 0u;
    }
    for (kv_u32 i = lane; i < KV_EXCHANGE_SLOTS / 32u; i += KV_LANES) {
        flags[i] = 0u;
    }
    KV_FOR_SLOTS(i)
    {
        slots[0][i] = input[p.input_offset + group * KV_EXCHANGE_SLOTS + i];
    }
    KV_MEET();

    /* 1. Rounds: each slot reads another one's old value */
    kv_u32 now = 0u;
    for (kv_u32 round = 0u; round < p.rounds; round++) {
        kv_u32 distance = 37u * round + 1u;
        KV_FOR_SLOTS(i)
        {
            slots[1u - now][i] =
                slots[now][i] * 5u + slots[now][(i + distance) % KV_EXCHANGE_SLOTS];
        }
        now = 1u - now;
        KV_MEET();
    }

    /* 2. Lowest, highest and sum, 4. Odd slots, a bit each */
    KV_FOR_SLOTS(i)
    {
        kv_u32 slot = slots[now][i];
        out[i] = slot;
        atomic_min(&totals[0], slot);
        atomic_max(&totals[1], slot);
        atomic_add(&totals[2], slot);
        atomic_or(&flags[i / 32u], (slot & 1u) << (i % 32u));
    }

    /* 3. Prefix sums */
    for (kv_u32 distance = 1u; distance < KV_EXCHANGE_SLOTS; distance *= 2u) {
        KV_FOR_SLOTS(i)
        {
            slots[1u - now][i] = slots[now][i] + (i >= distance ? slots[now][i - distance] : 0u);
        }
        now = 1u - now;
        KV_MEET();
    }

    /* 5. Store, and totals of all groups */
    KV_FOR_SLOTS(i)
    {
        out[KV_EXCHANGE_SUMS + i] = slots[now][i];
    }
    for (kv_u32 i = lane; i < KV_EXCHANGE_SLOTS / 32u; i += KV_LANES) {
        out[KV_EXCHANGE_FLAGS + i] = flags[i];
    }
    if (lane == 0u) {
        out[KV_EXCHANGE_TOTALS] = totals[0];
        out[KV_EXCHANGE_TOTALS + 1u] = totals[1];
        out[KV_EXCHANGE_TOTALS + 2u] = totals[2];
        atomic_min(&output[p.totals_offset], totals[0]);
        atomic_max(&output[p.totals_offset + 1u], totals[1]);
        atomic_add(&output[p.totals_offset + 2u], totals[2]);
    }
}
