/* SPDX-License-Identifier: MIT
 *
 * positions: consecutive positions, or KV_POSITION_INVALID, into a list of slots.
 */
#include "reference.h"

void kvant_ref_positions(const void *params_words, kv_u32 *const *bindings)
{
    const kv_positions_params *p = params_words;
    kv_u32 *store = bindings[0];

    for (kv_u32 i = 0; i < p->count; i++) {
        kv_u32 slot = (p->slot + i) % p->capacity;
        store[p->offset + slot] = p->step != 0u ? p->first + i : KV_POSITION_INVALID;
    }
}
