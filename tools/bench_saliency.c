/* SPDX-License-Identifier: MIT
 *
 * Scores of tokens, and the choice of the salient ones.
 */
#include <stdbool.h>

#include "bench_work.h"

/* Every sequence's keys in turn. */
static kvant_status run_saliency(bench_operation *o)
{
    kvant_status status = KVANT_OK;
    for (uint32_t i = 0; i < o->shape->batch && status == KVANT_OK; i++) {
        o->turn = (o->turn + 1u) % o->turns;
        o->saliency.keys = bench_data_turn(&o->data->k, o->shape, o->shape->k_dim, o->turn);
        status = kvant_saliency(o->context, &o->saliency);
    }
    return status;
}

static kvant_status run_select(bench_operation *o)
{
    kvant_status status = KVANT_OK;
    for (uint32_t i = 0; i < o->shape->batch && status == KVANT_OK; i++) {
        status = kvant_select(o->context, &o->select);
    }
    return status;
}

static uint64_t score_bytes(const bench_operation *o)
{
    return 4u * (uint64_t)o->select.maps * o->select.tokens;
}

static void describe_select(bench_operation *o)
{
    o->select = (kvant_select_desc)KVANT_SELECT_DESC_INIT;
    o->select.maps = o->recipe.heads == KVANT_HEADS_GROUP ? o->shape->kv_heads : 1u;
    o->select.tokens = o->shape->tokens;
}

int bench_prepare_saliency(bench_operation *o, tool_error *error)
{
    const bench_shape *s = o->shape;
    bench_classes c = bench_classes_of(&o->recipe, s->tokens);
    describe_select(o);
    o->saliency = (kvant_saliency_desc)KVANT_SALIENCY_DESC_INIT;
    o->saliency.keys = o->data->k;
    o->saliency.queries = o->data->q;
    o->saliency.tokens = s->tokens;
    o->saliency.q_heads = s->q_heads;
    o->saliency.kv_heads = s->kv_heads;
    o->saliency.dim = s->k_dim;
    o->saliency.probes_random = c.probes_random;
    o->saliency.probes_recent = c.probes_recent;
    o->saliency.normaliser = o->recipe.normaliser;
    o->saliency.heads = o->recipe.heads;
    uint64_t scratch = kvant_saliency_scratch_bytes(&o->saliency);
    kvant_status status = kvant_buffer_create(o->context, score_bytes(o), &o->saliency.scores);
    if (status == KVANT_OK) {
        status = kvant_buffer_create(o->context, scratch != 0u ? scratch : 4u, &o->scratch);
    }
    if (status != KVANT_OK) {
        return tool_error_library(error, status, "no memory for the scores");
    }
    o->saliency.scratch = o->scratch;
    o->turns = bench_turns(o, o->data->turns);
    o->run = run_saliency;
    bench_add_output(o, "scores", o->saliency.scores, score_bytes(o), 0);
    return 0;
}

static kvant_status run_range(bench_operation *o)
{
    kvant_status status = KVANT_OK;
    for (uint32_t i = 0; i < o->shape->batch && status == KVANT_OK; i++) {
        o->turn = (o->turn + 1u) % o->turns;
        o->range.source = bench_data_turn(&o->data->k, o->shape, o->shape->k_dim, o->turn);
        status = kvant_range(o->context, &o->range);
    }
    return status;
}

int bench_prepare_range(bench_operation *o, tool_error *error)
{
    const bench_shape *s = o->shape;
    describe_select(o);
    o->range = (kvant_range_desc)KVANT_RANGE_DESC_INIT;
    o->range.source = o->data->k;
    o->range.tokens = s->tokens;
    o->range.kv_heads = s->kv_heads;
    o->range.dim = s->k_dim;
    o->range.heads = o->recipe.heads;
    if (o->recipe.score == KVANT_SCORE_OUTLIERS) {
        o->range.percentile = o->recipe.percentile;
    }
    kvant_status status = kvant_buffer_create(o->context, score_bytes(o), &o->range.scores);
    if (status == KVANT_OK) {
        status = kvant_buffer_create(o->context, kvant_range_scratch_bytes(&o->range), &o->scratch);
    }
    if (status != KVANT_OK) {
        return tool_error_library(error, status, "no memory for the scores");
    }
    o->range.scratch = o->scratch;
    o->turns = bench_turns(o, o->data->turns);
    o->run = run_range;
    bench_add_output(o, "scores", o->range.scores, score_bytes(o), 0);
    return 0;
}

/* The scores are a prompt's; they are few, so nothing is rotated. */
int bench_prepare_select(bench_operation *o, tool_error *error)
{
    bool has_probes = o->recipe.score == KVANT_SCORE_ATTENTION || o->recipe.blend > 0.0;
    if ((has_probes ? bench_prepare_saliency(o, error) : bench_prepare_range(o, error)) != 0) {
        return -1;
    }
    kvant_status status = o->run(o);
    if (status == KVANT_OK) {
        status = kvant_buffer_create(o->context, score_bytes(o), &o->store);
    }
    if (status != KVANT_OK) {
        return tool_error_library(error, status, "no scores to select by");
    }
    uint32_t salient = (uint32_t)(o->recipe.salient_share * (double)o->shape->tokens);
    o->select.salient = salient != 0u ? salient : 1u;
    o->select.regular_list = o->select.maps * o->select.salient;
    o->select.scores = has_probes ? o->saliency.scores : o->range.scores;
    o->select.lists = o->store;
    o->turns = 1;
    o->run = run_select;
    o->output_count = 0;
    bench_add_output(o, "lists of positions", o->store, score_bytes(o), 0);
    return 0;
}
