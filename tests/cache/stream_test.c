/* SPDX-License-Identifier: MIT
 *
 * Heads that stream: to the last bit they give what they give where every head streams, and the others
 * what they give where none does; what is stored of each is what that says.
 */
#include <stdio.h>
#include <string.h>

#include "../support/cmocka_headers.h"
#include "../support/kept_tokens.h"
#include "cache_scenario.h"

/* Of the prompt 64 tokens leave the window at once, which every grouping takes: no window is longer. */
enum { PROMPT = 76, DECODE = 60, Q_HEADS = 10, KV_HEADS = 5, DIM = 16 };

static scenario scenario_of(const char *recipe)
{
    return (scenario){recipe, 2,      Q_HEADS, KV_HEADS,  DIM,  DIM,
                      PROMPT, DECODE, 2,       KVANT_F32, 4.0f, KVANT_NON_FINITE_STRICT};
}

static void expect_heads(const scenario_result *got, const scenario_result *expected,
                         uint32_t kv_head, const char *recipe)
{
    enum { GROUP = Q_HEADS / KV_HEADS };
    assert_int_equal(got->count, expected->count);
    for (size_t i = 0; i < got->count; i += DIM) {
        if (i / DIM % Q_HEADS / GROUP == kv_head &&
            memcmp(&got->outputs[i], &expected->outputs[i], DIM * sizeof(float)) != 0) {
            fail_msg("%s: KV head %u, row %zu differs", recipe, kv_head, i / DIM);
        }
    }
}

static void each_head_is_as_where_all_are_alike(void **state)
{
    (void)state;
    static const struct {
        const char *recipe;
        uint32_t period;
        const char *stream;
        const char *streaming; /* 1: the head streams */
    } cases[] = {
        {"k=f16,v=f16", 4, "half", "00011"},
        {"k=f16,v=f16", 12, "0-4", "11111"},
        {"k=int4/head,v=int8/tok8", 8, "1;3", "01010"},
        {"k=int4/chan32,v=nf4/head/cst", 32, "0:0;0:4", "10001"},
        {"k=int2+int4/chan,v=int2+int8/head/cst,salient=0.3/0.5,random=.3,heads=group", 20, "2-3",
         "00110"},
        {"k=drop+f16,v=drop+f16,salient=0.4,recent=.5", 16, "0-1;1-2", "11100"},
        {"k=int8/head/smooth,v=int4/tok16/rot", 16, "4;1", "01001"},
        {"k=int4/head,v=int4/head", 0, "1-2", "01100"},
    };
    kvant_context *host = scenario_open("host");
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char policy[64];
        char texts[3][256]; /* with the choice of heads, of full heads alone, of streaming ones */
        snprintf(policy, sizeof policy, "window=9,sinks=3,period=%u", cases[i].period);
        snprintf(texts[0], sizeof texts[0], "%s,%s,stream=%s", cases[i].recipe, policy,
                 cases[i].stream);
        /* f16 alone would be one segment: a head that nobody has makes it a class */
        int is_f16 = strcmp(cases[i].recipe, "k=f16,v=f16") == 0;
        snprintf(texts[1], sizeof texts[1], "%s,%s%s", cases[i].recipe, policy,
                 is_f16 ? ",stream=4" : "");
        snprintf(texts[2], sizeof texts[2], "%s,%s,stream=0-4", cases[i].recipe, policy);
        scenario_result results[3];
        for (int j = 0; j < 3; j++) {
            scenario s = scenario_of(texts[j]);
            results[j] = scenario_run(host, &s);
        }
        for (uint32_t head = 0; head < KV_HEADS; head++) {
            int streams = cases[i].streaming[head] == '1';
            expect_heads(&results[0], &results[streams ? 2 : 1], head, texts[0]);
        }
        for (int j = 0; j < 3; j++) {
            scenario_release(&results[j]);
        }
    }
    kvant_context_destroy(host);
}

/* Sinks, and a window without a gap, in heads 1 and 3; every token in the others. */
static void full_heads_keep_every_token(void **state)
{
    (void)state;
    static const char *const recipes[] = {
        "k=f16,v=f16,window=9,sinks=3,period=8,stream=1;3",
        "k=int2+int4/chan,v=int2+int4/head,salient=0.3,random=.3,heads=group,window=9,sinks=3,"
        "period=8,stream=1;3"};
    for (int i = 0; i < 2; i++) {
        kvant_context *host = scenario_open("host");
        scenario s = scenario_of(recipes[i]);
        scenario_session session = scenario_begin(host, &s);
        scenario_prefill(&session, &s);
        scenario_steps(&session, DECODE);
        enum { TOKENS = PROMPT + DECODE };
        unsigned char kept[KV_HEADS * TOKENS];
        assert_int_equal(kept_tokens(session.cache, 0, 0, TOKENS, kept), KVANT_OK);
        for (uint32_t head = 0; head < KV_HEADS; head++) {
            uint32_t newest = 0;
            for (uint32_t token = 0; token < TOKENS; token++) {
                unsigned char is_kept = kept[head * TOKENS + token];
                bool must = head % 2 == 0 || token < 3 || token + 9 >= TOKENS;
                assert_true(is_kept == 1 || (is_kept == 0 && !must));
                newest += token >= 3 ? is_kept : 0u;
            }
            assert_true(head % 2 == 0 || newest <= 9 + 8);
        }
        scenario_end(&session);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_head_is_as_where_all_are_alike),
        cmocka_unit_test(full_heads_keep_every_token),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
