/* SPDX-License-Identifier: MIT
 *
 * Kernels that the build has put into the library (tools/embed writes the tables).
 */
#ifndef KVANT_BACKENDS_EMBEDDED_H
#define KVANT_BACKENDS_EMBEDDED_H

#include <stddef.h>

typedef struct {
    const char *name;           /* the file's base name; NULL ends a table */
    const unsigned char *bytes; /* followed by a 0 that `size` does not count; 16-byte aligned */
    size_t size;
    const char *contract_hash; /* of api/contract/ when the file was compiled */
} kvant_embedded;

/* The entry of that name, or NULL. */
const kvant_embedded *kvant_embedded_find(const kvant_embedded *table, const char *name);

#endif
