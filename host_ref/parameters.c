/* SPDX-License-Identifier: MIT
 *
 * parameters: the extrema of each group of an event to its stored scale and minimum. One item is one
 * group, one word.
 */
#include "reference.h"

void kvant_ref_parameters(const void *params_words, kv_u32 *const *bindings)
{
    const kv_parameters_params *p = params_words;
    const kv_u32 *scratch = bindings[0];
    kv_u32 *store = bindings[1];

    for (kv_u32 group = 0; group < p->groups; group++) {
        /* 1. Load the keys */
        kv_u32 low_key = scratch[p->keys_offset + group];
        kv_u32 high_key = scratch[p->keys_offset + p->groups + group];
        /* 2. Scale and minimum */
        kv_u32 word = 0;
        if (low_key <= high_key) {
            kv_f32 low = kv_from_sortable(low_key);
            kv_f32 high = kv_from_sortable(high_key);
            word = p->codec == KV_CODEC_INT8_SYMMETRIC
                       ? kv_symmetric_param(low, high)
                       : kv_asymmetric_param(low, high,
                                             kv_reciprocal_of_qmax(kv_codec_bits(p->codec)));
        }
        /* 3. Store */
        kv_u32 row = group / p->row_length;
        kv_u32 column = group % p->row_length;
        store[p->params_offset + row * p->row_stride + p->row_first + column] = word;
    }
}
