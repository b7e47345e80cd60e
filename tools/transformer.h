/* SPDX-License-Identifier: MIT
 *
 * A llama transformer on the CPU in fp32, without its attention: that, and the cache, belong to
 * whoever implements attention_port.
 */
#ifndef KVANT_TOOLS_TRANSFORMER_H
#define KVANT_TOOLS_TRANSFORMER_H

#include <stdint.h>

#include "checkpoint.h"

/* Stores K and V of `tokens` new tokens, the first at position `first`, and computes their
 * attention over all tokens so far. q, out [tokens][heads][head_dim]; k, v
 * [tokens][kv_heads][head_dim]; q and k are rotated. Returns 0, or -1 with the reason. */
typedef struct {
    int (*attend)(void *self, uint32_t layer, uint32_t first, uint32_t tokens, const float *q,
                  const float *k, const float *v, float *out, tool_error *error);
    void *self;
} attention_port;

typedef struct {
    const checkpoint *model;
    uint32_t max_tokens;
    float *rotation; /* [seq_len][head_dim / 2] pairs of cosine and sine */
    float *x;        /* [tokens][dim], as the next four */
    float *normed;
    float *q;
    float *attended;
    float *projected;
    float *k; /* [tokens][kv_dim] */
    float *v;
    float *gate; /* [tokens][hidden_dim] */
    float *up;
    float *memory;
} transformer;

/* `model` outlives the transformer, which takes at most `max_tokens` tokens at once. */
int transformer_create(const checkpoint *model, uint32_t max_tokens, transformer *out_transformer,
                       tool_error *error);
void transformer_release(transformer *t);

/* Runs `count` tokens at positions from `first` on; out_logits is those of the last. */
int transformer_forward(transformer *t, const attention_port *port, const uint32_t *tokens,
                        uint32_t first, uint32_t count, float *out_logits, tool_error *error);

#endif
