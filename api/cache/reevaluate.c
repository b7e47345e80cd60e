/* SPDX-License-Identifier: MIT
 *
 * Classes of compressed tokens, decided again: K of all of them is read back to f16, judged by the
 * queries that were gathered since the last time, and each token's codes move to the segment of the
 * class that it has now. How many tokens a class has does not change.
 */
#include "arith.h"
#include "cache_internal.h"
#include "layout.h"
#include "layout_parts.h"
#include "ops_internal.h"

/* A re-evaluation: all compressed tokens as one event, and where they are. */
typedef struct {
    const kvant_place *place;
    kvant_event event;
    kvant_workspace workspace;
    kvant_tier tiers[KVANT_TIERS];
    int32_t indices[KVANT_TIERS];
} reevaluation;

static const kvant_segment *segment_of(const reevaluation *r, int token_class)
{
    return &r->place->layout->segments[r->indices[token_class]].at;
}

/* First position of what is compressed. */
static uint32_t base_of(const kvant_place *place)
{
    return place->stream->sinks;
}

kvant_status kvant_locate_class(const kvant_place *place, int token_class, int32_t index,
                                uint32_t slot, uint32_t slots, bool is_new)
{
    const kvant_layout *layout = place->layout;
    const kvant_segment *at = &layout->segments[index].at;
    kv_locate_params p = {
        .tokens = slots,
        .slot = slot,
        .maps = layout->maps,
        .positions_offset = place->base + at->positions,
        .positions_head = at->positions_head_stride,
        .base = base_of(place),
        .places_offset = place->base + layout->places,
        .places_head = layout->places_head,
        .token_class = (uint32_t)token_class,
        .is_new = is_new ? 1u : 0u,
    };
    return kvant_launch_kernel(place->cache->context, KVANT_KERNEL_locate, &p, &place->store, 1);
}

/* K of a class as f16 rows in order of position, where moved codes will be later. */
static kvant_status read_keys(const reevaluation *r, int token_class)
{
    const kvant_place *place = r->place;
    const kvant_cache_desc *desc = &place->layout->desc;
    const kvant_segment *at = segment_of(r, token_class);
    uint32_t scale = at->k_channel_scale;
    kv_dequantize_params p = {
        .target = r->event.judged_k_view,
        .tokens = place->stream->used[r->indices[token_class]],
        .capacity = at->capacity,
        .heads = desc->kv_heads,
        .dim = desc->k_dim,
        .codec = (uint32_t)at->k_codec,
        .grouping = (uint32_t)at->k_grouping,
        .group_length = at->k_group_length,
        .channel_scale_offset = scale == KVANT_NO_OFFSET ? KV_NO_OFFSET : place->base + scale,
        .params_offset = place->base + at->k_params,
        .codes_offset = place->base + at->k_codes,
        .is_scattered = 1u,
        .positions_offset = place->base + at->positions,
        .positions_head = at->positions_head_stride,
        .position_base = r->event.first_position,
    };
    kvant_buffer *buffers[2] = {place->store, place->cache->scratch};
    return kvant_launch_as(place->cache->context, KVANT_WORK_SALIENCY, KVANT_KERNEL_dequantize, &p,
                           buffers, 2);
}

/* Scores of all compressed tokens. */
static kvant_status judge(reevaluation *r)
{
    const kvant_place *place = r->place;
    kvant_status status = kvant_use_probes(place, &r->event, 0u, &r->workspace);
    for (int i = 0; i < KVANT_TIERS && status == KVANT_OK; i++) {
        if (r->tiers[i].tokens != 0) {
            status = read_keys(r, i);
        }
    }
    if (status == KVANT_OK) {
        status = kvant_judge_event(place, &r->event, place->cache->scratch, place->layout->partials,
                                   &r->workspace);
    }
    return status;
}

/* The class's list, with no token in it. */
static kvant_status clear_list(const reevaluation *r, int token_class)
{
    const kvant_place *place = r->place;
    const kvant_segment *at = segment_of(r, token_class);
    uint32_t words = at->capacity * (at->positions_head_stride != 0u ? place->layout->maps : 1u);
    kv_positions_params p = {
        .offset = place->base + at->positions, .capacity = words, .count = words};
    return kvant_launch_kernel(place->cache->context, KVANT_KERNEL_positions, &p, &place->store, 1);
}

/* Codes and parameters of one tensor of a class, from where they were. */
static kvant_status transcode(const reevaluation *r, int token_class, bool is_value, uint32_t moved)
{
    const kvant_place *place = r->place;
    const kvant_layout *layout = place->layout;
    const kvant_segment *target = segment_of(r, token_class);
    kv_transcode_params p = {
        .tokens = r->tiers[token_class].tokens,
        .token_class = (uint32_t)token_class,
        .heads = layout->desc.kv_heads,
        .dim = is_value ? layout->desc.v_dim : layout->desc.k_dim,
        .grouping = (uint32_t)(is_value ? target->v_grouping : target->k_grouping),
        .group_length = is_value ? target->v_group_length : target->k_group_length,
        .is_value = is_value ? 1u : 0u,
        .positions_offset = place->base + target->positions,
        .positions_head = target->positions_head_stride,
        .base = r->event.first_position,
        .places_offset = place->base + layout->places,
        .places_head = layout->places_head,
        .moved = moved,
    };
    for (int i = 0; i < KVANT_TIERS; i++) {
        if (r->tiers[i].tokens == 0) { /* nothing comes from there */
            p.codecs[i] = KV_CODEC_INT8;
            continue;
        }
        const kvant_segment *at = segment_of(r, i);
        p.capacities[i] = at->capacity;
        p.codecs[i] = (uint32_t)(is_value ? at->v_codec : at->k_codec);
        p.params_offsets[i] = place->base + (is_value ? at->v_params : at->k_params);
        p.codes_offsets[i] = place->base + (is_value ? at->v_codes : at->k_codes);
    }
    kvant_buffer *buffers[2] = {place->cache->scratch, place->store};
    return kvant_launch_kernel(place->cache->context, KVANT_KERNEL_transcode, &p, buffers, 2);
}

/* Everything to the segments of the new lists. */
static kvant_status move_all(const reevaluation *r)
{
    const kvant_place *place = r->place;
    const kvant_layout *layout = place->layout;
    uint32_t first;
    uint64_t words;
    kvant_moved_range(layout, &first, &words);
    uint32_t copy = layout->partials + layout->moved_rows;
    kvant_status status = kvant_buffer_copy(place->store, ((uint64_t)place->base + first) * 4u,
                                            place->cache->scratch, (uint64_t)copy * 4u, words * 4u);
    for (int i = 0; i < KVANT_TIERS; i++) {
        for (int tensor = 0; tensor < 2 && r->tiers[i].tokens != 0; tensor++) {
            if (status == KVANT_OK) {
                status = transcode(r, i, tensor != 0, copy - (place->base + first));
            }
        }
    }
    for (int i = 0; i < KVANT_TIERS && status == KVANT_OK; i++) {
        if (r->tiers[i].tokens != 0) {
            uint32_t slots = kvant_quad(r->tiers[i].tokens);
            place->stream->used[r->indices[i]] = slots;
            status = kvant_locate_class(place, i, r->indices[i], 0u, slots, false);
        }
    }
    return status;
}

/* Layers take turns, so that not all of them have the work in one step. */
bool kvant_reevaluation_is_due(const kvant_place *place)
{
    if (!place->layout->reevaluates) {
        return false;
    }
    const kvant_recipe *recipe = &place->layout->desc.recipe;
    uint32_t events = recipe->reevaluate / recipe->period;
    return (place->stream->events + place->layer) % events == 0u;
}

kvant_status kvant_reevaluate(const kvant_place *place)
{
    const kvant_layout *layout = place->layout;
    kvant_stream *stream = place->stream;
    if (!kvant_reevaluation_is_due(place)) {
        return KVANT_OK;
    }
    uint32_t base = base_of(place);
    uint32_t tokens = stream->length - stream->window_count - base;
    uint32_t dim = layout->desc.k_dim;
    if (tokens == 0 || stream->probe_count == 0) { /* nothing to judge, or to judge by */
        return KVANT_OK;
    }
    reevaluation r = {
        .place = place,
        .event = {.tokens = tokens, .first_position = base, .judged_k = place->cache->scratch},
        .workspace = kvant_workspace_of(layout, tokens, layout->probe_capacity),
    };
    r.event.judged_k_view = (kv_view){
        .offset = (layout->partials + layout->moved_rows) * 2u,
        .token_stride = layout->desc.kv_heads * dim,
        .head_stride = dim,
        .channel_stride = 1u,
        .dtype = KV_DTYPE_F16,
        .wrap = KV_NO_OFFSET,
    };
    kvant_recipe_divide(&layout->desc.recipe, tokens, r.tiers);
    for (int i = 0; i < KVANT_TIERS; i++) {
        r.tiers[i].tokens = stream->class_tokens[i];
        r.indices[i] = kvant_find_segment(layout, r.tiers[i].token_class, 0u);
    }
    kvant_status status = judge(&r);
    for (int i = 0; i < KVANT_TIERS && status == KVANT_OK; i++) {
        if (r.tiers[i].tokens != 0) {
            stream->used[r.indices[i]] = 0;
            status = clear_list(&r, i);
        }
    }
    if (status == KVANT_OK) {
        status = kvant_select_classes(place, &r.event, r.tiers, r.indices, place->cache->scratch,
                                      layout->partials + (uint32_t)r.workspace.scores);
    }
    if (status == KVANT_OK) {
        status = move_all(&r);
    }
    stream->splits = 0; /* fewer slots can be in use: the table is sent anew */
    return status;
}
