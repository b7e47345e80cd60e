/* SPDX-License-Identifier: MIT
 *
 * The literal model of a KV cache: every token as it was given, attention straight from the formula,
 * in double precision. It knows nothing of codecs, segments, windows or splits and shares no code
 * with the library: what a compressed cache gives may differ from it by what its bits allow.
 */
#ifndef KVANT_TESTS_LITERAL_MODEL_H
#define KVANT_TESTS_LITERAL_MODEL_H

#include <stdint.h>

typedef enum { LITERAL_K, LITERAL_V, LITERAL_Q } literal_tensor;

typedef struct {
    uint32_t q_heads;
    uint32_t kv_heads;
    uint32_t k_dim;
    uint32_t v_dim;
    /* The number at those coordinates, as it was given to the cache. */
    double (*value)(const void *self, literal_tensor tensor, uint32_t sequence, uint32_t token,
                    uint32_t head, uint32_t channel);
    const void *self;
    /* Whether token `token` of a KV head has not been evicted; NULL: none ever is. */
    int (*is_kept)(const void *self, uint32_t sequence, uint32_t kv_head, uint32_t token);
} literal_model;

/* softmax(q K^T / sqrt(k_dim)) V of one query head over what is kept of tokens 0 .. token, for the
 * query of `token`. `weights` has room for token + 1 numbers, `output` for v_dim. Returns the log-sum-exp. Where
 * nothing is kept the output is 0 and that minus infinity. */
double literal_attend(const literal_model *model, uint32_t sequence, uint32_t token,
                      uint32_t q_head, double *weights, double *output);

#endif
