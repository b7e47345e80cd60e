/* SPDX-License-Identifier: MIT
 *
 * The driver of the cache scenarios.
 */
#include "cache_scenario.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../support/cmocka_headers.h"
#include "../support/noise.h"

static void expect_ok(kvant_status status, const char *what)
{
    if (status != KVANT_OK) {
        fail_msg("%s: %s: %s", what, kvant_status_name(status), kvant_last_message());
    }
}

kvant_context *scenario_open(const char *backend)
{
    kvant_context_desc desc = KVANT_CONTEXT_DESC_INIT;
    desc.backend = backend;
    kvant_context *context = NULL;
    kvant_status status = kvant_context_create(&desc, &context);
    if (status == KVANT_OK) {
        return context;
    }
    if (status != KVANT_ERROR_NO_DEVICE) {
        fail_msg("%s: %s", backend, kvant_last_message());
    }
    print_message("skipped %s: %s\n", backend, kvant_last_message());
    return NULL;
}

float scenario_value(const scenario *s, int which, uint32_t sequence, uint32_t token, uint32_t head,
                     uint32_t channel)
{
    const uint32_t of_token[4] = {sequence, token, head, channel};
    const uint32_t of_channel[4] = {0, 0, head, channel};
    double x = noise_at((uint32_t)which, of_token, 4);
    if (which == 0) { /* channel offsets, and two outlier channels */
        x += 2.0 * noise_at(7, of_channel, 4);
        x *= channel == 3 || channel == 5 ? (double)s->outliers : 1.0;
    }
    /* three significant decimal digits fit every dtype's rounding alike */
    return (float)(round(x * 64.0) / 64.0);
}

static uint16_t to_bf16(float x)
{
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    return (uint16_t)(bits >> 16);
}

static uint16_t to_f16(float x)
{
    /* values are multiples of 1/64 below 2048 in steps that a half holds, or get truncated */
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    uint32_t sign = (bits >> 16) & 0x8000u;
    int exponent = (int)((bits >> 23) & 255u) - 112;
    if (exponent <= 0) {
        return (uint16_t)sign;
    }
    return (uint16_t)(sign | ((uint32_t)exponent << 10) | ((bits >> 13) & 1023u));
}

kvant_tensor scenario_upload(kvant_context *context, const scenario *s, int which,
                             uint32_t first_sequence, uint32_t sequences, uint32_t first,
                             uint32_t count)
{
    uint32_t heads = which == 2 ? s->q_heads : s->kv_heads;
    uint32_t dim = which == 1 ? s->v_dim : s->k_dim;
    size_t elements = (size_t)sequences * count * heads * dim;
    size_t size = s->dtype == KVANT_F32 ? 4 : 2;
    unsigned char *data = calloc(elements + 2, size);
    assert_non_null(data);
    size_t i = 0;
    for (uint32_t b = 0; b < sequences; b++) {
        for (uint32_t token = first; token < first + count; token++) {
            for (uint32_t head = 0; head < heads; head++) {
                for (uint32_t channel = 0; channel < dim; channel++, i++) {
                    float x = scenario_value(s, which, first_sequence + b, token, head, channel);
                    uint16_t half = s->dtype == KVANT_BF16 ? to_bf16(x) : to_f16(x);
                    memcpy(&data[i * size], size == 4 ? (void *)&x : (void *)&half, size);
                }
            }
        }
    }
    kvant_tensor tensor = {.dtype = s->dtype};
    size_t bytes = (elements * size + 3) / 4 * 4;
    expect_ok(kvant_buffer_create(context, bytes, &tensor.buffer), "buffer_create");
    expect_ok(kvant_buffer_write(tensor.buffer, 0, data, bytes), "buffer_write");
    free(data);
    return tensor;
}

kvant_cache_desc scenario_desc(const scenario *s)
{
    kvant_cache_desc desc = KVANT_CACHE_DESC_INIT;
    expect_ok(kvant_recipe_parse(s->recipe, &desc.recipe), s->recipe);
    desc.layers = 1;
    desc.sequences = s->sequences;
    desc.q_heads = s->q_heads;
    desc.kv_heads = s->kv_heads;
    desc.k_dim = s->k_dim;
    desc.v_dim = s->v_dim;
    desc.prefill_tokens = s->prefill;
    desc.decode_tokens = s->decode;
    desc.max_queries = s->chunk;
    desc.non_finite = s->non_finite;
    return desc;
}

static void prefill(kvant_context *context, kvant_cache *cache, const scenario *s,
                    uint32_t sequence)
{
    kvant_tensor tensors[3];
    for (int i = 0; i < 3; i++) {
        tensors[i] = scenario_upload(context, s, i, sequence, 1, 0, s->prefill);
    }
    expect_ok(
        kvant_cache_prefill(cache, 0, sequence, s->prefill, &tensors[0], &tensors[1], &tensors[2]),
        "prefill");
    for (int i = 0; i < 3; i++) {
        kvant_buffer_destroy(tensors[i].buffer);
    }
}

static void decode(kvant_context *context, kvant_cache *cache, const scenario *s,
                   scenario_result *result, uint32_t first)
{
    for (uint32_t sequence = 0; sequence < s->sequences; sequence++) {
        kvant_tensor k = scenario_upload(context, s, 0, sequence, 1, first, s->chunk);
        kvant_tensor v = scenario_upload(context, s, 1, sequence, 1, first, s->chunk);
        expect_ok(kvant_cache_append(cache, 0, sequence, s->chunk, &k, &v), "append");
        kvant_buffer_destroy(k.buffer);
        kvant_buffer_destroy(v.buffer);
    }
    size_t count = (size_t)s->sequences * s->chunk * s->q_heads * s->v_dim;
    kvant_tensor q = scenario_upload(context, s, 2, 0, s->sequences, first, s->chunk);
    kvant_tensor out = {.dtype = KVANT_F32};
    expect_ok(kvant_buffer_create(context, count * 4, &out.buffer), "buffer_create");
    expect_ok(kvant_cache_attend(cache, 0, 0, s->sequences, s->chunk, &q, &out, NULL), "attend");
    expect_ok(kvant_buffer_read(out.buffer, 0, result->outputs + result->count, count * 4), "read");
    result->count += count;
    kvant_buffer_destroy(q.buffer);
    kvant_buffer_destroy(out.buffer);
}

scenario_result scenario_run(kvant_context *context, const scenario *s)
{
    scenario_result result = {.bytes = KVANT_CACHE_BYTES_INIT};
    kvant_cache_desc desc = scenario_desc(s);
    kvant_cache *cache = NULL;
    kvant_cache_bytes plan = KVANT_CACHE_BYTES_INIT;
    expect_ok(kvant_cache_plan(&desc, &plan), "plan");
    expect_ok(kvant_cache_create(context, &desc, &cache), "create");
    expect_ok(kvant_cache_usage(cache, &result.bytes), "usage");
    assert_true(plan.bytes == result.bytes.bytes); /* the plan is what is used */

    result.outputs =
        calloc((size_t)s->sequences * (s->decode + 1) * s->q_heads * s->v_dim, sizeof(float));
    assert_non_null(result.outputs);
    for (uint32_t sequence = 0; s->prefill != 0 && sequence < s->sequences; sequence++) {
        prefill(context, cache, s, sequence);
    }
    for (uint32_t first = s->prefill; first + s->chunk <= s->prefill + s->decode;
         first += s->chunk) {
        decode(context, cache, s, &result, first);
    }
    expect_ok(kvant_cache_digest(cache, &result.digest), "digest");
    kvant_cache_destroy(cache);
    return result;
}

void scenario_assert_batch_alike(kvant_context *context, const scenario *alone)
{
    scenario three = *alone;
    three.sequences = 3;
    scenario_result x = scenario_run(context, alone);
    scenario_result y = scenario_run(context, &three);
    size_t row = (size_t)alone->q_heads * alone->v_dim;
    for (uint32_t step = 0; step < alone->decode; step++) {
        assert_memory_equal(x.outputs + step * row, y.outputs + step * row * 3,
                            row * sizeof(float));
    }
    scenario_release(&x);
    scenario_release(&y);
}

void scenario_release(scenario_result *result)
{
    free(result->outputs);
    result->outputs = NULL;
}

scenario_session scenario_begin(kvant_context *context, const scenario *s)
{
    scenario_session session = {.context = context, .out = {.dtype = KVANT_F32}};
    kvant_cache_desc desc = scenario_desc(s);
    expect_ok(kvant_cache_create(context, &desc, &session.cache), "create");
    for (int i = 0; i < 3; i++) {
        session.inputs[i] = scenario_upload(context, s, i, 0, 1, 0, s->prefill);
    }
    expect_ok(
        kvant_buffer_create(context, (uint64_t)s->q_heads * s->v_dim * 4, &session.out.buffer),
        "buffer_create");
    return session;
}

void scenario_prefill(const scenario_session *session, const scenario *s)
{
    expect_ok(kvant_cache_prefill(session->cache, 0, 0, s->prefill, &session->inputs[0],
                                  &session->inputs[1], &session->inputs[2]),
              "prefill");
}

void scenario_steps(const scenario_session *session, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        expect_ok(
            kvant_cache_append(session->cache, 0, 0, 1, &session->inputs[0], &session->inputs[1]),
            "append");
        expect_ok(kvant_cache_attend(session->cache, 0, 0, 1, 1, &session->inputs[2], &session->out,
                                     NULL),
                  "attend");
    }
}

void scenario_end(scenario_session *session)
{
    for (int i = 0; i < 3; i++) {
        kvant_buffer_destroy(session->inputs[i].buffer);
    }
    kvant_buffer_destroy(session->out.buffer);
    kvant_cache_destroy(session->cache);
    kvant_context_destroy(session->context);
}
