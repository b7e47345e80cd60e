/* SPDX-License-Identifier: MIT
 *
 * K and V into codes, and back. A store holds one region a turn: lists of rows, channel scales,
 * parameters and codes of both classes.
 */
#include <stdlib.h>

#include "bench_work.h"
#include "progress.h"

/* A part as it lies in the region of a turn. */
static kvant_quantize_desc part_of_turn(const bench_operation *o, size_t index, uint32_t turn)
{
    kvant_quantize_desc part = o->parts[index];
    const kvant_tensor *source = part.role == KVANT_KEYS ? &o->data->k : &o->data->v;
    uint32_t base = turn * o->store_words;
    part.source = bench_data_turn(source, o->shape, part.dim, turn % o->data->turns);
    part.indices += part.indices != KVANT_NO_OFFSET ? base : 0u;
    part.channel_scale += part.channel_scale != KVANT_NO_OFFSET ? base : 0u;
    part.params += base;
    part.codes += base;
    return part;
}

static kvant_status quantize_turn(bench_operation *o, uint32_t turn)
{
    kvant_status status = KVANT_OK;
    for (size_t i = 0; i < o->part_count && status == KVANT_OK; i++) {
        kvant_quantize_desc part = part_of_turn(o, i, turn);
        /* both classes of a tensor share the channel scales that its first part makes */
        int is_first = i == 0u || o->parts[i - 1u].role != part.role ||
                       o->parts[i - 1u].channel_scale == KVANT_NO_OFFSET;
        if (part.channel_scale != KVANT_NO_OFFSET && is_first) {
            kvant_quantize_desc whole = part;
            whole.indices = KVANT_NO_OFFSET;
            whole.tokens = o->shape->tokens;
            whole.capacity = (o->shape->tokens + 3u) / 4u * 4u;
            status = kvant_channel_scale(o->context, &whole);
        }
        if (status == KVANT_OK) {
            status = kvant_quantize(o->context, &part);
        }
    }
    return status;
}

static kvant_status run_quantize(bench_operation *o)
{
    kvant_status status = KVANT_OK;
    for (uint32_t i = 0; i < o->shape->batch && status == KVANT_OK; i++) {
        o->turn = (o->turn + 1u) % o->turns;
        status = quantize_turn(o, o->turn);
    }
    return status;
}

/* ---- the store ----------------------------------------------------------------------------- */

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
    *at += codec == KVANT_CODEC_F16 ? 0u : (uint32_t)kvant_quantize_param_words(&part);
    part.codes = *at;
    *at += codec == KVANT_CODEC_F16 ? part.capacity * part.heads * part.dim / 2u
                                    : (uint32_t)kvant_quantize_code_words(&part);
    o->parts[o->part_count++] = part;
    kvant_quantize_desc whole = part;
    whole.tokens = o->shape->tokens;
    whole.capacity = (o->shape->tokens + 3u) / 4u * 4u;
    return codec == KVANT_CODEC_F16 ? 0u : kvant_quantize_scratch_bytes(&whole);
}

/* All parts; returns the scratch bytes of the largest. The lists of rows come first. */
static uint64_t place_parts(bench_operation *o, const bench_classes *c)
{
    uint32_t at = c->salient + c->regular;
    uint64_t scratch = 4;
    for (int role = 0; role < 2; role++) {
        const kvant_tensor_rule *rule = role == 0 ? &o->recipe.k : &o->recipe.v;
        uint32_t scale = KVANT_NO_OFFSET;
        if (rule->transform == KVANT_TRANSFORM_CST || rule->transform == KVANT_TRANSFORM_SMOOTH) {
            scale = at;
            at += o->shape->kv_heads * (role == 0 ? o->shape->k_dim : o->shape->v_dim) / 2u;
        }
        uint32_t counts[2] = {c->salient, c->regular};
        kvant_codec codecs[2] = {rule->salient, rule->regular};
        for (int i = 0; i < 2; i++) {
            if (counts[i] == 0u || codecs[i] == KVANT_CODEC_DROP) {
                continue;
            }
            uint32_t indices = c->salient == 0u ? KVANT_NO_OFFSET : i == 0 ? 0u : c->salient;
            uint64_t bytes =
                place_part(o, role == 0 ? KVANT_KEYS : KVANT_VALUES, codecs[i], counts[i], indices,
                           codecs[i] != KVANT_CODEC_F16 ? scale : KVANT_NO_OFFSET, &at);
            scratch = bytes > scratch ? bytes : scratch;
        }
    }
    o->store_words = at;
    return scratch;
}

/* Lists of the rows of each class in every region: evenly spread. */
static int write_lists(bench_operation *o, const bench_classes *c, tool_error *error)
{
    uint32_t compressed = c->salient + c->regular;
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
    kvant_status status = KVANT_OK;
    for (uint32_t turn = 0; turn < o->turns && status == KVANT_OK; turn++) {
        status = kvant_buffer_write(o->store, (uint64_t)turn * o->store_words * 4u, lists,
                                    (uint64_t)compressed * 4u);
    }
    free(lists);
    return status == KVANT_OK ? 0 : tool_error_library(error, status, "no lists of classes");
}

static int create_store(bench_operation *o, const bench_classes *c, tool_error *error)
{
    kvant_device_info info = KVANT_DEVICE_INFO_INIT;
    uint64_t scratch = place_parts(o, c);
    uint64_t region = (uint64_t)o->store_words * 4u;
    o->turns = bench_turns(o, 1024);
    kvant_status status = kvant_context_device(o->context, &info);
    if (info.max_buffer_bytes != 0u && o->turns > info.max_buffer_bytes / region) {
        o->turns = (uint32_t)(info.max_buffer_bytes / region);
        o->turns = o->turns != 0u ? o->turns : 1u;
    }
    if (status == KVANT_OK) {
        status = kvant_buffer_create(o->context, region * o->turns, &o->store);
    }
    if (status == KVANT_OK) {
        status = kvant_buffer_create(o->context, scratch, &o->scratch);
    }
    if (status != KVANT_OK) {
        return tool_error_library(error, status, "no memory for the codes");
    }
    for (size_t i = 0; i < o->part_count; i++) {
        o->parts[i].store = o->store;
        o->parts[i].scratch = o->scratch;
    }
    return write_lists(o, c, error);
}

int bench_prepare_quantize(bench_operation *o, tool_error *error)
{
    bench_classes c = bench_classes_of(&o->recipe, o->shape->tokens);
    if (c.salient + c.regular == 0u) { /* f16, or a window that holds everything */
        return bench_prepare_compress(o, error);
    }
    if (create_store(o, &c, error) != 0) {
        return -1;
    }
    o->run = run_quantize;
    bench_add_output(o, "codes and parameters", o->store, (uint64_t)o->store_words * 4u, 0);
    return 0;
}

/* ---- and back ------------------------------------------------------------------------------ */

/* Classes go one behind the other into the target: K, then V. */
static kvant_status run_dequantize(bench_operation *o)
{
    kvant_status status = KVANT_OK;
    for (uint32_t i = 0; i < o->shape->batch && status == KVANT_OK; i++) {
        o->turn = (o->turn + 1u) % o->turns;
        uint64_t at = 0;
        for (size_t part = 0; part < o->part_count && status == KVANT_OK; part++) {
            kvant_quantize_desc desc = part_of_turn(o, part, o->turn);
            desc.source = (kvant_tensor){o->target, KVANT_F16, at, 0, 0, 0, 0};
            desc.first_token = 0;
            at += (uint64_t)desc.tokens * desc.heads * desc.dim;
            status = kvant_dequantize(o->context, &desc);
        }
    }
    return status;
}

int bench_prepare_dequantize(bench_operation *o, tool_error *error)
{
    bench_classes c = bench_classes_of(&o->recipe, o->shape->tokens);
    int is_plain = c.salient + c.regular == 0u;
    if (is_plain) {
        c.regular = o->shape->tokens;
        if (o->recipe.k.regular == KVANT_CODEC_DROP) { /* what is left is f16 */
            o->recipe.k.regular = o->recipe.v.regular = KVANT_CODEC_F16;
        }
    }
    uint64_t compressed = o->recipe.k.salient != KVANT_CODEC_DROP ? c.salient : 0u;
    compressed += o->recipe.k.regular != KVANT_CODEC_DROP ? c.regular : 0u;
    uint64_t bytes = 2u * compressed * o->shape->kv_heads * (o->shape->k_dim + o->shape->v_dim);
    if (create_store(o, &c, error) != 0) {
        return -1;
    }
    kvant_status status = kvant_buffer_create(o->context, bytes, &o->target);
    double start = tool_seconds();
    for (uint32_t turn = 0; turn < o->turns && status == KVANT_OK && !is_plain; turn++) {
        if (turn != 0u && tool_seconds() - start > o->patience) {
            o->turns = turn; /* as many as can be filled in time */
            break;
        }
        status = quantize_turn(o, turn);
        if (status == KVANT_OK) {
            status = kvant_context_synchronize(o->context);
        }
    }
    if (status == KVANT_OK && is_plain) {
        status = kvant_buffer_fill(o->store, 0, 0x3c00bc01u, kvant_buffer_size(o->store));
    }
    o->run = run_dequantize;
    bench_add_output(o, "numbers", o->target, bytes, 0);
    return status == KVANT_OK ? 0 : tool_error_library(error, status, "nothing to dequantize");
}
