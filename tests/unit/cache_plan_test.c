/* SPDX-License-Identifier: MIT
 *
 * The memory plan: ZipCache's published ratio in real bytes, sums that add up, sizes that overflow.
 */
#include <stdio.h>
#include <string.h>

#include "../support/cmocka_headers.h"
#include "context_internal.h"
#include "kvant/cache.h"

static kvant_cache_desc paper_shape(const char *recipe)
{
    kvant_cache_desc desc = KVANT_CACHE_DESC_INIT;
    assert_int_equal(kvant_recipe_parse(recipe, &desc.recipe), KVANT_OK);
    desc.layers = 32;
    desc.sequences = 8;
    desc.q_heads = 32;
    desc.kv_heads = 32;
    desc.k_dim = 128;
    desc.prefill_tokens = 840;
    return desc;
}

static void zipcache_reaches_the_published_ratio(void **state)
{
    (void)state;
    for (uint32_t layers = 1; layers <= 32; layers += 31) {
        kvant_cache_desc desc = paper_shape("zipcache");
        desc.layers = layers;
        kvant_cache_bytes bytes = KVANT_CACHE_BYTES_INIT;
        assert_int_equal(kvant_cache_plan(&desc, &bytes), KVANT_OK);
        print_message("zipcache, B=8, Hk*D=4096, L=840, %u layers: ratio %.3f (paper: 4.98)\n",
                      layers, bytes.ratio);
        assert_true(bytes.ratio > 4.98 * 0.98 && bytes.ratio < 4.98 * 1.02);
        /* codes are exactly 3.2 bits a value */
        assert_true(bytes.codes * 10 == (uint64_t)layers * 8 * 840 * 8192 * 32 / 8);
    }
}

/* Codes of K and of V follow their own shares; a budget lowers both. */
static void shares_of_k_and_v_differ(void **state)
{
    (void)state;
    const uint64_t numbers = (uint64_t)32 * 8 * 840 * 4096; /* of K, and of V */
    kvant_cache_desc desc = paper_shape("zipcache,salient=0.6/0.4");
    kvant_cache_bytes bytes = KVANT_CACHE_BYTES_INIT;
    assert_int_equal(kvant_cache_plan(&desc, &bytes), KVANT_OK);
    assert_true(bytes.codes * 80 == numbers * 32 + numbers * 28);
    desc.recipe.budget = 3.0;
    kvant_cache_bytes within = KVANT_CACHE_BYTES_INIT;
    assert_int_equal(kvant_cache_plan(&desc, &within), KVANT_OK);
    assert_true(within.bits_per_value <= 3.0 && within.bits_per_value > 2.95);
    assert_true(within.salient_share < 0.6);
}

static void parts_add_up(void **state)
{
    (void)state;
    for (uint32_t i = 0; kvant_recipe_name(i) != NULL; i++) {
        for (uint32_t decode = 0; decode < 700; decode += 233) {
            kvant_cache_desc desc = paper_shape(kvant_recipe_name(i));
            desc.decode_tokens = decode;
            desc.kv_heads = 8;
            if (desc.recipe.latent != 0) { /* a model of another kind: cache/latent_test */
                continue;
            }
            kvant_cache_bytes b = KVANT_CACHE_BYTES_INIT;
            assert_int_equal(kvant_cache_plan(&desc, &b), KVANT_OK);
            assert_true(b.bytes ==
                        b.codes + b.parameters + b.maps + b.window + b.padding + b.scratch);
            assert_true(b.f16_bytes == (uint64_t)32 * 8 * (840 + decode) * 8 * 256 * 2);
            assert_true(b.ratio == (double)b.f16_bytes / (double)b.bytes);
            assert_true(b.bytes % 4 == 0);
        }
    }
}

static void f16_costs_what_it_should(void **state)
{
    (void)state;
    kvant_cache_desc desc = paper_shape("f16");
    kvant_cache_bytes b = KVANT_CACHE_BYTES_INIT;
    assert_int_equal(kvant_cache_plan(&desc, &b), KVANT_OK);
    assert_true(b.window == b.f16_bytes);
    assert_true(b.ratio > 0.98 && b.ratio <= 1.0);
    assert_true(b.transient_bytes == 0);
}

/* A budget buys the largest share of salient tokens that it pays for, in steps of a 1024th of the
 * recipe's. */
static void a_budget_becomes_a_share(void **state)
{
    (void)state;
    static const struct {
        const char *recipe;
        double budget;
    } cases[] = {{"zipcache", 3.0},
                 {"zipcache", 2.7},
                 {"range", 2.9},
                 {"zipcache,salient=1", 4.0},
                 {"k=drop+int4/head,v=drop+int4/head,window=64,salient=0.5,random=0.1", 2.0}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        kvant_cache_desc desc = paper_shape(cases[i].recipe);
        double most = desc.recipe.salient_share;
        desc.recipe.budget = cases[i].budget;
        kvant_cache_bytes within = KVANT_CACHE_BYTES_INIT;
        assert_int_equal(kvant_cache_plan(&desc, &within), KVANT_OK);
        assert_true(within.bits_per_value <= cases[i].budget);
        assert_true(within.salient_share > 0.0 && within.salient_share < most);
        kvant_cache_bytes beyond = KVANT_CACHE_BYTES_INIT;
        desc.recipe.budget = 0.0;
        desc.recipe.salient_share = within.salient_share + most / 1024.0;
        assert_int_equal(kvant_cache_plan(&desc, &beyond), KVANT_OK);
        assert_true(beyond.bits_per_value > cases[i].budget);
    }
    kvant_cache_desc desc = paper_shape("zipcache,budget=16");
    kvant_cache_bytes bytes = KVANT_CACHE_BYTES_INIT;
    assert_int_equal(kvant_cache_plan(&desc, &bytes), KVANT_OK);
    assert_true(bytes.salient_share == 0.6); /* never more than the recipe's */
    desc.recipe.budget = 2.0;                /* parameters alone exceed it */
    assert_int_equal(kvant_cache_plan(&desc, &bytes), KVANT_ERROR_INVALID_ARGUMENT);
    assert_non_null(strstr(kvant_last_message(), "budget"));
    desc.recipe.budget = -1.0;
    assert_int_equal(kvant_cache_plan(&desc, &bytes), KVANT_ERROR_INVALID_ARGUMENT);
    desc.recipe.budget = 3.0;
    desc.kv_heads = 7;
    assert_int_equal(kvant_cache_plan(&desc, &bytes), KVANT_ERROR_INVALID_ARGUMENT);
    assert_non_null(strstr(kvant_last_message(), "KV heads"));
}

/* Ranks and counts of magnitudes are 32-bit integers. */
static void scores_have_limits(void **state)
{
    (void)state;
    kvant_cache_desc desc = paper_shape("hybrid");
    kvant_cache_bytes bytes = KVANT_CACHE_BYTES_INIT;
    desc.sequences = desc.layers = desc.q_heads = desc.kv_heads = 1;
    desc.k_dim = 8;
    desc.prefill_tokens = (1u << 24) - 1u;
    assert_int_equal(kvant_cache_plan(&desc, &bytes), KVANT_OK);
    desc.prefill_tokens++;
    assert_int_equal(kvant_cache_plan(&desc, &bytes), KVANT_ERROR_LIMIT);
    assert_non_null(strstr(kvant_last_message(), "blended"));
    desc = paper_shape("range,score=outliers,of=k");
    desc.sequences = desc.layers = 1;
    desc.prefill_tokens = (1u << 20) + 100u;
    assert_int_equal(kvant_cache_plan(&desc, &bytes), KVANT_ERROR_LIMIT);
    assert_non_null(strstr(kvant_last_message(), "outliers"));
}

/* Tokens that are evicted take no byte; f16 ones of a class take what they are. */
static void classes_take_what_they_keep(void **state)
{
    (void)state;
    const uint64_t token = (uint64_t)32 * 8 * 32 * 256 * 2; /* bytes of one in f16 */
    kvant_cache_desc desc = paper_shape("streaming");
    desc.decode_tokens = 200;
    kvant_cache_bytes b = KVANT_CACHE_BYTES_INIT;
    assert_int_equal(kvant_cache_plan(&desc, &b), KVANT_OK);
    assert_true(b.codes == 0 && b.parameters == 0 && b.transient_bytes == 0);
    assert_true(b.window == token * (4 + 252 + 4));

    desc = paper_shape("h2o,window=0,salient=0.25"); /* all at once: no window at all */
    assert_int_equal(kvant_cache_plan(&desc, &b), KVANT_OK);
    assert_true(b.codes == 0 && b.parameters == 0 && b.window == token * 210);
    assert_true(b.ratio > 3.9 && b.ratio < 4.0); /* and a list of positions a head */

    desc = paper_shape("k=int2+f16/head,v=int2+f16/head,salient=0.25,random=1");
    assert_int_equal(kvant_cache_plan(&desc, &b), KVANT_OK);
    assert_true(b.window == token * 210 && b.codes == token / 8 * 630);

    desc = paper_shape("int4,period=0"); /* decoded tokens stay f16 */
    desc.decode_tokens = 1000;
    assert_int_equal(kvant_cache_plan(&desc, &b), KVANT_OK);
    assert_true(b.codes == token / 4 * 840);
    assert_true(b.window >= token * 1000 && b.window <= token * 1004);

    desc = paper_shape("k=drop,v=drop");
    assert_int_equal(kvant_cache_plan(&desc, &b), KVANT_ERROR_INVALID_ARGUMENT);
    assert_non_null(strstr(kvant_last_message(), "keeps no token"));
}

/* Layers with a recipe of their own take what they would in a cache of that recipe. */
static void layers_have_their_own_bytes(void **state)
{
    (void)state;
    kvant_cache_bytes b = KVANT_CACHE_BYTES_INIT;
    kvant_cache_bytes parts[2] = {KVANT_CACHE_BYTES_INIT, KVANT_CACHE_BYTES_INIT};
    const char *const recipes[2] = {"zipcache", "f16"};
    for (int i = 0; i < 2; i++) {
        kvant_cache_desc desc = paper_shape(recipes[i]);
        desc.layers = i == 0 ? 29 : 3;
        assert_int_equal(kvant_cache_plan(&desc, &parts[i]), KVANT_OK);
    }
    kvant_cache_desc desc = paper_shape("zipcache,layers=0-1:f16;31:f16");
    assert_int_equal(kvant_cache_plan(&desc, &b), KVANT_OK);
    assert_true(b.codes == parts[0].codes && b.parameters == parts[0].parameters);
    assert_true(b.window == parts[0].window + parts[1].window);
    assert_true(b.maps == parts[0].maps + parts[1].maps);
    assert_true(b.bytes == b.codes + b.parameters + b.maps + b.window + b.padding + b.scratch);
    assert_true(b.f16_bytes == parts[0].f16_bytes + parts[1].f16_bytes);

    desc = paper_shape("zipcache,layers=30-32:f16");
    assert_int_equal(kvant_cache_plan(&desc, &b), KVANT_ERROR_INVALID_ARGUMENT);
    assert_non_null(strstr(kvant_last_message(), "layers 30-32 of a cache that has 32"));
    desc = paper_shape("zipcache,layers=0-31:f16");
    assert_int_equal(kvant_cache_plan(&desc, &b), KVANT_ERROR_INVALID_ARGUMENT);
    assert_non_null(strstr(kvant_last_message(), "no layer"));
}

/* Codes, parameters and compressed f16 rows of heads that stream are not there. */
static void streaming_heads_take_no_bytes(void **state)
{
    (void)state;
    kvant_cache_bytes all = KVANT_CACHE_BYTES_INIT;
    kvant_cache_bytes b = KVANT_CACHE_BYTES_INIT;
    kvant_cache_desc desc = paper_shape("int4,window=40");
    assert_int_equal(kvant_cache_plan(&desc, &all), KVANT_OK);
    const uint64_t heads = desc.kv_heads;
    const uint64_t layers = desc.layers;
    static const struct {
        const char *recipe;
        uint32_t streaming[2]; /* heads, in so many layers */
    } cases[] = {{"int4,window=40,stream=half", {16, 32}},
                 {"int4,window=40,stream=0-2;5;30-31", {6, 32}},
                 {"int4,window=40,stream=0:0-2;3-4:1;31:0", {6, 1}},
                 {"int4,window=40,stream=0-31", {32, 32}}};
    assert_true(heads == 32 && layers == 32);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        desc = paper_shape(cases[i].recipe);
        assert_int_equal(kvant_cache_plan(&desc, &b), KVANT_OK);
        uint64_t left = heads * layers - cases[i].streaming[0] * cases[i].streaming[1];
        assert_true(b.codes * heads * layers == all.codes * left);
        assert_true(b.parameters * heads * layers == all.parameters * left);
        assert_true(left == 0 || b.window == all.window); /* else it need not hold whole groups */
        assert_true(b.f16_bytes == all.f16_bytes);
        assert_true(b.bytes == b.codes + b.parameters + b.maps + b.window + b.padding + b.scratch);
    }
    desc = paper_shape("int4,window=40,stream=30-32");
    assert_int_equal(kvant_cache_plan(&desc, &b), KVANT_ERROR_INVALID_ARGUMENT);
    assert_non_null(strstr(kvant_last_message(), "KV heads 30-32 stream, of a cache that has 32"));
    desc = paper_shape("int4,window=40,stream=31-32:0");
    assert_int_equal(kvant_cache_plan(&desc, &b), KVANT_ERROR_INVALID_ARGUMENT);
    assert_non_null(strstr(kvant_last_message(), "layers 31-32 of a cache that has 32"));
    desc = paper_shape("duo");
    desc.kv_heads = 1;
    assert_int_equal(kvant_cache_plan(&desc, &b), KVANT_ERROR_INVALID_ARGUMENT);
    assert_non_null(strstr(kvant_last_message(), "half of a single KV head"));
}

static void bad_shapes_are_refused(void **state)
{
    (void)state;
    const kvant_cache_desc good = paper_shape("zipcache");
    kvant_cache_bytes b = KVANT_CACHE_BYTES_INIT;

#define REFUSED(change, expected)                                                                  \
    do {                                                                                           \
        kvant_cache_desc desc = good;                                                              \
        change;                                                                                    \
        assert_int_equal(kvant_cache_plan(&desc, &b), expected);                                   \
    } while (0)

    REFUSED(desc.layers = 0, KVANT_ERROR_INVALID_ARGUMENT);
    REFUSED(desc.sequences = 0, KVANT_ERROR_INVALID_ARGUMENT);
    REFUSED(desc.kv_heads = 0, KVANT_ERROR_INVALID_ARGUMENT);
    REFUSED(desc.kv_heads = 5, KVANT_ERROR_INVALID_ARGUMENT);
    REFUSED(desc.k_dim = 0, KVANT_ERROR_INVALID_ARGUMENT);
    REFUSED(desc.k_dim = 12, KVANT_ERROR_INVALID_ARGUMENT);
    REFUSED(desc.v_dim = 264, KVANT_ERROR_INVALID_ARGUMENT);
    REFUSED(desc.prefill_tokens = 0, KVANT_ERROR_INVALID_ARGUMENT);
    REFUSED(desc.prefill_tokens = 0xffffffffu, KVANT_ERROR_LIMIT);
    REFUSED(desc.decode_tokens = 0xffffffffu, KVANT_ERROR_LIMIT);
    REFUSED(desc.prefill_tokens = 1u << 28, KVANT_ERROR_LIMIT);
    REFUSED(desc.max_queries = 1u << 20, KVANT_ERROR_INVALID_ARGUMENT);
    REFUSED(desc.scale = -1.0f, KVANT_ERROR_INVALID_ARGUMENT);
    REFUSED(desc.scale = 1.0f / 0.0f, KVANT_ERROR_INVALID_ARGUMENT);
    REFUSED(desc.struct_size = 8, KVANT_ERROR_INVALID_ARGUMENT);
    REFUSED(desc.recipe.period = 6, KVANT_ERROR_INVALID_ARGUMENT);
    REFUSED(desc.recipe.struct_size = 0, KVANT_ERROR_INVALID_ARGUMENT);
#undef REFUSED
    assert_int_equal(kvant_cache_plan(NULL, &b), KVANT_ERROR_INVALID_ARGUMENT);
    assert_int_equal(kvant_cache_plan(&good, NULL), KVANT_ERROR_INVALID_ARGUMENT);
}

/* What a device cannot bind is known before anything is allocated. */
static void devices_are_asked_first(void **state)
{
    (void)state;
    kvant_context_desc context_desc = KVANT_CONTEXT_DESC_INIT;
    context_desc.backend = "host";
    kvant_context *context = NULL;
    assert_int_equal(kvant_context_create(&context_desc, &context), KVANT_OK);
    kvant_cache_desc desc = paper_shape("zipcache");
    assert_int_equal(kvant_cache_supports(context, &desc), KVANT_OK);
    desc.k_dim = 7;
    assert_int_equal(kvant_cache_supports(context, &desc), KVANT_ERROR_INVALID_ARGUMENT);
    desc = paper_shape("f16");
    desc.kv_heads = 32;
    desc.prefill_tokens = 1u << 22; /* 64 GiB a sequence and layer */
    assert_int_equal(kvant_cache_supports(context, &desc), KVANT_ERROR_LIMIT);
    assert_int_equal(kvant_cache_supports(NULL, &desc), KVANT_ERROR_INVALID_ARGUMENT);

    context->limits.max_groups = 65535; /* as Vulkan guarantees */
    desc = paper_shape("zipcache");
    desc.kv_heads = 8;
    desc.prefill_tokens = 32768;
    assert_int_equal(kvant_cache_supports(context, &desc), KVANT_OK);
    desc.q_heads = 128;
    desc.max_queries = 1024;
    assert_int_equal(kvant_cache_supports(context, &desc), KVANT_ERROR_LIMIT);
    kvant_context_destroy(context);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(zipcache_reaches_the_published_ratio),
        cmocka_unit_test(shares_of_k_and_v_differ),
        cmocka_unit_test(parts_add_up),
        cmocka_unit_test(f16_costs_what_it_should),
        cmocka_unit_test(a_budget_becomes_a_share),
        cmocka_unit_test(scores_have_limits),
        cmocka_unit_test(classes_take_what_they_keep),
        cmocka_unit_test(layers_have_their_own_bytes),
        cmocka_unit_test(streaming_heads_take_no_bytes),
        cmocka_unit_test(bad_shapes_are_refused),
        cmocka_unit_test(devices_are_asked_first),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
