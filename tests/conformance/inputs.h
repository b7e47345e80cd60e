/* SPDX-License-Identifier: MIT
 *
 * Inputs of the conformance cases: random numbers that are the same everywhere, kinds of K, V and
 * query data, and caller tensors in every layout that a view can describe.
 */
#ifndef KVANT_TESTS_INPUTS_H
#define KVANT_TESTS_INPUTS_H

#include "trial.h"

/* X(symbol, name) */
#define KVANT_INPUT_KINDS(X)                                                                       \
    X(GAUSSIAN, "gauss")                                                                           \
    X(OUTLIERS, "outliers") /* one channel of sixteen is 30 times as large */                      \
    X(CONSTANT, "constant") /* one value a channel: every channel group is degenerate */           \
    X(LEVEL, "level")       /* one value a token: every token group is degenerate */               \
    X(ZERO, "zero")                                                                                \
    X(ONE_SIDED, "onesided")  /* all in [5, 6] */                                                  \
    X(HUGE_SCALE, "huge")     /* up to 6e4 */                                                      \
    X(TINY_SCALE, "tiny")     /* around 1e-7, below the smallest normal half */                    \
    X(SUBNORMAL, "subnormal") /* subnormal halves, and subnormal floats where the type has them */ \
    X(NEGATIVE_ZERO, "negzero") /* zeros of both signs, and values that round to them */           \
    X(SPECIAL, "special")       /* NaN, infinities, and the edge of the half range */

typedef enum {
#define KVANT_INPUT_ENUM(symbol, name) KVANT_INPUT_##symbol,
    KVANT_INPUT_KINDS(KVANT_INPUT_ENUM)
#undef KVANT_INPUT_ENUM
        KVANT_INPUT_KIND_COUNT
} kvant_input_kind;

/* X(symbol, name): how a tensor [token][head][channel] lies in memory */
#define KVANT_VIEW_KINDS(X)                                                                        \
    X(PACKED, "packed")                                                                            \
    X(HEAD_MAJOR, "headmajor")                                                                     \
    X(PADDED, "padded")         /* offset, strides: odd, or multiples of 2; a first row */         \
    X(TRANSPOSED, "transposed") /* channel stride is not 1 */                                      \
    X(RING, "ring")             /* rows wrap round */

typedef enum {
#define KVANT_VIEW_ENUM(symbol, name) KVANT_VIEW_##symbol,
    KVANT_VIEW_KINDS(KVANT_VIEW_ENUM)
#undef KVANT_VIEW_ENUM
        KVANT_VIEW_KIND_COUNT
} kvant_view_kind;

const char *kvant_input_name(kvant_input_kind kind);
const char *kvant_view_name(kvant_view_kind kind);
const char *kvant_dtype_name(kv_u32 dtype);

/* Random numbers: 64 bits, [0, bound), [0, 1), and a normal distribution. */
uint64_t kvant_random(uint64_t *state);
uint32_t kvant_random_below(uint64_t *state, uint32_t bound);
float kvant_random_unit(uint64_t *state);
float kvant_random_normal(uint64_t *state);

/* A value of the kind; `token` and `channel` matter to some. */
float kvant_input_value(uint64_t *state, kvant_input_kind kind, uint32_t token, uint32_t channel);

/* Stores x as element i of a tensor that starts at word `base`. */
void kvant_store_element(kv_u32 *words, kv_u32 i, kv_u32 dtype, float x);

/* Adds a region for a tensor of that shape and fills it with the kind. */
kv_view kvant_add_tensor(kvant_trial *trial, kvant_trial_buffer *buffer, kvant_view_kind layout,
                         kv_u32 dtype, uint32_t rows, uint32_t heads, uint32_t dim,
                         kvant_input_kind kind);

/* The same, left poisoned: a target. Offset and strides are even. */
kv_view kvant_add_target(kvant_trial *trial, kvant_trial_buffer *buffer, kvant_view_kind layout,
                         kv_u32 dtype, uint32_t rows, uint32_t heads, uint32_t dim);

#endif
