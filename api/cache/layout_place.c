/* SPDX-License-Identifier: MIT
 *
 * Gives everything of a region its place, and counts the words of each kind.
 */
#include "checked.h"
#include "codebook.h"
#include "layout.h"
#include "layout_parts.h"

uint32_t kvant_take_words(kvant_placer *p, uint64_t words, uint64_t *count)
{
    uint64_t at = p->next;
    uint64_t end = kvant_add(at, words);
    p->next = kvant_round_up(end, KVANT_ALIGN_WORDS);
    p->padding = kvant_add(p->padding, p->next - end);
    *count = kvant_add(*count, words);
    return (uint32_t)at;
}

static uint64_t group_words(kvant_grouping grouping, uint32_t length, uint32_t capacity,
                            uint32_t dim, uint32_t heads)
{
    /* kv_group_count in 64 bits, by its largest term */
    uint64_t most = kvant_multiply(kvant_multiply(heads, capacity), dim);
    if (most > UINT32_MAX) {
        return KVANT_OVERFLOW;
    }
    return kv_group_count((uint32_t)grouping, length, capacity, dim, heads);
}

static bool is_compressed(const kvant_planned_segment *segment)
{
    return segment->token_class != KVANT_CLASS_SINK && segment->token_class != KVANT_CLASS_WINDOW;
}

/* Runs of heads share a list that is one for all heads. */
static void place_positions(kvant_layout *layout, kvant_placer *p, uint64_t *maps)
{
    layout->positions_offset = (uint32_t)p->next;
    for (uint32_t i = 0; i < layout->segment_count; i++) {
        kvant_segment *at = &layout->segments[i].at;
        bool per_head = layout->maps > 1u && is_compressed(&layout->segments[i]);
        at->positions_head_stride = per_head ? at->capacity : 0u;
        if (!per_head && is_compressed(&layout->segments[i]) &&
            at->head_first != layout->full[0].first) {
            at->positions = layout->segments[i - 1u].at.positions;
            continue;
        }
        uint32_t lists = per_head ? kvant_segment_heads(layout, at) : 1u;
        at->positions = kvant_take_words(p, (uint64_t)at->capacity * lists, maps);
    }
    if (layout->probe_capacity != 0) {
        layout->probe_positions = kvant_take_words(p, layout->probe_capacity, maps);
    }
    if (layout->reevaluates) {
        layout->places_head = kvant_prefill_compressed(layout, layout->desc.prefill_tokens) +
                              (layout->events - 1u) * layout->desc.recipe.period;
        layout->places = kvant_take_words(p, (uint64_t)layout->maps * layout->places_head, maps);
    }
    layout->positions_words = (uint32_t)(p->next - layout->positions_offset);
}

/* Where the channel scales of a run of heads begin. */
static uint32_t scale_of_heads(uint32_t scales, uint32_t head_first, uint32_t dim)
{
    return scales == KVANT_NO_OFFSET ? KVANT_NO_OFFSET : scales + head_first * (dim / 2u);
}

static void place_params(kvant_layout *layout, kvant_placer *p, uint64_t *parameters)
{
    const kvant_cache_desc *desc = &layout->desc;
    const kvant_recipe *recipe = &desc->recipe;
    uint32_t scale_event = UINT32_MAX;
    uint32_t k_scale = KVANT_NO_OFFSET;
    uint32_t v_scale = KVANT_NO_OFFSET;
    for (uint32_t i = 0; i < layout->segment_count; i++) {
        kvant_planned_segment *segment = &layout->segments[i];
        kvant_segment *at = &segment->at;
        uint32_t heads = kvant_segment_heads(layout, at);
        if (at->k_codec != KVANT_CODEC_F16) {
            at->k_params = kvant_take_words(
                p,
                group_words(at->k_grouping, at->k_group_length, at->capacity, desc->k_dim, heads),
                parameters);
        }
        if (at->v_codec == KVANT_CODEC_F16) {
            continue;
        }
        at->v_params = kvant_take_words(p,
                                        group_words(at->v_grouping, at->v_group_length,
                                                    at->capacity, layout->v_head_dim,
                                                    layout->is_latent ? layout->v_heads : heads),
                                        parameters);
        if (kv_codec_is_learned((uint32_t)at->k_codec) != 0u ||
            kv_codec_is_learned((uint32_t)at->v_codec) != 0u) {
            at->levels = kvant_take_words(p, 2u * KV_CODEBOOK_WORDS, parameters);
        }
        /* both classes of an event share channel scales, which are of all heads */
        if (segment->event != scale_event) {
            scale_event = segment->event;
            bool is_first = k_scale == KVANT_NO_OFFSET;
            if (recipe->k.transform == KVANT_TRANSFORM_CST || (layout->smooths_k && is_first)) {
                k_scale =
                    kvant_take_words(p, (uint64_t)desc->kv_heads * desc->k_dim / 2u, parameters);
            }
            if (recipe->v.transform == KVANT_TRANSFORM_CST) {
                v_scale =
                    kvant_take_words(p, (uint64_t)desc->kv_heads * desc->v_dim / 2u, parameters);
            }
        }
        at->k_channel_scale = scale_of_heads(k_scale, at->head_first, desc->k_dim);
        at->v_channel_scale = scale_of_heads(v_scale, at->head_first, desc->v_dim);
    }
}

static void place_codes(kvant_layout *layout, kvant_placer *p, uint64_t *codes, uint64_t *window)
{
    const kvant_cache_desc *desc = &layout->desc;
    for (uint32_t i = 0; i < layout->segment_count; i++) {
        kvant_planned_segment *segment = &layout->segments[i];
        kvant_segment *at = &segment->at;
        uint64_t heads = kvant_segment_heads(layout, at);
        uint64_t elements = heads * at->capacity;
        uint64_t k_bits = kv_codec_bits((uint32_t)at->k_codec);
        uint64_t v_bits = kv_codec_bits((uint32_t)at->v_codec);
        uint64_t *k_count = at->k_codec == KVANT_CODEC_F16 ? window : codes;
        uint64_t *v_count = at->v_codec == KVANT_CODEC_F16 ? window : codes;
        at->k_codes = kvant_take_words(p, elements * desc->k_dim * k_bits / 32u, k_count);
        at->v_codes = kvant_take_words(p, elements * desc->v_dim * v_bits / 32u, v_count);
        /* tokens rounded up to 4 are padding */
        uint64_t spare = heads * (at->capacity - segment->tokens);
        uint64_t words = spare * (desc->k_dim * k_bits + desc->v_dim * v_bits) / 32u;
        uint64_t of_k = spare * desc->k_dim * k_bits / 32u;
        *k_count -= of_k;
        *v_count -= words - of_k;
        p->padding += words;
    }
    if (layout->probe_capacity != 0) {
        layout->probe_rows = kvant_take_words(
            p, (uint64_t)desc->q_heads * layout->probe_capacity * desc->k_dim / 2u, window);
    }
}

void kvant_moved_range(const kvant_layout *layout, uint32_t *out_first, uint64_t *out_words)
{
    uint32_t end =
        layout->window_segment >= 0 ? (uint32_t)layout->window_segment : layout->segment_count;
    const kvant_segment *last = &layout->segments[end - 1u].at;
    uint64_t numbers = (uint64_t)layout->desc.kv_heads * last->capacity * layout->desc.v_dim;
    *out_first = layout->segments[layout->first_compressed].at.k_params;
    *out_words =
        last->v_codes + numbers * kv_codec_bits((uint32_t)last->v_codec) / 32u - *out_first;
}

kvant_status kvant_layout_place(kvant_layout *layout)
{
    kvant_placer p = {0, 0};
    uint64_t maps = 0;
    uint64_t parameters = 0;
    uint64_t codes = 0;
    uint64_t window = 0;
    kvant_take_words(&p, KV_HEADER_WORDS, &maps);
    layout->splits_offset =
        kvant_take_words(&p, (uint64_t)layout->max_splits * KV_SPLIT_WORDS, &maps);
    layout->segments_offset =
        kvant_take_words(&p, (uint64_t)layout->segment_count * KV_SEGMENT_WORDS, &maps);
    place_positions(layout, &p, &maps);
    place_params(layout, &p, &parameters);
    place_codes(layout, &p, &codes, &window);
    if (p.next > UINT32_MAX / 2u || parameters > UINT32_MAX) {
        return kvant_fail(KVANT_ERROR_LIMIT,
                          "one layer of one sequence takes more than 8 GiB, or a segment has more "
                          "than 2^32 elements; use fewer tokens");
    }
    layout->region_words = (uint32_t)p.next;

    uint64_t regions = (uint64_t)layout->desc.layers * layout->desc.sequences;
    layout->bytes = (kvant_cache_bytes)KVANT_CACHE_BYTES_INIT;
    layout->bytes.codes = kvant_multiply(codes * 4u, regions);
    layout->bytes.parameters = kvant_multiply(parameters * 4u, regions);
    layout->bytes.maps = kvant_multiply(maps * 4u, regions);
    layout->bytes.window = kvant_multiply(window * 4u, regions);
    layout->bytes.padding = kvant_multiply(p.padding * 4u, regions);
    return KVANT_OK;
}
