/* SPDX-License-Identifier: MIT
 *
 * Caches that evict: which tokens they keep, judged without the library's own scores; that batches,
 * GQA groups and prompts shorter than everything change nothing about it.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "../support/cmocka_headers.h"
#include "../support/kept_tokens.h"
#include "cache_scenario.h"

enum { MOST_TOKENS = 400, MOST_HEADS = 4 };

static void append_one(kvant_context *context, kvant_cache *cache, const scenario *s,
                       uint32_t token)
{
    kvant_tensor k = scenario_upload(context, s, 0, 0, 1, token, 1);
    kvant_tensor v = scenario_upload(context, s, 1, 0, 1, token, 1);
    assert_int_equal(kvant_cache_append(cache, 0, 0, 1, &k, &v), KVANT_OK);
    kvant_buffer_destroy(k.buffer);
    kvant_buffer_destroy(v.buffer);
}

static kvant_cache *begin(kvant_context *context, const scenario *s)
{
    kvant_cache_desc desc = scenario_desc(s);
    kvant_cache *cache = NULL;
    assert_int_equal(kvant_cache_create(context, &desc, &cache), KVANT_OK);
    if (s->prefill != 0) {
        kvant_tensor t[3];
        for (int i = 0; i < 3; i++) {
            t[i] = scenario_upload(context, s, i, 0, 1, 0, s->prefill);
        }
        assert_int_equal(kvant_cache_prefill(cache, 0, 0, s->prefill, &t[0], &t[1], &t[2]),
                         KVANT_OK);
        for (int i = 0; i < 3; i++) {
            kvant_buffer_destroy(t[i].buffer);
        }
    }
    return cache;
}

/* ---- a sliding window with sinks ------------------------------------------------------------ */

/* The first 3 tokens and the last 12, and up to a period more; no other, in no head. */
static void expect_window(kvant_cache *cache, uint32_t length, uint32_t most)
{
    unsigned char kept[2 * MOST_TOKENS];
    assert_int_equal(kept_tokens(cache, 0, 0, length, kept), KVANT_OK);
    for (uint32_t head = 0; head < 2; head++) {
        uint32_t count = 0;
        for (uint32_t token = 0; token < length; token++) {
            unsigned char is_kept = kept[head * length + token];
            assert_true(is_kept <= 1);
            assert_true(is_kept == 1 || (token >= 3 && token + 12 < length));
            count += is_kept;
        }
        assert_true(count <= 3 + most);
        for (uint32_t token = 3; token + 1 < length; token++) { /* the window has no gap */
            assert_true(kept[head * length + token] <= kept[head * length + token + 1]);
        }
    }
}

static void sinks_and_a_window_stay(void **state)
{
    (void)state;
    kvant_context *host = scenario_open("host");
    static const uint32_t prompts[] = {0, 1, 3, 14, 15, 16, 17, 90};
    for (size_t i = 0; i < sizeof prompts / sizeof prompts[0]; i++) {
        scenario s = {"k=drop,v=drop,window=12,sinks=3,period=8",
                      1,
                      4,
                      2,
                      16,
                      24,
                      prompts[i],
                      70,
                      1,
                      KVANT_F32,
                      1.0f,
                      KVANT_NON_FINITE_STRICT};
        kvant_cache *cache = begin(host, &s);
        if (s.prefill != 0) {
            expect_window(cache, s.prefill, 12);
        }
        for (uint32_t token = 0; token < s.decode; token++) {
            append_one(host, cache, &s, s.prefill + token);
            expect_window(cache, s.prefill + token + 1, 12 + 8);
        }
        kvant_cache_bytes bytes = KVANT_CACHE_BYTES_INIT;
        assert_int_equal(kvant_cache_usage(cache, &bytes), KVANT_OK);
        assert_true(bytes.codes == 0 && bytes.parameters == 0);
        kvant_cache_destroy(cache);
    }
    kvant_context_destroy(host);
}

/* ---- heavy hitters --------------------------------------------------------------------------- */

/* Accumulated attention of each token over all query rows and the query heads of a KV head. */
static void accumulate(const scenario *s, uint32_t kv_head, double *scores)
{
    double weights[MOST_TOKENS];
    memset(scores, 0, s->prefill * sizeof *scores);
    uint32_t group = s->q_heads / s->kv_heads;
    for (uint32_t row = 0; row < s->prefill; row++) {
        for (uint32_t head = kv_head * group; head < (kv_head + 1) * group; head++) {
            double sum = 0.0;
            for (uint32_t j = 0; j <= row; j++) {
                double dot = 0.0;
                for (uint32_t c = 0; c < s->k_dim; c++) {
                    dot += (double)scenario_value(s, 2, 0, row, head, c) *
                           (double)scenario_value(s, 0, 0, j, kv_head, c);
                }
                weights[j] = exp(dot / sqrt((double)s->k_dim));
                sum += weights[j];
            }
            for (uint32_t j = 0; j <= row; j++) {
                scores[j] += weights[j] / sum;
            }
        }
    }
}

/* Tokens of 0 .. count - 1 whose score is among the `wanted` largest. */
static void choose(const double *scores, uint32_t count, uint32_t wanted, unsigned char *chosen)
{
    for (uint32_t i = 0; i < count; i++) {
        uint32_t above = 0;
        for (uint32_t j = 0; j < count; j++) {
            above += scores[j] > scores[i] || (scores[j] == scores[i] && j > i) ? 1u : 0u;
        }
        chosen[i] = above < wanted ? 1 : 0;
    }
}

static void heavy_hitters_are_those_of_double_precision(void **state)
{
    (void)state;
    kvant_context *host = scenario_open("host");
    scenario s = {"h2o,window=20",        1, 4, 2, 32, 32, 220, 8, 1, KVANT_F32, 8.0f,
                  KVANT_NON_FINITE_STRICT};
    kvant_cache *cache = begin(host, &s);
    unsigned char kept[MOST_HEADS * MOST_TOKENS];
    assert_int_equal(kept_tokens(cache, 0, 0, s.prefill, kept), KVANT_OK);
    uint32_t judged = s.prefill - 20;
    uint32_t heavy = judged / 5;
    uint32_t agree = 0;
    uint32_t same_as_other_head = 0;
    for (uint32_t head = 0; head < s.kv_heads; head++) {
        double scores[MOST_TOKENS];
        unsigned char chosen[MOST_TOKENS];
        uint32_t count = 0;
        accumulate(&s, head, scores);
        choose(scores, judged, heavy, chosen);
        for (uint32_t token = 0; token < s.prefill; token++) {
            unsigned char is_kept = kept[head * s.prefill + token];
            assert_true(token < judged || is_kept == 1);
            count += is_kept;
            agree += token < judged && is_kept == 1 && chosen[token] == 1 ? 1u : 0u;
            same_as_other_head += is_kept == kept[token] ? 1u : 0u;
        }
        assert_int_equal(count, heavy + 20);
    }
    print_message("%u of %u heavy hitters agree with double precision\n", agree,
                  heavy * s.kv_heads);
    assert_true(agree * 100 >= heavy * s.kv_heads * 99);
    assert_true(same_as_other_head < s.kv_heads * s.prefill); /* each KV head has its own */
    kvant_cache_destroy(cache);
    kvant_context_destroy(host);
}

/* What H2O calls recent is what each event is judged after: the newest 64, and the running period. */
static void decode_keeps_a_fifth_of_each_period(void **state)
{
    (void)state;
    kvant_context *host = scenario_open("host");
    scenario s = {"h2o,window=20,period=40", 1, 4, 2, 32, 32, 120, 100, 1, KVANT_F32, 8.0f,
                  KVANT_NON_FINITE_STRICT};
    scenario_session session = scenario_begin(host, &s);
    scenario_prefill(&session, &s);
    scenario_steps(&session, 100);
    unsigned char kept[MOST_HEADS * MOST_TOKENS];
    assert_int_equal(kept_tokens(session.cache, 0, 0, 220, kept), KVANT_OK);
    for (uint32_t head = 0; head < 2; head++) {
        uint32_t counts[4] = {0, 0, 0, 0}; /* of the prompt, two periods, the window */
        for (uint32_t token = 0; token < 220; token++) {
            counts[token < 100   ? 0
                   : token < 140 ? 1
                   : token < 180 ? 2
                                 : 3] += kept[head * 220 + token];
        }
        assert_int_equal(counts[0], 20);
        assert_int_equal(counts[1], 8);
        assert_int_equal(counts[2], 8);
        assert_int_equal(counts[3], 40);
    }
    scenario_end(&session);
}

/* ---- a prompt alone -------------------------------------------------------------------------- */

static void without_periods_decode_is_kept(void **state)
{
    (void)state;
    kvant_context *host = scenario_open("host");
    scenario s = {"snapkv,salient=0.5,window=8,newest=8",
                  1,
                  4,
                  2,
                  32,
                  16,
                  108,
                  150,
                  1,
                  KVANT_F32,
                  1.0f,
                  KVANT_NON_FINITE_STRICT};
    kvant_cache *cache = begin(host, &s);
    for (uint32_t token = 0; token < s.decode; token++) {
        append_one(host, cache, &s, s.prefill + token);
        assert_int_equal(kvant_cache_compress(cache, 0, 0), KVANT_OK);
    }
    unsigned char kept[MOST_HEADS * MOST_TOKENS];
    assert_int_equal(kept_tokens(cache, 0, 0, 258, kept), KVANT_OK);
    for (uint32_t head = 0; head < 2; head++) {
        uint32_t old = 0;
        for (uint32_t token = 0; token < 258; token++) {
            assert_true(token < 100 || kept[head * 258 + token] == 1);
            old += token < 100 ? kept[head * 258 + token] : 0u;
        }
        assert_int_equal(old, 50);
    }
    kvant_cache_destroy(cache);
    kvant_context_destroy(host);
}

/* Prompts shorter than window, sinks and groups; and the bytes of one sequence whatever the batch. */
static void short_prompts_and_batches(void **state)
{
    (void)state;
    static const char *const recipes[] = {"streaming,window=9,period=4,sinks=2",
                                          "h2o,window=9,period=8", "snapkv,window=9,newest=4",
                                          "mikv,period=8"};
    static const uint32_t prompts[] = {0, 1, 2, 9, 10, 12};
    kvant_context *host = scenario_open("host");
    for (size_t i = 0; i < sizeof recipes / sizeof recipes[0]; i++) {
        for (size_t j = 0; j < sizeof prompts / sizeof prompts[0]; j++) {
            scenario one = {recipes[i], 1,  4, 2,         16,   8,
                            prompts[j], 30, 1, KVANT_F32, 8.0f, KVANT_NON_FINITE_STRICT};
            scenario_assert_batch_alike(host, &one);
        }
    }
    kvant_context_destroy(host);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sinks_and_a_window_stay),
        cmocka_unit_test(heavy_hitters_are_those_of_double_precision),
        cmocka_unit_test(decode_keeps_a_fifth_of_each_period),
        cmocka_unit_test(without_periods_decode_is_kept),
        cmocka_unit_test(short_prompts_and_batches),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
