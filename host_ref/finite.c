/* SPDX-License-Identifier: MIT
 *
 * finite: counts the elements of a K or V tensor that no finite half can hold.
 */
#include "reference.h"

void kvant_ref_finite(const void *params_words, kv_u32 *const *bindings)
{
    const kv_finite_params *p = params_words;
    const kv_u32 *source = bindings[0];
    kv_u32 *status = bindings[1];

    kv_u32 count = 0;
    for (kv_u32 token = 0; token < p->tokens; token++) {
        for (kv_u32 head = 0; head < p->heads; head++) {
            for (kv_u32 channel = 0; channel < p->dim; channel++) {
                kv_f32 x = kv_view_load(source, &p->source, token, head, channel);
                count += kv_is_unrepresentable(x);
            }
        }
    }
    status[p->status_offset] += count;
}
