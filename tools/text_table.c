/* SPDX-License-Identifier: MIT
 *
 * Aligned tables, and JSON output through cJSON.
 */
#include "text_table.h"

#include <cjson/cJSON.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

/* ---- tables -------------------------------------------------------------------------------- */

void text_table_init(text_table *table, size_t columns, size_t left_columns)
{
    *table = (text_table){columns, left_columns, NULL, 0, 0};
}

void text_table_cell(text_table *table, const char *format, ...)
{
    char text[256];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);

    char *copy = malloc(strlen(text) + 1u);
    char **cells = realloc(table->cells, (table->count + 1u) * sizeof *cells);
    if (cells != NULL) {
        table->cells = cells;
    }
    if (copy == NULL || cells == NULL) {
        free(copy);
        table->failed = 1;
        return;
    }
    memcpy(copy, text, strlen(text) + 1u);
    table->cells[table->count++] = copy;
}

static int column_width(const text_table *table, size_t column)
{
    size_t width = 0;
    for (size_t i = column; i < table->count; i += table->columns) {
        size_t length = strlen(table->cells[i]);
        width = length > width ? length : width;
    }
    return (int)width;
}

void text_table_print(const text_table *table, FILE *file)
{
    if (table->failed) {
        fputs("(host memory is exhausted: the table is incomplete)\n", file);
    }
    for (size_t row = 0; row < table->count; row += table->columns) {
        for (size_t column = 0; column < table->columns && row + column < table->count; column++) {
            int width = column_width(table, column);
            int is_last = column + 1u == table->columns;
            int is_left = column < table->left_columns;
            fprintf(file, "%*s%s",
                    is_left && is_last ? 0
                    : is_left          ? -width
                                       : width,
                    table->cells[row + column], is_last ? "\n" : "  ");
        }
    }
}

void text_table_release(text_table *table)
{
    for (size_t i = 0; i < table->count; i++) {
        free(table->cells[i]);
    }
    free(table->cells);
    memset(table, 0, sizeof *table);
}

/* ---- JSON ---------------------------------------------------------------------------------- */

/* Bytes of the well-formed UTF-8 character at `bytes`, or 0. */
static size_t utf8_length(const unsigned char *bytes, size_t left)
{
    static const struct {
        unsigned char mask;
        unsigned char lead;
        size_t length;
        unsigned long least;
    } forms[] = {{0x80, 0x00, 1, 0},
                 {0xe0, 0xc0, 2, 0x80},
                 {0xf0, 0xe0, 3, 0x800},
                 {0xf8, 0xf0, 4, 0x10000}};
    for (size_t i = 0; i < sizeof forms / sizeof forms[0]; i++) {
        if ((bytes[0] & forms[i].mask) != forms[i].lead) {
            continue;
        }
        unsigned long code = bytes[0] & (unsigned long)(unsigned char)~forms[i].mask;
        if (forms[i].length > left) {
            return 0;
        }
        for (size_t j = 1; j < forms[i].length; j++) {
            if ((bytes[j] & 0xc0u) != 0x80u) {
                return 0;
            }
            code = code << 6 | (bytes[j] & 0x3fu);
        }
        int is_valid =
            code >= forms[i].least && code <= 0x10fffful && (code < 0xd800ul || code > 0xdffful);
        return is_valid ? forms[i].length : 0;
    }
    return 0;
}

int json_add_text(cJSON *object, const char *name, const char *bytes, size_t length)
{
    char *clean = malloc(3u * length + 1u);
    if (clean == NULL) {
        return -1;
    }
    size_t used = 0;
    for (size_t at = 0; at < length;) {
        size_t step = utf8_length((const unsigned char *)bytes + at, length - at);
        if (step == 0u || bytes[at] == '\0') {
            memcpy(clean + used, "\xef\xbf\xbd", 3);
            used += 3u;
            at++;
        } else {
            memcpy(clean + used, bytes + at, step);
            used += step;
            at += step;
        }
    }
    clean[used] = '\0';
    int result = cJSON_AddStringToObject(object, name, clean) != NULL ? 0 : -1;
    free(clean);
    return result;
}

int json_print(cJSON *root, FILE *file)
{
    char *text = root != NULL ? cJSON_Print(root) : NULL;
    cJSON_Delete(root);
    if (text == NULL) {
        return -1;
    }
    int result = fputs(text, file) >= 0 && fputc('\n', file) != EOF && fflush(file) == 0 ? 0 : -1;
    cJSON_free(text);
    return result;
}
