/* SPDX-License-Identifier: MIT
 *
 * The named recipes, and the rules that every recipe keeps. docs/recipes.md explains each.
 */
#include "recipe_classes.h"
#include "recipe_internal.h"

#include <math.h>
#include <string.h>

#include "diag.h"
#include "layout.h"
#include "validate.h"

#define RULE_F16                                                                                   \
    {                                                                                              \
        KVANT_CODEC_F16, KVANT_CODEC_NONE, KVANT_GROUPING_TOKEN, 0, KVANT_TRANSFORM_NONE           \
    }

static const kvant_named_recipe named[] = {
    {"f16",
     "uncompressed half precision, the baseline",
     {
         .struct_size = sizeof(kvant_recipe),
         .k = RULE_F16,
         .v = RULE_F16,
     }},
    {"int8-token",
     "symmetric 8 bit, one scale a token",
     {
         .struct_size = sizeof(kvant_recipe),
         .k = {KVANT_CODEC_INT8_SYMMETRIC, KVANT_CODEC_NONE, KVANT_GROUPING_TOKEN, 0,
               KVANT_TRANSFORM_NONE},
         .v = {KVANT_CODEC_INT8_SYMMETRIC, KVANT_CODEC_NONE, KVANT_GROUPING_TOKEN, 0,
               KVANT_TRANSFORM_NONE},
         .period = 32,
     }},
    {"int4",
     "4 bit per token and head",
     {
         .struct_size = sizeof(kvant_recipe),
         .k = {KVANT_CODEC_INT4, KVANT_CODEC_NONE, KVANT_GROUPING_TOKEN_HEAD, 0,
               KVANT_TRANSFORM_NONE},
         .v = {KVANT_CODEC_INT4, KVANT_CODEC_NONE, KVANT_GROUPING_TOKEN_HEAD, 0,
               KVANT_TRANSFORM_NONE},
         .period = 32,
     }},
    {"kivi2",
     "KIVI: 2 bit, K per channel of 32 tokens, V per token of 32 channels, 128 tokens f16",
     {
         .struct_size = sizeof(kvant_recipe),
         .k = {KVANT_CODEC_INT2, KVANT_CODEC_NONE, KVANT_GROUPING_CHANNEL_TOKENS, 32,
               KVANT_TRANSFORM_NONE},
         .v = {KVANT_CODEC_INT2, KVANT_CODEC_NONE, KVANT_GROUPING_TOKEN_CHANNELS, 32,
               KVANT_TRANSFORM_NONE},
         .window = 128,
         .period = 32,
     }},
    {"kivi4",
     "KIVI at 4 bit",
     {
         .struct_size = sizeof(kvant_recipe),
         .k = {KVANT_CODEC_INT4, KVANT_CODEC_NONE, KVANT_GROUPING_CHANNEL_TOKENS, 32,
               KVANT_TRANSFORM_NONE},
         .v = {KVANT_CODEC_INT4, KVANT_CODEC_NONE, KVANT_GROUPING_TOKEN_CHANNELS, 32,
               KVANT_TRANSFORM_NONE},
         .window = 128,
         .period = 32,
     }},
    {"zipcache",
     "ZipCache: 60 % salient tokens 4 bit, the rest 2 bit; K per channel, V channel-separable",
     {
         .struct_size = sizeof(kvant_recipe),
         .k = {KVANT_CODEC_INT2, KVANT_CODEC_INT4, KVANT_GROUPING_CHANNEL_SEGMENT, 0,
               KVANT_TRANSFORM_NONE},
         .v = {KVANT_CODEC_INT2, KVANT_CODEC_INT4, KVANT_GROUPING_TOKEN, 0, KVANT_TRANSFORM_CST},
         .period = 100,
         .salient_share = 0.6,
         .probes_random = 0.05,
         .probes_recent = 0.05,
         .normaliser = KVANT_NORMALISER_PROBES,
         .heads = KVANT_HEADS_ALL,
     }},
    {"range",
     "zipcache's bits, salient by the value range of K and V: no queries needed",
     {
         .struct_size = sizeof(kvant_recipe),
         .k = {KVANT_CODEC_INT2, KVANT_CODEC_INT4, KVANT_GROUPING_CHANNEL_SEGMENT, 0,
               KVANT_TRANSFORM_NONE},
         .v = {KVANT_CODEC_INT2, KVANT_CODEC_INT4, KVANT_GROUPING_TOKEN, 0, KVANT_TRANSFORM_CST},
         .period = 100,
         .salient_share = 0.6,
         .score = KVANT_SCORE_RANGE,
         .score_of = KVANT_SCORE_OF_BOTH,
     }},
    {"hybrid",
     "zipcache, salient by attention and by value range in equal parts",
     {
         .struct_size = sizeof(kvant_recipe),
         .k = {KVANT_CODEC_INT2, KVANT_CODEC_INT4, KVANT_GROUPING_CHANNEL_SEGMENT, 0,
               KVANT_TRANSFORM_NONE},
         .v = {KVANT_CODEC_INT2, KVANT_CODEC_INT4, KVANT_GROUPING_TOKEN, 0, KVANT_TRANSFORM_CST},
         .period = 100,
         .salient_share = 0.6,
         .probes_random = 0.05,
         .probes_recent = 0.05,
         .normaliser = KVANT_NORMALISER_PROBES,
         .heads = KVANT_HEADS_ALL,
         .score = KVANT_SCORE_RANGE,
         .score_of = KVANT_SCORE_OF_BOTH,
         .blend = 0.5,
     }},
    {"int8-head",
     "symmetric 8 bit, one scale a token and head",
     {
         .struct_size = sizeof(kvant_recipe),
         .k = {KVANT_CODEC_INT8_SYMMETRIC, KVANT_CODEC_NONE, KVANT_GROUPING_TOKEN_HEAD, 0,
               KVANT_TRANSFORM_NONE},
         .v = {KVANT_CODEC_INT8_SYMMETRIC, KVANT_CODEC_NONE, KVANT_GROUPING_TOKEN_HEAD, 0,
               KVANT_TRANSFORM_NONE},
         .period = 32,
     }},
    {"int8-channel",
     "symmetric 8 bit, one scale a channel of the prompt, and of every 128 tokens after it",
     {
         .struct_size = sizeof(kvant_recipe),
         .k = {KVANT_CODEC_INT8_SYMMETRIC, KVANT_CODEC_NONE, KVANT_GROUPING_CHANNEL_SEGMENT, 0,
               KVANT_TRANSFORM_NONE},
         .v = {KVANT_CODEC_INT8_SYMMETRIC, KVANT_CODEC_NONE, KVANT_GROUPING_CHANNEL_SEGMENT, 0,
               KVANT_TRANSFORM_NONE},
         .period = 128,
     }},
    {"smooth8",
     "symmetric 8 bit a token, K's channels smoothed against those of the queries",
     {
         .struct_size = sizeof(kvant_recipe),
         .k = {KVANT_CODEC_INT8_SYMMETRIC, KVANT_CODEC_NONE, KVANT_GROUPING_TOKEN, 0,
               KVANT_TRANSFORM_SMOOTH},
         .v = {KVANT_CODEC_INT8_SYMMETRIC, KVANT_CODEC_NONE, KVANT_GROUPING_TOKEN, 0,
               KVANT_TRANSFORM_NONE},
         .period = 32,
     }},
    {"rotate",
     "int4 after a Hadamard rotation of K and V, which spreads outlier channels",
     {
         .struct_size = sizeof(kvant_recipe),
         .k = {KVANT_CODEC_INT4, KVANT_CODEC_NONE, KVANT_GROUPING_TOKEN_HEAD, 0,
               KVANT_TRANSFORM_ROTATE},
         .v = {KVANT_CODEC_INT4, KVANT_CODEC_NONE, KVANT_GROUPING_TOKEN_HEAD, 0,
               KVANT_TRANSFORM_ROTATE},
         .period = 32,
     }},
    {"nf4",
     "NormalFloat 4 bit per 64 channels of a token, as QLoRA stores weights",
     {
         .struct_size = sizeof(kvant_recipe),
         .k = {KVANT_CODEC_NF4, KVANT_CODEC_NONE, KVANT_GROUPING_TOKEN_CHANNELS, 64,
               KVANT_TRANSFORM_NONE},
         .v = {KVANT_CODEC_NF4, KVANT_CODEC_NONE, KVANT_GROUPING_TOKEN_CHANNELS, 64,
               KVANT_TRANSFORM_NONE},
         .period = 32,
     }},
    {"fp4",
     "E2M1 floats per 32 channels of a token",
     {
         .struct_size = sizeof(kvant_recipe),
         .k = {KVANT_CODEC_FP4, KVANT_CODEC_NONE, KVANT_GROUPING_TOKEN_CHANNELS, 32,
               KVANT_TRANSFORM_NONE},
         .v = {KVANT_CODEC_FP4, KVANT_CODEC_NONE, KVANT_GROUPING_TOKEN_CHANNELS, 32,
               KVANT_TRANSFORM_NONE},
         .period = 32,
     }},
    {"mxfp4",
     "OCP MXFP4: E2M1 per 32 channels, scales are powers of two",
     {
         .struct_size = sizeof(kvant_recipe),
         .k = {KVANT_CODEC_MXFP4, KVANT_CODEC_NONE, KVANT_GROUPING_TOKEN_CHANNELS, 32,
               KVANT_TRANSFORM_NONE},
         .v = {KVANT_CODEC_MXFP4, KVANT_CODEC_NONE, KVANT_GROUPING_TOKEN_CHANNELS, 32,
               KVANT_TRANSFORM_NONE},
         .period = 32,
     }},
    {"nvfp4",
     "NVFP4: E2M1 per 16 channels, scales of 4 significant bits",
     {
         .struct_size = sizeof(kvant_recipe),
         .k = {KVANT_CODEC_NVFP4, KVANT_CODEC_NONE, KVANT_GROUPING_TOKEN_CHANNELS, 16,
               KVANT_TRANSFORM_NONE},
         .v = {KVANT_CODEC_NVFP4, KVANT_CODEC_NONE, KVANT_GROUPING_TOKEN_CHANNELS, 16,
               KVANT_TRANSFORM_NONE},
         .period = 32,
     }},
    {"streaming",
     "StreamingLLM: 4 sinks and a sliding window, all else evicted",
     {
         .struct_size = sizeof(kvant_recipe),
         .k = {.regular = KVANT_CODEC_DROP},
         .v = {.regular = KVANT_CODEC_DROP},
         .window = 252,
         .period = 4,
         .sinks = 4,
     }},
    {"h2o",
     "H2O: 20 % heavy hitters by accumulated attention and a window f16, the rest evicted",
     {
         .struct_size = sizeof(kvant_recipe),
         .k = {.regular = KVANT_CODEC_DROP, .salient = KVANT_CODEC_F16},
         .v = {.regular = KVANT_CODEC_DROP, .salient = KVANT_CODEC_F16},
         .window = 64,
         .period = 32,
         .salient_share = 0.2,
         .probes_random = 1.0,
         .normaliser = KVANT_NORMALISER_NONE,
         .heads = KVANT_HEADS_GROUP,
     }},
    {"snapkv",
     "SnapKV: of a prompt its last 32 tokens and the 25 % that these attend to most, f16",
     {
         .struct_size = sizeof(kvant_recipe),
         .k = {.regular = KVANT_CODEC_DROP, .salient = KVANT_CODEC_F16},
         .v = {.regular = KVANT_CODEC_DROP, .salient = KVANT_CODEC_F16},
         .window = 32,
         .salient_share = 0.25,
         .normaliser = KVANT_NORMALISER_NONE,
         .heads = KVANT_HEADS_GROUP,
         .pooling = KVANT_POOLING_MEAN,
         .pool_tokens = 5,
         .probes_newest = 32,
     }},
    {"duo",
     "DuoAttention: the upper half of the heads keeps 128 sinks and 256 tokens, the rest all; f16",
     {
         .struct_size = sizeof(kvant_recipe),
         .k = RULE_F16,
         .v = RULE_F16,
         .window = 252,
         .period = 4,
         .sinks = 128,
         .stream = {{.heads = KVANT_STREAM_HALF}},
     }},
    {"mikv",
     "MiKV: 20 % of the tokens by accumulated attention f16, the rest 2 bit a token",
     {
         .struct_size = sizeof(kvant_recipe),
         .k = {KVANT_CODEC_INT2, KVANT_CODEC_F16, KVANT_GROUPING_TOKEN_HEAD, 0,
               KVANT_TRANSFORM_NONE},
         .v = {KVANT_CODEC_INT2, KVANT_CODEC_F16, KVANT_GROUPING_TOKEN_HEAD, 0,
               KVANT_TRANSFORM_NONE},
         .period = 32,
         .salient_share = 0.2,
         .probes_random = 1.0,
         .normaliser = KVANT_NORMALISER_NONE,
         .heads = KVANT_HEADS_GROUP,
     }},
    {"adaptive",
     "8, 4 and 2 bit by attention, decided again every 128 tokens: codes are demoted, or promoted",
     {
         .struct_size = sizeof(kvant_recipe),
         .k = {KVANT_CODEC_INT2, KVANT_CODEC_INT4, KVANT_GROUPING_TOKEN_HEAD, 0,
               KVANT_TRANSFORM_NONE},
         .v = {KVANT_CODEC_INT2, KVANT_CODEC_INT4, KVANT_GROUPING_TOKEN_HEAD, 0,
               KVANT_TRANSFORM_NONE},
         .window = 32,
         .period = 32,
         .salient_share = 0.5,
         .probes_random = 0.05,
         .probes_recent = 0.05,
         .normaliser = KVANT_NORMALISER_PROBES,
         .heads = KVANT_HEADS_ALL,
         .top_share = 0.125,
         .top_k = KVANT_CODEC_INT8,
         .top_v = KVANT_CODEC_INT8,
         .reevaluate = 128,
     }},
    {"nuq",
     "KVQuant-like: 16 levels by k-means, K per channel, V per token",
     {
         .struct_size = sizeof(kvant_recipe),
         .k = {KVANT_CODEC_NUQ4, KVANT_CODEC_NONE, KVANT_GROUPING_CHANNEL_SEGMENT, 0,
               KVANT_TRANSFORM_NONE},
         .v = {KVANT_CODEC_NUQ4, KVANT_CODEC_NONE, KVANT_GROUPING_TOKEN, 0, KVANT_TRANSFORM_NONE},
         .period = 128,
     }},
    {"turboquant",
     "TurboQuant-like: rotated heads, 16 Lloyd-Max levels, a norm a token and head",
     {
         .struct_size = sizeof(kvant_recipe),
         .k = {KVANT_CODEC_LLOYD4, KVANT_CODEC_NONE, KVANT_GROUPING_TOKEN_HEAD, 0,
               KVANT_TRANSFORM_ROTATE},
         .v = {KVANT_CODEC_LLOYD4, KVANT_CODEC_NONE, KVANT_GROUPING_TOKEN_HEAD, 0,
               KVANT_TRANSFORM_ROTATE},
         .period = 32,
     }},
    {"intrinsic",
     "4 levels, extremes and modes, per 32 tokens of a channel of K and per token and head of V",
     {
         .struct_size = sizeof(kvant_recipe),
         .k = {KVANT_CODEC_INTRINSIC, KVANT_CODEC_NONE, KVANT_GROUPING_CHANNEL_TOKENS, 32,
               KVANT_TRANSFORM_NONE},
         .v = {KVANT_CODEC_INTRINSIC, KVANT_CODEC_NONE, KVANT_GROUPING_TOKEN_HEAD, 0,
               KVANT_TRANSFORM_NONE},
         .period = 128,
     }},
    {"mla",
     "multi-head latent attention: latents 8 bit per 128 channels of a token, rotary keys f16",
     {
         .struct_size = sizeof(kvant_recipe),
         .k = RULE_F16,
         .v = {KVANT_CODEC_INT8_SYMMETRIC, KVANT_CODEC_NONE, KVANT_GROUPING_TOKEN_CHANNELS, 128,
               KVANT_TRANSFORM_NONE},
         .period = 32,
         .latent = 1,
     }},
};

const kvant_named_recipe *kvant_named_recipe_at(uint32_t index)
{
    return index < sizeof named / sizeof named[0] ? &named[index] : NULL;
}

const char *kvant_recipe_name(uint32_t index)
{
    const kvant_named_recipe *entry = kvant_named_recipe_at(index);
    return entry != NULL ? entry->name : NULL;
}

const char *kvant_recipe_summary(uint32_t index)
{
    const kvant_named_recipe *entry = kvant_named_recipe_at(index);
    return entry != NULL ? entry->summary : NULL;
}

bool kvant_recipe_is_f16(const kvant_recipe *recipe)
{
    return recipe->k.regular == KVANT_CODEC_F16 && recipe->v.regular == KVANT_CODEC_F16 &&
           recipe->salient_share == 0.0 && kvant_recipe_streams(recipe) == 0;
}

bool kvant_rule_has_codes(const kvant_tensor_rule *rule)
{
    return kvant_is_quantized_codec(rule->regular) || kvant_is_quantized_codec(rule->salient);
}

bool kvant_recipe_has_two_classes(const kvant_recipe *recipe)
{
    return recipe->salient_share > 0.0 && recipe->salient_share < 1.0;
}

/* ---- checks ---- */

static kvant_status bad(const char *what, const char *reason)
{
    return kvant_fail(KVANT_ERROR_INVALID_ARGUMENT, "recipe: %s %s", what, reason);
}

static bool is_class_codec(kvant_codec codec)
{
    return codec == KVANT_CODEC_F16 || codec == KVANT_CODEC_DROP || kvant_is_quantized_codec(codec);
}

static kvant_status check_rule(const char *what, const kvant_tensor_rule *rule, bool has_salient)
{
    if (!is_class_codec(rule->regular)) {
        return bad(what, "has no known codec");
    }
    if (has_salient != (rule->salient != KVANT_CODEC_NONE)) {
        return bad(what, has_salient ? "needs a codec for salient tokens"
                                     : "has a codec for salient tokens, but salient is 0");
    }
    if (has_salient && !is_class_codec(rule->salient)) {
        return bad(what, "has no known codec for salient tokens");
    }
    if ((uint32_t)rule->grouping > KV_GROUP_CHANNEL_SEGMENT) {
        return bad(what, "has no known grouping");
    }
    if (!kvant_is_group_length(rule->grouping, rule->group_length)) {
        return bad(what, "has a group length that its grouping does not take: tok takes 8, 16 or "
                         "a multiple of 32 up to 256, chan a multiple of 32 up to 4096");
    }
    if ((kv_codec_keeps_norm((uint32_t)rule->regular) != 0u ||
         kv_codec_keeps_norm((uint32_t)rule->salient) != 0u) &&
        !kvant_keeps_norm_of(rule->grouping)) {
        return bad(what,
                   "keeps norms (lloyd), which are of a token's channels in one head: it takes "
                   "the groupings head and tok");
    }
    if ((uint32_t)rule->transform > KVANT_TRANSFORM_SMOOTH) {
        return bad(what, "has no known transform");
    }
    if (!kvant_rule_has_codes(rule) &&
        (rule->grouping != KVANT_GROUPING_TOKEN || rule->transform != KVANT_TRANSFORM_NONE)) {
        return bad(what, "is f16 or dropped, which takes no grouping or transform");
    }
    if ((rule->transform == KVANT_TRANSFORM_CST || rule->transform == KVANT_TRANSFORM_SMOOTH) &&
        kv_is_channelwise((uint32_t)rule->grouping) != 0u) {
        return bad(what, "has channel scales (cst, smooth) and parameters per channel; choose one");
    }
    return KVANT_OK;
}

/* A token is f16 or gone as a whole. */
static kvant_status check_class(const char *what, kvant_codec k, kvant_codec v)
{
    if ((k == KVANT_CODEC_F16) != (v == KVANT_CODEC_F16)) {
        return bad(what, "must be f16 in k and v, or in neither");
    }
    if ((k == KVANT_CODEC_DROP) != (v == KVANT_CODEC_DROP)) {
        return bad(what, "must be dropped in k and v, or in neither");
    }
    return KVANT_OK;
}

static kvant_status check_f16(const kvant_recipe *recipe)
{
    if (recipe->window != 0 || recipe->period != 0 || recipe->sinks != 0) {
        return bad("f16", "keeps every token: window, period, sinks and salient must be 0");
    }
    return KVANT_OK;
}

static bool is_share(double x)
{
    return isfinite(x) && x >= 0.0 && x <= 1.0;
}

static kvant_status check_policy(const kvant_recipe *recipe)
{
    if (recipe->period % KV_TOKEN_QUAD != 0 || recipe->period > KVANT_RECIPE_MAX_TOKENS) {
        return bad("period", "must be a multiple of 4, up to 1048576");
    }
    if (recipe->window > KVANT_RECIPE_MAX_TOKENS || recipe->sinks > KVANT_RECIPE_MAX_TOKENS ||
        recipe->probes_newest > KVANT_RECIPE_MAX_TOKENS) {
        return bad("window, sinks or newest", "exceed 1048576 tokens");
    }
    const kvant_tensor_rule *rules[2] = {&recipe->k, &recipe->v};
    for (int i = 0; i < 2; i++) {
        if (rules[i]->grouping == KVANT_GROUPING_CHANNEL_TOKENS &&
            recipe->period % rules[i]->group_length != 0) {
            return bad("period", "must be a multiple of the tokens that a chan group takes");
        }
    }
    /* a budget may lower a share of 1 */
    bool two_classes = kvant_recipe_has_two_classes(recipe) || recipe->budget != 0.0;
    bool by_attention = recipe->score == KVANT_SCORE_ATTENTION || recipe->blend > 0.0;
    if (two_classes && by_attention && recipe->probes_newest == 0 &&
        recipe->probes_random + recipe->probes_recent <= 0.0) {
        return bad("salient", "needs probe rows: random, recent or newest above 0");
    }
    for (int i = 0; i < 2 && two_classes; i++) {
        if (recipe->heads == KVANT_HEADS_GROUP && kvant_rule_has_codes(rules[i]) &&
            rules[i]->grouping == KVANT_GROUPING_TOKEN) {
            return bad("heads=group", "needs parameters per head, not the grouping token");
        }
    }
    return KVANT_OK;
}

kvant_status kvant_recipe_check(const kvant_recipe *recipe)
{
    if (recipe == NULL || recipe->struct_size != sizeof *recipe) {
        return kvant_fail(KVANT_ERROR_INVALID_ARGUMENT,
                          "a kvant_recipe with its struct_size is needed");
    }
    if (!is_share(recipe->salient_share) || !is_share(recipe->probes_random) ||
        !is_share(recipe->probes_recent) || recipe->probes_random + recipe->probes_recent > 1.0) {
        return bad("salient, random and recent",
                   "are shares from 0 to 1, probes at most 1 together");
    }
    if ((uint32_t)recipe->normaliser > KVANT_NORMALISER_PROBES ||
        (uint32_t)recipe->heads > KVANT_HEADS_GROUP) {
        return bad("norm or heads", "has no known value");
    }
    bool has_salient = recipe->salient_share > 0.0;
    kvant_status status = kvant_recipe_check_score(recipe);
    if (status == KVANT_OK) {
        status = check_rule("k", &recipe->k, has_salient);
    }
    if (status == KVANT_OK) {
        status = check_rule("v", &recipe->v, has_salient);
    }
    if (status == KVANT_OK) {
        status = kvant_recipe_check_shares(recipe);
    }
    if (status == KVANT_OK) {
        status = kvant_recipe_check_top(recipe);
    }
    if (status == KVANT_OK) {
        status = kvant_recipe_check_layers(recipe);
    }
    if (status == KVANT_OK) {
        status = kvant_recipe_check_stream(recipe);
    }
    if (status == KVANT_OK) {
        status = kvant_recipe_check_latent(recipe);
    }
    if (status == KVANT_OK && recipe->latent == 0) {
        status = check_class("each regular token", recipe->k.regular, recipe->v.regular);
    }
    if (status == KVANT_OK) {
        status = check_class("each salient token", recipe->k.salient, recipe->v.salient);
    }
    if (status == KVANT_OK && recipe->v.transform == KVANT_TRANSFORM_SMOOTH) {
        status = bad("v", "is smooth, which looks at queries; V meets none, cst is its like");
    }
    if (status != KVANT_OK) {
        return status;
    }
    return kvant_recipe_is_f16(recipe) ? check_f16(recipe) : check_policy(recipe);
}
