/* SPDX-License-Identifier: MIT
 *
 * extrema: the lowest and the highest value of each channel of a compression event, as sortable
 * keys: order does not matter, atomics are allowed. Scratch holds 0xffffffff in the plane of the
 * lowest and 0 in the plane of the highest before the launch.
 */
#include "quantize.h"

void kvant_ref_extrema(const void *params_words, kv_u32 *const *bindings)
{
    const kv_quantize_params *p = params_words;
    const kv_u32 *source = bindings[0];
    const kv_u32 *store = bindings[1];
    kv_u32 *scratch = bindings[2];

    for (kv_u32 head = 0; head < p->heads; head++) {
        for (kv_u32 token = 0; token < p->tokens; token++) {
            for (kv_u32 channel = 0; channel < p->dim; channel++) {
                /* 1. Load */
                kv_u32 key = kv_sortable(kv_event_value(p, source, store, token, head, channel));
                /* 2. Extrema of the channel */
                kv_u32 *low = &scratch[p->keys_offset + head * p->dim + channel];
                kv_u32 *high = low + p->heads * p->dim;
                *low = key < *low ? key : *low;
                *high = key > *high ? key : *high;
            }
        }
    }
}
