/* SPDX-License-Identifier: MIT
 *
 * The entry points of kvant/ops.h for quantization and saliency: checks, then ops.c.
 */
#include "kvant/ops.h"

#include <math.h>

#include "checked.h"
#include "codebook.h"
#include "layout.h"
#include "ops_internal.h"
#include "validate.h"

/* ---- quantization ---- */

static kvant_status check_quantize_shape(const kvant_quantize_desc *desc, bool takes_f16)
{
    if (desc == NULL || desc->struct_size != sizeof *desc) {
        return kvant_fail(KVANT_ERROR_INVALID_ARGUMENT,
                          "a kvant_quantize_desc with its struct_size is needed");
    }
    if (!kvant_is_quantized_codec(desc->codec) && !(takes_f16 && desc->codec == KVANT_CODEC_F16)) {
        return kvant_fail(KVANT_ERROR_INVALID_ARGUMENT, "codec %d is not possible here",
                          (int)desc->codec);
    }
    if ((uint32_t)desc->grouping > KV_GROUP_CHANNEL_SEGMENT ||
        !kvant_is_group_length(desc->grouping, desc->group_length)) {
        return kvant_fail(KVANT_ERROR_INVALID_ARGUMENT, "grouping %d with group_length %u",
                          (int)desc->grouping, desc->group_length);
    }
    if (desc->tokens == 0 || desc->heads == 0 || desc->heads > 4096) {
        return kvant_fail(KVANT_ERROR_INVALID_ARGUMENT,
                          "tokens or heads is 0, or above 4096 heads");
    }
    uint32_t step =
        desc->grouping == KVANT_GROUPING_CHANNEL_TOKENS ? desc->group_length : KV_TOKEN_QUAD;
    if (desc->capacity % KV_TOKEN_QUAD != 0 || desc->first_token % step != 0 ||
        (uint64_t)desc->first_token + desc->tokens > desc->capacity) {
        return kvant_fail(KVANT_ERROR_INVALID_ARGUMENT,
                          "tokens %u to %llu of a capacity of %u: multiples of 4 and of the group "
                          "length are needed",
                          desc->first_token, (unsigned long long)desc->first_token + desc->tokens,
                          desc->capacity);
    }
    if (desc->grouping == KVANT_GROUPING_CHANNEL_SEGMENT && desc->first_token != 0) {
        return kvant_fail(KVANT_ERROR_INVALID_ARGUMENT,
                          "first_token is %u: parameters per channel belong to the whole segment, "
                          "which is quantized at once",
                          desc->first_token);
    }
    if (kv_codec_is_learned((uint32_t)desc->codec) != 0u && desc->first_token != 0) {
        return kvant_fail(
            KVANT_ERROR_INVALID_ARGUMENT,
            "first_token is %u: a learned codebook belongs to the whole segment, which "
            "is quantized at once",
            desc->first_token);
    }
    if (kv_codec_keeps_norm((uint32_t)desc->codec) != 0u && !kvant_keeps_norm_of(desc->grouping)) {
        return kvant_fail(KVANT_ERROR_INVALID_ARGUMENT,
                          "the codec keeps norms, which are of a token's channels in one head: it "
                          "takes the groupings TOKEN_HEAD and TOKEN_CHANNELS");
    }
    if (desc->role != KVANT_KEYS && desc->role != KVANT_VALUES) {
        return kvant_fail(KVANT_ERROR_INVALID_ARGUMENT, "role %d is neither keys nor values",
                          (int)desc->role);
    }
    if (kvant_multiply(kvant_multiply(desc->heads, desc->capacity), KV_MAX_HEAD_DIM) > UINT32_MAX) {
        return kvant_fail(KVANT_ERROR_LIMIT, "heads * capacity is too large");
    }
    return kvant_check_dim("dim", desc->dim);
}

static uint32_t group_count(const kvant_quantize_desc *desc)
{
    return kv_group_count((uint32_t)desc->grouping, desc->group_length, desc->capacity, desc->dim,
                          desc->heads);
}

uint64_t kvant_quantize_scratch_bytes(const kvant_quantize_desc *desc)
{
    if (check_quantize_shape(desc, false) != KVANT_OK) {
        return 0;
    }
    uint64_t bytes = (uint64_t)desc->heads * desc->dim * 8u; /* two keys a channel */
    bool is_small = bytes < KV_CODEBOOK_BYTES * 4u;
    return kv_codec_is_learned((uint32_t)desc->codec) != 0u && is_small ? KV_CODEBOOK_BYTES * 4u
                                                                        : bytes;
}

uint64_t kvant_quantize_code_words(const kvant_quantize_desc *desc)
{
    if (check_quantize_shape(desc, true) != KVANT_OK) {
        return 0;
    }
    return (uint64_t)desc->heads *
           kv_code_words(desc->capacity, desc->dim, kv_codec_bits((uint32_t)desc->codec));
}

uint64_t kvant_quantize_param_words(const kvant_quantize_desc *desc)
{
    return check_quantize_shape(desc, false) == KVANT_OK ? group_count(desc) : 0;
}

/* The lists that a call reads: channel scales and indices. */
static kvant_status check_lists(kvant_context *context, const kvant_quantize_desc *desc)
{
    kvant_status status = KVANT_OK;
    if (desc->channel_scale != KVANT_NO_OFFSET) {
        status = kvant_check_words(context, "store (channel_scale)", desc->store,
                                   desc->channel_scale, (uint64_t)desc->heads * desc->dim / 2u);
    }
    if (status == KVANT_OK && desc->indices != KVANT_NO_OFFSET) {
        status =
            kvant_check_words(context, "store (indices)", desc->store, desc->indices, desc->tokens);
    }
    return status;
}

/* Everything of a quantize call but its source. */
static kvant_status check_store(kvant_context *context, const kvant_quantize_desc *desc,
                                bool has_params)
{
    kvant_status status = kvant_check_words(context, "store (codes)", desc->store, desc->codes,
                                            kvant_quantize_code_words(desc));
    if (status == KVANT_OK && has_params) {
        status = kvant_check_words(context, "store (params)", desc->store, desc->params,
                                   group_count(desc));
    }
    if (status == KVANT_OK && kv_codec_is_learned((uint32_t)desc->codec) != 0u) {
        status = kvant_check_words(context, "store (levels)", desc->store, desc->levels,
                                   KV_CODEBOOK_WORDS);
    }
    return status == KVANT_OK ? check_lists(context, desc) : status;
}

static kvant_status check_quantize(kvant_context *context, const kvant_quantize_desc *desc,
                                   bool takes_f16, kvant_tensor *source)
{
    if (context == NULL) {
        return kvant_fail(KVANT_ERROR_INVALID_ARGUMENT, "context is NULL");
    }
    kvant_status status = kvant_require_alive(context);
    if (status == KVANT_OK) {
        status = check_quantize_shape(desc, takes_f16);
    }
    if (status == KVANT_OK) {
        kvant_shape shape = {1, desc->tokens, desc->heads, desc->dim};
        status = kvant_check_tensor(context, "source", &desc->source, shape, 0, source);
    }
    if (status == KVANT_OK && desc->codec != KVANT_CODEC_F16) {
        status = kvant_check_words(context, "scratch", desc->scratch, 0,
                                   kvant_quantize_scratch_bytes(desc) / 4u);
    }
    if (status == KVANT_OK && desc->codec != KVANT_CODEC_F16 && desc->scratch == desc->store) {
        status = kvant_fail(KVANT_ERROR_INVALID_ARGUMENT, "scratch and store are the same buffer");
    }
    return status;
}

static kv_quantize_params quantize_params(const kvant_quantize_desc *desc,
                                          const kvant_tensor *source)
{
    return (kv_quantize_params){
        .source = kvant_view_of(source, 0, 0),
        .indices_offset = desc->indices,
        .tokens = desc->tokens,
        .token = desc->first_token,
        .capacity = desc->capacity,
        .heads = desc->heads,
        .dim = desc->dim,
        .codec = (uint32_t)desc->codec,
        .grouping = (uint32_t)desc->grouping,
        .group_length = desc->group_length,
        .is_value = desc->role == KVANT_VALUES ? 1u : 0u,
        .channel_scale_offset = desc->channel_scale,
        .params_offset = desc->params,
        .codes_offset = desc->codes,
        .levels_offset = desc->levels,
    };
}

kvant_status kvant_channel_scale(kvant_context *context, const kvant_quantize_desc *desc)
{
    kvant_tensor source;
    kvant_status status = check_quantize(context, desc, false, &source);
    if (status != KVANT_OK) {
        return status;
    }
    if (desc->channel_scale == KVANT_NO_OFFSET) {
        return kvant_fail(KVANT_ERROR_INVALID_ARGUMENT, "channel_scale has no offset");
    }
    status = check_lists(context, desc);
    if (status != KVANT_OK) {
        return status;
    }
    kvant_op_buffers buffers = {source.buffer, desc->store, desc->scratch};
    kv_quantize_params p = quantize_params(desc, &source);
    return kvant_op_channel_scale(context, &buffers, &p, NULL);
}

kvant_status kvant_quantize(kvant_context *context, const kvant_quantize_desc *desc)
{
    kvant_tensor source;
    kvant_status status = check_quantize(context, desc, true, &source);
    if (status == KVANT_OK) {
        status = check_store(context, desc, desc->codec != KVANT_CODEC_F16);
    }
    if (status != KVANT_OK) {
        return status;
    }
    kvant_op_buffers buffers = {source.buffer, desc->store, desc->scratch};
    kv_quantize_params p = quantize_params(desc, &source);
    return kvant_op_quantize(context, &buffers, &p);
}

kvant_status kvant_dequantize(kvant_context *context, const kvant_quantize_desc *desc)
{
    if (context == NULL) {
        return kvant_fail(KVANT_ERROR_INVALID_ARGUMENT, "context is NULL");
    }
    kvant_tensor target;
    kvant_status status = kvant_require_alive(context);
    if (status == KVANT_OK) {
        status = check_quantize_shape(desc, true);
    }
    if (status == KVANT_OK) {
        kvant_shape shape = {1, desc->tokens, desc->heads, desc->dim};
        status = kvant_check_tensor(context, "source (the target)", &desc->source, shape,
                                    KVANT_TENSOR_OUTPUT | KVANT_TENSOR_CONTIGUOUS, &target);
    }
    if (status == KVANT_OK) {
        status = check_store(context, desc, desc->codec != KVANT_CODEC_F16);
    }
    if (status != KVANT_OK) {
        return status;
    }
    kv_dequantize_params p = {
        .target = kvant_view_of(&target, 0, 0),
        .tokens = desc->tokens,
        .token = desc->first_token,
        .capacity = desc->capacity,
        .heads = desc->heads,
        .dim = desc->dim,
        .codec = (uint32_t)desc->codec,
        .grouping = (uint32_t)desc->grouping,
        .group_length = desc->group_length,
        .is_value = desc->role == KVANT_VALUES ? 1u : 0u,
        .channel_scale_offset = desc->channel_scale,
        .params_offset = desc->params,
        .codes_offset = desc->codes,
        .levels_offset = desc->levels,
    };
    kvant_buffer *buffers[2] = {desc->store, target.buffer};
    return kvant_launch_kernel(context, KVANT_KERNEL_dequantize, &p, buffers, 2);
}

/* ---- saliency ---- */

/* Word offsets in the scratch buffer of a saliency call. */
static kv_saliency_params place_saliency(const kvant_saliency_desc *desc, uint64_t *words,
                                         uint32_t *keys, uint32_t *pooled)
{
    uint32_t probes = desc->probes_random + desc->probes_recent;
    uint32_t capacity = (desc->tokens + 3u) / 4u * 4u;
    uint64_t splits = (desc->tokens + KV_SPLIT_TOKENS - 1u) / KV_SPLIT_TOKENS;
    uint64_t rows = kvant_multiply(probes, desc->q_heads);
    uint64_t channels = (uint64_t)desc->kv_heads * desc->dim;
    uint64_t at = 0;
    kv_saliency_params p = {0};

    *keys = 0;
    *pooled = 0;
    at = 2u * channels;
    p.params_offset = (uint32_t)at;
    at = kvant_add(at, channels);
    p.probes_offset = (uint32_t)at;
    at = kvant_add(at, probes);
    p.codes_offset = (uint32_t)at;
    at = kvant_add(at, kvant_multiply(capacity, channels / 4u));
    p.operands_offset = (uint32_t)at;
    at = kvant_add(at, kvant_multiply(rows, desc->dim / 4u));
    p.steps_offset = (uint32_t)at;
    at = kvant_add(at, rows);
    p.partials_offset = (uint32_t)at;
    at = kvant_add(at, kvant_multiply(rows, 2u * splits));
    p.rows_offset = (uint32_t)at;
    at = kvant_add(at, kvant_multiply(rows, 2u));
    p.sums_offset = (uint32_t)at;
    at = kvant_add(at, kvant_multiply(2u * (uint64_t)desc->kv_heads, desc->tokens));
    p.scores_offset = (uint32_t)at;
    uint32_t maps = desc->heads == KVANT_HEADS_ALL ? 1u : desc->kv_heads;
    at = kvant_add(at, kvant_multiply(maps, desc->tokens));
    if (desc->pooling != KVANT_POOLING_NONE) {
        *pooled = (uint32_t)at;
        at = kvant_add(at, kvant_multiply(maps, desc->tokens));
    }
    *words = at;

    p.queries.wrap = KV_NO_OFFSET;
    p.query_base = 0;
    p.probes = probes;
    p.tokens = desc->tokens;
    p.q_heads = desc->q_heads;
    p.kv_heads = desc->kv_heads;
    p.dim = desc->dim;
    p.capacity = capacity;
    p.scale = desc->scale != 0.0f ? desc->scale : (float)(1.0 / sqrt((double)desc->dim));
    p.normalise = (uint32_t)desc->normaliser;
    p.all_heads = desc->heads == KVANT_HEADS_ALL ? 1u : 0u;
    return p;
}

static kvant_status check_saliency_shape(const kvant_saliency_desc *desc)
{
    if (desc == NULL || desc->struct_size != sizeof *desc) {
        return kvant_fail(KVANT_ERROR_INVALID_ARGUMENT,
                          "a kvant_saliency_desc with its struct_size is needed");
    }
    if (desc->tokens == 0 || desc->tokens > (1u << 28) || desc->kv_heads == 0 ||
        desc->q_heads == 0 || desc->q_heads > 4096 || desc->q_heads % desc->kv_heads != 0) {
        return kvant_fail(
            KVANT_ERROR_INVALID_ARGUMENT,
            "%u tokens, %u query heads, %u KV heads: none may be 0 and the heads must "
            "divide",
            desc->tokens, desc->q_heads, desc->kv_heads);
    }
    uint64_t probes = (uint64_t)desc->probes_random + desc->probes_recent;
    if (probes == 0 || probes > desc->tokens) {
        return kvant_fail(KVANT_ERROR_INVALID_ARGUMENT, "%llu probe rows of %u tokens",
                          (unsigned long long)probes, desc->tokens);
    }
    if ((uint32_t)desc->normaliser > KVANT_NORMALISER_PROBES ||
        (uint32_t)desc->heads > KVANT_HEADS_GROUP) {
        return kvant_fail(KVANT_ERROR_INVALID_ARGUMENT, "normaliser or heads has no known value");
    }
    kvant_status status = kvant_check_pooling(desc->pooling, desc->pool_tokens);
    if (status == KVANT_OK) {
        status = kvant_check_scale(desc->scale);
    }
    return status == KVANT_OK ? kvant_check_dim("dim", desc->dim) : status;
}

uint64_t kvant_saliency_scratch_bytes(const kvant_saliency_desc *desc)
{
    if (check_saliency_shape(desc) != KVANT_OK) {
        return 0;
    }
    uint64_t words;
    uint32_t keys;
    uint32_t pooled;
    (void)place_saliency(desc, &words, &keys, &pooled);
    return kvant_multiply(words, 4);
}

kvant_status kvant_saliency(kvant_context *context, const kvant_saliency_desc *desc)
{
    if (context == NULL) {
        return kvant_fail(KVANT_ERROR_INVALID_ARGUMENT, "context is NULL");
    }
    kvant_tensor keys;
    kvant_tensor queries;
    kvant_status status = kvant_require_alive(context);
    if (status == KVANT_OK) {
        status = check_saliency_shape(desc);
    }
    if (status == KVANT_OK) {
        kvant_shape shape = {1, desc->tokens, desc->kv_heads, desc->dim};
        status = kvant_check_tensor(context, "keys", &desc->keys, shape, 0, &keys);
    }
    if (status == KVANT_OK) {
        kvant_shape shape = {1, desc->tokens, desc->q_heads, desc->dim};
        status = kvant_check_tensor(context, "queries", &desc->queries, shape, 0, &queries);
    }
    if (status != KVANT_OK) {
        return status;
    }
    uint64_t words;
    uint32_t keys_offset;
    uint32_t pooled;
    kv_saliency_params p = place_saliency(desc, &words, &keys_offset, &pooled);
    uint64_t score_words = (uint64_t)(p.all_heads != 0u ? 1u : desc->kv_heads) * desc->tokens;
    if (words > UINT32_MAX) {
        return kvant_fail(KVANT_ERROR_LIMIT, "the scratch buffer would exceed 2^32 words");
    }
    status = kvant_check_words(context, "scratch", desc->scratch, 0, words);
    if (status == KVANT_OK) {
        status = kvant_check_words(context, "scores", desc->scores, 0, score_words);
    }
    if (status != KVANT_OK) {
        return status;
    }

    p.queries = kvant_view_of(&queries, 0, 0);
    kv_view key_view = kvant_view_of(&keys, 0, 0);
    kv_probe_rows_params rows = {
        .offset = p.probes_offset,
        .rows = desc->tokens,
        .random = desc->probes_random,
        .recent = desc->probes_recent,
        .seed_low = (uint32_t)desc->seed,
        .seed_high = (uint32_t)(desc->seed >> 32),
        .layer = desc->layer,
    };
    kvant_buffer *scratch = desc->scratch;
    status = kvant_launch_kernel(context, KVANT_KERNEL_probe_rows, &rows, &scratch, 1);
    if (status == KVANT_OK) {
        status = kvant_op_saliency(context, keys.buffer, &key_view, queries.buffer, scratch,
                                   keys_offset, p);
    }
    uint32_t result = p.scores_offset;
    if (status == KVANT_OK && desc->pooling != KVANT_POOLING_NONE) {
        kv_pool_params pool = {
            .tokens = desc->tokens,
            .maps = p.all_heads != 0u ? 1u : desc->kv_heads,
            .width = desc->pool_tokens,
            .is_largest = desc->pooling == KVANT_POOLING_MAX ? 1u : 0u,
            .scores_offset = p.scores_offset,
            .pooled_offset = pooled,
        };
        result = pooled;
        status = kvant_launch_kernel(context, KVANT_KERNEL_saliency_pool, &pool, &scratch, 1);
    }
    if (status == KVANT_OK) {
        status =
            kvant_buffer_copy(scratch, (uint64_t)result * 4u, desc->scores, 0, score_words * 4u);
    }
    return status;
}

kvant_status kvant_select(kvant_context *context, const kvant_select_desc *desc)
{
    if (context == NULL || desc == NULL || desc->struct_size != sizeof *desc) {
        return kvant_fail(KVANT_ERROR_INVALID_ARGUMENT,
                          "a context and a kvant_select_desc with its struct_size are needed");
    }
    kvant_status status = kvant_require_alive(context);
    if (status != KVANT_OK) {
        return status;
    }
    if (desc->tokens == 0 || desc->maps == 0 || desc->salient > desc->tokens ||
        desc->forced_first > desc->tokens || desc->forced_last > desc->tokens) {
        return kvant_fail(KVANT_ERROR_INVALID_ARGUMENT,
                          "%u salient, %u first and %u last of %u tokens in %u maps", desc->salient,
                          desc->forced_first, desc->forced_last, desc->tokens, desc->maps);
    }
    uint64_t maps = desc->maps;
    uint32_t regular = desc->tokens - desc->salient;
    status =
        kvant_check_words(context, "scores", desc->scores, 0, kvant_multiply(maps, desc->tokens));
    if (status == KVANT_OK && desc->salient_list != KVANT_NO_OFFSET) {
        status = kvant_check_words(context, "lists (salient)", desc->lists, desc->salient_list,
                                   kvant_multiply(maps, desc->salient));
    }
    if (status == KVANT_OK && desc->regular_list != KVANT_NO_OFFSET) {
        status = kvant_check_words(context, "lists (regular)", desc->lists, desc->regular_list,
                                   kvant_multiply(maps, regular));
    }
    uint64_t class_words = (desc->tokens + 31u) / 32u;
    if (status == KVANT_OK && desc->class_map < maps * desc->tokens) {
        status = kvant_fail(KVANT_ERROR_INVALID_ARGUMENT,
                            "class_map at word %u lies in the scores; it belongs behind them",
                            desc->class_map);
    }
    if (status == KVANT_OK && desc->class_map != KVANT_NO_OFFSET) {
        status = kvant_check_words(context, "scores (class_map)", desc->scores, desc->class_map,
                                   kvant_multiply(maps, class_words));
    }
    if (status != KVANT_OK) {
        return status;
    }
    kv_select_params p = {
        .tokens = desc->tokens,
        .salient = desc->salient,
        .forced_first = desc->forced_first,
        .forced_last = desc->forced_last,
        .maps = desc->maps,
        .salient_offset = desc->salient_list,
        .salient_stride = desc->salient,
        .regular_offset = desc->regular_list,
        .regular_stride = regular,
        .classes_offset = desc->class_map,
    };
    kvant_buffer *buffers[2] = {desc->scores, desc->lists};
    return kvant_launch_kernel(context, KVANT_KERNEL_select, &p, buffers, 2);
}
