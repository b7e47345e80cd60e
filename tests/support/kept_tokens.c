/* SPDX-License-Identifier: MIT
 *
 * Reads the positions of a sequence back.
 */
#include "kept_tokens.h"

#include <stdlib.h>
#include <string.h>

#include "cache_internal.h"
#include "layout.h"

static kvant_status count_segment(const kvant_place *place, const kvant_segment *at, uint32_t head,
                                  uint32_t tokens, unsigned char *kept)
{
    uint32_t place_of_head = kv_head_in_segment(head, at->head_first, at->head_count);
    if (place_of_head == KV_NO_HEAD) {
        return KVANT_OK;
    }
    uint32_t *positions = calloc(at->capacity, sizeof *positions);
    if (positions == NULL) {
        return KVANT_ERROR_OUT_OF_HOST_MEMORY;
    }
    uint64_t first =
        (uint64_t)place->base + at->positions + place_of_head * at->positions_head_stride;
    kvant_status status =
        kvant_buffer_read(place->store, first * 4u, positions, (uint64_t)at->capacity * 4u);
    for (uint32_t i = 0; status == KVANT_OK && i < at->capacity; i++) {
        if (positions[i] == KV_POSITION_INVALID) {
            continue;
        }
        if (positions[i] >= tokens) {
            status = KVANT_ERROR_INVALID_STATE;
        } else {
            kept[positions[i]]++;
        }
    }
    free(positions);
    return status;
}

kvant_status kept_tokens(kvant_cache *cache, uint32_t layer, uint32_t sequence, uint32_t tokens,
                         unsigned char *kept)
{
    kvant_place place;
    kvant_status status = kvant_place_of(cache, layer, sequence, &place);
    if (status != KVANT_OK) {
        return status;
    }
    const kvant_layout *layout = place.layout;
    memset(kept, 0, (size_t)layout->desc.kv_heads * tokens);
    for (uint32_t head = 0; head < layout->desc.kv_heads; head++) {
        for (uint32_t i = 0; status == KVANT_OK && i < layout->segment_count; i++) {
            status = count_segment(&place, &layout->segments[i].at, head, tokens,
                                   &kept[(size_t)head * tokens]);
        }
    }
    return status;
}
