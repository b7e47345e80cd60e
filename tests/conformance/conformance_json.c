/* SPDX-License-Identifier: MIT
 *
 * The report of a run as JSON (schema 2): all that the page needs. 64-bit numbers that are no counts
 * are strings, since JSON readers keep 53 bits.
 */
#include <math.h>

#include "conformance.h"
#include "conformance_escape.h"

/* `"name": "text"`, with what stands before it. */
static void write_member(FILE *file, const char *before, const char *name, const char *text)
{
    fprintf(file, "%s\"%s\": ", before, name);
    kvant_write_json_text(file, text);
}

static void write_number(FILE *file, const char *name, double value)
{
    if (isfinite(value)) {
        fprintf(file, "\"%s\": %.9g", name, value);
    } else {
        fprintf(file, "\"%s\": null", name);
    }
}

static void write_measure(FILE *file, const kvant_measure *measure)
{
    static const char *const kinds[] = {"at most", "at least", "none"};
    write_member(file, ", \"measure\": {", "name", measure->name);
    fputs(", ", file);
    write_number(file, "value", measure->value);
    fprintf(file, ", \"kind\": \"%s\", ", kinds[measure->kind]);
    write_number(file, "bound", measure->bound);
    fputc('}', file);
}

static void write_mismatch(FILE *file, const kvant_mismatch *mismatch)
{
    write_member(file, ", \"mismatch\": {", "buffer", mismatch->buffer);
    fprintf(file,
            ", \"word\": %u, \"expected\": \"0x%08x\", \"got\": \"0x%08x\", \"differing\": %u, "
            "\"compared\": %u}",
            mismatch->word, mismatch->expected, mismatch->got, mismatch->differing,
            mismatch->compared);
}

static void write_case(const kvant_conformance_report *report, const kvant_case_record *record,
                       FILE *file)
{
    write_member(file, "\n  {", "name", record->name);
    fprintf(file,
            ", \"result\": \"%s\", \"full\": %s, \"repetitions\": %u, \"failed_repetitions\": %u, "
            "\"seed\": \"%llu\", \"words\": %llu, \"digest\": \"%016llx\", \"ms\": %.3f",
            kvant_case_result_name(record->result), record->is_full ? "true" : "false",
            record->repetitions, record->failed_repetitions, (unsigned long long)record->seed,
            (unsigned long long)record->words, (unsigned long long)record->digest,
            record->milliseconds);
    write_member(file, ", ", "rule", record->rule);
    write_member(file, ", ", "reason", record->reason);
    if (record->measure.name[0] != '\0') {
        write_measure(file, &record->measure);
    }
    if (record->message != NULL) {
        write_member(file, ", ", "message", record->message);
    }
    if (record->mismatch.differing != 0u) {
        write_mismatch(file, &record->mismatch);
    }
    if (record->result == KVANT_CASE_FAILED || record->result == KVANT_CASE_EXPECTED) {
        char command[640];
        kvant_conformance_command(report, record, command, sizeof command);
        write_member(file, ", ", "repeat", command);
    }
    fputc('}', file);
}

static void write_device(const kvant_conformance_report *report, FILE *file)
{
    write_member(file, ",\n ", "backend", report->backend);
    fprintf(file, ",\n \"device_index\": %u", report->device_index);
    write_member(file, ",\n ", "device", report->device);
    write_member(file, ",\n ", "driver", report->driver);
    write_member(file, ",\n ", "kind", report->kind);
    write_member(file, ",\n ", "uuid", report->uuid);
    write_member(file, ",\n ", "pci", report->pci);
    write_member(file, ",\n ", "variants", report->variants);
    const kvant_backend_limits *limits = &report->limits;
    fprintf(file,
            ",\n \"limits\": {\"lanes\": %u, \"parallel_groups\": %u, \"max_groups\": %u, "
            "\"max_buffer_bytes\": \"%llu\", \"total_memory_bytes\": \"%llu\", "
            "\"max_binding_bytes\": \"%llu\", \"max_lanes\": %u, \"shared_bytes\": %u, "
            "\"subgroup_lanes\": %u}",
            limits->lanes, limits->parallel_groups, limits->max_groups,
            (unsigned long long)limits->max_buffer_bytes,
            (unsigned long long)limits->total_memory_bytes,
            (unsigned long long)limits->max_binding_bytes, limits->max_lanes, limits->shared_bytes,
            limits->subgroup_lanes);
}

static void write_run(const kvant_conformance_report *report, FILE *file)
{
    write_member(file, ",\n ", "tier", report->tier);
    write_member(file, ",\n ", "filter", report->filter);
    fprintf(file,
            ",\n \"shard\": %u,\n \"shards\": %u,\n \"repeat\": %u,\n \"seed\": \"%llu\",\n "
            "\"seconds\": %.3f,\n \"words\": %llu,\n \"passed\": %zu,\n \"failed\": %zu,\n "
            "\"skipped\": %zu,\n \"excluded\": %zu,\n \"expected_failures\": %zu",
            report->shard, report->shards, report->repeat, (unsigned long long)report->seed,
            report->seconds, (unsigned long long)report->words, report->counts[KVANT_CASE_PASSED],
            report->counts[KVANT_CASE_FAILED], report->counts[KVANT_CASE_SKIPPED],
            report->counts[KVANT_CASE_EXCLUDED], report->counts[KVANT_CASE_EXPECTED]);
    fputs(",\n \"warnings\": [", file);
    for (size_t i = 0; i < report->warning_count; i++) {
        fputs(i != 0u ? ", " : "", file);
        kvant_write_json_text(file, report->warnings[i]);
    }
    fputc(']', file);
}

static void write_report(const kvant_conformance_report *report, FILE *file)
{
    fprintf(file, "{\"schema\": %d", KVANT_CONFORMANCE_SCHEMA);
    write_member(file, ",\n ", "version", report->version);
    write_member(file, ",\n ", "contract_hash", report->contract_hash);
    write_member(file, ",\n ", "started", report->started);
    write_member(file, ",\n ", "program", report->program);
    write_device(report, file);
    write_run(report, file);
    fputs(",\n \"cases\": [", file);
    for (size_t i = 0; i < report->case_count; i++) {
        fputs(i != 0u ? "," : "", file);
        write_case(report, &report->cases[i], file);
    }
    fputs("\n ]}\n", file);
}

void kvant_conformance_write_json(const kvant_conformance_report *reports, size_t count, FILE *file)
{
    fputs(count != 1u ? "[\n" : "", file);
    for (size_t i = 0; i < count; i++) {
        fputs(i != 0u ? ",\n" : "", file);
        write_report(&reports[i], file);
    }
    fputs(count != 1u ? "]\n" : "", file);
}
