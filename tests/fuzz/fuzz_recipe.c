/* SPDX-License-Identifier: MIT
 *
 * A recipe of any text: what is read prints as text that reads back to the same recipe, and a small
 * cache of it can be planned or is refused.
 */
#include <math.h>
#include <string.h>

#include "fuzz_check.h"
#include "kvant/cache.h"

static int same_rule(const kvant_tensor_rule *a, const kvant_tensor_rule *b)
{
    return a->regular == b->regular && a->salient == b->salient && a->grouping == b->grouping &&
           a->group_length == b->group_length && a->transform == b->transform;
}

static void print_and_parse(const kvant_recipe *recipe)
{
    char text[512];
    char second[512];
    kvant_recipe again = KVANT_RECIPE_INIT;
    FUZZ_CHECK(kvant_recipe_check(recipe) == KVANT_OK);
    size_t length = kvant_recipe_print(recipe, text, sizeof text);
    FUZZ_CHECK(length < sizeof text && length == strlen(text));
    FUZZ_CHECK(kvant_recipe_parse(text, &again) == KVANT_OK);
    FUZZ_CHECK(same_rule(&recipe->k, &again.k) && same_rule(&recipe->v, &again.v));
    FUZZ_CHECK(recipe->window == again.window && recipe->period == again.period);
    FUZZ_CHECK(recipe->sinks == again.sinks && recipe->seed == again.seed);
    FUZZ_CHECK(recipe->salient_share == again.salient_share);
    FUZZ_CHECK(recipe->salient_share_v == again.salient_share_v);
    FUZZ_CHECK(recipe->top_share == again.top_share && recipe->top_k == again.top_k);
    FUZZ_CHECK(recipe->top_v == again.top_v && recipe->latent == again.latent);
    FUZZ_CHECK(memcmp(recipe->stream, again.stream, sizeof again.stream) == 0);
    FUZZ_CHECK(recipe->reevaluate == again.reevaluate);
    FUZZ_CHECK(recipe->probes_random == again.probes_random);
    FUZZ_CHECK(recipe->probes_recent == again.probes_recent);
    FUZZ_CHECK(recipe->probes_newest == again.probes_newest);
    FUZZ_CHECK(memcmp(recipe->layers, again.layers, sizeof again.layers) == 0);
    FUZZ_CHECK(recipe->pooling == again.pooling && recipe->pool_tokens == again.pool_tokens);
    FUZZ_CHECK(recipe->score == again.score && recipe->score_of == again.score_of);
    FUZZ_CHECK(recipe->percentile == again.percentile && recipe->blend == again.blend);
    FUZZ_CHECK(recipe->budget == again.budget);
    FUZZ_CHECK(recipe->normaliser == again.normaliser && recipe->heads == again.heads);
    kvant_recipe_print(&again, second, sizeof second);
    FUZZ_CHECK(strcmp(text, second) == 0);
}

static void plan(const kvant_recipe *recipe, uint32_t prefill, uint32_t decode)
{
    kvant_cache_desc desc = KVANT_CACHE_DESC_INIT;
    desc.recipe = *recipe;
    desc.layers = 2;
    desc.sequences = 3;
    desc.q_heads = 4;
    desc.kv_heads = 2;
    desc.k_dim = 64;
    desc.v_dim = 32;
    desc.prefill_tokens = prefill;
    desc.decode_tokens = decode;
    kvant_cache_bytes bytes = KVANT_CACHE_BYTES_INIT;
    kvant_status status = kvant_cache_plan(&desc, &bytes);
    if (status == KVANT_OK) {
        FUZZ_CHECK(bytes.bytes == bytes.codes + bytes.parameters + bytes.maps + bytes.window +
                                      bytes.padding + bytes.scratch);
        FUZZ_CHECK(isfinite(bytes.ratio) && isfinite(bytes.bits_per_value));
    } else {
        FUZZ_CHECK(status == KVANT_ERROR_INVALID_ARGUMENT || status == KVANT_ERROR_LIMIT);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char text[1024];
    if (!fuzz_text(data, size, text, sizeof text)) {
        return 0;
    }
    kvant_recipe recipe = KVANT_RECIPE_INIT;
    kvant_status status = kvant_recipe_parse(text, &recipe);
    if (status != KVANT_OK) {
        FUZZ_CHECK(status == KVANT_ERROR_UNKNOWN_RECIPE || status == KVANT_ERROR_INVALID_ARGUMENT);
        FUZZ_CHECK(kvant_last_message()[0] != '\0');
        return 0;
    }
    print_and_parse(&recipe);
    plan(&recipe, 100, 64);
    plan(&recipe, 0, 1000);
    plan(&recipe, 1, 0);
    return 0;
}
