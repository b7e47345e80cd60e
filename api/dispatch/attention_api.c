/* SPDX-License-Identifier: MIT
 *
 * The entry points of kvant/ops.h for attention: the table of a sequence, attention over it, and causal
 * attention of a prompt.
 */
#include <math.h>
#include <string.h>

#include "checked.h"
#include "kvant/ops.h"
#include "layout.h"
#include "ops_internal.h"
#include "validate.h"

/* ---- tables ---- */

static uint32_t splits_of(const kvant_segment *segment)
{
    return (uint32_t)(((uint64_t)segment->capacity + KV_SPLIT_TOKENS - 1u) / KV_SPLIT_TOKENS);
}

uint32_t kvant_attention_splits(const kvant_segment *segments, uint32_t count)
{
    uint32_t splits = 0;
    for (uint32_t i = 0; segments != NULL && i < count; i++) {
        splits += splits_of(&segments[i]);
    }
    return splits;
}

static uint64_t table_words(uint64_t splits, uint64_t segments)
{
    return KV_HEADER_WORDS + splits * KV_SPLIT_WORDS + segments * KV_SEGMENT_WORDS;
}

uint32_t kvant_attention_table_words(const kvant_segment *segments, uint32_t count)
{
    uint64_t words = table_words(kvant_attention_splits(segments, count), count);
    return words <= UINT32_MAX ? (uint32_t)words : UINT32_MAX;
}

static bool is_codec(kvant_codec codec)
{
    return codec == KVANT_CODEC_F16 || kvant_is_quantized_codec(codec);
}

static bool is_grouping(kvant_codec codec, kvant_grouping grouping, uint32_t length)
{
    return codec == KVANT_CODEC_F16 || ((uint32_t)grouping <= KV_GROUP_CHANNEL_SEGMENT &&
                                        kvant_is_group_length(grouping, length));
}

kvant_status kvant_attention_table(const kvant_segment *segments, uint32_t count,
                                   uint32_t max_splits, uint32_t *out_words,
                                   uint32_t capacity_words)
{
    if (segments == NULL || out_words == NULL || count == 0) {
        return kvant_fail(KVANT_ERROR_INVALID_ARGUMENT, "segments or out_words is NULL, or none");
    }
    uint32_t splits = kvant_attention_splits(segments, count);
    if (splits > max_splits || table_words(max_splits, count) > capacity_words) {
        return kvant_fail(KVANT_ERROR_INVALID_ARGUMENT,
                          "the table of %u splits does not fit %u splits in %u words", splits,
                          max_splits, capacity_words);
    }
    for (uint32_t i = 0; i < count; i++) {
        const kvant_segment *s = &segments[i];
        if (s->capacity == 0 || s->capacity % KV_TOKEN_QUAD != 0 || !is_codec(s->k_codec) ||
            !is_codec(s->v_codec) ||
            (s->k_codec == KVANT_CODEC_F16) != (s->v_codec == KVANT_CODEC_F16) ||
            !is_grouping(s->k_codec, s->k_grouping, s->k_group_length) ||
            !is_grouping(s->v_codec, s->v_grouping, s->v_group_length)) {
            return kvant_fail(KVANT_ERROR_INVALID_ARGUMENT,
                              "segment %u: capacity, codec or grouping is not possible", i);
        }
        if (s->head_first != 0 && s->head_count == 0) {
            return kvant_fail(KVANT_ERROR_INVALID_ARGUMENT,
                              "segment %u: head_first is %u, of no heads", i, s->head_first);
        }
    }
    for (uint32_t i = 0; i < table_words(max_splits, count); i++) {
        out_words[i] = 0;
    }
    out_words[KV_HEADER_SPLITS] = splits;
    uint32_t *split = &out_words[KV_HEADER_WORDS];
    uint32_t *entry = split + (size_t)max_splits * KV_SPLIT_WORDS;
    for (uint32_t i = 0; i < count; i++, entry += KV_SEGMENT_WORDS) {
        const kvant_segment *s = &segments[i];
        for (uint32_t first = 0; first < s->capacity; first += KV_SPLIT_TOKENS) {
            split[KV_SPLIT_SEGMENT] = i;
            split[KV_SPLIT_FIRST_TOKEN] = first;
            split += KV_SPLIT_WORDS;
        }
        kvant_write_segment(s, entry);
    }
    return KVANT_OK;
}

void kvant_write_segment(const kvant_segment *segment, uint32_t *entry)
{
    memset(entry, 0, KV_SEGMENT_WORDS * sizeof *entry);
    entry[KV_SEGMENT_CAPACITY] = segment->capacity;
    entry[KV_SEGMENT_K_CODEC] = (uint32_t)segment->k_codec;
    entry[KV_SEGMENT_V_CODEC] = (uint32_t)segment->v_codec;
    entry[KV_SEGMENT_K_GROUPING] = (uint32_t)segment->k_grouping;
    entry[KV_SEGMENT_K_GROUP_LENGTH] = segment->k_group_length;
    entry[KV_SEGMENT_V_GROUPING] = (uint32_t)segment->v_grouping;
    entry[KV_SEGMENT_V_GROUP_LENGTH] = segment->v_group_length;
    entry[KV_SEGMENT_POSITIONS] = segment->positions;
    entry[KV_SEGMENT_POSITIONS_HEAD] = segment->positions_head_stride;
    entry[KV_SEGMENT_K_CODES] = segment->k_codes;
    entry[KV_SEGMENT_V_CODES] = segment->v_codes;
    entry[KV_SEGMENT_K_PARAMS] = segment->k_params;
    entry[KV_SEGMENT_V_PARAMS] = segment->v_params;
    entry[KV_SEGMENT_K_CHANNEL_SCALE] = segment->k_channel_scale;
    entry[KV_SEGMENT_V_CHANNEL_SCALE] = segment->v_channel_scale;
    entry[KV_SEGMENT_LEVELS] = segment->levels;
    entry[KV_SEGMENT_HEAD_FIRST] = segment->head_first;
    entry[KV_SEGMENT_HEAD_COUNT] = segment->head_count;
}

/* ---- attention over segments ---- */

static kvant_status check_heads(uint32_t q_heads, uint32_t kv_heads, uint32_t k_dim, uint32_t v_dim,
                                float scale)
{
    if (q_heads == 0 || kv_heads == 0 || q_heads > 4096 || q_heads % kv_heads != 0) {
        return kvant_fail(KVANT_ERROR_INVALID_ARGUMENT,
                          "%u query heads are not a multiple of %u KV heads", q_heads, kv_heads);
    }
    kvant_status status = kvant_check_scale(scale);
    if (status == KVANT_OK) {
        status = kvant_check_dim("k_dim", k_dim);
    }
    return status == KVANT_OK ? kvant_check_dim("v_dim", v_dim) : status;
}

static kvant_status check_attention_shape(const kvant_attention_desc *desc)
{
    if (desc == NULL || desc->struct_size != sizeof *desc) {
        return kvant_fail(KVANT_ERROR_INVALID_ARGUMENT,
                          "a kvant_attention_desc with its struct_size is needed");
    }
    if (desc->sequences == 0 || desc->queries_per_sequence == 0 || desc->max_splits == 0 ||
        desc->max_segments == 0 || desc->queries_per_sequence > 1024) {
        return kvant_fail(KVANT_ERROR_INVALID_ARGUMENT,
                          "sequences, queries_per_sequence, max_splits or max_segments is 0, or "
                          "above 1024 queries");
    }
    return check_heads(desc->q_heads, desc->kv_heads, desc->k_dim, desc->v_dim, desc->scale);
}

uint64_t kvant_attention_scratch_bytes(const kvant_attention_desc *desc)
{
    if (check_attention_shape(desc) != KVANT_OK) {
        return 0;
    }
    uint64_t rows = (uint64_t)desc->q_heads * desc->queries_per_sequence;
    rows = kvant_multiply(rows, kvant_multiply(desc->sequences, desc->max_splits));
    return kvant_multiply(rows, (desc->v_dim + 2u) * 4u);
}

static kvant_status check_attention(kvant_context *context, const kvant_attention_desc *desc,
                                    kvant_tensor *q, kvant_tensor *out)
{
    if (context == NULL) {
        return kvant_fail(KVANT_ERROR_INVALID_ARGUMENT, "context is NULL");
    }
    kvant_status status = kvant_require_alive(context);
    if (status == KVANT_OK) {
        status = check_attention_shape(desc);
    }
    if (status != KVANT_OK) {
        return status;
    }
    uint64_t words = kvant_add(kvant_multiply(desc->sequences - 1u, desc->region_stride),
                               table_words(desc->max_splits, desc->max_segments));
    status = kvant_check_words(context, "store", desc->store, desc->first_region, words);
    kvant_shape shape = {desc->sequences, desc->queries_per_sequence, desc->q_heads, desc->k_dim};
    if (status == KVANT_OK) {
        status = kvant_check_tensor(context, "queries", &desc->queries, shape,
                                    KVANT_TENSOR_CONTIGUOUS, q);
    }
    if (status == KVANT_OK) {
        shape.dim = desc->v_dim;
        status = kvant_check_tensor(context, "out", &desc->out, shape,
                                    KVANT_TENSOR_CONTIGUOUS | KVANT_TENSOR_OUTPUT, out);
    }
    uint64_t rows = (uint64_t)desc->sequences * desc->queries_per_sequence;
    if (status == KVANT_OK && desc->positions != NULL) {
        status = kvant_check_words(context, "positions", desc->positions, 0, rows);
    }
    if (status == KVANT_OK && desc->lse != NULL) {
        status = kvant_check_words(context, "lse", desc->lse, 0, rows * desc->q_heads);
    }
    if (status == KVANT_OK) {
        status = kvant_check_words(context, "scratch", desc->scratch, 0,
                                   kvant_attention_scratch_bytes(desc) / 4u);
    }
    return status;
}

static float scale_of(float scale, uint32_t dim)
{
    return scale != 0.0f ? scale : (float)(1.0 / sqrt((double)dim));
}

kvant_status kvant_attention(kvant_context *context, const kvant_attention_desc *desc)
{
    kvant_tensor q;
    kvant_tensor out;
    kvant_status status = check_attention(context, desc, &q, &out);
    if (status != KVANT_OK) {
        return status;
    }
    kv_attention_params p = {
        .sequence_offset = desc->first_region,
        .sequence_stride = desc->region_stride,
        .splits_offset = KV_HEADER_WORDS,
        .segments_offset = KV_HEADER_WORDS + desc->max_splits * KV_SPLIT_WORDS,
        .sequences = desc->sequences,
        .max_splits = desc->max_splits,
        .queries = desc->queries_per_sequence,
        .q_heads = desc->q_heads,
        .kv_heads = desc->kv_heads,
        .k_dim = desc->k_dim,
        .v_dim = desc->v_dim,
        .scale = scale_of(desc->scale, desc->k_dim),
        .q_offset = (uint32_t)q.offset,
        .q_sequence_stride = (uint32_t)q.sequence_stride,
        .q_head_stride = (uint32_t)q.head_stride,
        .q_row_stride = (uint32_t)q.token_stride,
        .q_dtype = (uint32_t)q.dtype,
        .positions_offset = desc->positions != NULL ? 0u : KV_NO_OFFSET,
        .out_offset = (uint32_t)out.offset,
        .out_sequence_stride = (uint32_t)out.sequence_stride,
        .out_head_stride = (uint32_t)out.head_stride,
        .out_row_stride = (uint32_t)out.token_stride,
        .out_dtype = (uint32_t)out.dtype,
        .lse_offset = desc->lse != NULL ? 0u : KV_NO_OFFSET,
    };
    kvant_buffer *attention[4] = {desc->store, q.buffer, desc->positions, desc->scratch};
    kvant_buffer *merge[4] = {desc->store, desc->scratch, out.buffer, desc->lse};
    status = kvant_check_launch(context, KVANT_KERNEL_attention_merge, &p);
    if (status == KVANT_OK) {
        status = kvant_launch_kernel(context, kvant_attention_kernel(desc->is_general != 0), &p,
                                     attention, 4);
    }
    if (status == KVANT_OK) {
        status = kvant_launch_kernel(context, KVANT_KERNEL_attention_merge, &p, merge, 4);
    }
    return status;
}

/* ---- causal attention of a prompt ---- */

typedef struct {
    kvant_tensor q;
    kvant_tensor k;
    kvant_tensor v;
    kvant_tensor out;
} prefill_tensors;

static kvant_status check_prefill(kvant_context *context, const kvant_prefill_attention_desc *desc,
                                  prefill_tensors *t)
{
    if (context == NULL || desc == NULL || desc->struct_size != sizeof *desc) {
        return kvant_fail(KVANT_ERROR_INVALID_ARGUMENT,
                          "a context and a kvant_prefill_attention_desc with its struct_size are "
                          "needed");
    }
    kvant_status status = kvant_require_alive(context);
    if (status == KVANT_OK) {
        status = check_heads(desc->q_heads, desc->kv_heads, desc->k_dim, desc->v_dim, desc->scale);
    }
    if (status != KVANT_OK) {
        return status;
    }
    if (desc->query_tokens == 0 || desc->key_tokens == 0 || desc->query_tokens > (1u << 28) ||
        desc->key_tokens > (1u << 28) || desc->first_query > (1u << 28)) {
        return kvant_fail(KVANT_ERROR_INVALID_ARGUMENT,
                          "query_tokens or key_tokens is 0, or a count exceeds 2^28");
    }
    kvant_shape q = {1, desc->query_tokens, desc->q_heads, desc->k_dim};
    kvant_shape k = {1, desc->key_tokens, desc->kv_heads, desc->k_dim};
    kvant_shape v = {1, desc->key_tokens, desc->kv_heads, desc->v_dim};
    kvant_shape out = {1, desc->query_tokens, desc->q_heads, desc->v_dim};
    const unsigned contiguous = KVANT_TENSOR_CONTIGUOUS;
    status = kvant_check_tensor(context, "queries", &desc->queries, q, contiguous, &t->q);
    if (status == KVANT_OK) {
        status = kvant_check_tensor(context, "keys", &desc->keys, k, contiguous, &t->k);
    }
    if (status == KVANT_OK) {
        status = kvant_check_tensor(context, "values", &desc->values, v, contiguous, &t->v);
    }
    if (status == KVANT_OK) {
        status = kvant_check_tensor(context, "out", &desc->out, out,
                                    contiguous | KVANT_TENSOR_OUTPUT, &t->out);
    }
    if (status == KVANT_OK && desc->lse != NULL) {
        status = kvant_check_words(context, "lse", desc->lse, 0,
                                   (uint64_t)desc->q_heads * desc->query_tokens);
    }
    return status;
}

kvant_status kvant_prefill_attention(kvant_context *context,
                                     const kvant_prefill_attention_desc *desc)
{
    prefill_tensors t;
    kvant_status status = check_prefill(context, desc, &t);
    if (status != KVANT_OK) {
        return status;
    }
    kv_prefill_params p = {
        .queries = desc->query_tokens,
        .keys = desc->key_tokens,
        .first_query = desc->first_query,
        .q_heads = desc->q_heads,
        .kv_heads = desc->kv_heads,
        .k_dim = desc->k_dim,
        .v_dim = desc->v_dim,
        .scale = scale_of(desc->scale, desc->k_dim),
        .q_offset = (uint32_t)t.q.offset,
        .q_token_stride = (uint32_t)t.q.token_stride,
        .q_head_stride = (uint32_t)t.q.head_stride,
        .q_dtype = (uint32_t)t.q.dtype,
        .k_offset = (uint32_t)t.k.offset,
        .k_token_stride = (uint32_t)t.k.token_stride,
        .k_head_stride = (uint32_t)t.k.head_stride,
        .k_dtype = (uint32_t)t.k.dtype,
        .v_offset = (uint32_t)t.v.offset,
        .v_token_stride = (uint32_t)t.v.token_stride,
        .v_head_stride = (uint32_t)t.v.head_stride,
        .v_dtype = (uint32_t)t.v.dtype,
        .out_offset = (uint32_t)t.out.offset,
        .out_token_stride = (uint32_t)t.out.token_stride,
        .out_head_stride = (uint32_t)t.out.head_stride,
        .out_dtype = (uint32_t)t.out.dtype,
        .lse_offset = desc->lse != NULL ? 0u : KV_NO_OFFSET,
    };
    kvant_buffer *buffers[5] = {t.q.buffer, t.k.buffer, t.v.buffer, t.out.buffer, desc->lse};
    return kvant_launch_kernel(context, KVANT_KERNEL_prefill, &p, buffers, 5);
}
