/* SPDX-License-Identifier: MIT
 *
 * Rows as a table on a terminal, as JSON and as CSV.
 */
#include "bench_report.h"

#include <cjson/cJSON.h>
#include <inttypes.h>
#include <string.h>

#include "text_table.h"
#include "tool_device.h"

/* ---- values -------------------------------------------------------------------------------- */

void bench_row_fields(const bench_results *r, const bench_row *row, report_field out[BENCH_FIELDS])
{
    const bench_shape *s = &row->shape;
    const report_field fields[] = {
        report_text("op", row->entry->kind->name),
        report_text("recipe", row->entry->recipe_text),
        report_text("backend", r->device.backend),
        report_text("device", r->device.name),
        report_text("kind", tool_kind_name(r->device.kind)),
        report_number("batch", s->batch),
        report_number("tokens", s->tokens),
        report_number("q_heads", s->q_heads),
        report_number("kv_heads", s->kv_heads),
        report_number("head_dim", s->k_dim),
        report_number("value_dim", s->v_dim),
        report_number_if("layers", s->layers, row->has_steps),
        report_number("samples", (double)row->us.count),
        report_number("us", row->us.median),
        report_number("us_least", row->us.least),
        report_number("us_p10", row->us.p10),
        report_number("us_p90", row->us.p90),
        report_number("us_most", row->us.most),
        report_number("bytes", (double)row->bytes),
        report_number("gb_s", bench_row_gb_s(row)),
        report_number("copy_gb_s", row->copy_gb_s),
        report_number("fraction", bench_row_fraction(row)),
        report_number_if("f16_us", row->f16_us, row->f16_us >= 0.0),
        report_number_if("factor", bench_row_factor(row), row->f16_us >= 0.0),
        report_number("operations", row->work),
        report_number("rotated_bytes", (double)row->rotated),
        report_number("seed", (double)r->seed),
    };
    _Static_assert(sizeof fields / sizeof fields[0] == BENCH_FIELDS, "every value has room");
    memcpy(out, fields, sizeof fields);
}

int bench_decimals(double us)
{
    return us < 10.0 ? 2 : us < 1000.0 ? 1 : 0;
}

/* ---- the terminal -------------------------------------------------------------------------- */

static void print_shape(text_table *table, const bench_shape *s)
{
    text_table_cell(table, "%u", s->batch);
    text_table_cell(table, "%u", s->tokens);
    text_table_cell(table, "%u/%u", s->q_heads, s->kv_heads);
    if (s->k_dim == s->v_dim) {
        text_table_cell(table, "%u", s->k_dim);
    } else {
        text_table_cell(table, "%u+%u", s->k_dim, s->v_dim);
    }
}

static void print_rows(const bench_results *r, FILE *file)
{
    static const char *const headers[] = {"op",   "recipe",  "B",      "L",     "heads",     "D",
                                          "us",   "least",   "p10",    "p90",   "MB",        "GB/s",
                                          "copy", "of copy", "f16 us", "x f16", "rotated MB"};
    text_table table;
    text_table_init(&table, sizeof headers / sizeof headers[0], 2);
    for (size_t i = 0; i < sizeof headers / sizeof headers[0]; i++) {
        text_table_cell(&table, "%s", headers[i]);
    }
    for (size_t i = 0; i < r->count; i++) {
        const bench_row *row = &r->rows[i];
        text_table_cell(&table, "%s", row->entry->kind->name);
        text_table_cell(&table, "%s", row->entry->recipe_text);
        print_shape(&table, &row->shape);
        const double times[] = {row->us.median, row->us.least, row->us.p10, row->us.p90};
        for (size_t at = 0; at < sizeof times / sizeof times[0]; at++) {
            text_table_cell(&table, "%.*f", bench_decimals(times[at]), times[at]);
        }
        text_table_cell(&table, "%.3f", (double)row->bytes * 1e-6);
        text_table_cell(&table, "%.3g", bench_row_gb_s(row));
        text_table_cell(&table, "%.3g", row->copy_gb_s);
        text_table_cell(&table, "%.3g %%", 100.0 * bench_row_fraction(row));
        if (row->f16_us >= 0.0) {
            text_table_cell(&table, "%.*f", bench_decimals(row->f16_us), row->f16_us);
            text_table_cell(&table, "%.2f", bench_row_factor(row));
        } else {
            text_table_cell(&table, "-");
            text_table_cell(&table, "-");
        }
        text_table_cell(&table, "%.0f", (double)row->rotated * 1e-6);
    }
    text_table_print(&table, file);
    text_table_release(&table);
}

/* Where the time of a decode step goes. */
static void print_steps(const bench_results *r, FILE *file)
{
    size_t steps = 0;
    for (size_t i = 0; i < r->count; i++) {
        steps += (size_t)r->rows[i].has_steps;
    }
    if (steps == 0u) {
        return;
    }
    text_table table;
    text_table_init(&table, 2u + STEP_TABLE_CELLS, 1);
    text_table_cell(&table, "step of");
    text_table_cell(&table, "L");
    step_summary_headers(&table);
    for (size_t i = 0; i < r->count; i++) {
        const bench_row *row = &r->rows[i];
        if (row->has_steps) {
            text_table_cell(&table, "%s", row->entry->recipe_text);
            text_table_cell(&table, "%u", row->shape.tokens);
            step_summary_cells(&table, &row->steps);
        }
    }
    fputc('\n', file);
    text_table_print(&table, file);
    text_table_release(&table);
}

void bench_report_table(const bench_results *r, FILE *file)
{
    fprintf(file, "%s, %s (%s); a copy reads and writes %.0f MB; data of seed %" PRIu64 "\n",
            r->device.select, r->device.name, tool_kind_name(r->device.kind),
            (double)r->copy_bytes * 1e-6, r->seed);
    print_rows(r, file);
    print_steps(r, file);
    if (r->skipped != 0u) {
        fprintf(file, "%zu rows were not measured: the time is up\n", r->skipped);
    }
}

/* ---- programs ------------------------------------------------------------------------------ */

static cJSON *row_object(const bench_results *r, const bench_row *row)
{
    report_field fields[BENCH_FIELDS];
    cJSON *object = cJSON_CreateObject();
    bench_row_fields(r, row, fields);
    report_fields_add(fields, BENCH_FIELDS, object);
    if (row->has_steps) {
        named_number values[STEP_SUMMARY_VALUES];
        cJSON *step = cJSON_AddObjectToObject(object, "step");
        step_summary_values(&row->steps, values);
        for (size_t i = 0; i < STEP_SUMMARY_VALUES; i++) {
            cJSON_AddNumberToObject(step, values[i].name, values[i].value);
        }
    }
    return object;
}

int bench_report_json(const bench_results *r, FILE *file)
{
    cJSON *root = cJSON_CreateObject();
    cJSON_AddStringToObject(root, "version", kvant_version());
    cJSON_AddNumberToObject(root, "copy_bytes", (double)r->copy_bytes);
    cJSON_AddNumberToObject(root, "skipped", (double)r->skipped);
    cJSON *rows = cJSON_AddArrayToObject(root, "rows");
    for (size_t i = 0; i < r->count; i++) {
        cJSON *object = row_object(r, &r->rows[i]);
        if (!cJSON_AddItemToArray(rows, object)) {
            cJSON_Delete(object);
            cJSON_Delete(root);
            return -1;
        }
    }
    return json_print(root, file);
}

static void put_steps(const bench_row *row, int is_header, FILE *file)
{
    named_number values[STEP_SUMMARY_VALUES];
    step_summary_values(&row->steps, values);
    for (size_t i = 0; i < STEP_SUMMARY_VALUES; i++) {
        if (is_header) {
            fprintf(file, ",step_%s", values[i].name);
        } else if (row->has_steps) {
            fprintf(file, ",%.9g", values[i].value);
        } else {
            fputc(',', file);
        }
    }
    fputc('\n', file);
}

int bench_report_csv(const bench_results *r, FILE *file)
{
    static const bench_entry no_entry = {.kind = &bench_kinds[0], .recipe_text = ""};
    const bench_row none = {.entry = &no_entry};
    report_field fields[BENCH_FIELDS];
    bench_row_fields(r, &none, fields);
    report_fields_csv_names(fields, BENCH_FIELDS, file);
    put_steps(&none, 1, file);
    for (size_t at = 0; at < r->count; at++) {
        bench_row_fields(r, &r->rows[at], fields);
        report_fields_csv_values(fields, BENCH_FIELDS, file);
        put_steps(&r->rows[at], 0, file);
    }
    return fflush(file) == 0 && !ferror(file) ? 0 : -1;
}
