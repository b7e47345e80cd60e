/* SPDX-License-Identifier: MIT
 *
 * Loads a llama2.c checkpoint (version 0, fp32).
 */
#include "checkpoint.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "file_input.h"

/* Magic number that versions 1 and later start with. */
#define VERSIONED_MAGIC 0x616b3432u

/* Largest values that are believed. Together they keep every size below far inside 64 bits. */
static const struct {
    const char *name;
    uint32_t most;
} header_limits[7] = {
    {"dim", 1u << 16},     {"hidden_dim", 1u << 18}, {"n_layers", 1u << 10},
    {"n_heads", 1u << 12}, {"n_kv_heads", 1u << 12}, {"vocab_size", 1u << 20},
    {"seq_len", 1u << 20},
};

static int check_heads(const checkpoint_shape *s, tool_error *error)
{
    if (s->dim % s->heads != 0) {
        return tool_error_input(error, "the header's dim %u is not a multiple of its n_heads %u",
                                s->dim, s->heads);
    }
    if (s->heads % s->kv_heads != 0) {
        return tool_error_input(error,
                                "the header's n_heads %u is not a multiple of its n_kv_heads %u",
                                s->heads, s->kv_heads);
    }
    if ((s->dim / s->heads) % 2u != 0) {
        return tool_error_input(error, "the head dimension %u is odd; rotary embedding needs pairs",
                                s->dim / s->heads);
    }
    return 0;
}

/* Floats of the file after its header, in order. */
static uint64_t weight_count(const checkpoint_shape *s)
{
    uint64_t dim = s->dim;
    uint64_t kv_dim = (uint64_t)s->kv_heads * s->head_dim;
    uint64_t layer =
        dim + dim * dim + 2u * dim * kv_dim + dim * dim + dim + 3u * dim * s->hidden_dim;
    uint64_t rotation_tables = (uint64_t)s->seq_len * s->head_dim;
    uint64_t vocabulary = (uint64_t)s->vocab_size * dim;
    return vocabulary + s->layers * layer + dim + rotation_tables +
           (s->shared_classifier ? 0u : vocabulary);
}

int checkpoint_read_shape(const unsigned char *header, uint64_t file_bytes,
                          checkpoint_shape *out_shape, tool_error *error)
{
    if (file_bytes < CHECKPOINT_HEADER_BYTES) {
        return tool_error_input(error, "the file has %" PRIu64 " bytes; the header alone takes %u",
                                file_bytes, CHECKPOINT_HEADER_BYTES);
    }
    uint32_t values[7];
    for (unsigned i = 0; i < 7u; i++) {
        values[i] = input_u32(header + 4u * i);
    }
    if (values[0] == VERSIONED_MAGIC) {
        return tool_error_input(error,
                                "it is a llama2.c checkpoint of version %u; export it as "
                                "version 0 (fp32)",
                                values[1]);
    }
    int shared = (int32_t)values[5] > 0;
    if (!shared) {
        values[5] = 0u - values[5];
    }
    for (unsigned i = 0; i < 7u; i++) {
        if (values[i] == 0u || values[i] > header_limits[i].most) {
            return tool_error_input(error, "the header's %s is %" PRId32 "; 1 to %u is possible",
                                    header_limits[i].name, (int32_t)values[i],
                                    header_limits[i].most);
        }
    }
    checkpoint_shape shape = {values[0], values[1], values[2], values[3], values[4],
                              values[5], values[6], 0u,        shared};
    if (check_heads(&shape, error) != 0) {
        return -1;
    }
    shape.head_dim = shape.dim / shape.heads;
    uint64_t expected = CHECKPOINT_HEADER_BYTES + 4u * weight_count(&shape);
    if (expected != file_bytes) {
        return tool_error_input(error,
                                "the file has %" PRIu64 " bytes, its header asks for %" PRIu64,
                                file_bytes, expected);
    }
    *out_shape = shape;
    return 0;
}

static const float *take(const float **at, uint64_t count)
{
    const float *here = *at;
    *at += count;
    return here;
}

static void point_into_weights(checkpoint *model)
{
    const checkpoint_shape *s = &model->shape;
    uint64_t dim = s->dim;
    uint64_t kv_dim = (uint64_t)s->kv_heads * s->head_dim;
    const float *at = model->weights;
    model->embedding = take(&at, s->vocab_size * dim);
    model->attention_norm = take(&at, s->layers * dim);
    model->wq = take(&at, s->layers * dim * dim);
    model->wk = take(&at, s->layers * dim * kv_dim);
    model->wv = take(&at, s->layers * dim * kv_dim);
    model->wo = take(&at, s->layers * dim * dim);
    model->ffn_norm = take(&at, s->layers * dim);
    model->w1 = take(&at, s->layers * dim * s->hidden_dim);
    model->w2 = take(&at, s->layers * dim * s->hidden_dim);
    model->w3 = take(&at, s->layers * dim * s->hidden_dim);
    model->final_norm = take(&at, dim);
    take(&at, (uint64_t)s->seq_len * s->head_dim); /* rotation tables: they are computed anew */
    model->classifier = s->shared_classifier ? model->embedding : at;
}

static int read_weights(FILE *file, checkpoint *model, tool_error *error)
{
    uint64_t count = weight_count(&model->shape);
    if (count > SIZE_MAX / sizeof(float)) {
        return tool_error_input(error, "the model is larger than the address space");
    }
    model->weights = malloc((size_t)count * sizeof(float));
    if (model->weights == NULL) {
        return tool_error_memory(error);
    }
    if (fread(model->weights, sizeof(float), (size_t)count, file) != (size_t)count) {
        return tool_error_input(error, "the file could not be read to its end");
    }
    for (uint64_t i = 0; i < count; i++) {
        if (!isfinite(model->weights[i])) {
            return tool_error_input(error, "the weight at byte %" PRIu64 " is not a finite number",
                                    CHECKPOINT_HEADER_BYTES + 4u * i);
        }
    }
    point_into_weights(model);
    return 0;
}

int checkpoint_load(const char *path, checkpoint *out_model, tool_error *error)
{
    memset(out_model, 0, sizeof *out_model);
    uint64_t bytes = 0;
    FILE *file = input_open(path, &bytes, error);
    if (file == NULL) {
        return -1;
    }
    unsigned char header[CHECKPOINT_HEADER_BYTES] = {0};
    size_t header_bytes = fread(header, 1, sizeof header, file);
    int result = checkpoint_read_shape(header, header_bytes < sizeof header ? header_bytes : bytes,
                                       &out_model->shape, error);
    if (result == 0) {
        result = read_weights(file, out_model, error);
    }
    fclose(file);
    if (result != 0) {
        checkpoint_release(out_model);
        input_name_file(error, path);
    }
    return result;
}

void checkpoint_release(checkpoint *model)
{
    free(model->weights);
    memset(model, 0, sizeof *model);
}
