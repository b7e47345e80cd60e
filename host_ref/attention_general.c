/* SPDX-License-Identifier: MIT
 *
 * attention_general: attention for caches of which some part is beyond attention, which is tuned; the
 * steps and sums are those of attention.
 *   Codes that are numbers of levels: a level is a byte and takes the place of the code.
 *   Segments of some heads alone: rows of another head see no token of them.
 */
#include "attention.h"

void kvant_ref_attention_general(const void *params_words, kv_u32 *const *bindings)
{
    const kv_attention_params *p = params_words;
    const kv_u32 *store = bindings[0];
    const kv_u32 *queries = bindings[1];
    const kv_u32 *positions = bindings[2];
    kv_u32 *partials = bindings[3];
    attend(p, 1u, store, queries, positions, partials);
}
