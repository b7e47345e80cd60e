/* SPDX-License-Identifier: MIT
 *
 * Lists of recipes on the command line. A recipe's text has commas itself, so the list is split by
 * what an item looks like.
 */
#ifndef KVANT_TOOLS_RECIPE_LIST_H
#define KVANT_TOOLS_RECIPE_LIST_H

#include <stddef.h>

#include "kvant/recipe.h"
#include "tool_error.h"

typedef struct {
    char *text; /* as it was given */
    kvant_recipe recipe;
} recipe_entry;

typedef struct {
    recipe_entry *entries;
    size_t count;
} recipe_list;

/*
 * Splits at commas: an item without '=' starts a recipe (a name), and so does an item "k=..."
 * unless the recipe before it started with "v=..." and still lacks its k; every other item belongs
 * to the recipe before it. *out_texts is an array of *out_count strings; recipe_list_free_texts
 * frees it.
 */
int recipe_list_split(const char *list, char ***out_texts, size_t *out_count, tool_error *error);
void recipe_list_free_texts(char **texts, size_t count);

/* Splits and parses. */
int recipe_list_parse(const char *list, recipe_list *out_list, tool_error *error);
void recipe_list_release(recipe_list *list);

/* The recipe f16, which all others are compared with, and whether `recipe` is it. */
int recipe_f16(kvant_recipe *out_recipe, tool_error *error);
int recipe_is_f16(const kvant_recipe *recipe);

#endif
