/* SPDX-License-Identifier: MIT
 *
 * The CPU transformer: a batch gives what single tokens give, and attention through kvant gives
 * what a plain attention in double precision gives.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "kv_attention.h"
#include "recipe_list.h"
#include "tool_fixture.h"

enum { TOKENS = 12, VOCABULARY = 262 };

static const uint32_t tokens[TOKENS] = {1, 70, 90, 33, 71, 3, 200, 261, 70, 90, 5, 66};

/* Softmax attention in double precision over every K and V so far. */
typedef struct {
    const checkpoint_shape *shape;
    float *k[8];
    float *v[8];
} plain_attention;

static void attend_row(const plain_attention *a, uint32_t layer, uint32_t visible, uint32_t head,
                       const float *q, float *out)
{
    uint32_t dim = a->shape->head_dim;
    uint32_t kv_dim = a->shape->kv_heads * dim;
    const float *k = a->k[layer] + head / (a->shape->heads / a->shape->kv_heads) * dim;
    const float *v = a->v[layer] + head / (a->shape->heads / a->shape->kv_heads) * dim;
    double sum = 0.0;
    double output[64] = {0.0};
    for (uint32_t token = 0; token < visible; token++) {
        double score = 0.0;
        for (uint32_t i = 0; i < dim; i++) {
            score += (double)q[i] * (double)k[token * kv_dim + i];
        }
        double weight = exp(score / sqrt((double)dim));
        sum += weight;
        for (uint32_t i = 0; i < dim; i++) {
            output[i] += weight * (double)v[token * kv_dim + i];
        }
    }
    for (uint32_t i = 0; i < dim; i++) {
        out[i] = (float)(output[i] / sum);
    }
}

static int attend(void *self, uint32_t layer, uint32_t first, uint32_t count, const float *q,
                  const float *k, const float *v, float *out, tool_error *error)
{
    (void)error;
    const plain_attention *a = self;
    size_t kv_dim = (size_t)a->shape->kv_heads * a->shape->head_dim;
    memcpy(a->k[layer] + first * kv_dim, k, count * kv_dim * sizeof *k);
    memcpy(a->v[layer] + first * kv_dim, v, count * kv_dim * sizeof *v);
    for (uint32_t token = 0; token < count; token++) {
        for (uint32_t head = 0; head < a->shape->heads; head++) {
            size_t at = (size_t)token * a->shape->dim + (size_t)head * a->shape->head_dim;
            attend_row(a, layer, first + token + 1, head, q + at, out + at);
        }
    }
    return 0;
}

typedef struct {
    fixture_file file;
    checkpoint model;
    transformer engine;
    plain_attention plain;
} setting;

static void set_up(setting *s)
{
    fixture_shape shape = FIXTURE_SHAPE;
    tool_error error = {0, ""};
    s->file = fixture_model(&shape, 11);
    assert_int_equal(checkpoint_load(fixture_write(&s->file, s->file.size), &s->model, &error), 0);
    assert_int_equal(transformer_create(&s->model, TOKENS, &s->engine, &error), 0);
    s->plain.shape = &s->model.shape;
    for (uint32_t layer = 0; layer < s->model.shape.layers; layer++) {
        s->plain.k[layer] = calloc(s->model.shape.seq_len * 16u, sizeof(float));
        s->plain.v[layer] = calloc(s->model.shape.seq_len * 16u, sizeof(float));
        assert_non_null(s->plain.k[layer]);
        assert_non_null(s->plain.v[layer]);
    }
}

static void tear_down(setting *s)
{
    for (uint32_t layer = 0; layer < s->model.shape.layers; layer++) {
        free(s->plain.k[layer]);
        free(s->plain.v[layer]);
    }
    transformer_release(&s->engine);
    checkpoint_release(&s->model);
    fixture_remove(&s->file);
}

/* Logits after `prompt` tokens at once and the rest one by one. */
static void run_through(setting *s, const attention_port *port, uint32_t prompt, float *logits)
{
    tool_error error = {0, ""};
    if (transformer_forward(&s->engine, port, tokens, 0, prompt, logits, &error) != 0) {
        fail_msg("%s", error.text);
    }
    for (uint32_t at = prompt; at < TOKENS; at++) {
        if (transformer_forward(&s->engine, port, tokens + at, at, 1, logits, &error) != 0) {
            fail_msg("%s", error.text);
        }
    }
}

static void batch_equals_single_tokens(void **state)
{
    (void)state;
    setting s;
    set_up(&s);
    const attention_port port = {attend, &s.plain};
    float single[VOCABULARY];
    float batch[VOCABULARY];
    run_through(&s, &port, 1, single);
    for (uint32_t prompt = 2; prompt <= TOKENS; prompt++) {
        run_through(&s, &port, prompt, batch);
        assert_memory_equal(single, batch, sizeof single);
    }
    tear_down(&s);
}

static void kvant_equals_plain_attention(void **state)
{
    (void)state;
    setting s;
    set_up(&s);
    const attention_port port = {attend, &s.plain};
    float expected[VOCABULARY];
    run_through(&s, &port, 1, expected);

    kvant_context_desc desc = KVANT_CONTEXT_DESC_INIT;
    desc.backend = "host";
    kvant_context *context = NULL;
    assert_int_equal(kvant_context_create(&desc, &context), KVANT_OK);
    kvant_recipe f16;
    tool_error error = {0, ""};
    assert_int_equal(recipe_f16(&f16, &error), 0);
    for (int by_token = 0; by_token < 2; by_token++) {
        kv_attention attention;
        kvant_cache *cache = NULL;
        assert_int_equal(
            kv_attention_create(context, &s.model.shape, TOKENS, by_token, &attention, &error), 0);
        assert_int_equal(kv_attention_cache(&attention, &f16, 8, TOKENS - 8, &cache, &error), 0);
        attention.caches = &cache;
        attention.cache_count = 1;
        const attention_port kvant_port = kv_attention_port(&attention);
        float logits[VOCABULARY];
        run_through(&s, &kvant_port, by_token ? 1 : 8, logits);
        assert_int_equal(kvant_cache_length(cache, 1, 0), TOKENS);
        for (int i = 0; i < VOCABULARY; i++) {
            assert_true(fabsf(logits[i] - expected[i]) < 1e-2f); /* K and V are halves */
        }
        kvant_cache_destroy(cache);
        kv_attention_release(&attention);
    }
    kvant_context_destroy(context);
    tear_down(&s);
}

static void refuses_positions_and_tokens_that_do_not_fit(void **state)
{
    (void)state;
    setting s;
    set_up(&s);
    const attention_port port = {attend, &s.plain};
    float logits[VOCABULARY];
    tool_error error = {0, ""};
    const uint32_t unknown = VOCABULARY;
    assert_int_equal(transformer_forward(&s.engine, &port, tokens, 0, 0, logits, &error), -1);
    assert_int_equal(transformer_forward(&s.engine, &port, tokens, 24, 1, logits, &error), -1);
    assert_int_equal(transformer_forward(&s.engine, &port, tokens, 0, TOKENS + 1, logits, &error),
                     -1);
    assert_int_equal(transformer_forward(&s.engine, &port, &unknown, 0, 1, logits, &error), -1);
    tear_down(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(batch_equals_single_tokens),
        cmocka_unit_test(kvant_equals_plain_attention),
        cmocka_unit_test(refuses_positions_and_tokens_that_do_not_fit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
