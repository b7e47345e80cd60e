/* SPDX-License-Identifier: MIT
 *
 * Values with names, for programs: a row of results as a JSON object or as a line of CSV.
 */
#ifndef KVANT_TOOLS_REPORT_FIELDS_H
#define KVANT_TOOLS_REPORT_FIELDS_H

#include <stddef.h>
#include <stdio.h>

struct cJSON;

typedef struct {
    const char *name;
    const char *text; /* NULL: the number counts */
    double number;
    int is_null;
} report_field;

report_field report_text(const char *name, const char *text);
report_field report_number(const char *name, double number);
/* Null where there is no number. */
report_field report_number_if(const char *name, double number, int is_there);

void report_fields_add(const report_field *fields, size_t count, struct cJSON *object);

/* Names, values: with commas between them, without a line break. */
void report_fields_csv_names(const report_field *fields, size_t count, FILE *file);
void report_fields_csv_values(const report_field *fields, size_t count, FILE *file);

#endif
