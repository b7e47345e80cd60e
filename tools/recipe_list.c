/* SPDX-License-Identifier: MIT
 *
 * Splits and parses lists of recipes.
 */
#include "recipe_list.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

typedef struct {
    char **texts;
    size_t count;
    int lacks_k; /* the last recipe began with v= */
} splitting;

/* Whether an item begins a recipe rather than adding to the last one. */
static int begins_recipe(const splitting *s, const char *item, size_t length)
{
    if (memchr(item, '=', length) == NULL) {
        return 1;
    }
    if (length >= 2u && memcmp(item, "k=", 2) == 0) {
        return s->count == 0u || !s->lacks_k;
    }
    return s->count == 0u;
}

static int add_item(splitting *s, const char *item, size_t length, tool_error *error)
{
    if (begins_recipe(s, item, length)) {
        char *text = malloc(length + 1u);
        if (text == NULL) {
            return tool_error_memory(error);
        }
        memcpy(text, item, length);
        text[length] = '\0';
        s->texts[s->count++] = text;
        s->lacks_k = length >= 2u && memcmp(item, "v=", 2) == 0;
        return 0;
    }
    char *last = s->texts[s->count - 1u];
    size_t before = strlen(last);
    char *text = realloc(last, before + length + 2u);
    if (text == NULL) {
        return tool_error_memory(error);
    }
    text[before] = ',';
    memcpy(text + before + 1u, item, length);
    text[before + 1u + length] = '\0';
    s->texts[s->count - 1u] = text;
    if (length >= 2u && memcmp(item, "k=", 2) == 0) {
        s->lacks_k = 0;
    }
    return 0;
}

int recipe_list_split(const char *list, char ***out_texts, size_t *out_count, tool_error *error)
{
    *out_texts = NULL;
    *out_count = 0;
    size_t most = 1;
    for (const char *at = list; *at != '\0'; at++) {
        most += *at == ',';
    }
    splitting s = {calloc(most, sizeof(char *)), 0, 0};
    if (s.texts == NULL) {
        return tool_error_memory(error);
    }
    for (const char *item = list;; item++) {
        size_t length = strcspn(item, ",");
        int result =
            length != 0u
                ? add_item(&s, item, length, error)
                : tool_error_input(error, "the list of recipes has an empty item at position %zu",
                                   (size_t)(item - list));
        if (result != 0) {
            recipe_list_free_texts(s.texts, s.count);
            return -1;
        }
        item += length;
        if (*item == '\0') {
            break;
        }
    }
    *out_texts = s.texts;
    *out_count = s.count;
    return 0;
}

void recipe_list_free_texts(char **texts, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        free(texts[i]);
    }
    free(texts);
}

int recipe_list_parse(const char *list, recipe_list *out_list, tool_error *error)
{
    memset(out_list, 0, sizeof *out_list);
    char **texts = NULL;
    size_t count = 0;
    if (recipe_list_split(list, &texts, &count, error) != 0) {
        return -1;
    }
    out_list->entries = calloc(count + 1u, sizeof *out_list->entries);
    if (out_list->entries == NULL) {
        recipe_list_free_texts(texts, count);
        return tool_error_memory(error);
    }
    int result = 0;
    for (size_t i = 0; i < count && result == 0; i++) {
        kvant_status status = kvant_recipe_parse(texts[i], &out_list->entries[i].recipe);
        if (status != KVANT_OK) {
            result = tool_error_library(error, status, NULL);
        }
    }
    for (size_t i = 0; i < count; i++) {
        out_list->entries[i].text = texts[i];
    }
    out_list->count = count;
    free(texts);
    if (result != 0) {
        recipe_list_release(out_list);
    }
    return result;
}

void recipe_list_release(recipe_list *list)
{
    for (size_t i = 0; i < list->count; i++) {
        free(list->entries[i].text);
    }
    free(list->entries);
    memset(list, 0, sizeof *list);
}

int recipe_f16(kvant_recipe *out_recipe, tool_error *error)
{
    kvant_status status = kvant_recipe_parse("f16", out_recipe);
    return status == KVANT_OK ? 0 : tool_error_library(error, status, NULL);
}

int recipe_is_f16(const kvant_recipe *recipe)
{
    char text[8];
    return kvant_recipe_print(recipe, text, sizeof text) == 3u && strcmp(text, "f16") == 0;
}
