/* SPDX-License-Identifier: MIT
 *
 * A compression event of one tensor: its source, its segment's regions and the launches that it
 * takes, so that any of them can run on the device or on the reference alone.
 */
#ifndef KVANT_TESTS_FIXTURE_QUANTIZE_H
#define KVANT_TESTS_FIXTURE_QUANTIZE_H

#include "inputs.h"

typedef enum {
    KVANT_GATHER_NONE,
    KVANT_GATHER_SHARED, /* one index list for all heads */
    KVANT_GATHER_PER_HEAD
} kvant_gather;

typedef struct {
    kv_u32 is_value;
    kv_u32 codec;
    kv_u32 grouping;
    kv_u32 group_length;
    kv_u32 heads, dim;
    kv_u32 tokens;   /* of the event */
    kv_u32 token;    /* where the event starts in the segment */
    kv_u32 capacity; /* of the segment */
    kv_u32 dtype;
    kvant_view_kind layout;
    kvant_input_kind kind;
    kvant_gather gather;
    int has_channel_scale;
} kvant_event;

/* The regions of the segment that the event writes to, in words of the store. */
typedef struct {
    kv_u32 params_offset;
    kv_u32 codes_offset;
    kv_u32 channel_scale_offset; /* KV_NO_OFFSET: none */
    kv_u32 levels_offset;        /* of a learned codebook */
} kvant_event_target;

typedef struct {
    kvant_trial_buffer *source, *store, *scratch;
    kv_quantize_params scale_extrema;
    kv_channel_scale_params channel_scale;
    kv_quantize_params quantize;
    kv_parameters_params parameters;
    kv_quantize_params learning;     /* of a learned codebook: keys are its histogram */
    kv_dequantize_params dequantize; /* without its target */
    int has_channel_scale;
} kvant_event_plan;

/* "k/int2/channel-tokens-32/heads2/dim64/tokens100/f16/packed/outliers/gather/cst" */
void kvant_event_name(const kvant_event *event, char *name, size_t size);

const char *kvant_event_codec_name(kv_u32 codec);

/* The kernel that makes the codes. */
kvant_kernel kvant_event_encode_kernel(kv_u32 codec);

/* Words of the parameters, of the codes and of the channel scales of a segment. */
kv_u32 kvant_event_params_words(const kvant_event *event);
kv_u32 kvant_event_codes_words(const kvant_event *event);

/* Adds the keys of some channels, lowest and highest, as extrema may leave them. */
kv_u32 kvant_add_random_keys(kvant_trial *trial, kvant_trial_buffer *scratch, kv_u32 channels);

/* Adds source, index lists and keys; without a target, the segment's regions too. */
void kvant_event_build(kvant_trial *trial, const kvant_event *event,
                       const kvant_event_target *target, kvant_event_plan *out_plan,
                       kvant_trial_buffer *source, kvant_trial_buffer *store,
                       kvant_trial_buffer *scratch);

/* A function of trial.h: launch, enqueue or prepare. */
typedef void (*kvant_launch_fn)(kvant_trial *trial, kvant_kernel kernel, const void *params,
                                kvant_trial_buffer *const *bindings);

/* Runs the event's launches in order; `only` runs through `chosen`, the others through `rest`. */
void kvant_event_run(kvant_trial *trial, const kvant_event_plan *plan, kvant_kernel only,
                     kvant_launch_fn chosen, kvant_launch_fn rest);

#endif
