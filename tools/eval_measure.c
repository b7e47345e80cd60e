/* SPDX-License-Identifier: MIT
 *
 * Memory of a measure.
 */
#include "eval_measure.h"

#include <stdlib.h>
#include <string.h>

#include "eval_hash.h"

int eval_measure_create(const checkpoint_shape *shape, uint32_t windows, size_t cases,
                        eval_measure *out_measure, tool_error *error)
{
    size_t heads = (size_t)shape->layers * shape->heads;
    eval_measure *m = out_measure;
    memset(m, 0, sizeof *m);
    divergence_init(&m->kld);
    m->window_kld = calloc(windows, sizeof(double));
    m->window_nll = calloc(windows, sizeof(double));
    m->window_same = calloc(windows, sizeof(double));
    m->head_error = calloc(heads, sizeof(double));
    m->head_power = calloc(heads, sizeof(double));
    m->right = calloc(cases + 1u, 1);
    m->bytes = (kvant_cache_bytes)KVANT_CACHE_BYTES_INIT;
    m->case_bytes = m->bytes;
    m->digest = EVAL_HASH_START;
    m->logits = EVAL_HASH_START;
    if (m->window_kld == NULL || m->window_nll == NULL || m->window_same == NULL ||
        m->head_error == NULL || m->head_power == NULL || m->right == NULL) {
        eval_measure_release(m);
        return tool_error_memory(error);
    }
    return 0;
}

void eval_measure_release(eval_measure *m)
{
    divergence_release(&m->kld);
    free(m->window_kld);
    free(m->window_nll);
    free(m->window_same);
    free(m->head_error);
    free(m->head_power);
    free(m->right);
    memset(m, 0, sizeof *m);
}
