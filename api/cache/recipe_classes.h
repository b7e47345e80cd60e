/* SPDX-License-Identifier: MIT
 *
 * Classes of tokens: which a recipe makes, and how many tokens each gets.
 */
#ifndef KVANT_CACHE_RECIPE_CLASSES_H
#define KVANT_CACHE_RECIPE_CLASSES_H

#include <stdbool.h>

#include "kvant/recipe.h"
#include "recipe_words.h"

typedef enum {
    KVANT_CLASS_SINK,
    KVANT_CLASS_SALIENT, /* of three classes the best */
    KVANT_CLASS_BETWEEN, /* salient in K or in V alone; salient, where others are at the top */
    KVANT_CLASS_REGULAR,
    KVANT_CLASS_WINDOW
} kvant_class;

enum { KVANT_TIERS = 3 };

/* A class of compressed tokens. */
typedef struct {
    kvant_class token_class;
    kvant_codec k;
    kvant_codec v;
    uint32_t tokens;
} kvant_tier;

/* The classes of `tokens` that are compressed together, those of the largest scores first; some can
 * have no token. */
void kvant_recipe_divide(const kvant_recipe *recipe, uint32_t tokens,
                         kvant_tier tiers[KVANT_TIERS]);

/* The same, with the most tokens that each class has of any event of up to `tokens`. */
void kvant_recipe_divide_at_most(const kvant_recipe *recipe, uint32_t tokens,
                                 kvant_tier tiers[KVANT_TIERS]);

/* Whether some of the salient tokens are of a class above the others. */
bool kvant_recipe_has_top(const kvant_recipe *recipe);
/* Whether other shares of K than of V are salient. */
bool kvant_recipe_has_two_shares(const kvant_recipe *recipe);
kvant_status kvant_recipe_check_shares(const kvant_recipe *recipe);
/* The value of `salient=`: a share, or K's "/" V's; false where it is neither. */
bool kvant_recipe_parse_shares(const char *value, kvant_recipe *recipe);
void kvant_recipe_write_shares(kvant_recipe_printer *p, const kvant_recipe *recipe);

/* ---- top and re-evaluation: recipe_top.c ---- */

kvant_status kvant_recipe_check_top(const kvant_recipe *recipe);
/* Whether the key is `top` or `reevaluate`; *out_expected is what its value should have been, or NULL. */
bool kvant_recipe_top_key(const char *key, const char *value, kvant_recipe *recipe,
                          const char **out_expected);
void kvant_recipe_write_top(kvant_recipe_printer *p, const kvant_recipe *recipe);
bool kvant_recipe_same_top(const kvant_recipe *a, const kvant_recipe *b);

#endif
