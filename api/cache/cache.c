/* SPDX-License-Identifier: MIT
 *
 * The life of a cache: creation, filling, emptying, accounting.
 */
#include "cache_internal.h"

#include <string.h>

#include "layout.h"
#include "ops_internal.h"

/* ---- creation ---- */

static uint32_t sequences_in_shard(const kvant_cache *cache, uint32_t shard)
{
    uint32_t first = shard * cache->shard_sequences;
    uint32_t rest = cache->layout.desc.sequences - first;
    return rest < cache->shard_sequences ? rest : cache->shard_sequences;
}

/* Checks that the buffers can be bound, and how many sequences one of them takes. */
static kvant_status plan_shards(const kvant_context *context, const kvant_layout *layout,
                                uint32_t *out_sequences)
{
    uint64_t region = (uint64_t)layout->region_words * 4u;
    uint64_t most = context->limits.max_buffer_bytes;
    if (most > UINT64_C(2) * UINT32_MAX) {
        most = UINT64_C(2) * UINT32_MAX; /* halves are counted in 32 bits too */
    }
    if (region > most) {
        return kvant_fail(KVANT_ERROR_LIMIT,
                          "one layer of one sequence takes %llu bytes, a kernel of this device can "
                          "bind %llu",
                          (unsigned long long)region, (unsigned long long)most);
    }
    uint64_t shared = layout->scratch_bytes > layout->bytes.transient_bytes
                          ? layout->scratch_bytes
                          : layout->bytes.transient_bytes;
    if (shared > most) {
        return kvant_fail(KVANT_ERROR_LIMIT,
                          "the scratch of a prompt or of attention takes %llu bytes, a kernel of "
                          "this device can bind %llu",
                          (unsigned long long)shared, (unsigned long long)most);
    }
    uint64_t rows = (uint64_t)layout->desc.q_heads * layout->desc.max_queries;
    uint64_t prompt_rows = (uint64_t)layout->desc.q_heads * layout->desc.prefill_tokens / KV_ROWS;
    uint64_t groups = rows > layout->max_splits ? rows : layout->max_splits;
    groups = layout->two_classes && prompt_rows > groups ? prompt_rows : groups;
    if (groups > context->limits.max_groups) {
        return kvant_fail(KVANT_ERROR_LIMIT,
                          "up to %llu work-groups a launch, this device takes %u: fewer query rows "
                          "or tokens are needed",
                          (unsigned long long)groups, context->limits.max_groups);
    }
    uint64_t sequences = most / region;
    *out_sequences =
        sequences < layout->desc.sequences ? (uint32_t)sequences : layout->desc.sequences;
    return KVANT_OK;
}

kvant_status kvant_cache_supports(kvant_context *context, const kvant_cache_desc *desc)
{
    if (context == NULL || desc == NULL) {
        return kvant_fail(KVANT_ERROR_INVALID_ARGUMENT, "context or desc is NULL");
    }
    kvant_layout layout;
    kvant_status status = kvant_layout_make(&context->host, desc, &layout);
    if (status != KVANT_OK) {
        return status;
    }
    uint32_t sequences;
    status = plan_shards(context, &layout, &sequences);
    kvant_layout_free(&context->host, &layout);
    return status == KVANT_OK ? kvant_context_prepare(context) : status;
}

static kvant_status allocate_host(kvant_cache *cache)
{
    kvant_host *host = &cache->context->host;
    const kvant_layout *layout = &cache->layout;
    cache->shards = (layout->desc.sequences + cache->shard_sequences - 1u) / cache->shard_sequences;
    size_t streams = (size_t)layout->desc.layers * layout->desc.sequences;
    cache->stores =
        kvant_allocate(host, (size_t)layout->desc.layers * cache->shards * sizeof *cache->stores);
    cache->streams = kvant_allocate(host, streams * sizeof *cache->streams);
    cache->used = kvant_allocate(host, streams * layout->segment_count * sizeof *cache->used);
    cache->table = kvant_allocate(host, layout->positions_offset * sizeof *cache->table);
    if (cache->stores == NULL || cache->streams == NULL || cache->used == NULL ||
        cache->table == NULL) {
        return kvant_fail(KVANT_ERROR_OUT_OF_HOST_MEMORY, "no memory for the cache's bookkeeping");
    }
    for (size_t i = 0; i < streams; i++) {
        cache->streams[i].used = &cache->used[i * layout->segment_count];
    }
    return KVANT_OK;
}

/* An empty region: zeros, the segment table, no token anywhere. */
static kvant_status clear_region(const kvant_place *place)
{
    kvant_cache *cache = place->cache;
    const kvant_layout *layout = &cache->layout;
    uint64_t base = (uint64_t)place->base * 4u;
    memset(cache->table, 0, layout->positions_offset * sizeof *cache->table);
    for (uint32_t i = 0; i < layout->segment_count; i++) {
        kvant_write_segment(&layout->segments[i].at,
                            &cache->table[layout->segments_offset + i * KV_SEGMENT_WORDS]);
    }

    kvant_status status =
        kvant_buffer_fill(place->store, base, 0u, (uint64_t)layout->region_words * 4u);
    if (status == KVANT_OK) {
        status = kvant_buffer_write(place->store, base, cache->table,
                                    (uint64_t)layout->positions_offset * 4u);
    }
    if (status == KVANT_OK) {
        status = kvant_buffer_fill(place->store, base + (uint64_t)layout->positions_offset * 4u,
                                   KV_POSITION_INVALID, (uint64_t)layout->positions_words * 4u);
    }
    if (status == KVANT_OK) {
        uint32_t *used = place->stream->used;
        memset(used, 0, layout->segment_count * sizeof *used);
        *place->stream = (kvant_stream){.used = used};
    }
    return status;
}

static kvant_status allocate_device(kvant_cache *cache)
{
    const kvant_layout *layout = &cache->layout;
    uint64_t region = (uint64_t)layout->region_words * 4u;
    kvant_status status =
        kvant_buffer_create(cache->context, layout->scratch_bytes, &cache->scratch);
    for (uint32_t i = 0; status == KVANT_OK && i < layout->desc.layers * cache->shards; i++) {
        status = kvant_buffer_create(cache->context,
                                     region * sequences_in_shard(cache, i % cache->shards),
                                     &cache->stores[i]);
    }
    for (uint32_t i = 0; status == KVANT_OK && i < layout->desc.sequences; i++) {
        status = kvant_cache_reset(cache, i);
    }
    return status;
}

kvant_status kvant_cache_create(kvant_context *context, const kvant_cache_desc *desc,
                                kvant_cache **out_cache)
{
    if (out_cache == NULL) {
        return kvant_fail(KVANT_ERROR_INVALID_ARGUMENT, "out_cache is NULL");
    }
    *out_cache = NULL;
    if (context == NULL || desc == NULL) {
        return kvant_fail(KVANT_ERROR_INVALID_ARGUMENT, "context or desc is NULL");
    }
    kvant_status status = kvant_require_alive(context);
    if (status != KVANT_OK) {
        return status;
    }
    kvant_cache *cache = kvant_allocate(&context->host, sizeof *cache);
    if (cache == NULL) {
        return kvant_fail(KVANT_ERROR_OUT_OF_HOST_MEMORY, "no memory for a cache");
    }
    cache->context = context;
    status = kvant_layout_make(&context->host, desc, &cache->layout);
    if (status == KVANT_OK) {
        status = plan_shards(context, &cache->layout, &cache->shard_sequences);
    }
    if (status == KVANT_OK) {
        status = allocate_host(cache);
    }
    if (status == KVANT_OK) {
        status = allocate_device(cache);
    }
    if (status != KVANT_OK) {
        kvant_cache_destroy(cache);
        return status;
    }
    *out_cache = cache;
    return KVANT_OK;
}

void kvant_cache_destroy(kvant_cache *cache)
{
    if (cache == NULL) {
        return;
    }
    kvant_host *host = &cache->context->host;
    if (cache->stores != NULL) {
        for (uint32_t i = 0; i < cache->layout.desc.layers * cache->shards; i++) {
            kvant_buffer_destroy(cache->stores[i]);
        }
    }
    kvant_buffer_destroy(cache->scratch);
    kvant_release(host, cache->stores);
    kvant_release(host, cache->streams);
    kvant_release(host, cache->used);
    kvant_release(host, cache->table);
    kvant_layout_free(host, &cache->layout);
    kvant_release(host, cache);
}

/* ---- places ---- */

kvant_status kvant_place_of(kvant_cache *cache, uint32_t layer, uint32_t sequence,
                            kvant_place *out_place)
{
    if (cache == NULL) {
        return kvant_fail(KVANT_ERROR_INVALID_ARGUMENT, "cache is NULL");
    }
    const kvant_cache_desc *desc = &cache->layout.desc;
    if (layer >= desc->layers || sequence >= desc->sequences) {
        return kvant_fail(KVANT_ERROR_INVALID_ARGUMENT,
                          "layer %u, sequence %u: the cache has %u layers and %u sequences", layer,
                          sequence, desc->layers, desc->sequences);
    }
    *out_place = (kvant_place){
        .cache = cache,
        .stream = &cache->streams[(size_t)layer * desc->sequences + sequence],
        .store = cache->stores[layer * cache->shards + sequence / cache->shard_sequences],
        .layer = layer,
        .base = sequence % cache->shard_sequences * cache->layout.region_words,
    };
    return kvant_require_alive(cache->context);
}

kvant_status kvant_usable_place_of(kvant_cache *cache, uint32_t layer, uint32_t sequence,
                                   kvant_place *out_place)
{
    kvant_status status = kvant_place_of(cache, layer, sequence, out_place);
    if (status == KVANT_OK && out_place->stream->broken) {
        status = kvant_fail(KVANT_ERROR_INVALID_STATE,
                            "an earlier call failed halfway in layer %u of sequence %u; reset it",
                            layer, sequence);
    }
    return status;
}

kvant_status kvant_cache_reset(kvant_cache *cache, uint32_t sequence)
{
    kvant_place place;
    kvant_status status = kvant_place_of(cache, 0, sequence, &place);
    for (uint32_t layer = 0; status == KVANT_OK && layer < cache->layout.desc.layers; layer++) {
        status = kvant_place_of(cache, layer, sequence, &place);
        if (status == KVANT_OK) {
            status = clear_region(&place);
        }
    }
    return status;
}

uint32_t kvant_cache_length(const kvant_cache *cache, uint32_t layer, uint32_t sequence)
{
    if (cache == NULL || layer >= cache->layout.desc.layers ||
        sequence >= cache->layout.desc.sequences) {
        return 0;
    }
    return cache->streams[(size_t)layer * cache->layout.desc.sequences + sequence].length;
}

kvant_status kvant_update_table(const kvant_place *place)
{
    const kvant_layout *layout = &place->cache->layout;
    uint32_t *table = place->cache->table;
    uint32_t splits = 0;
    memset(table, 0, KV_HEADER_WORDS * sizeof *table);
    for (uint32_t i = 0; i < layout->segment_count; i++) {
        for (uint32_t first = 0; first < place->stream->used[i]; first += KV_SPLIT_TOKENS) {
            uint32_t *entry = &table[layout->splits_offset + splits * KV_SPLIT_WORDS];
            entry[KV_SPLIT_SEGMENT] = i;
            entry[KV_SPLIT_FIRST_TOKEN] = first;
            splits++;
        }
    }
    if (splits == place->stream->splits) {
        return KVANT_OK; /* entries only ever get added */
    }
    table[KV_HEADER_SPLITS] = splits;
    kvant_status status =
        kvant_buffer_write(place->store, (uint64_t)place->base * 4u, table,
                           ((uint64_t)layout->splits_offset + splits * KV_SPLIT_WORDS) * 4u);
    if (status == KVANT_OK) {
        place->stream->splits = splits;
    }
    return status;
}

/* ---- filling ---- */

/* K and V of a call, checked. */
typedef struct {
    kvant_tensor k;
    kvant_tensor v;
} kvant_pair;

static kvant_status check_pair(const kvant_cache *cache, uint32_t tokens, const kvant_tensor *k,
                               const kvant_tensor *v, kvant_pair *out)
{
    const kvant_cache_desc *desc = &cache->layout.desc;
    if (tokens == 0) {
        return kvant_fail(KVANT_ERROR_INVALID_ARGUMENT, "tokens is 0");
    }
    kvant_shape shape = {1, tokens, desc->kv_heads, desc->k_dim};
    kvant_status status = kvant_check_tensor(cache->context, "k", k, shape, 0, &out->k);
    if (status == KVANT_OK) {
        shape.dim = desc->v_dim;
        status = kvant_check_tensor(cache->context, "v", v, shape, 0, &out->v);
    }
    return status;
}

/* Strict mode: looks before anything changes. */
static kvant_status check_finite(kvant_cache *cache, uint32_t tokens, const kvant_pair *pair)
{
    const kvant_cache_desc *desc = &cache->layout.desc;
    if (desc->non_finite != KVANT_NON_FINITE_STRICT) {
        return KVANT_OK;
    }
    const kvant_tensor *tensors[2] = {&pair->k, &pair->v};
    kv_finite_params params[2];
    for (int i = 0; i < 2; i++) {
        params[i] = (kv_finite_params){
            .source = kvant_view_of(tensors[i], 0, 0),
            .tokens = tokens,
            .heads = desc->kv_heads,
            .dim = i == 0 ? desc->k_dim : desc->v_dim,
            .status_offset = KVANT_STATUS_STRICT,
        };
    }
    uint32_t bad = 0;
    kvant_status status =
        kvant_op_count_non_finite(cache->context, tensors, params, 2, cache->scratch, &bad);
    if (status == KVANT_OK && bad != 0) {
        status =
            kvant_fail(KVANT_ERROR_NOT_FINITE,
                       "K and V hold %u elements that are NaN, infinite or beyond +-65504", bad);
    }
    return status;
}

/* Sanitise mode: counts what compression will clamp in rows first .. first + tokens - 1 of a prompt. */
static kvant_status count_clamped(const kvant_place *place, const kvant_pair *pair, uint32_t first,
                                  uint32_t tokens)
{
    kvant_cache *cache = place->cache;
    const kvant_cache_desc *desc = &cache->layout.desc;
    const kvant_tensor *tensors[2] = {&pair->k, &pair->v};
    kvant_status status = KVANT_OK;
    for (int i = 0; i < 2 && status == KVANT_OK; i++) {
        kv_finite_params p = {
            .source = kvant_view_of(tensors[i], 0, first),
            .tokens = tokens,
            .heads = desc->kv_heads,
            .dim = i == 0 ? desc->k_dim : desc->v_dim,
            .status_offset = KVANT_STATUS_SANITISED,
        };
        kvant_buffer *buffers[2] = {tensors[i]->buffer, cache->scratch};
        status = kvant_launch_kernel(cache->context, KVANT_KERNEL_finite, &p, buffers, 2);
    }
    return status;
}

/* Rows of the pair into an f16 segment, from slot `slot` on. */
static kvant_status append_rows(const kvant_place *place, int32_t segment, const kvant_pair *pair,
                                uint32_t row, uint32_t tokens, uint32_t slot)
{
    const kvant_layout *layout = &place->cache->layout;
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
    kvant_status status =
        kvant_launch_kernel(place->cache->context, KVANT_KERNEL_append, &p, buffers, 4);
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
    const kvant_layout *layout = &place->cache->layout;
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
    uint32_t room = cache->layout.desc.decode_tokens - place.stream->appended;
    if (tokens > room) {
        return kvant_fail(KVANT_ERROR_CAPACITY,
                          "%u tokens to append, the sequence has room for %u more (decode_tokens "
                          "is %u)",
                          tokens, room, cache->layout.desc.decode_tokens);
    }
    status = check_finite(cache, tokens, &pair);
    if (status != KVANT_OK) {
        return status;
    }
    status = append_all(&place, &pair, 0, tokens);
    if (status == KVANT_OK) {
        status = kvant_update_table(&place);
    }
    place.stream->appended += tokens;
    place.stream->broken = status != KVANT_OK;
    return status;
}

/* ---- prompts ---- */

static kvant_status fill_probe_rows(const kvant_place *place, kvant_event *event, uint32_t rows,
                                    kvant_buffer *workspace, const kvant_workspace *w)
{
    const kvant_recipe *recipe = &place->cache->layout.desc.recipe;
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

/* Compresses `tokens` rows of the prompt from row `first` on, with a workspace that lives as long. */
static kvant_status compress_prompt(const kvant_place *place, const kvant_pair *pair,
                                    const kvant_tensor *q, uint32_t first, uint32_t tokens,
                                    uint32_t prompt)
{
    kvant_cache *cache = place->cache;
    kvant_event event = {
        .k = pair->k.buffer,
        .v = pair->v.buffer,
        .k_view = kvant_view_of(&pair->k, 0, first),
        .v_view = kvant_view_of(&pair->v, 0, first),
        .tokens = tokens,
        .first_position = first,
    };
    if (cache->layout.two_classes) {
        uint32_t random;
        uint32_t recent;
        kvant_probe_counts(&cache->layout.desc.recipe, prompt - first, &random, &recent);
        event.probes = random + recent;
        event.queries = q->buffer;
        event.query_view = kvant_view_of(q, 0, 0);
        event.query_base = 0;
    }
    kvant_workspace w = kvant_workspace_of(&cache->layout, tokens, event.probes);
    kvant_buffer *workspace = NULL;
    kvant_status status = w.words > UINT32_MAX / 4u
                              ? kvant_fail(KVANT_ERROR_LIMIT, "the prompt's workspace is too large")
                              : kvant_buffer_create(cache->context, w.words * 4u, &workspace);
    if (status == KVANT_OK && cache->layout.desc.non_finite == KVANT_NON_FINITE_SANITISE) {
        status = count_clamped(place, pair, first, tokens);
    }
    if (status == KVANT_OK && cache->layout.two_classes) {
        status = fill_probe_rows(place, &event, prompt - first, workspace, &w);
    }
    if (status == KVANT_OK) {
        status = kvant_compress_event(place, &event, workspace, 0, &w);
    }
    kvant_buffer_destroy(workspace);
    return status;
}

kvant_status kvant_cache_prefill(kvant_cache *cache, uint32_t layer, uint32_t sequence,
                                 uint32_t tokens, const kvant_tensor *k, const kvant_tensor *v,
                                 const kvant_tensor *q)
{
    kvant_place place;
    kvant_pair pair;
    kvant_tensor queries = {0};
    kvant_status status = kvant_usable_place_of(cache, layer, sequence, &place);
    if (status == KVANT_OK) {
        status = check_pair(cache, tokens, k, v, &pair);
    }
    if (status != KVANT_OK) {
        return status;
    }
    const kvant_cache_desc *desc = &cache->layout.desc;
    if (place.stream->length != 0) {
        return kvant_fail(KVANT_ERROR_INVALID_STATE,
                          "layer %u of sequence %u holds %u tokens already; reset it first", layer,
                          sequence, place.stream->length);
    }
    if (tokens > desc->prefill_tokens) {
        return kvant_fail(KVANT_ERROR_CAPACITY, "a prompt of %u tokens, prefill_tokens is %u",
                          tokens, desc->prefill_tokens);
    }
    uint32_t compressed = kvant_prefill_compressed(&cache->layout, tokens);
    if (cache->layout.two_classes && compressed != 0) {
        kvant_shape shape = {1, tokens, desc->q_heads, desc->k_dim};
        status = kvant_check_tensor(cache->context, "q", q, shape, 0, &queries);
    }
    if (status == KVANT_OK) {
        status = check_finite(cache, tokens, &pair);
    }
    if (status != KVANT_OK) {
        return status;
    }

    uint32_t sinks = tokens < desc->recipe.sinks ? tokens : desc->recipe.sinks;
    if (cache->layout.is_f16) {
        sinks = 0;
    }
    status = append_all(&place, &pair, 0, sinks);
    if (status == KVANT_OK && compressed != 0) {
        status = compress_prompt(&place, &pair, &queries, sinks, compressed, tokens);
        if (status == KVANT_OK) {
            place.stream->length += compressed;
        }
    }
    if (status == KVANT_OK) {
        status = append_all(&place, &pair, sinks + compressed, tokens);
    }
    if (status != KVANT_OK) {
        /* a refused prompt leaves nothing behind, as far as the device still answers */
        place.stream->broken = clear_region(&place) != KVANT_OK;
        return status;
    }
    return kvant_update_table(&place);
}

kvant_status kvant_cache_compress(kvant_cache *cache, uint32_t layer, uint32_t sequence)
{
    kvant_place place;
    kvant_status status = kvant_usable_place_of(cache, layer, sequence, &place);
    if (status != KVANT_OK) {
        return status;
    }
    const kvant_recipe *recipe = &cache->layout.desc.recipe;
    while (status == KVANT_OK && !cache->layout.is_f16 &&
           place.stream->window_count >= recipe->window + recipe->period) {
        status = kvant_compress_window(&place);
    }
    if (status == KVANT_OK) {
        status = kvant_update_table(&place);
    }
    place.stream->broken = status != KVANT_OK;
    return status;
}

/* ---- accounting ---- */

kvant_status kvant_cache_usage(const kvant_cache *cache, kvant_cache_bytes *out_bytes)
{
    if (cache == NULL || out_bytes == NULL || out_bytes->struct_size != sizeof *out_bytes) {
        return kvant_fail(KVANT_ERROR_INVALID_ARGUMENT,
                          "a cache and a kvant_cache_bytes with its struct_size are needed");
    }
    *out_bytes = cache->layout.bytes;
    /* the total is what the buffers really have */
    out_bytes->bytes = kvant_buffer_size(cache->scratch);
    for (uint32_t i = 0; i < cache->layout.desc.layers * cache->shards; i++) {
        out_bytes->bytes += kvant_buffer_size(cache->stores[i]);
    }
    return KVANT_OK;
}

kvant_status kvant_cache_sanitised(kvant_cache *cache, uint64_t *out_count)
{
    if (cache == NULL || out_count == NULL) {
        return kvant_fail(KVANT_ERROR_INVALID_ARGUMENT, "cache or out_count is NULL");
    }
    uint32_t count = 0;
    kvant_status status =
        kvant_buffer_read(cache->scratch, KVANT_STATUS_SANITISED * 4u, &count, sizeof count);
    *out_count = count;
    return status;
}

static uint64_t hash_words(uint64_t hash, const uint32_t *words, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        for (uint32_t shift = 0; shift < 32; shift += 8) {
            hash = (hash ^ ((words[i] >> shift) & 255u)) * UINT64_C(1099511628211);
        }
    }
    return hash;
}

kvant_status kvant_cache_digest(kvant_cache *cache, uint64_t *out_digest)
{
    enum { PIECE = 16384 };
    if (cache == NULL || out_digest == NULL) {
        return kvant_fail(KVANT_ERROR_INVALID_ARGUMENT, "cache or out_digest is NULL");
    }
    uint32_t *words = kvant_allocate(&cache->context->host, PIECE * sizeof *words);
    if (words == NULL) {
        return kvant_fail(KVANT_ERROR_OUT_OF_HOST_MEMORY, "no memory to read the cache back");
    }
    const kvant_layout *layout = &cache->layout;
    uint64_t hash = UINT64_C(14695981039346656037);
    kvant_status status = KVANT_OK;
    for (uint32_t i = 0; status == KVANT_OK && i < layout->desc.layers * layout->desc.sequences;
         i++) {
        kvant_place place;
        status =
            kvant_place_of(cache, i / layout->desc.sequences, i % layout->desc.sequences, &place);
        for (uint32_t at = 0; status == KVANT_OK && at < layout->region_words; at += PIECE) {
            uint32_t count =
                layout->region_words - at < PIECE ? layout->region_words - at : (uint32_t)PIECE;
            status = kvant_buffer_read(place.store, ((uint64_t)place.base + at) * 4u, words,
                                       (uint64_t)count * 4u);
            hash = hash_words(hash, words, count);
        }
    }
    kvant_release(&cache->context->host, words);
    *out_digest = status == KVANT_OK ? hash : 0;
    return status;
}
