/* SPDX-License-Identifier: MIT
 *
 * A small model's worth of K, V and Q, driven through a cache: prefill, then decode step by step. What
 * comes out is kept, to be compared between devices and between ways of doing the same thing.
 */
#ifndef KVANT_TESTS_CACHE_SCENARIO_H
#define KVANT_TESTS_CACHE_SCENARIO_H

#include <stdbool.h>

#include "kvant/kvant.h"

typedef struct {
    const char *recipe;
    uint32_t sequences;
    uint32_t q_heads;
    uint32_t kv_heads;
    uint32_t k_dim;
    uint32_t v_dim;
    uint32_t prefill;
    uint32_t decode;
    uint32_t chunk; /* tokens an append, queries an attend */
    kvant_dtype dtype;
    float outliers; /* factor of two of the K channels; 1: none */
    kvant_non_finite non_finite;
} scenario;

typedef struct {
    uint64_t digest;
    float *outputs; /* [step][sequence][query][q_head][v_dim] */
    size_t count;
    kvant_cache_bytes bytes;
} scenario_result;

/* Opens a device, or returns NULL where this machine has none of that name. */
kvant_context *scenario_open(const char *backend);

/* Runs it; fails the running cmocka test on any error. Free with scenario_release. */
scenario_result scenario_run(kvant_context *context, const scenario *s);
/* Fails unless the first of three sequences has the outputs that it has alone. */
void scenario_assert_batch_alike(kvant_context *context, const scenario *alone);
void scenario_release(scenario_result *result);

/* The scenario's value i of tensor `which` (0 K, 1 V, 2 Q) of a sequence, as it reaches the cache. */
float scenario_value(const scenario *s, int which, uint32_t sequence, uint32_t token, uint32_t head,
                     uint32_t channel);

/* A tensor of the scenario on the device: tokens first .. first + count - 1 of one sequence, or of all
 * of them one after the other. */
kvant_tensor scenario_upload(kvant_context *context, const scenario *s, int which,
                             uint32_t first_sequence, uint32_t sequences, uint32_t first,
                             uint32_t count);

kvant_cache_desc scenario_desc(const scenario *s);

/* A cache of the scenario, with the prompt's K, V and Q on the device and room for a step's output. */
typedef struct {
    kvant_context *context;
    kvant_cache *cache;
    kvant_tensor inputs[3];
    kvant_tensor out;
} scenario_session;

/* Begins one on the context, which it takes; nothing is in the cache yet. */
scenario_session scenario_begin(kvant_context *context, const scenario *s);

/* The prompt, then steps that each append its first token and attend with its first query. */
void scenario_prefill(const scenario_session *session, const scenario *s);
void scenario_steps(const scenario_session *session, uint32_t count);

void scenario_end(scenario_session *session);

#endif
