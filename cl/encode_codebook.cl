/* SPDX-License-Identifier: MIT
 *
 * encode_codebook: encode for codecs whose codes are numbers of levels: the code of a value is that of
 * the level nearest to it, as a multiple of the group's scale.
 */
#define KV_CODEBOOKS
#if KV_LANES == 1
#include "encode_line.clh"
#else
#include "encode_lanes.clh"
#endif

KV_KERNEL void kvant_encode_codebook(const kv_quantize_params p,
                                     __global const kv_u32 *source, __global kv_u32 *store)
{
    KV_ROOM kv_encode_shared shared;
    encode_event(&p, source, store, &shared);
}
