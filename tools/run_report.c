/* SPDX-License-Identifier: MIT
 *
 * Prints what `kvant run` found out.
 */
#include "run_report.h"

#include <cjson/cJSON.h>
#include <inttypes.h>

#include "text_table.h"
#include "tool_device.h"

static const char *const headers[] = {"recipe", "tokens",   "bytes",   "f16 bytes", "ratio",
                                      "bits",   "KLD mean", "KLD p99", "same top",  "tokens/s"};

/* Time in the library per decoded token, and what it goes to. */
static void print_steps(const model_run *run, FILE *file)
{
    text_table table;
    text_table_init(&table, 1u + STEP_TABLE_CELLS, 1);
    text_table_cell(&table, "library");
    step_summary_headers(&table);
    for (size_t i = 0; i < run->recipes->count; i++) {
        text_table_cell(&table, "%s", run->rows[i].recipe);
        step_summary_cells(&table, &run->rows[i].steps);
    }
    fputc('\n', file);
    text_table_print(&table, file);
    text_table_release(&table);
}

void run_report_table(const model_run *run, FILE *file)
{
    int has_cases = run->case_count != 0u;
    size_t plain = sizeof headers / sizeof headers[0];
    text_table table;
    text_table_init(&table, plain + 1u + (size_t)has_cases, 1);
    for (size_t i = 0; i < plain; i++) {
        text_table_cell(&table, "%s", headers[i]);
    }
    if (has_cases) {
        text_table_cell(&table, "accuracy");
    }
    text_table_cell(&table, "digest");
    for (size_t i = 0; i < run->recipes->count; i++) {
        const run_row *row = &run->rows[i];
        text_table_cell(&table, "%s", row->recipe);
        text_table_cell(&table, "%" PRIu64, row->tokens);
        text_table_cell(&table, "%" PRIu64, row->bytes.bytes);
        text_table_cell(&table, "%" PRIu64, row->bytes.f16_bytes);
        text_table_cell(&table, "%.2f", row->bytes.ratio);
        text_table_cell(&table, "%.2f", row->bytes.bits_per_value);
        text_table_cell(&table, "%.2e", row->kld_mean);
        text_table_cell(&table, "%.2e", row->kld_p99);
        text_table_cell(&table, "%.1f %%", 100.0 * row->same_top);
        text_table_cell(&table, "%.1f", row->tokens_per_s);
        if (has_cases) {
            text_table_cell(&table, "%.1f %%", 100.0 * row->accuracy);
        }
        text_table_cell(&table, "%016" PRIx64, row->digest);
    }
    fprintf(file, "%s, %s (%s)", run->device.select, run->device.name,
            tool_kind_name(run->device.kind));
    if (has_cases) {
        fprintf(file, ", %" PRIu64 " cases", run->case_count);
    }
    fputc('\n', file);
    text_table_print(&table, file);
    text_table_release(&table);
    print_steps(run, file);
}

static cJSON *row_object(const model_run *run, const run_row *row)
{
    char digest[17];
    snprintf(digest, sizeof digest, "%016" PRIx64, row->digest);
    cJSON *object = cJSON_CreateObject();
    cJSON_AddStringToObject(object, "recipe", row->recipe);
    cJSON_AddStringToObject(object, "backend", run->device.backend);
    cJSON_AddStringToObject(object, "device", run->device.name);
    cJSON_AddNumberToObject(object, "tokens", (double)row->tokens);
    cJSON_AddNumberToObject(object, "bytes", (double)row->bytes.bytes);
    cJSON_AddNumberToObject(object, "f16_bytes", (double)row->bytes.f16_bytes);
    cJSON_AddNumberToObject(object, "ratio", row->bytes.ratio);
    cJSON_AddNumberToObject(object, "bits_per_value", row->bytes.bits_per_value);
    cJSON_AddNumberToObject(object, "kld_mean", row->kld_mean);
    cJSON_AddNumberToObject(object, "kld_p99", row->kld_p99);
    cJSON_AddNumberToObject(object, "same_top", row->same_top);
    cJSON_AddNumberToObject(object, "tokens_per_s", row->tokens_per_s);
    cJSON *last = cJSON_AddStringToObject(object, "digest", digest);
    cJSON *library = cJSON_AddObjectToObject(object, "library");
    named_number values[STEP_SUMMARY_VALUES];
    step_summary_values(&row->steps, values);
    for (size_t i = 0; i < STEP_SUMMARY_VALUES; i++) {
        cJSON_AddNumberToObject(library, values[i].name, values[i].value);
    }
    if (row->accuracy >= 0.0) {
        last = cJSON_AddNumberToObject(object, "accuracy", row->accuracy);
    }
    if (last == NULL) {
        cJSON_Delete(object);
        return NULL;
    }
    return object;
}

int run_report_json(const model_run *run, FILE *file)
{
    cJSON *root = cJSON_CreateObject();
    int result = json_add_text(root, "text", run->text != NULL ? run->text : "", run->text_length);
    cJSON *rows = cJSON_AddArrayToObject(root, "rows");
    for (size_t i = 0; i < run->recipes->count && result == 0; i++) {
        cJSON *object = row_object(run, &run->rows[i]);
        if (object == NULL || !cJSON_AddItemToArray(rows, object)) {
            cJSON_Delete(object);
            result = -1;
        }
    }
    if (result != 0) {
        cJSON_Delete(root);
        return -1;
    }
    return json_print(root, file);
}
