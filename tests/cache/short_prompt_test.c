/* SPDX-License-Identifier: MIT
 *
 * Prompts shorter than the longest one that a cache is made for. The class between salient and regular
 * tokens is a difference of two rounded shares: of fewer tokens it can have more.
 */
#include <stdio.h>
#include <string.h>

#include "../support/cmocka_headers.h"
#include "../support/kept_tokens.h"
#include "cache_internal.h"
#include "cache_scenario.h"

enum { Q_HEADS = 4, KV_HEADS = 2, DIM = 16, DECODE = 20, LONGEST = 150 };

static const char *const shares[] = {
    "salient=.6",
    "salient=.6/.4",
    "salient=.3/.7",
    "salient=.01/.99",
    "salient=.5/.49",
    "salient=.34/.33",
    "salient=.6,top=int8/.4",
    "salient=.5,top=int8/.125",
    "salient=.5,top=int8/.5",
    "salient=.3,top=int8/.001",
};
enum { SHARES = sizeof shares / sizeof shares[0] };

static scenario scenario_of(const char *recipe, uint32_t prompt)
{
    return (scenario){recipe, 1,      Q_HEADS, KV_HEADS,  DIM,  DIM,
                      prompt, DECODE, 1,       KVANT_F32, 2.0f, KVANT_NON_FINITE_STRICT};
}

/* ---- plans ------------------------------------------------------------------------------------- */

/* Slots of a class that the plan has for the first event. */
static uint32_t room_of(const kvant_layout *layout, kvant_class token_class)
{
    int32_t index = kvant_find_segment(layout, token_class, 0);
    return index < 0 ? 0u : layout->segments[index].at.capacity;
}

static void plans_have_room_for_every_shorter_prompt(void **state)
{
    (void)state;
    kvant_context *host = scenario_open("host");
    uint32_t more = 0; /* prompts of which some class has more tokens than of the longest */
    for (int i = 0; i < 2 * SHARES; i++) {
        char recipe[128];
        snprintf(recipe, sizeof recipe, "k=int2+int4/%s,v=int2+int4/head,period=0,random=1,%s",
                 i % 2 == 0 ? "head" : "chan", shares[i / 2]);
        for (uint32_t longest = 1; longest <= LONGEST; longest++) {
            scenario s = scenario_of(recipe, longest);
            kvant_cache_desc desc = scenario_desc(&s);
            kvant_layout layout;
            assert_int_equal(kvant_layout_make(&host->host, &desc, &layout), KVANT_OK);
            kvant_tier of_longest[KVANT_TIERS];
            kvant_recipe_divide(&desc.recipe, longest, of_longest);
            for (uint32_t tokens = 1; tokens <= longest; tokens++) {
                kvant_tier tiers[KVANT_TIERS];
                kvant_recipe_divide(&desc.recipe, tokens, tiers);
                for (int tier = 0; tier < KVANT_TIERS; tier++) {
                    more += tiers[tier].tokens > of_longest[tier].tokens;
                    if (tiers[tier].tokens > room_of(&layout, tiers[tier].token_class)) {
                        fail_msg("%s: a prompt of %u, of up to %u, does not fit", recipe, tokens,
                                 longest);
                    }
                }
            }
            kvant_layout_free(&host->host, &layout);
        }
    }
    assert_true(more > 0);
    kvant_context_destroy(host);
}

static void classes_without_tokens_have_no_segment(void **state)
{
    (void)state;
    static const char *const choices[] = {"salient=.5", "salient=.5,top=int8/.5",
                                          "salient=.5,top=int8/.25,stream=0-1",
                                          "salient=.5/.25,stream=0-1"};
    kvant_context *host = scenario_open("host");
    for (size_t i = 0; i < sizeof choices / sizeof choices[0]; i++) {
        char recipe[128];
        snprintf(recipe, sizeof recipe, "k=int2+int4/head,v=int2+int4/head,random=1,window=4,%s",
                 choices[i]);
        scenario s = scenario_of(recipe, LONGEST);
        kvant_cache_desc desc = scenario_desc(&s);
        kvant_layout layout;
        assert_int_equal(kvant_layout_make(&host->host, &desc, &layout), KVANT_OK);
        assert_int_equal(kvant_find_segment(&layout, KVANT_CLASS_BETWEEN, 0), -1);
        kvant_layout_free(&host->host, &layout);
    }
    kvant_context_destroy(host);
}

/* ---- caches ------------------------------------------------------------------------------------ */

static void expect_all_tokens(kvant_cache *cache, const char *recipe, uint32_t longest,
                              uint32_t tokens)
{
    unsigned char kept[KV_HEADS * (LONGEST + DECODE)];
    assert_int_equal(kept_tokens(cache, 0, 0, tokens, kept), KVANT_OK);
    for (uint32_t i = 0; i < KV_HEADS * tokens; i++) {
        if (kept[i] != 1) {
            fail_msg("%s, for prompts of up to %u: of %u tokens, token %u is there %u times",
                     recipe, longest, tokens, i % tokens, kept[i]);
        }
    }
}

/* Serves a prompt, then DECODE tokens, from a cache for prompts of up to `longest`; every output. */
static void serve(kvant_context *context, const char *recipe, uint32_t longest, uint32_t prompt,
                  float outputs[DECODE][Q_HEADS * DIM])
{
    scenario s = scenario_of(recipe, prompt);
    kvant_cache_desc desc = scenario_desc(&s);
    desc.prefill_tokens = longest;
    kvant_cache *cache = NULL;
    assert_int_equal(kvant_cache_create(context, &desc, &cache), KVANT_OK);
    kvant_tensor out = {.dtype = KVANT_F32};
    assert_int_equal(kvant_buffer_create(context, sizeof outputs[0], &out.buffer), KVANT_OK);
    for (uint32_t step = 0; step <= DECODE; step++) {
        kvant_tensor t[3];
        for (int i = 0; i < 3; i++) {
            t[i] = step == 0 ? scenario_upload(context, &s, i, 0, 1, 0, prompt)
                             : scenario_upload(context, &s, i, 0, 1, prompt + step - 1u, 1);
        }
        if (step == 0) {
            assert_int_equal(kvant_cache_prefill(cache, 0, 0, prompt, &t[0], &t[1], &t[2]),
                             KVANT_OK);
        } else {
            assert_int_equal(kvant_cache_append(cache, 0, 0, 1, &t[0], &t[1]), KVANT_OK);
            assert_int_equal(kvant_cache_attend(cache, 0, 0, 1, 1, &t[2], &out, NULL), KVANT_OK);
            assert_int_equal(
                kvant_buffer_read(out.buffer, 0, outputs[step - 1u], sizeof outputs[0]), KVANT_OK);
        }
        for (int i = 0; i < 3; i++) {
            kvant_buffer_destroy(t[i].buffer);
        }
        expect_all_tokens(cache, recipe, longest, prompt + step);
    }
    assert_int_equal(kvant_cache_compress(cache, 0, 0), KVANT_OK);
    expect_all_tokens(cache, recipe, longest, prompt + DECODE);
    kvant_buffer_destroy(out.buffer);
    kvant_cache_destroy(cache);
}

/* Every token is kept, and outputs are those of a cache for prompts of just this length. */
static void no_token_of_a_short_prompt_is_lost(void **state)
{
    (void)state;
    static const struct {
        uint32_t longest;
        uint32_t prompt;
        const char *recipe;
    } cases[] = {
        {23, 22, "k=int2+int4/head,v=int2+int4/head,period=0,random=.5,salient=.6/.4"},
        {3, 2, "k=int2+int4/head,v=int2+int4/head,period=0,random=.5,salient=.6/.4"},
        {23, 22, "k=int2+int4/chan,v=int2+int4/head,period=4,random=.5,salient=.6/.4,heads=group"},
        {23, 22, "k=int2+int4/head,v=int2+int4/head,period=4,random=.5,salient=.6/.4"},
        {23, 22, "k=int2+int4/head,v=int2+int4/head,period=0,random=.5,salient=.6,top=int8/.4"},
        {23, 22, "adaptive,window=0,period=4,reevaluate=8,salient=.6,top=int8/.4"},
    };
    static float outputs[2][DECODE][Q_HEADS * DIM];
    static const char *const devices[] = {"host", "opencl"};
    for (int d = 0; d < 2; d++) {
        kvant_context *context = scenario_open(devices[d]);
        for (size_t i = 0; context != NULL && i < sizeof cases / sizeof cases[0]; i++) {
            uint32_t prompt = cases[i].prompt;
            serve(context, cases[i].recipe, prompt, prompt, outputs[0]);
            serve(context, cases[i].recipe, cases[i].longest, prompt, outputs[1]);
            assert_memory_equal(outputs[0], outputs[1], sizeof outputs[0]);
        }
        kvant_context_destroy(context);
    }
}

/* A plan that is wrong is an error, and nothing is written: the prompt is all that is missing. */
static void a_plan_without_room_is_an_error(void **state)
{
    (void)state;
    scenario s =
        scenario_of("k=int2+int4/head,v=int2+int4/head,period=0,random=.5,salient=.6/.4", 22);
    for (int is_missing = 0; is_missing < 2; is_missing++) {
        scenario_session session = scenario_begin(scenario_open("host"), &s);
        kvant_place place;
        assert_int_equal(kvant_place_of(session.cache, 0, 0, &place), KVANT_OK);
        int32_t index = kvant_find_segment(place.layout, KVANT_CLASS_BETWEEN, 0);
        assert_true(index >= 0);
        kvant_planned_segment *segment = &place.layout->segments[index];
        kvant_planned_segment planned = *segment;
        if (is_missing) {
            segment->token_class = KVANT_CLASS_WINDOW;
        } else {
            segment->at.capacity -= 4u;
        }
        const kvant_tensor *in = session.inputs;
        assert_int_equal(kvant_cache_prefill(session.cache, 0, 0, 22, &in[0], &in[1], &in[2]),
                         KVANT_ERROR_INTERNAL);
        assert_non_null(strstr(kvant_last_message(), "no room for 5 tokens"));
        *segment = planned;
        scenario_prefill(&session, &s);
        scenario_end(&session);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(plans_have_room_for_every_shorter_prompt),
        cmocka_unit_test(classes_without_tokens_have_no_segment),
        cmocka_unit_test(no_token_of_a_short_prompt_is_lost),
        cmocka_unit_test(a_plan_without_room_is_an_error),
    };
    return cmocka_run_group_tests_name("short_prompt", tests, NULL, NULL);
}
