/* SPDX-License-Identifier: MIT
 *
 * A saliency event: keys as int8 in scratch, queries of the probe rows, and room for each stage.
 */
#ifndef KVANT_TESTS_FIXTURE_SALIENCY_H
#define KVANT_TESTS_FIXTURE_SALIENCY_H

#include "fixture_quantize.h"

typedef struct {
    kv_u32 tokens, first_position;
    kv_u32 rows, row_position; /* query rows that exist, and the position of the first */
    kv_u32 random, recent;     /* probes among them */
    kv_u32 q_heads, kv_heads, dim;
    kv_u32 k_dtype, q_dtype;
    kvant_input_kind k_kind, q_kind;
    kv_u32 normalise, all_heads;
    int has_gathered_queries; /* the view holds the probes' queries alone, in order */
} kvant_saliency_spec;

typedef struct {
    kvant_trial_buffer *source, *queries, *scratch, *store;
    kvant_event_plan keys;
    kv_probe_rows_params probes;
    kv_saliency_params params;
    kv_select_params select;
} kvant_saliency_fixture;

void kvant_saliency_name(const kvant_saliency_spec *spec, char *name, size_t size);

/* `share` of 100 tokens are to be selected. */
void kvant_saliency_build(kvant_trial *trial, const kvant_saliency_spec *spec, kv_u32 share,
                          kvant_saliency_fixture *out_fixture);

/* Runs all launches in order; `only` through `chosen`, the others through `rest`. */
void kvant_saliency_run(kvant_trial *trial, kvant_saliency_fixture *fixture, kvant_kernel only,
                        kvant_launch_fn chosen, kvant_launch_fn rest);

#endif
