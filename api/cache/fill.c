/* SPDX-License-Identifier: MIT
 *
 * Tokens into a cache: prompts, which are compressed at once, and decode steps, which go to the f16
 * window first.
 */
#include "cache_internal.h"

static kvant_status check_pair(const kvant_cache *cache, uint32_t tokens, const kvant_tensor *k,
                               const kvant_tensor *v, kvant_pair *out)
{
    const kvant_cache_desc *desc = &cache->layout->desc;
    if (tokens == 0) {
        return kvant_fail(KVANT_ERROR_INVALID_ARGUMENT, "tokens is 0");
    }
    kvant_shape shape = {1, tokens, desc->kv_heads, desc->k_dim};
    kvant_status status = kvant_check_tensor(cache->context, "k", k, shape, 0, &out->k);
    if (status == KVANT_OK) {
        shape.dim = desc->v_dim;
        status = kvant_check_tensor(cache->context, "v", v, shape, 0, &out->v);
    }
    if (status == KVANT_OK &&
        cache->layout->is_latent) { /* its parts are heads that follow each other */
        out->v.head_stride = cache->layout->v_head_dim * out->v.channel_stride;
    }
    return status;
}

/* Adds to a status word what no finite half can hold in rows first .. first + tokens - 1 of the tensors
 * that are not rotated: a rotation counts for itself. */
static kvant_status count_non_finite(const kvant_place *place, const kvant_pair *pair,
                                     uint32_t first, uint32_t tokens, uint32_t status_word)
{
    const kvant_layout *layout = place->layout;
    kvant_cache *cache = place->cache;
    const kvant_tensor *tensors[2] = {&pair->k, &pair->v};
    const bool is_rotated[2] = {layout->rotates_k, layout->rotates_v};
    kvant_status status = KVANT_OK;
    for (int i = 0; i < 2 && status == KVANT_OK; i++) {
        kv_finite_params p = {
            .source = kvant_view_of(tensors[i], 0, first),
            .tokens = tokens,
            .heads = i == 0 ? layout->desc.kv_heads : layout->v_heads,
            .dim = i == 0 ? layout->desc.k_dim : layout->v_head_dim,
            .status_offset = status_word,
        };
        kvant_buffer *buffers[2] = {tensors[i]->buffer, cache->scratch};
        if (!is_rotated[i]) {
            status = kvant_launch_kernel(cache->context, KVANT_KERNEL_finite, &p, buffers, 2);
        }
    }
    return status;
}

static bool is_strict(const kvant_layout *layout)
{
    return layout->desc.non_finite == KVANT_NON_FINITE_STRICT;
}

static bool rotates(const kvant_layout *layout)
{
    return layout->rotates_k || layout->rotates_v;
}

/* Strict mode: looks before anything changes. Rotated rows, `piece` at a time, are left from word `at` of
 * `rotated` on. */
static kvant_status check_finite(const kvant_place *place, const kvant_pair *pair, uint32_t tokens,
                                 kvant_buffer *rotated, uint32_t at, uint32_t piece)
{
    kvant_buffer *scratch = place->cache->scratch;
    if (!is_strict(place->layout)) {
        return KVANT_OK;
    }
    uint32_t bad = 0;
    kvant_status status = kvant_buffer_fill(scratch, KVANT_STATUS_STRICT * 4u, 0u, 4u);
    if (status == KVANT_OK) {
        status = count_non_finite(place, pair, 0, tokens, KVANT_STATUS_STRICT);
    }
    for (uint32_t row = 0; status == KVANT_OK && rotates(place->layout) && row < tokens;
         row += piece) {
        uint32_t rows = tokens - row < piece ? tokens - row : piece;
        kvant_pair stored = kvant_stored_pair(place->layout, pair, row, rows, rotated, at);
        status = kvant_rotate_pair(place, pair, row, rows, &stored, KVANT_STATUS_STRICT);
    }
    if (status == KVANT_OK) {
        status = kvant_buffer_read(scratch, KVANT_STATUS_STRICT * 4u, &bad, sizeof bad);
    }
    if (status == KVANT_OK && bad != 0) {
        status = kvant_fail(KVANT_ERROR_NOT_FINITE,
                            "K and V hold %u elements that are NaN, infinite or beyond +-65504%s",
                            bad, rotates(place->layout) ? ", before or after their rotation" : "");
    }
    return status;
}

/* The parts of latents, as heads of a tensor that is alone in its launch. */
static kvant_status append_parts(const kvant_place *place, const kvant_segment *at,
                                 const kv_append_params *of_pair, const kvant_pair *pair)
{
    kv_append_params p = *of_pair;
    p.k = of_pair->v;
    p.heads = place->layout->v_heads;
    p.k_dim = place->layout->v_head_dim;
    p.v_dim = 0;
    p.k_offset = place->base + at->v_codes;
    kvant_buffer *buffers[4] = {pair->v.buffer, NULL, place->store, place->cache->scratch};
    return kvant_launch_kernel(place->cache->context, KVANT_KERNEL_append, &p, buffers, 4);
}

/* Rows of the pair into an f16 segment, from slot `slot` on. */
static kvant_status append_rows(const kvant_place *place, int32_t segment, const kvant_pair *pair,
                                uint32_t row, uint32_t tokens, uint32_t slot)
{
    const kvant_layout *layout = place->layout;
    const kvant_segment *at = &layout->segments[segment].at;
    kv_append_params p = {
        .k = kvant_view_of(&pair->k, 0, row),
        .v = kvant_view_of(&pair->v, 0, row),
        .tokens = tokens,
        .heads = layout->desc.kv_heads,
        .k_dim = layout->desc.k_dim,
        .v_dim = layout->desc.v_dim,
        .k_offset = place->base + at->k_codes,
        .v_offset = place->base + at->v_codes,
        .positions_offset = place->base + at->positions,
        .capacity = at->capacity,
        .slot = slot,
        .first_position = place->stream->length,
        .status_offset = KVANT_STATUS_SANITISED,
    };
    kvant_buffer *buffers[4] = {pair->k.buffer, pair->v.buffer, place->store,
                                place->cache->scratch};
    kvant_status status = KVANT_OK;
    if (layout->v_heads != layout->desc.kv_heads) {
        status = append_parts(place, at, &p, pair);
        p.v_dim = 0; /* rotary keys alone */
    }
    if (status == KVANT_OK) {
        status = kvant_launch_kernel(place->cache->context, KVANT_KERNEL_append, &p, buffers, 4);
    }
    if (status != KVANT_OK) {
        return status;
    }
    uint32_t end = slot + tokens;
    uint32_t *used = &place->stream->used[segment];
    if (end > at->capacity) {
        end = at->capacity;
    }
    *used = end > *used ? end : *used;
    place->stream->length += tokens;
    return KVANT_OK;
}

/* As many rows as the next f16 place takes; *taken says how many. */
static kvant_status append_some(const kvant_place *place, const kvant_pair *pair, uint32_t row,
                                uint32_t tokens, uint32_t *taken)
{
    const kvant_layout *layout = place->layout;
    kvant_stream *stream = place->stream;
    uint32_t sinks = layout->sink_segment >= 0 ? layout->segments[layout->sink_segment].tokens : 0u;
    if (stream->sinks < sinks) {
        *taken = tokens < sinks - stream->sinks ? tokens : sinks - stream->sinks;
        kvant_status status =
            append_rows(place, layout->sink_segment, pair, row, *taken, stream->sinks);
        if (status == KVANT_OK) {
            stream->sinks += *taken;
        }
        return status;
    }
    if (stream->window_count == layout->window_limit) {
        kvant_status status = kvant_compress_window(place);
        if (status != KVANT_OK) {
            return status;
        }
    }
    uint32_t room = layout->window_limit - stream->window_count;
    *taken = tokens < room ? tokens : room;
    uint32_t capacity = layout->segments[layout->window_segment].at.capacity;
    uint32_t slot = (stream->window_start + stream->window_count) % capacity;
    kvant_status status = append_rows(place, layout->window_segment, pair, row, *taken, slot);
    if (status == KVANT_OK) {
        stream->window_count += *taken;
    }
    return status;
}

static kvant_status append_all(const kvant_place *place, const kvant_pair *pair, uint32_t row,
                               uint32_t end)
{
    kvant_status status = KVANT_OK;
    while (status == KVANT_OK && row < end) {
        uint32_t taken = 0;
        status = append_some(place, pair, row, end - row, &taken);
        row += taken;
    }
    return status;
}

/* All rows of a call, rotated in pieces where the recipe says so. */
static kvant_status append_pair(const kvant_place *place, const kvant_pair *pair, uint32_t tokens)
{
    const kvant_layout *layout = place->layout;
    if (!rotates(layout)) {
        return append_all(place, pair, 0, tokens);
    }
    uint32_t piece = layout->rotated_tokens;
    bool is_there = is_strict(layout) && tokens <= piece; /* the check has left it */
    kvant_status status = KVANT_OK;
    for (uint32_t row = 0; status == KVANT_OK && row < tokens; row += piece) {
        uint32_t rows = tokens - row < piece ? tokens - row : piece;
        kvant_pair stored =
            kvant_stored_pair(layout, pair, row, rows, place->cache->scratch, layout->rotated);
        if (!is_there) {
            status = kvant_rotate_pair(place, pair, row, rows, &stored, KVANT_STATUS_SANITISED);
        }
        if (status == KVANT_OK) {
            status = append_all(place, &stored, 0, rows);
        }
    }
    return status;
}

kvant_status kvant_cache_append(kvant_cache *cache, uint32_t layer, uint32_t sequence,
                                uint32_t tokens, const kvant_tensor *k, const kvant_tensor *v)
{
    kvant_place place;
    kvant_pair pair;
    kvant_status status = kvant_usable_place_of(cache, layer, sequence, &place);
    if (status == KVANT_OK) {
        status = check_pair(cache, tokens, k, v, &pair);
    }
    if (status != KVANT_OK) {
        return status;
    }
    uint32_t room = cache->layout->desc.decode_tokens - place.stream->appended;
    if (tokens > room) {
        return kvant_fail(KVANT_ERROR_CAPACITY,
                          "%u tokens to append, the sequence has room for %u more (decode_tokens "
                          "is %u)",
                          tokens, room, cache->layout->desc.decode_tokens);
    }
    status = check_finite(&place, &pair, tokens, cache->scratch, place.layout->rotated,
                          place.layout->rotated_tokens);
    if (status != KVANT_OK) {
        return status;
    }
    status = append_pair(&place, &pair, tokens);
    if (status == KVANT_OK) {
        status = kvant_update_table(&place);
    }
    place.stream->appended += tokens;
    place.stream->broken = status != KVANT_OK;
    return status;
}

/* ---- prompts ---- */

typedef struct {
    kvant_pair given;
    kvant_pair stored; /* rotated, where the recipe says so */
    kvant_tensor queries;
    uint32_t tokens;
} kvant_prompt;

static kvant_status fill_probe_rows(const kvant_place *place, kvant_event *event, uint32_t rows,
                                    kvant_buffer *workspace, const kvant_workspace *w)
{
    const kvant_recipe *recipe = &place->layout->desc.recipe;
    kv_probe_rows_params p = {
        .offset = (uint32_t)w->probes,
        .rows = rows,
        .base = event->first_position,
        .seed_low = (uint32_t)recipe->seed,
        .seed_high = (uint32_t)(recipe->seed >> 32),
        .layer = place->layer,
        .event = 0,
    };
    kvant_probe_counts(recipe, rows, &p.random, &p.recent);
    return kvant_launch_kernel(place->cache->context, KVANT_KERNEL_probe_rows, &p, &workspace, 1);
}

static bool wants_queries(const kvant_layout *layout)
{
    return layout->needs_attention || layout->smooths_k;
}

/* Compresses `tokens` rows of the prompt from row `first` on, with a workspace that lives as long. */
static kvant_status compress_prompt(const kvant_place *place, const kvant_prompt *prompt,
                                    uint32_t first, uint32_t tokens)
{
    const kvant_pair *pair = &prompt->stored;
    kvant_cache *cache = place->cache;
    kvant_event event = {
        .k = pair->k.buffer,
        .v = pair->v.buffer,
        .k_view = kvant_view_of(&pair->k, 0, first),
        .v_view = kvant_view_of(&pair->v, 0, first),
        .tokens = tokens,
        .first_position = first,
        .judged_k = prompt->given.k.buffer,
        .judged_k_view = kvant_view_of(&prompt->given.k, 0, first),
    };
    if (place->layout->needs_attention) {
        uint32_t random;
        uint32_t recent;
        kvant_probe_counts(&place->layout->desc.recipe, prompt->tokens - first, &random, &recent);
        event.probes = random + recent;
    }
    if (wants_queries(place->layout)) {
        event.queries = prompt->queries.buffer;
        event.query_view = kvant_view_of(&prompt->queries, 0, 0);
        event.query_base = 0;
    }
    kvant_workspace w = kvant_workspace_of(place->layout, tokens, event.probes);
    kvant_buffer *workspace = NULL;
    kvant_status status = KVANT_OK;
    if (w.words > UINT32_MAX / 2u) {
        status = kvant_fail(KVANT_ERROR_LIMIT, "the prompt's workspace is too large");
    } else if (w.words != 0) {
        status = kvant_buffer_create(cache->context, w.words * 4u, &workspace);
    }
    if (status == KVANT_OK && !is_strict(place->layout)) {
        status = count_non_finite(place, pair, first, tokens, KVANT_STATUS_SANITISED);
    }
    if (status == KVANT_OK && place->layout->needs_attention) {
        status = fill_probe_rows(place, &event, prompt->tokens - first, workspace, &w);
    }
    if (status == KVANT_OK) {
        status = kvant_compress_event(place, &event, workspace, 0, &w);
    }
    kvant_buffer_destroy(workspace);
    return status;
}

/* Checks the prompt and makes what is stored of it, which lives in *out_rotated if it is not given. */
static kvant_status rotate_prompt(const kvant_place *place, kvant_prompt *prompt,
                                  kvant_buffer **out_rotated)
{
    const kvant_layout *layout = place->layout;
    uint32_t tokens = prompt->tokens;
    kvant_status status = KVANT_OK;
    if (rotates(layout)) {
        status = kvant_buffer_create(place->cache->context,
                                     kvant_rotated_words(layout, tokens) * 4u, out_rotated);
    }
    if (status == KVANT_OK) {
        status = check_finite(place, &prompt->given, tokens, *out_rotated, 0, tokens);
    }
    prompt->stored = kvant_stored_pair(layout, &prompt->given, 0, tokens, *out_rotated, 0);
    if (status == KVANT_OK && rotates(layout) && !is_strict(layout)) {
        status = kvant_rotate_pair(place, &prompt->given, 0, tokens, &prompt->stored,
                                   KVANT_STATUS_SANITISED);
    }
    return status;
}

kvant_status kvant_cache_prefill(kvant_cache *cache, uint32_t layer, uint32_t sequence,
                                 uint32_t tokens, const kvant_tensor *k, const kvant_tensor *v,
                                 const kvant_tensor *q)
{
    kvant_place place;
    kvant_prompt prompt = {.tokens = tokens};
    kvant_buffer *rotated = NULL;
    kvant_status status = kvant_usable_place_of(cache, layer, sequence, &place);
    if (status == KVANT_OK) {
        status = check_pair(cache, tokens, k, v, &prompt.given);
    }
    if (status != KVANT_OK) {
        return status;
    }
    const kvant_cache_desc *desc = &place.layout->desc;
    if (place.stream->length != 0) {
        return kvant_fail(KVANT_ERROR_INVALID_STATE,
                          "layer %u of sequence %u holds %u tokens already; reset it first", layer,
                          sequence, place.stream->length);
    }
    if (tokens > desc->prefill_tokens) {
        return kvant_fail(KVANT_ERROR_CAPACITY, "a prompt of %u tokens, prefill_tokens is %u",
                          tokens, desc->prefill_tokens);
    }
    uint32_t compressed = kvant_prefill_compressed(place.layout, tokens);
    if (wants_queries(place.layout) && compressed != 0) {
        kvant_shape shape = {1, tokens, desc->q_heads, desc->k_dim};
        status = kvant_check_tensor(cache->context, "q", q, shape, 0, &prompt.queries);
    }
    if (status == KVANT_OK) {
        status = rotate_prompt(&place, &prompt, &rotated);
    }
    if (status != KVANT_OK) {
        kvant_buffer_destroy(rotated);
        return status;
    }

    uint32_t sinks = tokens < desc->recipe.sinks ? tokens : desc->recipe.sinks;
    if (place.layout->is_f16) {
        sinks = 0;
    }
    status = append_all(&place, &prompt.stored, 0, sinks);
    if (status == KVANT_OK && compressed != 0) {
        status = compress_prompt(&place, &prompt, sinks, compressed);
        if (status == KVANT_OK) {
            place.stream->length += compressed;
        }
    }
    if (status == KVANT_OK) {
        status = append_all(&place, &prompt.stored, sinks + compressed, tokens);
    }
    if (status == KVANT_OK) {
        status = kvant_update_table(&place);
    }
    if (status != KVANT_OK) {
        /* a failed prompt leaves nothing behind, as far as the device still answers */
        place.stream->broken = kvant_clear_region(&place) != KVANT_OK;
    }
    kvant_buffer_destroy(rotated);
    return status;
}

kvant_status kvant_cache_compress(kvant_cache *cache, uint32_t layer, uint32_t sequence)
{
    kvant_place place;
    kvant_status status = kvant_usable_place_of(cache, layer, sequence, &place);
    if (status != KVANT_OK) {
        return status;
    }
    while (status == KVANT_OK && !place.layout->is_f16 &&
           place.stream->window_count >= place.layout->window_limit) {
        status = kvant_compress_window(&place);
    }
    if (status == KVANT_OK) {
        status = kvant_update_table(&place);
    }
    place.stream->broken = status != KVANT_OK;
    return status;
}
