/* SPDX-License-Identifier: MIT
 *
 * What the recipe files share with the cache.
 */
#ifndef KVANT_CACHE_RECIPE_INTERNAL_H
#define KVANT_CACHE_RECIPE_INTERNAL_H

#include <stdbool.h>

#include "kvant/recipe.h"
#include "recipe_words.h"

#define KVANT_RECIPE_MAX_TOKENS 1048576u

typedef struct {
    const char *name;
    const char *summary;
    kvant_recipe recipe;
} kvant_named_recipe;

/* NULL past the last. */
const kvant_named_recipe *kvant_named_recipe_at(uint32_t index);

/* Whether every token stays f16, in every head. */
bool kvant_recipe_is_f16(const kvant_recipe *recipe);

/* Whether tokens of some class have codes: only then has the rule a grouping and a transform. */
bool kvant_rule_has_codes(const kvant_tensor_rule *rule);
/* Leaves the regular class alone. */
void kvant_rule_forget_salient(kvant_tensor_rule *rule);

/* Whether some tokens are salient and some are not, so that scores are needed. */
bool kvant_recipe_has_two_classes(const kvant_recipe *recipe);

/* Whether probe rows of attention are needed to tell the two classes apart. */
bool kvant_recipe_needs_attention(const kvant_recipe *recipe);

/* What a score is made of. One part is a score by itself, several are blended by their ranks. */
typedef enum {
    KVANT_PART_ATTENTION,
    KVANT_PART_K, /* range or outliers of K */
    KVANT_PART_V,
    KVANT_PARTS
} kvant_score_part;

typedef struct {
    uint32_t of[KVANT_PARTS]; /* KV_BLEND_ONE together, or all 0: locality */
    uint32_t parts;           /* that are not 0 */
} kvant_score_weights;

kvant_score_weights kvant_recipe_weights(const kvant_recipe *recipe);

kvant_status kvant_recipe_check_score(const kvant_recipe *recipe);
/* Whether the key is one of a score's; *out_expected is what its value should have been, or NULL. */
bool kvant_recipe_score_key(const char *key, const char *value, kvant_recipe *recipe,
                            const char **out_expected);
/* What a text that does not say it means. */
void kvant_recipe_score_defaults(kvant_recipe *recipe);
void kvant_recipe_write_score(kvant_recipe_printer *p, const kvant_recipe *recipe);
bool kvant_recipe_same_score(const kvant_recipe *a, const kvant_recipe *b);

/* ---- latents ---- */

/* Whether a recipe with latent=1 keeps to what such caches can do; others have no layer with one. */
kvant_status kvant_recipe_check_latent(const kvant_recipe *recipe);

/* ---- layers ---- */

/* Runs of layers with another recipe. */
uint32_t kvant_recipe_layer_choices(const kvant_recipe *recipe);
kvant_status kvant_recipe_check_layers(const kvant_recipe *recipe);
/* The value of `layers=`; false where it is none. */
bool kvant_recipe_parse_layers(const char *value, kvant_recipe *recipe);
void kvant_recipe_write_layers(kvant_recipe_printer *p, const kvant_recipe *recipe);
bool kvant_recipe_same_layers(const kvant_recipe *a, const kvant_recipe *b);

/* ---- heads that stream ---- */

/* Entries of `stream`. */
uint32_t kvant_recipe_streams(const kvant_recipe *recipe);
kvant_status kvant_recipe_check_stream(const kvant_recipe *recipe);
/* The value of `stream=`; false where it is none. */
bool kvant_recipe_parse_stream(const char *value, kvant_recipe *recipe);
void kvant_recipe_write_stream(kvant_recipe_printer *p, const kvant_recipe *recipe);
bool kvant_recipe_same_stream(const kvant_recipe *a, const kvant_recipe *b);

#endif
