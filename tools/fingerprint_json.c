/* SPDX-License-Identifier: MIT
 *
 * Fingerprints as one JSON object.
 */
#include <cjson/cJSON.h>
#include <string.h>

#include "fingerprint_report.h"
#include "text_table.h"

static void add_text(cJSON *object, const char *name, const char *text)
{
    json_add_text(object, name, text, strlen(text));
}

static void add_subject(const fingerprint_report *r, cJSON *root)
{
    const eval_text *t = r->text;
    add_text(root, "model", r->model_path);
    cJSON *text = cJSON_AddObjectToObject(root, "text");
    if (r->text_path != NULL) {
        add_text(text, "file", r->text_path);
    }
    cJSON_AddNumberToObject(text, "windows", t->windows);
    cJSON_AddNumberToObject(text, "length", t->length);
    cJSON_AddNumberToObject(text, "prompt", t->prompt);
    cJSON_AddNumberToObject(text, "learnt_windows", (double)r->results->learnt);
    cJSON_AddNumberToObject(root, "seed", (double)r->plan->seed);
}

static void add_names(const fingerprint_report *r, cJSON *root)
{
    cJSON *recipes = cJSON_AddArrayToObject(root, "recipes");
    for (size_t i = 0; i < r->results->recipes; i++) {
        cJSON_AddItemToArray(recipes, cJSON_CreateString(r->recipes->list.entries[i].text));
    }
    cJSON *features = cJSON_AddArrayToObject(root, "features");
    for (size_t i = 0; i < r->results->features; i++) {
        char name[64];
        fingerprint_feature_name(i, name, sizeof name);
        cJSON_AddItemToArray(features, cJSON_CreateString(name));
    }
    cJSON *left = cJSON_AddArrayToObject(root, "left_out");
    for (size_t i = 0; i < r->recipes->left_out_count; i++) {
        cJSON *item = cJSON_CreateObject();
        add_text(item, "recipe", r->recipes->left_out[i].recipe);
        add_text(item, "reason", r->recipes->left_out[i].reason);
        cJSON_AddItemToArray(left, item);
    }
}

/* [recipes][features] of means and deviations, [recipes] of what the first device says to it. */
static void add_recipes(const fingerprint_results *r, size_t device, cJSON *object)
{
    cJSON *means = cJSON_AddArrayToObject(object, "means");
    cJSON *deviations = cJSON_AddArrayToObject(object, "deviations");
    for (size_t recipe = 0; recipe < r->recipes; recipe++) {
        cJSON *row = cJSON_CreateArray();
        cJSON *spread_row = cJSON_CreateArray();
        for (size_t i = 0; i < r->features; i++) {
            fingerprint_spread s = fingerprint_spread_of(r, device, recipe, i);
            cJSON_AddItemToArray(row, cJSON_CreateNumber(s.mean));
            cJSON_AddItemToArray(spread_row, cJSON_CreateNumber(s.deviation));
        }
        cJSON_AddItemToArray(means, row);
        cJSON_AddItemToArray(deviations, spread_row);
    }
    if (device == 0u) {
        return;
    }
    cJSON *equal = cJSON_AddArrayToObject(object, "same_as_first");
    cJSON *apart = cJSON_AddArrayToObject(object, "told_apart");
    for (size_t recipe = 0; recipe < r->recipes; recipe++) {
        cJSON_AddItemToArray(equal, cJSON_CreateBool(r->devices[device].is_equal[recipe]));
        cJSON_AddItemToArray(apart, cJSON_CreateNumber(r->devices[device].told_apart[recipe]));
    }
}

static void add_telling(const fingerprint_results *r, size_t device, fingerprint_kind kind,
                        cJSON *object)
{
    const fingerprint_telling *t = &r->devices[device].tellings[kind];
    cJSON *item = cJSON_AddObjectToObject(object, fingerprint_kind_name(kind));
    cJSON_AddNumberToObject(item, "accuracy", t->accuracy.value);
    if (t->accuracy.has_interval) {
        cJSON_AddNumberToObject(item, "accuracy_low", t->accuracy.low);
        cJSON_AddNumberToObject(item, "accuracy_high", t->accuracy.high);
    }
    cJSON *confusion = cJSON_AddArrayToObject(item, "confusion");
    for (size_t served = 0; served < r->recipes; served++) {
        cJSON *row = cJSON_CreateArray();
        for (size_t told = 0; told < r->recipes; told++) {
            double count = (double)t->confusion[served * r->recipes + told];
            cJSON_AddItemToArray(row, cJSON_CreateNumber(count));
        }
        cJSON_AddItemToArray(confusion, row);
    }
}

int fingerprint_report_json(const fingerprint_report *report, FILE *file)
{
    const fingerprint_results *r = report->results;
    cJSON *root = cJSON_CreateObject();
    if (root == NULL) {
        return -1;
    }
    add_subject(report, root);
    add_names(report, root);
    cJSON *devices = cJSON_AddArrayToObject(root, "devices");
    for (size_t i = 0; i < r->device_count; i++) {
        cJSON *device = cJSON_CreateObject();
        add_text(device, "select", r->devices[i].info.select);
        add_text(device, "device", r->devices[i].info.name);
        add_text(device, "kind", tool_kind_name(r->devices[i].info.kind));
        add_recipes(r, i, device);
        cJSON *told = cJSON_AddObjectToObject(device, "told_from");
        for (size_t kind = 0; kind < FINGERPRINT_KINDS; kind++) {
            add_telling(r, i, (fingerprint_kind)kind, told);
        }
        cJSON_AddItemToArray(devices, device);
    }
    return json_print(root, file);
}
