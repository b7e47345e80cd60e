/* SPDX-License-Identifier: MIT
 *
 * encode: the codes of a compression event, packed into words, and the parameters of its groups unless
 * a group is a whole channel, whose parameters are in the store already. layout.h says which tokens
 * and channels a word of codes holds. Tokens past the event's end, up to the next multiple of 4, get
 * code 0 and parameters 0.
 */
#if KV_LANES == 1
#include "encode_line.clh"
#else
#include "encode_lanes.clh"
#endif

KV_KERNEL void kvant_encode(const kv_quantize_params p, __global const kv_u32 *source,
                            __global kv_u32 *store)
{
    KV_ROOM kv_encode_shared shared;
    encode_event(&p, source, store, &shared);
}
