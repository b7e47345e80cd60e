/* SPDX-License-Identifier: MIT
 *
 * gather: the rows of a compression event that stay halves, of one tensor, into an f16 segment. Which
 * rows, and where they go, is said as for encode. Tokens past the event's end, up to the next multiple
 * of 4, are zeros. One item is one word, two channels of one token of one head.
 */
#include "quantize.h"

static kv_u32 row_half(const kv_quantize_params *p, const kv_u32 *source, const kv_u32 *store,
                       kv_u32 token, kv_u32 head, kv_u32 channel)
{
    /* 1. Load */
    if (token >= p->tokens) {
        return 0u;
    }
    kv_u32 row = kv_event_row(p, store, token, head);
    return kv_cache_half(kv_view_load(source, &p->source, row, head, channel));
}

void kvant_ref_gather(const void *params_words, kv_u32 *const *bindings)
{
    const kv_quantize_params *p = params_words;
    const kv_u32 *source = bindings[0];
    kv_u32 *store = bindings[1];
    kv_u32 event_capacity = (p->tokens + 3u) / 4u * 4u;

    for (kv_u32 head = 0; head < p->heads; head++) {
        for (kv_u32 token = 0; token < event_capacity; token++) {
            for (kv_u32 channel = 0; channel < p->dim; channel += 2u) {
                kv_u32 low = row_half(p, source, store, token, head, channel);
                kv_u32 high = row_half(p, source, store, token, head, channel + 1u);
                /* 2. Store */
                kv_u32 at = kv_f16_word(head, p->token + token, channel, p->capacity, p->dim);
                store[p->codes_offset + at] = low | (high << 16);
            }
        }
    }
}
