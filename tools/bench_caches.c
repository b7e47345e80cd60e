/* SPDX-License-Identifier: MIT
 *
 * Operations on whole caches: attention, a prompt's attention, its compression, both.
 */
#include <string.h>

#include "bench_work.h"
#include "progress.h"

enum { MOST_LAYERS = 256, MOST_PROMPT_LAYERS = 8 };

int bench_create_cache(bench_operation *o, uint32_t layers, uint32_t decode, tool_error *error)
{
    kvant_cache_desc desc = KVANT_CACHE_DESC_INIT;
    desc.recipe = o->recipe;
    desc.layers = layers;
    desc.sequences = o->shape->batch;
    desc.q_heads = o->shape->q_heads;
    desc.kv_heads = o->shape->kv_heads;
    desc.k_dim = o->shape->k_dim;
    desc.v_dim = o->shape->v_dim;
    desc.prefill_tokens = o->shape->tokens;
    desc.decode_tokens = decode;
    desc.non_finite = KVANT_NON_FINITE_SANITISE; /* no call waits for a check */
    kvant_status status = kvant_cache_create(o->context, &desc, &o->cache);
    return status == KVANT_OK ? 0 : tool_error_library(error, status, NULL);
}

kvant_status bench_fill_layer(bench_operation *o, uint32_t layer)
{
    const bench_shape *s = o->shape;
    kvant_status status = KVANT_OK;
    for (uint32_t i = 0; i < s->batch && status == KVANT_OK; i++) {
        uint32_t turn = (layer * s->batch + i) % o->data->turns;
        kvant_tensor k = bench_data_turn(&o->data->k, s, s->k_dim, turn);
        kvant_tensor v = bench_data_turn(&o->data->v, s, s->v_dim, turn);
        status = kvant_cache_prefill(o->cache, layer, i, s->tokens, &k, &v, &o->data->q);
    }
    return status;
}

static uint64_t out_bytes(const bench_operation *o, uint32_t rows)
{
    return 2u * (uint64_t)rows * o->shape->q_heads * o->shape->v_dim;
}

/* ---- attention ----------------------------------------------------------------------------- */

/* Each run reads another layer. */
static kvant_status run_attention(bench_operation *o)
{
    o->turn = (o->turn + 1u) % o->turns;
    return kvant_cache_attend(o->cache, o->turn, 0, o->shape->batch, 1, &o->data->q, &o->data->out,
                              NULL);
}

/* As many layers as it takes, and as can be filled in time. */
int bench_prepare_attention(bench_operation *o, tool_error *error)
{
    uint32_t layers = o->shape->layers != 0u ? o->shape->layers : bench_turns(o, MOST_LAYERS);
    double start = tool_seconds();
    if (bench_create_cache(o, layers, 0, error) != 0) {
        return -1;
    }
    kvant_status status = KVANT_OK;
    for (o->turns = 0; o->turns < layers && status == KVANT_OK; o->turns++) {
        if (o->turns != 0u && tool_seconds() - start > o->patience) {
            break;
        }
        status = bench_fill_layer(o, o->turns);
        if (status == KVANT_OK) {
            status = kvant_context_synchronize(o->context);
        }
    }
    o->run = run_attention;
    o->checked_rows = o->shape->batch;
    bench_add_output(o, "out", o->data->out.buffer, out_bytes(o, o->shape->batch), 0);
    return status == KVANT_OK ? 0 : tool_error_library(error, status, "the cache was not filled");
}

/* ---- prompts ------------------------------------------------------------------------------- */

static kvant_status run_prompt_attention(bench_operation *o)
{
    const bench_shape *s = o->shape;
    kvant_prefill_attention_desc desc = KVANT_PREFILL_ATTENTION_DESC_INIT;
    desc.queries = o->data->q;
    desc.out = o->data->out;
    desc.query_tokens = s->tokens;
    desc.key_tokens = s->tokens;
    desc.q_heads = s->q_heads;
    desc.kv_heads = s->kv_heads;
    desc.k_dim = s->k_dim;
    desc.v_dim = s->v_dim;
    kvant_status status = KVANT_OK;
    for (uint32_t i = 0; i < s->batch && status == KVANT_OK; i++) {
        uint32_t turn = (o->turn * s->batch + i) % o->data->turns;
        desc.keys = bench_data_turn(&o->data->k, s, s->k_dim, turn);
        desc.values = bench_data_turn(&o->data->v, s, s->v_dim, turn);
        status = kvant_prefill_attention(o->context, &desc);
    }
    return status;
}

static kvant_status run_attention_turn(bench_operation *o)
{
    o->turn = (o->turn + 1u) % o->turns;
    return run_prompt_attention(o);
}

int bench_prepare_prompt_attention(bench_operation *o, tool_error *error)
{
    (void)error;
    o->turns = bench_turns(o, o->data->turns);
    o->run = run_attention_turn;
    o->checked_rows = o->shape->tokens;
    bench_add_output(o, "out", o->data->out.buffer, out_bytes(o, o->shape->tokens), 1);
    return 0;
}

/* The next layer; when all are full they are emptied. */
static kvant_status reset_cache(bench_operation *o)
{
    kvant_status status = KVANT_OK;
    o->turn = (o->turn + 1u) % o->turns;
    for (uint32_t i = 0; o->turn == 0u && i < o->shape->batch && status == KVANT_OK; i++) {
        status = kvant_cache_reset(o->cache, i);
    }
    return status == KVANT_OK ? kvant_context_synchronize(o->context) : status;
}

static kvant_status run_compress(bench_operation *o)
{
    return bench_fill_layer(o, o->turn);
}

static kvant_status run_prefill(bench_operation *o)
{
    kvant_status status = run_prompt_attention(o);
    return status == KVANT_OK ? bench_fill_layer(o, o->turn) : status;
}

int bench_prepare_compress(bench_operation *o, tool_error *error)
{
    o->turns = o->shape->layers != 0u ? o->shape->layers : bench_turns(o, MOST_PROMPT_LAYERS);
    o->turn = o->turns - 1u;
    o->reset = reset_cache;
    o->run = run_compress;
    return bench_create_cache(o, o->turns, 0, error);
}

int bench_prepare_prefill(bench_operation *o, tool_error *error)
{
    int result = bench_prepare_compress(o, error);
    o->run = run_prefill;
    o->checked_rows = o->shape->tokens;
    bench_add_output(o, "out", o->data->out.buffer, out_bytes(o, o->shape->tokens), 1);
    return result;
}
