/* SPDX-License-Identifier: MIT
 *
 * What a device need not pass, from two lists a device: exclusions (for good; the case is not run)
 * and expected failures (until they are mended; a pass is then a failure). profiles/ holds the
 * built-in ones; docs/conformance.md describes the format.
 */
#ifndef KVANT_TESTS_CONFORMANCE_PROFILE_H
#define KVANT_TESTS_CONFORMANCE_PROFILE_H

#include <stddef.h>
#include <stdint.h>

typedef enum { KVANT_LIST_EXCLUSIONS, KVANT_LIST_EXPECTED_FAILURES } kvant_list_kind;

/* One file: for devices that all three globs match. */
typedef struct {
    char *file;
    kvant_list_kind kind;
    int is_built_in;
    char *backend;
    char *device;
    char *driver;
} kvant_profile_list;

/* One line of a list. */
typedef struct {
    size_t list;
    uint32_t line;
    char *cases; /* a glob */
    char *reason;
} kvant_profile_row;

typedef struct {
    kvant_profile_list *lists;
    size_t list_count;
    kvant_profile_row *rows;
    size_t row_count;
} kvant_profile;

/* How a device is known to the lists. */
typedef struct {
    const char *backend;
    const char *device;
    const char *driver;
} kvant_profile_device;

/* The functions that read return 1, or 0 with a sentence that names file and line; the profile is
 * then to be released. Adds the built-in lists; a text; a file. */
int kvant_profile_add_built_in(kvant_profile *profile, char *message, size_t size);
int kvant_profile_add_text(kvant_profile *profile, kvant_list_kind kind, const char *file,
                           const char *text, size_t length, char *message, size_t size);
int kvant_profile_add_file(kvant_profile *profile, kvant_list_kind kind, const char *path,
                           char *message, size_t size);
void kvant_profile_release(kvant_profile *profile);

int kvant_profile_list_is_for(const kvant_profile_list *list, const kvant_profile_device *device);

/* The row for a case on a device, an exclusion before an expected failure; NULL: there is none. */
const kvant_profile_row *kvant_profile_find(const kvant_profile *profile,
                                            const kvant_profile_device *device, const char *name);

#endif
