/* SPDX-License-Identifier: MIT
 *
 * prefill: causal attention of a prompt over its uncompressed K and V, as caller tensors. Keys go by
 * in chunks of 32 with a running maximum (flash attention). The order of every sum is that of
 * host_ref/prefill.c.
 *
 * One work-group does KV_PREFILL_ROWS query rows of one query head. A CPU has one lane and puts the
 * rows into vectors (prefill_rows.clh); on a GPU the lanes share the work (prefill_lanes.clh).
 */
#if KV_LANES == 1
#include "prefill_rows.clh"
#else
#include "prefill_lanes.clh"
#endif

KV_KERNEL void kvant_prefill(const kv_prefill_params p, __global const kv_u32 *q,
                             __global const kv_u32 *k, __global const kv_u32 *v,
                             __global kv_u32 *out, __global kv_u32 *lse)
{
    __local kv_prefill_shared shared;
    prefill_rows(&p, q, k, v, out, lse, &shared);
}
