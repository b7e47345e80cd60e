/* SPDX-License-Identifier: MIT
 *
 * What a cache takes, what it had to clamp, and the hash of everything it holds.
 */
#include "cache_internal.h"

kvant_status kvant_cache_usage(const kvant_cache *cache, kvant_cache_bytes *out_bytes)
{
    if (cache == NULL || out_bytes == NULL || out_bytes->struct_size != sizeof *out_bytes) {
        return kvant_fail(KVANT_ERROR_INVALID_ARGUMENT,
                          "a cache and a kvant_cache_bytes with its struct_size are needed");
    }
    *out_bytes = cache->set.bytes;
    /* the total is what the buffers really have */
    out_bytes->bytes = kvant_buffer_size(cache->scratch);
    for (uint32_t i = 0; i < cache->layout->desc.layers * cache->shards; i++) {
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
    const kvant_layout *layout = cache->layout;
    uint64_t hash = UINT64_C(14695981039346656037);
    kvant_status status = KVANT_OK;
    for (uint32_t i = 0; status == KVANT_OK && i < layout->desc.layers * layout->desc.sequences;
         i++) {
        kvant_place place;
        status =
            kvant_place_of(cache, i / layout->desc.sequences, i % layout->desc.sequences, &place);
        for (uint32_t at = 0; status == KVANT_OK && at < place.layout->region_words; at += PIECE) {
            uint32_t rest = place.layout->region_words - at;
            uint32_t count = rest < PIECE ? rest : (uint32_t)PIECE;
            status = kvant_buffer_read(place.store, ((uint64_t)place.base + at) * 4u, words,
                                       (uint64_t)count * 4u);
            hash = hash_words(hash, words, count);
        }
    }
    kvant_release(&cache->context->host, words);
    *out_digest = status == KVANT_OK ? hash : 0;
    return status;
}
