/* SPDX-License-Identifier: MIT
 *
 * Sequences of a compressed cache with one or more segments, built by the reference's own append,
 * extrema, parameters and encode, so that attention reads realistic codes and parameters.
 */
#ifndef KVANT_TESTS_FIXTURE_CACHE_H
#define KVANT_TESTS_FIXTURE_CACHE_H

#include "fixture_quantize.h"

/* How one tensor of a segment is stored. */
typedef struct {
    kv_u32 codec;
    kv_u32 grouping;
    kv_u32 group_length;
    int has_channel_scale;
} kvant_format;

typedef struct {
    kvant_format k, v;
    kv_u32 tokens; /* that are valid */
    kv_u32 spare;  /* slots beyond them; the capacity is rounded up to 4 */
    kv_u32 slot;   /* f16: where the ring starts */
    int has_positions_per_head;
    kv_u32 head_first;
    kv_u32 head_count; /* KV heads that it holds; 0: all */
} kvant_segment;

#define KVANT_CACHE_SEGMENTS 4u

typedef struct {
    kvant_segment segments[KVANT_CACHE_SEGMENTS];
    kv_u32 segment_count;
    kv_u32 sequences;
    kv_u32 kv_heads, k_dim, v_dim;
    kvant_input_kind kind;
    kv_u32 dtype;
    int has_empty_sequence; /* sequence 0 holds no split */
    int is_latent;          /* V holds latents, in parts that are stored as heads */
    int is_aligned;         /* parts begin at multiples of 16 bytes, as those of a cache do */
} kvant_cache_spec;

typedef struct {
    kv_u32 sequence_offset, sequence_stride;
    kv_u32 splits_offset, segments_offset; /* within a region */
    kv_u32 splits;                         /* of the longest sequence */
    kv_u32 positions;                      /* every position is below this */
} kvant_cache_layout;

kv_u32 kvant_segment_capacity(const kvant_segment *segment);
kv_u32 kvant_segment_heads_of(const kvant_cache_spec *spec, const kvant_segment *segment);

/* Adds the regions of all sequences to `store` and fills them. */
void kvant_cache_build(kvant_trial *trial, const kvant_cache_spec *spec, kvant_trial_buffer *store,
                       kvant_trial_buffer *source, kvant_trial_buffer *scratch,
                       kvant_cache_layout *out_layout);

#endif
