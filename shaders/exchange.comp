#version 450
#extension GL_GOOGLE_include_directive : require
/* SPDX-License-Identifier: MIT
 *
 * exchange: what lanes of a work-group tell each other, through shared memory and barriers and by
 * atomics. No other kernel needs it: the conformance suite tests here, in small, what the kernels
 * rely on. One work-group does one row of input.
 */
#include "kernel.glsl"

KV_BINDING(0, readonly, inputs);
KV_BINDING(1, , outputs);
KV_PARAMS(kv_exchange_params);

shared kv_u32 slots[2][KV_EXCHANGE_SLOTS];
shared kv_u32 flags[KV_EXCHANGE_SLOTS / 32u];
shared kv_u32 totals[3];

void load(kv_u32 group)
{
    if (KV_LANE == 0u) {
        totals[0] = 0xffffffffu;
        totals[1] = 0u;
        totals[2] = 0u;
    }
    KV_FOR_LANES(i, KV_EXCHANGE_SLOTS / 32u)
    {
        flags[i] = 0u;
    }
    KV_FOR_LANES(i, KV_EXCHANGE_SLOTS)
    {
        slots[0][i] = inputs[p.input_offset + group * KV_EXCHANGE_SLOTS + i];
    }
    barrier();
}

void store(kv_u32 first, kv_u32 now)
{
    KV_FOR_LANES(i, KV_EXCHANGE_SLOTS)
    {
        outputs[first + KV_EXCHANGE_SUMS + i] = slots[now][i];
    }
    KV_FOR_LANES(i, KV_EXCHANGE_SLOTS / 32u)
    {
        outputs[first + KV_EXCHANGE_FLAGS + i] = flags[i];
    }
    if (KV_LANE == 0u) {
        for (kv_u32 i = 0u; i < 3u; i++) {
            outputs[first + KV_EXCHANGE_TOTALS + i] = totals[i];
        }
        atomicMin(outputs[p.totals_offset], totals[0]);
        atomicMax(outputs[p.totals_offset + 1u], totals[1]);
        atomicAdd(outputs[p.totals_offset + 2u], totals[2]);
    }
}

void main()
{
    kv_u32 group = gl_WorkGroupID.x;
    kv_u32 first = p.output_offset + group * KV_EXCHANGE_WORDS;
    if (group >= p.groups) {
        return;
    }
    load(group);

    /* 1. Rounds: each slot reads another one's old value */
    kv_u32 now = 0u;
    for (kv_u32 round = 0u; round < p.rounds; round++) {
        kv_u32 distance = 37u * round + 1u;
        KV_FOR_LANES(i, KV_EXCHANGE_SLOTS)
        {
            slots[1u - now][i] =
                slots[now][i] * 5u + slots[now][(i + distance) % KV_EXCHANGE_SLOTS];
        }
        now = 1u - now;
        barrier();
    }

    /* 2. Lowest, highest and sum, 4. Odd slots, a bit each */
    KV_FOR_LANES(i, KV_EXCHANGE_SLOTS)
    {
        kv_u32 slot = slots[now][i];
        outputs[first + i] = slot;
        atomicMin(totals[0], slot);
        atomicMax(totals[1], slot);
        atomicAdd(totals[2], slot);
        atomicOr(flags[i / 32u], (slot & 1u) << (i % 32u));
    }

    /* 3. Prefix sums */
    for (kv_u32 distance = 1u; distance < KV_EXCHANGE_SLOTS; distance *= 2u) {
        KV_FOR_LANES(i, KV_EXCHANGE_SLOTS)
        {
            slots[1u - now][i] = slots[now][i] + (i >= distance ? slots[now][i - distance] : 0u);
        }
        now = 1u - now;
        barrier();
    }

    /* 5. Store, and totals of all groups */
    store(first, now);
}
