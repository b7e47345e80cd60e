/* SPDX-License-Identifier: MIT
 *
 * Reads reports of the conformance suite from JSON that others have sent in. Every member that the
 * page needs must be there, with its type; members that are not known are left alone.
 */
#include <cjson/cJSON.h>
#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "conform_reports.h"
#include "file_input.h"
#include "tool_options.h"

#define MOST_FILE_BYTES (UINT64_C(1) << 28)

/* ---- members ------------------------------------------------------------------------------- */

static const cJSON *member(const cJSON *object, const char *name)
{
    return cJSON_GetObjectItemCaseSensitive(object, name);
}

static int read_text(const cJSON *object, const char *name, char *out, size_t size,
                     tool_error *error)
{
    const cJSON *item = member(object, name);
    if (!cJSON_IsString(item) || strlen(item->valuestring) >= size) {
        return tool_error_input(error, "\"%s\" is no text of less than %zu bytes", name, size);
    }
    memcpy(out, item->valuestring, strlen(item->valuestring) + 1u);
    return 0;
}

/* A copy; NULL where the member is missing and may be. */
static int read_owned(const cJSON *object, const char *name, int is_optional, char **out,
                      tool_error *error)
{
    const cJSON *item = member(object, name);
    if (item == NULL && is_optional) {
        return 0;
    }
    if (item == NULL || !cJSON_IsString(item)) {
        return tool_error_input(error, "\"%s\" is no text", name);
    }
    size_t size = strlen(item->valuestring) + 1u;
    *out = malloc(size);
    if (*out == NULL) {
        return tool_error_memory(error);
    }
    memcpy(*out, item->valuestring, size);
    return 0;
}

static int read_whole(const cJSON *object, const char *name, uint64_t most, uint64_t *out,
                      tool_error *error)
{
    const cJSON *item = member(object, name);
    if (!cJSON_IsNumber(item) || !(item->valuedouble >= 0.0) || item->valuedouble > (double)most ||
        item->valuedouble != floor(item->valuedouble)) {
        return tool_error_input(error, "\"%s\" is no whole number up to %llu", name,
                                (unsigned long long)most);
    }
    *out = (uint64_t)item->valuedouble;
    return 0;
}

static int read_u32(const cJSON *object, const char *name, uint32_t *out, tool_error *error)
{
    uint64_t value = 0;
    int result = read_whole(object, name, UINT32_MAX, &value, error);
    *out = (uint32_t)value;
    return result;
}

/* 64 bits as text, decimal. */
static int read_u64_text(const cJSON *object, const char *name, uint64_t *out, tool_error *error)
{
    const cJSON *item = member(object, name);
    if (!cJSON_IsString(item) || options_read_u64(item->valuestring, out) != 0) {
        return tool_error_input(error, "\"%s\" is no text of decimal digits", name);
    }
    return 0;
}

/* Hexadecimal digits, as many as said, after the prefix. */
static int read_hex(const cJSON *object, const char *name, const char *prefix, size_t digits,
                    uint64_t *out, tool_error *error)
{
    const cJSON *item = member(object, name);
    const char *text = cJSON_IsString(item) ? item->valuestring : "";
    size_t before = strlen(prefix);
    if (strncmp(text, prefix, before) != 0 || strlen(text + before) != digits ||
        strspn(text + before, "0123456789abcdef") != digits) {
        return tool_error_input(error, "\"%s\" is not %s and %zu hexadecimal digits", name,
                                before != 0u ? prefix : "text", digits);
    }
    *out = strtoull(text + before, NULL, 16);
    return 0;
}

/* A number; null stands for one that is not finite. */
static int read_real(const cJSON *object, const char *name, double *out, tool_error *error)
{
    const cJSON *item = member(object, name);
    if (!cJSON_IsNumber(item) && !cJSON_IsNull(item)) {
        return tool_error_input(error, "\"%s\" is no number", name);
    }
    *out = cJSON_IsNumber(item) ? item->valuedouble : (double)NAN;
    return 0;
}

/* ---- cases --------------------------------------------------------------------------------- */

static int read_result(const cJSON *object, kvant_case_result *out, tool_error *error)
{
    const cJSON *item = member(object, "result");
    for (int i = 0; i < KVANT_CASE_RESULT_COUNT && cJSON_IsString(item); i++) {
        if (strcmp(item->valuestring, kvant_case_result_name((kvant_case_result)i)) == 0) {
            *out = (kvant_case_result)i;
            return 0;
        }
    }
    return tool_error_input(error, "\"result\" is no result of a case");
}

static int read_measure(const cJSON *object, kvant_measure *out, tool_error *error)
{
    static const char *const kinds[] = {"at most", "at least", "none"};
    const cJSON *item = member(object, "measure");
    if (item == NULL) {
        return 0;
    }
    char kind[16];
    if (read_text(item, "name", out->name, sizeof out->name, error) != 0 ||
        read_real(item, "value", &out->value, error) != 0 ||
        read_real(item, "bound", &out->bound, error) != 0 ||
        read_text(item, "kind", kind, sizeof kind, error) != 0) {
        return -1;
    }
    for (int i = 0; i < 3; i++) {
        if (strcmp(kind, kinds[i]) == 0) {
            out->kind = (kvant_bound_kind)i;
            return 0;
        }
    }
    return tool_error_input(error, "\"kind\" of a measure is none that is known");
}

static int read_mismatch(const cJSON *object, kvant_mismatch *out, tool_error *error)
{
    const cJSON *item = member(object, "mismatch");
    if (item == NULL) {
        return 0;
    }
    uint64_t expected = 0;
    uint64_t got = 0;
    if (read_text(item, "buffer", out->buffer, sizeof out->buffer, error) != 0 ||
        read_u32(item, "word", &out->word, error) != 0 ||
        read_hex(item, "expected", "0x", 8u, &expected, error) != 0 ||
        read_hex(item, "got", "0x", 8u, &got, error) != 0 ||
        read_u32(item, "differing", &out->differing, error) != 0 ||
        read_u32(item, "compared", &out->compared, error) != 0) {
        return -1;
    }
    out->expected = (uint32_t)expected;
    out->got = (uint32_t)got;
    return 0;
}

static int read_case(const cJSON *item, kvant_case_record *out, tool_error *error)
{
    out->is_full = cJSON_IsTrue(member(item, "full"));
    if (read_owned(item, "name", 0, &out->name, error) != 0 ||
        read_owned(item, "rule", 0, &out->rule, error) != 0 ||
        read_owned(item, "reason", 0, &out->reason, error) != 0 ||
        read_owned(item, "message", 1, &out->message, error) != 0 ||
        read_result(item, &out->result, error) != 0 ||
        read_u32(item, "repetitions", &out->repetitions, error) != 0 ||
        read_u32(item, "failed_repetitions", &out->failed_repetitions, error) != 0 ||
        read_u64_text(item, "seed", &out->seed, error) != 0 ||
        read_whole(item, "words", UINT64_C(1) << 53, &out->words, error) != 0 ||
        read_hex(item, "digest", "", 16u, &out->digest, error) != 0 ||
        read_real(item, "ms", &out->milliseconds, error) != 0) {
        return -1;
    }
    return read_measure(item, &out->measure, error) != 0
               ? -1
               : read_mismatch(item, &out->mismatch, error);
}

static int read_cases(const cJSON *object, kvant_conformance_report *report, tool_error *error)
{
    const cJSON *cases = member(object, "cases");
    if (!cJSON_IsArray(cases)) {
        return tool_error_input(error, "\"cases\" is no array");
    }
    const cJSON *item;
    cJSON_ArrayForEach(item, cases)
    {
        kvant_case_record record = {0};
        int result = read_case(item, &record, error);
        if (result == 0 && !kvant_conformance_add(report, &record)) {
            result = tool_error_memory(error);
        }
        if (result != 0) {
            tool_error named = *error;
            snprintf(error->text, sizeof error->text, "case %zu: %.400s", report->case_count,
                     named.text);
            kvant_case_record_release(&record);
            return -1;
        }
    }
    return 0;
}

/* ---- devices ------------------------------------------------------------------------------- */

static int read_limits(const cJSON *object, kvant_backend_limits *out, tool_error *error)
{
    const cJSON *limits = member(object, "limits");
    if (read_u32(limits, "lanes", &out->lanes, error) != 0 ||
        read_u32(limits, "parallel_groups", &out->parallel_groups, error) != 0 ||
        read_u32(limits, "max_groups", &out->max_groups, error) != 0 ||
        read_u64_text(limits, "max_buffer_bytes", &out->max_buffer_bytes, error) != 0 ||
        read_u64_text(limits, "total_memory_bytes", &out->total_memory_bytes, error) != 0) {
        return -1;
    }
    if (member(limits, "max_binding_bytes") == NULL) {
        return 0; /* of a version that did not ask for what follows */
    }
    if (read_u64_text(limits, "max_binding_bytes", &out->max_binding_bytes, error) != 0 ||
        read_u32(limits, "max_lanes", &out->max_lanes, error) != 0 ||
        read_u32(limits, "shared_bytes", &out->shared_bytes, error) != 0) {
        return -1;
    }
    return read_u32(limits, "subgroup_lanes", &out->subgroup_lanes, error);
}

static int read_variants(const cJSON *object, kvant_conformance_report *report, tool_error *error)
{
    if (member(object, "variants") == NULL) {
        return 0; /* of a version that did not ask */
    }
    return read_text(object, "variants", report->variants, sizeof report->variants, error);
}

static int read_warnings(const cJSON *object, kvant_conformance_report *report, tool_error *error)
{
    const cJSON *warnings = member(object, "warnings");
    const cJSON *item;
    cJSON_ArrayForEach(item, warnings)
    {
        if (!cJSON_IsString(item)) {
            return tool_error_input(error, "\"warnings\" are no texts");
        }
        if (!kvant_conformance_warn(report, "%s", item->valuestring)) {
            return tool_error_memory(error);
        }
    }
    return 0;
}

static int read_report(const cJSON *object, kvant_conformance_report *report, tool_error *error)
{
    const cJSON *schema = member(object, "schema");
    if (!cJSON_IsObject(object) || !cJSON_IsNumber(schema)) {
        return tool_error_input(error, "is no report of kvant conform");
    }
    if (schema->valuedouble != (double)KVANT_CONFORMANCE_SCHEMA) {
        return tool_error_input(error, "has schema %g; this version reads schema %d",
                                schema->valuedouble, KVANT_CONFORMANCE_SCHEMA);
    }
    const struct {
        const char *name;
        char *out;
        size_t size;
    } texts[] = {
        {"version", report->version, sizeof report->version},
        {"contract_hash", report->contract_hash, sizeof report->contract_hash},
        {"started", report->started, sizeof report->started},
        {"program", report->program, sizeof report->program},
        {"backend", report->backend, sizeof report->backend},
        {"device", report->device, sizeof report->device},
        {"driver", report->driver, sizeof report->driver},
        {"kind", report->kind, sizeof report->kind},
        {"uuid", report->uuid, sizeof report->uuid},
        {"pci", report->pci, sizeof report->pci},
        {"tier", report->tier, sizeof report->tier},
        {"filter", report->filter, sizeof report->filter},
    };
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        if (read_text(object, texts[i].name, texts[i].out, texts[i].size, error) != 0) {
            return -1;
        }
    }
    if (read_u32(object, "device_index", &report->device_index, error) != 0 ||
        read_u32(object, "shard", &report->shard, error) != 0 ||
        read_u32(object, "shards", &report->shards, error) != 0 ||
        read_u32(object, "repeat", &report->repeat, error) != 0 ||
        read_u64_text(object, "seed", &report->seed, error) != 0 ||
        read_real(object, "seconds", &report->seconds, error) != 0 ||
        read_limits(object, &report->limits, error) != 0 ||
        read_variants(object, report, error) != 0 || read_warnings(object, report, error) != 0) {
        return -1;
    }
    return read_cases(object, report, error);
}

static int read_root(conform_list *list, const cJSON *root, tool_error *error)
{
    if (!cJSON_IsArray(root)) {
        kvant_conformance_report *report = conform_list_add(list);
        return report != NULL ? read_report(root, report, error) : tool_error_memory(error);
    }
    const cJSON *item;
    cJSON_ArrayForEach(item, root)
    {
        kvant_conformance_report *report = conform_list_add(list);
        if (report == NULL) {
            return tool_error_memory(error);
        }
        if (read_report(item, report, error) != 0) {
            return -1;
        }
    }
    return cJSON_GetArraySize(root) != 0 ? 0 : tool_error_input(error, "holds no report");
}

int conform_list_read(conform_list *list, const char *path, tool_error *error)
{
    size_t bytes = 0;
    unsigned char *text = input_read_all(path, MOST_FILE_BYTES, &bytes, error);
    if (text == NULL) {
        return -1;
    }
    cJSON *root = cJSON_ParseWithLengthOpts((const char *)text, bytes + 1u, NULL, 1);
    free(text);
    int result =
        root != NULL ? read_root(list, root, error) : tool_error_input(error, "is not JSON");
    cJSON_Delete(root);
    if (result != 0) {
        input_name_file(error, path);
    }
    return result;
}
