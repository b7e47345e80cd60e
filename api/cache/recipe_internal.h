/* SPDX-License-Identifier: MIT
 *
 * What the recipe files share with the cache.
 */
#ifndef KVANT_CACHE_RECIPE_INTERNAL_H
#define KVANT_CACHE_RECIPE_INTERNAL_H

#include <stdbool.h>

#include "kvant/recipe.h"

#define KVANT_RECIPE_MAX_TOKENS 1048576u

typedef struct {
    const char *name;
    const char *summary;
    kvant_recipe recipe;
} kvant_named_recipe;

/* NULL past the last. */
const kvant_named_recipe *kvant_named_recipe_at(uint32_t index);

bool kvant_recipe_is_f16(const kvant_recipe *recipe);

/* Whether some tokens are salient and some are not, so that scores are needed. */
bool kvant_recipe_has_two_classes(const kvant_recipe *recipe);

#endif
