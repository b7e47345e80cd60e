/* SPDX-License-Identifier: MIT
 *
 * Tables for people and JSON for scripts.
 */
#ifndef KVANT_TOOLS_TEXT_TABLE_H
#define KVANT_TOOLS_TEXT_TABLE_H

#include <stddef.h>
#include <stdio.h>

struct cJSON;

typedef struct {
    size_t columns;
    size_t left_columns; /* so many columns are aligned left, the rest right */
    char **cells;
    size_t count;
    int failed; /* memory ran out: printing says so */
} text_table;

void text_table_init(text_table *table, size_t columns, size_t left_columns);
/* The next cell, row by row; the first row is the header. */
void text_table_cell(text_table *table, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
void text_table_print(const text_table *table, FILE *file);
void text_table_release(text_table *table);

/* Adds bytes that claim to be UTF-8; what is not becomes U+FFFD, for JSON must be UTF-8. */
int json_add_text(struct cJSON *object, const char *name, const char *bytes, size_t length);

/* Prints and frees. Returns 0, or -1 when memory or the file fails. `root` NULL is a failure. */
int json_print(struct cJSON *root, FILE *file);

#endif
