/* SPDX-License-Identifier: MIT
 *
 * Which tokens a cache takes for salient, by each kind of score: read from its lists of positions and
 * compared with what the score's definition gives, in double precision and by sorting. Attention's
 * part of a blend is the one that kvant_saliency gives; saliency_model_test judges that.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "../support/cmocka_headers.h"
#include "cache_internal.h"
#include "cache_scenario.h"

enum { TOKENS = 90, HEADS = 2, DIM = 16, SALIENT = 54, OF_BOTH = 36 };

static const scenario shape = {"zipcache", 1,   4, HEADS,     DIM,  DIM,
                               TOKENS,     120, 1, KVANT_F32, 1.0f, KVANT_NON_FINITE_STRICT};

typedef struct {
    double score;
    uint32_t token;
} judged;

static int by_score(const void *a, const void *b)
{
    const judged *x = a;
    const judged *y = b;
    if (x->score != y->score) {
        return x->score < y->score ? -1 : 1;
    }
    return x->token < y->token ? -1 : 1; /* ties go to the later token */
}

/* ---- definitions ---- */

static double number(int tensor, uint32_t token, uint32_t i)
{
    return (double)scenario_value(&shape, tensor, 0, token, i / DIM, i % DIM);
}

static void ranges(int tensor, double *scores)
{
    for (uint32_t token = 0; token < TOKENS; token++) {
        double low = number(tensor, token, 0);
        double high = low;
        for (uint32_t i = 1; i < HEADS * DIM; i++) {
            low = fmin(low, number(tensor, token, i));
            high = fmax(high, number(tensor, token, i));
        }
        scores[token] = high - low;
    }
}

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a;
    double y = *(const double *)b;
    return x < y ? -1 : x > y ? 1 : 0;
}

/* Outliers beyond the ninth tenth of all magnitudes; among equals the larger range. */
static void outliers(int tensor, double *scores)
{
    enum { NUMBERS = TOKENS * HEADS * DIM };
    static double magnitudes[NUMBERS];
    for (uint32_t i = 0; i < NUMBERS; i++) {
        magnitudes[i] = fabs(number(tensor, i / (HEADS * DIM), i % (HEADS * DIM)));
    }
    qsort(magnitudes, NUMBERS, sizeof *magnitudes, ascending);
    double limit = magnitudes[NUMBERS * 9 / 10 - 1];
    ranges(tensor, scores);
    for (uint32_t token = 0; token < TOKENS; token++) {
        for (uint32_t i = 0; i < HEADS * DIM; i++) {
            scores[token] += fabs(number(tensor, token, i)) > limit ? 1000.0 : 0.0;
        }
    }
}

/* Adds each token's place among the scores in order. */
static void add_ranks(const double *scores, double weight, double *blend)
{
    judged order[TOKENS];
    for (uint32_t i = 0; i < TOKENS; i++) {
        order[i] = (judged){scores[i], i};
    }
    qsort(order, TOKENS, sizeof *order, by_score);
    for (uint32_t i = 0; i < TOKENS; i++) {
        blend[order[i].token] += weight * (double)i;
    }
}

/* Attention by every row, as the library sums it up. */
static void attention(kvant_context *context, double *scores)
{
    kvant_saliency_desc desc = KVANT_SALIENCY_DESC_INIT;
    desc.keys = scenario_upload(context, &shape, 0, 0, 1, 0, TOKENS);
    desc.queries = scenario_upload(context, &shape, 2, 0, 1, 0, TOKENS);
    desc.tokens = TOKENS;
    desc.q_heads = shape.q_heads;
    desc.kv_heads = HEADS;
    desc.dim = DIM;
    desc.probes_random = TOKENS;
    uint32_t words[TOKENS];
    assert_int_equal(
        kvant_buffer_create(context, kvant_saliency_scratch_bytes(&desc), &desc.scratch), KVANT_OK);
    assert_int_equal(kvant_buffer_create(context, sizeof words, &desc.scores), KVANT_OK);
    assert_int_equal(kvant_saliency(context, &desc), KVANT_OK);
    assert_int_equal(kvant_buffer_read(desc.scores, 0, words, sizeof words), KVANT_OK);
    for (uint32_t i = 0; i < TOKENS; i++) {
        scores[i] = (double)words[i];
    }
    kvant_buffer_destroy(desc.keys.buffer);
    kvant_buffer_destroy(desc.queries.buffer);
    kvant_buffer_destroy(desc.scratch);
    kvant_buffer_destroy(desc.scores);
}

/* The mean or the largest of `width` scores around each; 0 past the ends. */
static void pool(double *scores, int width, bool is_largest)
{
    double before[TOKENS];
    memcpy(before, scores, sizeof before);
    for (int token = 0; token < TOKENS; token++) {
        double sum = 0.0;
        double largest = 0.0;
        for (int i = token - width / 2; i <= token + width / 2; i++) {
            double score = i >= 0 && i < TOKENS ? before[i] : 0.0;
            sum += score;
            largest = fmax(largest, score);
        }
        scores[token] = is_largest ? largest : floor(sum / width);
    }
}

/* ---- comparison ---- */

/* The class has the tokens whose places, of all scores in order, are first .. end - 1. */
static void expect_class(const scenario_session *session, const char *recipe, kvant_class which,
                         const double *scores, uint32_t first, uint32_t end)
{
    judged order[TOKENS];
    bool expected[TOKENS] = {false};
    for (uint32_t i = 0; i < TOKENS; i++) {
        order[i] = (judged){scores[i], i};
    }
    qsort(order, TOKENS, sizeof *order, by_score);
    for (uint32_t i = first; i < end; i++) {
        expected[order[i].token] = true;
    }
    kvant_place place;
    uint32_t listed[TOKENS];
    assert_int_equal(kvant_place_of(session->cache, 0, 0, &place), KVANT_OK);
    int32_t index = kvant_find_segment(place.layout, which, 0);
    assert_true(index >= 0 && place.layout->segments[index].tokens == end - first);
    uint64_t at = ((uint64_t)place.base + place.layout->segments[index].at.positions) * 4u;
    assert_int_equal(kvant_buffer_read(place.store, at, listed, (end - first) * 4u), KVANT_OK);
    for (uint32_t i = 0; i < end - first; i++) {
        if (listed[i] >= TOKENS || !expected[listed[i]]) {
            fail_msg("%s: token %u is in class %d and should not be", recipe, listed[i],
                     (int)which);
        }
        expected[listed[i]] = false; /* none twice */
    }
}

/* A prompt in a cache of that recipe, whose salient tokens are those of the largest scores. */
static void check(const char *recipe, const double *scores, bool has_queries)
{
    scenario s = shape;
    s.recipe = recipe;
    scenario_session session = scenario_begin(scenario_open("host"), &s);
    assert_int_equal(kvant_cache_prefill(session.cache, 0, 0, TOKENS, &session.inputs[0],
                                         &session.inputs[1],
                                         has_queries ? &session.inputs[2] : NULL),
                     KVANT_OK);
    expect_class(&session, recipe, KVANT_CLASS_SALIENT, scores, TOKENS - SALIENT, TOKENS);
    scenario_end(&session);
}

static void by_numbers(void **state)
{
    (void)state;
    double scores[TOKENS];
    double blend[TOKENS] = {0.0};
    ranges(0, scores);
    check("range,of=k", scores, false);
    add_ranks(scores, 0.5, blend);
    ranges(1, scores);
    check("range,of=v", scores, false);
    add_ranks(scores, 0.5, blend);
    check("range", blend, false);
    outliers(0, scores);
    check("range,score=outliers,of=k,percentile=0.9", scores, false);
    outliers(1, scores);
    check("range,score=outliers,of=v,percentile=0.9", scores, false);
}

/* Shares of K and of V: in the smaller one a token is salient in both, in the larger alone in one. */
static void by_shares_of_k_and_v(void **state)
{
    (void)state;
    static const char *const recipes[] = {"range,of=k,salient=0.6/0.4",
                                          "range,of=k,salient=0.4/0.6",
                                          "zipcache,random=0,recent=0,score=locality,"
                                          "salient=0.6/0.4"};
    double scores[TOKENS];
    ranges(0, scores);
    for (int i = 0; i < 3; i++) {
        scenario s = shape;
        s.recipe = recipes[i];
        for (uint32_t token = 0; i == 2 && token < TOKENS; token++) {
            scores[token] = (double)token;
        }
        scenario_session session = scenario_begin(scenario_open("host"), &s);
        scenario_prefill(&session, &s);
        expect_class(&session, s.recipe, KVANT_CLASS_SALIENT, scores, TOKENS - OF_BOTH, TOKENS);
        expect_class(&session, s.recipe, KVANT_CLASS_BETWEEN, scores, TOKENS - SALIENT,
                     TOKENS - OF_BOTH);
        expect_class(&session, s.recipe, KVANT_CLASS_REGULAR, scores, 0, TOKENS - SALIENT);
        kvant_place place;
        assert_int_equal(kvant_place_of(session.cache, 0, 0, &place), KVANT_OK);
        int32_t between = kvant_find_segment(place.layout, KVANT_CLASS_BETWEEN, 0);
        const kvant_segment *at = &place.layout->segments[between].at;
        assert_int_equal(at->k_codec, i == 1 ? KVANT_CODEC_INT2 : KVANT_CODEC_INT4);
        assert_int_equal(at->v_codec, i == 1 ? KVANT_CODEC_INT4 : KVANT_CODEC_INT2);
        scenario_end(&session);
    }
}

static void by_locality(void **state)
{
    (void)state;
    double scores[TOKENS];
    for (uint32_t i = 0; i < TOKENS; i++) {
        scores[i] = (double)i;
    }
    check("zipcache,random=0,recent=0,score=locality", scores, false);
}

static void by_attention(void **state)
{
    (void)state;
    kvant_context *context = scenario_open("host");
    double scores[TOKENS];
    double mean[TOKENS];
    double largest[TOKENS];
    double blend[TOKENS] = {0.0};
    double range[TOKENS];
    attention(context, scores);
    kvant_context_destroy(context);
    check("zipcache,random=1,recent=0", scores, true);
    memcpy(mean, scores, sizeof mean);
    pool(mean, 7, false);
    check("zipcache,random=1,recent=0,pool=avg7", mean, true);
    memcpy(largest, scores, sizeof largest);
    pool(largest, 5, true);
    check("zipcache,random=1,recent=0,pool=max5", largest, true);
    add_ranks(mean, 0.75, blend);
    ranges(1, range);
    add_ranks(range, 0.25, blend);
    check("zipcache,random=1,recent=0,pool=avg7,score=range,of=v,blend=0.75", blend, true);
}

/* Without attention there are no queries to gather, and decode judges each period as well. */
static void decode_needs_no_queries(void **state)
{
    (void)state;
    scenario s = shape;
    s.recipe = "range";
    scenario_session session = scenario_begin(scenario_open("host"), &s);
    kvant_place place;
    assert_int_equal(kvant_place_of(session.cache, 0, 0, &place), KVANT_OK);
    assert_int_equal(place.layout->probe_capacity, 0);
    assert_int_equal(kvant_cache_prefill(session.cache, 0, 0, TOKENS, &session.inputs[0],
                                         &session.inputs[1], NULL),
                     KVANT_OK);
    for (int i = 0; i < 101; i++) {
        assert_int_equal(
            kvant_cache_append(session.cache, 0, 0, 1, &session.inputs[0], &session.inputs[1]),
            KVANT_OK);
    }
    assert_int_equal(place.stream->events, 2);
    scenario_end(&session);
}

/* A recipe that judges by attention says so where the queries are missing. */
static void attention_needs_queries(void **state)
{
    (void)state;
    scenario s = shape;
    s.recipe = "hybrid";
    scenario_session session = scenario_begin(scenario_open("host"), &s);
    assert_int_equal(kvant_cache_prefill(session.cache, 0, 0, TOKENS, &session.inputs[0],
                                         &session.inputs[1], NULL),
                     KVANT_ERROR_INVALID_ARGUMENT);
    assert_int_equal(kvant_cache_length(session.cache, 0, 0), 0);
    scenario_end(&session);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(by_numbers),
        cmocka_unit_test(by_shares_of_k_and_v),
        cmocka_unit_test(by_locality),
        cmocka_unit_test(by_attention),
        cmocka_unit_test(decode_needs_no_queries),
        cmocka_unit_test(attention_needs_queries),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
