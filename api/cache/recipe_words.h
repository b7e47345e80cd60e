/* SPDX-License-Identifier: MIT
 *
 * What the parts of a recipe's text are read and written with: words, numbers, a printer.
 */
#ifndef KVANT_CACHE_RECIPE_WORDS_H
#define KVANT_CACHE_RECIPE_WORDS_H

#include <stdbool.h>

#include "diag.h"
#include "kvant/recipe.h"

/* Characters of an item of the text, of a piece that is written, with the final 0. */
enum { KVANT_RECIPE_MAX_ITEM = 192, KVANT_RECIPE_MAX_VALUE = 64 };

/* A row of a list that ends with a NULL name. */
typedef struct {
    const char *name;
    int value;
} kvant_recipe_word;

bool kvant_recipe_look_up(const kvant_recipe_word *words, const char *text, int *value);
const char *kvant_recipe_name_of(const kvant_recipe_word *words, int value);

bool kvant_recipe_integer(const char *value, uint64_t most, uint64_t *out);
/* A number with a point, whatever the locale: from 0 to `most`. */
bool kvant_recipe_number(const char *value, double most, double *out);

typedef struct {
    char *text;
    size_t capacity;
    size_t length; /* that the whole text has */
} kvant_recipe_printer;

/* At most KVANT_RECIPE_MAX_VALUE characters at a time. */
void kvant_recipe_write(kvant_recipe_printer *p, const char *format, ...) KVANT_PRINTF(2, 3);
/* The shortest decimal that reads back as the same number. */
void kvant_recipe_write_value(kvant_recipe_printer *p, double number);
/* ",key=" and that. */
void kvant_recipe_write_number(kvant_recipe_printer *p, const char *key, double number);

#endif
