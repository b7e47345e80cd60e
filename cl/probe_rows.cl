/* SPDX-License-Identifier: MIT
 *
 * probe_rows: which rows of the attention matrix are computed to judge the tokens: random ones, one
 * from each of as many equal strata, then the most recent ones (ZipCache, section 4.2). Strata
 * make the rows distinct and ascending, each drawn by its own Philox counter.
 */
#include "kernel.clh"

KV_KERNEL void kvant_probe_rows(const kv_probe_rows_params p, __global kv_u32 *scratch)
{
    kv_u32 older = p.rows - p.recent;

    const kv_items items = kv_my_items(p.random + p.recent);
    for (kv_u32 i = items.begin; i < items.end; i += items.step) {
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
