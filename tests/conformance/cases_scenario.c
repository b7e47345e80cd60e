/* SPDX-License-Identifier: MIT
 *
 * Whole caches on the device under test, through the public API: the same digests as the host's,
 * the same outputs and log-sum-exps to the last bit, and as near to the literal model (attention in
 * double precision over the tokens as they were given) as the recipe's bits allow.
 */
#include <math.h>
#include <stdlib.h>

#include "cases.h"
#include "context_internal.h"
#include "fixture_scenario.h"

/* What rounding to the recipe's narrowest codec allows. A number that is spread over the range of
 * its group, about six deviations, is off by range / (2^bits - 1) / sqrt(12) in the mean: 3 / (2^bits
 * - 1)^2 of its power. V's share is that; K's comes through the scores and is twice as much where
 * some channels are large. At 2 bits this says little, so 0.3 is the most, where 32 numbers or a channel
 * share a range of four deviations; a whole token's is wider, (range / 3)^2 / 12 of the power is a
 * quarter, and with K's share three of them: 0.8. So it is where levels are modes, which serve no mean
 * error.
 * Over hundreds of tokens it is up to three times as much: the numbers are sixteenths, whose errors
 * under a scale that is a half have a mean in each channel, and that mean stays while the output
 * itself averages out. Quantizing the same numbers in double precision gives 2.8e-4 at 8 bits. */
static double bound_of(const kvant_recipe *recipe, uint32_t prompt)
{
    unsigned bits = 16;
    int is_wide = 0;
    const kvant_codec codecs[] = {recipe->k.regular, recipe->v.regular, recipe->k.salient,
                                  recipe->v.salient};
    for (int i = 0; i < 4; i++) {
        int has_codes = codecs[i] != KVANT_CODEC_NONE && codecs[i] != KVANT_CODEC_DROP;
        unsigned own = has_codes ? kv_codec_bits((kv_u32)codecs[i]) : 16u;
        is_wide |= codecs[i] == KVANT_CODEC_INTRINSIC || codecs[i] == KVANT_CODEC_INTRINSIC_LITERAL;
        bits = own < bits ? own : bits;
    }
    if (bits == 16u) {
        return 1e-8; /* the numbers are halves already: f32 sums alone */
    }
    double levels = ldexp(1.0, (int)bits) - 1.0;
    is_wide |=
        recipe->k.regular == KVANT_CODEC_INT2 && (recipe->k.grouping == KVANT_GROUPING_TOKEN ||
                                                  recipe->k.grouping == KVANT_GROUPING_TOKEN_HEAD);
    return fmin((prompt > 500u ? 27.0 : 9.0) / (levels * levels), is_wide ? 0.8 : 0.3);
}

/* Creates a context without KVANT_VARIANT, which is for the device under test: the host that it is
 * compared with has none. */
static kvant_status create_plain(const char *selection, kvant_context **out_context)
{
    char asked[64] = "";
    const char *variant = getenv("KVANT_VARIANT");
    snprintf(asked, sizeof asked, "%s", variant != NULL ? variant : "");
    unsetenv("KVANT_VARIANT");
    kvant_context_desc desc = KVANT_CONTEXT_DESC_INIT;
    desc.backend = selection;
    kvant_status status = kvant_context_create(&desc, out_context);
    if (variant != NULL) {
        setenv("KVANT_VARIANT", asked, 1);
    }
    return status;
}

/* A context on the device, opened once for all cases: it builds every kernel. */
static kvant_context *context_on(kvant_trial *t, int which, const char *selection)
{
    kvant_context **context = &t->device->contexts[which];
    if (*context == NULL && create_plain(selection, context) != KVANT_OK) {
        kvant_trial_fail(t, "no context on %s: %s", selection, kvant_last_message());
    }
    return *context;
}

/* The device under test in the variant that the case is run in. */
static kvant_context *context_under_test(kvant_trial *t, const char *selection)
{
    kvant_context *context = context_on(t, 1, selection);
    context->variant = t->choice;
    return context;
}

static void compare(kvant_trial *t, const char *what, const float *got, const float *expected,
                    size_t count)
{
    kv_u32 *words[2];
    const float *const floats[2] = {expected, got};
    for (int i = 0; i < 2; i++) {
        words[i] = kvant_trial_memory(t, count, sizeof(kv_u32));
        memcpy(words[i], floats[i], count * sizeof(kv_u32));
    }
    kvant_trial_compare(t, what, words[0], words[1], (uint32_t)count);
}

static void run_scenario(kvant_trial *t, const void *data)
{
    const kvant_scenario *s = data;
    const kvant_backend *backend = t->device->backend;
    char selection[48];
    snprintf(selection, sizeof selection, "%s:%u", backend->name, t->device->index);
    const float *numbers[3];
    kvant_scenario_draw(t, s, numbers);
    kvant_scenario_result expected;
    kvant_scenario_result got;
    kvant_scenario_run(t, context_on(t, 0, "host"), "host", s, numbers, &expected);
    kvant_scenario_run(t, context_under_test(t, selection), selection, s, numbers, &got);
    for (int i = 0; i < 2; i++) {
        const kv_u32 halves[2] = {(kv_u32)got.digests[i], (kv_u32)(got.digests[i] >> 32)};
        kvant_trial_digest(t, halves, 2u);
        if (got.digests[i] != expected.digests[i]) {
            kvant_trial_fail(t, "digest %016llx %s, the host's is %016llx",
                             (unsigned long long)got.digests[i],
                             i == 0 ? "before the reset" : "at the end",
                             (unsigned long long)expected.digests[i]);
        }
    }
    compare(t, "output", got.outputs, expected.outputs, expected.count);
    compare(t, "log-sum-exp", got.lse, expected.lse, expected.lse_count);
    if (got.kept != NULL && memcmp(got.kept, expected.kept, expected.kept_count) != 0) {
        kvant_trial_fail(t, "the device keeps other tokens than the host");
    }

    kvant_recipe recipe;
    if (kvant_recipe_parse(s->recipe, &recipe) != KVANT_OK) {
        kvant_trial_fail(t, "%s", kvant_last_message());
    }
    const double bound = bound_of(&recipe, s->prompt);
    double lse = 0.0;
    double nmse = kvant_scenario_distance(t, s, numbers, &got, &lse);
    kvant_trial_measure(t, "NMSE", nmse, KVANT_AT_MOST, bound);
    if (!(nmse <= bound)) {
        kvant_trial_fail(t, "NMSE %.3g against the literal model, the recipe's bits allow %.3g",
                         nmse, bound);
    }
    /* a log-sum-exp moves no more than the score that moves most */
    if (!(lse <= 8.0 * sqrt(bound))) {
        kvant_trial_fail(t, "a log-sum-exp is off by %.3g, the recipe's bits allow %.3g", lse,
                         8.0 * sqrt(bound));
    }
}

typedef enum { IN_QUICK, IN_DEFAULT, IN_FULL } kvant_scenario_tier;

static void emit(kvant_case_sink *sink, const kvant_scenario *s, kvant_scenario_tier tier)
{
    static const char *const dtypes[] = {"f16", "bf16", "f32"};
    char name[230];
    snprintf(name, sizeof name,
             "scenario/%s/layers%u/seq%u/q%u-kv%u/dim%u-%u/prompt%u/steps%ux%u/%s%s", s->recipe,
             s->layers, s->sequences, s->q_heads, s->kv_heads, s->k_dim, s->v_dim, s->prompt,
             s->steps, s->chunk, dtypes[s->dtype], s->outliers > 1.0f ? "/outliers" : "");
    if (tier == IN_FULL) {
        kvant_emit_full(sink, run_scenario, s, "%s", name);
    } else {
        kvant_emit(sink, tier == IN_QUICK, run_scenario, s, "%s", name);
    }
}

/* Every named recipe: its window is left and comes round, a period is compressed while it decodes. */
static void emit_named(kvant_case_sink *sink)
{
    /* dimensions, query heads, KV heads, sequences */
    static const uint32_t shapes[][4] = {{64, 4, 2, 1}, {32, 8, 1, 2}, {128, 2, 2, 1},
                                         {96, 4, 1, 1}, {40, 3, 1, 2}, {256, 2, 1, 1}};
    for (uint32_t i = 0; kvant_recipe_name(i) != NULL; i++) {
        kvant_recipe recipe;
        if (kvant_recipe_parse(kvant_recipe_name(i), &recipe) != KVANT_OK) {
            continue;
        }
        uint32_t run = recipe.window + recipe.period;
        const uint32_t *shape = shapes[recipe.stream[0].heads != 0 ? 0u : i % 6u];
        kvant_scenario s = {
            .recipe = kvant_recipe_name(i),
            .layers = 1u + i % 2u,
            .sequences = shape[3],
            .q_heads = shape[1],
            .kv_heads = shape[2],
            .k_dim = shape[0],
            .v_dim = shape[0],
            .prompt = run + 40u,
            .steps = 14u,
            .chunk = 1u + (recipe.period + 15u) / 16u,
            .dtype = (kvant_dtype)(i % 3u),
            .outliers = 1.0f,
        };
        if (recipe.latent != 0) {
            s.is_latent = 1;
            s.kv_heads = 1u;
            s.k_dim = 24u;
            s.v_dim = 320u;
        }
        emit(sink, &s, IN_DEFAULT);
        s.prompt += 700u;
        s.layers = 2u;
        emit(sink, &s, IN_FULL);
    }
}

static void emit_mixed(kvant_case_sink *sink)
{
    static const kvant_scenario scenarios[] = {
        {"k=int8/chan32,v=int8/tok32,window=20,sinks=3", 1, 2, 4, 2, 64, 64, 90, 24, 3, KVANT_F32,
         8.0f, 0},
        {"k=int8/chan64,v=int8s/tok8,window=5,period=64", 1, 1, 3, 1, 72, 80, 100, 30, 4, KVANT_F16,
         8.0f, 0},
        {"k=int8s/head/cst,v=int8/token/cst,window=9,period=20", 2, 2, 8, 4, 40, 24, 0, 50, 1,
         KVANT_BF16, 4.0f, 0},
        {"k=int8+int8s/chan,v=int8+int8/head/cst,salient=0.3,random=.1,recent=.05,norm=causal,"
         "heads=group,period=20,window=7",
         1, 2, 8, 2, 32, 32, 90, 20, 2, KVANT_F32, 8.0f, 0},
        {"k=int2+int4/chan,v=int2+int4/head/cst,salient=0.3,random=.1,recent=.05,norm=causal,"
         "heads=group,period=20",
         1, 1, 8, 1, 32, 32, 90, 20, 2, KVANT_F16, 8.0f, 0},
        {"k=int8/chan96,v=int8/chan64,period=192", 1, 1, 2, 2, 32, 32, 290, 40, 5, KVANT_F32, 8.0f,
         0},
        {"zipcache,window=20,sinks=3,period=32", 1, 2, 4, 4, 64, 128, 130, 17, 4, KVANT_F16, 8.0f,
         0},
        {"k=drop,v=drop,window=9,sinks=3,period=4", 1, 2, 4, 2, 32, 40, 50, 12, 3, KVANT_F32, 8.0f,
         0},
        {"k=drop+f16,v=drop+f16,window=6,period=8,salient=.3,random=1,heads=group", 1, 2, 8, 2, 32,
         32, 30, 16, 2, KVANT_BF16, 8.0f, 0},
        {"k=int8+f16/tok8,v=int8+f16/head/cst,window=5,period=12,salient=.4,recent=.2", 1, 1, 4, 2,
         40, 64, 70, 20, 2, KVANT_F16, 8.0f, 0},
        {"k=f16+int8/chan,v=f16+int8/token/cst,sinks=2,period=20,salient=.5,random=.3,norm=probes",
         1, 2, 4, 4, 64, 32, 70, 24, 2, KVANT_F32, 4.0f, 0},
        {"k=drop+int8/chan32,v=drop+int8/tok16,period=32,salient=.6,random=.3,heads=group", 1, 1, 4,
         2, 64, 32, 70, 24, 3, KVANT_F16, 4.0f, 0},
        {"k=int8/chan32,v=int8/tok8,window=7,period=0", 1, 2, 4, 2, 32, 32, 80, 12, 4, KVANT_F32,
         8.0f, 0},
        {"k=int8/tok16,v=int8/head,window=9,period=8,layers=1:int8-token;3:streaming", 4, 2, 4, 2,
         32, 40, 50, 20, 2, KVANT_F32, 1.0f, 0},
        {"k=int8/tok16,v=int8/chan,window=0,period=4", 1, 1, 8, 1, 16, 256, 3, 25, 1, KVANT_F32,
         1.0f, 0},
        {"k=int2+int8/chan,v=int2+int4/head,salient=0.4,heads=group,score=outliers,of=kv,"
         "percentile=0.9,period=20",
         1, 1, 4, 2, 40, 72, 70, 24, 1, KVANT_F16, 8.0f, 0},
        {"zipcache,period=32,random=1,recent=0,norm=none,pool=max5,score=range,of=v,blend=0.25", 1,
         1, 4, 2, 64, 64, 100, 12, 3, KVANT_F32, 8.0f, 0},
        {"zipcache,period=32,pool=avg7", 1, 1, 4, 2, 32, 32, 70, 12, 3, KVANT_BF16, 1.0f, 0},
        {"k=int4+int8/chan,v=int4+int8/head,salient=0.8,random=.1,recent=.1,period=32,budget=10", 1,
         2, 8, 4, 64, 64, 200, 18, 3, KVANT_F16, 1.0f, 0},
        {"zipcache,score=locality,random=0,recent=0,period=16", 1, 1, 2, 1, 32, 32, 50, 18, 1,
         KVANT_F32, 1.0f, 0},
        {"k=int8+int8s/head/rot,v=int8+int8/tok16/rot,salient=0.3,random=.1,recent=.05,heads=group,"
         "period=20,window=7,sinks=2,seed=5",
         1, 2, 8, 2, 32, 72, 90, 30, 3, KVANT_F32, 8.0f, 0},
        {"k=int4+int8/head,v=int2+int8/tok16,salient=.4/"
         ".7,random=.2,heads=group,period=12,window=3",
         1, 2, 4, 2, 32, 40, 50, 24, 3, KVANT_F16, 8.0f, 0},
        {"adaptive,window=3,period=8,reevaluate=16,sinks=2", 1, 2, 4, 2, 32, 40, 50, 30, 3,
         KVANT_F16, 1.0f, 0},
        {"k=int8+int8/tok16,v=int8+int8/head,top=int8/.2,salient=.5,random=.2,heads=group,window=3,"
         "period=8,reevaluate=16,sinks=2",
         2, 2, 4, 2, 32, 40, 50, 30, 3, KVANT_F32, 4.0f, 0},
        {"k=int4+int8/tok16/rot,v=int8+int8/head,top=int8/.1,salient=.4,random=.2,heads=group,"
         "norm=probes,period=12,reevaluate=12",
         2, 1, 4, 2, 40, 32, 61, 50, 1, KVANT_F32, 4.0f, 0},
        {"zipcache,salient=.6/.3,period=20", 1, 1, 4, 2, 32, 32, 70, 21, 1, KVANT_F32, 8.0f, 0},
        {"k=int8/chan32,v=int8s/head/rot,window=4", 1, 1, 3, 1, 40, 96, 70, 40, 20, KVANT_BF16,
         8.0f, 0},
        {"k=f16,v=f16,window=5,sinks=3,period=8,stream=0:1;1:half;2:0-3", 4, 1, 8, 4, 32, 24, 30,
         20, 2, KVANT_F32, 1.0f, 0},
        {"k=int8+f16/head/cst,v=int8+f16/tok8,window=6,period=12,salient=.4,recent=.2,heads=group,"
         "stream=1;3",
         1, 2, 10, 5, 16, 40, 50, 26, 1, KVANT_F16, 4.0f, 0},
        {"k=int8/chan32,v=int8s/token/cst,window=4,sinks=2,period=32,stream=0;2-3;5", 2, 1, 12, 6,
         16, 16, 80, 34, 2, KVANT_BF16, 1.0f, 0},
        {"k=f16,v=int8/token/cst,latent=1,window=5,sinks=3,period=20", 1, 2, 6, 1, 16, 64, 60, 30,
         2, KVANT_F16, 1.0f, 1},
        {"k=f16,v=int8s/tok64/rot,latent=1,window=4,period=16", 1, 1, 5, 1, 8, 320, 40, 24, 1,
         KVANT_F32, 1.0f, 1},
        {"k=int3/chan32,v=nf3/tok8,window=4,period=32", 1, 2, 4, 2, 40, 72, 80, 40, 3, KVANT_F16,
         1.0f, 0},
        {"k=lloyd3+int3/head/rot,v=lloyd4+int3/tok16,salient=.4,recent=.2,period=12,window=3", 1, 1,
         4, 2, 32, 40, 50, 24, 2, KVANT_F32, 1.0f, 0},
        {"k=nuq3/chan,v=lloyd3/tok64,period=32", 1, 1, 4, 1, 64, 128, 70, 40, 3, KVANT_BF16, 1.0f,
         0},
    };
    for (uint32_t i = 0; i < sizeof scenarios / sizeof scenarios[0]; i++) {
        kvant_scenario s = scenarios[i];
        emit(sink, &s,
             i < 4u || i == 8u || i == 9u || i == 22u || i == 23u ? IN_QUICK : IN_DEFAULT);
        s.prompt += 613u;
        s.layers += 1u;
        emit(sink, &s, IN_FULL);
    }
}

static void expect_limit(kvant_trial *t, const kvant_cache_desc *desc, const char *what)
{
    kvant_cache_bytes bytes = KVANT_CACHE_BYTES_INIT;
    kvant_status status = kvant_cache_plan(desc, &bytes);
    if (status != KVANT_ERROR_LIMIT) {
        kvant_trial_fail(t, "a plan beyond %s gives %s and %llu bytes", what,
                         kvant_status_name(status), (unsigned long long)bytes.bytes);
    }
}

/* Sizes that offsets or byte counts cannot hold are refused, whatever they would be modulo 2^n. */
static void run_overflow(kvant_trial *t, const void *data)
{
    (void)data;
    kvant_cache_desc desc = KVANT_CACHE_DESC_INIT;
    if (kvant_recipe_parse("int8-token", &desc.recipe) != KVANT_OK) {
        kvant_trial_fail(t, "%s", kvant_last_message());
    }
    desc.q_heads = 8u;
    desc.kv_heads = 8u;
    desc.k_dim = 128u;
    desc.prefill_tokens = (1u << 22) - 4u;
    desc.layers = 1u;
    expect_limit(t, &desc, "8 GiB a sequence and layer");
    desc.prefill_tokens = 4000000u; /* 2^33 bytes a region, 2^32 regions */
    desc.layers = 65535u;
    desc.sequences = 65535u;
    expect_limit(t, &desc, "2^64 bytes");
}

void kvant_cases_scenario(kvant_case_sink *sink)
{
    kvant_emit(sink, 1, run_overflow, NULL, "scenario/plan/overflow");
    emit_named(sink);
    emit_mixed(sink);
}
