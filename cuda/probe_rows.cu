/* SPDX-License-Identifier: MIT
 *
 * probe_rows: the rows whose queries stand for all of them, some random and some recent;
 * distinct and ascending, each drawn by its own Philox counter. One item is one row.
 */
#include "kernel.cuh"

extern "C" __global__ void __launch_bounds__(KV_MAX_LANES)
kvant_probe_rows(const kv_probe_rows_params p, kv_u32 *scratch)
{
    kv_u32 older = p.rows - p.recent;

    for (kv_u32 i = kv_first_item(); i < p.random + p.recent; i += kv_item_stride()) {
        kv_u32 row;
        if (i < p.random) {
            /* 1. The stratum */
            kv_u32 base = older / p.random;
            kv_u32 longer = older % p.random;
            kv_u32 first = i * base + kv_min_u32(i, longer);
            kv_u32 length = base + (i < longer ? 1u : 0u);
            /* 2. The draw */
            kv_u32 random = kv_philox(p.seed_low, p.seed_high, p.layer, p.event, i, 0u);
            row = first + kv_mul_high(random, length);
        } else {
            row = older + (i - p.random);
        }
        /* 3. Store */
        scratch[p.offset + i] = p.base + row;
    }
}
