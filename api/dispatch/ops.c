/* SPDX-License-Identifier: MIT
 *
 * The operations of quantization and saliency as sequences of launches. kvant/ops.h's own entry
 * points, with their checks, are in ops_api.c.
 */
#include "ops_internal.h"

#include <math.h>

#include "arith.h"
#include "codebook.h"
#include "layout.h"

/* Empty keys: lowest above highest. */
static kvant_status clear_keys(kvant_buffer *scratch, uint32_t offset, uint32_t channels)
{
    kvant_status status =
        kvant_buffer_fill(scratch, (uint64_t)offset * 4u, 0xffffffffu, (uint64_t)channels * 4u);
    if (status == KVANT_OK) {
        status = kvant_buffer_fill(scratch, ((uint64_t)offset + channels) * 4u, 0u,
                                   (uint64_t)channels * 4u);
    }
    return status;
}

/* Leaves the extrema of the event's channels in scratch. */
static kvant_status find_extrema(kvant_context *context, kvant_work work,
                                 const kvant_op_buffers *buffers, const kv_quantize_params *p)
{
    kvant_buffer *bindings[3] = {buffers->source, buffers->store, buffers->scratch};
    kvant_status status = clear_keys(buffers->scratch, p->keys_offset, p->heads * p->dim);
    if (status == KVANT_OK) {
        status = kvant_launch_as(context, work, KVANT_KERNEL_extrema, p, bindings, 3);
    }
    return status;
}

/* Codes, and the parameters of groups that are not whole channels. */
static kvant_status encode(kvant_context *context, kvant_work work, const kvant_op_buffers *buffers,
                           const kv_quantize_params *p)
{
    kvant_buffer *bindings[2] = {buffers->source, buffers->store};
    kvant_kernel kernel = kv_codec_keeps_norm(p->codec) != 0u     ? KVANT_KERNEL_encode_norm
                          : kv_codec_has_codebook(p->codec) != 0u ? KVANT_KERNEL_encode_codebook
                                                                  : KVANT_KERNEL_encode;
    return kvant_launch_as(context, work, kernel, p, bindings, 2);
}

/* A learned codebook from the event's values, of which the parameters must be known: where encode makes
 * them it goes first, and its codes are made again. */
static kvant_status learn(kvant_context *context, kvant_work work, const kvant_op_buffers *buffers,
                          const kv_quantize_params *p)
{
    kvant_buffer *histogram[3] = {buffers->source, buffers->store, buffers->scratch};
    kvant_buffer *levels[2] = {buffers->scratch, buffers->store};
    kvant_status status = KVANT_OK;
    if (kv_groups_are_local(p->grouping) != 0u) {
        status = encode(context, work, buffers, p);
    }
    if (status == KVANT_OK) {
        status = kvant_buffer_fill(buffers->scratch, (uint64_t)p->keys_offset * 4u, 0u,
                                   KV_CODEBOOK_BYTES * 4u);
    }
    if (status == KVANT_OK) {
        status = kvant_launch_as(context, work, KVANT_KERNEL_codebook_histogram, p, histogram, 3);
    }
    if (status == KVANT_OK) {
        status = kvant_launch_as(context, work, KVANT_KERNEL_codebook_levels, p, levels, 2);
    }
    return status;
}

static kvant_status quantize(kvant_context *context, kvant_work work,
                             const kvant_op_buffers *buffers, const kv_quantize_params *p)
{
    kvant_buffer *gather[2] = {buffers->source, buffers->store};
    if (p->codec == KV_CODEC_F16) {
        return kvant_launch_as(context, work, KVANT_KERNEL_gather, p, gather, 2);
    }
    kvant_status status = KVANT_OK;
    if (kv_groups_are_local(p->grouping) == 0u) {
        kv_parameters_params channels = {
            .keys_offset = p->keys_offset,
            .channels = p->heads * p->dim,
            .params_offset = p->params_offset,
            .codec = p->codec,
        };
        kvant_buffer *parameters[2] = {buffers->scratch, buffers->store};
        status = find_extrema(context, work, buffers, p);
        if (status == KVANT_OK) {
            status =
                kvant_launch_as(context, work, KVANT_KERNEL_parameters, &channels, parameters, 2);
        }
    }
    if (status == KVANT_OK && kv_codec_is_learned(p->codec) != 0u) {
        status = learn(context, work, buffers, p);
    }
    if (status == KVANT_OK) {
        status = encode(context, work, buffers, p);
    }
    return status;
}

kvant_status kvant_op_quantize(kvant_context *context, const kvant_op_buffers *buffers,
                               const kv_quantize_params *p)
{
    return quantize(context, KVANT_WORK_QUANTIZE, buffers, p);
}

kvant_status kvant_op_channel_scale(kvant_context *context, const kvant_op_buffers *buffers,
                                    const kv_quantize_params *p, const kvant_op_queries *queries)
{
    kv_channel_scale_params scales = {
        .keys_offset = p->keys_offset,
        .channels = p->heads * p->dim,
        .scale_offset = p->channel_scale_offset,
    };
    kv_quantize_params unscaled = *p;
    unscaled.channel_scale_offset = KV_NO_OFFSET;
    kvant_buffer *channel_scale[2] = {buffers->scratch, buffers->store};
    kvant_status status = find_extrema(context, KVANT_WORK_QUANTIZE, buffers, &unscaled);
    if (status == KVANT_OK && queries != NULL) {
        scales.dim = p->dim;
        scales.group = queries->heads / p->heads;
        scales.query_keys_offset = queries->keys_offset;
        unscaled.source = queries->view;
        unscaled.heads = queries->heads;
        unscaled.keys_offset = queries->keys_offset;
        kvant_op_buffers of_queries = {queries->source, buffers->store, buffers->scratch};
        status = find_extrema(context, KVANT_WORK_QUANTIZE, &of_queries, &unscaled);
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
        status = quantize(context, KVANT_WORK_SALIENCY, &buffers, &of_keys);
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

/* The place of the percentile among `numbers` in order, from 0 on: ceil(percentile x numbers) - 1; the
 * small number absorbs that 0.995 x 1000 is not 995. */
static uint32_t place_of_percentile(double percentile, uint32_t numbers)
{
    double place = ceil(percentile * (double)numbers - 1e-6);
    return place < 1.0 ? 0u : (uint32_t)place - 1u;
}

kvant_status kvant_op_range(kvant_context *context, kvant_buffer *source, kvant_buffer *scratch,
                            const kv_range_params *p, double percentile)
{
    kvant_buffer *buffers[2] = {source, scratch};
    kvant_status status = KVANT_OK;
    if (p->limits_offset != KV_NO_OFFSET) {
        kv_percentile_params limits = {
            .maps = p->all_heads != 0u ? 1u : p->heads,
            .rank = place_of_percentile(percentile,
                                        p->tokens * p->dim * (p->all_heads != 0u ? p->heads : 1u)),
            .counts_offset = p->counts_offset,
            .limits_offset = p->limits_offset,
        };
        status = kvant_buffer_fill(scratch, (uint64_t)p->counts_offset * 4u, 0u,
                                   (uint64_t)limits.maps * KV_MAGNITUDES * 4u);
        if (status == KVANT_OK) {
            status = kvant_launch_kernel(context, KVANT_KERNEL_saliency_magnitudes, p, buffers, 2);
        }
        if (status == KVANT_OK) {
            status = kvant_launch_kernel(context, KVANT_KERNEL_saliency_percentile, &limits,
                                         &scratch, 1);
        }
    }
    if (status == KVANT_OK) {
        status = kvant_launch_kernel(context, KVANT_KERNEL_saliency_range, p, buffers, 2);
    }
    return status;
}

void kvant_rotation_signs(uint64_t seed, uint32_t signs[8])
{
    for (uint32_t i = 0; i < 8u; i++) {
        /* the probe rows of the same seed have a last counter of 0 */
        signs[i] = kv_philox((uint32_t)seed, (uint32_t)(seed >> 32), i, 0u, 0u, 1u);
    }
}
