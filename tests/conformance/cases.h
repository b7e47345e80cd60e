/* SPDX-License-Identifier: MIT
 *
 * The list of cases: each family walks its parameters and emits a case for each combination. To
 * add a family: a function here, its name in KVANT_CASE_FAMILIES, its file in CMakeLists.txt.
 */
#ifndef KVANT_TESTS_CASES_H
#define KVANT_TESTS_CASES_H

#include "inputs.h"
#include "trial.h"

/* Which runs a case belongs to: each tier also runs the cases of the tiers below it. */
typedef enum {
    KVANT_TIER_DEFAULT = 0,
    KVANT_TIER_QUICK = 1, /* below the default one: a subset in seconds */
    KVANT_TIER_FULL = 2   /* above it: what takes long */
} kvant_case_tier;

typedef void (*kvant_case_fn)(kvant_trial *trial, const void *data);

typedef struct kvant_case_sink {
    /* `data` lives for the call. */
    void (*visit)(struct kvant_case_sink *sink, const char *name, kvant_case_tier tier,
                  kvant_case_fn run, const void *data);
} kvant_case_sink;

/* Emits a case. `is_quick` is 1 for one of the quick subset, 0 for one of the default list. */
void kvant_emit(kvant_case_sink *sink, int is_quick, kvant_case_fn run, const void *data,
                const char *format, ...) __attribute__((format(printf, 5, 6)));

/* Emits a case of the full tier alone. */
void kvant_emit_full(kvant_case_sink *sink, kvant_case_fn run, const void *data, const char *format,
                     ...) __attribute__((format(printf, 4, 5)));

#define KVANT_CASE_FAMILIES(X)                                                                     \
    X(arithmetic)                                                                                  \
    X(micro)                                                                                       \
    X(append)                                                                                      \
    X(rotate)                                                                                      \
    X(quantize)                                                                                    \
    X(gather)                                                                                      \
    X(saliency)                                                                                    \
    X(scores)                                                                                      \
    X(select)                                                                                      \
    X(transcode)                                                                                   \
    X(attention)                                                                                   \
    X(latent)                                                                                      \
    X(merge)                                                                                       \
    X(prefill)                                                                                     \
    X(scenario)                                                                                    \
    X(oracle_numbers)                                                                              \
    X(oracle_quantize)                                                                             \
    X(oracle_attention)                                                                            \
    X(oracle_saliency)                                                                             \
    X(oracle_scores)                                                                               \
    X(oracle_rotate)                                                                               \
    X(golden)

#define KVANT_CASE_FAMILY(name) void kvant_cases_##name(kvant_case_sink *sink);
KVANT_CASE_FAMILIES(KVANT_CASE_FAMILY)
#undef KVANT_CASE_FAMILY

#endif
