/* SPDX-License-Identifier: MIT
 *
 * How a recipe judges tokens: what its choices mean, their rules, and their text.
 */
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "layout.h"
#include "params.h"
#include "recipe_internal.h"
#include "recipe_words.h"
#include "validate.h"

#define PERCENTILE_NOT_GIVEN 0.995

static const kvant_recipe_word scores[] = {{"attention", KVANT_SCORE_ATTENTION},
                                           {"range", KVANT_SCORE_RANGE},
                                           {"outliers", KVANT_SCORE_OUTLIERS},
                                           {"locality", KVANT_SCORE_LOCALITY},
                                           {NULL, 0}};
static const kvant_recipe_word sources[] = {
    {"k", KVANT_SCORE_OF_K}, {"v", KVANT_SCORE_OF_V}, {"kv", KVANT_SCORE_OF_BOTH}, {NULL, 0}};

/* ---- meaning ---- */

static bool is_by_numbers(const kvant_recipe *recipe)
{
    return recipe->score == KVANT_SCORE_RANGE || recipe->score == KVANT_SCORE_OUTLIERS;
}

bool kvant_recipe_needs_attention(const kvant_recipe *recipe)
{
    return kvant_recipe_has_two_classes(recipe) &&
           (recipe->score == KVANT_SCORE_ATTENTION || recipe->blend > 0.0);
}

kvant_score_weights kvant_recipe_weights(const kvant_recipe *recipe)
{
    kvant_score_weights weights = {{0, 0, 0}, 0};
    uint32_t attention = recipe->score == KVANT_SCORE_ATTENTION
                             ? KV_BLEND_ONE
                             : (uint32_t)floor(recipe->blend * (double)KV_BLEND_ONE + 0.5);
    uint32_t rest = is_by_numbers(recipe) ? KV_BLEND_ONE - attention : 0u;
    weights.of[KVANT_PART_ATTENTION] = attention;
    if (recipe->score_of != KVANT_SCORE_OF_V) {
        weights.of[KVANT_PART_K] = recipe->score_of == KVANT_SCORE_OF_BOTH ? rest / 2u : rest;
    }
    if (recipe->score_of != KVANT_SCORE_OF_K) {
        weights.of[KVANT_PART_V] = rest - weights.of[KVANT_PART_K];
    }
    for (int i = 0; i < KVANT_PARTS; i++) {
        weights.parts += weights.of[i] != 0u ? 1u : 0u;
    }
    return weights;
}

/* ---- rules ---- */

static kvant_status bad(const char *reason)
{
    return kvant_fail(KVANT_ERROR_INVALID_ARGUMENT, "recipe: %s", reason);
}

static kvant_status check_pooling(const kvant_recipe *recipe)
{
    kvant_status status = kvant_check_pooling(recipe->pooling, recipe->pool_tokens);
    if (status != KVANT_OK || recipe->pooling == KVANT_POOLING_NONE) {
        return status;
    }
    if (recipe->score != KVANT_SCORE_ATTENTION && recipe->blend == 0.0) {
        return bad("pool is of summed attention, which this score does not use");
    }
    return KVANT_OK;
}

/* Bits of a code; none where the class is evicted. */
static uint32_t bits_of(kvant_codec codec)
{
    return codec == KVANT_CODEC_DROP ? 0u : kv_codec_bits((uint32_t)codec);
}

/* A budget buys salient tokens, so these must be what costs. */
static kvant_status check_budget(const kvant_recipe *recipe)
{
    if (!(recipe->budget > 0.0 && recipe->budget <= 16.0 && recipe->salient_share > 0.0)) {
        return bad("budget is bits a value, at most 16, and salient the largest share that it may "
                   "buy");
    }
    if (bits_of(recipe->k.salient) <= bits_of(recipe->k.regular) ||
        bits_of(recipe->v.salient) <= bits_of(recipe->v.regular)) {
        return bad("budget needs salient codecs of more bits than the regular ones");
    }
    return KVANT_OK;
}

kvant_status kvant_recipe_check_score(const kvant_recipe *recipe)
{
    if ((uint32_t)recipe->score > KVANT_SCORE_LOCALITY ||
        (uint32_t)recipe->score_of > KVANT_SCORE_OF_BOTH) {
        return bad("score or of has no known value");
    }
    if (!is_by_numbers(recipe) && (recipe->score_of != KVANT_SCORE_OF_K || recipe->blend != 0.0)) {
        return bad("of and blend go with score=range or score=outliers");
    }
    if (recipe->score == KVANT_SCORE_OUTLIERS
            ? !(recipe->percentile > 0.0 && recipe->percentile < 1.0)
            : recipe->percentile != 0.0) {
        return bad("percentile goes with score=outliers, and lies between 0 and 1");
    }
    double step = 1.0 / (double)KV_BLEND_ONE;
    if (recipe->blend != 0.0 && !(recipe->blend >= step && recipe->blend <= 1.0 - step)) {
        return bad("blend is the weight of attention, from 1/256 to 255/256, or 0");
    }
    if (recipe->budget != 0.0) {
        return check_budget(recipe);
    }
    return check_pooling(recipe);
}

/* ---- text ---- */

/* "none", "avg7", "max5" */
static bool parse_pooling(const char *value, kvant_recipe *recipe)
{
    uint64_t tokens = 0;
    if (strcmp(value, "none") == 0) {
        recipe->pooling = KVANT_POOLING_NONE;
    } else if (strncmp(value, "avg", 3) == 0 && kvant_recipe_integer(value + 3, 999, &tokens)) {
        recipe->pooling = KVANT_POOLING_MEAN;
    } else if (strncmp(value, "max", 3) == 0 && kvant_recipe_integer(value + 3, 999, &tokens)) {
        recipe->pooling = KVANT_POOLING_MAX;
    } else {
        return false;
    }
    recipe->pool_tokens = (uint32_t)tokens;
    return true;
}

bool kvant_recipe_score_key(const char *key, const char *value, kvant_recipe *recipe,
                            const char **out_expected)
{
    int choice;
    *out_expected = NULL;
    if (strcmp(key, "pool") == 0) {
        *out_expected = parse_pooling(value, recipe) ? NULL : "none, avg<n> or max<n>";
    } else if (strcmp(key, "score") == 0) {
        if (!kvant_recipe_look_up(scores, value, &choice)) {
            *out_expected = "attention, range, outliers or locality";
            return true;
        }
        recipe->score = (kvant_score)choice;
    } else if (strcmp(key, "of") == 0) {
        if (!kvant_recipe_look_up(sources, value, &choice)) {
            *out_expected = "k, v or kv";
            return true;
        }
        recipe->score_of = (kvant_score_source)choice;
    } else if (strcmp(key, "percentile") == 0) {
        *out_expected =
            kvant_recipe_number(value, 1.0, &recipe->percentile) ? NULL : "a share from 0 to 1";
    } else if (strcmp(key, "budget") == 0) {
        *out_expected =
            kvant_recipe_number(value, 16.0, &recipe->budget) ? NULL : "bits a value, at most 16";
    } else if (strcmp(key, "blend") == 0) {
        *out_expected =
            kvant_recipe_number(value, 1.0, &recipe->blend) ? NULL : "a share from 0 to 1";
    } else {
        return false;
    }
    return true;
}

void kvant_recipe_score_defaults(kvant_recipe *recipe)
{
    if (recipe->score == KVANT_SCORE_OUTLIERS && recipe->percentile == 0.0) {
        recipe->percentile = PERCENTILE_NOT_GIVEN;
    }
}

void kvant_recipe_write_score(kvant_recipe_printer *p, const kvant_recipe *recipe)
{
    if (recipe->pooling != KVANT_POOLING_NONE) {
        kvant_recipe_write(p, ",pool=%s%" PRIu32,
                           recipe->pooling == KVANT_POOLING_MEAN ? "avg" : "max",
                           recipe->pool_tokens);
    }
    if (recipe->score != KVANT_SCORE_ATTENTION) {
        kvant_recipe_write(p, ",score=%s", kvant_recipe_name_of(scores, (int)recipe->score));
    }
    if (recipe->score_of != KVANT_SCORE_OF_K) {
        kvant_recipe_write(p, ",of=%s", kvant_recipe_name_of(sources, (int)recipe->score_of));
    }
    if (recipe->percentile > 0.0) {
        kvant_recipe_write_number(p, "percentile", recipe->percentile);
    }
    if (recipe->blend > 0.0) {
        kvant_recipe_write_number(p, "blend", recipe->blend);
    }
    if (recipe->budget > 0.0) {
        kvant_recipe_write_number(p, "budget", recipe->budget);
    }
}

bool kvant_recipe_same_score(const kvant_recipe *a, const kvant_recipe *b)
{
    return a->pooling == b->pooling && a->pool_tokens == b->pool_tokens && a->score == b->score &&
           a->score_of == b->score_of && a->percentile == b->percentile && a->blend == b->blend &&
           a->budget == b->budget;
}
