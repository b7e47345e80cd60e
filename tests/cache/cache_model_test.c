/* SPDX-License-Identifier: MIT
 *
 * A cache against what it stands for: attention in double precision over the tokens as they were given,
 * and properties that must hold exactly.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "../support/cmocka_headers.h"
#include "../support/literal_model.h"
#include "cache_internal.h"
#include "cache_scenario.h"
#include "layout.h"

static double given(const void *self, literal_tensor tensor, uint32_t sequence, uint32_t token,
                    uint32_t head, uint32_t channel)
{
    return (double)scenario_value(self, (int)tensor, sequence, token, head, channel);
}

static double nmse_of(const scenario *s, const scenario_result *result)
{
    double error = 0.0;
    double power = 0.0;
    double expected[256];
    const literal_model model = {s->q_heads, s->kv_heads, s->k_dim, s->v_dim, given, s, NULL};
    double *weights = calloc(s->prefill + s->decode, sizeof *weights);
    assert_non_null(weights);
    const float *got = result->outputs;
    for (uint32_t first = s->prefill; first + s->chunk <= s->prefill + s->decode;
         first += s->chunk) {
        for (uint32_t sequence = 0; sequence < s->sequences; sequence++) {
            for (uint32_t row = 0; row < s->chunk; row++) {
                for (uint32_t q_head = 0; q_head < s->q_heads; q_head++) {
                    literal_attend(&model, sequence, first + row, q_head, weights, expected);
                    for (uint32_t c = 0; c < s->v_dim; c++, got++) {
                        double difference = (double)*got - expected[c];
                        error += difference * difference;
                        power += expected[c] * expected[c];
                    }
                }
            }
        }
    }
    free(weights);
    return error / power;
}

/* How far each recipe may be from uncompressed attention: what its bits allow, no more. */
static void recipes_stay_close_to_the_truth(void **state)
{
    (void)state;
    static const struct {
        const char *recipe;
        double bound;
    } cases[] = {
        {"f16", 1e-9},
        {"int8-token", 1e-3},
        {"k=int8/chan32,v=int8/tok32", 1e-4},
        {"k=int8/chan96,v=int8/chan64,period=192", 1e-3}, /* groups that do not divide each other */
        {"k=int8/chan64,v=int8/chan96,period=192,window=10", 1e-3},
        {"int4", 0.05},
        {"kivi4", 0.02},
        {"zipcache", 0.3},
    };
    kvant_context *host = scenario_open("host");
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        scenario s = {cases[i].recipe,        2, 4, 2, 32, 24, 250, 45, 3, KVANT_F32, 1.0f,
                      KVANT_NON_FINITE_STRICT};
        scenario_result result = scenario_run(host, &s);
        double nmse = nmse_of(&s, &result);
        print_message("%-28s NMSE against uncompressed attention %.2e\n", cases[i].recipe, nmse);
        assert_true(nmse < cases[i].bound);
        scenario_release(&result);
    }
    kvant_context_destroy(host);
}

static void same_outputs(const scenario *a, const scenario *b, bool same_digest)
{
    kvant_context *host = scenario_open("host");
    scenario_result x = scenario_run(host, a);
    scenario_result y = scenario_run(host, b);
    assert_int_equal(x.count, y.count);
    if (same_digest) {
        assert_true(x.digest == y.digest);
    }
    assert_memory_equal(x.outputs, y.outputs, x.count * sizeof(float));
    scenario_release(&x);
    scenario_release(&y);
    kvant_context_destroy(host);
}

/* Several tokens at once are those tokens one by one: causal masks by position. */
static void chunks_equal_single_steps(void **state)
{
    (void)state;
    scenario one = {"f16", 1, 4, 2, 32, 32, 40, 24, 1, KVANT_F32, 1.0f, KVANT_NON_FINITE_STRICT};
    scenario four = one;
    four.chunk = 4;
    same_outputs(&one, &four, false); /* max_queries sizes the scratch, not the regions */
}

/* The dtype of the input does not matter where the numbers are the same. */
static void dtypes_agree(void **state)
{
    (void)state;
    scenario f32 = {"zipcache", 1, 4, 2,         32,   32,
                    120,        4, 1, KVANT_F32, 1.0f, KVANT_NON_FINITE_STRICT};
    scenario f16 = f32;
    f16.dtype = KVANT_F16;
    same_outputs(&f32, &f16, true);
}

/* A sequence's bytes do not depend on its neighbours in the batch. */
static void batch_does_not_change_a_sequence(void **state)
{
    (void)state;
    scenario one = {"zipcache", 1,  4, 2,         32,    32,
                    150,        10, 1, KVANT_F32, 30.0f, KVANT_NON_FINITE_STRICT};
    kvant_context *host = scenario_open("host");
    scenario_assert_batch_alike(host, &one);
    kvant_context_destroy(host);
}

/* The K codes of the first `tokens` tokens of the first compressed segment, head by head. */
static uint32_t *read_old_codes(kvant_cache *cache, uint32_t tokens, size_t *count)
{
    const kvant_layout *layout = cache->layout;
    const kvant_segment *at = &layout->segments[layout->first_compressed].at;
    uint32_t bits = kv_codec_bits((uint32_t)at->k_codec);
    uint32_t head_words = kv_code_words(at->capacity, layout->desc.k_dim, bits);
    uint32_t old_words = kv_code_words(tokens, layout->desc.k_dim, bits);
    *count = (size_t)layout->desc.kv_heads * old_words;
    uint32_t *words = calloc(*count, sizeof *words);
    assert_non_null(words);
    kvant_place place;
    assert_int_equal(kvant_place_of(cache, 0, 0, &place), KVANT_OK);
    for (uint32_t head = 0; head < layout->desc.kv_heads; head++) {
        uint64_t offset = (uint64_t)place.base + at->k_codes + (uint64_t)head * head_words;
        assert_int_equal(
            kvant_buffer_read(place.store, offset * 4, &words[head * old_words], old_words * 4),
            KVANT_OK);
    }
    return words;
}

/* What was compressed once is never quantized again. */
static void old_codes_stay_as_they_are(void **state)
{
    (void)state;
    static const char *const recipes[] = {"zipcache", "kivi2", "int4"};
    kvant_context *host = scenario_open("host");
    for (int i = 0; i < 3; i++) {
        scenario s = {recipes[i], 1,   2, 2,         32,   32,
                      200,        230, 1, KVANT_F32, 1.0f, KVANT_NON_FINITE_STRICT};
        kvant_cache_desc desc = scenario_desc(&s);
        kvant_cache *cache = NULL;
        assert_int_equal(kvant_cache_create(host, &desc, &cache), KVANT_OK);
        kvant_tensor t[3];
        for (int j = 0; j < 3; j++) {
            t[j] = scenario_upload(host, &s, j, 0, 1, 0, s.prefill + s.decode);
        }
        assert_int_equal(kvant_cache_prefill(cache, 0, 0, s.prefill, &t[0], &t[1], &t[2]),
                         KVANT_OK);
        uint32_t tokens = cache->streams[0].used[cache->layout->first_compressed];
        assert_true(tokens > 0);
        size_t count;
        uint32_t *before = read_old_codes(cache, tokens, &count);
        uint32_t zeros = 0;
        for (size_t j = 0; j < count; j++) {
            zeros += before[j] == 0 ? 1u : 0u;
        }
        assert_true(zeros < count / 2);

        t[0].offset = t[1].offset = (uint64_t)s.prefill * s.kv_heads * s.k_dim;
        assert_int_equal(kvant_cache_append(cache, 0, 0, s.decode, &t[0], &t[1]), KVANT_OK);
        uint32_t *after = read_old_codes(cache, tokens, &count);
        assert_memory_equal(before, after, count * sizeof *before);
        free(before);
        free(after);
        for (int j = 0; j < 3; j++) {
            kvant_buffer_destroy(t[j].buffer);
        }
        kvant_cache_destroy(cache);
    }
    kvant_context_destroy(host);
}

/* A prompt compressed at once, and the same tokens appended in one call or one by one. */
static void one_call_equals_many(void **state)
{
    (void)state;
    static const char *const recipes[] = {"int4", "kivi2", "int8-token"};
    kvant_context *host = scenario_open("host");
    for (int i = 0; i < 3; i++) {
        scenario s = {recipes[i], 1,   2, 2,         32,   32,
                      0,          300, 1, KVANT_F32, 1.0f, KVANT_NON_FINITE_STRICT};
        kvant_cache_desc desc = scenario_desc(&s);
        kvant_tensor k = scenario_upload(host, &s, 0, 0, 1, 0, s.decode);
        kvant_tensor v = scenario_upload(host, &s, 1, 0, 1, 0, s.decode);
        uint64_t digests[2];
        for (int way = 0; way < 2; way++) {
            kvant_cache *cache = NULL;
            assert_int_equal(kvant_cache_create(host, &desc, &cache), KVANT_OK);
            uint32_t step = way == 0 ? s.decode : 1;
            for (uint32_t first = 0; first < s.decode; first += step) {
                k.offset = v.offset = (uint64_t)first * s.kv_heads * s.k_dim;
                assert_int_equal(kvant_cache_append(cache, 0, 0, step, &k, &v), KVANT_OK);
            }
            assert_int_equal(kvant_cache_digest(cache, &digests[way]), KVANT_OK);
            kvant_cache_destroy(cache);
            k.offset = v.offset = 0;
        }
        assert_true(digests[0] == digests[1]);
        kvant_buffer_destroy(k.buffer);
        kvant_buffer_destroy(v.buffer);
    }
    kvant_context_destroy(host);
}

/* Buffers that a kernel can bind only in part: several of them, the same bytes. */
static void shards_do_not_change_anything(void **state)
{
    (void)state;
    scenario s = {"zipcache,period=20",   5, 4, 2, 32, 32, 90, 25, 1, KVANT_F32, 1.0f,
                  KVANT_NON_FINITE_STRICT};
    kvant_context *host = scenario_open("host");
    scenario_result whole = scenario_run(host, &s);
    kvant_cache_desc desc = scenario_desc(&s);
    kvant_layout layout;
    assert_int_equal(kvant_layout_make(&host->host, &desc, &layout), KVANT_OK);
    uint64_t region = (uint64_t)layout.region_words * 4;
    assert_true(layout.attend_sequences < s.sequences); /* and few at a time */
    uint64_t queries = (uint64_t)s.prefill * s.q_heads * s.k_dim * sizeof(float);
    uint64_t needed[] = {layout.scratch_bytes, layout.bytes.transient_bytes, 2 * region, queries};
    host->limits.max_buffer_bytes = 0;
    for (int i = 0; i < 4; i++) {
        if (host->limits.max_buffer_bytes < needed[i]) {
            host->limits.max_buffer_bytes = needed[i];
        }
    }
    assert_true(host->limits.max_buffer_bytes < s.sequences * region);
    kvant_layout_free(&host->host, &layout);
    scenario_result parts = scenario_run(host, &s);
    assert_true(whole.digest == parts.digest);
    assert_memory_equal(whole.outputs, parts.outputs, whole.count * sizeof(float));
    scenario_release(&whole);
    scenario_release(&parts);
    kvant_context_destroy(host);
}

/* Output over the query: what the next compression judges by must have been taken before. */
static void attention_in_place_changes_nothing(void **state)
{
    (void)state;
    scenario s = {"zipcache,period=20",   1, 2, 2, 32, 32, 60, 45, 1, KVANT_F32, 1.0f,
                  KVANT_NON_FINITE_STRICT};
    kvant_context *host = scenario_open("host");
    uint64_t digests[2];
    for (int in_place = 0; in_place < 2; in_place++) {
        kvant_cache_desc desc = scenario_desc(&s);
        kvant_cache *cache = NULL;
        assert_int_equal(kvant_cache_create(host, &desc, &cache), KVANT_OK);
        for (uint32_t token = 0; token < s.decode; token++) {
            kvant_tensor t[3];
            for (int i = 0; i < 3; i++) {
                t[i] = scenario_upload(host, &s, i, 0, 1, token, 1);
            }
            kvant_tensor out = {.dtype = KVANT_F32};
            assert_int_equal(kvant_buffer_create(host, 4096, &out.buffer), KVANT_OK);
            assert_int_equal(kvant_cache_append(cache, 0, 0, 1, &t[0], &t[1]), KVANT_OK);
            assert_int_equal(
                kvant_cache_attend(cache, 0, 0, 1, 1, &t[2], in_place != 0 ? &t[2] : &out, NULL),
                KVANT_OK);
            for (int i = 0; i < 3; i++) {
                kvant_buffer_destroy(t[i].buffer);
            }
            kvant_buffer_destroy(out.buffer);
        }
        assert_int_equal(kvant_cache_digest(cache, &digests[in_place]), KVANT_OK);
        kvant_cache_destroy(cache);
    }
    assert_true(digests[0] == digests[1]);
    kvant_context_destroy(host);
}

static void reset_is_as_good_as_new(void **state)
{
    (void)state;
    scenario s = {"zipcache", 1, 2, 1, 32, 32, 64, 4, 1, KVANT_F32, 1.0f, KVANT_NON_FINITE_STRICT};
    kvant_context *host = scenario_open("host");
    kvant_cache_desc desc = scenario_desc(&s);
    kvant_cache *cache = NULL;
    assert_int_equal(kvant_cache_create(host, &desc, &cache), KVANT_OK);
    kvant_tensor t[3];
    for (int i = 0; i < 3; i++) {
        t[i] = scenario_upload(host, &s, i, 0, 1, 0, s.prefill);
    }
    uint64_t empty = 0;
    uint64_t first = 0;
    uint64_t again = 0;
    assert_int_equal(kvant_cache_digest(cache, &empty), KVANT_OK);
    assert_int_equal(kvant_cache_prefill(cache, 0, 0, s.prefill, &t[0], &t[1], &t[2]), KVANT_OK);
    assert_int_equal(kvant_cache_digest(cache, &first), KVANT_OK);
    assert_true(first != empty);
    assert_int_equal(kvant_cache_length(cache, 0, 0), s.prefill);
    assert_int_equal(kvant_cache_reset(cache, 0), KVANT_OK);
    assert_int_equal(kvant_cache_length(cache, 0, 0), 0);
    assert_int_equal(kvant_cache_digest(cache, &again), KVANT_OK);
    assert_true(again == empty);
    assert_int_equal(kvant_cache_prefill(cache, 0, 0, s.prefill, &t[0], &t[1], &t[2]), KVANT_OK);
    assert_int_equal(kvant_cache_digest(cache, &again), KVANT_OK);
    assert_true(again == first);
    for (int i = 0; i < 3; i++) {
        kvant_buffer_destroy(t[i].buffer);
    }
    kvant_cache_destroy(cache);
    kvant_context_destroy(host);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(recipes_stay_close_to_the_truth),
        cmocka_unit_test(chunks_equal_single_steps),
        cmocka_unit_test(dtypes_agree),
        cmocka_unit_test(batch_does_not_change_a_sequence),
        cmocka_unit_test(old_codes_stay_as_they_are),
        cmocka_unit_test(one_call_equals_many),
        cmocka_unit_test(shards_do_not_change_anything),
        cmocka_unit_test(attention_in_place_changes_nothing),
        cmocka_unit_test(reset_is_as_good_as_new),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
