/* SPDX-License-Identifier: MIT
 *
 * exchange: what lanes of a work-group tell each other, through shared memory and barriers, by
 * atomics and by the operations of a warp. No other kernel needs it: the conformance suite tests
 * here, in small, what the kernels rely on. One work-group does one row of input.
 */
#include "reference.h"

static void exchange_rounds(kv_u32 rounds, kv_u32 *slots)
{
    for (kv_u32 round = 0; round < rounds; round++) {
        kv_u32 old[KV_EXCHANGE_SLOTS];
        for (kv_u32 i = 0; i < KV_EXCHANGE_SLOTS; i++) {
            old[i] = slots[i];
        }
        for (kv_u32 i = 0; i < KV_EXCHANGE_SLOTS; i++) {
            slots[i] = old[i] * 5u + old[(i + 37u * round + 1u) % KV_EXCHANGE_SLOTS];
        }
    }
}

static void merge_totals(const kv_u32 *from, kv_u32 *to)
{
    to[0] = from[0] < to[0] ? from[0] : to[0];
    to[1] = from[1] > to[1] ? from[1] : to[1];
    to[2] += from[2];
}

void kvant_ref_exchange(const void *params_words, kv_u32 *const *bindings)
{
    const kv_exchange_params *p = params_words;
    const kv_u32 *input = bindings[0];
    kv_u32 *output = bindings[1];

    for (kv_u32 group = 0; group < p->groups; group++) {
        kv_u32 *out = &output[p->output_offset + group * KV_EXCHANGE_WORDS];
        for (kv_u32 i = 0; i < KV_EXCHANGE_SLOTS; i++) {
            out[i] = input[p->input_offset + group * KV_EXCHANGE_SLOTS + i];
        }
        for (kv_u32 i = 0; i < KV_EXCHANGE_SLOTS / 32u; i++) {
            out[KV_EXCHANGE_FLAGS + i] = 0u;
        }

        /* 1. Rounds: each slot reads another one's old value */
        exchange_rounds(p->rounds, out);

        kv_u32 totals[3] = {0xffffffffu, 0u, 0u};
        for (kv_u32 i = 0; i < KV_EXCHANGE_SLOTS; i++) {
            const kv_u32 slot[3] = {out[i], out[i], out[i]};
            /* 2. Lowest, highest and sum */
            merge_totals(slot, totals);
            /* 3. Prefix sums */
            out[KV_EXCHANGE_SUMS + i] = totals[2];
            /* 4. Odd slots, a bit each */
            out[KV_EXCHANGE_FLAGS + i / 32u] |= (out[i] & 1u) << (i % 32u);
        }

        /* 5. Store, and totals of all groups */
        for (kv_u32 i = 0; i < 3u; i++) {
            out[KV_EXCHANGE_TOTALS + i] = totals[i];
        }
        merge_totals(totals, &output[p->totals_offset]);
    }
}
