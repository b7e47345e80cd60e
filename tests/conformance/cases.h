/* SPDX-License-Identifier: MIT
 *
 * The list of cases: each family walks its parameters and emits a case for each combination. To
 * add a family: a function here, its name in KVANT_CASE_FAMILIES, its file in CMakeLists.txt.
 */
#ifndef KVANT_TESTS_CASES_H
#define KVANT_TESTS_CASES_H

#include "inputs.h"
#include "trial.h"

typedef void (*kvant_case_fn)(kvant_trial *trial, const void *data);

typedef struct kvant_case_sink {
    /* `data` lives for the call. */
    void (*visit)(struct kvant_case_sink *sink, const char *name, int quick, kvant_case_fn run,
                  const void *data);
} kvant_case_sink;

/* Emits a case; `quick` marks it as one of the quick subset. */
void kvant_emit(kvant_case_sink *sink, int quick, kvant_case_fn run, const void *data,
                const char *format, ...) __attribute__((format(printf, 5, 6)));

#define KVANT_CASE_FAMILIES(X)                                                                     \
    X(arithmetic)                                                                                  \
    X(append)                                                                                      \
    X(quantize)                                                                                    \
    X(saliency)                                                                                    \
    X(select)                                                                                      \
    X(attention)                                                                                   \
    X(prefill)                                                                                     \
    X(oracle_numbers)                                                                              \
    X(oracle_quantize)                                                                             \
    X(oracle_attention)                                                                            \
    X(oracle_saliency)                                                                             \
    X(golden)

#define KVANT_CASE_FAMILY(name) void kvant_cases_##name(kvant_case_sink *sink);
KVANT_CASE_FAMILIES(KVANT_CASE_FAMILY)
#undef KVANT_CASE_FAMILY

#endif
