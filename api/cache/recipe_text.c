/* SPDX-License-Identifier: MIT
 *
 * Recipes as text: the one parser and the one printer. kvant/recipe.h states the grammar.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "diag.h"
#include "recipe_classes.h"
#include "recipe_internal.h"
#include "recipe_words.h"

#define PERIOD_NOT_GIVEN UINT32_MAX

static const kvant_recipe_word codecs[] = {{"f16", KVANT_CODEC_F16},
                                           {"int1", KVANT_CODEC_INT1},
                                           {"int2", KVANT_CODEC_INT2},
                                           {"int3", KVANT_CODEC_INT3},
                                           {"int4", KVANT_CODEC_INT4},
                                           {"int8", KVANT_CODEC_INT8},
                                           {"int8s", KVANT_CODEC_INT8_SYMMETRIC},
                                           {"nf2", KVANT_CODEC_NF2},
                                           {"nf3", KVANT_CODEC_NF3},
                                           {"nf4", KVANT_CODEC_NF4},
                                           {"fp4", KVANT_CODEC_FP4},
                                           {"mxfp4", KVANT_CODEC_MXFP4},
                                           {"nvfp4", KVANT_CODEC_NVFP4},
                                           {"nuq4", KVANT_CODEC_NUQ4},
                                           {"nuq3", KVANT_CODEC_NUQ3},
                                           {"nuq2", KVANT_CODEC_NUQ2},
                                           {"intrinsic", KVANT_CODEC_INTRINSIC},
                                           {"literal", KVANT_CODEC_INTRINSIC_LITERAL},
                                           {"lloyd2", KVANT_CODEC_LLOYD2},
                                           {"lloyd3", KVANT_CODEC_LLOYD3},
                                           {"lloyd4", KVANT_CODEC_LLOYD4},
                                           {"drop", KVANT_CODEC_DROP},
                                           {NULL, 0}};
#define CODECS                                                                                     \
    "f16, int1, int2, int3, int4, int8, int8s, nf2, nf3, nf4, fp4, mxfp4, nvfp4, nuq4, nuq3, "     \
    "nuq2, intrinsic, literal, lloyd2, lloyd3, lloyd4 or drop"
static const kvant_recipe_word transforms[] = {{"cst", KVANT_TRANSFORM_CST},
                                               {"rot", KVANT_TRANSFORM_ROTATE},
                                               {"smooth", KVANT_TRANSFORM_SMOOTH},
                                               {NULL, 0}};
static const kvant_recipe_word normalisers[] = {{"none", KVANT_NORMALISER_NONE},
                                                {"causal", KVANT_NORMALISER_CAUSAL},
                                                {"probes", KVANT_NORMALISER_PROBES},
                                                {NULL, 0}};
static const kvant_recipe_word reductions[] = {
    {"all", KVANT_HEADS_ALL}, {"group", KVANT_HEADS_GROUP}, {NULL, 0}};

/* ---- reading ---- */

typedef struct {
    const char *text; /* the whole, for messages */
    size_t at;        /* where the current item starts */
} cursor;

static kvant_status expected(const cursor *c, size_t offset, const char *what)
{
    char names[480] = "";
    for (uint32_t i = 0; kvant_recipe_name(i) != NULL; i++) {
        size_t used = strlen(names);
        snprintf(names + used, sizeof names - used, "%s%s", i != 0 ? ", " : "",
                 kvant_recipe_name(i));
    }
    return kvant_fail(KVANT_ERROR_UNKNOWN_RECIPE,
                      "recipe \"%s\": at position %zu, expected %s (named recipes: %s)", c->text,
                      c->at + offset + 1, what, names);
}

/* "token", "head", "tok32", "chan32" or "chan". */
static bool parse_grouping(const char *text, kvant_tensor_rule *rule)
{
    static const struct {
        const char *prefix;
        kvant_grouping plain;
        kvant_grouping numbered;
        bool takes_number;
        bool needs_number;
    } forms[] = {
        {"token", KVANT_GROUPING_TOKEN, KVANT_GROUPING_TOKEN, false, false},
        {"head", KVANT_GROUPING_TOKEN_HEAD, KVANT_GROUPING_TOKEN_HEAD, false, false},
        {"tok", KVANT_GROUPING_TOKEN, KVANT_GROUPING_TOKEN_CHANNELS, true, true},
        {"chan", KVANT_GROUPING_CHANNEL_SEGMENT, KVANT_GROUPING_CHANNEL_TOKENS, true, false},
    };
    for (size_t i = 0; i < sizeof forms / sizeof forms[0]; i++) {
        size_t length = strlen(forms[i].prefix);
        if (strncmp(text, forms[i].prefix, length) != 0) {
            continue;
        }
        const char *rest = text + length;
        if (*rest == '\0' && !forms[i].needs_number) {
            rule->grouping = forms[i].plain;
            rule->group_length = 0;
            return true;
        }
        size_t digits = strspn(rest, "0123456789");
        if (forms[i].takes_number && digits > 0 && digits < 6 && rest[digits] == '\0') {
            rule->grouping = forms[i].numbered;
            rule->group_length = (uint32_t)strtoul(rest, NULL, 10);
            return true;
        }
    }
    return false;
}

/* "int2+int4/token/cst" */
static kvant_status parse_rule(const cursor *c, size_t offset, const char *value,
                               kvant_tensor_rule *out)
{
    char buffer[KVANT_RECIPE_MAX_ITEM];
    snprintf(buffer, sizeof buffer, "%s", value);
    kvant_tensor_rule rule = {KVANT_CODEC_NONE, KVANT_CODEC_NONE, KVANT_GROUPING_TOKEN, 0,
                              KVANT_TRANSFORM_NONE};

    char *grouping = strchr(buffer, '/');
    char *transform = NULL;
    if (grouping != NULL) {
        *grouping++ = '\0';
        transform = strchr(grouping, '/');
        if (transform != NULL) {
            *transform++ = '\0';
        }
    }
    char *salient = strchr(buffer, '+');
    if (salient != NULL) {
        *salient++ = '\0';
    }

    int codec;
    if (!kvant_recipe_look_up(codecs, buffer, &codec)) {
        return expected(c, offset, "a codec: " CODECS);
    }
    rule.regular = (kvant_codec)codec;
    if (salient != NULL) {
        if (!kvant_recipe_look_up(codecs, salient, &codec)) {
            return expected(c, offset + (size_t)(salient - buffer),
                            "a codec for salient tokens: " CODECS);
        }
        rule.salient = (kvant_codec)codec;
    }
    if (grouping == NULL) {
        if (kvant_rule_has_codes(&rule)) {
            return expected(c, offset + strlen(value),
                            "\"/\" and a grouping: token, head, tok<n>, chan<n> or chan");
        }
    } else if (!parse_grouping(grouping, &rule)) {
        return expected(c, offset + (size_t)(grouping - buffer),
                        "a grouping: token, head, tok<n>, chan<n> or chan");
    }
    if (transform != NULL) {
        int choice;
        if (!kvant_recipe_look_up(transforms, transform, &choice)) {
            return expected(c, offset + (size_t)(transform - buffer),
                            "a transform: cst, rot or smooth");
        }
        rule.transform = (kvant_transform)choice;
    }
    *out = rule;
    return KVANT_OK;
}

static kvant_status parse_field(const cursor *c, const char *key, const char *value,
                                kvant_recipe *recipe)
{
    size_t offset = strlen(key) + 1;
    struct {
        const char *key;
        uint32_t *value;
    } counts[] = {{"window", &recipe->window},
                  {"period", &recipe->period},
                  {"sinks", &recipe->sinks},
                  {"newest", &recipe->probes_newest}};
    struct {
        const char *key;
        double *value;
    } shares[] = {{"random", &recipe->probes_random}, {"recent", &recipe->probes_recent}};

    if (strcmp(key, "k") == 0) {
        return parse_rule(c, offset, value, &recipe->k);
    }
    if (strcmp(key, "v") == 0) {
        return parse_rule(c, offset, value, &recipe->v);
    }
    for (int i = 0; i < 4; i++) {
        uint64_t number;
        if (strcmp(key, counts[i].key) == 0) {
            if (!kvant_recipe_integer(value, KVANT_RECIPE_MAX_TOKENS, &number)) {
                return expected(c, offset, "a number of tokens, at most 1048576");
            }
            *counts[i].value = (uint32_t)number;
            return KVANT_OK;
        }
    }
    if (strcmp(key, "salient") == 0) {
        return kvant_recipe_parse_shares(value, recipe)
                   ? KVANT_OK
                   : expected(c, offset, "a share from 0 to 1, or K's \"/\" V's, both above 0");
    }
    for (int i = 0; i < 2; i++) {
        if (strcmp(key, shares[i].key) == 0) {
            return kvant_recipe_number(value, 1.0, shares[i].value)
                       ? KVANT_OK
                       : expected(c, offset, "a share from 0 to 1");
        }
    }
    int choice;
    if (strcmp(key, "norm") == 0) {
        if (!kvant_recipe_look_up(normalisers, value, &choice)) {
            return expected(c, offset, "none, causal or probes");
        }
        recipe->normaliser = (kvant_normaliser)choice;
        return KVANT_OK;
    }
    if (strcmp(key, "heads") == 0) {
        if (!kvant_recipe_look_up(reductions, value, &choice)) {
            return expected(c, offset, "all or group");
        }
        recipe->heads = (kvant_head_reduction)choice;
        return KVANT_OK;
    }
    if (strcmp(key, "seed") == 0) {
        return kvant_recipe_integer(value, UINT64_MAX, &recipe->seed)
                   ? KVANT_OK
                   : expected(c, offset, "a number");
    }
    if (strcmp(key, "layers") == 0) {
        return kvant_recipe_parse_layers(value, recipe)
                   ? KVANT_OK
                   : expected(c, offset, "up to 4 of FIRST[-LAST]:NAME, with \";\" between them");
    }
    if (strcmp(key, "stream") == 0) {
        return kvant_recipe_parse_stream(value, recipe)
                   ? KVANT_OK
                   : expected(c, offset,
                              "up to 8 of [LAYER[-LAYER]:]HEAD[-HEAD] or [LAYER[-LAYER]:]half, "
                              "with \";\" between them");
    }
    if (strcmp(key, "latent") == 0) {
        uint64_t number;
        if (!kvant_recipe_integer(value, 1, &number)) {
            return expected(c, offset, "0 or 1");
        }
        recipe->latent = (uint32_t)number;
        return KVANT_OK;
    }
    const char *wanted;
    if (kvant_recipe_top_key(key, value, recipe, &wanted)) {
        return wanted == NULL ? KVANT_OK : expected(c, offset, wanted);
    }
    if (kvant_recipe_score_key(key, value, recipe, &wanted)) {
        return wanted == NULL ? KVANT_OK : expected(c, offset, wanted);
    }
    return expected(c, 0,
                    "one of k, v, window, period, sinks, salient, random, recent, newest, norm, "
                    "heads, seed, pool, score, of, percentile, blend, budget, layers, stream, "
                    "latent, top, reevaluate");
}

static kvant_status parse_item(const cursor *c, const char *item, bool is_first,
                               kvant_recipe *recipe)
{
    const char *equals = strchr(item, '=');
    if (equals == NULL) {
        if (!is_first) {
            return expected(c, 0, "key=value");
        }
        for (uint32_t i = 0; kvant_recipe_name(i) != NULL; i++) {
            if (strcmp(item, kvant_recipe_name(i)) == 0) {
                *recipe = kvant_named_recipe_at(i)->recipe;
                return KVANT_OK;
            }
        }
        return expected(c, 0, "a named recipe, or k=");
    }
    char key[16];
    size_t length = (size_t)(equals - item);
    if (length >= sizeof key) {
        return expected(c, 0, "a known key");
    }
    memcpy(key, item, length);
    key[length] = '\0';
    return parse_field(c, key, equals + 1, recipe);
}

/* The rule of the regular class alone. */
void kvant_rule_forget_salient(kvant_tensor_rule *rule)
{
    bool had_codes = kvant_rule_has_codes(rule);
    rule->salient = KVANT_CODEC_NONE;
    if (had_codes && !kvant_rule_has_codes(rule)) {
        *rule = (kvant_tensor_rule){.regular = rule->regular};
    }
}

kvant_status kvant_recipe_parse(const char *text, kvant_recipe *out_recipe)
{
    if (text == NULL || out_recipe == NULL) {
        return kvant_fail(KVANT_ERROR_INVALID_ARGUMENT, "text or out_recipe is NULL");
    }
    kvant_recipe recipe = KVANT_RECIPE_INIT;
    recipe.k.regular = KVANT_CODEC_NONE;
    recipe.v.regular = KVANT_CODEC_NONE;
    recipe.period = PERIOD_NOT_GIVEN;

    cursor c = {text, 0};
    for (bool is_first = true;; is_first = false) {
        char item[KVANT_RECIPE_MAX_ITEM];
        size_t length = strcspn(text + c.at, ",");
        if (length >= sizeof item) {
            return expected(&c, 0, "something shorter");
        }
        memcpy(item, text + c.at, length);
        item[length] = '\0';
        kvant_status status = parse_item(&c, item, is_first, &recipe);
        if (status != KVANT_OK) {
            return status;
        }
        if (text[c.at + length] == '\0') {
            c.at += length;
            break;
        }
        c.at += length + 1;
    }
    if (recipe.k.regular == KVANT_CODEC_NONE || recipe.v.regular == KVANT_CODEC_NONE) {
        return expected(&c, 0, recipe.k.regular == KVANT_CODEC_NONE ? "k=" : "v=");
    }
    if (recipe.period == PERIOD_NOT_GIVEN) {
        recipe.period = kvant_recipe_is_f16(&recipe) ? 0 : 32;
    }
    if (recipe.salient_share == 0.0) { /* zipcache,salient=0 is its regular class alone */
        kvant_rule_forget_salient(&recipe.k);
        kvant_rule_forget_salient(&recipe.v);
    }
    kvant_recipe_score_defaults(&recipe);
    kvant_status status = kvant_recipe_check(&recipe);
    if (status == KVANT_OK) {
        *out_recipe = recipe;
    }
    return status;
}

/* ---- printing ---- */

static void print_rule(kvant_recipe_printer *p, const kvant_tensor_rule *rule)
{
    kvant_recipe_write(p, "%s", kvant_recipe_name_of(codecs, (int)rule->regular));
    if (rule->salient != KVANT_CODEC_NONE) {
        kvant_recipe_write(p, "+%s", kvant_recipe_name_of(codecs, (int)rule->salient));
    }
    if (!kvant_rule_has_codes(rule)) {
        return;
    }
    static const char *const forms[] = {"/token", "/head", "/tok", "/chan", "/chan"};
    kvant_recipe_write(p, "%s", forms[rule->grouping]);
    if (rule->group_length != 0) {
        kvant_recipe_write(p, "%" PRIu32, rule->group_length);
    }
    if (rule->transform != KVANT_TRANSFORM_NONE) {
        kvant_recipe_write(p, "/%s", kvant_recipe_name_of(transforms, (int)rule->transform));
    }
}

static bool same_rule(const kvant_tensor_rule *a, const kvant_tensor_rule *b)
{
    return a->regular == b->regular && a->salient == b->salient && a->grouping == b->grouping &&
           a->group_length == b->group_length && a->transform == b->transform;
}

static bool same_recipe(const kvant_recipe *a, const kvant_recipe *b)
{
    return same_rule(&a->k, &b->k) && same_rule(&a->v, &b->v) && a->window == b->window &&
           a->period == b->period && a->sinks == b->sinks && a->salient_share == b->salient_share &&
           a->probes_random == b->probes_random && a->probes_recent == b->probes_recent &&
           a->normaliser == b->normaliser && a->heads == b->heads && a->seed == b->seed &&
           a->probes_newest == b->probes_newest && a->latent == b->latent &&
           a->salient_share_v == b->salient_share_v && kvant_recipe_same_score(a, b) &&
           kvant_recipe_same_top(a, b) && kvant_recipe_same_layers(a, b) &&
           kvant_recipe_same_stream(a, b);
}

size_t kvant_recipe_print(const kvant_recipe *recipe, char *out_text, size_t capacity)
{
    kvant_recipe_printer p = {out_text, capacity, 0};
    if (capacity > 0) {
        out_text[0] = '\0';
    }
    if (kvant_recipe_check(recipe) != KVANT_OK) {
        kvant_recipe_write(&p, "invalid");
        return p.length;
    }
    for (uint32_t i = 0; kvant_recipe_name(i) != NULL; i++) {
        if (same_recipe(recipe, &kvant_named_recipe_at(i)->recipe)) {
            kvant_recipe_write(&p, "%s", kvant_recipe_name(i));
            return p.length;
        }
    }
    kvant_recipe_write(&p, "k=");
    print_rule(&p, &recipe->k);
    kvant_recipe_write(&p, ",v=");
    print_rule(&p, &recipe->v);
    if (!kvant_recipe_is_f16(recipe)) {
        kvant_recipe_write(&p, ",window=%" PRIu32 ",period=%" PRIu32, recipe->window,
                           recipe->period);
    }
    if (recipe->latent != 0) {
        kvant_recipe_write(&p, ",latent=1");
    }
    if (recipe->sinks != 0) {
        kvant_recipe_write(&p, ",sinks=%" PRIu32, recipe->sinks);
    }
    kvant_recipe_write_shares(&p, recipe);
    if (recipe->probes_random > 0.0) {
        kvant_recipe_write_number(&p, "random", recipe->probes_random);
    }
    if (recipe->probes_recent > 0.0) {
        kvant_recipe_write_number(&p, "recent", recipe->probes_recent);
    }
    if (recipe->probes_newest != 0) {
        kvant_recipe_write(&p, ",newest=%" PRIu32, recipe->probes_newest);
    }
    if (recipe->normaliser != KVANT_NORMALISER_NONE) {
        kvant_recipe_write(&p, ",norm=%s",
                           kvant_recipe_name_of(normalisers, (int)recipe->normaliser));
    }
    if (recipe->heads != KVANT_HEADS_ALL) {
        kvant_recipe_write(&p, ",heads=%s", kvant_recipe_name_of(reductions, (int)recipe->heads));
    }
    if (recipe->seed != 0) {
        kvant_recipe_write(&p, ",seed=%" PRIu64, recipe->seed);
    }
    kvant_recipe_write_score(&p, recipe);
    kvant_recipe_write_top(&p, recipe);
    kvant_recipe_write_layers(&p, recipe);
    kvant_recipe_write_stream(&p, recipe);
    return p.length;
}
