/* SPDX-License-Identifier: MIT
 *
 * Classes that are decided again: a few keys answer one direction, a few another, and queries turn from
 * one to the other and back. Which class a token is in, and what became of its parameters, is read
 * from the cache.
 */
#include <math.h>
#include <string.h>

#include "../support/cmocka_headers.h"
#include "../support/kept_tokens.h"
#include "../support/noise.h"
#include "cache_internal.h"
#include "cache_scenario.h"

enum { DIM = 16, PROMPT = 32, PERIOD = 8, MOST = PROMPT + 8 * PERIOD };

static const uint32_t bits[KVANT_TIERS] = {8, 4, 2};

typedef struct {
    kvant_context *context;
    kvant_cache *cache;
    uint32_t tokens;
} session;

/* Whether the token's key answers direction 0 or 1; 2: neither. */
static uint32_t answers(uint32_t token)
{
    return token < PROMPT && token % 8u == 1u ? 0u : token < PROMPT && token % 8u == 3u ? 1u : 2u;
}

static kvant_tensor upload(const session *s, int which, uint32_t direction, uint32_t count)
{
    float data[PROMPT * DIM];
    for (uint32_t i = 0; i < count; i++) {
        const uint32_t at = s->tokens + i;
        for (uint32_t channel = 0; channel < DIM; channel++) {
            const uint32_t of[2] = {at, channel};
            float x = 0.25f * (float)noise_at((uint32_t)which, of, 2);
            if (which == 0 && channel == answers(at)) {
                x = 6.0f;
            } else if (which == 2 && channel == direction) {
                x = 8.0f;
            }
            data[i * DIM + channel] = x;
        }
    }
    kvant_tensor tensor = {.dtype = KVANT_F32};
    uint64_t bytes = (uint64_t)count * DIM * sizeof(float);
    assert_int_equal(kvant_buffer_create(s->context, bytes, &tensor.buffer), KVANT_OK);
    assert_int_equal(kvant_buffer_write(tensor.buffer, 0, data, bytes), KVANT_OK);
    return tensor;
}

static session begin(const char *recipe)
{
    session s = {.context = scenario_open("host")};
    kvant_cache_desc desc = KVANT_CACHE_DESC_INIT;
    assert_int_equal(kvant_recipe_parse(recipe, &desc.recipe), KVANT_OK);
    desc.layers = desc.q_heads = desc.kv_heads = 1;
    desc.k_dim = DIM;
    desc.prefill_tokens = PROMPT;
    desc.decode_tokens = MOST - PROMPT;
    assert_int_equal(kvant_cache_create(s.context, &desc, &s.cache), KVANT_OK);
    kvant_tensor t[3];
    for (int i = 0; i < 3; i++) {
        t[i] = upload(&s, i, 0, PROMPT);
    }
    assert_int_equal(kvant_cache_prefill(s.cache, 0, 0, PROMPT, &t[0], &t[1], &t[2]), KVANT_OK);
    for (int i = 0; i < 3; i++) {
        kvant_buffer_destroy(t[i].buffer);
    }
    s.tokens = PROMPT;
    return s;
}

/* Tokens whose queries look in a direction. */
static void decode(session *s, uint32_t direction, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++, s->tokens++) {
        kvant_tensor t[3];
        kvant_tensor out = {.dtype = KVANT_F32};
        for (int j = 0; j < 3; j++) {
            t[j] = upload(s, j, direction, 1);
        }
        assert_int_equal(kvant_buffer_create(s->context, DIM * 4, &out.buffer), KVANT_OK);
        assert_int_equal(kvant_cache_append(s->cache, 0, 0, 1, &t[0], &t[1]), KVANT_OK);
        assert_int_equal(kvant_cache_attend(s->cache, 0, 0, 1, 1, &t[2], &out, NULL), KVANT_OK);
        for (int j = 0; j < 3; j++) {
            kvant_buffer_destroy(t[j].buffer);
        }
        kvant_buffer_destroy(out.buffer);
    }
}

static void end(session *s)
{
    kvant_cache_destroy(s->cache);
    kvant_context_destroy(s->context);
}

typedef struct {
    int tier;   /* -1: in none */
    uint32_t k; /* its words of parameters */
    uint32_t v;
} found;

static uint32_t word_at(const kvant_place *place, uint32_t offset)
{
    uint32_t word = 0;
    assert_int_equal(
        kvant_buffer_read(place->store, ((uint64_t)place->base + offset) * 4u, &word, sizeof word),
        KVANT_OK);
    return word;
}

static found find(const session *s, uint32_t token)
{
    static const kvant_class classes[KVANT_TIERS] = {KVANT_CLASS_SALIENT, KVANT_CLASS_BETWEEN,
                                                     KVANT_CLASS_REGULAR};
    kvant_place place;
    assert_int_equal(kvant_place_of(s->cache, 0, 0, &place), KVANT_OK);
    for (int tier = 0; tier < KVANT_TIERS; tier++) {
        int32_t index = kvant_find_segment(place.layout, classes[tier], 0);
        if (index < 0) {
            continue;
        }
        const kvant_segment *at = &place.layout->segments[index].at;
        for (uint32_t slot = 0; slot < place.stream->used[index]; slot++) {
            if (word_at(&place, at->positions + slot) == token) {
                return (found){tier, word_at(&place, at->k_params + slot),
                               word_at(&place, at->v_params + slot)};
            }
        }
    }
    return (found){-1, 0, 0};
}

static double half(uint32_t bits16)
{
    double magnitude = (bits16 & 0x7c00u) == 0u ? ldexp((double)(bits16 & 0x3ffu), -24)
                                                : ldexp(1024.0 + (double)(bits16 & 0x3ffu),
                                                        (int)(bits16 >> 10 & 31u) - 25);
    return (bits16 & 0x8000u) != 0u ? -magnitude : magnitude;
}

/* The group's codes lost their lowest bits: its scale is exactly that much wider, its minimum in the
 * middle of what now shares a code. */
static void expect_demoted(uint32_t before, uint32_t after, uint32_t lost)
{
    double scale = half(before & 0xffffu);
    double middle = half(before >> 16) + scale * (ldexp(1.0, (int)lost) - 1.0) / 2.0;
    assert_true(half(after & 0xffffu) == ldexp(scale, (int)lost));
    assert_true(fabs(half(after >> 16) - middle) <= ldexp(fabs(middle), -11) + ldexp(1.0, -24));
}

static void expect_top(const session *s, uint32_t direction)
{
    for (uint32_t token = 0; token < PROMPT; token++) {
        if (answers(token) == direction) {
            assert_int_equal(find(s, token).tier, 0);
        }
    }
}

static const char *const three =
    "adaptive,window=0,period=8,reevaluate=8,random=0,recent=1,heads=group";

static void tokens_fall_and_rise(void **state)
{
    (void)state;
    session s = begin(three);
    found first[PROMPT];
    found second[PROMPT];
    expect_top(&s, 0);
    for (uint32_t i = 0; i < PROMPT; i++) {
        first[i] = find(&s, i);
    }
    decode(&s, 1, PERIOD + 1); /* with the last one the period leaves the window */
    expect_top(&s, 1);
    uint32_t fallen = 0;
    uint32_t risen = 0;
    for (uint32_t i = 0; i < PROMPT; i++) {
        second[i] = find(&s, i);
        if (second[i].tier > first[i].tier) {
            uint32_t lost = bits[first[i].tier] - bits[second[i].tier];
            expect_demoted(first[i].k, second[i].k, lost);
            expect_demoted(first[i].v, second[i].v, lost);
            fallen++;
        } else { /* a promoted token has what it had */
            assert_true(second[i].k == first[i].k && second[i].v == first[i].v);
            risen += second[i].tier < first[i].tier ? 1u : 0u;
        }
    }
    assert_true(fallen >= PROMPT / 8u && risen >= PROMPT / 8u);
    decode(&s, 0, PERIOD);
    expect_top(&s, 0);
    for (uint32_t i = 0; i < PROMPT; i++) { /* back at the top, with what they fell to */
        found third = find(&s, i);
        if (answers(i) == 0u) {
            assert_true(third.k == second[i].k && third.v == second[i].v);
        }
    }
    end(&s);
}

/* Whatever moves: each token is there once, classes are as large as before, and all is counted. */
static void no_token_is_lost(void **state)
{
    (void)state;
    static const char *const recipes[] = {
        "adaptive,window=3,period=8,reevaluate=8,random=0,recent=1,sinks=2",
        "adaptive,window=0,period=4,reevaluate=16,top=int8/0,salient=.3",
        "k=int4+int8/tok16,v=int2+int8/"
        "head,salient=.3,random=.3,period=12,reevaluate=24,heads=group",
    };
    for (int i = 0; i < 3; i++) {
        session s = begin(recipes[i]);
        unsigned char kept[MOST];
        kvant_place place;
        assert_int_equal(kvant_place_of(s.cache, 0, 0, &place), KVANT_OK);
        for (uint32_t step = 0; step < MOST - PROMPT; step++) {
            decode(&s, step / 10u % 2u, 1);
            assert_int_equal(kept_tokens(s.cache, 0, 0, s.tokens, kept), KVANT_OK);
            for (uint32_t token = 0; token < s.tokens; token++) {
                assert_int_equal(kept[token], 1);
            }
        }
        uint32_t compressed = s.tokens - place.stream->window_count - place.stream->sinks;
        assert_int_equal(place.stream->class_tokens[0] + place.stream->class_tokens[1] +
                             place.stream->class_tokens[2],
                         compressed);
        kvant_cache_bytes bytes = KVANT_CACHE_BYTES_INIT;
        assert_int_equal(kvant_cache_usage(s.cache, &bytes), KVANT_OK);
        assert_true(bytes.bytes == bytes.codes + bytes.parameters + bytes.maps + bytes.window +
                                       bytes.padding + bytes.scratch);
        end(&s);
    }
}

/* Without queries between two periods there is nothing to judge by, and classes stay. */
static void without_queries_nothing_moves(void **state)
{
    (void)state;
    session s = begin(three);
    found first[PROMPT];
    for (uint32_t i = 0; i < PROMPT; i++) {
        first[i] = find(&s, i);
    }
    kvant_tensor k = upload(&s, 0, 0, PERIOD * 2);
    kvant_tensor v = upload(&s, 1, 0, PERIOD * 2);
    assert_int_equal(kvant_cache_append(s.cache, 0, 0, PERIOD * 2, &k, &v), KVANT_OK);
    for (uint32_t i = 0; i < PROMPT; i++) {
        found now = find(&s, i);
        assert_true(now.tier == first[i].tier && now.k == first[i].k && now.v == first[i].v);
    }
    kvant_buffer_destroy(k.buffer);
    kvant_buffer_destroy(v.buffer);
    end(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tokens_fall_and_rise),
        cmocka_unit_test(no_token_is_lost),
        cmocka_unit_test(without_queries_nothing_moves),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
