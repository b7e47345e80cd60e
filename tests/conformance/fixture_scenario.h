/* SPDX-License-Identifier: MIT
 *
 * The life of a whole cache, driven through the public API: prompts, decode steps with attention,
 * a compression on request, a reset and a second prompt; several layers and sequences.
 */
#ifndef KVANT_TESTS_FIXTURE_SCENARIO_H
#define KVANT_TESTS_FIXTURE_SCENARIO_H

#include "kvant/kvant.h"
#include "trial.h"

typedef struct {
    const char *recipe;
    uint32_t layers, sequences;
    uint32_t q_heads, kv_heads, k_dim, v_dim;
    uint32_t prompt; /* tokens; 0: the sequences start empty */
    uint32_t steps;  /* of `chunk` tokens, after each prompt */
    uint32_t chunk;
    kvant_dtype dtype;
    float outliers; /* factor of two K channels, a power of two */
    int is_latent;  /* the recipe is one for latents: queries have v_dim channels more, in front */
} kvant_scenario;

typedef struct {
    uint64_t digests[2]; /* before the reset, and at the end */
    float *outputs;      /* [step][layer][sequence][query][q_head][v_dim] ... */
    float *lse;          /* [step][layer][sequence][q_head][query] ... */
    size_t count;        /* outputs */
    size_t lse_count;
    unsigned char *kept; /* [step][layer][sequence][kv_head][token] ...: 1 where a token was not
                            evicted; NULL where none can be */
    size_t kept_count;
} kvant_scenario_result;

/* The numbers that all runs and the model share: K, V and Q of all layers, sequences and tokens. */
void kvant_scenario_draw(kvant_trial *trial, const kvant_scenario *scenario,
                         const float *out_numbers[3]);

/* Runs it; abandons the trial on any error, after it has given the cache back. `who` names the
 * context in that sentence. The result's memory is the trial's. */
void kvant_scenario_run(kvant_trial *trial, kvant_context *context, const char *who,
                        const kvant_scenario *scenario, const float *const numbers[3],
                        kvant_scenario_result *out_result);

/* The NMSE of the outputs against the literal model, and the largest difference of an LSE. */
double kvant_scenario_distance(kvant_trial *trial, const kvant_scenario *scenario,
                               const float *const numbers[3], const kvant_scenario_result *result,
                               double *out_lse);

#endif
