/* SPDX-License-Identifier: MIT
 *
 * Which device a context opens: the grammar of KVANT_BACKEND, the candidates in order, and the
 * reasons why others were passed over. kvant/context.h states the grammar.
 */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "context_internal.h"

enum { MAX_ITEMS = 16, MAX_DEVICES = 16, MAX_REASONS = 640 };

typedef enum { BY_ANY, BY_INDEX, BY_UUID, BY_PCI, BY_NAME } match_kind;

typedef struct {
    const char *name; /* one of known_names */
    match_kind match;
    uint32_t index;
    char value[128];
} item;

static const char *const known_names[] = {"auto", "cuda", "vulkan", "opencl", "host", "null"};
static const char known_list[] = "auto, cuda, vulkan, opencl, host, null";

static const kvant_backend *const backends[] = {
#define KVANT_BACKEND(name) &kvant_backend_##name,
#include "backends.def"
#undef KVANT_BACKEND
};

const kvant_backend *kvant_backend_find(const char *name)
{
    for (size_t i = 0; i < sizeof backends / sizeof backends[0]; i++) {
        if (strcmp(backends[i]->name, name) == 0) {
            return backends[i];
        }
    }
    return NULL;
}

/* ---- grammar ---- */

static kvant_status syntax_error(const char *text, size_t position, const char *expected)
{
    kvant_fail(KVANT_ERROR_UNKNOWN_BACKEND,
               "backend selection \"%s\": at position %zu, %s (known names: %s)", text,
               position + 1, expected, known_list);
    return KVANT_ERROR_UNKNOWN_BACKEND;
}

static const char *find_known(const char *name)
{
    for (size_t i = 0; i < sizeof known_names / sizeof known_names[0]; i++) {
        if (strcmp(known_names[i], name) == 0) {
            return known_names[i];
        }
    }
    return NULL;
}

/* The part after the colon. */
static kvant_status parse_device(const char *text, size_t at, const char *device, item *out)
{
    static const struct {
        const char *prefix;
        match_kind match;
    } prefixes[] = {{"uuid=", BY_UUID}, {"pci=", BY_PCI}, {"name=", BY_NAME}};

    for (size_t i = 0; i < sizeof prefixes / sizeof prefixes[0]; i++) {
        size_t length = strlen(prefixes[i].prefix);
        if (strncmp(device, prefixes[i].prefix, length) == 0) {
            if (device[length] == '\0') {
                return syntax_error(text, at + length, "a value is missing");
            }
            out->match = prefixes[i].match;
            snprintf(out->value, sizeof out->value, "%s", device + length);
            return KVANT_OK;
        }
    }
    size_t digits = strspn(device, "0123456789");
    if (digits == 0 || device[digits] != '\0' || digits > 6) {
        return syntax_error(text, at, "expected a device: INDEX, uuid=, pci= or name=");
    }
    out->match = BY_INDEX;
    out->index = (uint32_t)strtoul(device, NULL, 10);
    return KVANT_OK;
}

static kvant_status parse_item(const char *text, size_t at, size_t length, item *out)
{
    char buffer[160];
    if (length == 0) {
        return syntax_error(text, at, "a backend name is missing");
    }
    if (length >= sizeof buffer) {
        return syntax_error(text, at, "the item is too long");
    }
    memcpy(buffer, text + at, length);
    buffer[length] = '\0';

    char *colon = strchr(buffer, ':');
    if (colon != NULL) {
        *colon = '\0';
    }
    const char *name = find_known(buffer);
    if (name == NULL) {
        char expected[200];
        snprintf(expected, sizeof expected, "unknown backend \"%s\"", buffer);
        return syntax_error(text, at, expected);
    }
    *out = (item){.name = name, .match = BY_ANY};
    if (colon == NULL) {
        return KVANT_OK;
    }
    return parse_device(text, at + (size_t)(colon + 1 - buffer), colon + 1, out);
}

/* The whole text is checked before anything is tried. */
static kvant_status parse_selection(const char *text, item *items, size_t *count)
{
    *count = 0;
    size_t at = 0;
    for (;;) {
        if (*count == MAX_ITEMS) {
            return syntax_error(text, at, "too many items");
        }
        size_t length = strcspn(text + at, ",");
        kvant_status status = parse_item(text, at, length, &items[*count]);
        if (status != KVANT_OK) {
            return status;
        }
        ++*count;
        if (text[at + length] == '\0') {
            return KVANT_OK;
        }
        at += length + 1;
    }
}

/* ---- candidates ---- */

static bool contains(const char *text, const char *part)
{
    size_t length = strlen(part);
    for (; *text != '\0'; text++) {
        size_t i = 0;
        while (i < length && tolower((unsigned char)text[i]) == tolower((unsigned char)part[i])) {
            i++;
        }
        if (i == length) {
            return true;
        }
    }
    return false;
}

static bool same_hex(const char *a, const char *b)
{
    for (; *a != '\0' || *b != '\0'; a++, b++) {
        while (*a == '-') {
            a++;
        }
        while (*b == '-') {
            b++;
        }
        if (tolower((unsigned char)*a) != tolower((unsigned char)*b)) {
            return false;
        }
        if (*a == '\0') {
            return true;
        }
    }
    return true;
}

static bool matches(const item *wanted, const kvant_candidate *candidate)
{
    switch (wanted->match) {
    case BY_INDEX:
        return candidate->index == wanted->index;
    case BY_UUID:
        return candidate->record.uuid[0] != '\0' && same_hex(candidate->record.uuid, wanted->value);
    case BY_PCI:
        return candidate->record.pci[0] != '\0' && same_hex(candidate->record.pci, wanted->value);
    case BY_NAME:
        return contains(candidate->record.name, wanted->value);
    default:
        return true;
    }
}

/* Reasons, gathered for the case that nothing works. */
typedef struct {
    char text[MAX_REASONS];
    kvant_status last;
} reasons;

static void pass_over(kvant_context *context, reasons *gathered, kvant_severity severity,
                      kvant_status status, const char *backend, const char *reason)
{
    size_t used = strlen(gathered->text);
    snprintf(gathered->text + used, sizeof gathered->text - used, "%s%s: %s", used != 0 ? "; " : "",
             backend, reason);
    gathered->last = status;
    kvant_tell(&context->host, severity, status, backend, "passed over %s: %s", backend, reason);
}

/* Opens the first matching device of `kind` (0: of any kind) of a backend. */
static bool try_backend(kvant_context *context, const kvant_backend *backend, const item *wanted,
                        kvant_device_kind kind, uint32_t flags, kvant_severity severity,
                        reasons *gathered)
{
    kvant_device_record records[MAX_DEVICES];
    uint32_t count = 0;
    context->host.probing = true;
    kvant_status status = backend->enumerate(&context->host.services, records, MAX_DEVICES, &count);
    context->host.probing = false;
    if (status != KVANT_OK) {
        char reason[KVANT_MESSAGE_BYTES];
        snprintf(reason, sizeof reason, "%s", kvant_last_message());
        pass_over(context, gathered, severity, status, backend->name, reason);
        return false;
    }
    bool any = false;
    for (uint32_t i = 0; i < count && i < MAX_DEVICES; i++) {
        kvant_candidate candidate = {.backend = backend, .index = i, .record = records[i]};
        if ((kind != 0 && records[i].kind != kind) || !matches(wanted, &candidate)) {
            continue;
        }
        any = true;
        context->host.probing = true;
        status = kvant_open_candidate(context, &candidate, flags);
        context->host.probing = false;
        if (status == KVANT_OK) {
            return true;
        }
        char reason[KVANT_MESSAGE_BYTES];
        snprintf(reason, sizeof reason, "%s", kvant_last_message());
        pass_over(context, gathered, severity, status, backend->name, reason);
    }
    if (!any && kind == 0) {
        pass_over(context, gathered, severity, KVANT_ERROR_NO_DEVICE, backend->name,
                  count == 0 ? "it has no devices" : "none of its devices matches");
    }
    return false;
}

/* GPUs of every backend, then devices that a CPU executes, then the host reference. */
static bool try_auto(kvant_context *context, const item *wanted, uint32_t flags, reasons *gathered)
{
    static const struct {
        const char *backend;
        kvant_device_kind kind;
    } order[] = {
        {"cuda", KVANT_DEVICE_GPU},   {"vulkan", KVANT_DEVICE_GPU},
        {"opencl", KVANT_DEVICE_GPU}, {"opencl", KVANT_DEVICE_CPU},
        {"vulkan", KVANT_DEVICE_CPU}, {"host", KVANT_DEVICE_REFERENCE},
    };
    for (size_t i = 0; i < sizeof order / sizeof order[0]; i++) {
        const kvant_backend *backend = kvant_backend_find(order[i].backend);
        if (backend == NULL) {
            continue;
        }
        if (try_backend(context, backend, wanted, order[i].kind, flags, KVANT_SEVERITY_INFO,
                        gathered)) {
            return true;
        }
    }
    if (wanted->match != BY_ANY) {
        pass_over(context, gathered, KVANT_SEVERITY_WARNING, KVANT_ERROR_NO_DEVICE, "auto",
                  "no device matches");
    }
    return false;
}

static bool try_item(kvant_context *context, const item *wanted, uint32_t flags, reasons *gathered)
{
    if (strcmp(wanted->name, "auto") == 0) {
        return try_auto(context, wanted, flags, gathered);
    }
    const kvant_backend *backend = kvant_backend_find(wanted->name);
    if (backend == NULL) {
        pass_over(context, gathered, KVANT_SEVERITY_WARNING, KVANT_ERROR_BACKEND_UNAVAILABLE,
                  wanted->name, "this build of kvant does not contain it");
        return false;
    }
    return try_backend(context, backend, wanted, (kvant_device_kind)0, flags,
                       KVANT_SEVERITY_WARNING, gathered);
}

static void report_choice(kvant_context *context, bool by_auto)
{
    bool is_gpu = context->record.kind == KVANT_DEVICE_GPU;
    char variants[64];
    kvant_variant_describe(context->limits.capabilities, context->variant, variants,
                           sizeof variants);
    kvant_tell(&context->host, by_auto && !is_gpu ? KVANT_SEVERITY_WARNING : KVANT_SEVERITY_INFO,
               KVANT_OK, context->backend->name, "using %s:%u, %s%s; kernels: %s",
               context->backend->name, context->device_index, context->record.name,
               is_gpu ? "" : " (not a GPU)", variants);
}

kvant_status kvant_select_device(kvant_context *context, const char *selection, uint32_t flags)
{
    item items[MAX_ITEMS];
    size_t count = 0;
    kvant_status status = parse_selection(selection, items, &count);
    if (status != KVANT_OK) {
        return status;
    }
    reasons gathered = {"", KVANT_ERROR_NO_DEVICE};
    for (size_t i = 0; i < count; i++) {
        if (try_item(context, &items[i], flags, &gathered)) {
            report_choice(context, strcmp(items[i].name, "auto") == 0);
            return KVANT_OK;
        }
    }
    /* what is wrong with a single device says more than that there is none */
    status = KVANT_ERROR_NO_DEVICE;
    if (gathered.last == KVANT_ERROR_NOT_EXACT || gathered.last == KVANT_ERROR_KERNEL_BUILD ||
        gathered.last == KVANT_ERROR_OUT_OF_HOST_MEMORY) {
        status = gathered.last;
    }
    return kvant_fail(status, "no device for \"%s\": %s", selection, gathered.text);
}
