/* SPDX-License-Identifier: MIT
 *
 * attention_port over the public API of kvant.
 */
#include "kv_attention.h"

#include <string.h>

#include "progress.h"

int kv_attention_create(kvant_context *context, const checkpoint_shape *shape, uint32_t max_tokens,
                        int prompt_by_token, kv_attention *out_attention, tool_error *error)
{
    kv_attention *a = out_attention;
    memset(a, 0, sizeof *a);
    a->context = context;
    a->shape = shape;
    a->prompt_by_token = prompt_by_token;
    uint64_t q_bytes = sizeof(float) * (uint64_t)max_tokens * shape->dim;
    uint64_t kv_bytes = sizeof(float) * (uint64_t)max_tokens * shape->kv_heads * shape->head_dim;
    kvant_status status = kvant_buffer_create(context, q_bytes, &a->q);
    if (status == KVANT_OK) {
        status = kvant_buffer_create(context, kv_bytes, &a->k);
    }
    if (status == KVANT_OK) {
        status = kvant_buffer_create(context, kv_bytes, &a->v);
    }
    if (status == KVANT_OK) {
        status = kvant_buffer_create(context, q_bytes, &a->out);
    }
    if (status != KVANT_OK) {
        kv_attention_release(a);
        return tool_error_library(error, status, "no memory for queries, keys and values");
    }
    return 0;
}

void kv_attention_release(kv_attention *a)
{
    kvant_buffer_destroy(a->q);
    kvant_buffer_destroy(a->k);
    kvant_buffer_destroy(a->v);
    kvant_buffer_destroy(a->out);
    memset(a, 0, sizeof *a);
}

kvant_cache_desc kv_attention_cache_desc(const checkpoint_shape *shape, int prompt_by_token,
                                         const kvant_recipe *recipe, uint32_t prompt,
                                         uint32_t decode)
{
    kvant_cache_desc desc = KVANT_CACHE_DESC_INIT;
    desc.recipe = *recipe;
    desc.layers = shape->layers;
    desc.q_heads = shape->heads;
    desc.kv_heads = shape->kv_heads;
    desc.k_dim = shape->head_dim;
    desc.prefill_tokens = prompt_by_token ? 0u : prompt;
    desc.decode_tokens = prompt_by_token ? prompt + decode : decode;
    return desc;
}

int kv_attention_cache(const kv_attention *a, const kvant_recipe *recipe, uint32_t prompt,
                       uint32_t decode, kvant_cache **out_cache, tool_error *error)
{
    kvant_cache_desc desc =
        kv_attention_cache_desc(a->shape, a->prompt_by_token, recipe, prompt, decode);
    kvant_status status = kvant_cache_create(a->context, &desc, out_cache);
    return status == KVANT_OK ? 0 : tool_error_library(error, status, NULL);
}

/* ---- the port ------------------------------------------------------------------------------ */

static kvant_tensor tensor(kvant_buffer *buffer)
{
    return (kvant_tensor){buffer, KVANT_F32, 0, 0, 0, 0, 0};
}

static kvant_status upload(const kv_attention *a, uint32_t tokens, const float *q, const float *k,
                           const float *v)
{
    uint64_t q_bytes = sizeof(float) * (uint64_t)tokens * a->shape->dim;
    uint64_t kv_bytes = sizeof(float) * (uint64_t)tokens * a->shape->kv_heads * a->shape->head_dim;
    kvant_status status = kvant_buffer_write(a->q, 0, q, q_bytes);
    if (status == KVANT_OK) {
        status = kvant_buffer_write(a->k, 0, k, kv_bytes);
    }
    if (status == KVANT_OK) {
        status = kvant_buffer_write(a->v, 0, v, kv_bytes);
    }
    return status;
}

/* The prompt's own attention, and its K and V into every cache. */
static kvant_status attend_prompt(const kv_attention *a, uint32_t layer, uint32_t tokens)
{
    kvant_tensor q = tensor(a->q);
    kvant_tensor k = tensor(a->k);
    kvant_tensor v = tensor(a->v);
    kvant_prefill_attention_desc desc = KVANT_PREFILL_ATTENTION_DESC_INIT;
    desc.queries = q;
    desc.keys = k;
    desc.values = v;
    desc.out = tensor(a->out);
    desc.query_tokens = tokens;
    desc.key_tokens = tokens;
    desc.q_heads = a->shape->heads;
    desc.kv_heads = a->shape->kv_heads;
    desc.k_dim = a->shape->head_dim;
    desc.v_dim = a->shape->head_dim;
    kvant_status status = kvant_prefill_attention(a->context, &desc);
    for (size_t i = 0; i < a->cache_count && status == KVANT_OK; i++) {
        status = kvant_cache_prefill(a->caches[i], layer, 0, tokens, &k, &v, &q);
    }
    return status;
}

static kvant_status read_out(const kv_attention *a, uint32_t tokens, float *out)
{
    return kvant_buffer_read(a->out, 0, out, sizeof(float) * (uint64_t)tokens * a->shape->dim);
}

static kvant_status attend_decode(const kv_attention *a, uint32_t layer, uint32_t tokens,
                                  float *out)
{
    kvant_tensor q = tensor(a->q);
    kvant_tensor k = tensor(a->k);
    kvant_tensor v = tensor(a->v);
    kvant_tensor attended = tensor(a->out);
    kvant_status status = KVANT_OK;
    for (size_t i = 0; i < a->cache_count && status == KVANT_OK; i++) {
        status = kvant_cache_append(a->caches[i], layer, 0, tokens, &k, &v);
        if (status == KVANT_OK) {
            status = kvant_cache_attend(a->caches[i], layer, 0, 1, tokens, &q, &attended, NULL);
        }
        if (status == KVANT_OK && a->watch.take != NULL) {
            status = read_out(a, tokens, out);
            if (status == KVANT_OK) {
                a->watch.take(a->watch.self, i, layer, out);
            }
        }
    }
    return status;
}

static int attend(void *self, uint32_t layer, uint32_t first, uint32_t tokens, const float *q,
                  const float *k, const float *v, float *out, tool_error *error)
{
    kv_attention *a = self;
    double start = tool_seconds();
    kvant_status status = upload(a, tokens, q, k, v);
    if (status == KVANT_OK) {
        status = first == 0u && !a->prompt_by_token ? attend_prompt(a, layer, tokens)
                                                    : attend_decode(a, layer, tokens, out);
    }
    if (status == KVANT_OK) {
        status = read_out(a, tokens, out);
    }
    a->seconds += tool_seconds() - start;
    return status == KVANT_OK ? 0 : tool_error_library(error, status, NULL);
}

attention_port kv_attention_port(kv_attention *a)
{
    return (attention_port){attend, a};
}
