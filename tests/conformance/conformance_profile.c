/* SPDX-License-Identifier: MIT
 *
 * Reads and asks the lists of exclusions and expected failures.
 */
#include "conformance_profile.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "conformance_choice.h"
#include "embedded.h"

extern const kvant_embedded kvant_conformance_files[];

enum { MOST_LINE = 1000, MOST_FILE = 1 << 20 };

typedef struct {
    kvant_profile *profile;
    const char *file;
    uint32_t line;
    char *message;
    size_t size;
} reader;

static int refuse(const reader *r, const char *what)
{
    snprintf(r->message, r->size, "%s:%u: %s", r->file, r->line, what);
    return 0;
}

/* A copy of a part of a line without blanks at its ends; NULL without memory. */
static char *copy_trimmed(const char *text, size_t length)
{
    while (length != 0u && (*text == ' ' || *text == '\t')) {
        text++;
        length--;
    }
    while (length != 0u && strchr(" \t\r", text[length - 1u]) != NULL) {
        length--;
    }
    char *copy = malloc(length + 1u);
    if (copy != NULL) {
        memcpy(copy, text, length);
        copy[length] = '\0';
    }
    return copy;
}

/* "for: backend | device | driver" */
static int take_header(reader *r, const char *line, kvant_profile_list *list)
{
    if (strncmp(line, "for:", 4u) != 0) {
        return refuse(r, "a list begins with \"for: BACKEND | DEVICE | DRIVER\", three globs");
    }
    char **parts[] = {&list->backend, &list->device, &list->driver};
    const char *at = line + 4;
    for (size_t i = 0; i < 3u; i++) {
        size_t length = strcspn(at, "|");
        if ((at[length] == '|') != (i < 2u)) {
            return refuse(r, "\"for:\" takes three globs, BACKEND | DEVICE | DRIVER");
        }
        *parts[i] = copy_trimmed(at, length);
        if (*parts[i] == NULL) {
            return refuse(r, "there is no memory for the list");
        }
        if ((*parts[i])[0] == '\0') {
            return refuse(r, "a glob of \"for:\" is empty; * stands for any");
        }
        at += length + 1u;
    }
    return 1;
}

/* "glob  # reason" */
static int take_row(reader *r, const char *line)
{
    kvant_profile *profile = r->profile;
    size_t length = strcspn(line, "#");
    kvant_profile_row *moved =
        realloc(profile->rows, (profile->row_count + 1u) * sizeof *profile->rows);
    if (moved == NULL) {
        return refuse(r, "there is no memory for the list");
    }
    profile->rows = moved;
    kvant_profile_row *row = &profile->rows[profile->row_count++];
    *row = (kvant_profile_row){.list = profile->list_count - 1u, .line = r->line};
    row->cases = copy_trimmed(line, length);
    const char *reason = line[length] == '#' ? line + length + 1u : "";
    row->reason = copy_trimmed(reason, strlen(reason));
    if (row->cases == NULL || row->reason == NULL) {
        return refuse(r, "there is no memory for the list");
    }
    if (strpbrk(row->cases, " \t") != NULL) {
        return refuse(r, "one glob a line, then \"# REASON\"");
    }
    if (row->reason[0] == '\0') {
        return refuse(r, "a reason is missing: GLOB  # REASON");
    }
    return 1;
}

static int take_line(reader *r, const char *line, int *has_header)
{
    const char *first = line + strspn(line, " \t\r");
    if (*first == '\0' || *first == '#') {
        return 1;
    }
    if (*has_header) {
        return take_row(r, line);
    }
    *has_header = 1;
    return take_header(r, first, &r->profile->lists[r->profile->list_count - 1u]);
}

/* Adds an empty list; NULL without memory. */
static kvant_profile_list *add_list(kvant_profile *profile, kvant_list_kind kind, const char *file)
{
    kvant_profile_list *moved =
        realloc(profile->lists, (profile->list_count + 1u) * sizeof *profile->lists);
    if (moved == NULL) {
        return NULL;
    }
    profile->lists = moved;
    kvant_profile_list *list = &profile->lists[profile->list_count++];
    *list = (kvant_profile_list){.kind = kind, .file = copy_trimmed(file, strlen(file))};
    return list->file != NULL ? list : NULL;
}

int kvant_profile_add_text(kvant_profile *profile, kvant_list_kind kind, const char *file,
                           const char *text, size_t length, char *message, size_t size)
{
    reader r = {.profile = profile, .file = file, .message = message, .size = size, .line = 1};
    if (add_list(profile, kind, file) == NULL) {
        return refuse(&r, "there is no memory for the list");
    }
    int has_header = 0;
    const char *end = text + length;
    for (; text < end; r.line++) {
        const char *newline = memchr(text, '\n', (size_t)(end - text));
        size_t line_length = (size_t)((newline != NULL ? newline : end) - text);
        char line[MOST_LINE + 1];
        if (line_length > MOST_LINE || memchr(text, '\0', line_length) != NULL) {
            return refuse(&r, "no line of text: it is too long, or has a zero byte");
        }
        memcpy(line, text, line_length);
        line[line_length] = '\0';
        if (!take_line(&r, line, &has_header)) {
            return 0;
        }
        text += line_length + 1u;
    }
    return has_header ? 1 : refuse(&r, "the line \"for: BACKEND | DEVICE | DRIVER\" is missing");
}

int kvant_profile_add_file(kvant_profile *profile, kvant_list_kind kind, const char *path,
                           char *message, size_t size)
{
    FILE *file = fopen(path, "rb");
    if (file == NULL) {
        snprintf(message, size, "%s: cannot be opened: %s", path, strerror(errno));
        return 0;
    }
    char *text = malloc(MOST_FILE + 1u);
    size_t length = text != NULL ? fread(text, 1, MOST_FILE + 1u, file) : 0u;
    int is_read = text != NULL && ferror(file) == 0 && length <= MOST_FILE;
    fclose(file);
    int is_added = 0;
    if (is_read) {
        is_added = kvant_profile_add_text(profile, kind, path, text, length, message, size);
    } else {
        snprintf(message, size, "%s: cannot be read, or is larger than a megabyte", path);
    }
    free(text);
    return is_added;
}

int kvant_profile_add_built_in(kvant_profile *profile, char *message, size_t size)
{
    static const char *const endings[] = {".exclusions", ".expected-failures"};
    for (const kvant_embedded *file = kvant_conformance_files; file->name != NULL; file++) {
        for (int kind = 0; kind < 2; kind++) {
            const char *dot = strchr(file->name, '.');
            if (dot == NULL || strcmp(dot, endings[kind]) != 0) {
                continue;
            }
            if (!kvant_profile_add_text(profile, (kvant_list_kind)kind, file->name,
                                        (const char *)file->bytes, file->size, message, size)) {
                return 0;
            }
            profile->lists[profile->list_count - 1u].is_built_in = 1;
        }
    }
    return 1;
}

void kvant_profile_release(kvant_profile *profile)
{
    for (size_t i = 0; i < profile->list_count; i++) {
        kvant_profile_list *list = &profile->lists[i];
        free(list->file);
        free(list->backend);
        free(list->device);
        free(list->driver);
    }
    for (size_t i = 0; i < profile->row_count; i++) {
        free(profile->rows[i].cases);
        free(profile->rows[i].reason);
    }
    free(profile->lists);
    free(profile->rows);
    memset(profile, 0, sizeof *profile);
}

int kvant_profile_list_is_for(const kvant_profile_list *list, const kvant_profile_device *device)
{
    return kvant_glob_matches(list->backend, device->backend) &&
           kvant_glob_matches(list->device, device->device) &&
           kvant_glob_matches(list->driver, device->driver);
}

const kvant_profile_row *kvant_profile_find(const kvant_profile *profile,
                                            const kvant_profile_device *device, const char *name)
{
    const kvant_profile_row *expected = NULL;
    for (size_t i = 0; i < profile->row_count; i++) {
        const kvant_profile_row *row = &profile->rows[i];
        const kvant_profile_list *list = &profile->lists[row->list];
        if (!kvant_glob_matches(row->cases, name) || !kvant_profile_list_is_for(list, device)) {
            continue;
        }
        if (list->kind == KVANT_LIST_EXCLUSIONS) {
            return row;
        }
        expected = expected == NULL ? row : expected;
    }
    return expected;
}
