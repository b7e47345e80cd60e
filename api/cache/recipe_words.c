/* SPDX-License-Identifier: MIT
 *
 * Words and numbers of a recipe's text.
 */
#include "recipe_words.h"

#include <errno.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool kvant_recipe_look_up(const kvant_recipe_word *words, const char *text, int *value)
{
    for (; words->name != NULL; words++) {
        if (strcmp(words->name, text) == 0) {
            *value = words->value;
            return true;
        }
    }
    return false;
}

const char *kvant_recipe_name_of(const kvant_recipe_word *words, int value)
{
    while (words->name != NULL && words->value != value) {
        words++;
    }
    return words->name != NULL ? words->name : "?";
}

bool kvant_recipe_integer(const char *value, uint64_t most, uint64_t *out)
{
    if (value[0] < '0' || value[0] > '9') {
        return false;
    }
    char *end;
    errno = 0;
    unsigned long long number = strtoull(value, &end, 10);
    if (*end != '\0' || errno != 0 || number > most) {
        return false;
    }
    *out = number;
    return true;
}

/* Numbers in texts have a point, whatever the caller's locale. Returns the locale to go back to. */
static locale_t use_c_locale(locale_t *c_locale)
{
    *c_locale = newlocale(LC_NUMERIC_MASK, "C", (locale_t)0);
    return *c_locale != (locale_t)0 ? uselocale(*c_locale) : (locale_t)0;
}

static void leave_c_locale(locale_t c_locale, locale_t previous)
{
    if (c_locale != (locale_t)0) {
        uselocale(previous);
        freelocale(c_locale);
    }
}

bool kvant_recipe_number(const char *value, double most, double *out)
{
    if (value[0] == '\0' || value[strspn(value, "0123456789.e-")] != '\0' || value[0] == '-') {
        return false;
    }
    locale_t c_locale;
    locale_t previous = use_c_locale(&c_locale);
    char *end;
    double number = strtod(value, &end);
    leave_c_locale(c_locale, previous);
    if (end == value || *end != '\0' || !(number >= 0.0 && number <= most)) {
        return false;
    }
    *out = number;
    return true;
}

void kvant_recipe_write(kvant_recipe_printer *p, const char *format, ...)
{
    char piece[KVANT_RECIPE_MAX_VALUE];
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(piece, sizeof piece, format, arguments);
    va_end(arguments);
    for (int i = 0; i < length && i < KVANT_RECIPE_MAX_VALUE - 1; i++) {
        if (p->length + 1 < p->capacity) {
            p->text[p->length] = piece[i];
            p->text[p->length + 1] = '\0';
        }
        p->length++;
    }
}

void kvant_recipe_write_value(kvant_recipe_printer *p, double number)
{
    char text[40] = "";
    locale_t c_locale;
    locale_t previous = use_c_locale(&c_locale);
    for (int digits = 1; digits <= 17; digits++) {
        snprintf(text, sizeof text, "%.*g", digits, number);
        if (strtod(text, NULL) == number) {
            break;
        }
    }
    leave_c_locale(c_locale, previous);
    kvant_recipe_write(p, "%s", text);
}

void kvant_recipe_write_number(kvant_recipe_printer *p, const char *key, double number)
{
    kvant_recipe_write(p, ",%s=", key);
    kvant_recipe_write_value(p, number);
}
