/* SPDX-License-Identifier: MIT
 *
 * A row of an eval as values with names, and JSON and CSV made of them.
 */
#include <cjson/cJSON.h>
#include <inttypes.h>
#include <string.h>

#include "eval_report.h"
#include "text_table.h"

int eval_is_first_device(const eval_report *report, const eval_row *row)
{
    return row < report->summary->rows + report->summary->recipes;
}

void eval_agreement_text(const eval_report *report, const eval_row *row, char out[32])
{
    const eval_agreement *same = &row->same;
    int answers = same->right && report->request->cases != NULL;
    snprintf(out, 32, "%s%s%s", same->bytes ? ", bytes" : "", same->logits ? ", logits" : "",
             answers ? ", answers" : "");
    if (out[0] == '\0') {
        snprintf(out, 32, "none");
    } else {
        memmove(out, out + 2, strlen(out) - 1u);
    }
}

/* ---- values -------------------------------------------------------------------------------- */

/* The value and its ends, the last two only where there is an interval. */
static void put_estimate(report_field out[3], const char *const names[3], const estimate *e,
                         int is_there)
{
    out[0] = report_number_if(names[0], e->value, is_there);
    out[1] = report_number_if(names[1], e->low, is_there && e->has_interval);
    out[2] = report_number_if(names[2], e->high, is_there && e->has_interval);
}

static size_t put_device(const eval_report *report, const eval_row *row, report_field *out)
{
    const report_field fields[] = {
        report_text("recipe", row->recipe),
        report_text("backend", row->device->backend),
        report_text("select", row->device->select),
        report_text("device", row->device->name),
        report_text("kind", tool_kind_name(row->device->kind)),
        report_number("tokens", report->text->length),
    };
    memcpy(out, fields, sizeof fields);
    return sizeof fields / sizeof fields[0];
}

static size_t put_bytes(const char *const names[5], const kvant_cache_bytes *b, int is_there,
                        report_field *out)
{
    out[0] = report_number_if(names[0], (double)b->bytes, is_there);
    out[1] = report_number_if(names[1], (double)b->f16_bytes, is_there);
    out[2] = report_number_if(names[2], (double)b->transient_bytes, is_there);
    out[3] = report_number_if(names[3], b->ratio, is_there);
    out[4] = report_number_if(names[4], b->bits_per_value, is_there);
    return 5;
}

static size_t put_text(const eval_row *row, report_field *out)
{
    static const char *const kld[] = {"kld_mean", "kld_low", "kld_high"};
    static const char *const top[] = {"same_top", "same_top_low", "same_top_high"};
    static const char *const change[] = {"perplexity_change", "perplexity_change_low",
                                         "perplexity_change_high"};
    put_estimate(out, kld, &row->kld, 1);
    out[3] = report_number("kld_median", row->kld_median);
    out[4] = report_number("kld_p99", row->kld_p99);
    put_estimate(out + 5, top, &row->same_top, 1);
    out[8] = report_number("perplexity", row->perplexity);
    put_estimate(out + 9, change, &row->perplexity_change, 1);
    return 12;
}

static size_t put_heads(const eval_report *report, const eval_row *row, report_field *out)
{
    int is_there = row->heads != NULL;
    size_t layer = row->worst_head / report->summary->heads;
    size_t head = row->worst_head % report->summary->heads;
    double worst = is_there ? row->heads[row->worst_head] : 0.0;
    out[0] = report_number_if("head_nmse", row->heads_mean, is_there);
    out[1] = report_number_if("worst_head_nmse", worst, is_there);
    out[2] = report_number_if("worst_layer", (double)layer, is_there);
    out[3] = report_number_if("worst_head", (double)head, is_there);
    return 4;
}

static size_t put_cases(const eval_row *row, int is_there, report_field *out)
{
    static const char *const accuracy[] = {"accuracy", "accuracy_low", "accuracy_high"};
    static const char *const change[] = {"accuracy_change", "accuracy_change_low",
                                         "accuracy_change_high"};
    put_estimate(out, accuracy, &row->accuracy, is_there);
    put_estimate(out + 3, change, &row->accuracy_change, is_there);
    return 6;
}

static size_t put_agreement(const eval_report *report, const eval_row *row, eval_field_texts *texts,
                            report_field *out)
{
    int is_other = !eval_is_first_device(report, row);
    int has_cases = report->request->cases != NULL;
    snprintf(texts->digest, sizeof texts->digest, "%016" PRIx64, row->digest);
    snprintf(texts->logits, sizeof texts->logits, "%016" PRIx64, row->logits_hash);
    out[0] = report_number_if("same_bytes", row->same.bytes, is_other);
    out[1] = report_number_if("same_logits", row->same.logits, is_other);
    out[2] = report_number_if("same_answers", row->same.right, is_other && has_cases);
    out[3] = report_text("digest", texts->digest);
    out[4] = report_text("logits_hash", texts->logits);
    return 5;
}

size_t eval_row_fields(const eval_report *report, const eval_row *row, eval_field_texts *texts,
                       report_field out[EVAL_MOST_FIELDS])
{
    static const char *const text_bytes[] = {"bytes", "f16_bytes", "transient_bytes", "ratio",
                                             "bits_per_value"};
    static const char *const case_bytes[] = {"case_bytes", "case_f16_bytes", "case_transient_bytes",
                                             "case_ratio", "case_bits_per_value"};
    int has_cases = report->request->cases != NULL;
    size_t used = put_device(report, row, out);
    used += put_bytes(text_bytes, row->bytes, 1, out + used);
    used += put_text(row, out + used);
    used += put_heads(report, row, out + used);
    used += put_bytes(case_bytes, row->case_bytes, has_cases, out + used);
    used += put_cases(row, has_cases, out + used);
    used += put_agreement(report, row, texts, out + used);
    return used;
}

/* ---- CSV ----------------------------------------------------------------------------------- */

int eval_report_csv(const eval_report *report, FILE *file)
{
    report_field fields[EVAL_MOST_FIELDS];
    eval_field_texts texts;
    size_t count = eval_row_fields(report, &report->summary->rows[0], &texts, fields);
    report_fields_csv_names(fields, count, file);
    fputc('\n', file);
    for (size_t i = 0; i < report->summary->count; i++) {
        eval_row_fields(report, &report->summary->rows[i], &texts, fields);
        report_fields_csv_values(fields, count, file);
        fputc('\n', file);
    }
    return fflush(file) == 0 && !ferror(file) ? 0 : -1;
}

/* ---- JSON ---------------------------------------------------------------------------------- */

static void add_model(const eval_report *report, cJSON *root)
{
    const checkpoint_shape *s = &report->request->model->shape;
    cJSON *model = cJSON_AddObjectToObject(root, "model");
    json_add_text(model, "file", report->model_path, strlen(report->model_path));
    cJSON_AddNumberToObject(model, "layers", s->layers);
    cJSON_AddNumberToObject(model, "q_heads", s->heads);
    cJSON_AddNumberToObject(model, "kv_heads", s->kv_heads);
    cJSON_AddNumberToObject(model, "head_dim", s->head_dim);
    cJSON_AddNumberToObject(model, "vocabulary", s->vocab_size);
}

static void add_text(const eval_report *report, cJSON *root)
{
    char digest[17];
    const eval_text *t = report->text;
    cJSON *text = cJSON_AddObjectToObject(root, "text");
    snprintf(digest, sizeof digest, "%016" PRIx64, eval_text_digest(t));
    if (report->text_path != NULL) {
        json_add_text(text, "file", report->text_path, strlen(report->text_path));
    } else {
        cJSON_AddNumberToObject(text, "seed", (double)report->request->text_seed);
    }
    cJSON_AddNumberToObject(text, "windows", t->windows);
    cJSON_AddNumberToObject(text, "length", t->length);
    cJSON_AddNumberToObject(text, "prompt", t->prompt);
    cJSON_AddNumberToObject(text, "predicted", (double)t->windows * eval_text_predicted(t));
    cJSON_AddStringToObject(text, "digest", digest);
}

static void add_cases(const eval_report *report, cJSON *root)
{
    const eval_summary *s = report->summary;
    if (report->cases_path == NULL) {
        return;
    }
    cJSON *cases = cJSON_AddObjectToObject(root, "cases");
    json_add_text(cases, "file", report->cases_path, strlen(report->cases_path));
    cJSON_AddNumberToObject(cases, "count", (double)s->case_count);
    cJSON *bins = cJSON_AddArrayToObject(cases, "lines");
    for (size_t i = 0; i < s->bin_count; i++) {
        cJSON *bin = cJSON_CreateObject();
        cJSON_AddNumberToObject(bin, "first", s->bins[i].first);
        cJSON_AddNumberToObject(bin, "last", s->bins[i].last);
        cJSON_AddNumberToObject(bin, "cases", (double)s->bins[i].cases);
        cJSON_AddItemToArray(bins, bin);
    }
}

static void add_left_out(const eval_report *report, cJSON *root)
{
    cJSON *list = cJSON_AddArrayToObject(root, "left_out");
    for (size_t i = 0; i < report->recipes->left_out_count; i++) {
        cJSON *one = cJSON_CreateObject();
        cJSON_AddStringToObject(one, "recipe", report->recipes->left_out[i].recipe);
        cJSON_AddStringToObject(one, "reason", report->recipes->left_out[i].reason);
        cJSON_AddItemToArray(list, one);
    }
}

static cJSON *row_object(const eval_report *report, const eval_row *row)
{
    const eval_summary *s = report->summary;
    report_field fields[EVAL_MOST_FIELDS];
    eval_field_texts texts;
    cJSON *object = cJSON_CreateObject();
    size_t count = eval_row_fields(report, row, &texts, fields);
    report_fields_add(fields, count, object);
    if (row->heads != NULL) {
        cJSON *layers = cJSON_AddArrayToObject(object, "heads");
        for (size_t layer = 0; layer < s->layers; layer++) {
            cJSON_AddItemToArray(
                layers, cJSON_CreateDoubleArray(row->heads + layer * s->heads, (int)s->heads));
        }
    }
    if (s->bin_count != 0u) {
        cJSON_AddItemToObject(object, "accuracy_by_lines",
                              cJSON_CreateDoubleArray(row->bins, (int)s->bin_count));
    }
    return object;
}

int eval_report_json(const eval_report *report, FILE *file)
{
    cJSON *root = cJSON_CreateObject();
    cJSON_AddStringToObject(root, "version", kvant_version());
    add_model(report, root);
    add_text(report, root);
    add_cases(report, root);
    cJSON *bootstrap = cJSON_AddObjectToObject(root, "bootstrap");
    cJSON_AddNumberToObject(bootstrap, "resamples", report->plan->resamples);
    cJSON_AddNumberToObject(bootstrap, "seed", (double)report->plan->seed);
    add_left_out(report, root);
    cJSON *rows = cJSON_AddArrayToObject(root, "rows");
    for (size_t i = 0; i < report->summary->count; i++) {
        cJSON *object = row_object(report, &report->summary->rows[i]);
        if (!cJSON_AddItemToArray(rows, object)) {
            cJSON_Delete(object);
            cJSON_Delete(root);
            return -1;
        }
    }
    return json_print(root, file);
}
