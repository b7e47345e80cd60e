/* SPDX-License-Identifier: MIT
 *
 * parameters: the extrema of each channel of an event to its stored scale and minimum, where a
 * channel is a group. One item is one channel, one word.
 */
#include "reference.h"

void kvant_ref_parameters(const void *params_words, kv_u32 *const *bindings)
{
    const kv_parameters_params *p = params_words;
    const kv_u32 *scratch = bindings[0];
    kv_u32 *store = bindings[1];

    for (kv_u32 channel = 0; channel < p->channels; channel++) {
        /* 1. Load the keys */
        kv_f32 low = kv_from_sortable(scratch[p->keys_offset + channel]);
        kv_f32 high = kv_from_sortable(scratch[p->keys_offset + p->channels + channel]);
        /* 2. Scale and minimum */
        store[p->params_offset + channel] = kv_group_param(p->codec, low, high);
    }
}
