/* SPDX-License-Identifier: MIT
 *
 * Compression events: a prompt, or a period of tokens that leaves the window, becomes codes.
 * Judge the tokens, list the classes, quantize each class into its segment.
 */
#include "arith.h"
#include "cache_internal.h"
#include "codebook.h"
#include "layout.h"
#include "layout_parts.h"
#include "ops_internal.h"

/* ---- steps of an event ---- */

static const kvant_segment *segment_at(const kvant_layout *layout, int32_t index)
{
    return index >= 0 ? &layout->segments[index].at : NULL;
}

/* Channel scales come first and are shared by all classes (ZipCache, algorithm 1), as far as they
 * have codes. Those of a smoothed K are shared by all events; a prompt's queries have a part in them. */
static kvant_status scale_channels(const kvant_place *place, const kvant_event *event,
                                   const int32_t indices[KVANT_TIERS], kvant_buffer *workspace,
                                   uint32_t keys, uint32_t query_keys)
{
    bool has_smooth = place->layout->smooths_k;
    bool has_queries = event->queries != NULL && event->query_base != KV_NO_OFFSET;
    kvant_op_queries queries = {
        .source = event->queries,
        .view = event->query_view,
        .heads = place->layout->desc.q_heads,
        .keys_offset = query_keys,
    };
    queries.view.first += event->first_position - event->query_base;
    const kvant_cache_desc *desc = &place->layout->desc;
    uint32_t head = place->layout->full[0].first; /* whose scales the segment has first */
    const kvant_segment *segment = NULL;
    for (int i = 0; i < KVANT_TIERS && (segment == NULL || segment->k_codec == KVANT_CODEC_F16);
         i++) {
        const kvant_segment *of_class = segment_at(place->layout, indices[i]);
        segment = of_class != NULL ? of_class : segment;
    }
    kvant_status status = KVANT_OK;
    for (int i = 0; status == KVANT_OK && segment != NULL && i < 2; i++) {
        uint32_t offset = i == 0 ? segment->k_channel_scale : segment->v_channel_scale;
        bool is_smooth = i == 0 && has_smooth;
        if (offset == KVANT_NO_OFFSET || (is_smooth && place->stream->is_smoothed)) {
            continue;
        }
        uint32_t dim = i == 0 ? desc->k_dim : place->layout->v_head_dim;
        kv_quantize_params p = {
            .source = i == 0 ? event->k_view : event->v_view,
            .indices_offset = KV_NO_OFFSET,
            .tokens = event->tokens,
            .capacity = segment->capacity,
            .heads = i == 0 ? desc->kv_heads : place->layout->v_heads,
            .dim = dim,
            .channel_scale_offset = place->base + offset - head * (dim / 2u),
            .keys_offset = keys,
        };
        kvant_op_buffers buffers = {i == 0 ? event->k : event->v, place->store, workspace};
        status = kvant_op_channel_scale(place->cache->context, &buffers, &p,
                                        is_smooth && has_queries ? &queries : NULL);
        place->stream->is_smoothed = place->stream->is_smoothed || is_smooth;
    }
    return status;
}

/* The classes' lists of positions, of one run of heads; a class that is evicted has none. One launch
 * divides two classes, of three each is taken from what is left. */
static kvant_status select_of_heads(const kvant_place *place, const kvant_event *event,
                                    const kvant_tier tiers[KVANT_TIERS],
                                    const int32_t indices[KVANT_TIERS], uint32_t run,
                                    kvant_buffer *workspace, uint32_t scores)
{
    const kvant_layout *layout = place->layout;
    uint32_t offsets[KVANT_TIERS];
    uint32_t strides[KVANT_TIERS] = {0};
    for (int i = 0; i < KVANT_TIERS; i++) {
        offsets[i] = KV_NO_OFFSET;
        if (indices[i] >= 0) {
            uint32_t index = (uint32_t)indices[i] + run;
            const kvant_segment *at = &layout->segments[index].at;
            offsets[i] = place->base + at->positions + place->stream->used[index];
            strides[i] = at->positions_head_stride;
        }
    }
    bool is_per_head = layout->maps > 1u;
    kv_select_params p = {
        .tokens = event->tokens,
        .maps = is_per_head ? layout->full[run].count : 1u,
        .scores_offset = scores + (is_per_head ? layout->full[run].first * event->tokens : 0u),
        .first_position = event->first_position,
        .regular_offset = KV_NO_OFFSET,
        .classes_offset = KV_NO_OFFSET,
        .is_taking = tiers[1].tokens != 0 ? 1u : 0u,
    };
    kvant_buffer *buffers[2] = {workspace, place->store};
    kvant_status status = KVANT_OK;
    int launches = p.is_taking != 0 ? KVANT_TIERS : 1;
    if (launches == 1) {
        p.regular_offset = offsets[2];
        p.regular_stride = strides[2];
    }
    for (int i = 0; i < launches && status == KVANT_OK; i++) {
        p.salient = tiers[i].tokens;
        p.salient_offset = offsets[i];
        p.salient_stride = strides[i];
        status = kvant_launch_kernel(place->cache->context, KVANT_KERNEL_select, &p, buffers, 2);
    }
    return status;
}

/* All runs share what is one list for all heads. */
kvant_status kvant_select_classes(const kvant_place *place, const kvant_event *event,
                                  const kvant_tier tiers[KVANT_TIERS],
                                  const int32_t indices[KVANT_TIERS], kvant_buffer *workspace,
                                  uint32_t scores)
{
    uint32_t runs = place->layout->maps > 1u ? place->layout->full_runs : 1u;
    kvant_status status = KVANT_OK;
    for (uint32_t run = 0; status == KVANT_OK && run < runs; run++) {
        status = select_of_heads(place, event, tiers, indices, run, workspace, scores);
    }
    return status;
}

/* The positions of the only class. */
static kvant_status list_all(const kvant_place *place, const kvant_event *event, int32_t index)
{
    const kvant_segment *only = segment_at(place->layout, index);
    kv_positions_params p = {
        .offset = place->base + only->positions,
        .capacity = only->capacity,
        .slot = place->stream->used[index],
        .count = event->tokens,
        .first = event->first_position,
        .step = 1u,
    };
    return kvant_launch_kernel(place->cache->context, KVANT_KERNEL_positions, &p, &place->store, 1);
}

/* One class of one tensor into its segment, of the heads that this holds. */
static kvant_status quantize_class(const kvant_place *place, const kvant_event *event,
                                   bool is_value, uint32_t index, uint32_t tokens,
                                   kvant_buffer *workspace, uint32_t keys)
{
    const kvant_layout *layout = place->layout;
    const kvant_cache_desc *desc = &layout->desc;
    const kvant_segment *at = &layout->segments[index].at;
    uint32_t scale = is_value ? at->v_channel_scale : at->k_channel_scale;
    uint32_t used = place->stream->used[index];
    kv_quantize_params p = {
        .source = is_value ? event->v_view : event->k_view,
        .indices_offset = layout->two_classes ? place->base + at->positions + used : KV_NO_OFFSET,
        .indices_head = at->positions_head_stride,
        .index_base = event->first_position,
        .tokens = tokens,
        .token = used,
        .capacity = at->capacity,
        .heads = layout->is_latent && is_value ? layout->v_heads : kvant_segment_heads(layout, at),
        .dim = is_value ? layout->v_head_dim : desc->k_dim,
        .codec = (uint32_t)(is_value ? at->v_codec : at->k_codec),
        .grouping = (uint32_t)(is_value ? at->v_grouping : at->k_grouping),
        .group_length = is_value ? at->v_group_length : at->k_group_length,
        .is_value = is_value ? 1u : 0u,
        .channel_scale_offset = scale == KVANT_NO_OFFSET ? KV_NO_OFFSET : place->base + scale,
        .params_offset = place->base + (is_value ? at->v_params : at->k_params),
        .codes_offset = place->base + (is_value ? at->v_codes : at->k_codes),
        .keys_offset = keys,
        .levels_offset = place->base + at->levels + (is_value ? KV_CODEBOOK_WORDS : 0u),
    };
    p.source.offset += at->head_first * p.source.head_stride;
    kvant_op_buffers buffers = {is_value ? event->v : event->k, place->store, workspace};
    return kvant_op_quantize(place->cache->context, &buffers, &p);
}

/* Whether each class has a place for its tokens, as the plan sees to: before anything is written. */
static kvant_status check_room(const kvant_place *place, const kvant_tier tiers[KVANT_TIERS],
                               const int32_t indices[KVANT_TIERS])
{
    const kvant_layout *layout = place->layout;
    for (int i = 0; i < KVANT_TIERS; i++) {
        bool is_stored = tiers[i].tokens != 0 && tiers[i].k != KVANT_CODEC_DROP;
        for (uint32_t run = 0; is_stored && run < layout->full_runs; run++) {
            uint32_t index = (uint32_t)indices[i] + run;
            uint64_t end = indices[i] < 0 ? 0u : place->stream->used[index];
            end += kvant_quad(tiers[i].tokens);
            if (indices[i] < 0 || end > layout->segments[index].at.capacity) {
                return kvant_fail(KVANT_ERROR_INTERNAL,
                                  "the plan has no room for %u tokens of class %d", tiers[i].tokens,
                                  (int)tiers[i].token_class);
            }
        }
    }
    return KVANT_OK;
}

kvant_status kvant_compress_event(const kvant_place *place, const kvant_event *event,
                                  kvant_buffer *workspace, uint32_t workspace_base,
                                  const kvant_workspace *layout_of)
{
    const kvant_layout *layout = place->layout;
    kvant_stream *stream = place->stream;
    kvant_tier tiers[KVANT_TIERS];
    int32_t indices[KVANT_TIERS];
    kvant_recipe_divide(&layout->desc.recipe, event->tokens, tiers);
    for (int i = 0; i < KVANT_TIERS; i++) {
        indices[i] = kvant_find_segment(layout, tiers[i].token_class, stream->events);
    }
    uint32_t keys = workspace_base + (uint32_t)layout_of->keys;
    kvant_status status = check_room(place, tiers, indices);

    /* 1. Channel scales */
    if (status == KVANT_OK) {
        status = scale_channels(place, event, indices, workspace, keys,
                                workspace_base + (uint32_t)layout_of->query_keys);
    }
    /* 2. Scores and classes */
    if (status == KVANT_OK && layout->two_classes) {
        status = kvant_judge_event(place, event, workspace, workspace_base, layout_of);
        if (status == KVANT_OK) {
            status = kvant_select_classes(place, event, tiers, indices, workspace,
                                          workspace_base + (uint32_t)layout_of->scores);
        }
    }
    /* 3. Codes of each class, or rows that stay f16 */
    for (int i = 0; i < KVANT_TIERS && status == KVANT_OK; i++) {
        if (tiers[i].tokens == 0 || indices[i] < 0) {
            continue;
        }
        if (!layout->two_classes) {
            status = list_all(place, event, indices[i]);
        }
        for (uint32_t n = 0; n < 2u * layout->full_runs && status == KVANT_OK; n++) {
            status = quantize_class(place, event, n % 2u != 0, (uint32_t)indices[i] + n / 2u,
                                    tiers[i].tokens, workspace, keys);
        }
    }
    if (status != KVANT_OK) {
        return status;
    }
    for (int i = 0; i < KVANT_TIERS; i++) {
        uint32_t runs = tiers[i].tokens != 0 && indices[i] >= 0 ? layout->full_runs : 0u;
        if (runs != 0 && layout->reevaluates) { /* there is one run then */
            status = kvant_locate_class(place, i, indices[i], stream->used[indices[i]],
                                        kvant_quad(tiers[i].tokens), true);
            stream->class_tokens[i] += tiers[i].tokens;
            if (status != KVANT_OK) {
                return status;
            }
        }
        for (uint32_t run = 0; run < runs; run++) {
            stream->used[(uint32_t)indices[i] + run] += kvant_quad(tiers[i].tokens);
        }
    }
    stream->events++;
    return status;
}

/* ---- the window as a source ---- */

static kv_view window_view(const kvant_place *place, bool is_value)
{
    const kvant_layout *layout = place->layout;
    const kvant_segment *window = &layout->segments[layout->window_segment].at;
    uint32_t dim = is_value ? layout->v_head_dim : layout->desc.k_dim;
    return (kv_view){
        .offset = (place->base + (is_value ? window->v_codes : window->k_codes)) * 2u,
        .token_stride = dim,
        .head_stride = window->capacity * dim,
        .channel_stride = 1u,
        .dtype = KV_DTYPE_F16,
        .first = place->stream->window_start,
        .wrap = window->capacity,
    };
}

kvant_status kvant_use_probes(const kvant_place *place, kvant_event *event, uint32_t first,
                              const kvant_workspace *w)
{
    const kvant_layout *layout = place->layout;
    uint32_t dim = layout->desc.k_dim;
    event->queries = place->store;
    event->query_base = KV_NO_OFFSET;
    event->probes = place->stream->probe_count - first;
    event->query_view = (kv_view){
        .offset = (place->base + layout->probe_rows) * 2u,
        .token_stride = dim,
        .head_stride = layout->probe_capacity * dim,
        .channel_stride = 1u,
        .dtype = KV_DTYPE_F16,
        .first = first,
        .wrap = KV_NO_OFFSET,
    };
    return kvant_buffer_copy(
        place->store, ((uint64_t)place->base + layout->probe_positions + first) * 4u,
        place->cache->scratch, (layout->partials + w->probes) * 4u, (uint64_t)event->probes * 4u);
}

kvant_status kvant_compress_window(const kvant_place *place)
{
    kvant_cache *cache = place->cache;
    const kvant_layout *layout = place->layout;
    const kvant_segment *window = &layout->segments[layout->window_segment].at;
    kvant_stream *stream = place->stream;
    uint32_t period = layout->desc.recipe.period;
    if (stream->events == 0) {
        stream->events = 1; /* event 0 is the prompt's, and there was none */
    }

    kvant_event event = {
        .k = place->store,
        .v = place->store,
        .k_view = window_view(place, false),
        .v_view = window_view(place, true),
        .judged_k = place->store,
        .judged_k_view = window_view(place, false),
        .tokens = period,
        .first_position = stream->length - stream->window_count,
    };
    kvant_workspace w = kvant_workspace_of(layout, period, layout->probe_capacity);
    bool keeps_probes = layout->reevaluates && !kvant_reevaluation_is_due(place);
    kvant_status status = kvant_reevaluate(place);
    if (status == KVANT_OK && layout->needs_attention) {
        status = kvant_use_probes(place, &event, stream->probe_first, &w);
    }
    if (status == KVANT_OK) {
        status = kvant_compress_event(place, &event, cache->scratch, layout->partials, &w);
    }
    if (status != KVANT_OK) {
        return status;
    }

    /* what left the window is no longer there */
    kv_positions_params p = {
        .offset = place->base + window->positions,
        .capacity = window->capacity,
        .slot = stream->window_start,
        .count = period,
    };
    stream->window_start = (stream->window_start + period) % window->capacity;
    stream->window_count -= period;
    stream->probe_first = keeps_probes ? stream->probe_count : 0u;
    stream->probe_count = stream->probe_first;
    return kvant_launch_kernel(cache->context, KVANT_KERNEL_positions, &p, &place->store, 1);
}

/* ---- probe queries of a decode period ---- */

/* Whether step `step` of a period is a probe: a random one of its stratum, or one of the last. The
 * rule is that of the kernel probe_rows. */
static bool is_probe(const kvant_layout *layout, uint32_t layer, uint32_t event, uint32_t step)
{
    const kvant_recipe *recipe = &layout->desc.recipe;
    uint32_t random;
    uint32_t recent;
    kvant_probe_counts(recipe, recipe->period, &random, &recent);
    uint32_t older = recipe->period - recent;
    if (step >= older) {
        return true;
    }
    for (uint32_t i = 0; i < random; i++) {
        uint32_t shorter = older / random;
        uint32_t longer = older % random;
        uint32_t first = i * shorter + kv_min_u32(i, longer);
        uint32_t length = shorter + (i < longer ? 1u : 0u);
        uint32_t draw =
            kv_philox((uint32_t)recipe->seed, (uint32_t)(recipe->seed >> 32), layer, event, i, 0u);
        if (step == first + kv_mul_high(draw, length)) {
            return true;
        }
    }
    return false;
}

static kvant_status gather_probe(const kvant_place *place, const kvant_tensor *queries,
                                 uint32_t sequence, uint32_t row, uint32_t position)
{
    const kvant_layout *layout = place->layout;
    kvant_stream *stream = place->stream;
    kvant_tensor query = *queries;
    query.offset += sequence * query.sequence_stride + row * query.token_stride;
    kvant_status status = KVANT_OK;
    if (layout->rotates_k) {
        kvant_tensor rotated = kvant_rotated_rows(place, 1u, layout->desc.k_dim);
        status = kvant_rotate_queries(place, &query, 1u, 1u, &rotated);
        query = rotated;
    }
    kv_append_params p = {
        .k = kvant_view_of(&query, 0, 0),
        .tokens = 1u,
        .heads = layout->desc.q_heads,
        .k_dim = layout->desc.k_dim,
        .k_offset = place->base + layout->probe_rows,
        .positions_offset = place->base + layout->probe_positions,
        .capacity = layout->probe_capacity,
        .slot = stream->probe_count,
        .first_position = position,
        .status_offset = KVANT_STATUS_UNCOUNTED,
    };
    kvant_buffer *buffers[4] = {query.buffer, NULL, place->store, place->cache->scratch};
    if (status == KVANT_OK) {
        status = kvant_launch_kernel(place->cache->context, KVANT_KERNEL_append, &p, buffers, 4);
    }
    if (status == KVANT_OK) {
        stream->probe_count++;
    }
    return status;
}

kvant_status kvant_gather_probes(const kvant_place *place, const kvant_tensor *queries,
                                 uint32_t sequence, uint32_t count)
{
    const kvant_layout *layout = place->layout;
    kvant_stream *stream = place->stream;
    uint32_t oldest = stream->length - stream->window_count;
    uint32_t event = stream->events != 0 ? stream->events : 1u;
    uint32_t gathered = stream->probe_count;
    kvant_status status = KVANT_OK;
    for (uint32_t row = 0; status == KVANT_OK && row < count; row++) {
        uint32_t position = stream->length - count + row;
        uint32_t begin =
            oldest + layout->desc.recipe.window; /* of the steps before the next event */
        if (position < begin || position < stream->probed_length) {
            continue;
        }
        uint32_t step = position - begin;
        if (step < layout->desc.recipe.period && stream->probe_count < layout->probe_capacity &&
            is_probe(layout, place->layer, event, step)) {
            status = gather_probe(place, queries, sequence, row, position);
        }
    }
    if (status != KVANT_OK) {
        stream->probe_count = gathered; /* as if the call had not been made */
        return status;
    }
    stream->probed_length = stream->length;
    return KVANT_OK;
}
