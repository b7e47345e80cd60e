/* SPDX-License-Identifier: MIT
 *
 * Attention as the textbook has it.
 */
#include "literal_model.h"

#include <math.h>
#include <stddef.h>

static int is_visible(const literal_model *model, uint32_t sequence, uint32_t kv_head,
                      uint32_t token)
{
    return model->is_kept == NULL || model->is_kept(model->self, sequence, kv_head, token);
}

double literal_attend(const literal_model *model, uint32_t sequence, uint32_t token,
                      uint32_t q_head, double *weights, double *output)
{
    const uint32_t kv_head = q_head / (model->q_heads / model->kv_heads);
    double query[640];
    for (uint32_t c = 0; c < model->k_dim; c++) {
        query[c] = model->value(model->self, LITERAL_Q, sequence, token, q_head, c);
    }
    double largest = -HUGE_VAL;
    for (uint32_t j = 0; j <= token; j++) {
        double dot = 0.0;
        for (uint32_t c = 0; c < model->k_dim; c++) {
            dot += query[c] * model->value(model->self, LITERAL_K, sequence, j, kv_head, c);
        }
        weights[j] = dot / sqrt((double)model->k_dim);
        if (!is_visible(model, sequence, kv_head, j)) {
            weights[j] = -HUGE_VAL;
        }
        largest = fmax(largest, weights[j]);
    }
    double sum = 0.0;
    for (uint32_t j = 0; j <= token; j++) {
        weights[j] = weights[j] > -HUGE_VAL ? exp(weights[j] - largest) : 0.0;
        sum += weights[j];
    }
    for (uint32_t c = 0; c < model->v_dim; c++) {
        output[c] = 0.0;
        for (uint32_t j = 0; sum > 0.0 && j <= token; j++) {
            output[c] +=
                weights[j] / sum * model->value(model->self, LITERAL_V, sequence, j, kv_head, c);
        }
    }
    return sum > 0.0 ? largest + log(sum) : -HUGE_VAL;
}
