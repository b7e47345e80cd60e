/* SPDX-License-Identifier: MIT
 *
 * What `kvant bench` measures: shapes, random data, the operations, and the bytes that must move.
 */
#ifndef KVANT_TOOLS_BENCH_WORK_H
#define KVANT_TOOLS_BENCH_WORK_H

#include "kvant/kvant.h"
#include "tool_error.h"

typedef struct {
    uint32_t batch;
    uint32_t q_heads;
    uint32_t kv_heads;
    uint32_t k_dim;
    uint32_t v_dim;
    uint32_t tokens;
    uint32_t layers; /* caches that attention takes in turn, so that none stays on the chip */
} bench_shape;

/* Tensors of one sequence in f16 with random data, shared by all recipes. */
typedef struct {
    kvant_tensor k;
    kvant_tensor v;
    kvant_tensor q;   /* [tokens][q_heads][k_dim] */
    kvant_tensor out; /* [max(tokens, batch)][q_heads][v_dim] */
    uint32_t out_tokens;
} bench_data;

int bench_data_create(kvant_context *context, const bench_shape *shape, uint64_t seed,
                      bench_data *out_data, tool_error *error);
void bench_data_release(bench_data *data);
/* Fails when the first `rows` rows of out hold a number that is not finite, or only zeros. */
int bench_data_check_out(const bench_data *data, const bench_shape *shape, uint32_t rows,
                         tool_error *error);

/* One operation of one recipe. */
typedef struct bench_operation bench_operation;
struct bench_operation {
    kvant_context *context;
    const bench_shape *shape;
    const bench_data *data;
    kvant_recipe recipe;
    /* makes one run possible again, outside of the measured time; NULL: runs need nothing */
    kvant_status (*reset)(bench_operation *o);
    kvant_status (*run)(bench_operation *o);
    /* after the first run */
    int (*check)(bench_operation *o, tool_error *error);
    uint64_t bytes; /* that a run must move */
    kvant_cache *cache;
    kvant_buffer *store;
    kvant_buffer *scratch;
    kvant_quantize_desc parts[4]; /* K and V of both classes */
    size_t part_count;
    kvant_saliency_desc saliency;
    kvant_select_desc select;
    uint32_t turn;
};

typedef enum { BENCH_QUANTIZE, BENCH_SALIENCY, BENCH_ATTENTION, BENCH_PREFILL } bench_kind;

/* `operation` is released in every case. */
int bench_operation_prepare(bench_operation *operation, bench_kind kind, tool_error *error);
void bench_operation_release(bench_operation *operation);

/* ---- sizes ---- */

typedef struct {
    uint32_t plain;   /* tokens that stay f16 */
    uint32_t salient; /* compressed tokens, by class */
    uint32_t regular;
    uint32_t probes_random;
    uint32_t probes_recent;
} bench_classes;

bench_classes bench_classes_of(const kvant_recipe *recipe, uint32_t tokens);
/* K and V of one sequence in the recipe's form. */
uint64_t bench_stored_bytes(const kvant_recipe *recipe, const bench_shape *shape);
/* What a run of the operation must read and write, once. */
uint64_t bench_moved_bytes(bench_kind kind, const kvant_recipe *recipe, const bench_shape *shape);

#endif
