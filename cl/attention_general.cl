/* SPDX-License-Identifier: MIT
 *
 * attention_general: attention for caches of which some part is beyond attention, which is tuned; the
 * steps and sums are those of attention.
 *   Codes that are numbers of levels: a level is a byte and takes the place of the code.
 *   Segments of some heads alone: rows of another head see no token of them.
 */
#define KV_CODEBOOKS
#include "attention_steps.clh"

KV_KERNEL void kvant_attention_general(const kv_attention_params p,
                                        __global const kv_u32 *restrict store,
                                        __global const kv_u32 *restrict queries,
                                        __global const kv_u32 *restrict positions,
                                        __global kv_u32 *restrict partials)
{
    __local kv_attention_local shared;
    attend(&p, store, queries, positions, partials, &shared);
}
