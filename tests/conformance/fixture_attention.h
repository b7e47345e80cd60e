/* SPDX-License-Identifier: MIT
 *
 * A decode step over a cache: the store, queries, their positions, and room for the results.
 */
#ifndef KVANT_TESTS_FIXTURE_ATTENTION_H
#define KVANT_TESTS_FIXTURE_ATTENTION_H

#include "fixture_cache.h"

typedef enum {
    KVANT_MASK_NONE,   /* no positions: every token is visible */
    KVANT_MASK_CAUSAL, /* the rows are the last positions */
    KVANT_MASK_EARLY,  /* the rows are spread: most tokens are masked, the first row sees none */
    KVANT_MASK_COUNT
} kvant_attention_mask;

typedef struct {
    kvant_cache_spec cache;
    kv_u32 q_heads, queries;
    kv_u32 q_dtype, out_dtype;
    kvant_input_kind query_kind;
    kvant_attention_mask mask;
    int has_lse;
    int is_padded; /* [row][head] with gaps, not [head][row] packed */
} kvant_attention_spec;

typedef struct {
    kvant_trial_buffer *store, *queries, *positions, *partials, *out, *lse, *source, *scratch;
    kvant_cache_layout layout;
    kv_attention_params params;
    kv_latent_params latent; /* of a cache of latents */
} kvant_attention_fixture;

/* The kernel that reads all of its segments. */
kvant_kernel kvant_attention_kernel_of(const kvant_attention_spec *spec);

void kvant_attention_name(const kvant_attention_spec *spec, const char *format, char *name,
                          size_t size);

void kvant_attention_build(kvant_trial *trial, const kvant_attention_spec *spec,
                           kvant_attention_fixture *out_fixture);

#endif
