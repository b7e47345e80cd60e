/* SPDX-License-Identifier: MIT
 *
 * The entry points of kvant/ops.h for scores without queries and for blends: checks, then launches.
 */
#include "kvant/ops.h"

#include "checked.h"
#include "layout.h"
#include "ops_internal.h"
#include "validate.h"

/* ---- ranges and outliers ---- */

static uint32_t maps_of(const kvant_range_desc *desc)
{
    return desc->heads == KVANT_HEADS_ALL ? 1u : desc->kv_heads;
}

static kvant_status check_range_shape(const kvant_range_desc *desc)
{
    if (desc == NULL || desc->struct_size != sizeof *desc) {
        return kvant_fail(KVANT_ERROR_INVALID_ARGUMENT,
                          "a kvant_range_desc with its struct_size is needed");
    }
    if (desc->tokens == 0 || desc->kv_heads == 0 || desc->kv_heads > 4096) {
        return kvant_fail(KVANT_ERROR_INVALID_ARGUMENT,
                          "tokens or kv_heads is 0, or above 4096 heads");
    }
    if (!(desc->percentile >= 0.0 && desc->percentile < 1.0)) {
        return kvant_fail(KVANT_ERROR_INVALID_ARGUMENT, "percentile is not between 0 and 1");
    }
    if ((uint32_t)desc->heads > KVANT_HEADS_GROUP) {
        return kvant_fail(KVANT_ERROR_INVALID_ARGUMENT, "heads has no known value");
    }
    kvant_status status = kvant_check_dim("dim", desc->dim);
    if (status == KVANT_OK &&
        kvant_multiply((uint64_t)desc->kv_heads * desc->dim, desc->tokens) > UINT32_MAX) {
        status = kvant_fail(KVANT_ERROR_LIMIT, "more than 2^32 numbers");
    }
    return status;
}

/* Scores come first. */
static uint64_t range_words(const kvant_range_desc *desc)
{
    uint64_t maps = maps_of(desc);
    uint64_t limits = desc->percentile > 0.0 ? maps * (KV_MAGNITUDES + 1u) : 0u;
    return maps * desc->tokens + limits;
}

uint64_t kvant_range_scratch_bytes(const kvant_range_desc *desc)
{
    return check_range_shape(desc) == KVANT_OK ? range_words(desc) * 4u : 0u;
}

kvant_status kvant_range(kvant_context *context, const kvant_range_desc *desc)
{
    if (context == NULL) {
        return kvant_fail(KVANT_ERROR_INVALID_ARGUMENT, "context is NULL");
    }
    kvant_tensor source;
    kvant_status status = kvant_require_alive(context);
    if (status == KVANT_OK) {
        status = check_range_shape(desc);
    }
    if (status == KVANT_OK) {
        kvant_shape shape = {1, desc->tokens, desc->kv_heads, desc->dim};
        status = kvant_check_tensor(context, "source", &desc->source, shape, 0, &source);
    }
    if (status != KVANT_OK) {
        return status;
    }
    uint32_t maps = maps_of(desc);
    uint32_t score_words = maps * desc->tokens;
    status = kvant_check_words(context, "scratch", desc->scratch, 0, range_words(desc));
    if (status == KVANT_OK) {
        status = kvant_check_words(context, "scores", desc->scores, 0, score_words);
    }
    if (status != KVANT_OK) {
        return status;
    }
    kv_range_params p = {
        .source = kvant_view_of(&source, 0, 0),
        .tokens = desc->tokens,
        .heads = desc->kv_heads,
        .dim = desc->dim,
        .all_heads = desc->heads == KVANT_HEADS_ALL ? 1u : 0u,
        .counts_offset = score_words,
        .limits_offset = desc->percentile > 0.0 ? score_words + maps * KV_MAGNITUDES : KV_NO_OFFSET,
    };
    status = kvant_op_range(context, source.buffer, desc->scratch, &p, desc->percentile);
    if (status == KVANT_OK) {
        status = kvant_buffer_copy(desc->scratch, 0, desc->scores, 0, (uint64_t)score_words * 4u);
    }
    return status;
}

/* ---- blends ---- */

kvant_status kvant_add_ranks(kvant_context *context, const kvant_ranks_desc *desc)
{
    if (context == NULL || desc == NULL || desc->struct_size != sizeof *desc) {
        return kvant_fail(KVANT_ERROR_INVALID_ARGUMENT,
                          "a context and a kvant_ranks_desc with its struct_size are needed");
    }
    kvant_status status = kvant_require_alive(context);
    if (status != KVANT_OK) {
        return status;
    }
    if (desc->tokens == 0 || desc->tokens > KV_BLEND_TOKENS || desc->maps == 0 ||
        desc->weight > KV_BLEND_ONE) {
        return kvant_fail(KVANT_ERROR_INVALID_ARGUMENT,
                          "%u tokens in %u maps with a weight of %u: 1 to %u tokens, maps and a "
                          "weight up to %u are needed",
                          desc->tokens, desc->maps, desc->weight, KV_BLEND_TOKENS, KV_BLEND_ONE);
    }
    uint64_t words = kvant_multiply(desc->maps, desc->tokens);
    status = kvant_check_words(context, "words (scores)", desc->words, desc->scores, words);
    if (status == KVANT_OK) {
        status = kvant_check_words(context, "words (blend)", desc->words, desc->blend, words);
    }
    if (status == KVANT_OK && desc->scores < desc->blend + words &&
        desc->blend < desc->scores + words) {
        status = kvant_fail(KVANT_ERROR_INVALID_ARGUMENT, "scores and blend overlap");
    }
    if (status != KVANT_OK) {
        return status;
    }
    kv_ranks_params p = {
        .tokens = desc->tokens,
        .maps = desc->maps,
        .weight = desc->weight,
        .is_added = desc->is_added ? 1u : 0u,
        .scores_offset = desc->scores,
        .blend_offset = desc->blend,
    };
    kvant_buffer *buffer = desc->words;
    return kvant_launch_kernel(context, KVANT_KERNEL_saliency_ranks, &p, &buffer, 1);
}
