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
    uint32_t layers; /* caches that operations take in turn, of a decode step all; 0: enough */
} bench_shape;

/* ---- data ---- */

/* Tensors of one sequence in f16 with random data, shared by all recipes. K and V are there `turns`
 * times, so that runs in turn find nothing of them in the device's caches. */
typedef struct {
    kvant_tensor k;
    kvant_tensor v;
    kvant_tensor q;   /* [tokens][q_heads][k_dim] */
    kvant_tensor out; /* [max(tokens, batch)][q_heads][v_dim] */
    uint32_t turns;
} bench_data;

/* `beyond`: bytes to go through before anything is read again. */
int bench_data_create(kvant_context *context, const bench_shape *shape, uint64_t beyond,
                      uint64_t seed, bench_data *out_data, tool_error *error);
void bench_data_release(bench_data *data);
/* K or V of one turn. */
kvant_tensor bench_data_turn(const kvant_tensor *tensor, const bench_shape *shape, uint32_t dim,
                             uint32_t turn);
/* Fails when the first `rows` rows of out hold a number that is not finite, or only zeros. */
int bench_data_check_out(const bench_data *data, const bench_shape *shape, uint32_t rows,
                         tool_error *error);

/* ---- operations ---- */

typedef struct bench_operation bench_operation;

typedef struct {
    const char *name;
    const char *summary;  /* a line of the help */
    const char *baseline; /* the operation that f16 does beside it; NULL: none */
    int needs_classes;    /* only for recipes with salient tokens */
    int needs_attention;  /* and of those, for the ones judged by probe rows */
    int is_prompt;        /* quadratic in the tokens: shorter unless asked for */
    int is_step;          /* a whole decode step: timed one by one */
    int is_f16;           /* the same for every recipe: one row */
    int (*prepare)(bench_operation *o, tool_error *error);
    /* bytes that a run must move, and operations that it does, for one sequence */
    uint64_t (*bytes)(const kvant_recipe *recipe, const bench_shape *shape);
    double (*work)(const bench_shape *shape);
} bench_kind;

/* All of them, in the order of a table of all; ends with a NULL name. */
extern const bench_kind bench_kinds[];
const bench_kind *bench_kind_named(const char *name);

/* What a run leaves, for comparison with the reference. */
typedef struct {
    const char *what;
    kvant_buffer *buffer;
    uint64_t bytes;
    int is_bounded; /* f16 numbers within a bound; else the same bits */
} bench_output;

/* One operation of one recipe. */
struct bench_operation {
    kvant_context *context;
    const bench_kind *kind;
    const bench_shape *shape;
    const bench_data *data;
    kvant_recipe recipe;
    uint64_t beyond; /* bytes to go through in turn, as far as memory and `patience` allow */
    double patience; /* seconds that filling may take */
    uint32_t steps;  /* decode steps that a cache must take */

    /* makes one run possible again, outside of the measured time; NULL: runs need nothing */
    kvant_status (*reset)(bench_operation *o);
    kvant_status (*run)(bench_operation *o);
    uint32_t checked_rows; /* of the output, after the first run */
    uint64_t bytes;        /* that a run must move */
    uint32_t turns;        /* instances that runs take in turn */
    uint32_t turn;

    kvant_cache *cache;
    kvant_buffer *store;
    kvant_buffer *scratch;
    kvant_buffer *target;
    uint32_t store_words;         /* of one turn */
    kvant_quantize_desc parts[4]; /* K and V of both classes */
    size_t part_count;
    kvant_saliency_desc saliency;
    kvant_range_desc range;
    kvant_select_desc select;
    bench_output outputs[2];
    size_t output_count;
};

/* Fills in the rest from context, kind, shape, data, recipe, beyond and patience. `operation` is
 * released in every case. */
int bench_operation_prepare(bench_operation *operation, tool_error *error);
void bench_operation_release(bench_operation *operation);
/* Runs that are needed to go through `beyond` bytes, at most `most`. */
uint32_t bench_turns(const bench_operation *o, uint32_t most);
void bench_add_output(bench_operation *o, const char *what, kvant_buffer *buffer, uint64_t bytes,
                      int is_bounded);

/* ---- the kinds ---- */

int bench_prepare_quantize(bench_operation *o, tool_error *error);
int bench_prepare_dequantize(bench_operation *o, tool_error *error);
int bench_prepare_saliency(bench_operation *o, tool_error *error);
int bench_prepare_range(bench_operation *o, tool_error *error);
int bench_prepare_select(bench_operation *o, tool_error *error);
int bench_prepare_attention(bench_operation *o, tool_error *error);
int bench_prepare_prompt_attention(bench_operation *o, tool_error *error);
int bench_prepare_prefill(bench_operation *o, tool_error *error);
int bench_prepare_compress(bench_operation *o, tool_error *error);
int bench_prepare_step(bench_operation *o, tool_error *error);
/* Empties the caches of a step and fills them with the prompt again. */
kvant_status bench_step_again(bench_operation *o);

/* An empty cache for batch sequences of shape->tokens tokens and `decode` more. */
int bench_create_cache(bench_operation *o, uint32_t layers, uint32_t decode, tool_error *error);
kvant_status bench_fill_layer(bench_operation *o, uint32_t layer);

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

uint64_t bench_quantize_bytes(const kvant_recipe *recipe, const bench_shape *shape);
uint64_t bench_saliency_bytes(const kvant_recipe *recipe, const bench_shape *shape);
uint64_t bench_range_bytes(const kvant_recipe *recipe, const bench_shape *shape);
uint64_t bench_select_bytes(const kvant_recipe *recipe, const bench_shape *shape);
uint64_t bench_attention_bytes(const kvant_recipe *recipe, const bench_shape *shape);
uint64_t bench_prompt_attention_bytes(const kvant_recipe *recipe, const bench_shape *shape);
uint64_t bench_prefill_bytes(const kvant_recipe *recipe, const bench_shape *shape);
uint64_t bench_compress_bytes(const kvant_recipe *recipe, const bench_shape *shape);
/* Of one layer. */
uint64_t bench_step_bytes(const kvant_recipe *recipe, const bench_shape *shape);

/* Numbers of K and V; tokens; multiply-adds of a decode step's and of a prompt's attention. */
double bench_elements(const bench_shape *shape);
double bench_tokens(const bench_shape *shape);
double bench_attention_work(const bench_shape *shape);
double bench_prompt_work(const bench_shape *shape);

/* ---- correctness ---- */

/* Runs the operation on fresh random data, small enough to be quick, on the device and on the
 * reference, and compares what they leave. */
int bench_gate(kvant_context *device, kvant_context *reference, const bench_kind *kind,
               const kvant_recipe *recipe, const bench_shape *shape, uint64_t seed,
               tool_error *error);

#endif
