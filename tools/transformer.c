/* SPDX-License-Identifier: MIT
 *
 * The llama architecture as llama2.c defines it: RMS norm, rotary embedding over adjacent pairs,
 * grouped-query attention, SwiGLU.
 */
#include "transformer.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "matmul.h"

static void fill_rotation(transformer *t)
{
    uint32_t half = t->model->shape.head_dim / 2u;
    for (uint32_t pair = 0; pair < half; pair++) {
        float share = (float)(2u * pair) / (float)t->model->shape.head_dim;
        float frequency = 1.0f / powf(10000.0f, share);
        for (uint32_t position = 0; position < t->model->shape.seq_len; position++) {
            float *entry = t->rotation + 2u * ((size_t)position * half + pair);
            entry[0] = cosf((float)position * frequency);
            entry[1] = sinf((float)position * frequency);
        }
    }
}

int transformer_create(const checkpoint *model, uint32_t max_tokens, transformer *out_transformer,
                       tool_error *error)
{
    const checkpoint_shape *s = &model->shape;
    size_t tokens = max_tokens;
    size_t kv_dim = (size_t)s->kv_heads * s->head_dim;
    size_t rotation = (size_t)s->seq_len * s->head_dim;
    size_t floats = rotation + tokens * (5u * s->dim + 2u * kv_dim + 2u * (size_t)s->hidden_dim);

    transformer *t = out_transformer;
    memset(t, 0, sizeof *t);
    t->model = model;
    t->max_tokens = max_tokens;
    t->memory = calloc(floats, sizeof(float));
    if (t->memory == NULL) {
        return tool_error_memory(error);
    }
    t->rotation = t->memory;
    t->x = t->rotation + rotation;
    t->normed = t->x + tokens * s->dim;
    t->q = t->normed + tokens * s->dim;
    t->attended = t->q + tokens * s->dim;
    t->projected = t->attended + tokens * s->dim;
    t->k = t->projected + tokens * s->dim;
    t->v = t->k + tokens * kv_dim;
    t->gate = t->v + tokens * kv_dim;
    t->up = t->gate + tokens * s->hidden_dim;
    fill_rotation(t);
    return 0;
}

void transformer_release(transformer *t)
{
    free(t->memory);
    memset(t, 0, sizeof *t);
}

static void normalise(float *out, const float *x, const float *gain, size_t rows, size_t dim)
{
    for (size_t row = 0; row < rows; row++) {
        const float *in = x + row * dim;
        float squares = 0.0f;
        for (size_t i = 0; i < dim; i++) {
            squares += in[i] * in[i];
        }
        float factor = 1.0f / sqrtf(squares / (float)dim + 1e-5f);
        for (size_t i = 0; i < dim; i++) {
            out[row * dim + i] = gain[i] * (factor * in[i]);
        }
    }
}

static void rotate(const transformer *t, float *x, uint32_t first, uint32_t count, uint32_t heads)
{
    uint32_t half = t->model->shape.head_dim / 2u;
    for (uint32_t token = 0; token < count; token++) {
        const float *table = t->rotation + 2u * (size_t)(first + token) * half;
        for (uint32_t head = 0; head < heads; head++, x += 2u * half) {
            for (uint32_t pair = 0; pair < half; pair++) {
                float real = x[2u * pair];
                float imaginary = x[2u * pair + 1u];
                float cosine = table[2u * pair];
                float sine = table[2u * pair + 1u];
                x[2u * pair] = real * cosine - imaginary * sine;
                x[2u * pair + 1u] = real * sine + imaginary * cosine;
            }
        }
    }
}

static void add(float *x, const float *change, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        x[i] += change[i];
    }
}

static int attention_block(transformer *t, const attention_port *port, uint32_t layer,
                           uint32_t first, uint32_t count, tool_error *error)
{
    const checkpoint *m = t->model;
    const checkpoint_shape *s = &m->shape;
    size_t dim = s->dim;
    size_t kv_dim = (size_t)s->kv_heads * s->head_dim;
    normalise(t->normed, t->x, m->attention_norm + layer * dim, count, dim);
    matmul(t->q, t->normed, m->wq + layer * dim * dim, count, dim, dim);
    matmul(t->k, t->normed, m->wk + layer * dim * kv_dim, count, dim, kv_dim);
    matmul(t->v, t->normed, m->wv + layer * dim * kv_dim, count, dim, kv_dim);
    rotate(t, t->q, first, count, s->heads);
    rotate(t, t->k, first, count, s->kv_heads);
    if (port->attend(port->self, layer, first, count, t->q, t->k, t->v, t->attended, error) != 0) {
        return -1;
    }
    matmul(t->projected, t->attended, m->wo + layer * dim * dim, count, dim, dim);
    add(t->x, t->projected, count * dim);
    return 0;
}

static void feed_forward_block(transformer *t, uint32_t layer, uint32_t count)
{
    const checkpoint *m = t->model;
    size_t dim = m->shape.dim;
    size_t hidden = m->shape.hidden_dim;
    normalise(t->normed, t->x, m->ffn_norm + layer * dim, count, dim);
    matmul(t->gate, t->normed, m->w1 + layer * dim * hidden, count, dim, hidden);
    matmul(t->up, t->normed, m->w3 + layer * dim * hidden, count, dim, hidden);
    for (size_t i = 0; i < count * hidden; i++) {
        float gate = t->gate[i];
        t->gate[i] = gate * (1.0f / (1.0f + expf(-gate))) * t->up[i];
    }
    matmul(t->projected, t->gate, m->w2 + layer * dim * hidden, count, hidden, dim);
    add(t->x, t->projected, count * dim);
}

int transformer_forward(transformer *t, const attention_port *port, const uint32_t *tokens,
                        uint32_t first, uint32_t count, float *out_logits, tool_error *error)
{
    const checkpoint *m = t->model;
    size_t dim = m->shape.dim;
    if (count == 0u || count > t->max_tokens || count > m->shape.seq_len ||
        first > m->shape.seq_len - count) {
        return tool_error_input(error, "%u tokens at position %u do not fit the model's %u", count,
                                first, m->shape.seq_len);
    }
    for (uint32_t i = 0; i < count; i++) {
        if (tokens[i] >= m->shape.vocab_size) {
            return tool_error_input(error, "token %u is not one of the model's %u", tokens[i],
                                    m->shape.vocab_size);
        }
        memcpy(t->x + i * dim, m->embedding + tokens[i] * dim, dim * sizeof(float));
    }
    for (uint32_t layer = 0; layer < m->shape.layers; layer++) {
        if (attention_block(t, port, layer, first, count, error) != 0) {
            return -1;
        }
        feed_forward_block(t, layer, count);
    }
    normalise(t->normed, t->x + (count - 1u) * dim, m->final_norm, 1, dim);
    matmul(out_logits, t->normed, m->classifier, 1, dim, m->shape.vocab_size);
    return 0;
}
