/* SPDX-License-Identifier: MIT
 *
 * The classes that tokens which are compressed together fall into: their codecs and numbers, and the
 * text of their shares.
 */
#include "recipe_classes.h"

#include <math.h>
#include <string.h>

#include "diag.h"

/* ---- meaning ---- */

bool kvant_recipe_has_two_shares(const kvant_recipe *recipe)
{
    return recipe->salient_share_v != 0.0;
}

bool kvant_recipe_has_top(const kvant_recipe *recipe)
{
    return recipe->top_share != 0.0;
}

/* Of `tokens`, those in the share: the others are rounded down. The small number absorbs that 1 - 0.6 is
 * not 0.4. */
static uint32_t tokens_of_share(double share, uint32_t tokens)
{
    return tokens - (uint32_t)floor((1.0 - share) * (double)tokens + 1e-6);
}

void kvant_recipe_divide(const kvant_recipe *recipe, uint32_t tokens, kvant_tier tiers[KVANT_TIERS])
{
    const kvant_tensor_rule *k = &recipe->k;
    const kvant_tensor_rule *v = &recipe->v;
    uint32_t of_k = tokens_of_share(recipe->salient_share, tokens);
    uint32_t of_v = kvant_recipe_has_two_shares(recipe)
                        ? tokens_of_share(recipe->salient_share_v, tokens)
                        : of_k;
    uint32_t of_both = of_k < of_v ? of_k : of_v;
    uint32_t of_any = of_k < of_v ? of_v : of_k;
    tiers[0] = (kvant_tier){KVANT_CLASS_SALIENT, k->salient, v->salient, of_both};
    tiers[1] = (kvant_tier){KVANT_CLASS_BETWEEN, k->salient, v->salient, of_any - of_both};
    tiers[2] = (kvant_tier){KVANT_CLASS_REGULAR, k->regular, v->regular, tokens - of_any};
    if (kvant_recipe_has_top(recipe)) {
        uint32_t top = tokens_of_share(recipe->top_share, tokens);
        top = top < of_both ? top : of_both;
        tiers[0] = (kvant_tier){KVANT_CLASS_SALIENT, recipe->top_k, recipe->top_v, top};
        tiers[1].tokens = of_both - top;
    } else if (recipe->salient_share > recipe->salient_share_v) {
        tiers[1].v = v->regular;
    } else {
        tiers[1].k = k->regular;
    }
}

/* Whether the class between the others has tokens at all, of events that are long enough. */
static bool has_between(const kvant_recipe *recipe)
{
    if (kvant_recipe_has_top(recipe)) {
        return recipe->top_share < recipe->salient_share;
    }
    return kvant_recipe_has_two_shares(recipe) && recipe->salient_share_v != recipe->salient_share;
}

/* The other classes shrink with the event. This one is the difference of two shares, each rounded: of
 * fewer tokens it can have one more, never two. */
void kvant_recipe_divide_at_most(const kvant_recipe *recipe, uint32_t tokens,
                                 kvant_tier tiers[KVANT_TIERS])
{
    kvant_recipe_divide(recipe, tokens, tiers);
    if (has_between(recipe) && tiers[1].tokens + 1u < tokens) {
        tiers[1].tokens++;
    }
}

/* ---- rules ---- */

static kvant_status bad(const char *reason)
{
    return kvant_fail(KVANT_ERROR_INVALID_ARGUMENT, "recipe: %s", reason);
}

static bool is_part(double share)
{
    return share > 0.0 && share < 1.0;
}

kvant_status kvant_recipe_check_shares(const kvant_recipe *recipe)
{
    if (!kvant_recipe_has_two_shares(recipe)) {
        return KVANT_OK;
    }
    if (!is_part(recipe->salient_share) || !is_part(recipe->salient_share_v)) {
        return bad("salient shares of K and V that differ lie between 0 and 1");
    }
    const kvant_codec whole[] = {KVANT_CODEC_F16, KVANT_CODEC_DROP};
    for (int i = 0; i < 2; i++) {
        if (recipe->k.regular == whole[i] || recipe->k.salient == whole[i]) {
            return bad("salient shares of K and V differ, so no class can be f16 or dropped: a "
                       "token is that in both");
        }
    }
    return KVANT_OK;
}

/* ---- text ---- */

bool kvant_recipe_parse_shares(const char *value, kvant_recipe *recipe)
{
    char first[40];
    double shares[2] = {0.0, 0.0};
    size_t length = strcspn(value, "/");
    if (length >= sizeof first) {
        return false;
    }
    memcpy(first, value, length);
    first[length] = '\0';
    if (!kvant_recipe_number(first, 1.0, &shares[0])) {
        return false;
    }
    if (value[length] == '/' &&
        (!kvant_recipe_number(value + length + 1u, 1.0, &shares[1]) || shares[1] == 0.0)) {
        return false;
    }
    recipe->salient_share = shares[0];
    recipe->salient_share_v = shares[1] == shares[0] ? 0.0 : shares[1];
    return true;
}

void kvant_recipe_write_shares(kvant_recipe_printer *p, const kvant_recipe *recipe)
{
    if (recipe->salient_share > 0.0) {
        kvant_recipe_write_number(p, "salient", recipe->salient_share);
    }
    if (kvant_recipe_has_two_shares(recipe)) {
        kvant_recipe_write(p, "/");
        kvant_recipe_write_value(p, recipe->salient_share_v);
    }
}
