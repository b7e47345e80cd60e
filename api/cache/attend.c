/* SPDX-License-Identifier: MIT
 *
 * Attention of the newest tokens over everything that a layer holds.
 */
#include "cache_internal.h"
#include "layout.h"
#include "ops_internal.h"

typedef struct {
    kvant_cache *cache;
    uint32_t layer;
    uint32_t first_sequence;
    uint32_t queries;
    kvant_tensor q;
    kvant_tensor out;
    kvant_buffer *lse;
} attend_call;

static kvant_status check_call(attend_call *call, uint32_t sequences, const kvant_tensor *q,
                               const kvant_tensor *out)
{
    kvant_cache *cache = call->cache;
    const kvant_cache_desc *desc = &cache->layout->desc;
    if (sequences == 0 || call->first_sequence + (uint64_t)sequences > desc->sequences) {
        return kvant_fail(KVANT_ERROR_INVALID_ARGUMENT, "sequences %u to %llu: the cache has %u",
                          call->first_sequence,
                          (unsigned long long)call->first_sequence + sequences, desc->sequences);
    }
    if (call->queries == 0 || call->queries > desc->max_queries) {
        return kvant_fail(KVANT_ERROR_INVALID_ARGUMENT, "%u queries, max_queries is %u",
                          call->queries, desc->max_queries);
    }
    for (uint32_t i = 0; i < sequences; i++) {
        kvant_place place;
        kvant_status usable =
            kvant_usable_place_of(cache, call->layer, call->first_sequence + i, &place);
        if (usable != KVANT_OK) {
            return usable;
        }
        uint32_t length = kvant_cache_length(cache, call->layer, call->first_sequence + i);
        if (length < call->queries) {
            return kvant_fail(KVANT_ERROR_INVALID_STATE,
                              "sequence %u holds %u tokens, fewer than %u queries",
                              call->first_sequence + i, length, call->queries);
        }
    }
    kvant_shape shape = {sequences, call->queries, desc->q_heads, kvant_query_dim(cache->layout)};
    kvant_status status =
        kvant_check_tensor(cache->context, "q", q, shape, KVANT_TENSOR_CONTIGUOUS, &call->q);
    if (status == KVANT_OK) {
        shape.dim = desc->v_dim;
        status = kvant_check_tensor(cache->context, "out", out, shape,
                                    KVANT_TENSOR_CONTIGUOUS | KVANT_TENSOR_OUTPUT, &call->out);
    }
    if (status == KVANT_OK && call->lse != NULL) {
        status = kvant_check_words(cache->context, "lse", call->lse, 0,
                                   (uint64_t)sequences * desc->q_heads * call->queries);
    }
    return status;
}

/* With several queries each sees the tokens up to itself; a single one sees all. */
static kvant_status write_positions(const attend_call *call, const kvant_layout *layout,
                                    uint32_t first, uint32_t count)
{
    kvant_cache *cache = call->cache;
    for (uint32_t i = 0; i < count; i++) {
        uint32_t length = kvant_cache_length(cache, call->layer, first + i);
        kv_positions_params p = {
            .offset = layout->query_positions + i * call->queries,
            .capacity = call->queries,
            .count = call->queries,
            .first = length - call->queries,
            .step = 1u,
        };
        kvant_status status =
            kvant_launch_kernel(cache->context, KVANT_KERNEL_positions, &p, &cache->scratch, 1);
        if (status != KVANT_OK) {
            return status;
        }
    }
    return KVANT_OK;
}

/* Attention over latents, whose queries are absorbed channels, in `latent`, and rotary ones after those
 * of the caller. */
static kvant_status launch_latent(const kvant_place *place, const kv_attention_params *p,
                                  const kvant_tensor *latent, const kvant_tensor *q)
{
    kvant_buffer *scratch = place->cache->scratch;
    kv_latent_params of_latents = {
        .sequence_offset = p->sequence_offset,
        .sequence_stride = p->sequence_stride,
        .splits_offset = p->splits_offset,
        .segments_offset = p->segments_offset,
        .sequences = p->sequences,
        .max_splits = p->max_splits,
        .queries = p->queries,
        .q_heads = p->q_heads,
        .k_dim = p->k_dim,
        .v_dim = p->v_dim,
        .scale = p->scale,
        .q_offset = p->q_offset,
        .q_sequence_stride = p->q_sequence_stride,
        .q_head_stride = p->q_head_stride,
        .q_row_stride = p->q_row_stride,
        .q_dtype = p->q_dtype,
        .rotary_offset = (uint32_t)q->offset + p->v_dim,
        .rotary_sequence_stride = (uint32_t)q->sequence_stride,
        .rotary_head_stride = (uint32_t)q->head_stride,
        .rotary_row_stride = (uint32_t)q->token_stride,
        .rotary_dtype = (uint32_t)q->dtype,
        .positions_offset = p->positions_offset,
        .partials_offset = p->partials_offset,
    };
    kvant_buffer *buffers[5] = {place->store, latent->buffer, q->buffer, scratch, scratch};
    return kvant_launch_kernel(place->cache->context, KVANT_KERNEL_attention_latent, &of_latents,
                               buffers, 5);
}

/* Sequences first .. first + count - 1, which lie in one buffer. */
static kvant_status attend_some(const attend_call *call, uint32_t first, uint32_t count)
{
    kvant_cache *cache = call->cache;
    uint32_t index = first - call->first_sequence; /* in the caller's tensors */
    kvant_place place;
    kvant_status status = kvant_place_of(cache, call->layer, first, &place);
    if (status == KVANT_OK && call->queries > 1u) {
        status = write_positions(call, place.layout, first, count);
    }
    if (status != KVANT_OK) {
        return status;
    }
    const kvant_layout *layout = place.layout;
    const kvant_cache_desc *desc = &layout->desc;
    kvant_tensor q = call->q;
    q.offset += index * q.sequence_stride;
    kvant_tensor out = call->out;
    out.offset += index * out.sequence_stride;
    kvant_tensor basis_q = q;
    if (layout->rotates_k || (layout->is_latent && layout->rotates_v)) {
        basis_q = kvant_rotated_rows(&place, call->queries,
                                     layout->is_latent ? desc->v_dim : desc->k_dim);
    }
    kvant_tensor basis_out =
        layout->rotates_v ? kvant_rotated_rows(&place, call->queries, desc->v_dim) : out;
    uint32_t splits = 0;
    for (uint32_t i = 0; i < count; i++) {
        splits = place.stream[i].splits > splits ? place.stream[i].splits : splits;
    }
    kv_attention_params p = {
        .sequence_offset = place.base,
        .sequence_stride = layout->region_words,
        .splits_offset = layout->splits_offset,
        .segments_offset = layout->segments_offset,
        .sequences = count,
        .max_splits = splits,
        .queries = call->queries,
        .q_heads = desc->q_heads,
        .kv_heads = desc->kv_heads,
        .k_dim = desc->k_dim,
        .v_dim = desc->v_dim,
        .scale = desc->scale,
        .q_offset = (uint32_t)basis_q.offset,
        .q_sequence_stride = (uint32_t)basis_q.sequence_stride,
        .q_head_stride = (uint32_t)basis_q.head_stride,
        .q_row_stride = (uint32_t)basis_q.token_stride,
        .q_dtype = (uint32_t)basis_q.dtype,
        .positions_offset = call->queries > 1u ? layout->query_positions : KV_NO_OFFSET,
        .partials_offset = layout->partials,
        .out_offset = (uint32_t)basis_out.offset,
        .out_sequence_stride = (uint32_t)basis_out.sequence_stride,
        .out_head_stride = (uint32_t)basis_out.head_stride,
        .out_row_stride = (uint32_t)basis_out.token_stride,
        .out_dtype = (uint32_t)basis_out.dtype,
        .lse_offset = call->lse != NULL ? index * desc->q_heads * call->queries : KV_NO_OFFSET,
    };
    kvant_buffer *attention[4] = {place.store, basis_q.buffer, cache->scratch, cache->scratch};
    kvant_buffer *merge[4] = {place.store, cache->scratch, basis_out.buffer, call->lse};
    if (layout->is_latent && layout->rotates_v) {
        status = kvant_rotate_latent_queries(&place, &q, count, call->queries, &basis_q);
    } else if (layout->rotates_k) {
        status = kvant_rotate_queries(&place, &q, count, call->queries, &basis_q);
    }
    if (status == KVANT_OK && layout->is_latent) {
        status = launch_latent(&place, &p, &basis_q, &q);
    } else if (status == KVANT_OK) {
        status = kvant_launch_kernel(cache->context, kvant_attention_kernel(layout->is_general), &p,
                                     attention, 4);
    }
    if (status == KVANT_OK) {
        status = kvant_launch_kernel(cache->context, KVANT_KERNEL_attention_merge, &p, merge, 4);
    }
    if (status == KVANT_OK && layout->rotates_v) {
        status = kvant_rotate_outputs(&place, &basis_out, count, call->queries, &out);
    }
    return status;
}

static kvant_status gather(const attend_call *call, uint32_t sequences)
{
    kvant_status status = KVANT_OK;
    for (uint32_t i = 0; status == KVANT_OK && i < sequences; i++) {
        kvant_place place;
        status = kvant_place_of(call->cache, call->layer, call->first_sequence + i, &place);
        if (status == KVANT_OK && place.layout->probe_capacity != 0) {
            status = kvant_gather_probes(&place, &call->q, i, call->queries);
        }
    }
    return status;
}

kvant_status kvant_cache_attend(kvant_cache *cache, uint32_t layer, uint32_t first_sequence,
                                uint32_t sequences, uint32_t queries, const kvant_tensor *q,
                                const kvant_tensor *out, kvant_buffer *lse)
{
    attend_call call = {
        .cache = cache,
        .layer = layer,
        .first_sequence = first_sequence,
        .queries = queries,
        .lse = lse,
    };
    kvant_place place;
    kvant_status status = kvant_place_of(cache, layer, first_sequence, &place);
    if (status == KVANT_OK) {
        status = check_call(&call, sequences, q, out);
    }
    if (status == KVANT_OK) {
        status = gather(&call, sequences); /* before outputs can overwrite queries */
    }
    if (status != KVANT_OK) {
        return status;
    }
    uint32_t most = cache->context->limits.max_groups; /* a sequence is a layer of work-groups */
    uint32_t end = first_sequence + sequences;
    uint32_t at = first_sequence;
    while (status == KVANT_OK && at < end) {
        uint32_t count = cache->shard_sequences - at % cache->shard_sequences;
        count = count < end - at ? count : end - at;
        count = count < place.layout->attend_sequences ? count : place.layout->attend_sequences;
        count = count < most ? count : most;
        status = attend_some(&call, at, count);
        at += count;
    }
    return status;
}
