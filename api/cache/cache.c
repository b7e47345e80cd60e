/* SPDX-License-Identifier: MIT
 *
 * The life of a cache: creation, the places of its sequences, emptying. fill.c puts tokens in,
 * compress.c compresses them, attend.c reads them, account.c counts them.
 */
#include "cache_internal.h"

#include <string.h>

#include "layout.h"
#include "ops_internal.h"

/* ---- creation ---- */

static uint32_t sequences_in_shard(const kvant_cache *cache, uint32_t shard)
{
    uint32_t first = shard * cache->shard_sequences;
    uint32_t rest = cache->layout->desc.sequences - first;
    return rest < cache->shard_sequences ? rest : cache->shard_sequences;
}

/* The most work-groups that a launch of attention or of saliency has along one dimension. */
static uint64_t most_groups(const kvant_layout *layout)
{
    const kvant_cache_desc *desc = &layout->desc;
    uint64_t groups = (uint64_t)desc->q_heads * desc->max_queries;
    if (layout->max_splits > groups) {
        groups = layout->max_splits;
    }
    if (layout->needs_attention) {
        uint64_t probes = layout->probe_capacity; /* of a decode period */
        uint32_t random = 0;
        uint32_t recent = 0;
        if (desc->prefill_tokens != 0) {
            kvant_probe_counts(&desc->recipe, desc->prefill_tokens, &random, &recent);
        }
        if ((uint64_t)random + recent > probes) {
            probes = (uint64_t)random + recent;
        }
        uint64_t probe_groups =
            (probes * (desc->q_heads / desc->kv_heads) + KV_ROWS - 1u) / KV_ROWS;
        groups = probe_groups > groups ? probe_groups : groups;
    }
    return groups;
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
    uint64_t groups = most_groups(layout);
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

/* The same for all layers, which are divided alike. */
static kvant_status plan_all_shards(const kvant_context *context, const kvant_layout_set *set,
                                    uint32_t *out_sequences)
{
    *out_sequences = UINT32_MAX;
    kvant_status status = KVANT_OK;
    for (uint32_t i = 0; status == KVANT_OK && i < set->count; i++) {
        uint32_t sequences = 0;
        status = plan_shards(context, &set->layouts[i], &sequences);
        *out_sequences = sequences < *out_sequences ? sequences : *out_sequences;
    }
    return status;
}

kvant_status kvant_cache_supports(kvant_context *context, const kvant_cache_desc *desc)
{
    if (context == NULL || desc == NULL) {
        return kvant_fail(KVANT_ERROR_INVALID_ARGUMENT, "context or desc is NULL");
    }
    kvant_layout_set set;
    kvant_status status = kvant_layout_set_make(&context->host, desc, &set);
    if (status != KVANT_OK) {
        return status;
    }
    uint32_t sequences;
    status = plan_all_shards(context, &set, &sequences);
    kvant_layout_set_free(&context->host, &set);
    return status == KVANT_OK ? kvant_context_prepare(context) : status;
}

static kvant_status allocate_host(kvant_cache *cache)
{
    kvant_host *host = &cache->context->host;
    const kvant_layout *layout = cache->layout;
    uint32_t table_words = 0;
    for (uint32_t i = 0; i < cache->set.count; i++) {
        const kvant_layout *own = &cache->set.layouts[i];
        cache->segments =
            own->segment_count > cache->segments ? own->segment_count : cache->segments;
        table_words = own->positions_offset > table_words ? own->positions_offset : table_words;
    }
    cache->shards = (layout->desc.sequences + cache->shard_sequences - 1u) / cache->shard_sequences;
    size_t streams = (size_t)layout->desc.layers * layout->desc.sequences;
    size_t buffers = (size_t)layout->desc.layers * cache->shards;
    cache->stores = kvant_allocate(host, buffers * sizeof(kvant_buffer *)); // NOLINT: pointers
    cache->streams = kvant_allocate(host, streams * sizeof *cache->streams);
    cache->used = kvant_allocate(host, streams * cache->segments * sizeof *cache->used);
    cache->table = kvant_allocate(host, table_words * sizeof *cache->table);
    if (cache->stores == NULL || cache->streams == NULL || cache->used == NULL ||
        cache->table == NULL) {
        return kvant_fail(KVANT_ERROR_OUT_OF_HOST_MEMORY, "no memory for the cache's bookkeeping");
    }
    for (size_t i = 0; i < streams; i++) {
        cache->streams[i].used = &cache->used[i * cache->segments];
    }
    return KVANT_OK;
}

kvant_status kvant_clear_region(const kvant_place *place)
{
    kvant_cache *cache = place->cache;
    const kvant_layout *layout = place->layout;
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
    const kvant_layout *layout = cache->layout;
    kvant_status status =
        kvant_buffer_create(cache->context, cache->set.bytes.scratch, &cache->scratch);
    for (uint32_t i = 0; status == KVANT_OK && i < layout->desc.layers * cache->shards; i++) {
        uint64_t region =
            (uint64_t)kvant_layout_of(&cache->set, i / cache->shards)->region_words * 4u;
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
    cache->layout = &cache->set.layouts[0];
    status = kvant_layout_set_make(&context->host, desc, &cache->set);
    if (status == KVANT_OK) {
        status = plan_all_shards(context, &cache->set, &cache->shard_sequences);
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
        for (uint32_t i = 0; i < cache->layout->desc.layers * cache->shards; i++) {
            kvant_buffer_destroy(cache->stores[i]);
        }
    }
    kvant_buffer_destroy(cache->scratch);
    kvant_release(host, cache->stores);
    kvant_release(host, cache->streams);
    kvant_release(host, cache->used);
    kvant_release(host, cache->table);
    kvant_layout_set_free(host, &cache->set);
    kvant_release(host, cache);
}

/* ---- places ---- */

kvant_status kvant_place_of(kvant_cache *cache, uint32_t layer, uint32_t sequence,
                            kvant_place *out_place)
{
    if (cache == NULL) {
        return kvant_fail(KVANT_ERROR_INVALID_ARGUMENT, "cache is NULL");
    }
    const kvant_cache_desc *desc = &cache->layout->desc;
    const kvant_layout *layout = kvant_layout_of(&cache->set, layer);
    if (layer >= desc->layers || sequence >= desc->sequences) {
        return kvant_fail(KVANT_ERROR_INVALID_ARGUMENT,
                          "layer %u, sequence %u: the cache has %u layers and %u sequences", layer,
                          sequence, desc->layers, desc->sequences);
    }
    *out_place = (kvant_place){
        .cache = cache,
        .layout = layout,
        .stream = &cache->streams[(size_t)layer * desc->sequences + sequence],
        .store = cache->stores[layer * cache->shards + sequence / cache->shard_sequences],
        .layer = layer,
        .base = sequence % cache->shard_sequences * layout->region_words,
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
    for (uint32_t layer = 0; status == KVANT_OK && layer < cache->layout->desc.layers; layer++) {
        status = kvant_place_of(cache, layer, sequence, &place);
        if (status == KVANT_OK) {
            status = kvant_clear_region(&place);
        }
    }
    return status;
}

uint32_t kvant_cache_length(const kvant_cache *cache, uint32_t layer, uint32_t sequence)
{
    if (cache == NULL || layer >= cache->layout->desc.layers ||
        sequence >= cache->layout->desc.sequences) {
        return 0;
    }
    return cache->streams[(size_t)layer * cache->layout->desc.sequences + sequence].length;
}

kvant_status kvant_update_table(const kvant_place *place)
{
    const kvant_layout *layout = place->layout;
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
