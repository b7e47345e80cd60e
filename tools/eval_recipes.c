/* SPDX-License-Identifier: MIT
 *
 * Lists of recipes with "all", and what becomes of those that do not fit the model.
 */
#include "eval_recipes.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kv_attention.h"

static char *copy_text(const char *text)
{
    size_t bytes = strlen(text) + 1u;
    char *copy = malloc(bytes);
    if (copy != NULL) {
        memcpy(copy, text, bytes);
    }
    return copy;
}

/* Names the recipe, where the library's message does not. */
static int refuse(tool_error *error, kvant_status status, const char *text)
{
    char what[160];
    snprintf(what, sizeof what, "recipe \"%.100s\"", text);
    return tool_error_library(error, status, status != KVANT_ERROR_UNKNOWN_RECIPE ? what : NULL);
}

/* ---- the list ------------------------------------------------------------------------------ */

/* The entry that is the same recipe, whatever its text; the count where there is none. */
static size_t find_same(const recipe_list *list, const kvant_recipe *recipe)
{
    char wanted[400];
    char known[400];
    kvant_recipe_print(recipe, wanted, sizeof wanted);
    size_t at = 0;
    for (; at < list->count; at++) {
        kvant_recipe_print(&list->entries[at].recipe, known, sizeof known);
        if (strcmp(known, wanted) == 0) {
            break;
        }
    }
    return at;
}

/* The list has room. A recipe that is there already is not added again. */
static int add_recipe(eval_recipes *r, const char *text, int from_all, tool_error *error)
{
    recipe_entry entry = {NULL, KVANT_RECIPE_INIT};
    kvant_status status = kvant_recipe_parse(text, &entry.recipe);
    if (status != KVANT_OK) {
        return refuse(error, status, text);
    }
    size_t same = find_same(&r->list, &entry.recipe);
    if (same < r->list.count) {
        r->from_all[same] = (unsigned char)(r->from_all[same] && from_all);
        return 0;
    }
    entry.text = copy_text(text);
    if (entry.text == NULL) {
        return tool_error_memory(error);
    }
    r->list.entries[same] = entry;
    r->from_all[same] = (unsigned char)from_all;
    r->list.count++;
    return 0;
}

static int add_named(eval_recipes *r, tool_error *error)
{
    int result = 0;
    const char *name = kvant_recipe_name(0);
    for (uint32_t i = 0; name != NULL && result == 0; name = kvant_recipe_name(++i)) {
        result = add_recipe(r, name, 1, error);
    }
    return result;
}

static int add_text(eval_recipes *r, const char *text, tool_error *error)
{
    if (strcmp(text, "all") == 0) {
        return add_named(r, error);
    }
    if (strncmp(text, "all,", 4) == 0) {
        return tool_error_input(error,
                                "recipe \"%.100s\": \"all\" takes no overrides; start another "
                                "recipe with its name or with k=",
                                text);
    }
    return add_recipe(r, text, 0, error);
}

int eval_recipes_parse(const char *text, eval_recipes *out_recipes, tool_error *error)
{
    memset(out_recipes, 0, sizeof *out_recipes);
    char **texts = NULL;
    size_t count = 0;
    if (recipe_list_split(text, &texts, &count, error) != 0) {
        return -1;
    }
    size_t most = 1u + count;
    for (uint32_t named = 0; kvant_recipe_name(named) != NULL; named++) {
        most++;
    }
    eval_recipes *r = out_recipes;
    r->list.entries = calloc(most, sizeof *r->list.entries);
    r->from_all = calloc(most, 1);
    r->left_out = calloc(most, sizeof *r->left_out);
    int result = -1;
    if (r->list.entries == NULL || r->from_all == NULL || r->left_out == NULL) {
        tool_error_memory(error);
    } else {
        result = add_recipe(r, "f16", 0, error);
    }
    for (size_t i = 0; i < count && result == 0; i++) {
        result = add_text(r, texts[i], error);
    }
    recipe_list_free_texts(texts, count);
    if (result != 0) {
        eval_recipes_release(r);
    }
    return result;
}

void eval_recipes_release(eval_recipes *r)
{
    for (size_t i = 0; i < r->left_out_count; i++) {
        free(r->left_out[i].recipe);
        free(r->left_out[i].reason);
    }
    recipe_list_release(&r->list);
    free(r->from_all);
    free(r->left_out);
    memset(r, 0, sizeof *r);
}

/* ---- what fits ----------------------------------------------------------------------------- */

static kvant_status check_one(const kvant_recipe *recipe, const checkpoint_shape *shape,
                              kvant_context *context, uint32_t prompt, uint32_t decode)
{
    kvant_cache_desc desc = kv_attention_cache_desc(shape, 0, recipe, prompt, decode);
    kvant_cache_bytes bytes = KVANT_CACHE_BYTES_INIT;
    kvant_status status = kvant_cache_plan(&desc, &bytes);
    if (status == KVANT_OK && context != NULL) {
        status = kvant_cache_supports(context, &desc);
    }
    return status;
}

static int leave_out(eval_recipes *r, size_t index, tool_error *error)
{
    char *reason = copy_text(kvant_last_message());
    if (reason == NULL) {
        return tool_error_memory(error);
    }
    r->left_out[r->left_out_count++] = (eval_left_out){r->list.entries[index].text, reason};
    size_t after = r->list.count - index - 1u;
    memmove(&r->list.entries[index], &r->list.entries[index + 1u], after * sizeof(recipe_entry));
    memmove(&r->from_all[index], &r->from_all[index + 1u], after);
    r->list.count--;
    return 0;
}

int eval_recipes_check(eval_recipes *r, const checkpoint_shape *shape, kvant_context *context,
                       uint32_t prompt, uint32_t decode, tool_error *error)
{
    for (size_t i = 0; i < r->list.count;) {
        const recipe_entry *entry = &r->list.entries[i];
        kvant_status status = check_one(&entry->recipe, shape, context, prompt, decode);
        if (status == KVANT_OK) {
            i++;
        } else if (!r->from_all[i]) {
            return refuse(error, status, entry->text);
        } else if (leave_out(r, i, error) != 0) {
            return -1;
        }
    }
    return 0;
}
