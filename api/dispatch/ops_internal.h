/* SPDX-License-Identifier: MIT
 *
 * The operations behind kvant/ops.h and the cache, on checked arguments: each is a short sequence of
 * kernel launches.
 */
#ifndef KVANT_DISPATCH_OPS_INTERNAL_H
#define KVANT_DISPATCH_OPS_INTERNAL_H

#include "context_internal.h"
#include "kvant/ops.h"
#include "params.h"

/* Where an operation's words are. */
typedef struct {
    kvant_buffer *source;
    kvant_buffer *store;
    kvant_buffer *scratch;
} kvant_op_buffers;

/* Parameters and codes of an event's tokens. */
kvant_status kvant_op_quantize(kvant_context *context, const kvant_op_buffers *buffers,
                               const kv_quantize_params *p);

/* The queries of an event's tokens, row for row. */
typedef struct {
    kvant_buffer *source;
    kv_view view;
    uint32_t heads;
    uint32_t keys_offset; /* in scratch: room for their keys */
} kvant_op_queries;

/* Channel scales of an event's tokens to p->channel_scale_offset, over those of the queries unless they
 * are NULL; p's codec and grouping are not used. */
kvant_status kvant_op_channel_scale(kvant_context *context, const kvant_op_buffers *buffers,
                                    const kv_quantize_params *p, const kvant_op_queries *queries);

/* Quantizes the keys to int8 in scratch and runs the saliency kernels up to the scores. Probe
 * positions are in scratch already. p.codes_offset .. p.scores_offset place everything. */
kvant_status kvant_op_saliency(kvant_context *context, kvant_buffer *keys, const kv_view *key_view,
                               kvant_buffer *queries, kvant_buffer *scratch, uint32_t keys_offset,
                               kv_saliency_params p);

/* Ranges of tokens, or with p->limits_offset their outliers beyond `percentile` of all magnitudes of a
 * map, in scratch. */
kvant_status kvant_op_range(kvant_context *context, kvant_buffer *source, kvant_buffer *scratch,
                            const kv_range_params *p, double percentile);

/* The signs of a rotation: bit c % 32 of word c / 32 is that of channel c. */
void kvant_rotation_signs(uint64_t seed, uint32_t signs[8]);

/* The kernel for segments of which some have codecs with codebooks, or none. */
static inline kvant_kernel kvant_attention_kernel(bool is_general)
{
    return is_general ? KVANT_KERNEL_attention_general : KVANT_KERNEL_attention;
}

/* A segment's entry of the segment table. */
void kvant_write_segment(const kvant_segment *segment, uint32_t *entry);

#endif
