/* SPDX-License-Identifier: MIT
 *
 * The four operations that `kvant bench` measures, through the public API.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench_work.h"

/* ---- caches: attention, prefill, and quantize of f16 --------------------------------------- */

static int create_cache(bench_operation *o, uint32_t layers, tool_error *error)
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
    desc.non_finite = KVANT_NON_FINITE_SANITISE; /* no call waits for a check */
    kvant_status status = kvant_cache_create(o->context, &desc, &o->cache);
    return status == KVANT_OK ? 0 : tool_error_library(error, status, NULL);
}

static kvant_status fill_layer(bench_operation *o, uint32_t layer)
{
    kvant_status status = KVANT_OK;
    for (uint32_t i = 0; i < o->shape->batch && status == KVANT_OK; i++) {
        status = kvant_cache_prefill(o->cache, layer, i, o->shape->tokens, &o->data->k, &o->data->v,
                                     &o->data->q);
    }
    return status;
}

static kvant_status reset_cache(bench_operation *o)
{
    kvant_status status = KVANT_OK;
    for (uint32_t i = 0; i < o->shape->batch && status == KVANT_OK; i++) {
        status = kvant_cache_reset(o->cache, i);
    }
    return status;
}

/* Each run reads another layer. */
static kvant_status run_attention(bench_operation *o)
{
    o->turn = (o->turn + 1u) % o->shape->layers;
    return kvant_cache_attend(o->cache, o->turn, 0, o->shape->batch, 1, &o->data->q, &o->data->out,
                              NULL);
}

static int check_attention(bench_operation *o, tool_error *error)
{
    return bench_data_check_out(o->data, o->shape, o->shape->batch, error);
}

static int prepare_attention(bench_operation *o, tool_error *error)
{
    if (create_cache(o, o->shape->layers, error) != 0) {
        return -1;
    }
    kvant_status status = KVANT_OK;
    for (uint32_t layer = 0; layer < o->shape->layers && status == KVANT_OK; layer++) {
        status = fill_layer(o, layer);
    }
    o->run = run_attention;
    o->check = check_attention;
    return status == KVANT_OK ? 0 : tool_error_library(error, status, "the cache was not filled");
}

static kvant_status run_fill(bench_operation *o)
{
    return fill_layer(o, 0);
}

/* Attention of the prompt, and its compression, for every sequence. */
static kvant_status run_prefill(bench_operation *o)
{
    const bench_shape *s = o->shape;
    kvant_prefill_attention_desc desc = KVANT_PREFILL_ATTENTION_DESC_INIT;
    desc.queries = o->data->q;
    desc.keys = o->data->k;
    desc.values = o->data->v;
    desc.out = o->data->out;
    desc.query_tokens = s->tokens;
    desc.key_tokens = s->tokens;
    desc.q_heads = s->q_heads;
    desc.kv_heads = s->kv_heads;
    desc.k_dim = s->k_dim;
    desc.v_dim = s->v_dim;
    kvant_status status = KVANT_OK;
    for (uint32_t i = 0; i < s->batch && status == KVANT_OK; i++) {
        status = kvant_prefill_attention(o->context, &desc);
    }
    return status == KVANT_OK ? fill_layer(o, 0) : status;
}

static int check_prefill(bench_operation *o, tool_error *error)
{
    return bench_data_check_out(o->data, o->shape, o->shape->tokens, error);
}

static int prepare_prefill(bench_operation *o, tool_error *error)
{
    o->reset = reset_cache;
    o->run = run_prefill;
    o->check = check_prefill;
    return create_cache(o, 1, error);
}

/* ---- quantize ------------------------------------------------------------------------------ */

static kvant_status run_quantize(bench_operation *o)
{
    kvant_status status = KVANT_OK;
    for (uint32_t sequence = 0; sequence < o->shape->batch; sequence++) {
        for (size_t i = 0; i < o->part_count && status == KVANT_OK; i++) {
            const kvant_quantize_desc *part = &o->parts[i];
            /* both classes of a tensor share the channel scales that its first part makes */
            int is_first = i == 0u || o->parts[i - 1u].role != part->role;
            if (part->channel_scale != KVANT_NO_OFFSET && is_first) {
                kvant_quantize_desc whole = *part;
                whole.indices = KVANT_NO_OFFSET;
                whole.tokens = o->shape->tokens;
                whole.capacity = (o->shape->tokens + 3u) / 4u * 4u;
                status = kvant_channel_scale(o->context, &whole);
            }
            if (status == KVANT_OK) {
                status = kvant_quantize(o->context, part);
            }
        }
    }
    return status;
}

/* Every scale and minimum must be a finite half. */
static int check_quantize(bench_operation *o, tool_error *error)
{
    uint64_t bad = 0;
    for (size_t i = 0; i < o->part_count; i++) {
        uint64_t words = kvant_quantize_param_words(&o->parts[i]);
        uint16_t *halves = malloc((size_t)words * 4u);
        if (halves == NULL) {
            return tool_error_memory(error);
        }
        kvant_status status =
            kvant_buffer_read(o->store, (uint64_t)o->parts[i].params * 4u, halves, words * 4u);
        for (uint64_t at = 0; at < 2u * words && status == KVANT_OK; at++) {
            bad += (halves[at] & 0x7c00u) == 0x7c00u;
        }
        free(halves);
        if (status != KVANT_OK) {
            return tool_error_library(error, status, "the parameters cannot be read");
        }
    }
    if (bad != 0u) {
        snprintf(error->text, sizeof error->text, "%llu scales or minima are not finite",
                 (unsigned long long)bad);
        error->code = TOOL_CHECK_FAILED;
        return -1;
    }
    return 0;
}

/* Places one class of one tensor at *at; returns its scratch bytes. */
static uint64_t place_part(bench_operation *o, kvant_tensor_role role, kvant_codec codec,
                           uint32_t tokens, uint32_t indices, uint32_t scale, uint32_t *at)
{
    const kvant_tensor_rule *rule = role == KVANT_KEYS ? &o->recipe.k : &o->recipe.v;
    kvant_quantize_desc part = KVANT_QUANTIZE_DESC_INIT;
    part.source = role == KVANT_KEYS ? o->data->k : o->data->v;
    part.role = role;
    part.tokens = tokens;
    part.heads = o->shape->kv_heads;
    part.dim = role == KVANT_KEYS ? o->shape->k_dim : o->shape->v_dim;
    part.codec = codec;
    part.grouping = rule->grouping;
    part.group_length = rule->group_length;
    part.indices = indices;
    part.capacity = (tokens + 3u) / 4u * 4u;
    part.channel_scale = scale;
    part.params = *at;
    *at += (uint32_t)kvant_quantize_param_words(&part);
    part.codes = *at;
    *at += (uint32_t)kvant_quantize_code_words(&part);
    o->parts[o->part_count++] = part;
    kvant_quantize_desc whole = part;
    whole.tokens = o->shape->tokens;
    whole.capacity = (o->shape->tokens + 3u) / 4u * 4u;
    return kvant_quantize_scratch_bytes(&whole);
}

/* Lists of the rows of each class: every token belongs to one, evenly spread. */
static int write_lists(bench_operation *o, const bench_classes *c, uint32_t compressed,
                       tool_error *error)
{
    uint32_t *lists = malloc(((size_t)compressed + 1u) * sizeof *lists);
    if (lists == NULL) {
        return tool_error_memory(error);
    }
    uint32_t salient = 0;
    uint32_t regular = 0;
    for (uint32_t token = 0; token < compressed; token++) {
        uint64_t due = ((uint64_t)token + 1u) * c->salient / compressed;
        if (salient < due) {
            lists[salient++] = token;
        } else {
            lists[c->salient + regular++] = token;
        }
    }
    kvant_status status = kvant_buffer_write(o->store, 0, lists, (uint64_t)compressed * 4u);
    free(lists);
    return status == KVANT_OK ? 0 : tool_error_library(error, status, "no lists of classes");
}

static int prepare_quantize(bench_operation *o, tool_error *error)
{
    bench_classes c = bench_classes_of(&o->recipe, o->shape->tokens);
    uint32_t compressed = c.salient + c.regular;
    if (compressed == 0u) { /* f16, or a window that holds everything */
        o->reset = reset_cache;
        o->run = run_fill;
        return create_cache(o, 1, error);
    }
    uint32_t at = compressed;
    uint64_t scratch = 0;
    for (int role = 0; role < 2; role++) {
        const kvant_tensor_rule *rule = role == 0 ? &o->recipe.k : &o->recipe.v;
        uint32_t scale = KVANT_NO_OFFSET;
        if (rule->transform == KVANT_TRANSFORM_CST) {
            scale = at;
            at += o->shape->kv_heads * (role == 0 ? o->shape->k_dim : o->shape->v_dim) / 2u;
        }
        uint32_t counts[2] = {c.salient, c.regular};
        kvant_codec codecs[2] = {rule->salient, rule->regular};
        for (int i = 0; i < 2; i++) {
            if (counts[i] == 0u) {
                continue;
            }
            uint32_t indices = c.salient == 0u ? KVANT_NO_OFFSET : i == 0 ? 0u : c.salient;
            uint64_t bytes = place_part(o, role == 0 ? KVANT_KEYS : KVANT_VALUES, codecs[i],
                                        counts[i], indices, scale, &at);
            scratch = bytes > scratch ? bytes : scratch;
        }
    }
    kvant_status status = kvant_buffer_create(o->context, (uint64_t)at * 4u, &o->store);
    if (status == KVANT_OK) {
        status = kvant_buffer_create(o->context, scratch != 0u ? scratch : 4u, &o->scratch);
    }
    if (status != KVANT_OK) {
        return tool_error_library(error, status, "no memory for the codes");
    }
    for (size_t i = 0; i < o->part_count; i++) {
        o->parts[i].store = o->store;
        o->parts[i].scratch = o->scratch;
    }
    o->run = run_quantize;
    o->check = check_quantize;
    return write_lists(o, &c, compressed, error);
}

/* ---- saliency ------------------------------------------------------------------------------ */

static kvant_status run_saliency(bench_operation *o)
{
    kvant_status status = KVANT_OK;
    for (uint32_t i = 0; i < o->shape->batch && status == KVANT_OK; i++) {
        status = kvant_saliency(o->context, &o->saliency);
        if (status == KVANT_OK) {
            status = kvant_select(o->context, &o->select);
        }
    }
    return status;
}

static int check_saliency(bench_operation *o, tool_error *error)
{
    uint32_t first = 0;
    uint32_t last = 0;
    kvant_status status = kvant_buffer_read(o->store, 0, &first, 4);
    if (status == KVANT_OK) {
        status = kvant_buffer_read(o->store, ((uint64_t)o->select.salient - 1u) * 4u, &last, 4);
    }
    if (status != KVANT_OK) {
        return tool_error_library(error, status, "the selection cannot be read");
    }
    if (last >= o->shape->tokens || first > last || last + 1u < o->select.salient) {
        snprintf(error->text, sizeof error->text, "the selection is wrong: tokens %u to %u", first,
                 last);
        error->code = TOOL_CHECK_FAILED;
        return -1;
    }
    return 0;
}

static int prepare_saliency(bench_operation *o, tool_error *error)
{
    const bench_shape *s = o->shape;
    bench_classes c = bench_classes_of(&o->recipe, s->tokens);
    uint32_t maps = o->recipe.heads == KVANT_HEADS_GROUP ? s->kv_heads : 1u;
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
    o->select = (kvant_select_desc)KVANT_SELECT_DESC_INIT;
    o->select.maps = maps;
    o->select.tokens = s->tokens;
    o->select.salient = (uint32_t)(o->recipe.salient_share * (double)s->tokens);
    if (o->select.salient == 0u) {
        o->select.salient = 1;
    }
    o->select.regular_list = maps * o->select.salient;

    uint64_t words = (uint64_t)maps * s->tokens;
    uint64_t scratch = kvant_saliency_scratch_bytes(&o->saliency);
    kvant_buffer *scores = NULL;
    kvant_status status = kvant_buffer_create(o->context, words * 4u, &o->store);
    if (status == KVANT_OK) {
        status = kvant_buffer_create(o->context, words * 4u, &scores);
    }
    o->saliency.scores = scores;
    o->select.scores = scores;
    if (status == KVANT_OK) {
        status = kvant_buffer_create(o->context, scratch != 0u ? scratch : 4u, &o->scratch);
    }
    if (status != KVANT_OK) {
        return tool_error_library(error, status, "no memory for the scores");
    }
    o->select.lists = o->store;
    o->saliency.scratch = o->scratch;
    o->run = run_saliency;
    o->check = check_saliency;
    return 0;
}

/* ---- all ----------------------------------------------------------------------------------- */

int bench_operation_prepare(bench_operation *o, bench_kind kind, tool_error *error)
{
    static int (*const prepare[])(bench_operation *, tool_error *) = {
        [BENCH_QUANTIZE] = prepare_quantize,
        [BENCH_SALIENCY] = prepare_saliency,
        [BENCH_ATTENTION] = prepare_attention,
        [BENCH_PREFILL] = prepare_prefill,
    };
    o->bytes = bench_moved_bytes(kind, &o->recipe, o->shape);
    return prepare[kind](o, error);
}

void bench_operation_release(bench_operation *o)
{
    kvant_cache_destroy(o->cache);
    kvant_buffer_destroy(o->store);
    kvant_buffer_destroy(o->scratch);
    kvant_buffer_destroy(o->saliency.scores);
    memset(o, 0, sizeof *o);
}
