/* SPDX-License-Identifier: MIT
 *
 * Recipes as text: every name round-trips, overrides apply, nonsense is refused with its position.
 */
#include <locale.h>
#include <string.h>

#include "../support/cmocka_headers.h"
#include "kvant/recipe.h"

static void print_and_parse(const kvant_recipe *recipe, char *text, size_t capacity)
{
    assert_true(kvant_recipe_print(recipe, text, capacity) < capacity);
    kvant_recipe again;
    assert_int_equal(kvant_recipe_parse(text, &again), KVANT_OK);
    char second[256];
    kvant_recipe_print(&again, second, sizeof second);
    assert_string_equal(text, second);
    assert_memory_equal(&again.k, &recipe->k, sizeof again.k);
    assert_memory_equal(&again.v, &recipe->v, sizeof again.v);
    assert_int_equal(again.window, recipe->window);
    assert_int_equal(again.period, recipe->period);
    assert_int_equal(again.sinks, recipe->sinks);
    assert_true(again.salient_share == recipe->salient_share);
    assert_true(again.salient_share_v == recipe->salient_share_v);
    assert_true(again.top_share == recipe->top_share);
    assert_int_equal(again.top_k, recipe->top_k);
    assert_int_equal(again.reevaluate, recipe->reevaluate);
    assert_true(again.probes_random == recipe->probes_random);
    assert_true(again.probes_recent == recipe->probes_recent);
    assert_int_equal(again.normaliser, recipe->normaliser);
    assert_int_equal(again.heads, recipe->heads);
    assert_true(again.seed == recipe->seed);
    assert_int_equal(again.pooling, recipe->pooling);
    assert_int_equal(again.pool_tokens, recipe->pool_tokens);
    assert_int_equal(again.score, recipe->score);
    assert_int_equal(again.score_of, recipe->score_of);
    assert_true(again.percentile == recipe->percentile);
    assert_true(again.blend == recipe->blend);
    assert_true(again.budget == recipe->budget);
    assert_int_equal(again.probes_newest, recipe->probes_newest);
    assert_memory_equal(again.layers, recipe->layers, sizeof again.layers);
    assert_memory_equal(again.stream, recipe->stream, sizeof again.stream);
}

static void names_round_trip(void **state)
{
    (void)state;
    for (uint32_t i = 0; kvant_recipe_name(i) != NULL; i++) {
        kvant_recipe recipe;
        assert_int_equal(kvant_recipe_parse(kvant_recipe_name(i), &recipe), KVANT_OK);
        char text[256];
        print_and_parse(&recipe, text, sizeof text);
        assert_string_equal(text, kvant_recipe_name(i));
        assert_non_null(kvant_recipe_summary(i));
    }
    assert_null(kvant_recipe_name(1000));
}

static void full_forms_round_trip(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "k=int2/chan32,v=int2/tok32,window=128",
        "k=int4/head,v=int8/token,period=4",
        "k=int8s/head/cst,v=int8s/tok8,sinks=4,window=7",
        "zipcache,salient=0.4,heads=all,seed=18446744073709551615",
        "k=int2+int4/chan,v=int2+int4/head/cst,salient=0.333,random=.1,norm=causal,heads=group",
        "kivi2,window=32",
        "k=int8s/head/rot,v=int4/tok32,seed=3",
        "k=int8/tok16/smooth,v=int4/token/cst,window=4",
        "k=int2+nf4/chan,v=mxfp4+fp4/token/cst,salient=0.5,recent=.1",
        "k=nvfp4/tok16,v=nf4/chan64,period=64",
        "k=int3/chan32,v=int1/tok32,window=128",
        "k=nf3/head,v=nf2/tok64",
        "k=lloyd3/head/rot,v=lloyd2/tok32,period=4",
        "turboquant,k=lloyd4+int8/tok64,v=lloyd2+lloyd4/head,salient=0.5,recent=.1",
        "k=nuq3+int3/chan,v=int1+nuq3/token/cst,salient=0.5,recent=.1",
        "k=nuq2+nuq4/chan,v=literal+intrinsic/token/cst,salient=0.5,recent=.1",
        "zipcache,salient=0",
        "zipcache,salient=1",
        "zipcache,salient=0.6/0.4",
        "adaptive,top=int8/0",
        "adaptive,reevaluate=0,window=5",
        "k=int2+int8/tok16/rot,v=int4+int4/head,salient=0.5,random=1,period=8,reevaluate=16",
        "zipcache,salient=.6,top=int8/.1,budget=4",
        "zipcache,salient=.25/0.5,budget=4",
        "zipcache,salient=0.6/0.4,salient=0",
        "zipcache,pool=avg7",
        "zipcache,pool=max5,score=range,of=v,blend=0.25",
        "range,score=outliers",
        "zipcache,budget=3.25",
        "int4,layers=0-1:int8-channel;5-6:int8-token;9-10:streaming;20-25:intrinsic",
        "range,score=outliers,percentile=0.999,of=v",
        "zipcache,score=locality,random=0,recent=0",
        "k=drop,v=drop,window=16,sinks=2,period=8",
        "k=drop+f16,v=drop+f16,salient=0.5,newest=3,heads=group,period=0",
        "k=int2+f16/head,v=int4+f16/token/cst,salient=0.25,random=1",
        "k=f16+int4/chan,v=f16+int8/tok16,salient=0.5,recent=0.1",
        "k=int4+drop/head,v=int8+drop/token,salient=0.5,recent=0.1",
        "h2o,salient=0",
        "mikv,salient=1,window=9",
        "kivi2,period=0",
        "zipcache,layers=0-1:f16;30-31:int4",
        "f16,layers=3:int8-token",
        "int4,window=8,stream=1",
        "k=f16,v=f16,window=9,sinks=2,stream=0:1-2;3-5:0;half;7:half",
        "duo,stream=0;2;4;6;8;10;12;14",
        "zipcache,sinks=1,layers=0:duo,stream=65533",
        "k=f16,v=int4/tok128/rot,latent=1,window=4",
        "k=f16,v=f16,latent=1",
        "mla,sinks=4",
    };
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        kvant_recipe recipe;
        assert_int_equal(kvant_recipe_parse(texts[i], &recipe), KVANT_OK);
        char text[256];
        print_and_parse(&recipe, text, sizeof text);
    }
}

static void named_form_is_found_again(void **state)
{
    (void)state;
    kvant_recipe recipe;
    char text[64];
    assert_int_equal(kvant_recipe_parse("k=int2/chan32,v=int2/tok32,window=128", &recipe),
                     KVANT_OK);
    kvant_recipe_print(&recipe, text, sizeof text);
    assert_string_equal(text, "kivi2");
}

static void print_reports_the_whole_length(void **state)
{
    (void)state;
    kvant_recipe recipe;
    assert_int_equal(kvant_recipe_parse("zipcache", &recipe), KVANT_OK);
    char text[4];
    assert_int_equal(kvant_recipe_print(&recipe, text, sizeof text), strlen("zipcache"));
    assert_string_equal(text, "zip");
}

static void nonsense_is_refused(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        kvant_status status;
        const char *says;
    } cases[] = {
        {"", KVANT_ERROR_UNKNOWN_RECIPE, "zipcache"},
        {"zipcash", KVANT_ERROR_UNKNOWN_RECIPE, "position 1"},
        {"k=int5/head,v=int4/head", KVANT_ERROR_UNKNOWN_RECIPE, "position 3"},
        {"k=nf5/head,v=int4/head", KVANT_ERROR_UNKNOWN_RECIPE, "nvfp4"},
        {"k=lloyd4/chan32,v=int4/head", KVANT_ERROR_INVALID_ARGUMENT, "head and tok"},
        {"k=int4/token,v=lloyd2/token", KVANT_ERROR_INVALID_ARGUMENT, "head and tok"},
        {"k=int4/chan,v=int4/head+lloyd3", KVANT_ERROR_UNKNOWN_RECIPE, "grouping"},
        {"nf4,k=fp4/tok24", KVANT_ERROR_INVALID_ARGUMENT, "8, 16"},
        {"k=int4/row,v=int4/head", KVANT_ERROR_UNKNOWN_RECIPE, "position 8"},
        {"k=int4,v=int4/head", KVANT_ERROR_UNKNOWN_RECIPE, "grouping"},
        {"k=int4/head", KVANT_ERROR_UNKNOWN_RECIPE, "v="},
        {"kivi2,window=-1", KVANT_ERROR_UNKNOWN_RECIPE, "position 14"},
        {"kivi2,window=99999999999999999999", KVANT_ERROR_UNKNOWN_RECIPE, "tokens"},
        {"kivi2,windows=1", KVANT_ERROR_UNKNOWN_RECIPE, "window"},
        {"kivi2,", KVANT_ERROR_UNKNOWN_RECIPE, "position 7"},
        {"zipcache,salient=1.5", KVANT_ERROR_UNKNOWN_RECIPE, "share"},
        {"zipcache,salient=nan", KVANT_ERROR_UNKNOWN_RECIPE, "share"},
        {"zipcache,salient=0.6/", KVANT_ERROR_UNKNOWN_RECIPE, "K's"},
        {"zipcache,salient=0.6/0", KVANT_ERROR_UNKNOWN_RECIPE, "above 0"},
        {"zipcache,salient=0.6/0.4/0.2", KVANT_ERROR_UNKNOWN_RECIPE, "position 18"},
        {"zipcache,salient=0.6/1", KVANT_ERROR_INVALID_ARGUMENT, "lie between"},
        {"zipcache,salient=0/0.4", KVANT_ERROR_INVALID_ARGUMENT, "lie between"},
        {"mikv,salient=0.3/0.2", KVANT_ERROR_INVALID_ARGUMENT, "in both"},
        {"h2o,salient=0.3/0.2", KVANT_ERROR_INVALID_ARGUMENT, "in both"},
        {"zipcache,top=int8", KVANT_ERROR_UNKNOWN_RECIPE, "int2, int4 or int8"},
        {"zipcache,top=f16/.1", KVANT_ERROR_UNKNOWN_RECIPE, "int2, int4 or int8"},
        {"zipcache,top=int8/.7", KVANT_ERROR_INVALID_ARGUMENT, "at most salient"},
        {"zipcache,top=int8/.1,salient=.4/.5", KVANT_ERROR_INVALID_ARGUMENT, "one share"},
        {"h2o,top=int8/.1", KVANT_ERROR_INVALID_ARGUMENT, "grouping"},
        {"adaptive,reevaluate=x", KVANT_ERROR_UNKNOWN_RECIPE, "tokens"},
        {"adaptive,reevaluate=48", KVANT_ERROR_INVALID_ARGUMENT, "multiple of period"},
        {"zipcache,reevaluate=100", KVANT_ERROR_INVALID_ARGUMENT, "each token"},
        {"mikv,reevaluate=32", KVANT_ERROR_INVALID_ARGUMENT, "nested"},
        {"adaptive,top=int2/.1", KVANT_ERROR_INVALID_ARGUMENT, "more bits"},
        {"int4,reevaluate=32", KVANT_ERROR_INVALID_ARGUMENT, "regular"},
        {"adaptive,stream=half", KVANT_ERROR_INVALID_ARGUMENT, "stream"},
        {"adaptive,budget=4", KVANT_ERROR_INVALID_ARGUMENT, "budget"},
        {"zipcache,f16", KVANT_ERROR_UNKNOWN_RECIPE, "key=value"},
        {"k=int4/head/turn,v=int4/head", KVANT_ERROR_UNKNOWN_RECIPE, "rot"},
        {"k=f16/token/rot,v=f16", KVANT_ERROR_INVALID_ARGUMENT, "f16"},
        {"k=int8/chan/smooth,v=int8/head", KVANT_ERROR_INVALID_ARGUMENT, "smooth"},
        {"k=int8/head,v=int8/head/smooth", KVANT_ERROR_INVALID_ARGUMENT, "cst"},
        {"k=f16,v=int4/head", KVANT_ERROR_INVALID_ARGUMENT, "f16"},
        {"k=int4/chan33,v=int4/head", KVANT_ERROR_INVALID_ARGUMENT, "32"},
        {"k=int4/tok12,v=int4/head", KVANT_ERROR_INVALID_ARGUMENT, "8, 16"},
        {"k=int4/chan64,v=int4/head,period=32", KVANT_ERROR_INVALID_ARGUMENT, "period"},
        {"int4,period=6", KVANT_ERROR_INVALID_ARGUMENT, "multiple of 4"},
        {"int4,salient=0.5", KVANT_ERROR_INVALID_ARGUMENT, "salient"},
        {"zipcache,random=0,recent=0", KVANT_ERROR_INVALID_ARGUMENT, "probe"},
        {"zipcache,heads=group", KVANT_ERROR_INVALID_ARGUMENT, "per head"},
        {"int4,period=1048580", KVANT_ERROR_UNKNOWN_RECIPE, "1048576"},
        {"k=drop,v=int4/head", KVANT_ERROR_INVALID_ARGUMENT, "each regular token must be dropped"},
        {"k=drop/head,v=drop", KVANT_ERROR_INVALID_ARGUMENT, "takes no grouping"},
        {"k=drop+f16/head,v=drop+f16,salient=.5,random=1", KVANT_ERROR_INVALID_ARGUMENT,
         "takes no grouping"},
        {"k=int4+f16/head,v=int4+int8/head,salient=.5,random=1", KVANT_ERROR_INVALID_ARGUMENT,
         "each salient token must be f16"},
        {"k=int4+drop/head,v=int4+f16/head,salient=.5,random=1", KVANT_ERROR_INVALID_ARGUMENT,
         "each salient token must be"},
        {"k=int4+f16,v=int4+f16/head", KVANT_ERROR_UNKNOWN_RECIPE, "grouping"},
        {"k=gone,v=gone", KVANT_ERROR_UNKNOWN_RECIPE, "drop"},
        {"k=int4+gone/head,v=int4/head", KVANT_ERROR_UNKNOWN_RECIPE, "position 8"},
        {"streaming,salient=0.5", KVANT_ERROR_INVALID_ARGUMENT, "codec for salient"},
        {"h2o,random=0", KVANT_ERROR_INVALID_ARGUMENT, "newest"},
        {"snapkv,newest=2000000", KVANT_ERROR_UNKNOWN_RECIPE, "1048576"},
        {"mikv,k=int2+f16/token", KVANT_ERROR_INVALID_ARGUMENT, "per head"},
        {"int4,layers=", KVANT_ERROR_UNKNOWN_RECIPE, "FIRST"},
        {"int4,layers=0-1", KVANT_ERROR_UNKNOWN_RECIPE, "position 13"},
        {"int4,layers=0:zipcash", KVANT_ERROR_UNKNOWN_RECIPE, "NAME"},
        {"int4,layers=0:f16;", KVANT_ERROR_UNKNOWN_RECIPE, "FIRST"},
        {"int4,layers=0:f16;1:f16;2:f16;3:f16;4:f16", KVANT_ERROR_UNKNOWN_RECIPE, "up to 4"},
        {"int4,layers=2-1:f16", KVANT_ERROR_INVALID_ARGUMENT, "layers 2-1"},
        {"int4,layers=0-2:f16;2:int4", KVANT_ERROR_INVALID_ARGUMENT, "overlap"},
        {"zipcache,budget=3,layers=0:f16", KVANT_ERROR_INVALID_ARGUMENT, "budget"},
        {"f16,sinks=1", KVANT_ERROR_INVALID_ARGUMENT, "keeps every token"},
        {"duo,stream=", KVANT_ERROR_UNKNOWN_RECIPE, "position 12"},
        {"duo,stream=1-0", KVANT_ERROR_UNKNOWN_RECIPE, "HEAD"},
        {"duo,stream=1;", KVANT_ERROR_UNKNOWN_RECIPE, "HEAD"},
        {"duo,stream=0:", KVANT_ERROR_UNKNOWN_RECIPE, "HEAD"},
        {"duo,stream=0:1:2", KVANT_ERROR_UNKNOWN_RECIPE, "HEAD"},
        {"duo,stream=65534", KVANT_ERROR_UNKNOWN_RECIPE, "HEAD"},
        {"duo,stream=halves", KVANT_ERROR_UNKNOWN_RECIPE, "half"},
        {"duo,stream=0;1;2;3;4;5;6;7;8", KVANT_ERROR_UNKNOWN_RECIPE, "up to 8"},
        {"int4,stream=1", KVANT_ERROR_INVALID_ARGUMENT, "needs a window or sinks"},
        {"k=int2+int4/chan,v=int2+int4/head,salient=1,random=1,budget=3.5,window=8,stream=1",
         KVANT_ERROR_INVALID_ARGUMENT, "budget and stream"},
        {"zipcache,salient=0x1p-1", KVANT_ERROR_UNKNOWN_RECIPE, "share"},
        {"zipcache,pool=7", KVANT_ERROR_UNKNOWN_RECIPE, "avg<n>"},
        {"zipcache,pool=avg", KVANT_ERROR_UNKNOWN_RECIPE, "avg<n>"},
        {"zipcache,pool=avg6", KVANT_ERROR_INVALID_ARGUMENT, "odd"},
        {"zipcache,pool=max1", KVANT_ERROR_INVALID_ARGUMENT, "odd"},
        {"zipcache,pool=max65", KVANT_ERROR_INVALID_ARGUMENT, "63"},
        {"range,pool=avg7", KVANT_ERROR_INVALID_ARGUMENT, "attention"},
        {"zipcache,score=width", KVANT_ERROR_UNKNOWN_RECIPE, "locality"},
        {"zipcache,of=kv", KVANT_ERROR_INVALID_ARGUMENT, "score=range"},
        {"range,of=q", KVANT_ERROR_UNKNOWN_RECIPE, "kv"},
        {"range,percentile=0.9", KVANT_ERROR_INVALID_ARGUMENT, "outliers"},
        {"range,score=outliers,percentile=1", KVANT_ERROR_INVALID_ARGUMENT, "between"},
        {"zipcache,blend=0.5", KVANT_ERROR_INVALID_ARGUMENT, "score=range"},
        {"int4,budget=3", KVANT_ERROR_INVALID_ARGUMENT, "largest share"},
        {"k=int2+int4/head,v=int2+int4/head,salient=1,budget=3.5", KVANT_ERROR_INVALID_ARGUMENT,
         "probe rows"},
        {"k=int4+drop/head,v=int4+drop/head,salient=0.5,random=0.1,budget=3",
         KVANT_ERROR_INVALID_ARGUMENT, "more bits"},
        {"k=f16+int4/head,v=f16+int4/head,salient=0.5,random=0.1,budget=8",
         KVANT_ERROR_INVALID_ARGUMENT, "more bits"},
        {"zipcache,budget=17", KVANT_ERROR_UNKNOWN_RECIPE, "bits"},
        {"hybrid,blend=0.001", KVANT_ERROR_INVALID_ARGUMENT, "1/256"},
        {"hybrid,blend=1", KVANT_ERROR_INVALID_ARGUMENT, "255/256"},
        {"hybrid,random=0,recent=0", KVANT_ERROR_INVALID_ARGUMENT, "probe"},
        {"f16,window=3", KVANT_ERROR_INVALID_ARGUMENT, "f16"},
        {"mla,latent=2", KVANT_ERROR_UNKNOWN_RECIPE, "0 or 1"},
        {"mla,latent=0", KVANT_ERROR_INVALID_ARGUMENT, "f16 in k and v"},
        {"int4,latent=1", KVANT_ERROR_INVALID_ARGUMENT, "k=f16"},
        {"k=f16,v=int3/token,latent=1", KVANT_ERROR_INVALID_ARGUMENT, "planes"},
        {"mla,v=drop", KVANT_ERROR_INVALID_ARGUMENT, "dropped"},
        {"mla,v=int4/head", KVANT_ERROR_INVALID_ARGUMENT, "tok<n>"},
        {"mla,v=int4/chan32", KVANT_ERROR_INVALID_ARGUMENT, "tok<n>"},
        {"mla,v=int4/tok16", KVANT_ERROR_INVALID_ARGUMENT, "multiple of 32"},
        {"k=f16+f16,v=int4+int8/token,latent=1,salient=0.5,random=0.1",
         KVANT_ERROR_INVALID_ARGUMENT, "salient"},
        {"mla,layers=0:f16", KVANT_ERROR_INVALID_ARGUMENT, "all layers"},
        {"f16,layers=0:mla", KVANT_ERROR_INVALID_ARGUMENT, "all layers"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        kvant_recipe recipe;
        memset(&recipe, 0x5a, sizeof recipe);
        kvant_recipe before = recipe;
        assert_int_equal(kvant_recipe_parse(cases[i].text, &recipe), cases[i].status);
        if (strstr(kvant_last_message(), cases[i].says) == NULL) {
            fail_msg("\"%s\": the message \"%s\" does not say \"%s\"", cases[i].text,
                     kvant_last_message(), cases[i].says);
        }
        assert_memory_equal(&recipe, &before, sizeof recipe); /* nothing changed */
    }
}

/* A comma as the decimal point of the program changes nothing. */
static void locales_do_not_matter(void **state)
{
    (void)state;
    static const char *const names[] = {"de_DE.UTF-8", "de_DE.utf8", "fr_FR.UTF-8", "fr_FR.utf8"};
    const char *found = NULL;
    for (int i = 0; i < 4 && found == NULL; i++) {
        found = setlocale(LC_ALL, names[i]);
    }
    kvant_recipe recipe;
    assert_int_equal(kvant_recipe_parse("zipcache,salient=0.4", &recipe), KVANT_OK);
    assert_true(recipe.salient_share == 0.4);
    char text[256];
    kvant_recipe_print(&recipe, text, sizeof text);
    assert_non_null(strstr(text, "salient=0.4"));
    setlocale(LC_ALL, "C");
    if (found == NULL) {
        print_message("skipped: this machine has no locale with a decimal comma\n");
        skip();
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_round_trip),
        cmocka_unit_test(full_forms_round_trip),
        cmocka_unit_test(named_form_is_found_again),
        cmocka_unit_test(print_reports_the_whole_length),
        cmocka_unit_test(nonsense_is_refused),
        cmocka_unit_test(locales_do_not_matter),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
