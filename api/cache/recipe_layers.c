/* SPDX-License-Identifier: MIT
 *
 * Layers with a recipe of their own: "layers=0-1:f16;30-31:int4".
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "diag.h"
#include "recipe_internal.h"

uint32_t kvant_recipe_layer_choices(const kvant_recipe *recipe)
{
    uint32_t count = 0;
    while (count < KVANT_RECIPE_LAYERS && recipe->layers[count].recipe != 0) {
        count++;
    }
    return count;
}

kvant_status kvant_recipe_check_layers(const kvant_recipe *recipe)
{
    uint32_t count = kvant_recipe_layer_choices(recipe);
    for (uint32_t i = 0; i < KVANT_RECIPE_LAYERS; i++) {
        const kvant_layer_choice *choice = &recipe->layers[i];
        bool is_known = i < count ? kvant_named_recipe_at(choice->recipe - 1u) != NULL
                                  : choice->recipe == 0 && choice->first == 0 && choice->last == 0;
        if (!is_known) {
            return kvant_fail(KVANT_ERROR_INVALID_ARGUMENT, "recipe: layers has no such recipe");
        }
        if (i < count && (choice->first > choice->last ||
                          (i != 0 && choice->first <= recipe->layers[i - 1u].last))) {
            return kvant_fail(KVANT_ERROR_INVALID_ARGUMENT,
                              "recipe: layers %" PRIu32 "-%" PRIu32
                              " do not come in ascending order, without overlap",
                              choice->first, choice->last);
        }
    }
    if (count != 0 && recipe->budget != 0.0) {
        return kvant_fail(KVANT_ERROR_INVALID_ARGUMENT,
                          "recipe: budget and layers do not go together");
    }
    return KVANT_OK;
}

/* A number, and where it ends. */
static bool read_layer(const char **text, uint32_t *out_layer)
{
    char *end;
    if (**text < '0' || **text > '9') {
        return false;
    }
    unsigned long number = strtoul(*text, &end, 10);
    *text = end;
    *out_layer = (uint32_t)number;
    return number < KVANT_RECIPE_MAX_TOKENS;
}

/* "0-1:f16", up to the end of the text or to a ";" */
static bool read_choice(const char **text, kvant_layer_choice *out)
{
    if (!read_layer(text, &out->first)) {
        return false;
    }
    out->last = out->first;
    if (**text == '-') {
        ++*text;
        if (!read_layer(text, &out->last)) {
            return false;
        }
    }
    if (**text != ':') {
        return false;
    }
    ++*text;
    size_t length = strcspn(*text, ";");
    for (uint32_t i = 0; kvant_recipe_name(i) != NULL; i++) {
        const char *name = kvant_recipe_name(i);
        if (strlen(name) == length && strncmp(*text, name, length) == 0) {
            out->recipe = i + 1u;
            *text += length;
            return true;
        }
    }
    return false;
}

bool kvant_recipe_parse_layers(const char *value, kvant_recipe *recipe)
{
    kvant_layer_choice choices[KVANT_RECIPE_LAYERS] = {{0, 0, 0}};
    for (uint32_t i = 0; i < KVANT_RECIPE_LAYERS; i++) {
        if (!read_choice(&value, &choices[i])) {
            return false;
        }
        if (*value == '\0') {
            memcpy(recipe->layers, choices, sizeof choices);
            return true;
        }
        value++;
    }
    return false;
}

void kvant_recipe_write_layers(kvant_recipe_printer *p, const kvant_recipe *recipe)
{
    uint32_t count = kvant_recipe_layer_choices(recipe);
    for (uint32_t i = 0; i < count; i++) {
        const kvant_layer_choice *choice = &recipe->layers[i];
        kvant_recipe_write(p, "%s%" PRIu32, i == 0 ? ",layers=" : ";", choice->first);
        if (choice->last != choice->first) {
            kvant_recipe_write(p, "-%" PRIu32, choice->last);
        }
        kvant_recipe_write(p, ":%s", kvant_recipe_name(choice->recipe - 1u));
    }
}

bool kvant_recipe_same_layers(const kvant_recipe *a, const kvant_recipe *b)
{
    for (uint32_t i = 0; i < KVANT_RECIPE_LAYERS; i++) {
        if (a->layers[i].first != b->layers[i].first || a->layers[i].last != b->layers[i].last ||
            a->layers[i].recipe != b->layers[i].recipe) {
            return false;
        }
    }
    return true;
}
