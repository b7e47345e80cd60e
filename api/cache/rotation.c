/* SPDX-License-Identifier: MIT
 *
 * Recipes that rotate K or V: rows on their way into the cache, queries to its basis and outputs back
 * from it. Attention and compression then know nothing of it.
 */
#include "cache_internal.h"

#include <string.h>

#include "arith.h"
#include "layout.h"

/* ---- K and V ---- */

static kvant_tensor packed_halves(kvant_buffer *buffer, uint32_t word, uint32_t heads, uint32_t dim)
{
    return (kvant_tensor){
        .buffer = buffer,
        .dtype = KVANT_F16,
        .offset = (uint64_t)word * 2u,
        .token_stride = (uint64_t)heads * dim,
        .head_stride = dim,
        .channel_stride = 1u,
    };
}

kvant_pair kvant_stored_pair(const kvant_layout *layout, const kvant_pair *pair, uint32_t row,
                             uint32_t tokens, kvant_buffer *target, uint32_t at)
{
    const kvant_cache_desc *desc = &layout->desc;
    kvant_pair stored = *pair;
    stored.k.offset += row * stored.k.token_stride;
    stored.v.offset += row * stored.v.token_stride;
    if (layout->rotates_k) {
        stored.k = packed_halves(target, at, desc->kv_heads, desc->k_dim);
        at += tokens * desc->kv_heads * desc->k_dim / 2u;
    }
    if (layout->rotates_v) {
        stored.v = packed_halves(target, at, layout->v_heads, layout->v_head_dim);
    }
    return stored;
}

kvant_status kvant_rotate_pair(const kvant_place *place, const kvant_pair *pair, uint32_t row,
                               uint32_t tokens, const kvant_pair *stored, uint32_t status_word)
{
    const kvant_layout *layout = place->layout;
    const kvant_cache_desc *desc = &layout->desc;
    bool both = layout->rotates_k && layout->rotates_v;
    const kvant_tensor *first = layout->rotates_k ? &pair->k : &pair->v;
    const kvant_tensor *target = layout->rotates_k ? &stored->k : &stored->v;
    kv_rotate_params p = {
        .source = kvant_view_of(first, 0, row),
        .tokens = tokens,
        .heads = layout->rotates_k ? desc->kv_heads : layout->v_heads,
        .dim = layout->rotates_k ? desc->k_dim : layout->v_head_dim,
        .target_offset = (uint32_t)target->offset,
        .target_token_stride = (uint32_t)target->token_stride,
        .target_head_stride = (uint32_t)target->head_stride,
        .target_dtype = KV_DTYPE_F16,
        .form = KV_ROTATE_CACHED,
        .status_offset = status_word,
    };
    if (both) {
        p.second = kvant_view_of(&pair->v, 0, row);
        p.second_dim = desc->v_dim;
    }
    memcpy(p.signs, layout->signs, sizeof p.signs);
    kvant_buffer *buffers[4] = {first->buffer, both ? pair->v.buffer : NULL, target->buffer,
                                place->cache->scratch};
    return kvant_launch_as(place->cache->context, KVANT_WORK_APPEND, KVANT_KERNEL_rotate, &p,
                           buffers, 4);
}

/* ---- queries and outputs ---- */

kvant_tensor kvant_rotated_rows(const kvant_place *place, uint32_t queries, uint32_t dim)
{
    uint64_t row = (uint64_t)place->layout->desc.q_heads * dim;
    return (kvant_tensor){
        .buffer = place->cache->scratch,
        .dtype = KVANT_F32,
        .offset = place->layout->rotated,
        .sequence_stride = queries * row,
        .token_stride = row,
        .head_stride = dim,
        .channel_stride = 1u,
    };
}

/* Rows [sequence][query][q_head]: one launch, or one a sequence where rows have no common stride. */
static kvant_status rotate_rows(const kvant_place *place, kvant_work work, uint32_t form,
                                kvant_tensor source, uint32_t sequences, uint32_t queries,
                                kvant_tensor target, uint32_t dim)
{
    if (queries == 1u) {
        source.token_stride = source.sequence_stride;
        target.token_stride = target.sequence_stride;
    }
    bool is_even = queries == 1u || (source.sequence_stride == queries * source.token_stride &&
                                     target.sequence_stride == queries * target.token_stride);
    uint32_t launches = is_even ? 1u : sequences;
    kv_rotate_params p = {
        .tokens = is_even ? sequences * queries : queries,
        .heads = place->layout->desc.q_heads,
        .dim = dim,
        .target_token_stride = (uint32_t)target.token_stride,
        .target_head_stride = (uint32_t)target.head_stride,
        .target_dtype = (uint32_t)target.dtype,
        .form = form,
        .status_offset = KV_NO_OFFSET,
    };
    memcpy(p.signs, place->layout->signs, sizeof p.signs);
    kvant_buffer *buffers[4] = {source.buffer, NULL, target.buffer, NULL};
    kvant_status status = KVANT_OK;
    for (uint32_t i = 0; status == KVANT_OK && i < launches; i++) {
        p.source = kvant_view_of(&source, i, 0);
        p.target_offset = (uint32_t)(target.offset + i * target.sequence_stride);
        status = kvant_launch_as(place->cache->context, work, KVANT_KERNEL_rotate, &p, buffers, 4);
    }
    return status;
}

kvant_status kvant_rotate_queries(const kvant_place *place, const kvant_tensor *source,
                                  uint32_t sequences, uint32_t queries, const kvant_tensor *target)
{
    return rotate_rows(place, KVANT_WORK_ATTENTION, 0u, *source, sequences, queries, *target,
                       place->layout->desc.k_dim);
}

/* Channels of V's basis: those of a head, or of a latent part by part. */
static kvant_status rotate_value_rows(const kvant_place *place, kvant_work work, uint32_t form,
                                      kvant_tensor source, uint32_t sequences, uint32_t queries,
                                      kvant_tensor target)
{
    const kvant_layout *layout = place->layout;
    kvant_status status = KVANT_OK;
    for (uint32_t at = 0; status == KVANT_OK && at < layout->desc.v_dim; at += layout->v_head_dim) {
        status =
            rotate_rows(place, work, form, source, sequences, queries, target, layout->v_head_dim);
        source.offset += layout->v_head_dim;
        target.offset += layout->v_head_dim;
    }
    return status;
}

kvant_status kvant_rotate_latent_queries(const kvant_place *place, const kvant_tensor *source,
                                         uint32_t sequences, uint32_t queries,
                                         const kvant_tensor *target)
{
    return rotate_value_rows(place, KVANT_WORK_ATTENTION, 0u, *source, sequences, queries, *target);
}

kvant_status kvant_rotate_outputs(const kvant_place *place, const kvant_tensor *source,
                                  uint32_t sequences, uint32_t queries, const kvant_tensor *target)
{
    return rotate_value_rows(place, KVANT_WORK_MERGE, KV_ROTATE_INVERSE, *source, sequences,
                             queries, *target);
}
