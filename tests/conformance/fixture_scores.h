/* SPDX-License-Identifier: MIT
 *
 * Events for the kernels that score tokens without queries, or work on scores: their buffers, and the
 * launches in the order in which the cache makes them.
 */
#ifndef KVANT_TESTS_FIXTURE_SCORES_H
#define KVANT_TESTS_FIXTURE_SCORES_H

#include "fixture_quantize.h"

/* Kinds of score rows: X(symbol, name) */
#define KVANT_SCORE_KINDS(X)                                                                       \
    X(RANDOM, "random")                                                                            \
    X(SMALL, "small") /* differ in the low byte alone */                                           \
    X(TIES, "ties")   /* three values */                                                           \
    X(EQUAL, "equal")                                                                              \
    X(SATURATED, "saturated") /* many at and above the largest score */                            \
    X(FALLING, "falling")

typedef enum {
#define KVANT_SCORE_ENUM(symbol, name) KVANT_SCORES_##symbol,
    KVANT_SCORE_KINDS(KVANT_SCORE_ENUM)
#undef KVANT_SCORE_ENUM
        KVANT_SCORE_KIND_COUNT
} kvant_score_kind;

const char *kvant_score_kind_name(kvant_score_kind kind);

/* A score of the kind. */
kv_u32 kvant_score_value(uint64_t *random, kvant_score_kind kind, kv_u32 token);

/* A row of scores for each map; returns its offset. */
kv_u32 kvant_add_scores(kvant_trial *trial, kvant_trial_buffer *scratch, kvant_score_kind kind,
                        kv_u32 maps, kv_u32 tokens);

/* One tensor of an event whose tokens are judged by their numbers. */
typedef struct {
    kv_u32 tokens, heads, dim, all_heads;
    kv_u32 dtype;
    kvant_view_kind view;
    kvant_input_kind kind;
    kv_u32 percentile; /* of 1000 */
} kvant_range_spec;

typedef struct {
    kvant_trial_buffer *source, *scratch;
    kv_range_params counts; /* of saliency_magnitudes */
    kv_percentile_params limit;
    kv_range_params ranges;   /* scores are ranges */
    kv_range_params outliers; /* scores are counts of outliers */
} kvant_range_fixture;

void kvant_range_name(const kvant_range_spec *spec, char *name, size_t size);
void kvant_range_build(kvant_trial *trial, const kvant_range_spec *spec,
                       kvant_range_fixture *out_fixture);

/* Runs all launches in order; those of `only` through `chosen`, the others through `rest`. */
void kvant_range_run(kvant_trial *trial, kvant_range_fixture *fixture, kvant_kernel only,
                     kvant_launch_fn chosen, kvant_launch_fn rest);

#endif
