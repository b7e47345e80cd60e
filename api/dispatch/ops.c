/* SPDX-License-Identifier: MIT
 *
 * The operations of quantization and saliency as sequences of launches. kvant/ops.h's own entry
 * points, with their checks, are in ops_api.c.
 */
#include "ops_internal.h"

#include "layout.h"

uint32_t kvant_event_groups(uint32_t grouping, uint32_t group_length, uint32_t tokens,
                            uint32_t heads, uint32_t dim)
{
    uint32_t capacity = (tokens + KV_TOKEN_QUAD - 1u) / KV_TOKEN_QUAD * KV_TOKEN_QUAD;
    return kv_group_count(grouping, group_length, capacity, dim, heads);
}

/* Empty keys: lowest above highest. */
static kvant_status clear_keys(kvant_buffer *scratch, uint32_t offset, uint32_t groups)
{
    kvant_status status =
        kvant_buffer_fill(scratch, (uint64_t)offset * 4u, 0xffffffffu, (uint64_t)groups * 4u);
    if (status == KVANT_OK) {
        status =
            kvant_buffer_fill(scratch, ((uint64_t)offset + groups) * 4u, 0u, (uint64_t)groups * 4u);
    }
    return status;
}

/* How the event's groups lie among those of the segment: rows of row_length, row_stride apart. */
static kv_parameters_params parameter_rows(const kv_quantize_params *p)
{
    kv_parameters_params rows = {
        .keys_offset = p->keys_offset,
        .groups = p->groups,
        .params_offset = p->params_offset,
        .codec = p->codec,
    };
    uint32_t along = kv_groups_along(p->dim, p->group_length != 0 ? p->group_length : p->dim);
    uint32_t event_rows = p->grouping == KV_GROUP_TOKEN ? 1u : p->heads;
    rows.row_length = p->groups / event_rows;
    switch (p->grouping) {
    case KV_GROUP_TOKEN:
    case KV_GROUP_TOKEN_HEAD:
        rows.row_stride = p->capacity;
        rows.row_first = p->token;
        break;
    case KV_GROUP_TOKEN_CHANNELS:
        rows.row_stride = p->capacity * along;
        rows.row_first = p->token * along;
        break;
    case KV_GROUP_CHANNEL_TOKENS:
        rows.row_stride = kv_groups_along(p->capacity, p->group_length) * p->dim;
        rows.row_first = p->token / p->group_length * p->dim;
        break;
    default:
        rows.row_stride = p->dim;
        rows.row_first = 0;
        break;
    }
    return rows;
}

static kvant_status quantize(kvant_context *context, kvant_work work,
                             const kvant_op_buffers *buffers, kv_quantize_params p)
{
    p.groups = kvant_event_groups(p.grouping, p.group_length, p.tokens, p.heads, p.dim);
    kv_parameters_params rows = parameter_rows(&p);
    kvant_buffer *extrema[3] = {buffers->source, buffers->store, buffers->scratch};
    kvant_buffer *parameters[2] = {buffers->scratch, buffers->store};
    kvant_buffer *encode[2] = {buffers->source, buffers->store};

    kvant_status status = clear_keys(buffers->scratch, p.keys_offset, p.groups);
    if (status == KVANT_OK) {
        status = kvant_launch_as(context, work, KVANT_KERNEL_extrema, &p, extrema, 3);
    }
    if (status == KVANT_OK) {
        status = kvant_launch_as(context, work, KVANT_KERNEL_parameters, &rows, parameters, 2);
    }
    if (status == KVANT_OK) {
        status = kvant_launch_as(context, work, KVANT_KERNEL_encode, &p, encode, 2);
    }
    return status;
}

kvant_status kvant_op_quantize(kvant_context *context, const kvant_op_buffers *buffers,
                               kv_quantize_params p)
{
    return quantize(context, KVANT_WORK_QUANTIZE, buffers, p);
}

kvant_status kvant_op_channel_scale(kvant_context *context, const kvant_op_buffers *buffers,
                                    kv_quantize_params p)
{
    kv_channel_scale_params scales = {
        .keys_offset = p.keys_offset,
        .groups = p.heads * p.dim,
        .scale_offset = p.channel_scale_offset,
    };
    p.channel_scale_offset = KV_NO_OFFSET;
    p.grouping = KV_GROUP_CHANNEL_SEGMENT;
    p.group_length = 0;
    p.groups = scales.groups;
    kvant_buffer *extrema[3] = {buffers->source, buffers->store, buffers->scratch};
    kvant_buffer *channel_scale[2] = {buffers->scratch, buffers->store};

    kvant_status status = clear_keys(buffers->scratch, p.keys_offset, p.groups);
    if (status == KVANT_OK) {
        status = kvant_launch_kernel(context, KVANT_KERNEL_extrema, &p, extrema, 3);
    }
    if (status == KVANT_OK) {
        status =
            kvant_launch_kernel(context, KVANT_KERNEL_channel_scale, &scales, channel_scale, 2);
    }
    return status;
}

kvant_status kvant_op_saliency(kvant_context *context, kvant_buffer *keys, const kv_view *key_view,
                               kvant_buffer *queries, kvant_buffer *scratch, uint32_t keys_offset,
                               kv_saliency_params p)
{
    /* int8 keys about each channel's midrange are just an int8 segment with one group a channel */
    kv_quantize_params of_keys = {
        .source = *key_view,
        .indices_offset = KV_NO_OFFSET,
        .tokens = p.tokens,
        .capacity = p.capacity,
        .heads = p.kv_heads,
        .dim = p.dim,
        .codec = KV_CODEC_INT8,
        .grouping = KV_GROUP_CHANNEL_SEGMENT,
        .channel_scale_offset = KV_NO_OFFSET,
        .params_offset = p.params_offset,
        .codes_offset = p.codes_offset,
        .keys_offset = keys_offset,
    };
    kvant_op_buffers buffers = {keys, scratch, scratch};
    kvant_status status = kvant_check_launch(context, KVANT_KERNEL_saliency_rows, &p);
    if (status == KVANT_OK) {
        status = quantize(context, KVANT_WORK_SALIENCY, &buffers, of_keys);
    }

    kvant_buffer *with_queries[2] = {queries, scratch};
    if (status == KVANT_OK) {
        status = kvant_launch_kernel(context, KVANT_KERNEL_saliency_queries, &p, with_queries, 2);
    }
    static const kvant_kernel rest[] = {
        KVANT_KERNEL_saliency_rows,
        KVANT_KERNEL_saliency_merge,
        KVANT_KERNEL_saliency_columns,
        KVANT_KERNEL_saliency_scores,
    };
    for (size_t i = 0; status == KVANT_OK && i < sizeof rest / sizeof rest[0]; i++) {
        status = kvant_launch_kernel(context, rest[i], &p, &scratch, 1);
    }
    return status;
}
