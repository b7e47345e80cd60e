/* SPDX-License-Identifier: MIT
 *
 * The class above the salient tokens, and how often all classes are decided again.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "diag.h"
#include "layout.h"
#include "recipe_classes.h"
#include "recipe_internal.h"

static const kvant_recipe_word codecs[] = {
    {"int2", KVANT_CODEC_INT2}, {"int4", KVANT_CODEC_INT4}, {"int8", KVANT_CODEC_INT8}, {NULL, 0}};

/* ---- rules ---- */

static kvant_status bad(const char *reason)
{
    return kvant_fail(KVANT_ERROR_INVALID_ARGUMENT, "recipe: %s", reason);
}

static bool is_plain_integer(kvant_codec codec)
{
    return codec == KVANT_CODEC_INT2 || codec == KVANT_CODEC_INT4 || codec == KVANT_CODEC_INT8;
}

static kvant_status check_top(const kvant_recipe *recipe)
{
    if (!kvant_recipe_has_top(recipe)) {
        return recipe->top_k == KVANT_CODEC_NONE && recipe->top_v == KVANT_CODEC_NONE
                   ? KVANT_OK
                   : bad("top has a codec, but its share is 0");
    }
    if (!(recipe->top_share > 0.0 && recipe->top_share <= recipe->salient_share &&
          recipe->salient_share < 1.0)) {
        return bad("top is a share of the tokens above 0, at most salient, which is below 1");
    }
    if (!is_plain_integer(recipe->top_k) || !is_plain_integer(recipe->top_v) ||
        !kvant_rule_has_codes(&recipe->k) || !kvant_rule_has_codes(&recipe->v)) {
        return bad("top is int2, int4 or int8, and in need of a grouping in k and v");
    }
    if (recipe->top_k != recipe->top_v || kvant_recipe_has_two_shares(recipe)) {
        return bad("top has one codec and one share for K and V, and so has salient then");
    }
    return KVANT_OK;
}

/* Nested codes: of integers with a scale and a minimum, of groups that move with their token. */
static kvant_status check_nested(const kvant_recipe *recipe, const kvant_tensor_rule *rule,
                                 kvant_codec top)
{
    uint32_t bits[3] = {kv_codec_bits((uint32_t)top), kv_codec_bits((uint32_t)rule->salient),
                        kv_codec_bits((uint32_t)rule->regular)};
    if (!is_plain_integer(rule->regular) || !is_plain_integer(rule->salient)) {
        return bad("reevaluate needs int2, int4 or int8 in every class: their codes are nested");
    }
    if (bits[1] < bits[2] || (kvant_recipe_has_top(recipe) && bits[0] < bits[1])) {
        return bad("reevaluate needs codecs of more bits, or as many, in the better class");
    }
    if (kv_is_channelwise((uint32_t)rule->grouping) != 0u ||
        rule->transform == KVANT_TRANSFORM_CST) {
        return bad("reevaluate needs parameters of each token (token, head, tok<n>), and no cst");
    }
    return KVANT_OK;
}

static kvant_status check_reevaluation(const kvant_recipe *recipe)
{
    if (recipe->reevaluate == 0) {
        return KVANT_OK;
    }
    if (recipe->period == 0 || recipe->reevaluate % recipe->period != 0 ||
        recipe->reevaluate > KVANT_RECIPE_MAX_TOKENS) {
        return bad("reevaluate must be a multiple of period, up to 1048576");
    }
    if (!kvant_recipe_has_two_classes(recipe) || recipe->score != KVANT_SCORE_ATTENTION ||
        recipe->budget != 0.0) {
        return bad("reevaluate needs salient and regular tokens, told apart by attention, and no "
                   "budget");
    }
    if (kvant_recipe_streams(recipe) != 0) {
        return bad("reevaluate and stream do not go together");
    }
    kvant_status status = check_nested(recipe, &recipe->k, recipe->top_k);
    return status == KVANT_OK ? check_nested(recipe, &recipe->v, recipe->top_v) : status;
}

kvant_status kvant_recipe_check_top(const kvant_recipe *recipe)
{
    kvant_status status = check_top(recipe);
    return status == KVANT_OK ? check_reevaluation(recipe) : status;
}

/* ---- text ---- */

/* "int8/0.2" */
static bool parse_top(const char *value, kvant_recipe *recipe)
{
    char name[8];
    int codec;
    size_t length = strcspn(value, "/");
    if (length >= sizeof name || value[length] != '/') {
        return false;
    }
    memcpy(name, value, length);
    name[length] = '\0';
    if (!kvant_recipe_look_up(codecs, name, &codec) ||
        !kvant_recipe_number(value + length + 1u, 1.0, &recipe->top_share)) {
        return false;
    }
    bool is_none = recipe->top_share == 0.0;
    recipe->top_k = is_none ? KVANT_CODEC_NONE : (kvant_codec)codec;
    recipe->top_v = recipe->top_k;
    return true;
}

bool kvant_recipe_top_key(const char *key, const char *value, kvant_recipe *recipe,
                          const char **out_expected)
{
    *out_expected = NULL;
    if (strcmp(key, "top") == 0) {
        *out_expected =
            parse_top(value, recipe) ? NULL : "int2, int4 or int8, \"/\" and a share from 0 to 1";
    } else if (strcmp(key, "reevaluate") == 0) {
        uint64_t tokens = 0;
        *out_expected = kvant_recipe_integer(value, KVANT_RECIPE_MAX_TOKENS, &tokens)
                            ? NULL
                            : "a number of tokens, at most 1048576";
        recipe->reevaluate = (uint32_t)tokens;
    } else {
        return false;
    }
    return true;
}

void kvant_recipe_write_top(kvant_recipe_printer *p, const kvant_recipe *recipe)
{
    if (kvant_recipe_has_top(recipe)) {
        kvant_recipe_write(p, ",top=%s/", kvant_recipe_name_of(codecs, (int)recipe->top_k));
        kvant_recipe_write_value(p, recipe->top_share);
    }
    if (recipe->reevaluate != 0) {
        kvant_recipe_write(p, ",reevaluate=%" PRIu32, recipe->reevaluate);
    }
}

bool kvant_recipe_same_top(const kvant_recipe *a, const kvant_recipe *b)
{
    return a->top_share == b->top_share && a->top_k == b->top_k && a->top_v == b->top_v &&
           a->reevaluate == b->reevaluate;
}
