/* SPDX-License-Identifier: MIT
 *
 * A model in the llama2.c format, version 0: seven little-endian 32-bit numbers, then the weights
 * in fp32. Nothing of the file is believed before it is checked.
 */
#ifndef KVANT_TOOLS_CHECKPOINT_H
#define KVANT_TOOLS_CHECKPOINT_H

#include <stdint.h>

#include "tool_error.h"

#define CHECKPOINT_HEADER_BYTES 28u

typedef struct {
    uint32_t dim;
    uint32_t hidden_dim;
    uint32_t layers;
    uint32_t heads;
    uint32_t kv_heads;
    uint32_t vocab_size;
    uint32_t seq_len;
    uint32_t head_dim; /* dim / heads */
    int shared_classifier;
} checkpoint_shape;

/* Matrices are [outputs][inputs], one after the other by layer. */
typedef struct {
    checkpoint_shape shape;
    const float *embedding;
    const float *attention_norm;
    const float *wq;
    const float *wk;
    const float *wv;
    const float *wo;
    const float *ffn_norm;
    const float *w1;
    const float *w2;
    const float *w3;
    const float *final_norm;
    const float *classifier;
    float *weights; /* what the others point into */
} checkpoint;

/* Checks the header against itself and against the size of the file. */
int checkpoint_read_shape(const unsigned char *header, uint64_t file_bytes,
                          checkpoint_shape *out_shape, tool_error *error);

int checkpoint_load(const char *path, checkpoint *out_model, tool_error *error);
void checkpoint_release(checkpoint *model);

#endif
