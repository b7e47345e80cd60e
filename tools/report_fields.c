/* SPDX-License-Identifier: MIT
 *
 * JSON through cJSON; CSV as RFC 4180 has it.
 */
#include "report_fields.h"

#include <cjson/cJSON.h>
#include <string.h>

report_field report_text(const char *name, const char *text)
{
    return (report_field){name, text, 0.0, 0};
}

report_field report_number(const char *name, double number)
{
    return (report_field){name, NULL, number, 0};
}

report_field report_number_if(const char *name, double number, int is_there)
{
    return (report_field){name, NULL, number, !is_there};
}

void report_fields_add(const report_field *fields, size_t count, cJSON *object)
{
    for (size_t i = 0; i < count; i++) {
        const report_field *field = &fields[i];
        if (field->text != NULL) {
            cJSON_AddStringToObject(object, field->name, field->text);
        } else if (field->is_null) {
            cJSON_AddNullToObject(object, field->name);
        } else {
            cJSON_AddNumberToObject(object, field->name, field->number);
        }
    }
}

/* In quotes where a comma, a quote or a line break asks for them. */
static void put_text(const char *text, FILE *file)
{
    if (strpbrk(text, ",\"\r\n") == NULL) {
        fputs(text, file);
        return;
    }
    fputc('"', file);
    for (; *text != '\0'; text++) {
        if (*text == '"') {
            fputc('"', file);
        }
        fputc(*text, file);
    }
    fputc('"', file);
}

void report_fields_csv_names(const report_field *fields, size_t count, FILE *file)
{
    for (size_t i = 0; i < count; i++) {
        fprintf(file, "%s%s", i != 0u ? "," : "", fields[i].name);
    }
}

void report_fields_csv_values(const report_field *fields, size_t count, FILE *file)
{
    for (size_t i = 0; i < count; i++) {
        if (i != 0u) {
            fputc(',', file);
        }
        if (fields[i].text != NULL) {
            put_text(fields[i].text, file);
        } else if (!fields[i].is_null) {
            fprintf(file, "%.15g", fields[i].number);
        }
    }
}
