/* SPDX-License-Identifier: MIT
 *
 * The recipes of an eval: f16 first, then those that were asked for and that the model can take.
 */
#ifndef KVANT_TOOLS_EVAL_RECIPES_H
#define KVANT_TOOLS_EVAL_RECIPES_H

#include "checkpoint.h"
#include "kvant/cache.h"
#include "recipe_list.h"

/* A recipe of "all" that the model or a device cannot take. */
typedef struct {
    char *recipe;
    char *reason;
} eval_left_out;

typedef struct {
    recipe_list list;        /* f16 first, each recipe once */
    unsigned char *from_all; /* of each: it was not asked for by name */
    eval_left_out *left_out;
    size_t left_out_count;
} eval_recipes;

/* Reads a list of recipes, in which the item "all" stands for every named one. */
int eval_recipes_parse(const char *text, eval_recipes *out_recipes, tool_error *error);
void eval_recipes_release(eval_recipes *r);

/* Checks a cache for prompts of `prompt` tokens and `decode` after them: by its plan, and where
 * `context` is not NULL by what the device can run. What fails is refused by name, or left out
 * where "all" brought it. f16 is never left out. */
int eval_recipes_check(eval_recipes *r, const checkpoint_shape *shape, kvant_context *context,
                       uint32_t prompt, uint32_t decode, tool_error *error);

#endif
