/* SPDX-License-Identifier: MIT
 *
 * A decode step: the new token of every sequence into every layer, then attention over each.
 */
#include "bench_work.h"

/* Row `token` of a turn of K or V. */
static kvant_tensor row(const bench_operation *o, const kvant_tensor *tensor, uint32_t dim,
                        uint32_t sequence)
{
    const bench_shape *s = o->shape;
    kvant_tensor one = bench_data_turn(tensor, s, dim, sequence % o->data->turns);
    one.offset += (uint64_t)(o->turn % s->tokens) * s->kv_heads * dim;
    return one;
}

static kvant_status run_step(bench_operation *o)
{
    const bench_shape *s = o->shape;
    kvant_status status = KVANT_OK;
    for (uint32_t layer = 0; layer < s->layers && status == KVANT_OK; layer++) {
        for (uint32_t i = 0; i < s->batch && status == KVANT_OK; i++) {
            kvant_tensor k = row(o, &o->data->k, s->k_dim, i);
            kvant_tensor v = row(o, &o->data->v, s->v_dim, i);
            status = kvant_cache_append(o->cache, layer, i, 1, &k, &v);
        }
        if (status == KVANT_OK) {
            status = kvant_cache_attend(o->cache, layer, 0, s->batch, 1, &o->data->q, &o->data->out,
                                        NULL);
        }
    }
    o->turn++;
    return status;
}

kvant_status bench_step_again(bench_operation *o)
{
    kvant_status status = KVANT_OK;
    for (uint32_t i = 0; i < o->shape->batch && status == KVANT_OK; i++) {
        status = kvant_cache_reset(o->cache, i);
    }
    for (uint32_t layer = 0; layer < o->shape->layers && status == KVANT_OK; layer++) {
        status = bench_fill_layer(o, layer);
    }
    o->turn = 0;
    return status == KVANT_OK ? kvant_context_synchronize(o->context) : status;
}

int bench_prepare_step(bench_operation *o, tool_error *error)
{
    if (bench_create_cache(o, o->shape->layers, o->steps, error) != 0) {
        return -1;
    }
    o->run = run_step;
    o->checked_rows = o->shape->batch;
    bench_add_output(o, "out", o->data->out.buffer,
                     2u * (uint64_t)o->shape->batch * o->shape->q_heads * o->shape->v_dim, 0);
    kvant_status status = bench_step_again(o);
    return status == KVANT_OK ? 0 : tool_error_library(error, status, "the cache was not filled");
}
